from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cartwheel.errors import StorageError
from cartwheel.storage.metrics import (
    MetricsWriter,
    delete_result,
    read_metrics,
    read_result,
    read_test_episodes,
    write_result,
)


def write(path: Path, *rows: dict[str, float]) -> None:
    with closing(MetricsWriter(path)) as writer:
        for row in rows:
            writer.add(row)


def columns(path: Path) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in read_metrics(path).items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.sqlite"


def test_rows_come_back_as_columns_in_order_of_generations(path):
    write(path, {"generation": 2, "steps": 2**53 + 1, "best": 1.0}, {"best": 0.1, "generation": 1, "steps": -5})
    metrics = read_metrics(path)
    assert {name: (column.dtype.name, column.tolist()) for name, column in metrics.items()} == {
        "generation": ("int64", [1, 2]),
        "steps": ("int64", [-5, 2**53 + 1]),
        "best": ("float64", [0.1, 1.0]),
    }


def test_special_numbers_and_missing_ones(path):
    nan, inf = math.nan, math.inf
    write(
        path,
        {"generation": 1, "a": nan, "n": 1},
        {"generation": 2, "a": inf, "b": -inf},
        {"generation": 3, "a": 5e-324},
    )
    metrics = read_metrics(path)
    for name, expected in (("a", [nan, inf, 5e-324]), ("b", [nan, -inf, nan]), ("n", [1.0, nan, nan])):
        assert metrics[name].dtype == np.float64
        np.testing.assert_array_equal(metrics[name], expected)
    assert np.signbit(read_metrics(path)["b"][1])


def test_numpys_numbers_are_numbers(path):
    write(path, {"generation": np.int64(1), "a": np.float32(0.5), "b": np.uint8(3)})
    assert columns(path) == {"generation": [1], "a": [0.5], "b": [3]}
    assert read_metrics(path)["b"].dtype == np.int64


def test_any_printable_name_is_a_column(path):
    strange = {'a"b': 1, "x; DROP TABLE generations": 2, "select": 3, "é [/] 'x'": 4, "rowid": 5}
    write(path, {"generation": 1, **strange})
    assert columns(path) == {name: [value] for name, value in {"generation": 1, **strange}.items()}


@pytest.mark.parametrize(
    "row",
    [
        {"best": 1.0},
        {"generation": 1.0},
        {"generation": True},
        {"generation": 1, "x": "text"},
        {"generation": 1, "x": None},
        {"generation": 1, "x": True},
        {"generation": 1, "x": 2**63},
        {"generation": 1, "": 1},
        {"generation": 1, "a\0b": 1},
        {"generation": 1, "\ud800": 1},
        {"generation": 1, "Generation": 1},
        {"generation": 1, "LOSS": 1},
    ],
)
def test_what_is_no_row_is_an_error_and_leaves_no_trace(path, row):
    write(path, {"generation": 0, "loss": 0.5})
    with closing(MetricsWriter(path)) as writer:
        with pytest.raises(StorageError) as caught:
            writer.add(row)
        assert "\n" not in str(caught.value)
    assert columns(path) == {"generation": [0], "loss": [0.5]}


def test_rows_are_in_memory_until_they_are_flushed(path):
    with closing(MetricsWriter(path)) as writer:
        assert columns(path) == {"generation": []}
        writer.add({"generation": 1, "a": 1})
        assert columns(path) == {"generation": []}
        writer.flush()
        assert columns(path) == {"generation": [1], "a": [1]}


def test_a_flush_that_was_broken_off_can_be_repeated(path, monkeypatch):
    with closing(MetricsWriter(path)) as writer:
        writer.add({"generation": 1, "a": 1})
        writer.add({"generation": 2, "b": 1})
        rows = list(writer._rows)
        writer.flush()
        writer._rows = rows  # as if it had been interrupted after its commit
        writer.flush()
    assert columns(path)["generation"] == [1, 2]


def test_later_rows_can_be_dropped_written_or_not(path):
    with closing(MetricsWriter(path)) as writer:
        for number in range(1, 5):
            writer.add({"generation": number, "a": number})
        writer.flush()
        writer.add({"generation": 5, "a": 5})
        writer.drop_after(3)
        assert columns(path)["a"] == [1, 2, 3]
        writer.add({"generation": 4, "a": 40})
    assert columns(path)["a"] == [1, 2, 3, 40]


def test_one_plain_file_is_left(path):
    write(path, {"generation": 1})
    write(path, {"generation": 2})
    assert [file.name for file in path.parent.iterdir()] == ["metrics.sqlite"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    read_metrics(path)
    read_result(path)
    assert [file.name for file in path.parent.iterdir()] == ["metrics.sqlite"]


def test_commits_are_on_the_disk_before_flush_returns(path):
    with closing(MetricsWriter(path)) as writer:
        assert writer._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert writer._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_copy_can_be_read(path, tmp_path):
    write(path, {"generation": 1, "a": 0.5})
    shutil.copy(path, tmp_path / "copy of #1?%20.sqlite")
    assert columns(tmp_path / "copy of #1?%20.sqlite") == {"generation": [1], "a": [0.5]}


# --- the result -------------------------------------------------------------------------------------------------------

RESULT = {"stop": "solved", "generations": 7, "test_mean": 0.1, "whole": 500.0, "spread": math.inf}


def test_the_result_comes_back_in_its_order(path):
    write(path, {"generation": 1})
    assert read_result(path) is None
    assert read_test_episodes(path) is None
    write_result(path, RESULT, [1.5, math.nan, 3.0], [10, 20, 30])
    result = read_result(path)
    assert result == RESULT
    assert [(name, type(value)) for name, value in result.items()] == [(n, type(v)) for n, v in RESULT.items()]
    returns, lengths = read_test_episodes(path)
    np.testing.assert_array_equal(returns, [1.5, math.nan, 3.0])
    assert (returns.dtype, lengths.dtype, lengths.tolist()) == (np.float64, np.int64, [10, 20, 30])
    assert columns(path) == {"generation": [1]}


def test_a_new_result_replaces_the_former_one_and_it_can_be_deleted(path):
    write_result(path, RESULT, [1.0, 2.0, 3.0], [1, 2, 3])
    with closing(MetricsWriter(path)) as writer:
        write_result(writer, {"stop": "budget", "x": math.nan}, [5.0], [6])
        result = read_result(path)
        assert result["stop"] == "budget"
        assert math.isnan(result["x"])
        assert [column.tolist() for column in read_test_episodes(path)] == [[5.0], [6]]
        delete_result(writer)
        assert read_result(path) is None
        assert read_test_episodes(path) is None
    delete_result(path)
    assert [file.name for file in path.parent.iterdir()] == ["metrics.sqlite"]


@pytest.mark.parametrize(
    ("result", "returns", "lengths"),
    [({"x": True}, [1.0], [1]), ({"x": None}, [1.0], [1]), ({}, [1.0, 2.0], [1]), ({}, [[1.0]], [[1]])],
)
def test_what_is_no_result_leaves_the_former_one(path, result, returns, lengths):
    write_result(path, RESULT, [1.0], [1])
    with pytest.raises(StorageError):
        write_result(path, result, returns, lengths)
    assert read_result(path) == RESULT

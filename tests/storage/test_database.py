from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from storage_faults import begin, end, kill, kill_in_the_middle, start

from cartwheel.errors import StorageError
from cartwheel.storage import database
from cartwheel.storage.metrics import MetricsWriter, delete_result, read_metrics, read_result, read_test_episodes


def generations(path: Path) -> list[int]:
    column: list[int] = read_metrics(path)["generation"].tolist()
    return column


def beside(path: Path) -> list[str]:
    return sorted(file.name.removeprefix(path.name) for file in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "metrics.sqlite"


WRITER = """
import itertools, sys
from pathlib import Path
from cartwheel.storage.metrics import MetricsWriter, read_metrics
path = Path(sys.argv[1]) / "metrics.sqlite"
writer = MetricsWriter(path)
first = len(read_metrics(path)["generation"])
for n in itertools.count(first):
    writer.add({"generation": n, "a": n * 0.5, f"column {n % 50}": n})
    if n % 2:
        writer.flush()
        if n <= first + 1: print("ready", flush=True)
        print(n, file=open(Path(sys.argv[1]) / "flushed", "a"), flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path):
    path = tmp_path / "metrics.sqlite"

    def check() -> None:
        flushed = [int(line) for line in (tmp_path / "flushed").read_text().split()]
        rows = generations(path)  # first as a reader finds it
        assert rows == list(range(len(rows)))
        assert rows[-1] >= flushed[-1]
        with closing(MetricsWriter(path)):
            assert generations(path) == rows
        assert beside(path) == ["", "flushed"]
        assert read_metrics(path)["a"].tolist() == [n * 0.5 for n in rows]

    kill_in_the_middle(WRITER, tmp_path, check, times=4)


def stale(path: Path) -> None:
    """A file as a killed writer leaves it: some of its rows are in the "-wal" only."""
    code = """
import sys
from cartwheel.storage.metrics import MetricsWriter
writer = MetricsWriter(sys.argv[1])
for n in range(3):
    writer.add({"generation": n})
    writer.flush()
print("ready", flush=True)
sys.stdin.read()
"""
    kill(start(code, path))
    assert beside(path) == ["", "-shm", "-wal"]


def test_what_a_killed_writer_left_is_read_where_nothing_can_be_written(path, monkeypatch):
    stale(path)
    real, modes = database._open_reader, []

    def in_a_closed_folder(file: Path, mode: str) -> sqlite3.Connection:
        modes.append(mode)
        if file == path:
            problem = sqlite3.OperationalError("unable to open database file")
            problem.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise problem
        return real(file, mode)

    before = {name: (path.parent / (path.name + name)).read_bytes() for name in ("", "-wal")}
    monkeypatch.setattr(database, "_open_reader", in_a_closed_folder)
    assert generations(path) == [0, 1, 2]
    assert modes == ["ro", "rw"]
    assert {name: (path.parent / (path.name + name)).read_bytes() for name in before} == before


READER_WITHOUT_RIGHTS = """
import os, sys, tempfile
from cartwheel.storage.metrics import read_metrics
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open(sys.argv[1], "ab")
except PermissionError:
    print(read_metrics(sys.argv[1])["generation"].tolist())
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions work otherwise there")
@pytest.mark.parametrize("state", ["plain", "plain with an empty -wal", "stale -wal", "stale -wal without -shm", "wal"])
def test_a_file_in_a_read_only_folder_can_be_read(path, state):
    if state.startswith("stale"):
        stale(path)
    else:
        with closing(MetricsWriter(path)) as writer:
            for number in range(3):
                writer.add({"generation": number})
    if state == "stale -wal without -shm":
        path.with_name("metrics.sqlite-shm").unlink()
    if state == "plain with an empty -wal":
        path.with_name("metrics.sqlite-wal").touch()
    if state == "wal":  # closed by a writer that knows nothing of ours
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    closed = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        shutil.copytree(path.parent, closed, dirs_exist_ok=True)
        for file in closed.iterdir():
            file.chmod(0o444)
        closed.chmod(0o555)
        names = sorted(file.name for file in closed.iterdir())
        assert end(begin(READER_WITHOUT_RIGHTS, closed / path.name)) == "[0, 1, 2]\n"
        assert sorted(file.name for file in closed.iterdir()) == names
    finally:
        closed.chmod(0o755)
        shutil.rmtree(closed)


def test_a_reader_that_stays_in_its_transaction_does_not_disturb_the_writer(path):
    with closing(MetricsWriter(path)) as writer:
        writer.add({"generation": 0})
        writer.flush()
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM generations").fetchone() == (1,)
            started = time.perf_counter()
            for number in range(1, 50):
                writer.add({"generation": number, f"new {number}": 1})
                writer.flush()
            writer.drop_after(39)
            assert time.perf_counter() - started < 5  # it would wait 10 s for a lock
            assert reader.execute("SELECT count(*) FROM generations").fetchone() == (1,)
            assert generations(path) == list(range(40))
    assert beside(path) == [""]


def test_closing_does_not_wait_for_ever_and_loses_nothing(path, monkeypatch):
    monkeypatch.setattr(database, "_CLOSING", 0.05)
    writer = MetricsWriter(path)
    writer.add({"generation": 0})
    writer.flush()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM generations").fetchall()
        writer.add({"generation": 1})
        writer.close()
        assert generations(path) == [0, 1]
    assert generations(path) == [0, 1]
    with closing(MetricsWriter(path)):
        pass
    assert beside(path) == [""]
    assert generations(path) == [0, 1]


def test_closing_waits_for_a_short_reader(path):
    writer = MetricsWriter(path)
    writer.add({"generation": 0})
    writer.flush()
    code = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT * FROM generations").fetchall()
print("ready", flush=True)
time.sleep(0.2)
connection.close()
"""
    child = start(code, path)
    writer.close()
    assert beside(path) == [""]
    end(child)


READING = """
import sys
from cartwheel.storage.metrics import read_metrics
print("ready", flush=True)
while True:
    rows = read_metrics(sys.argv[1])["generation"].tolist()
    assert rows == list(range(len(rows))), rows
    if rows and rows[-1] == 299: break
"""


def test_other_processes_read_while_it_is_written(path):
    writer = MetricsWriter(path)
    children = [start(READING, path) for _ in range(2)]
    for number in range(300):
        writer.add({"generation": number, "a": 0.5})
        writer.flush()
    writer.close()
    for child in children:
        end(child)
        assert child.returncode == 0
    assert beside(path) == [""]


def test_a_file_whose_writer_is_just_starting_is_empty(path):
    path.touch()
    assert read_metrics(path) == {}
    assert read_result(path) is None
    assert read_test_episodes(path) is None
    with closing(MetricsWriter(path)):
        assert generations(path) == []


def break_off(writer: MetricsWriter) -> None:
    with writer._changing() as connection:
        connection.execute("DELETE FROM generations")
        raise KeyboardInterrupt


def test_a_failing_transaction_changes_nothing(path):
    with closing(MetricsWriter(path)) as writer:
        writer.add({"generation": 1, "a": 1})
        writer.flush()
        with pytest.raises(KeyboardInterrupt):
            break_off(writer)
        assert generations(path) == [1]
        writer.add({"generation": 2, "a": 1})  # the connection is still good
    assert generations(path) == [1, 2]


def foreign(path: Path, kind: str) -> None:
    if kind == "database":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE generations (generation INTEGER PRIMARY KEY)")
    elif kind == "another's":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA application_id=7")
    elif kind == "newer":
        MetricsWriter(path).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=2")
    else:
        path.write_bytes({"text": b"some text", "noise": np.random.default_rng(0).bytes(9000)}[kind])


@pytest.mark.parametrize("kind", ["database", "another's", "newer", "text", "noise"])
@pytest.mark.parametrize("use", [read_metrics, read_result, read_test_episodes, MetricsWriter, delete_result])
def test_a_file_that_is_not_ours_is_an_error_and_stays_as_it_is(path, kind, use):
    foreign(path, kind)
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        use(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert ("newer than this Cartwheel" if kind == "newer" else "not a metrics file of Cartwheel") in str(caught.value)
    assert (path.read_bytes(), beside(path)) == (before, [""])


def test_damaged_pages_and_values_are_errors(path):
    with closing(MetricsWriter(path)) as writer:
        for number in range(500):
            writer.add({"generation": number, "a": 0.5})
    sound = path.read_bytes()
    path.write_bytes(sound[:8192] + np.random.default_rng(0).bytes(len(sound) - 8192))
    with pytest.raises(StorageError, match="malformed"):
        read_metrics(path)
    path.write_bytes(sound)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE generations SET a = 'text' WHERE generation = 3")
    with pytest.raises(StorageError, match="damaged"):
        read_metrics(path)


def test_places_that_cannot_hold_one(tmp_path):
    for use, place in (
        (MetricsWriter, tmp_path / "no" / "x"),
        (MetricsWriter, tmp_path),
        (read_metrics, tmp_path / "x"),
    ):
        with pytest.raises(StorageError) as caught:
            use(place)
        assert str(place) in str(caught.value)
    assert list(tmp_path.iterdir()) == []

"""`metrics.sqlite`: a row for each generation, readable while training, and the result of the run.

SQLite has no NaN (it stores NULL), and a metric that a generation did not give is NULL too: both are read as NaN.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cartwheel.errors import StorageError
from cartwheel.storage.database import close_plainly, database_errors, open_writer, reading, transaction

# Columns without a type keep each number as it is given: whole numbers whole, all others float64.
_SCHEMA = (
    "CREATE TABLE generations (generation INTEGER PRIMARY KEY)",
    "CREATE TABLE result (name TEXT PRIMARY KEY, value)",
    "CREATE TABLE test_episodes (episode INTEGER PRIMARY KEY, return_, length INTEGER)",
)


class MetricsWriter:
    """Writes the metrics file `path`, made if there is none. One process writes at a time; any number may read."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._connection = open_writer(self.path, _SCHEMA)
        self._rows: list[dict[str, int | float]] = []
        with database_errors(self.path):
            self._names = {name.lower(): name for name in _columns(self._connection)}

    def add(self, row: Mapping[str, int | float]) -> None:
        """Take a row of metrics, which must hold "generation"; it is kept in memory until `flush`.

        StorageError for a value that is no number of 64 bits, or a name that a table can't have beside the others.
        """
        values = {name: _number(name, value) for name, value in row.items()}
        if not isinstance(values.get("generation"), int):
            raise StorageError(f"a row of metrics wants a whole number 'generation', got {row.get('generation')!r}")
        for name in values:
            if not name or not name.isprintable():
                raise StorageError(f"{name!r} can't name a metric")
            if self._names.setdefault(name.lower(), name) != name:  # SQLite's names know no case
                raise StorageError(f"the metrics {name!r} and {self._names[name.lower()]!r} differ in case only")
        self._rows.append(values)

    def flush(self) -> None:
        """Write all rows taken, in one transaction: they are on the disk when this returns.

        A row replaces a former one of its generation, so that a flush that was interrupted can be repeated.
        """
        if self._rows:
            with self._changing() as connection:
                _insert(connection, self._rows)
            self._rows = []

    def drop_after(self, generation: int) -> None:
        """Remove the rows of all later generations, written or not."""
        self._rows = [row for row in self._rows if row["generation"] <= generation]
        with self._changing() as connection:
            connection.execute("DELETE FROM generations WHERE generation > ?", (generation,))

    def close(self) -> None:
        """Write what is left and leave one plain file."""
        try:
            self.flush()
        finally:
            with database_errors(self.path):
                close_plainly(self._connection)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with database_errors(self.path), transaction(self._connection):
            yield self._connection


Target: TypeAlias = MetricsWriter | str | PathLike[str]


def read_metrics(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """The metrics in a file: names to columns, one entry a generation, in order of generations.

    A column of whole numbers only is int64, any other float64, NaN where a generation did not give that metric.
    """
    with reading(Path(path)) as connection:
        if connection is None:
            return {}
        cursor = connection.execute("SELECT * FROM generations ORDER BY generation")
        names, rows = [name for name, *_ in cursor.description], cursor.fetchall()
    return {name: _column([row[place] for row in rows], path) for place, name in enumerate(names)}


def write_result(
    target: Target, result: Mapping[str, int | float | str], returns: ArrayLike, lengths: ArrayLike
) -> None:
    """Store the figures of a finished run and its test episodes, `returns (E,)` and `lengths (E,)`.

    They replace any former ones. `target` is a writer, or the path of a file that nobody is writing.
    """
    returns, lengths = np.asarray(returns, np.float64), np.asarray(lengths, np.int64)
    if returns.ndim != 1 or returns.shape != lengths.shape:
        raise StorageError(f"expected returns and lengths (E,), got shapes {returns.shape} and {lengths.shape}")
    values = [(name, value if isinstance(value, str) else _number(name, value)) for name, value in result.items()]
    episodes = zip(range(len(returns)), returns.tolist(), lengths.tolist(), strict=True)
    with _changing(target) as connection:
        _clear_result(connection)
        connection.executemany("INSERT INTO result VALUES (?, ?)", values)
        connection.executemany("INSERT INTO test_episodes VALUES (?, ?, ?)", episodes)


def delete_result(target: Target) -> None:
    """Remove the result, if there is one: a run that goes on is unfinished again. `target` as for `write_result`."""
    with _changing(target) as connection:
        _clear_result(connection)


def read_result(path: str | PathLike[str]) -> dict[str, int | float | str] | None:
    """The figures of a finished run, None if it is not finished."""
    with reading(Path(path)) as connection:
        rows = (
            [] if connection is None else connection.execute("SELECT name, value FROM result ORDER BY rowid").fetchall()
        )
    return {name: np.nan if value is None else value for name, value in rows} or None


def read_test_episodes(path: str | PathLike[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """The test episodes of a finished run, returns `(E,)` and lengths `(E,)`; None if there are none."""
    with reading(Path(path)) as connection:
        query = "SELECT return_, length FROM test_episodes ORDER BY episode"
        rows = [] if connection is None else connection.execute(query).fetchall()
    if not rows:
        return None
    returns, lengths = (_column(column, path) for column in zip(*rows, strict=True))
    return returns.astype(np.float64), lengths.astype(np.int64)


@contextmanager
def _changing(target: Target) -> Iterator[sqlite3.Connection]:
    """A transaction on a writer's connection, or on one made for it."""
    if isinstance(target, MetricsWriter):
        with target._changing() as connection:
            yield connection
    else:
        with closing(MetricsWriter(target)) as writer, writer._changing() as connection:
            yield connection


def _clear_result(connection: sqlite3.Connection) -> None:
    for table in ("result", "test_episodes"):
        connection.execute(f"DELETE FROM {table}")


def _insert(connection: sqlite3.Connection, rows: Sequence[Mapping[str, int | float]]) -> None:
    """Insert rows, with a new column for each metric that is new."""
    present = set(_columns(connection))
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        if name not in present:
            connection.execute(f"ALTER TABLE generations ADD COLUMN {_quoted(name)}")
    columns, places = ", ".join(map(_quoted, names)), ", ".join("?" for _ in names)
    connection.executemany(
        f"INSERT OR REPLACE INTO generations ({columns}) VALUES ({places})",
        ([row.get(name) for name in names] for row in rows),
    )


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [name for name, *_ in connection.execute("SELECT * FROM generations LIMIT 0").description]


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _number(name: str, value: Any) -> int | float:
    number = value.item() if isinstance(value, np.generic) else value
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or (isinstance(number, int) and not -(2**63) <= number < 2**63):
        raise StorageError(f"can't store {name!r}: expected a number of 64 bits, got {value!r:.60}")
    return number  # type: ignore[no-any-return]


def _column(values: Sequence[Any], path: str | PathLike[str]) -> NDArray[Any]:
    if all(isinstance(value, int) for value in values):
        return np.array(values, np.int64)
    if not all(value is None or isinstance(value, (int, float)) for value in values):
        raise StorageError(f"{path}: damaged: a column of numbers holds something else")
    return np.array([np.nan if value is None else value for value in values], np.float64)

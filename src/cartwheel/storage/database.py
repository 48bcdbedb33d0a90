"""The SQLite file under the metrics: opened, read wherever it lies, and closed so that one plain file is left.

A writer puts the file into SQLite's write-ahead mode, in which readers and the writer never wait for each other: new
content goes to a file "-wal" beside it, an index of that to a file "-shm". Closing puts both back.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cartwheel.errors import StorageError
from cartwheel.storage.atomic import storage_errors

FORMAT = 1
_APPLICATION = 0x43575448  # "CWTH": where SQLite's header names the program that a file belongs to
_BUSY = 10.0  # seconds to wait for another process's recovery or checkpoint, which take milliseconds
_CLOSING = 1.0  # seconds to wait for readers to go
_UNREACHABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)


def open_writer(path: Path, schema: tuple[str, ...]) -> sqlite3.Connection:
    """A connection that writes durably; a file that is new is given the tables of `schema`, all or none.

    Raises StorageError for a file that can't be written or is none of ours, which is then left as it was.
    """
    with database_errors(path):
        connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
        try:
            is_new = _is_new(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
            if is_new:
                _create(connection, schema)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's changes, or none."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that only reads; None where there is a file without content yet (its writer is just starting).

    It works beside a writer, on a copy, and in a folder that can't be written. Raises StorageError for what is none of
    our files.
    """
    if not path.is_file():
        raise StorageError(f"{path}: no such file")
    with ExitStack() as stack, database_errors(path):
        try:
            connection = _open_reader(path, "ro")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF not in _UNREACHABLE:
                raise
            # What a writer left in a "-wal" can't be read without writing an index beside it. A copy can have one.
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="cartwheel-")))
            connection = _open_reader(_copy(path, folder), "rw")
        stack.callback(connection.close)
        yield None if _is_new(connection, path) else connection


def close_plainly(connection: sqlite3.Connection) -> None:
    """Close a writer's connection and leave one plain file, as soon as no reader is using the file.

    A reader that stays longer than a second is not waited for: then the files beside it stay, and all is readable.
    """
    connection.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + _CLOSING
    while not _made_plain(connection) and time.monotonic() < deadline:
        time.sleep(0.01)
    connection.close()


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn an error of SQLite in the block into a StorageError in one line."""
    try:
        yield
    except sqlite3.Error as problem:
        if getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise StorageError(f"{path}: damaged, or not a metrics file of Cartwheel") from None
        raise StorageError(f"{path}: {problem}") from problem


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has no content yet; StorageError if it has some that is not ours."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((number,),) = connection.execute("PRAGMA user_version")
    if application == _APPLICATION and number == FORMAT:
        return False
    if application == _APPLICATION and number > FORMAT:
        raise StorageError(f"{path}: its format {number} is newer than this Cartwheel, which reads {FORMAT}: update it")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if application != 0 or number != 0 or tables:
        raise StorageError(f"{path}: a database, but not a metrics file of Cartwheel")
    return True


def _create(connection: sqlite3.Connection, schema: tuple[str, ...]) -> None:
    with transaction(connection):
        if connection.execute("PRAGMA application_id").fetchone() == (0,):  # nobody else was faster
            for statement in (*schema, f"PRAGMA application_id={_APPLICATION}", f"PRAGMA user_version={FORMAT}"):
                connection.execute(statement)


def _open_reader(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")  # opening is put off to the first statement
    except BaseException:
        connection.close()
        raise
    return connection


def _copy(path: Path, folder: Path) -> Path:
    """A copy of the file in `folder`, with what belongs to it; the index "-shm" is made anew."""
    with storage_errors(path, "can't be read"):
        for suffix in ("", "-wal", "-journal"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                shutil.copyfile(part, folder / part.name)
    return folder / path.name


def _made_plain(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:  # somebody is reading
        return False
    return True

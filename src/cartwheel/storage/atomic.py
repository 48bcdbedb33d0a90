"""Files that are whole or absent: whoever is killed, and whenever, leaves the old content or the new."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cartwheel.errors import StorageError

T = TypeVar("T")
_numbers = itertools.count()


def write_atomically(path: Path, data: bytes, keep: Path | None = None) -> None:
    """Make `data` the content of the file `path`, durably: when this returns, a power cut does not undo it.

    With `keep`, a path in the same folder, the former file stays there under that name. It is moved away once the new
    content is safe on the disk; a process killed just then leaves a whole `keep` and no `path`.
    Raises StorageError where the file can't be written; then the former content stands, and no other file is left.
    """
    with storage_errors(path, "can't be written"), _temporary_file(path.parent, data) as temporary:
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        sync_folder(path.parent)


def read_whole(path: Path) -> bytes:
    """The content of a file; StorageError where there is none or it can't be read."""
    if not path.exists():
        raise StorageError(f"{path}: no such file")
    if not path.is_file():  # a pipe would block for ever, a device never end
        raise StorageError(f"{path}: expected a file, and this is none")
    with storage_errors(path, "can't be read"):
        return path.read_bytes()


def make_temporary(folder: Path, make: Callable[[Path], T]) -> tuple[Path, T]:
    """The first free temporary name in `folder`, and what `make` made of it (a file or folder that must be new).

    The process's id is no claim by itself: containers that share a folder may share it, and so does what a killed one
    left. So the file system is asked.
    """
    for number in _numbers:  # one sequence for all threads
        path = folder / f".cartwheel-{os.getpid()}-{number}.tmp"
        with suppress(FileExistsError):
            return path, make(path)
    raise AssertionError("there are infinitely many names")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder that only this process writes into."""
    with storage_errors(folder, "can't be written"):
        for leftover in folder.glob(".cartwheel-*.tmp"):
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the folder's entries reach the disk, where the system knows how (Windows does it by itself)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as problem:  # some network and FUSE file systems have no such call
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError in one line: the path, `what` can't be done, the reason."""
    try:
        yield
    except OSError as problem:
        raise StorageError(f"{path}: {what}: {problem.strerror or problem}") from problem


@contextmanager
def _temporary_file(folder: Path, data: bytes) -> Iterator[Path]:
    """A new file in `folder` that holds `data`, on the disk already; removed at the end if it is still there."""
    # not tempfile: its files are readable by their owner only
    temporary, file = make_temporary(folder, lambda path: path.open("xb"))
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)

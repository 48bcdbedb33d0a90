"""A lock on a folder that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cartwheel.errors import StorageError
from cartwheel.storage.atomic import storage_errors

_PATIENCE = 0.5  # seconds: `is_held` takes the lock for an instant, and that must not turn a trainer away
_held: set[int] = set()


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made and in the end removed; StorageError, naming the holder, if another holds it."""
    with storage_errors(path, "can't be locked"):
        descriptor = _acquired(path)
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # not in a forked child that leaves this block too
            _held.remove(descriptor)
            _release(descriptor, path)


def is_held(path: Path) -> bool:
    """Whether a live process holds this lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


def _acquired(path: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try_lock(descriptor, exclusive=True) and _is_at(descriptor, path):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise StorageError(f"{path.parent} is in use by {_holder(path)}: wait until it ends, or stop it")
        time.sleep(0.01)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one at `path`, and not one that its last holder removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())


def _holder(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace") or "another process"
    return "another process"


def _release(descriptor: int, path: Path) -> None:
    """Remove the file before letting go of it, where the system allows that: the next holder makes a new one."""
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)


def _forget_in_child() -> None:
    """A forked worker shares the open file: were it to outlive its parent, it would hold the lock for the dead."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a locked byte can't be read by others, so it lies behind the text

    def _try_lock(descriptor: int, exclusive: bool) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    os.register_at_fork(after_in_child=_forget_in_child)

    def _try_lock(descriptor: int, exclusive: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

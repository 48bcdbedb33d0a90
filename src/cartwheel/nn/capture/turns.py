"""Whose turn it is: programs run side by side in any number of threads, but none while a step is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_ALONE = threading.RLock()
_recorder: int | None = None
#: The threads that run programs now, by their numbers. To add one is a single step of Python's.
_running: set[int] = set()


class Turn:
    """A `with` block for what several threads may do one after the other, but not while any thread records."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        begin()

    def __exit__(self, *_: object) -> None:
        _running.discard(threading.get_ident())
        self._lock.release()


def begin() -> None:
    """Run programs from here on, when no other thread records any more."""
    me = threading.get_ident()
    _running.add(me)  # who runs and who records both say so first, and then look: one of them sees the other
    while _recorder not in (None, me):
        _running.discard(me)
        with _ALONE:
            pass
        _running.add(me)


@contextmanager
def alone() -> Iterator[None]:
    """A `with` block for recording: models and optimizers have other numbers meanwhile, so no other thread runs one.

    What this thread is in the middle of rests: it is to `begin` again.
    """
    global _recorder
    _running.discard(threading.get_ident())
    with _ALONE:
        before, _recorder = _recorder, threading.get_ident()
        try:
            while any(thread.ident in _running for thread in threading.enumerate()):  # those that have ended left none
                time.sleep(1e-4)
            yield
        finally:
            _recorder = before

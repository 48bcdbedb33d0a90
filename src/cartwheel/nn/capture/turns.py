"""Whose turn it is: programs run side by side in any number of threads, but none while a step is recorded.

A recording gives models and optimizers other numbers for a while. Each thread says first what it does, and looks then
at what the others do, so that one of two sees the other. Both take what they do as a function, and have no `with`
block: a signal may come at any time, and must leave nothing behind.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds that a recording waits for a moment in which no program runs; after these, none begins until it is over.
_PATIENCE = 1.0

#: Seconds after which a program that waits for a recording supposes that this one waits for the program.
_LONGEST = 60.0

_alone = threading.RLock()
_recorder: int | None = None
_running: set[int] = set()  # threads, by their numbers; to add or discard one is a single step of Python's


def side_by_side(work: Callable[[], T]) -> T:
    """Run programs, when no other thread records. RuntimeError where one does for a minute."""
    me = threading.get_ident()
    within = me in _running  # a program that calls a function of the user's, which calls another one
    try:
        _running.add(me)
        if _recorder is not None and _recorder != me:
            _wait_for_recorder(me)
        return work()
    finally:
        if not within:
            _running.discard(me)


def alone(work: Callable[[], T]) -> T:
    """Record, when no other thread does, or runs programs. One that this thread runs rests meanwhile."""
    global _recorder
    me = threading.get_ident()
    within = me in _running
    _running.discard(me)
    with _alone:
        outer = _recorder
        try:
            if outer is None:
                _wait_for_programs(me)
            return work()
        finally:
            _recorder = outer
            if within:
                _running.add(me)


def _wait_for_recorder(me: int) -> None:
    deadline = time.monotonic() + _LONGEST
    while _recorder is not None:
        _running.discard(me)
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"another thread has been recording a step for {_LONGEST:.0f} s: does that step wait for this thread?"
            )
        time.sleep(1e-4)
        _running.add(me)


def _wait_for_programs(me: int) -> None:
    """Until this thread is the recorder, and none runs programs."""
    global _recorder
    patient = time.monotonic() + _PATIENCE
    while True:
        _recorder = me
        if not _running:
            return
        if time.monotonic() < patient:
            _recorder = None
        time.sleep(1e-4)


def _forget_in_child() -> None:
    """A forked process has none of the other threads."""
    global _alone, _recorder
    _alone, _recorder = threading.RLock(), None
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

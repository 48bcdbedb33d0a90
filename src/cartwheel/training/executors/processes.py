"""Worker processes on this machine."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from cartwheel.training.executors.parcels import Workbench, portable
from cartwheel.training.executors.pool import LostError, Member, Pool, Word

# Seconds that all workers together are given to close their environments.
_FAREWELL = 2.0


class Processes(Pool["_Process"]):
    """Processes, for functions of Python: environments of Gymnasium's or the user's.

    The function is sent once to each worker, and kept for as long as it stays the same. Workers are started with
    `spawn`: a fork would copy threads' locks.
    """

    def fill(self) -> None:
        """Have as many processes as there are workers to be, and none left when this one ends."""
        if not self.members:
            atexit.register(self.close)
        super().fill()

    def hire(self) -> _Process:
        """Start a process."""
        with _main_hidden():
            return _Process(self.tick)

    def ready(self, members: Sequence[_Process]) -> list[_Process]:
        """Those whose pipe has something in it, or is closed."""
        owners: dict[Any, _Process] = {member.connection: member for member in members}
        return [owners[connection] for connection in wait(list(owners), self.tick)]

    def dismiss(self) -> None:
        """End the processes: those that are idle close what they hold, the others are stopped."""
        atexit.unregister(self.close)
        leaving, self.members = self.members, []
        for member in leaving:
            member.connection.close()
        deadline = time.monotonic() + _FAREWELL
        for member in leaving:
            member.join(max(0.0, deadline - time.monotonic()))
            member.kill()


class _Process(Member):
    """One process and the pipe to it."""

    def __init__(self, tick: float) -> None:
        super().__init__()
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        # No daemon: an environment may have processes of its own. The pipe is what ends it with its parent.
        self._process = context.Process(target=_serve, args=(theirs, tick))
        self._process.start()
        theirs.close()
        self._payload: bytes | None = None

    def greet(self) -> None:
        self._send(None)

    def give(self, payload: bytes, item: Any) -> None:
        self._send((None if payload == self._payload else payload, item))
        self._payload = payload

    def hear(self) -> tuple[Word, Any]:
        try:
            word, value = self.connection.recv()
        except (EOFError, OSError):
            raise self._death() from None
        return word, value

    def join(self, seconds: float) -> None:
        """Wait for the process to end by itself, now that its pipe is closed."""
        self._process.join(seconds)

    def kill(self) -> None:
        self.connection.close()
        self._process.kill()  # SIGTERM would wait for a process that was stopped
        self._process.join()

    def _send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise self._death() from None

    def _death(self) -> LostError:
        self._process.join(1.0)
        return LostError(f"died (exit code {self._process.exitcode})")


def _serve(connection: Connection, tick: float) -> None:
    """A worker's life: answers to greetings and items, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    sys.stdout = sys.stderr  # the parent's standard output is for what it has to say
    bench, mouth = Workbench(), _Mouth(connection)
    threading.Thread(target=_tell_progress, args=(bench, mouth, tick), daemon=True).start()
    try:
        while True:
            order = connection.recv()
            mouth.say(*(("here", None) if order is None else _answer(bench, *order)))
    except (EOFError, OSError):
        bench.close()


def _answer(bench: Workbench, payload: bytes | None, item: Any) -> tuple[Word, Any]:
    try:
        if payload is not None:
            bench.take(payload)
    except Exception as problem:
        return "failed", portable(problem)
    good, value = bench.do(item)
    return ("done" if good else "failed"), value


class _Mouth:
    """A worker's end of the pipe, into which two threads speak."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def say(self, word: Word, value: Any = None) -> None:
        """Send a word and its value, or in its place that the value can't be sent; OSError when nobody listens."""
        try:
            message = ForkingPickler.dumps((word, value))
        except Exception as problem:
            message = ForkingPickler.dumps(("failed", portable(problem)))
        with self._lock:
            self._connection.send_bytes(message)


def _tell_progress(bench: Workbench, mouth: _Mouth, tick: float) -> None:
    """Once a tick, say that the function gets on if it does. An environment that blocks the interpreter silences it."""
    before = None
    with suppress(OSError):  # the worker is about to end
        while True:
            time.sleep(tick)
            now = bench.progress
            if now != before:
                before = now
                mouth.say("beat")


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Hide the main module while processes are started.

    `spawn` runs the main script again in each child, for the sake of pickled names; cloudpickle needs none of that,
    and a script without an `if __name__ == "__main__"` would train in every child.
    """
    names: dict[str, Any] = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: names.pop(name) for name in ("__file__", "__spec__") if name in names}
    names["__spec__"] = None
    try:
        yield
    finally:
        names |= hidden

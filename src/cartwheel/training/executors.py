"""Executors: `map(function, items)`, in order, by one worker or several. What they give never depends on how many."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, TypeVar

import cloudpickle

from cartwheel.errors import CartwheelError, UsageError

# Seconds that a worker is given to close its environments.
_PATIENCE = 2.0

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Maps a function over items; `workers` of them at a time."""

    workers: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results, in the order of the items; the first exception is raised."""

    def close(self) -> None:
        """End the workers."""


class Serial:
    """One after the other, here."""

    workers = 1

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order."""
        return [function(item) for item in items]

    def close(self) -> None:
        """Nothing to end."""


class Threads:
    """Threads, for functions that let go of the interpreter's lock: compiled rollouts."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order."""
        return list(self._pool.map(function, items))

    def close(self) -> None:
        """Let the threads end, without waiting for what they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Processes:
    """Processes, for functions of Python: environments of Gymnasium's or the user's.

    The function travels by cloudpickle, so that classes of a script or notebook do too; it is sent once and kept by
    the workers for as long as it stays the same. Workers are started with `spawn`: a fork would copy threads' locks.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._workers: list[_Worker] = []

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order; each worker takes the next item as soon as it is free.

        After an exception the workers are ended: what they still had to say would be taken for the next answers.
        """
        if not self._workers:
            atexit.register(self.close)
            with _main_hidden():
                self._workers = [_Worker() for _ in range(self.workers)]
        try:
            return self._map(packed(function), items)
        except BaseException:
            self.close()
            raise

    def _map(self, payload: bytes, items: Sequence[Any]) -> list[Any]:
        results: list[Any] = [None] * len(items)
        waiting = iter(enumerate(items))
        busy: dict[Any, tuple[_Worker, int]] = {}
        failures: dict[int, Exception] = {}
        for worker, (index, item) in zip(self._workers, waiting, strict=False):
            worker.send(payload, item)
            busy[worker.connection] = (worker, index)
        while busy:
            for worker, index in [busy.pop(ready) for ready in wait(list(busy))]:
                good, results[index] = worker.receive()
                if not good:
                    failures[index] = results[index]
                # Once one has failed, those that are at work are waited for: which failure is told depends on no clock.
                following = None if failures else next(waiting, None)
                if following is not None:
                    worker.send(payload, following[1])
                    busy[worker.connection] = (worker, following[0])
        if failures:
            raise failures[min(failures)]
        return results

    def close(self) -> None:
        """End the processes: those that are idle close what they hold, the others are stopped."""
        atexit.unregister(self.close)
        for worker in self._workers:
            worker.connection.close()
        while self._workers:
            self._workers.pop().end()


def packed(function: Any) -> bytes:
    """A function as it travels to another process; UsageError for one that can't."""
    try:
        payload: bytes = cloudpickle.dumps(function)
        return payload
    except Exception as problem:
        raise UsageError(
            f"what makes the environment can't be sent to worker processes ({problem}); use one worker, or a class or "
            "function that holds nothing of this process"
        ) from None


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        # No daemon: an environment may have processes of its own. The pipe is what ends it with its parent.
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()
        self._payload: bytes | None = None

    def send(self, payload: bytes, item: Any) -> None:
        try:
            self.connection.send((None if payload == self._payload else payload, item))
        except OSError:
            raise self._death() from None
        self._payload = payload

    def receive(self) -> tuple[bool, Any]:
        """Whether all went well, and the result or the exception."""
        try:
            good, value = self.connection.recv()
        except (EOFError, OSError):
            raise self._death() from None
        return good, value

    def end(self) -> None:
        """Wait a little for the process to end by itself, now that its pipe is closed, then stop it."""
        self._process.join(_PATIENCE)
        self._process.terminate()
        self._process.join()

    def _death(self) -> CartwheelError:
        self._process.join(1.0)
        return CartwheelError(
            f"a worker process died (exit code {self._process.exitcode}); an environment may have crashed, "
            "or memory run out"
        )


def _serve(connection: Connection) -> None:
    """A worker's life: results or exceptions for items, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent decides
    sys.stdout = sys.stderr  # the parent's standard output is for what it has to say
    function: Any = None
    try:
        while True:
            payload, item = connection.recv()
            try:
                if payload is not None:
                    _let_go(function)
                    function = cloudpickle.loads(payload)
                answer = (True, function(item))
            except Exception as problem:
                answer = (False, problem if isinstance(problem, CartwheelError) else _portable(problem))
            connection.send(answer)
    except (EOFError, OSError):
        _let_go(function)


def _let_go(function: Any) -> None:
    """Close what a function holds open, such as a rollout's environments."""
    close = getattr(function, "close", None)
    if close is not None:
        close()


def _portable(problem: Exception) -> Exception:
    """An exception of a worker that is not ours may not survive the way back; its words do."""
    return CartwheelError(f"a worker process failed: {type(problem).__name__}: {problem}")


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


def make_executor(workers: int, path: str) -> Executor:
    """The executor for a rollout: threads for compiled ones ("native"), processes for the others."""
    if workers == 1:
        return Serial()
    return Threads(workers) if path == "native" else Processes(workers)

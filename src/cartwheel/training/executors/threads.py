"""Threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cartwheel.training.executors.base import R, T


class Threads:
    """Threads, for functions that let go of the interpreter's lock: compiled rollouts."""

    shared = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order."""
        return list(self._pool.map(function, items))

    def close(self) -> None:
        """Let the threads end, without waiting for what they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)

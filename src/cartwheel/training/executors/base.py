"""What every executor is: something that maps a function over items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Maps a function over items; `workers` of them at a time.

    `shared` says that the workers see the caller's memory: what they write into an array, the caller finds there.
    Where they don't, function and items travel to them and results back; a function that takes long tells that it is
    at work by an attribute `progress`, whose value keeps changing, and may have a method `close`, called when a worker
    needs it no more.
    """

    workers: int
    shared: bool

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results, in the order of the items; the first exception, in that order, is raised."""

    def close(self) -> None:
        """End the workers."""

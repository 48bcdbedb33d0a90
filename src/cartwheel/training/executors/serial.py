"""The caller itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cartwheel.training.executors.base import R, T


class Serial:
    """One after the other, here."""

    workers = 1
    shared = True

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order."""
        return [function(item) for item in items]

    def close(self) -> None:
        """Nothing to end."""

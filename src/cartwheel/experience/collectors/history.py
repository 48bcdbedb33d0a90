"""The actions of open episodes: what a checkpoint keeps of them, since whoever goes on plays them again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cartwheel.experience.records import Transitions

# Stretches are put together when they are asked for, or have become so many bytes, of which each takes some beside its
# actions: doing so for each of them would cost as much as a short one itself.
_MOST, _BESIDE = 1 << 20, 512


class History:
    """Actions `(k, a)` of the open episode of each lane, and perhaps what was before it."""

    def __init__(self, lanes: int, size: int) -> None:
        self._lanes = [np.zeros((0, size), np.float32)] * lanes
        self._stretches: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []  # after these: actions, steps taken
        self._bytes = 0  # of them

    def add(self, found: Transitions) -> None:
        """A stretch that was kept."""
        self._stretches.append((found.action, found.taken))
        self._bytes += found.action.nbytes + _BESIDE

    @property
    def full(self) -> bool:
        """Whether it is time to `cut`."""
        return self._bytes > _MOST

    def of(self, lane: int) -> NDArray[np.float32]:
        """The actions of a lane, those of its open episode at the end."""
        return np.concatenate([self._lanes[lane], *(action[: taken[lane], lane] for action, taken in self._stretches)])

    def cut(self, lengths: Iterable[int]) -> list[NDArray[np.float32]]:
        """Forget all but the last so many actions of each lane, and give these."""
        actions = map(self.of, range(len(self._lanes)))
        self.begin([one[len(one) - length :].copy() for one, length in zip(actions, lengths, strict=True)])
        return self._lanes

    def begin(self, actions: list[NDArray[np.float32]]) -> None:
        """Let the lanes have these."""
        self._lanes, self._stretches, self._bytes = actions, [], 0

"""Priorities of what a replay memory holds, as a tree of sums.

Source: T. Schaul et al., "Prioritized Experience Replay", 2016, section 3.3, proportional:

    p_i = |delta_i| + eps,  P(i) = p_i^alpha / sum_k p_k^alpha                                        (eq. 1)
    w_i = (N P(i))^-beta / max_j w_j = (min_j P(j) / P(i))^beta                                       (section 3.4)

Deviation: the maximum of the weights is that of each batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.kernels.replay import assign, find

#: Added to each TD error's size, so that what was once learnt can come again.
_EPSILON = 1e-6


class Priorities:
    """p_i^alpha of so many transitions, 0 of those that are not there; `largest` is the largest there has been.

    MemoryError where there is no room.
    """

    def __init__(self, count: int, alpha: float) -> None:
        self.alpha, self.largest = alpha, 1.0  # Schaul et al., algorithm 1
        self._tree = np.zeros(*shape(count))
        self._leaves = self._tree[len(self._tree) // 2 :]

    @property
    def nbytes(self) -> int:
        """The bytes that they take."""
        return self._tree.nbytes

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """p_i^alpha of transitions, in their shape."""
        return self._leaves[index]

    def __setitem__(self, index: NDArray[np.int64], priority: Any) -> None:
        """Let transitions have these; of one that comes twice the last stays."""
        numbers = np.empty(index.shape)
        numbers[...] = priority
        assign(np.ravel(index), np.ravel(numbers), self._tree)

    def learn(self, index: NDArray[np.int64], td_error: NDArray[Any]) -> None:
        """Let transitions (K,) have the priorities of their TD errors (K,), of either sign."""
        priority = (np.abs(td_error, dtype=np.float64) + _EPSILON) ** self.alpha
        self.largest = max(self.largest, float(priority.max(initial=0.0)))
        self[index] = priority

    def draw(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Transitions (U, B) for numbers of [0, 1), one for each of B equal parts of the sum of priorities."""
        batch = uniform.shape[1]
        index = np.empty(uniform.size, np.int64)
        find(np.ravel((np.arange(batch) + uniform) * (self._tree[1] / batch)), self._tree, index)
        return index.reshape(uniform.shape)

    def weights(self, index: NDArray[np.int64], beta: float) -> NDArray[np.float32]:
        """(min_j P(j) / P(i))^beta for transitions (U, B), the minimum over each batch."""
        priority = self._leaves[index]
        return np.ravel((priority.min(axis=1, keepdims=True) / priority) ** beta).astype(np.float32)

    def clear(self) -> None:
        """As if nothing had come."""
        self._tree[:], self.largest = 0.0, 1.0


def shape(count: int) -> tuple[tuple[int, ...], Any]:
    """The shape and the type of the tree for so many transitions: twice the next power of 2."""
    return (2 << (count - 1).bit_length(),), np.float64

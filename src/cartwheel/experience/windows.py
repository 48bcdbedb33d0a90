"""Windows of a stretch: what a network with a memory learns from at a time.

Source: S. Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning", 2019, section 3, for
sequences that begin with the memory that was stored when they were acted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Windows:
    """Steps (T, N) of N lanes in windows of L steps, W of them: a lane's ceil(T / L), then the next lane's.

    `rows (W, L)`: the number t N + n of each step; where a lane has no steps left for its last window, that repeats its
    last one. `mask (W, L)` is 1 where a step counts, and 0 where it is only repeated.
    """

    rows: NDArray[np.int64]
    mask: NDArray[np.float32]

    @classmethod
    def of(cls, steps: int, lanes: int, length: int) -> Windows:
        """For so many steps of so many lanes, in windows of so many; a stretch that is shorter is one window."""
        length = min(steps, length)
        first = np.arange(0, steps, length)
        t = first[:, None] + np.arange(length)  # (W / N, L)
        rows = np.minimum(t, steps - 1) * lanes + np.arange(lanes)[:, None, None]  # (N, W / N, L)
        mask = np.broadcast_to(t < steps, rows.shape).astype(np.float32)
        return cls(rows.reshape(-1, length), mask.reshape(-1, length))

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array (T, N, ...) in windows (W, L, ...)."""
        return array.reshape(-1, *array.shape[2:])[self.rows]

    def first(self, array: NDArray[Any]) -> NDArray[Any]:
        """Of an array (T, N, ...) what stands at each window's first step: (W, ...)."""
        return array.reshape(-1, *array.shape[2:])[self.rows[:, 0]]

    def minibatches(self, epochs: int, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of windows (epochs parts, B), B = ceil(W / parts): each once in an epoch, in an order of its own.

        Where they can't be shared out evenly some parts take one fewer, and the number W in its place. `parts` is W at
        most: no part is without a window.
        """
        count = len(self.rows)
        batch = -(-count // parts)
        names = np.full((epochs, parts * batch), count)
        names[:, :count] = np.arange(count)
        if parts > 1:
            names[:, :count] = rng.permuted(names[:, :count], axis=1)
        # Dealt like cards: the last round is the one that may be short.
        return names.reshape(epochs, batch, parts).swapaxes(1, 2).reshape(epochs * parts, batch)


def begins(boundary: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where an episode begins within a stretch, (T, N): after each boundary (T, N)."""
    found = np.zeros_like(boundary)
    found[1:] = boundary[:-1]
    return found

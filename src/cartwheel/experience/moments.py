"""Mean and spread of observations, gathered by many episodes and merged in an order that does not depend on workers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartwheel.policies.normalisation import Normalisation

#: Added to each variance, so that what never changes is not blown up. As OpenAI's baselines have it.
_EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class Moments:
    """How many observations there were, their mean (d,) and their sums of squared deviations from it (d,)."""

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, size: int) -> Moments:
        """Of no observation of `size` numbers."""
        return cls(0, np.zeros(size), np.zeros(size))

    def merged(self, lengths: NDArray[np.int64], seen: NDArray[np.float64]) -> Moments:
        """With those of episodes of these lengths (...) and `seen` (..., 2, d), one after the other.

        The rule is that of T. Chan, G. Golub and R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
        Sample Variances", 1979, with all episodes as one group.
        """
        counts = np.append(self.count, lengths.ravel()).astype(np.float64)  # (J + 1,)
        means = np.concatenate([self.mean[None], seen[..., 0, :].reshape(-1, self.mean.size)])  # (J + 1, d)
        squares = np.concatenate([self.squares[None], seen[..., 1, :].reshape(-1, self.mean.size)])
        total = counts.sum()
        if total == 0.0:
            return self
        mean = (counts[:, None] * means).sum(axis=0) / total
        spread = squares.sum(axis=0) + (counts[:, None] * (means - mean) ** 2).sum(axis=0)
        return Moments(int(total), mean, spread)

    @property
    def normalisation(self) -> Normalisation:
        """What makes the mean 0 and the deviation 1; nothing is changed before there are two observations."""
        if self.count < 2:
            return Normalisation(np.zeros(self.mean.size), np.ones(self.mean.size))
        deviation = np.sqrt(self.squares / self.count + _EPSILON)
        return Normalisation(self.mean, 1.0 / deviation)

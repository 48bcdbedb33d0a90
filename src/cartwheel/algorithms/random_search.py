"""Random search: the baseline that any method that learns has to beat.

Source: L. Rastrigin, "The Convergence of the Random Search Method in the Extremal Control of a Many Parameter System",
1963, for the name; here in its pure form, without steps.

    x_1 <- the best so far;  x_k ~ the distribution of first vectors          k = 2 ... P
    the best of all goes on

Deviations: the best so far is measured again with everybody else, on each generation's fresh episodes, so that a lucky
one does not stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.strategy import Array, Strategy
from cartwheel.settings import option


@dataclass(frozen=True)
class RandomSearchSettings:
    """Settings of random search."""

    population: int = option(64, "candidates in a generation, the best so far among them", minimum=2, maximum=1_000_000)
    episodes: int = option(5, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    initial_std: float = option(1.0, "standard deviation of the weights; biases are 0", above=0.0, maximum=1e6)


@dataclass(frozen=True)
class Incumbent:
    """The best so far, `x (n,)`."""

    x: Array


class RandomSearch(Strategy[Incumbent, Array]):
    """Draws anew, and keeps the best."""

    settings: RandomSearchSettings

    def _begin(self, start: Array) -> Incumbent:
        return Incumbent(start)

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        drawn = self.network.initial(rng, self.settings.population - 1, self.settings.initial_std)
        candidates = np.concatenate([self._search.x[None], drawn])
        return candidates, candidates

    def _learned(self, noise: Array, fitness: Array) -> Incumbent:
        return Incumbent(noise[fitness.argmax()])


ENTRY = Entry(
    name="random-search",
    summary="random search, a baseline: draws networks and keeps the best",
    algorithm=RandomSearch,
    settings=RandomSearchSettings,
    presets={},
)

"""Hill climbing: the baseline that follows one vector.

Source: S. Russell and P. Norvig, "Artificial Intelligence: A Modern Approach", 4th edition 2021, section 4.1.1
(steepest ascent) and 4.2 (with random neighbours in a continuous space).

    x_1 <- x;  x_k <- x + sigma * eps,  eps ~ N(0, I)                          k = 2 ... P
    x <- the best of them, the old one at ties

Deviations: x is measured again with its neighbours, on each generation's fresh episodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.random_search import Incumbent
from cartwheel.algorithms.strategy import Array, Strategy
from cartwheel.settings import option


@dataclass(frozen=True)
class HillClimbingSettings:
    """Settings of hill climbing."""

    population: int = option(16, "candidates in a generation, the present one among them", minimum=2, maximum=1_000_000)
    episodes: int = option(5, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    sigma: float = option(0.3, "standard deviation of a step", above=0.0, maximum=1e6)
    initial_std: float = option(
        1.0, "standard deviation of the first weights; biases begin at 0", minimum=0.0, maximum=1e6
    )


class HillClimbing(Strategy[Incumbent, Array]):
    """Goes to the best neighbour that is better."""

    settings: HillClimbingSettings

    def _begin(self, start: Array) -> Incumbent:
        return Incumbent(start)

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        x = self._search.x
        steps = self.settings.sigma * rng.standard_normal((self.settings.population - 1, len(x)))
        candidates = np.concatenate([x[None], x + steps])
        return candidates, candidates

    def _learned(self, noise: Array, fitness: Array) -> Incumbent:
        return Incumbent(noise[fitness.argmax()])


ENTRY = Entry(
    name="hill-climbing",
    summary="hill climbing, a baseline: goes to the best of some neighbours",
    algorithm=HillClimbing,
    settings=HillClimbingSettings,
    presets={},
)

"""Augmented random search.

Source: H. Mania, A. Guy and B. Recht, "Simple random search of static linear policies is competitive for reinforcement
learning", 2018, algorithm 2: V1, and V2 with the general setting `normalise`, as observations are the policy's affair.
The paper's policies are linear: no hidden layers.

    delta_k ~ N(0, I),  r_k^+ = F(theta + nu delta_k),  r_k^- = F(theta - nu delta_k)            k = 1 ... N
    sort the directions by max(r_k^+, r_k^-), and take the best b
    sigma_R <- the standard deviation of their 2b returns
    theta <- theta + alpha / (b sigma_R) sum_{k <= b} (r_k^+ - r_k^-) delta_k

Deviations: theta is measured too, as the last candidate: it is the policy that is handed over. Where the returns are
all equal, theta stays. A return that is infinite counts as the highest or lowest of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.evolution_strategy import antithetic
from cartwheel.algorithms.strategy import Array, Strategy, finite
from cartwheel.errors import UsageError
from cartwheel.settings import option


@dataclass(frozen=True)
class ArsSettings:
    """Settings of augmented random search."""

    directions: int = option(
        8,
        "directions in a generation (N), with two samples each; the mean is measured besides",
        minimum=1,
        maximum=500_000,
    )
    episodes: int = option(1, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    top: int = option(0, "the best directions that are followed (b); 0: all", minimum=0)
    learning_rate: float = option(0.05, "step size (alpha)", above=0.0, maximum=1e6)
    sigma: float = option(0.1, "standard deviation of the samples (nu)", above=0.0, maximum=1e6)
    initial_std: float = option(
        0.0, "standard deviation of the first weights; 0: the search begins at zero", minimum=0.0, maximum=1e6
    )

    def __post_init__(self) -> None:
        if self.top > self.directions:
            raise UsageError(f"--top: expected at most --directions ({self.directions}), got {self.top}")


@dataclass(frozen=True)
class Search:
    """The mean theta `(n,)`."""

    mean: Array


class Ars(Strategy[Search, Array]):
    """Finite differences along random directions, in units of the returns' deviation."""

    measures_mean = True
    settings: ArsSettings

    def _begin(self, start: Array) -> Search:
        return Search(start)

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        mean = self._search.mean
        noise = rng.standard_normal((self.settings.directions, len(mean)))  # delta (N, n)
        return noise, antithetic(mean, self.settings.sigma * noise)

    def _learned(self, noise: Array, fitness: Array) -> Search:
        settings = self.settings
        better, worse = np.split(finite(fitness), 2)  # r^+ and r^- (N,)
        best = np.argsort(-np.maximum(better, worse), kind="stable")[: settings.top or None]  # (b,)
        deviation = np.concatenate([better[best], worse[best]]).std()  # sigma_R
        if deviation == 0.0:
            return self._search
        weights = (better - worse)[best] / (len(best) * deviation)
        return Search(self._search.mean + settings.learning_rate * (weights @ noise[best]))


ENTRY = Entry(
    name="ars",
    summary="augmented random search: finite differences along random directions; for linear policies",
    algorithm=Ars,
    settings=ArsSettings,
    presets={},
)

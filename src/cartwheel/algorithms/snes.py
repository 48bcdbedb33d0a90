"""SNES: the separable natural evolution strategy.

Source: D. Wierstra et al., "Natural Evolution Strategies", JMLR 15, 2014, algorithm 6, with the defaults of its
table 1.

    z_k ~ N(0, I),  x_k = mu + sigma z_k  (by elements)                                          k = 1 ... lambda
    u_k <- the utility of x_k's rank                                  (`utilities` of `strategy.py`)
    grad_mu = sum_k u_k z_k,   grad_sigma = sum_k u_k (z_k^2 - 1)
    mu <- mu + eta_mu sigma grad_mu,   sigma <- sigma exp(eta_sigma / 2 grad_sigma)
    lambda = 4 + floor(3 ln n),  eta_mu = 1,  eta_sigma = (3 + ln n) / (5 sqrt(n))

Deviations: returns are maximised. Equal returns share their utility, so that flat returns change nothing. The search
ends when no deviation is above `tolx` times the first one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.strategy import LARGEST, SMALLEST, Array, Strategy, default_population, utilities
from cartwheel.errors import UsageError
from cartwheel.settings import option


@dataclass(frozen=True)
class SnesSettings:
    """Settings of SNES."""

    population: int = option(0, "samples in a generation (lambda); 0: 4 + 3 ln n of them", minimum=0, maximum=1_000_000)
    episodes: int = option(5, "episodes that each sample plays in a generation", minimum=1, maximum=1_000_000)
    sigma: float = option(0.5, "the first standard deviation of the samples", above=0.0, maximum=1e6)
    initial_std: float = option(
        0.0, "standard deviation of the first mean's weights; 0: it begins at zero", minimum=0.0, maximum=1e6
    )
    tolx: float = option(1e-12, "the search ends when its steps are below this part of the first sigma", minimum=0.0)

    def __post_init__(self) -> None:
        if self.population == 1:
            raise UsageError("--population: expected 0 or at least 2, got 1")


@dataclass(frozen=True)
class Search:
    """The mean mu and the deviations sigma, `(n,)` each."""

    mean: Array
    sigma: Array


class Snes(Strategy[Search, Array]):
    """A normal distribution with a deviation for each parameter, moved along the natural gradient."""

    settings: SnesSettings

    def _begin(self, start: Array) -> Search:
        return Search(start, np.full(len(start), self.settings.sigma))

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        search, n = self._search, self.network.size
        z = rng.standard_normal((self.settings.population or default_population(n), n))
        return z, search.mean + search.sigma * z

    def _learned(self, noise: Array, fitness: Array) -> Search:
        old, n = self._search, self.network.size
        u = utilities(fitness)
        rate = (3 + np.log(n)) / (5 * np.sqrt(n))  # eta_sigma
        growth = np.minimum(rate / 2 * (u @ (noise**2 - 1)), 1.0)
        sigma = (old.sigma * np.exp(growth)).clip(SMALLEST, LARGEST)
        return Search(old.mean + old.sigma * (u @ noise), sigma)

    @property
    def stopped(self) -> str | None:
        """That the steps are too small to matter."""
        return too_small(float(self._search.sigma.max()), self.settings)

    def _figures(self) -> dict[str, float]:
        return {"sigma": float(self._search.sigma.mean())}


def too_small(deviation: float, settings: SnesSettings) -> str | None:
    """Why a search with this largest deviation is over, if it is."""
    return "tolx: the steps are too small" if deviation < settings.tolx * settings.sigma else None


ENTRY = Entry(
    name="snes",
    summary="SNES: separable natural evolution strategy; a deviation for each parameter",
    algorithm=Snes,
    settings=SnesSettings,
    presets={},
)

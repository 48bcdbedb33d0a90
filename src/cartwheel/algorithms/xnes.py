"""xNES: the exponential natural evolution strategy, which learns the whole covariance matrix.

Source: D. Wierstra et al., "Natural Evolution Strategies", JMLR 15, 2014, algorithm 5, with the defaults of its
table 1.

    z_k ~ N(0, I),  x_k = mu + sigma B z_k                                                       k = 1 ... lambda
    u_k <- the utility of x_k's rank                                  (`utilities` of `strategy.py`)
    grad_delta = sum_k u_k z_k,   grad_M = sum_k u_k (z_k z_k^T - I)
    grad_sigma = tr(grad_M) / n,  grad_B = grad_M - grad_sigma I
    mu <- mu + eta_delta sigma B grad_delta,   sigma <- sigma exp(eta_sigma / 2 grad_sigma),
    B <- B expm(eta_B / 2 grad_B)
    lambda = 4 + floor(3 ln n),  eta_delta = 1,  eta_sigma = eta_B = 3 (3 + ln n) / (5 n sqrt(n))

Deviations: returns are maximised. Equal returns share their utility, so that flat returns change nothing. The search
ends when its largest step is below `tolx` times the first sigma. The exponential, which takes time in n^3 in each
generation, bounds n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry, Parameters
from cartwheel.algorithms.snes import SnesSettings, too_small
from cartwheel.algorithms.strategy import (
    LARGEST,
    SMALLEST,
    Array,
    Strategy,
    check_size,
    default_population,
    utilities,
)

_LARGEST_N = 500


@dataclass(frozen=True)
class XnesSettings(SnesSettings):
    """Settings of xNES."""


@dataclass(frozen=True)
class Search:
    """The mean mu `(n,)`, the step size sigma, and the matrix B `(n, n)`, whose determinant stays 1."""

    mean: Array
    sigma: float
    B: Array


class Xnes(Strategy[Search, Array]):
    """A normal distribution moved along the natural gradient, in exponential coordinates."""

    settings: XnesSettings

    def __init__(self, settings: XnesSettings, network: Parameters, seed: int) -> None:
        check_size("xnes", network.size, _LARGEST_N, "snes")
        super().__init__(settings, network, seed)

    def _begin(self, start: Array) -> Search:
        return Search(start, self.settings.sigma, np.eye(len(start)))

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        search, n = self._search, self.network.size
        z = rng.standard_normal((self.settings.population or default_population(n), n))
        return z, search.mean + search.sigma * (z @ search.B.T)

    def _learned(self, noise: Array, fitness: Array) -> Search:
        old, n = self._search, self.network.size
        u = utilities(fitness)
        rate = 3 * (3 + np.log(n)) / (5 * n * np.sqrt(n))  # eta_sigma, eta_B
        M = (noise.T * u) @ noise - u.sum() * np.eye(n)
        growth = np.trace(M) / n
        sigma = np.clip(old.sigma * np.exp(min(rate / 2 * growth, 1.0)), SMALLEST, LARGEST)
        turned = old.B @ exponential(rate / 2 * (M - growth * np.eye(n)))
        return Search(old.mean + old.sigma * (old.B @ (u @ noise)), float(sigma), turned)

    @property
    def stopped(self) -> str | None:
        """That the steps are too small to matter."""
        search = self._search
        return too_small(search.sigma * float(np.sqrt((search.B**2).sum(axis=1)).max()), self.settings)

    def _figures(self) -> dict[str, float]:
        return {"sigma": self._search.sigma}


def exponential(M: Array) -> Array:
    """The matrix exponential of a symmetric matrix `(n, n)`, its eigenvalues held between -1 and 1."""
    values, axes = np.linalg.eigh(M)
    result: Array = (axes * np.exp(values.clip(-1.0, 1.0))) @ axes.T
    return result


ENTRY = Entry(
    name="xnes",
    summary="xNES: exponential natural evolution strategy with a whole covariance matrix; for up to 500 parameters",
    algorithm=Xnes,
    settings=XnesSettings,
    presets={},
)

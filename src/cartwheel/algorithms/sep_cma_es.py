"""Separable CMA-ES: only the diagonal of the covariance matrix is learnt, in time and memory linear in n.

Source: R. Ros and N. Hansen, "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity", 2008.

    as `cma_es.py`, with C = diag(c), so that B = I and D^2 = C in each generation
    c_j <- (1 - c_1 - c_mu) c_j + c_1 p_c,j^2 + c_mu sum_{i <= mu} w_i y_{i:lambda,j}^2
    c_1 and c_mu are (n + 2) / 3 times those of CMA-ES

Deviations: the learning rates are those of the tutorial of 2016, times that factor; returns are maximised. As in the
paper, only the better half has weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.cma_es import CmaBase, CmaEsSettings, Samples, Search
from cartwheel.algorithms.cma_rates import Rates, separable_rates
from cartwheel.algorithms.strategy import SMALLEST, Array


@dataclass(frozen=True)
class SepCmaEsSettings(CmaEsSettings):
    """Settings of separable CMA-ES."""


class SepCmaEs(CmaBase[Search]):
    """A normal distribution with a variance for each parameter."""

    def _begin(self, start: Array) -> Search:
        sigma = self.settings.sigma
        return Search(population=self._population(), sigma=sigma, step=sigma, **self._first(start))

    def _first(self, start: Array) -> dict[str, Any]:
        return {**super()._first(start), "C": np.ones(len(start))}

    def _rates(self) -> Rates:
        return separable_rates(self.network.size, self._search.population)

    def _draw(self, rng: np.random.Generator) -> tuple[Samples, Array]:
        search = self._search
        z = rng.standard_normal((search.population, len(search.mean)))
        y = z * search.lengths  # ~ N(0, diag(c))
        return Samples(z, y), search.mean + search.step * y

    def _isotropic(self, z: Array) -> Array:
        return z

    def _axis(self, search: Search) -> Array:
        axis = np.zeros(len(search.mean))
        axis[search.age % len(axis)] = search.lengths[search.age % len(axis)]
        return axis

    def _adapted(self, noise: Samples, weights: Array, keep: float, path: Array, rates: Rates) -> dict[str, Any]:
        C = keep * self._search.C + rates.c_1 * path**2 + weights @ noise.y**2
        return {"C": C, "lengths": np.sqrt(np.maximum(C, SMALLEST))}


ENTRY = Entry(
    name="sep-cma-es",
    summary="separable CMA-ES: a variance for each parameter; for thousands of parameters and more",
    algorithm=SepCmaEs,
    settings=SepCmaEsSettings,
    presets={},
)

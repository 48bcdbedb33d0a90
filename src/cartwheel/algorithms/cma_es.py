"""CMA-ES: evolution by a normal distribution whose covariance matrix is learnt.

Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, figure 6, with the active update and the
default parameters of its table 1. Restarts as in `restarts.py`, stop criteria as in `convergence.py`.

    z_k ~ N(0, I),  y_k = B D z_k,  x_k = m + sigma y_k                          k = 1 ... lambda     (eq. 38-40)
    <y>_w = sum_{i <= mu} w_i y_{i:lambda},  m <- m + sigma <y>_w                                     (eq. 41, 42)
    p_sigma <- (1 - c_sigma) p_sigma + sqrt(c_sigma (2 - c_sigma) mu_eff) C^{-1/2} <y>_w              (eq. 43)
    sigma <- sigma exp(c_sigma / d_sigma (||p_sigma|| / E||N(0, I)|| - 1))                            (eq. 44)
    p_c <- (1 - c_c) p_c + h_sigma sqrt(c_c (2 - c_c) mu_eff) <y>_w                                   (eq. 45)
    w_i^o = w_i (1 if w_i >= 0 else n / ||C^{-1/2} y_{i:lambda}||^2)                                  (eq. 46)
    C <- (1 + c_1 delta(h_sigma) - c_1 - c_mu sum_j w_j) C + c_1 p_c p_c^T
         + c_mu sum_i w_i^o y_{i:lambda} y_{i:lambda}^T                                               (eq. 47)

B D^2 B^T = C is decomposed anew every 1 / (10 n (c_1 + c_mu)) generations only, rounded up: see the tutorial's B.2.
C^{-1/2} y is B z while the decomposition is as old as the samples, so that nothing is ever inverted.

Deviations: returns are maximised. The best sample is handed over, not the mean. Where the best equals the one at 70 %
of the order, sigma grows (the tutorial's B.3, "flat fitness"); where all are equal, there is no order, and nothing is
learnt. The first mean is 0 unless `initial_std` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cartwheel.algorithms.base import Entry, Parameters
from cartwheel.algorithms.cma_rates import Rates, full_rates, next_step
from cartwheel.algorithms.convergence import Situation, history_length, reason
from cartwheel.algorithms.restarts import KINDS, Run, next_run
from cartwheel.algorithms.strategy import GROWS, SMALLEST, Array, Strategy, check_size, default_population
from cartwheel.errors import UsageError
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import option

_LARGEST_N = 3_000


@dataclass(frozen=True)
class CmaEsSettings:
    """Settings of CMA-ES."""

    population: int = option(0, "samples in a generation (lambda); 0: 4 + 3 ln n of them", minimum=0, maximum=1_000_000)
    episodes: int = option(5, "episodes that each sample plays in a generation", minimum=1, maximum=1_000_000)
    sigma: float = option(0.5, "the first standard deviation of the samples", above=0.0, maximum=1e6)
    initial_std: float = option(
        0.0, "standard deviation of the first mean's weights; 0: it begins at zero", minimum=0.0, maximum=1e6
    )
    restarts: str = option("none", "what follows when a search has ended by itself", choices=KINDS)
    tolx: float = option(1e-12, "a search ends when its steps are below this part of the first sigma", minimum=0.0)
    tolfun: float = option(1e-12, "a search ends when recent returns differ by less", minimum=0.0)

    def __post_init__(self) -> None:
        if 0 < self.population < 4:
            raise UsageError(f"--population: expected 0 or at least 4, got {self.population}")


@dataclass(frozen=True, kw_only=True)
class Search(Run):
    """The distribution N(m, sigma^2 C), its paths, and what the stop criteria remember.

    `step` is sigma; `C` is `(n, n)`, or `(n,)` where only its diagonal is learnt; `lengths (n,)` are the roots of the
    eigenvalues in D, as they were `stale` generations ago. `stop` says why the search has ended, if it has.
    """

    mean: Array
    step: float
    C: Array
    lengths: Array
    path_sigma: Array
    path_c: Array
    history: Array = field(metadata=GROWS)
    stale: int = 0
    stop: str = ""


@dataclass(frozen=True, kw_only=True)
class FullSearch(Search):
    """The same with the eigenvectors of C, the columns of `axes (n, n)`: the matrix B."""

    axes: Array


S = TypeVar("S", bound=Search)


class Samples(NamedTuple):
    """A generation's noise: `z (lambda, n)` from N(0, I) and `y (lambda, n)` from N(0, C)."""

    z: Array
    y: Array


class CmaBase(Strategy[S, Samples]):
    """What CMA-ES and its separable variant share: all but the form of the covariance matrix."""

    settings: CmaEsSettings

    def _rates(self) -> Rates:
        return full_rates(self.network.size, self._search.population)

    def _isotropic(self, z: Array) -> Array:
        """C^{-1/2} y of one vector `(n,)` that `z` made."""
        raise NotImplementedError

    def _adapted(self, noise: Samples, weights: Array, keep: float, path: Array, rates: Rates) -> dict[str, Any]:
        """C, and what is derived from it, after a generation: the weights `(lambda,)` are those of the rows of y."""
        raise NotImplementedError

    def _axis(self, search: S) -> Array:
        """One of the principal axes `(n,)` of C, another one in each generation."""
        raise NotImplementedError

    @property
    def stopped(self) -> str | None:
        """The criterion that has ended the search, unless there are restarts left."""
        return self._search.stop or None

    def _population(self) -> int:
        return self.settings.population or default_population(self.network.size)

    def _first(self, start: Array) -> dict[str, Any]:
        """The fields of a run that begins."""
        n = len(start)
        return {
            "mean": start,
            "lengths": np.ones(n),
            "path_sigma": np.zeros(n),
            "path_c": np.zeros(n),
            "history": np.zeros((2, 0)),
            "stale": 0,
        }

    def _learned(self, noise: Samples, fitness: Array) -> S:
        if self._search.stop:
            return self._search  # a search that has ended stays as it is
        order = np.argsort(-fitness, kind="stable")
        fitness = fitness[order]
        if fitness[0] == fitness[-1]:
            age = self._search.age + 1
            search = replace(self._search, history=self._remembered(fitness, age), age=age)
        else:
            search = self._updated(Samples(noise.z[order], noise.y[order]), fitness)
        stop = self._reason(search, fitness)
        return self._restarted(search, stop) if stop else search

    def _updated(self, noise: Samples, fitness: Array) -> S:
        """The state after the samples in order of rank."""
        old, rates = self._search, self._rates()
        n, age = len(old.mean), old.age + 1
        shift = rates.positive @ noise.y  # <y>_w (n,)
        path_sigma = (1 - rates.c_sigma) * old.path_sigma + np.sqrt(
            rates.c_sigma * (2 - rates.c_sigma) * rates.mu_eff
        ) * self._isotropic(rates.positive @ noise.z)  # (eq. 43)
        norm = float(np.sqrt(path_sigma @ path_sigma))
        h = norm / np.sqrt(1 - (1 - rates.c_sigma) ** (2 * age)) < (1.4 + 2 / (n + 1)) * rates.chi
        path_c = (1 - rates.c_c) * old.path_c + h * np.sqrt(rates.c_c * (2 - rates.c_c) * rates.mu_eff) * shift
        squares = np.einsum("ij,ij->i", noise.z, noise.z)  # ||C^{-1/2} y||^2
        negative = n / np.maximum(squares, SMALLEST)
        weights = np.where(rates.weights >= 0, rates.weights, rates.weights * negative)  # (eq. 46)
        lost = (0.0 if h else 1.0) * rates.c_c * (2 - rates.c_c)  # delta(h_sigma)
        keep = 1 + rates.c_1 * lost - rates.c_1 - rates.c_mu * float(rates.weights.sum())
        return replace(
            old,
            mean=old.mean + old.step * shift,
            step=next_step(old.step, norm, fitness, rates),
            path_sigma=path_sigma,
            path_c=path_c,
            history=self._remembered(fitness, age),
            age=age,
            **self._adapted(noise, rates.c_mu * weights, keep, path_c, rates),
        )

    def _remembered(self, fitness: Array, age: int) -> Array:
        """The history with this generation, whose returns are in descending order."""
        median = fitness[len(fitness) // 2]
        longest = history_length(len(self._search.mean), len(fitness), age)
        return np.concatenate([self._search.history, [[fitness[0]], [median]]], axis=1)[:, -longest:]

    def _reason(self, search: S, fitness: Array) -> str:
        variances = search.C if search.C.ndim == 1 else search.C.diagonal()
        now = Situation(
            mean=search.mean,
            deviations=search.step * np.sqrt(variances.clip(0.0)),
            path=search.step * search.path_c,
            lengths=search.step * search.lengths,
            axis=search.step * self._axis(search),
            sigma=search.sigma,
            fitness=fitness,
            history=search.history,
            age=search.age,
        )
        if search.limit and search.age >= search.limit:
            return "limit: a small run has used its evaluations"
        return reason(now, self.settings.tolx, self.settings.tolfun)

    def _restarted(self, search: S, stop: str) -> S:
        """The state at the beginning of the next run, or the same with its end noted."""
        rng = generator(self.seed, Purpose.VARIATION, self._generation, 1)
        following = next_run(search, self.settings.restarts, self._population(), self.settings.sigma, rng)
        if following is None:
            return replace(search, stop=stop)
        first = self._first(self._start(following["number"]))
        return replace(search, **following, **first, step=following["sigma"])

    def _figures(self) -> dict[str, float]:
        search = self._search
        return {"sigma": search.step, "samples": float(search.population), "restarts": float(search.number)}


class CmaEs(CmaBase[FullSearch]):
    """The whole covariance matrix, and so n x n numbers."""

    def __init__(self, settings: CmaEsSettings, network: Parameters, seed: int) -> None:
        check_size("cma-es", network.size, _LARGEST_N, "sep-cma-es")
        super().__init__(settings, network, seed)

    def _begin(self, start: Array) -> FullSearch:
        sigma = self.settings.sigma
        return FullSearch(population=self._population(), sigma=sigma, step=sigma, **self._first(start))

    def _first(self, start: Array) -> dict[str, Any]:
        return {**super()._first(start), "C": np.eye(len(start)), "axes": np.eye(len(start))}

    def _draw(self, rng: np.random.Generator) -> tuple[Samples, Array]:
        search = self._search
        z = rng.standard_normal((search.population, len(search.mean)))
        y = (z * search.lengths) @ search.axes.T  # ~ N(0, C)
        return Samples(z, y), search.mean + search.step * y

    def _isotropic(self, z: Array) -> Array:
        isotropic: Array = self._search.axes @ z  # C^{-1/2} B D z = B z
        return isotropic

    def _axis(self, search: FullSearch) -> Array:
        place = search.age % len(search.mean)
        axis: Array = search.lengths[place] * search.axes[:, place]
        return axis

    def _adapted(self, noise: Samples, weights: Array, keep: float, path: Array, rates: Rates) -> dict[str, Any]:
        rows = np.concatenate([path[None], noise.y])  # p_c and y in one product
        C = (rows.T * np.concatenate([[rates.c_1], weights])) @ rows
        C += keep * self._search.C
        stale = self._search.stale + 1
        if stale < 1 / (10 * len(path) * (rates.c_1 + rates.c_mu)):
            return {"C": C, "stale": stale}
        values, axes = np.linalg.eigh(C)
        lengths = np.sqrt(np.maximum(values, SMALLEST))
        return {"C": C, "stale": 0, "lengths": lengths, "axes": np.ascontiguousarray(axes)}


ENTRY = Entry(
    name="cma-es",
    summary="CMA-ES: learns a normal distribution with its covariance matrix; best below a few hundred parameters",
    algorithm=CmaEs,
    settings=CmaEsSettings,
    presets={},
)

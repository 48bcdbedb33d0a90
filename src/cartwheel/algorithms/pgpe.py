"""PGPE: policy gradients with parameter-based exploration.

Source: F. Sehnke et al., "Parameter-exploring policy gradients", Neural Networks 23, 2010, algorithm 2 (symmetric
sampling) with the normalised returns of its section 3.4.

    eps_k ~ N(0, diag(sigma^2)),  r_k^+ = F(mu + eps_k),  r_k^- = F(mu - eps_k)                  k = 1 ... N/2
    mu    <- mu + alpha_mu * 2/N sum_k (r_k^+ - r_k^-) / (2 s) eps_k
    sigma <- sigma + alpha_sigma * 2/N sum_k ((r_k^+ + r_k^-) / 2 - b) / s * (eps_k^2 - sigma^2) / sigma
    b     <- 0.9 b + 0.1 mean(r);                                    at first b = mean(r)

Deviations: s is the standard deviation of the generation's returns in the place of m - b, where m is the highest return
known; the sums are means over the pairs; no sigma_i changes by more than a fifth in a generation. mu is measured too,
as the last candidate: it is the policy that is handed over. Where the returns are all equal, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.evolution_strategy import antithetic, check_even
from cartwheel.algorithms.strategy import LARGEST, SMALLEST, Array, Strategy, finite
from cartwheel.settings import option

_KEPT = 0.9
_LARGEST_CHANGE = 0.2


@dataclass(frozen=True)
class PgpeSettings:
    """Settings of PGPE."""

    population: int = option(
        32, "samples in a generation (N), an even number; the mean is measured besides", minimum=2, maximum=1_000_000
    )
    episodes: int = option(2, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    sigma: float = option(0.5, "the first standard deviation of the samples", above=0.0, maximum=1e6)
    mean_rate: float = option(1.0, "learning rate of the mean (alpha_mu)", above=0.0, maximum=1e3)
    sigma_rate: float = option(0.1, "learning rate of the deviations (alpha_sigma)", minimum=0.0, maximum=1e3)
    initial_std: float = option(
        0.0, "standard deviation of the first mean's weights; 0: it begins at zero", minimum=0.0, maximum=1e6
    )

    def __post_init__(self) -> None:
        check_even(self.population)


@dataclass(frozen=True)
class Search:
    """The mean mu and the deviations sigma, `(n,)` each; the `baseline` b."""

    mean: Array
    sigma: Array
    baseline: float = 0.0


class Pgpe(Strategy[Search, Array]):
    """A normal distribution with a deviation for each parameter, both moved along the policy gradient."""

    measures_mean = True
    settings: PgpeSettings

    def _begin(self, start: Array) -> Search:
        return Search(start, np.full(len(start), self.settings.sigma))

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        search = self._search
        noise = search.sigma * rng.standard_normal((self.settings.population // 2, len(search.mean)))  # eps (N/2, n)
        return noise, antithetic(search.mean, noise)

    def _learned(self, noise: Array, fitness: Array) -> Search:
        settings, old = self.settings, self._search
        returns = finite(fitness)
        baseline = float(returns.mean())
        if self._generation:
            baseline = _KEPT * old.baseline + (1 - _KEPT) * baseline
        deviation = returns.std()  # s
        if deviation == 0.0:
            return Search(old.mean, old.sigma, baseline)
        better, worse = np.split(returns, 2)  # r^+ and r^- (N/2,)
        pairs = len(noise)
        towards = (better - worse) / (2 * deviation) @ noise / pairs
        wider = ((better + worse) / 2 - baseline) / deviation @ (noise**2 - old.sigma**2) / (old.sigma * pairs)
        change = (settings.sigma_rate * wider).clip(-_LARGEST_CHANGE * old.sigma, _LARGEST_CHANGE * old.sigma)
        sigma = (old.sigma + change).clip(SMALLEST, LARGEST)
        return Search(old.mean + settings.mean_rate * towards, sigma, baseline)

    def _figures(self) -> dict[str, float]:
        return {"sigma": float(self._search.sigma.mean())}


ENTRY = Entry(
    name="pgpe",
    summary="PGPE: policy gradients on the parameters of a normal distribution",
    algorithm=Pgpe,
    settings=PgpeSettings,
    presets={},
)

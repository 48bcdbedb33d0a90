"""The parameters of CMA-ES that follow from n and the population: table 1 of the tutorial that `cma_es.py` names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cartwheel.algorithms.strategy import LARGEST, SMALLEST, Array


@dataclass(frozen=True)
class Rates:
    """The parameters of the tutorial's table 1 for n numbers and a population; `weights (lambda,)`, the best first."""

    weights: Array
    mu_eff: float
    c_sigma: float
    d_sigma: float
    c_c: float
    c_1: float
    c_mu: float
    chi: float

    @property
    def positive(self) -> Array:
        """The weights of the best, with zeros for the others."""
        return self.weights.clip(0.0)


def next_step(step: float, norm: float, fitness: Array, rates: Rates) -> float:
    """sigma after a generation, from the norm of p_sigma (eq. 44); it grows where the returns are flat."""
    growth = rates.c_sigma / rates.d_sigma * (norm / rates.chi - 1)
    if fitness[0] == fitness[int(0.7 * len(fitness))]:
        growth += 0.2 + rates.c_sigma / rates.d_sigma
    return float(np.clip(step * np.exp(min(1.0, growth)), SMALLEST, LARGEST))


@lru_cache(maxsize=64)
def full_rates(n: int, population: int) -> Rates:
    """The parameters of table 1, all weights in use."""
    return rates_of(n, population, faster=1.0, active=True)


@lru_cache(maxsize=64)
def separable_rates(n: int, population: int) -> Rates:
    """The same for separable CMA-ES: C is learnt (n + 2) / 3 times as fast, by the better half alone."""
    return rates_of(n, population, faster=(n + 2) / 3, active=False)


def rates_of(n: int, population: int, *, faster: float, active: bool) -> Rates:
    """The parameters of table 1; `faster` multiplies the learning rates of C, `active` keeps the negative weights."""
    raw = np.log((population + 1) / 2) - np.log(np.arange(1, population + 1))  # w' (eq. 49)
    good, bad = raw.clip(0.0), raw.clip(None, 0.0)
    mu_eff = good.sum() ** 2 / (good**2).sum()
    mu_bad = bad.sum() ** 2 / (bad**2).sum()
    c_1 = faster * 2 / ((n + 1.3) ** 2 + mu_eff)  # (eq. 57)
    c_mu = min(1 - c_1, faster * 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) ** 2 + mu_eff))  # (eq. 58)
    limits = (1 + c_1 / c_mu, 1 + 2 * mu_bad / (mu_eff + 2), (1 - c_1 - c_mu) / (n * c_mu))  # (eq. 50-52)
    weights = good / good.sum() + (min(limits) * bad / -bad.sum() if active else 0.0)  # (eq. 53)
    weights.flags.writeable = False
    c_sigma = (mu_eff + 2) / (n + mu_eff + 5)  # (eq. 55)
    return Rates(
        weights=weights,
        mu_eff=float(mu_eff),
        c_sigma=float(c_sigma),
        d_sigma=float(1 + 2 * max(0.0, np.sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma),
        c_c=float((4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)),  # (eq. 56)
        c_1=float(c_1),
        c_mu=float(c_mu),
        chi=float(np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))),  # E||N(0, I)||
    )

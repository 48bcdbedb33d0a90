"""Restarts of CMA-ES with other population sizes.

Sources: A. Auger and N. Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size", 2005 (IPOP);
N. Hansen, "Benchmarking a BI-Population CMA-ES on the BBOB-2009 Function Testbed", 2009 (BIPOP).

    IPOP     each run has twice the population of the one before
    BIPOP    the first run has the default population lambda_0; then, of two regimes, the one that has used fewer
             evaluations goes on:
             large:  lambda <- 2 * the last large one, sigma <- sigma_0
             small:  lambda <- floor(lambda_0 * (lambda_large / (2 lambda_0))**(U1**2)),
                     sigma <- sigma_0 * 10**(-2 U2),  for at most half the evaluations of the last large run;
                     U1, U2 ~ U[0, 1]

Deviations: a search has ended for good after nine doublings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KINDS = ("none", "ipop", "bipop")

_DOUBLINGS = 9


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run between two restarts, and what the runs before it have used.

    `population` and `sigma` are what it began with, `age` its generations so far, `limit` those that it may take (0 for
    no limit). `large` counts the doublings; `spent_large`, `spent_small` and `last_large` are evaluations.
    """

    population: int
    sigma: float
    number: int = 0
    age: int = 0
    limit: int = 0
    large: int = 0
    small: bool = False
    spent_large: int = 0
    spent_small: int = 0
    last_large: int = 0


def next_run(run: Run, kind: str, population: int, sigma: float, rng: np.random.Generator) -> dict[str, Any] | None:
    """The fields of the run that follows `run`, or None where there is none.

    `kind` is one of `KINDS`; `population` and `sigma` are those of the very first run.
    """
    used = run.age * run.population
    spent = {
        "number": run.number + 1,
        "age": 0,
        "spent_large": run.spent_large + (used if run.large and not run.small else 0),
        "spent_small": run.spent_small + (used if run.small else 0),
        "last_large": run.last_large if run.small else used,
    }
    if kind == "bipop" and run.large and spent["spent_small"] < spent["spent_large"]:
        return {**spent, **_small(population, sigma, 2**run.large, spent["last_large"], rng)}
    if kind == "none" or run.large == _DOUBLINGS:
        return None
    large = run.large + 1
    return {**spent, "large": large, "small": False, "population": population * 2**large, "sigma": sigma, "limit": 0}


def _small(population: int, sigma: float, growth: int, last_large: int, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a run of the small regime."""
    first, second = rng.uniform(size=2)
    chosen = int(population * (growth / 2) ** (first**2))
    limit = max(1, last_large // (2 * chosen))
    return {"small": True, "population": chosen, "sigma": float(sigma * 10 ** (-2 * second)), "limit": limit}

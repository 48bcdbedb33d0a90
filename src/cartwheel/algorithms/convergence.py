"""When a run of CMA-ES has ended by itself.

Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, appendix B.3. Each criterion has the
name there; the returns are maximised here.

Deviations: equal returns end a run when the median as well as the best has not moved, as returns of control tasks are
often capped; stagnation is looked for in each tenth generation. There is no limit on a run's generations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.strategy import Array

_CONDITION = 1e14
_GROWTH = 1e4
_LONGEST = 20_000


@dataclass(frozen=True)
class Situation:
    """What the criteria look at, after a generation.

    `mean (n,)`; `deviations (n,)`, sigma * sqrt(C_jj); `path (n,)`, sigma * p_c; `lengths (n,)`, sigma times those of
    the principal axes; `axis (n,)`, one of these axes, of that length; `sigma`, which the run began with;
    `fitness (P,)` in descending order; `history (2, T)`, the best and the median of each generation, the newest last;
    `age` in generations.
    """

    mean: Array
    deviations: Array
    path: Array
    lengths: Array
    axis: Array
    sigma: float
    fitness: Array
    history: Array
    age: int


def reason(now: Situation, tolx: float, tolfun: float) -> str:
    """Why the run is over, in a few words that begin with the criterion's name; empty while it goes on."""
    length = recent_length(len(now.mean), len(now.fitness))
    recent = now.history[:, -length:]
    full = recent.shape[1] == length
    steps = max(float(now.deviations.max()), float(np.abs(now.path).max()))
    criteria = {
        "conditioncov: the distribution is too elongated": now.lengths.max() > _CONDITION**0.5 * now.lengths.min(),
        "equalfunvalues: the returns do not change": full and span(recent[0]) == span(recent[1]) == 0.0,
        "tolfun: the returns differ too little": full and max(span(recent[0]), span(now.fitness)) < tolfun,
        "tolx: the steps are too small": steps < tolx * now.sigma,
        "tolxup: the steps grow, sigma was too small or there is no bound": now.lengths.max() > _GROWTH * now.sigma,
        "noeffectaxis: a step changes no number": bool((now.mean == now.mean + 0.1 * now.axis).all()),
        "noeffectcoord: a step does not change a number": bool((now.mean == now.mean + 0.2 * now.deviations).any()),
        "stagnation: the returns get no better": now.age % 10 == 0 and stagnates(now),
    }
    return next((name for name, met in criteria.items() if met), "")


def recent_length(n: int, population: int) -> int:
    """How many generations count as recent."""
    return 10 + int(np.ceil(30 * n / population))


def history_length(n: int, population: int, age: int) -> int:
    """How many generations are remembered: a fifth of the run, but at least 120 + 30 n / P and at most 20,000."""
    return int(min(max(120 + 30 * n / population, 0.2 * age), _LONGEST))


def stagnates(now: Situation) -> bool:
    """Whether best and median of the last 30 % of what is remembered are no better than of its first 30 %."""
    length = now.history.shape[1]
    if length < history_length(len(now.mean), len(now.fitness), now.age):
        return False
    part = int(0.3 * length)
    early, late = np.median(now.history[:, :part], axis=1), np.median(now.history[:, -part:], axis=1)
    return bool((late <= early).all())


def span(values: Array) -> float:
    """The range of some returns: 0 if all are equal, infinite if one is."""
    high, low = float(values.max()), float(values.min())
    return 0.0 if high == low else high - low

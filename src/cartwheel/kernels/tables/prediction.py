"""The value of a policy that is given, from the steps of whoever acted: TD(0) and Monte Carlo.

Values are a table (S, 1). `ratio (T, N)` is pi(a|s) / b(a|s) of each step, 1 where the policy itself acted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.tables.rules import (
    F8_2,
    FIGURES,
    FLAG,
    FLOAT,
    SIZES,
    STRETCH,
    TABLE,
    WAITING,
    Figures,
    keep,
    learn,
)


@compiled(FIGURES(*STRETCH, *TABLE, F8_2, FLAG, FLOAT, *SIZES))
def td0(
    state: Any,
    action: Any,
    reward: Any,
    discount: Any,
    boundary: Any,
    following: Any,
    values: Any,
    visits: Any,
    ratio: Any,
    ordinary: bool,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Targets r + gamma V(s'), whose weight is the step's ratio."""
    total = 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            target = reward[t, lane] + gamma * discount[t, lane] * values[following[t, lane], 0]
            if ratio[t, lane] > 0.0 or ordinary:
                total += learn(values, visits, state[t, lane], 0, target, ratio[t, lane], ordinary, rate, power)
    return total, np.float64(state.size)


@compiled(FIGURES(*STRETCH, *TABLE, *WAITING, F8_2, FLAG, FLOAT, *SIZES))
def returns(
    state: Any,
    action: Any,
    reward: Any,
    discount: Any,
    boundary: Any,
    following: Any,
    values: Any,
    visits: Any,
    places: Any,
    numbers: Any,
    count: Any,
    ratio: Any,
    ordinary: bool,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Targets are the returns of every visit, whose weight is the product of the ratios from its own step on.

    Steps wait for the episode's end; instead of a chance, each keeps its ratio.
    """
    total, targets = 0.0, 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            keep(lane, state[t, lane], 0, reward[t, lane], ratio[t, lane], places, numbers, count)
            if not boundary[t, lane]:
                continue
            target, weight = discount[t, lane] * values[following[t, lane], 0], 1.0
            for k in range(count[lane] - 1, -1, -1):
                target = numbers[k, lane, 0] + gamma * target
                weight *= numbers[k, lane, 1]
                if weight == 0.0 and not ordinary:
                    break
                total += learn(values, visits, places[k, lane, 0], 0, target, weight, ordinary, rate, power)
                targets += 1.0
            count[lane] = 0
    return total, targets

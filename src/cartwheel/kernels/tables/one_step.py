"""Methods that learn from each step by itself: expected SARSA, Q-learning, double Q-learning."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.tables.rules import (
    F8_1,
    F8_3,
    FIGURES,
    FLOAT,
    I8_2,
    SIZES,
    STRETCH,
    TABLE,
    Figures,
    expected_value,
    greedy,
    learn,
)


@compiled(FIGURES(*STRETCH, *TABLE, F8_1, FLOAT, *SIZES))
def expected(
    state: Any,
    action: Any,
    reward: Any,
    discount: Any,
    boundary: Any,
    following: Any,
    values: Any,
    visits: Any,
    epsilon: Any,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Targets r + gamma sum_a pi(a|s') Q(s', a), pi epsilon-greedy: expected SARSA, and Q-learning with zeros (T,)."""
    total = 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            target = reward[t, lane]
            if discount[t, lane] != 0.0:
                target += gamma * discount[t, lane] * expected_value(values, following[t, lane], epsilon[t])
            total += learn(values, visits, state[t, lane], action[t, lane], target, 1.0, False, rate, power)
    return total, np.float64(state.size)


@compiled(FIGURES(*STRETCH, F8_3, F8_3, I8_2, FLOAT, *SIZES))
def double_q(
    state: Any,
    action: Any,
    reward: Any,
    discount: Any,
    boundary: Any,
    following: Any,
    values: Any,
    visits: Any,
    coin: Any,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Two tables (2, S, A); the one that `coin (T, N)` tells learns r + gamma Q_other(s', argmax_a Q_own(s', a))."""
    total = 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            own, s, target = coin[t, lane], following[t, lane], reward[t, lane]
            if discount[t, lane] != 0.0:
                target += gamma * discount[t, lane] * values[1 - own, s, greedy(values[own], s)]
            s = state[t, lane]
            total += learn(values[own], visits[own], s, action[t, lane], target, 1.0, False, rate, power)
    return total, np.float64(state.size)

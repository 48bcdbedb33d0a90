"""What all methods on tables share: the types of their arrays, the rule by which a value learns, epsilon-greedy.

What waits for later steps is kept in `places (C, N, 2)` (state, action) and `numbers (C, N, 2)` (reward, the chance
with which the action was taken), the first `count (N,)` of each lane.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from numba import types

from cartwheel.kernels.compile import compiled

F8_1, F8_2, F8_3 = (types.Array(types.float64, n, "C") for n in (1, 2, 3))
I8_1, I8_2, I8_3 = (types.Array(types.int64, n, "C") for n in (1, 2, 3))
FLOAT, FLAG, FLAGS = types.float64, types.boolean, types.Array(types.boolean, 2, "C")

FIGURES = types.UniTuple(types.float64, 2)
STRETCH = (I8_2, I8_2, F8_2, F8_2, FLAGS, I8_2)
TABLE = (F8_2, F8_2)  # values, visits
WAITING = (I8_3, F8_3, I8_1)  # places, numbers, count
SIZES = (FLOAT, FLOAT)  # of a step: rate, power

Figures: TypeAlias = tuple[float, float]


@compiled()
def learn(
    values: Any, visits: Any, s: int, a: int, target: float, weight: float, ordinary: bool, rate: float, power: float
) -> float:
    """Take a target of this weight into a value; returns the absolute error.

    Q(s, a) += alpha weight (target - Q(s, a)), alpha = rate / C(s, a)**power, where C is the sum of the weights so far;
    no step goes beyond the target. `ordinary`: Q(s, a) += alpha (weight target - Q(s, a)), C the number of targets.
    """
    if ordinary:
        visits[s, a] += 1.0
        error = weight * target - values[s, a]
        weight = 1.0
    else:
        visits[s, a] += weight
        error = target - values[s, a]
    alpha = weight * rate
    if power != 0.0:
        alpha /= visits[s, a] ** power
    values[s, a] += min(1.0, alpha) * error
    size: float = abs(error)
    return size


@compiled()
def greedy(values: Any, s: int) -> int:
    """The action of the largest value, the first at ties."""
    best = 0
    for a in range(1, values.shape[1]):
        if values[s, a] > values[s, best]:
            best = a
    return best


@compiled()
def expected_value(values: Any, s: int, epsilon: float) -> float:
    """The value of a state under the epsilon-greedy policy of the values."""
    total = 0.0
    for a in range(values.shape[1]):
        total += values[s, a]
    value: float = epsilon * (total / values.shape[1]) + (1.0 - epsilon) * values[s, greedy(values, s)]
    return value


@compiled()
def probability(best: int, a: int, actions: int, epsilon: float) -> float:
    """How likely an epsilon-greedy policy, whose greedy action is `best`, is to take an action."""
    return epsilon / actions + (1.0 - epsilon if a == best else 0.0)


@compiled()
def keep(lane: int, s: int, a: int, reward: float, chance: float, places: Any, numbers: Any, count: Any) -> None:
    """Add a step to those that wait."""
    k = count[lane]
    places[k, lane, 0], places[k, lane, 1] = s, a
    numbers[k, lane, 0], numbers[k, lane, 1] = reward, chance
    count[lane] = k + 1

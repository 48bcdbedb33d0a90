"""Methods whose steps wait for later ones: n-step SARSA, Monte Carlo control; on and off policy.

`acted (S,)` is the greedy action of the table that acted, and `epsilon (T,)` the share of random ones: so the chance
b(a|s) with which an action was taken is known exactly. With an `aim` of 0 or more the policy pi to learn about is
epsilon-greedy with that share of random actions, else it is the one that acts.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.tables.rules import (
    F8_1,
    FIGURES,
    FLAG,
    FLOAT,
    I8_1,
    SIZES,
    STRETCH,
    TABLE,
    WAITING,
    Figures,
    expected_value,
    greedy,
    keep,
    learn,
    probability,
)


@compiled()
def _ratio(values: Any, s: int, a: int, chance: float, aim: float) -> float:
    """pi(a|s) / b(a|s) for an action that was taken with this chance; 1 where what acts is what is learnt about."""
    if aim < 0.0:
        return 1.0
    return probability(greedy(values, s), a, values.shape[1], aim) / chance


@compiled()
def _rest(values: Any, t: int, lane: int, discount: Any, following: Any, epsilon: Any, aim: float) -> float:
    """In place of the rewards after a boundary: the expected value of what followed; 0 after an end by the rules."""
    if discount[t, lane] == 0.0:
        return 0.0
    rest: float = discount[t, lane] * expected_value(values, following[t, lane], aim if aim >= 0.0 else epsilon[t])
    return rest


@compiled()
def _move_up(lane: int, places: Any, numbers: Any, count: Any) -> None:
    """Drop the first step that waits."""
    for k in range(1, count[lane]):
        for part in range(2):
            places[k - 1, lane, part], numbers[k - 1, lane, part] = places[k, lane, part], numbers[k, lane, part]
    count[lane] -= 1


@compiled()
def _first_learns(
    lane: int,
    rest: float,
    weight: float,
    values: Any,
    visits: Any,
    places: Any,
    numbers: Any,
    count: Any,
    aim: float,
    ordinary: bool,
    gamma: float,
    rate: float,
    power: float,
) -> float:
    """The first step that waits learns, by the rewards of all that do and the `rest` after them, which has a weight."""
    for k in range(count[lane] - 1, 0, -1):
        rest = numbers[k, lane, 0] + gamma * rest
        weight *= _ratio(values, places[k, lane, 0], places[k, lane, 1], numbers[k, lane, 1], aim)
    s, a, target = places[0, lane, 0], places[0, lane, 1], numbers[0, lane, 0] + gamma * rest
    _move_up(lane, places, numbers, count)
    if weight == 0.0 and not ordinary:
        return 0.0
    return learn(values, visits, s, a, target, weight, ordinary, rate, power)


@compiled(FIGURES(*STRETCH, *TABLE, *WAITING, I8_1, F8_1, FLOAT, FLAG, FLOAT, *SIZES))
def sarsa(
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
    acted: Any,
    epsilon: Any,
    aim: float,
    ordinary: bool,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Targets r_1 + gamma r_2 + ... + gamma**n Q(s_n, a_n), n = C: a step waits for the n-th action after it.

    Where the episode is over, all that wait learn; after a time limit the rest is the expected value of what followed,
    as there is no action. The weight is the product of pi(a_k|s_k) / b(a_k|s_k), k = 1 ... n, as pi stands then.
    """
    total, targets = 0.0, 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            s, a = state[t, lane], action[t, lane]
            chance = probability(acted[s], a, values.shape[1], epsilon[t])
            if count[lane] == places.shape[0]:
                weight = _ratio(values, s, a, chance, aim)
                total += _first_learns(
                    lane,
                    values[s, a],
                    weight,
                    values,
                    visits,
                    places,
                    numbers,
                    count,
                    aim,
                    ordinary,
                    gamma,
                    rate,
                    power,
                )
                targets += 1.0
            keep(lane, s, a, reward[t, lane], chance, places, numbers, count)
            while boundary[t, lane] and count[lane] > 0:
                rest = _rest(values, t, lane, discount, following, epsilon, aim)
                total += _first_learns(
                    lane, rest, 1.0, values, visits, places, numbers, count, aim, ordinary, gamma, rate, power
                )
                targets += 1.0
    return total, targets


@compiled(FIGURES(*STRETCH, *TABLE, *WAITING, I8_1, F8_1, FLOAT, FLOAT, *SIZES))
def monte_carlo(
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
    acted: Any,
    epsilon: Any,
    aim: float,
    gamma: float,
    rate: float,
    power: float,
) -> Figures:
    """Targets are returns, those of every visit, from the episode's end on; its steps wait until then.

    The weight is the product of pi(a_k|s_k) / b(a_k|s_k) over the steps after it, pi as it stands when the step itself
    has learnt; where it is 0, the steps before learn nothing. What waits has room for all steps (C).
    """
    total, targets = 0.0, 0.0
    for t in range(state.shape[0]):
        for lane in range(state.shape[1]):
            s, a = state[t, lane], action[t, lane]
            chance = probability(acted[s], a, values.shape[1], epsilon[t])
            keep(lane, s, a, reward[t, lane], chance, places, numbers, count)
            if not boundary[t, lane]:
                continue
            target, weight = _rest(values, t, lane, discount, following, epsilon, aim), 1.0
            for k in range(count[lane] - 1, -1, -1):
                s, a = places[k, lane, 0], places[k, lane, 1]
                target = numbers[k, lane, 0] + gamma * target
                total += learn(values, visits, s, a, target, weight, False, rate, power)
                targets += 1.0
                weight *= _ratio(values, s, a, numbers[k, lane, 1], aim)
                if weight == 0.0:
                    break
            count[lane] = 0
    return total, targets

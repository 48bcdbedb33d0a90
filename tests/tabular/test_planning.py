"""Planning against the books' figures, against all policies tried out, and against searches that know no tables."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.transitions import transition_table
from cartwheel.errors import UsageError
from cartwheel.tabular.model import Numbers, Outcomes, TransitionTable
from cartwheel.tabular.planning import (
    action_values,
    as_policy,
    epsilon_soft_optimum,
    exact_return,
    exact_values,
    greedy_policy,
    policy_evaluation,
    policy_iteration,
    value_iteration,
)

GRID = transition_table("cartwheel/GridWorld-v0")
BEST = [0.81, 0.9, 1.0, 0.0, 0.729, 0.0, 0.9, 1.0, 0.6561, 0.729, 0.81, 0.729]


def at_random(states: int, actions: int) -> Numbers:
    return np.full((states, actions), 1 / actions)


def random_table(seed: int, states: int = 4, actions: int = 3) -> TransitionTable:
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(states + 1, 0.4), (states, actions))
    return TransitionTable(
        chances[:, :, :-1], chances[:, :, -1], rng.normal(size=(states, actions)), rng.dirichlet(np.ones(states))
    )


def best_of_all(table: TransitionTable, gamma: float, epsilon: float = 0.0) -> Numbers:
    """The best values (S,) of all policies that choose one action a state, but for the chance epsilon, by solving."""
    found = []
    for chosen in itertools.product(range(table.actions), repeat=table.states):
        values = np.zeros(table.states)
        system = np.eye(table.states)
        for state, action in enumerate(chosen):
            for other in range(table.actions):
                chance = epsilon / table.actions + (1 - epsilon) * (other == action)
                values[state] += chance * table.reward[state, other]
                system[state] -= gamma * chance * table.onward[state, other]
        found.append(np.linalg.solve(system, values))
    best: Numbers = np.max(found, axis=0)
    return best


# --- the grid world ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
def test_value_iteration_on_the_grid(in_place: bool) -> None:
    plan = value_iteration(GRID, 0.9, in_place=in_place)
    assert np.abs(plan.values - BEST).max() < 1e-12
    assert plan.rounds == (4 if in_place else 6)
    assert plan.policy[8].tolist() == [0.5, 0.0, 0.0, 0.5]  # from the start, up and right are as good
    assert plan.policy[10].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_policy_iteration_on_the_grid() -> None:
    plan = policy_iteration(GRID, 0.9)
    assert np.abs(plan.values - BEST).max() < 1e-12
    assert np.abs(exact_values(GRID, plan.policy, 0.9) - BEST).max() < 1e-12
    assert plan.action_values[11].tolist() == pytest.approx([-0.1, 0.6561, 0.729, 0.6561])


def test_in_place_takes_fewer_sweeps_to_the_same_values() -> None:
    anywhere = at_random(12, 4)
    apart, many = policy_evaluation(GRID, anywhere, 0.9)
    together, few = policy_evaluation(GRID, anywhere, 0.9, in_place=True)
    exact = exact_values(GRID, anywhere, 0.9)
    assert np.abs(apart - exact).max() < 1e-12
    assert np.abs(together - exact).max() < 1e-12
    assert few < 0.9 * many


def test_one_sweep_of_each_kind_by_hand() -> None:
    """In a row of two cells before the goal, from the right: a sweep in place sees what it has just written."""
    row = transition_table("cartwheel/GridWorld-v0", {"rows": "G.S"})
    left = np.full(3, 2)
    for in_place, sweeps in ((False, 3), (True, 2)):
        values, counted = policy_evaluation(row, left, 0.5, in_place=in_place)
        assert values.tolist() == [0.0, 1.0, 0.5]
        assert counted == sweeps


# --- the books' figures -----------------------------------------------------------------------------------------------


def jumps() -> TransitionTable:
    """Sutton & Barto, example 3.5: 5 x 5, leaving costs 1, from A = (0, 1) and B = (0, 3) there are jumps."""
    outcomes = []
    for y, x, (down, right) in itertools.product(range(5), range(5), ((-1, 0), (1, 0), (0, -1), (0, 1))):
        to, reward = (y + down, x + right), 0.0
        if not (0 <= to[0] < 5 and 0 <= to[1] < 5):
            to, reward = (y, x), -1.0
        if (y, x) == (0, 1):
            to, reward = (4, 1), 10.0
        if (y, x) == (0, 3):
            to, reward = (2, 3), 5.0
        action = ((-1, 0), (1, 0), (0, -1), (0, 1)).index((down, right))
        outcomes.append((5 * y + x, action, 1.0, 5 * to[0] + to[1], reward, False))
    return TransitionTable.from_outcomes(Outcomes(*map(list, zip(*outcomes, strict=True))), 25, 4)


def test_figures_3_2_and_3_5_of_sutton_and_barto() -> None:
    table = jumps()
    random = exact_values(table, at_random(25, 4), 0.9)
    assert random[:10].round(1).tolist() == [3.3, 8.8, 4.4, 5.3, 1.5, 1.5, 3.0, 2.3, 1.9, 0.5]
    assert random[20:].round(1).tolist() == [-1.9, -1.3, -1.2, -1.4, -2.0]
    best = value_iteration(table, 0.9)
    assert best.values[:10].round(1).tolist() == [22.0, 24.4, 22.0, 19.4, 17.5, 19.8, 22.0, 19.8, 17.8, 16.0]
    assert policy_iteration(table, 0.9).values == pytest.approx(best.values, abs=1e-10)
    assert best.policy[1].tolist() == [0.25] * 4  # in A any move jumps


def test_figure_4_1_of_sutton_and_barto() -> None:
    """A 4 x 4 grid whose corners end the episode, -1 a step, gamma 1, actions at random."""
    outcomes = []
    for y, x, (action, (down, right)) in itertools.product(
        range(4), range(4), enumerate(((-1, 0), (1, 0), (0, -1), (0, 1)))
    ):
        to = 4 * min(max(y + down, 0), 3) + min(max(x + right, 0), 3)
        here = 4 * y + x
        outcomes.append((here, action, 1.0, to, -1.0 if here not in (0, 15) else 0.0, to in (0, 15) or here in (0, 15)))
    table = TransitionTable.from_outcomes(Outcomes(*map(list, zip(*outcomes, strict=True))), 16, 4)
    told = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]
    assert exact_values(table, at_random(16, 4), 1.0) == pytest.approx(told, abs=1e-9)
    assert policy_evaluation(table, at_random(16, 4), 1.0)[0] == pytest.approx(told, abs=1e-9)
    assert policy_iteration(table, 1.0).values.tolist() == [
        0,
        -1,
        -2,
        -3,
        -1,
        -2,
        -3,
        -2,
        -2,
        -3,
        -2,
        -1,
        -3,
        -2,
        -1,
        0,
    ]


# --- all policies tried out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_no_policy_is_better(seed: int, gamma: float) -> None:
    table = random_table(seed)
    expected = best_of_all(table, gamma)
    for plan in (value_iteration(table, gamma), value_iteration(table, gamma, in_place=True)):
        assert plan.values == pytest.approx(expected, rel=1e-10)
        assert exact_values(table, plan.policy, gamma) == pytest.approx(expected, rel=1e-10)
    plan = policy_iteration(table, gamma)
    assert plan.values == pytest.approx(expected, abs=1e-10)
    assert exact_return(table, plan.policy, gamma) == pytest.approx(float(table.start @ expected))  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 1.0])
def test_no_policy_that_explores_is_better(seed: int, epsilon: float) -> None:
    table = random_table(seed)
    plan = epsilon_soft_optimum(table, 0.9, epsilon)
    assert plan.values == pytest.approx(best_of_all(table, 0.9, epsilon), abs=1e-10)
    assert exact_values(table, plan.policy, 0.9) == pytest.approx(plan.values, abs=1e-10)
    assert (plan.policy >= epsilon / 3 - 1e-12).all()
    assert (plan.policy * plan.action_values).sum(axis=1) == pytest.approx(plan.values, abs=1e-10)


def test_exploring_on_the_grid_costs() -> None:
    """From the cell left of the goal, by hand: v = 0.925 + 0.025 * 0.9 (v + left + below), epsilon 0.1."""
    plan = epsilon_soft_optimum(GRID, 0.9, 0.1)
    v = plan.values
    assert v[2] == pytest.approx(0.925 + 0.025 * 0.9 * (v[2] + v[1] + v[6]), abs=1e-12)
    assert plan.action_values[2, 3] == 1.0  # the move itself, really made
    assert (v[[0, 1, 2, 4, 6, 7, 8, 9, 10, 11]] < np.array(BEST)[[0, 1, 2, 4, 6, 7, 8, 9, 10, 11]] - 0.01).all()


# --- Gymnasium's toy texts --------------------------------------------------------------------------------------------


def recursion(chances: Any, gamma: float, steps: int, choose: Any = None) -> dict[int, float]:
    """Values with so many steps to go, by loops over Gymnasium's own table; `choose(q)` says what a state is worth."""
    values = dict.fromkeys(chances, 0.0)
    for _ in range(steps):
        values = {
            state: (choose or max)(
                [
                    sum(p * (r + gamma * (0.0 if ended else values[to])) for p, to, r, ended in outcomes)
                    for outcomes in actions.values()
                ]
            )
            for state, actions in chances.items()
        }
    return values


def test_the_frozen_lake_without_a_limit() -> None:
    """Its best chance of success is 14/17 = 0.8235 if nobody looks at the clock."""
    table = transition_table("FrozenLake-v1")
    made = gymnasium.make("FrozenLake-v1").unwrapped
    assert recursion(made.P, 1.0, 3000)[0] == pytest.approx(14 / 17, abs=1e-9)  # type: ignore[attr-defined]
    plans = policy_iteration(table, 1.0), value_iteration(table, 1.0)
    for plan in plans:
        assert plan.values[0] == pytest.approx(14 / 17, abs=1e-10)
        assert exact_return(table, plan.policy) == pytest.approx(14 / 17, abs=1e-10)


def test_the_frozen_lake_within_its_limit() -> None:
    """Within the 100 steps that Gymnasium gives, 0.7442 at best, and nearly that by one policy for all steps."""
    table = transition_table("FrozenLake-v1")
    chances = gymnasium.make("FrozenLake-v1").unwrapped.P  # type: ignore[attr-defined]
    limit = recursion(chances, 1.0, 100)[0]
    assert limit == pytest.approx(0.7442, abs=5e-5)
    plan = value_iteration(table, 0.99)
    reached = exact_return(table, plan.policy, steps=100)
    assert 0.74 < reached <= limit
    everywhere = at_random(16, 4)
    assert exact_return(table, everywhere, 0.9, steps=7) == pytest.approx(
        recursion(chances, 0.9, 7, lambda q: sum(q) / 4)[0], abs=1e-14
    )
    assert exact_return(table, everywhere, steps=0) == 0.0


def test_the_large_frozen_lake_is_crossed_for_certain_by_who_has_the_time() -> None:
    """With gamma = 1 the first of equal actions leads nowhere there, by (4.9) alone: plans have to do better."""
    table = transition_table("FrozenLake8x8-v1")
    plans = policy_iteration(table, 1.0), value_iteration(table, 1.0)
    for plan in plans:
        assert exact_return(table, plan.policy) == pytest.approx(1.0, abs=1e-9)
    assert exact_return(table, greedy_policy(plans[1].action_values)) < 0.5


def shortest_ways() -> dict[int, int]:
    """Steps to the end from each of Taxi's states, found by stepping the environment and searching backwards."""
    made: Any = gymnasium.make("Taxi-v4").unwrapped
    made.reset(seed=0)
    before: dict[int, list[int]] = {}
    ways: dict[int, int] = {}
    for state, action in itertools.product(range(500), range(6)):
        made.s = state
        after, reward, ended, _, _ = made.step(action)
        if ended:
            ways[state] = 1
        elif reward == -1:  # what costs 10 changes nothing
            before.setdefault(after, []).append(state)
    queue = deque(ways)
    while queue:
        state = queue.popleft()
        for earlier in before.get(state, []):
            if earlier not in ways:
                ways[earlier] = ways[state] + 1
                queue.append(earlier)
    return ways


def test_the_taxi_takes_the_shortest_way_from_every_start() -> None:
    """-1 a step, and 20 for the last."""
    table, ways = transition_table("Taxi-v4"), shortest_ways()
    plan = value_iteration(table, 1.0)
    assert table.start is not None
    starts = np.flatnonzero(table.start)
    assert len(starts) == 300
    assert plan.values.tolist() == [21.0 - ways[state] for state in range(500)]
    assert exact_return(table, plan.policy) == pytest.approx(np.mean([21 - ways[int(s)] for s in starts]), abs=1e-12)
    first = exact_values(table, greedy_policy(plan.action_values), 1.0)
    assert first == pytest.approx(plan.values, abs=1e-10)


def test_along_the_cliff() -> None:
    table = transition_table("CliffWalking-v1")
    assert value_iteration(table, 1.0).values[36] == policy_iteration(table, 1.0).values[36] == -13.0
    explored = epsilon_soft_optimum(table, 1.0, 0.1)
    way, state = [], 36
    while state not in way:
        way.append(state)
        state = int(table.onward[state, explored.policy[state].argmax()].argmax())
    assert all(cell not in way for cell in range(25, 35))  # not along the edge: example 6.6


# --- episodes that do not end -----------------------------------------------------------------------------------------


def test_a_policy_that_never_ends_is_refused_where_it_earns() -> None:
    table = transition_table("cartwheel/GridWorld-v0", {"rows": "S.G", "step_reward": -1.0})
    stay = np.zeros(3, np.int64)
    for call in (exact_values, policy_evaluation, exact_return):
        with pytest.raises(UsageError, match="from state 0 on the policy earns for ever and no episode ends"):
            call(table, stay, 1.0)
    assert exact_values(table, stay, 0.5)[0] == -2.0


def test_a_policy_that_never_ends_and_earns_nothing_is_worth_nothing() -> None:
    table = transition_table("cartwheel/GridWorld-v0", {"rows": "S.G"})
    assert exact_values(table, np.array([0, 3, 0]), 1.0).tolist() == [0.0, 1.0, 0.0]
    plan = value_iteration(table, 1.0)
    assert plan.values.tolist() == [1.0, 1.0, 0.0]
    assert exact_return(table, greedy_policy(plan.action_values)) == 0.0  # up is as good as right, and comes first
    assert exact_return(table, plan.policy) == exact_return(table, policy_iteration(table, 1.0).policy) == 1.0


def test_states_that_a_policy_does_not_get_to_do_not_matter_for_its_return() -> None:
    table = transition_table("cartwheel/GridWorld-v0", {"rows": ".SG", "step_reward": -1.0})
    policy = np.array([0, 3, 0])
    assert exact_return(table, policy) == 1.0
    with pytest.raises(UsageError, match="from state 0 on"):
        exact_values(table, policy, 1.0)


def test_rewards_for_ever_are_noticed() -> None:
    table = TransitionTable(np.ones((1, 1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
    with pytest.raises(UsageError, match="did not settle in 1000 sweeps, and are up to 1000: expected gamma below 1"):
        value_iteration(table, 1.0, limit=1000)
    with pytest.raises(UsageError, match="earns for ever"):
        policy_iteration(table, 1.0)
    assert value_iteration(table, 0.99).values == pytest.approx([100.0], abs=1e-8)


# --- what is given ----------------------------------------------------------------------------------------------------


def test_policies_of_both_kinds() -> None:
    table = random_table(0)
    assert as_policy(table, [0, 2, 1, 0]).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    mixed = np.full((4, 3), 1 / 3)
    assert (as_policy(table, mixed) == mixed).all()
    given = np.array([0, 2, 1, 0])
    assert (exact_values(table, given, 0.9) == exact_values(table, as_policy(table, given), 0.9)).all()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ([0, 1, 2], r"chances of shape \(4, 3\), or as 4 whole numbers, got int64 of shape \(3,\)"),
        ([0, 1, 2, 3], "expected actions from 0 to 2, got 0 to 3"),
        ([0.0, 1.0, 2.0, 1.0], "whole numbers, got float64"),
        (np.full((4, 3), 0.3), "at least 0 and sum to 1"),
        (np.tile([1.5, -0.5, 0.0], (4, 1)), "at least 0 and sum to 1"),
        (np.full((4, 3), np.nan), "at least 0 and sum to 1"),
    ],
)
def test_bad_policies_are_refused(policy: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        exact_values(random_table(0), policy, 0.9)


def test_bad_numbers_are_refused() -> None:
    table = random_table(0)
    for gamma in (-0.1, 1.1, float("nan")):
        for call in (value_iteration, policy_iteration):
            with pytest.raises(UsageError, match="expected gamma from 0 to 1"):
                call(table, gamma)
    with pytest.raises(UsageError, match="expected epsilon from 0 to 1, got 2"):
        epsilon_soft_optimum(table, 0.9, 2)
    unknown = TransitionTable(table.onward, table.ending, table.reward)
    with pytest.raises(UsageError, match="does not say where episodes start"):
        exact_return(unknown, np.zeros(4, np.int64))


def test_greedy_among_equals() -> None:
    q = [[1.0, 2.0, 2.0 - 1e-13], [3.0, 3.0, 3.0]]
    assert greedy_policy(q).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert greedy_policy(q, split=True).tolist() == [[0, 0.5, 0.5], [1 / 3] * 3]


def test_action_values_by_hand() -> None:
    q = action_values(GRID, BEST, 0.9)
    assert q[2].tolist() == pytest.approx([0.9, 0.81, 0.81, 1.0])  # up stays; the goal's value is not added to its 1
    assert q[6].tolist() == pytest.approx([0.9, 0.729, 0.81, -0.1])

"""Transition tables: ends and successors apart, what is checked, and what environments say of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.transitions import transition_table
from cartwheel.errors import UsageError
from cartwheel.tabular.model import Outcomes, TransitionTable

# From state 0, action 0 leads to 1 with and without an end, action 1 stays; state 1 ends.
TWO = Outcomes(
    state=[0, 0, 0, 0, 1, 1],
    action=[0, 0, 0, 1, 0, 1],
    chance=[0.5, 0.25, 0.25, 1.0, 1.0, 1.0],
    successor=[1, 1, 0, 0, 1, 0],
    reward=[8.0, 4.0, -4.0, 0.5, 2.0, 3.0],
    ended=[True, False, False, False, True, True],
)


def test_outcomes_by_hand() -> None:
    table = TransitionTable.from_outcomes(TWO, 2, 2, [0.75, 0.25])
    assert (table.states, table.actions) == (2, 2)
    assert table.onward.tolist() == [[[0.25, 0.25], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]
    assert table.ending.tolist() == [[0.5, 0.0], [1.0, 1.0]]
    assert table.reward.tolist() == [[4.0, 0.5], [2.0, 3.0]]
    assert table.start is not None
    assert table.start.tolist() == [0.75, 0.25]


def test_the_same_outcome_twice_adds_up() -> None:
    halves = Outcomes([0, 0], [0, 0], [0.5, 0.5], [0, 0], [1.0, 2.0], [False, False])
    table = TransitionTable.from_outcomes(halves, 1, 1)
    assert table.onward.tolist() == [[[1.0]]]
    assert table.reward.tolist() == [[1.5]]


def test_a_table_is_a_copy_and_stays() -> None:
    onward, ending = np.zeros((1, 1, 1)), np.ones((1, 1))
    table = TransitionTable(onward, ending, np.zeros((1, 1)))
    ending[0, 0] = 0.0
    assert table.ending[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        table.reward[0, 0] = 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chance": [0.5, 0.25, 0.2, 1.0, 1.0, 1.0]}, "outcomes of state 0 and action 0: .* sum to 1, got 0.95"),
        ({"chance": [0.5, 0.75, -0.25, 1.0, 1.0, 1.0]}, "expected chances of at least 0, got -0.25"),
        ({"chance": [0.5, 0.25, float("nan"), 1.0, 1.0, 1.0]}, "expected finite numbers"),
        ({"reward": [float("inf"), 4.0, -4.0, 0.5, 2.0, 3.0]}, "expected finite numbers in reward"),
        ({"state": [0, 0, 0, 0, 1]}, "lists of outcomes of one length"),
        ({"successor": [1, 1, 0, 0, 1, 2]}, "successor to be from 0 to 1, got 2"),
        ({"action": [0, 0, 0, 1, 0, -1]}, "action to be from 0 to 1, got -1"),
        ({"state": [0, 0, 0, 0, 1, 0.5]}, "whole numbers as each outcome's state"),
    ],
)
def test_bad_outcomes_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        TransitionTable.from_outcomes(replace(TWO, **change), 2, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1))), r"of shape \(S, A, S\), got \(2, 1, 3\)"),
        ((np.zeros((0, 1, 0)), np.ones((0, 1)), np.zeros((0, 1))), r"of shape \(S, A, S\), got \(0, 1, 0\)"),
        ((np.zeros((2, 1, 2)), np.ones((2, 2)), np.zeros((2, 1))), r"expected ending of shape \(2, 1\)"),
        ((np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros(2)), r"expected reward of shape \(2, 1\)"),
        ((np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1)), np.ones(1)), r"expected start of shape \(2,\)"),
        ((np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1)), np.ones(2)), "the first states: .* got 2"),
    ],
)
def test_bad_parts_are_refused(parts: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TransitionTable(*parts)


# --- from environments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "states", "actions"),
    [("FrozenLake-v1", 16, 4), ("CliffWalking-v1", 48, 4), ("Taxi-v4", 500, 6), ("cartwheel/GridWorld-v0", 12, 4)],
)
def test_environments_that_know_their_chances(name: str, states: int, actions: int) -> None:
    table = transition_table(name)
    assert (table.states, table.actions) == (states, actions)
    assert table.start is not None
    made = gymnasium.make(name)
    seed = 0
    first = {int(made.reset(seed=seed)[0]) for seed in range(40)}
    assert all(table.start[state] > 0 for state in first)
    state = int(made.reset(seed=seed)[0])
    made.action_space.seed(0)
    for _ in range(300):  # what happens is possible
        action = int(made.action_space.sample())
        after, reward, ended, cut, _ = made.step(action)
        assert (table.ending[state, action] if ended else table.onward[state, action, after]) > 0
        if name != "FrozenLake-v1":  # no chance there, and so the expected reward itself
            assert reward == table.reward[state, action]
        state = int(made.reset()[0]) if ended or cut else int(after)


def test_a_frozen_lake_by_hand() -> None:
    """Right in state 14, beside the goal: a third each to slip down (stay), to the goal, and up to 10."""
    table = transition_table("FrozenLake-v1")
    assert table.onward[14, 2, [14, 10, 15]] == pytest.approx([1 / 3, 1 / 3, 0.0])
    assert table.ending[14, 2] == table.reward[14, 2] == pytest.approx(1 / 3)


def test_arguments_and_environments_that_were_made() -> None:
    dry = transition_table("FrozenLake-v1", {"is_slippery": False})
    assert dry.onward[0, 1, 4] == 1.0
    made = gymnasium.make("FrozenLake-v1", is_slippery=False)
    assert (transition_table(made).onward == dry.onward).all()


def test_an_environment_without_a_table() -> None:
    with pytest.raises(UsageError, match="CartPoleEnv has no transition table: expected P"):
        transition_table("CartPole-v1")
    with pytest.raises(UsageError, match="BlackjackEnv has no transition table"):
        transition_table(gymnasium.make("Blackjack-v1"))
    with pytest.raises(UsageError, match="float has no transition table"):
        transition_table(0.5)


def test_a_table_that_leaves_something_out() -> None:
    with pytest.raises(UsageError, match="TaxiEnv with a fickle passenger"):
        transition_table("Taxi-v4", {"fickle_passenger": True})
    made = gymnasium.make("FrozenLake-v1")
    made.unwrapped.P[0][0] = [(1.0, 0)]  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="the transition table of FrozenLakeEnv can't be read"):
        transition_table(made)
    made.unwrapped.P[0][0] = []  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="state 0 and action 0: expected chances that sum to 1, got 0"):
        transition_table(made)

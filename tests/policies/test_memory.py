"""Policies that remember, and what they see through: `Policy.act` and `predict` with a memory and a normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.policies.normalisation import LARGEST, Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP, Recurrent
from cartwheel.spaces import Box, Discrete, Tuple

SEEN = Box((3,), (-9.0,) * 3, (9.0,) * 3)
CELLS = ["rnn", "gru", "lstm"]
SUITS = 4


def drawn(cell: str, action: Any = None) -> Policy:
    """A policy of random numbers."""
    space = Discrete(5) if action is None else action
    network = build_network(Recurrent(cell, (4, 6)), SEEN, space)
    theta = 2.0 * np.random.default_rng(5).normal(size=network.size)
    return Policy(Recurrent(cell, (4, 6)), SEEN, space, theta)


def delayed() -> Policy:
    """Gives back what it saw a step ago, for ever: one half of an rnn holds what is seen, the other what it held."""
    network = build_network(Recurrent("rnn", (2 * SUITS,)), Discrete(SUITS), Discrete(SUITS))
    one, none = np.eye(SUITS), np.zeros((SUITS, SUITS))
    arrays = {
        "cells/x2h/W": np.hstack([5 * one, none]),
        "cells/h2h/W": np.block([[none, 5 * one], [none, none]]),
        "cells/x2h/b": np.zeros(2 * SUITS),
        "out/W": np.vstack([none, one]),
        "out/b": np.zeros(SUITS),
    }
    return Policy(Recurrent("rnn", (2 * SUITS,)), Discrete(SUITS), Discrete(SUITS), network.layout.pack(arrays))


def test_a_memory_that_is_handed_on_is_what_it_remembers() -> None:
    policy, shown = delayed(), [2, 3, 1, 1, 0, 2]
    memory, named = None, []
    for suit in shown:
        action, memory = policy.act(suit, memory)
        named.append(int(action))
        assert memory.shape == (2 * SUITS,)
        assert memory.dtype == np.float32
    assert named == [0, *shown[:-1]]  # nothing is known at first: the first of equals
    assert [int(policy.act(suit)[0]) for suit in shown] == [0] * 6  # a memory that is not handed on is none


def test_a_memory_is_of_one_episode_only() -> None:
    policy = delayed()
    _, memory = policy.act(3)
    assert int(policy.act(1, memory)[0]) == 3
    assert int(policy.act(1, None)[0]) == 0
    assert int(policy.act(1, np.zeros(2 * SUITS))[0]) == 0


@pytest.mark.parametrize("cell", CELLS)
def test_act_is_the_network_over_time(cell: str) -> None:
    policy, rng = drawn(cell), np.random.default_rng(0)
    network = policy.network
    memory, flat = None, np.zeros((1, network.memory_size), np.float32)
    actions = set()
    for x in rng.normal(size=(40, 3)).astype(np.float32):
        action, memory = policy.act(x.tolist(), memory)  # a list: by NumPy, as the network is here
        y, flat = network.advance(policy.theta, x[None], flat)
        assert int(action) == int(y[0].argmax())
        np.testing.assert_array_equal(memory, flat[0])
        actions.add(int(action))
    assert len(actions) > 1
    assert policy.memory_size == network.memory_size == memory.size


def test_it_draws_with_a_memory_too() -> None:
    policy, runs = drawn("gru"), []
    for seed in (1, 1, 2):
        rng, memory, actions = np.random.default_rng(seed), None, []
        for _ in range(30):
            action, memory = policy.act(np.zeros(3), memory, rng)
            actions.append(int(action))
        runs.append(actions)
    assert runs[0] == runs[1] != runs[2]


def test_a_memory_that_was_given_stays_as_it_was() -> None:
    policy = drawn("lstm")
    _, memory = policy.act((1, 2, 3))
    kept = memory.copy()
    memory.flags.writeable = False
    _, after = policy.act((3, 2, 1), memory)
    np.testing.assert_array_equal(memory, kept)
    assert not np.array_equal(after, kept)
    policy.act((0, 0, 0), after.tolist())  # as a list, where it went through a message


@pytest.mark.parametrize("shape", [(5,), (13,), (1, 12), (), (0,)])
def test_a_foreign_memory_is_one_line(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        drawn("lstm").act((0, 0, 0), np.zeros(shape))
    assert str(caught.value) == f"expected a memory (12,), as `act` gave it, got shape {shape}"


@pytest.mark.parametrize("memory", [["a"] * 6, {"h": 1}, "memory"], ids=str)
def test_a_memory_that_is_no_numbers_is_one_line(memory: Any) -> None:
    with pytest.raises(UsageError, match="memory") as caught:
        drawn("gru").act((0, 0, 0), memory)
    assert "\n" not in str(caught.value)


def test_a_feed_forward_policy_has_no_memory() -> None:
    policy = Policy(MLP(()), SEEN, Discrete(3), np.zeros(12))
    assert policy.memory_size == 0
    assert policy.act((0, 0, 0), None)[1] is None
    with pytest.raises(UsageError, match=r"expected a memory \(0,\)"):
        policy.act((0, 0, 0), np.zeros(3))


# --- predict ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_predict_takes_a_batch_and_its_states(cell: str) -> None:
    """As evaluation tools call it: each row's episode begins where they say so."""
    policy, rng = drawn(cell), np.random.default_rng(4)
    state, memories = None, [None] * 6
    for step in range(12):
        batch = rng.normal(size=(6, 3)).astype(np.float32)
        begun = np.full(6, True) if step == 0 else rng.random(6) < 0.3
        actions, state = policy.predict(batch, state, begun)
        assert state.shape == (6, policy.memory_size)
        for row in range(6):
            action, memories[row] = policy.act(batch[row], None if begun[row] else memories[row])
            assert actions[row] == action
            np.testing.assert_array_equal(state[row], memories[row])


def test_predict_of_one_observation_with_its_state() -> None:
    policy, shown = delayed(), [2, 3, 1]
    state, named = None, []
    for step, suit in enumerate(shown):
        action, state = policy.predict(suit, state, np.array([step == 0]))
        named.append(int(action))
    assert named == [0, 2, 3]
    assert int(policy.predict(1, state, np.array([True]))[0]) == 0
    assert int(policy.predict(1, state, True)[0]) == 0
    assert int(policy.predict(1, state, np.array([False]))[0]) == 1


def test_predict_of_a_batch_from_a_discrete_space() -> None:
    policy = delayed()
    _, state = policy.predict(np.array([2, 3, 1]))
    actions, _ = policy.predict(np.array([0, 0, 0]), state, np.array([False, True, False]))
    assert actions.tolist() == [2, 0, 1]


def test_predict_wants_a_state_for_each_row() -> None:
    policy = delayed()
    with pytest.raises(UsageError, match="expected a state for each of 3 observations, got 2"):
        policy.predict(np.array([2, 3, 1]), np.zeros((2, 8)))


def test_predict_wants_a_beginning_for_each_row() -> None:
    with pytest.raises(UsageError, match="expected an episode_start for each of 3 observations"):
        delayed().predict(np.array([2, 3, 1]), None, np.array([True, False]))


def test_predict_of_a_structured_observation() -> None:
    space = Tuple((Discrete(2), Discrete(3)))
    network = build_network(Recurrent("gru", (2,)), space, Discrete(2))
    policy = Policy(Recurrent("gru", (2,)), space, Discrete(2), np.ones(network.size))
    action, state = policy.predict((1, 2))
    assert state.shape == (2,)
    assert int(action) in (0, 1)


# --- normalisation ---------------------------------------------------------------------------------------------------


def test_normalised_observations_by_hand() -> None:
    through = Normalisation(np.array([1.0, -2.0, 0.0]), np.array([2.0, 0.5, 100.0]))
    got = through.apply(np.array([[1.5, 2.0, 0.05], [0.0, -4.0, -3.0], [1.0, -2.0, 3.0]], np.float32))
    assert got.tolist() == [[1.0, 2.0, 5.0], [-2.0, -1.0, -10.0], [0.0, 0.0, 10.0]]
    assert got.dtype == np.float32
    assert LARGEST == 10.0


def test_a_policy_sees_through_its_normalisation() -> None:
    """As one without it acts on what that makes of the observation."""
    rng = np.random.default_rng(2)
    through = Normalisation(rng.normal(size=3), np.exp(rng.normal(size=3)))
    for specification in (MLP((5,)), Recurrent("lstm", (4,))):
        network = build_network(specification, SEEN, Discrete(4))
        theta = 3 * rng.normal(size=network.size)
        bare, seeing = (Policy(specification, SEEN, Discrete(4), theta, one) for one in (None, through))
        memories, different = [None, None], 0
        for x in 3 * rng.normal(size=(30, 3)).astype(np.float32):
            action, memories[0] = seeing.act(x, memories[0])
            expected, memories[1] = bare.act(through.apply(x), memories[1])
            assert action == expected
            different += int(bare.act(x)[0] != action)
        assert different > 3


def test_a_normalisation_is_a_read_only_copy() -> None:
    shift = np.zeros(3)
    made = Normalisation(shift, np.ones(3))
    shift[:] = 7.0
    assert made.shift.tolist() == [0.0] * 3
    assert made.shift.dtype == made.scale.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        made.scale[0] = 2.0


@pytest.mark.parametrize(
    ("shift", "scale", "message"),
    [
        ([0.0, np.nan], [1.0, 1.0], "the shift of a normalisation has to be a vector of finite numbers"),
        ([0.0, 0.0], [1.0, np.inf], "the scale of a normalisation has to be a vector of finite numbers"),
        ([[0.0]], [[1.0]], "the shift of a normalisation has to be a vector of finite numbers"),
        ([0.0], [1.0, 1.0], "a normalisation has 1 shifts and 2 scales"),
    ],
)
def test_a_normalisation_is_two_vectors_of_finite_numbers(shift: Any, scale: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Normalisation(np.array(shift), np.array(scale))
    assert str(caught.value) == message


def test_a_normalisation_of_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a normalisation of 3 numbers, got one of 2"):
        Policy(MLP(()), SEEN, Discrete(3), np.zeros(12), Normalisation(np.zeros(2), np.ones(2)))

"""Outputs to actions: hand tables, softmax frequencies, and Gymnasium's own word on what belongs to a space."""

from __future__ import annotations

from math import tanh
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces as gym
from scipy.stats import chisquare

from cartwheel import spaces
from cartwheel.envs.adapter import describe_space
from cartwheel.errors import UsageError
from cartwheel.policies.actions import ActionHead, action_head


def head_of(space: Any) -> ActionHead:
    return action_head(describe_space(space, "action"))


def act(head: ActionHead, outputs: Any) -> Any:
    return head.to_action(head.decide(np.asarray(outputs, np.float32)))


SPACES = [
    gym.Discrete(4),
    gym.Discrete(3, start=3),
    gym.MultiDiscrete([2, 4, 3]),
    gym.MultiDiscrete(np.array([[2, 4], [3, 5]]), start=np.array([[0, -1], [10, 3]])),
    gym.MultiBinary(5),
    gym.MultiBinary([2, 3]),
    gym.Box(-1, 1, (2,)),
    gym.Box(-0.1, 0.7, (2, 3), np.float64),
    gym.Box(0.1, 0.3, ()),
    gym.Box(np.array([-5, 0]), np.array([3, 200]), dtype=np.int64),
    gym.Box(0, 255, (2, 2), np.uint8),
    gym.Box(-3, 4, (2,), np.float16),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0])
def test_every_action_belongs_to_its_space(space: Any, scale: float) -> None:
    head = head_of(space)
    outputs = scale * np.random.default_rng(0).normal(size=(200, head.outputs)).astype(np.float32)
    actions = [head.to_action(column) for column in head.decide(outputs)]
    for action in actions:
        assert space.contains(action), action
        assert action.dtype == space.dtype
    assert len({np.asarray(action).tobytes() for action in actions}) > 1


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_many_lanes_at_once_are_the_same_actions(space: Any) -> None:
    head = head_of(space)
    columns = head.decide(np.random.default_rng(0).normal(size=(9, head.outputs)).astype(np.float32)).T
    for got, column in zip(head.to_actions(columns), columns.T, strict=True):
        assert space.contains(got)
        np.testing.assert_array_equal(got, head.to_action(column))


@pytest.mark.parametrize(
    ("space", "outputs", "size"),
    [
        (gym.Discrete(4), 4, 1),
        (gym.MultiDiscrete([2, 4, 3]), 9, 3),
        (gym.MultiBinary([2, 3]), 12, 6),
        (gym.Box(-1, 1, (2, 3)), 6, 6),
        (gym.Box(-1, 1, ()), 1, 1),
    ],
    ids=str,
)
def test_counts_by_hand(space: Any, outputs: int, size: int) -> None:
    head = head_of(space)
    assert (head.outputs, head.size) == (outputs, size)


@pytest.mark.parametrize(
    ("space", "outputs", "action"),
    [
        (gym.Discrete(3), [0.1, 0.3, 0.2], 1),
        (gym.Discrete(3), [0.3, 0.1, 0.3], 0),  # the first at a tie
        (gym.Discrete(3, start=3), [0.0, 0.0, 0.5], 5),
        (gym.Discrete(2, start=-1), [1.0, 0.0], -1),
        (gym.Discrete(1), [-7.0], 0),
        (gym.MultiDiscrete([2, 3], start=[0, 10]), [1, 2, 5, 4, 6], [1, 12]),
        (gym.MultiDiscrete(np.full((2, 2), 2)), [0, 1, 1, 0, 1, 0, 0, 1], [[1, 0], [0, 1]]),
        (gym.MultiBinary([2, 2]), [0, 1, 0, 1, 1, 0, 0, 1], [[1, 1], [0, 1]]),
        (gym.MultiBinary(2), [0, 0, -1, 1], [0, 1]),
    ],
    ids=str,
)
def test_discrete_actions_by_hand(space: Any, outputs: list[float], action: Any) -> None:
    assert np.asarray(act(head_of(space), outputs)).tolist() == action


def test_box_actions_are_squashed_to_their_bounds() -> None:
    head = head_of(gym.Box(np.array([-2.0, 1.0]), np.array([2.0, 4.0]), dtype=np.float64))
    assert act(head, [0.0, 0.0]).tolist() == [0.0, 2.5]
    assert act(head, [1e9, -1e9]).tolist() == [2.0, 1.0]
    expected = [2 * tanh(0.5), 1 + 3 * (tanh(-0.3) + 1) / 2]
    np.testing.assert_allclose(act(head, [0.5, -0.3]), expected, rtol=3e-7)


def test_bounds_that_float32_rounds_are_not_overstepped() -> None:
    """float32(0.1) is above 0.1: the action is clipped in the space's own type."""
    head = head_of(gym.Box(-0.1, 0.1, (1,), np.float64))
    assert np.float64(np.float32(0.1)) > 0.1
    assert act(head, [50.0]).tolist() == [0.1]
    assert act(head, [-50.0]).tolist() == [-0.1]


def test_integer_boxes_are_rounded_not_cut_off() -> None:
    head = head_of(gym.Box(-5, 5, (1,), np.int64))
    for output in (-2.0, -0.3, -0.05, 0.05, 0.3, 2.0):
        assert act(head, [output]).tolist() == [round(5 * tanh(output))]


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_the_largest_integer_is_not_the_smallest(dtype: Any) -> None:
    limits = np.iinfo(dtype)
    head = head_of(gym.Box(limits.min, limits.max, (1,), dtype))
    assert act(head, [50.0])[0] > 0.99 * limits.max


def test_decide_takes_any_leading_axes() -> None:
    head = head_of(gym.MultiDiscrete([2, 3]))
    outputs = np.random.default_rng(0).normal(size=(3, 4, 5))
    actions = head.decide(outputs)
    assert actions.shape == (3, 4, 2)
    assert actions.dtype == np.float32
    np.testing.assert_array_equal(actions[2, 1], head.decide(outputs[2, 1]))


# --- sampling --------------------------------------------------------------------------------------------------------


def frequencies(head: ActionHead, outputs: Any, count: int = 20_000) -> Any:
    rng = np.random.default_rng(0)
    return head.sample(np.tile(np.asarray(outputs, np.float32), (count, 1)), rng).astype(np.int64)


def softmax(outputs: Any) -> Any:
    weights = np.exp(np.asarray(outputs) - np.max(outputs))
    return weights / weights.sum()


@pytest.mark.parametrize("outputs", [[0.0, 0.0, 0.0], [1.0, -1.0, 0.5], [100.0, 101.0, 99.0]])
def test_samples_come_as_the_softmax_says(outputs: list[float]) -> None:
    counts = np.bincount(frequencies(head_of(gym.Discrete(3)), outputs)[:, 0], minlength=3)
    assert chisquare(counts, 20_000 * softmax(outputs)).pvalue > 1e-3
    other = softmax(np.multiply(outputs, 0.8) + np.array([0.1, 0, 0]))
    assert chisquare(counts, 20_000 * other).pvalue < 1e-3  # the control


def test_groups_are_sampled_each_by_its_own_softmax_and_independently() -> None:
    outputs = [0.3, -0.4, 1.0, 0.0, -1.0]
    choices = frequencies(head_of(gym.MultiDiscrete([2, 3])), outputs)
    joint = np.outer(softmax(outputs[:2]), softmax(outputs[2:]))
    counts = np.bincount(choices[:, 0] * 3 + choices[:, 1], minlength=6)
    assert chisquare(counts, 20_000 * joint.ravel()).pvalue > 1e-3


def test_samples_follow_from_the_generator() -> None:
    head = head_of(gym.Discrete(5))
    first, again, other = (head.sample(np.zeros((50, 5)), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_continuous_action_has_no_distribution() -> None:
    with pytest.raises(UsageError, match="no distribution to sample from"):
        head_of(gym.Box(-1, 1, (2,))).sample(np.zeros((1, 2)), np.random.default_rng(0))


# --- spaces that can't be acted in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0.0, np.inf), (-np.inf, 0.0)])
def test_an_unbounded_box_is_an_error_that_says_what_to_do(low: float, high: float) -> None:
    with pytest.raises(UsageError, match=r"Box without finite bounds.*RescaleAction"):
        head_of(gym.Box(low, high, (1,)))


def test_one_unbounded_number_of_many_is_noticed() -> None:
    with pytest.raises(UsageError, match="without finite bounds"):
        head_of(gym.Box(np.array([0, -np.inf], np.float32), np.ones(2, np.float32)))


def test_an_unbounded_box_of_integers_is_unbounded_too() -> None:
    space = gym.Box(-np.inf, np.inf, (1,), np.int64)
    assert not space.is_bounded()
    with pytest.raises(UsageError, match="without finite bounds"):
        head_of(space)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Tuple((spaces.Discrete(2),)),
        spaces.Dict(("a",), (spaces.Discrete(2),)),
        spaces.MultiDiscrete((0,), (), ()),
        spaces.MultiBinary((0,)),
        spaces.Box((0,), (), ()),
        spaces.Box((1,), (0.0,), (1.0,), "bool"),
    ],
    ids=str,
)
def test_other_spaces_are_named_in_the_error(space: Any) -> None:
    with pytest.raises(UsageError) as caught:
        action_head(space)
    assert str(caught.value).startswith(f"can't act in the space {space}: expected Discrete")

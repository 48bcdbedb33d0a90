"""Flat observations against Gymnasium's own `flatten`, and spaces as data against hand-written tables."""

from __future__ import annotations

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces as gym

from cartwheel.envs.adapter import describe_space
from cartwheel.errors import UsageError
from cartwheel.spaces import (
    Box,
    Dict,
    Discrete,
    MultiBinary,
    MultiDiscrete,
    Space,
    Tuple,
    flat_size,
    flatten,
    from_data,
    to_data,
)

NESTED = gym.Dict(
    {
        "zoo": gym.Tuple((gym.Discrete(3, start=-1), gym.Box(-1, 1, (2, 2), np.float64))),
        "ark": gym.Dict({"b": gym.MultiBinary([2, 3]), "a": gym.MultiDiscrete([2, 5])}),
        "mid": gym.Box(-1000, 1000, (3,), np.int64),
    }
)
WITNESSED = [
    gym.Box(-1, 1, (4,)),
    gym.Box(-1, 1, (2, 3), np.float64),
    gym.Box(-np.inf, np.inf, (), np.float32),
    gym.Box(0, 255, (4, 3, 2), np.uint8),
    gym.Box(-1000, 1000, (5,), np.int64),
    gym.Discrete(5),
    gym.Discrete(4, start=-2),
    gym.MultiDiscrete([2, 4, 3]),
    gym.MultiDiscrete(np.array([[2, 4], [3, 5]]), start=np.array([[0, -1], [10, 3]])),
    gym.MultiBinary(5),
    gym.MultiBinary([2, 3]),
    gym.Tuple((gym.Discrete(3), gym.Box(-1, 1, (2,)), gym.MultiBinary(2))),
    gym.Dict({"b": gym.Discrete(2), "a": gym.Box(-1, 1, (3,))}),
    NESTED,
]


@pytest.mark.parametrize("space", WITNESSED, ids=str)
def test_flattens_as_gymnasium_does(space: Any) -> None:
    described = describe_space(space, "observation")
    assert flat_size(described) == gym.flatdim(space)
    space.seed(7)
    for _ in range(20):
        value = space.sample()
        flat = flatten(described, value)
        assert flat.dtype == np.float32
        np.testing.assert_array_equal(flat, np.asarray(gym.flatten(space, value), np.float32))


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Blackjack-v1"])
def test_flattens_what_gymnasiums_own_environments_give(name: str) -> None:
    env = gymnasium.make(name)
    observation, _ = env.reset(seed=1)
    described = describe_space(env.observation_space, "observation")
    expected = np.asarray(gym.flatten(env.observation_space, observation), np.float32)
    np.testing.assert_array_equal(flatten(described, observation), expected)
    env.close()


TABLE: list[tuple[Space, Any, list[float]]] = [
    (Box((2, 2), (0,) * 4, (9,) * 4), [[1, 2], [3, 4]], [1, 2, 3, 4]),
    (Box((), (0,), (9,)), 2.5, [2.5]),
    (Box((1,), (0,), (1,), "bool"), [True], [1]),
    (Discrete(3, start=3), 3, [1, 0, 0]),
    (Discrete(3, start=3), np.int64(5), [0, 0, 1]),
    (Discrete(2), np.array(1), [0, 1]),
    (MultiDiscrete((2,), (2, 3), (0, -1)), np.array([1, -1]), [0, 1, 1, 0, 0]),
    (MultiBinary((2, 2)), np.array([[1, 0], [0, 1]], np.int8), [1, 0, 0, 1]),
    (Tuple((Discrete(2), Box((1,), (0,), (9,)))), (1, [7]), [0, 1, 7]),
    (Tuple((Discrete(2), Discrete(2))), [0, 1], [1, 0, 0, 1]),
    (Dict(("b", "a"), (Discrete(2), Box((), (0,), (9,)))), {"a": 5, "b": 0}, [1, 0, 5]),
]


@pytest.mark.parametrize(("space", "value", "expected"), TABLE, ids=lambda part: str(part)[:40])
def test_flattens_by_the_table(space: Space, value: Any, expected: list[float]) -> None:
    assert flatten(space, value).tolist() == expected
    assert flat_size(space) == len(expected)


def test_a_flat_observation_is_a_copy() -> None:
    value = np.ones(2, np.float32)
    flatten(Box((2,), (0, 0), (1, 1)), value)[:] = 5
    assert value.tolist() == [1, 1]


PAIR = Tuple((Discrete(2), Discrete(2)))
ALPHABET = Dict(("a", "b"), (Discrete(2), Discrete(2)))
BOX = Box((2,), (-1, -1), (1, 1))


@pytest.mark.parametrize(
    ("space", "value", "problem"),
    [
        (BOX, np.zeros(3), "expected shape (2,), got (3,)"),
        (BOX, np.zeros((2, 1)), "expected shape (2,), got (2, 1)"),
        (BOX, None, "expected shape (2,), got ()"),
        (BOX, ["a", "b"], "expected numbers, got ['a', 'b']"),
        (BOX, [1j, 2j], "expected numbers, got [1j, 2j]"),
        (BOX, [None, 1.0], "expected numbers, got [None, 1.0]"),
        (Discrete(3), 3, "expected one of 3 whole numbers from 0, got 3"),
        (Discrete(3), -1, "expected one of 3 whole numbers from 0, got -1"),
        (Discrete(3, start=3), 2, "expected one of 3 whole numbers from 3, got 2"),
        (Discrete(3), [1], "expected shape (), got (1,)"),
        (Discrete(3), "1", "expected numbers, got '1'"),
        (MultiDiscrete((2,), (2, 3), (0, 0)), [1, 3], "expected one of 3 whole numbers from 0, got 3"),
        (MultiBinary((2,)), [1], "expected shape (2,), got (1,)"),
        (PAIR, (1,), "expected a tuple of 2 parts, got (1,)"),
        (PAIR, 5, "expected a tuple of 2 parts, got 5"),
        (ALPHABET, {"a": 1}, "expected a dict with the keys a, b, got {'a': 1}"),
        (ALPHABET, (0, 1), "expected a dict with the keys a, b, got (0, 1)"),
    ],
)
def test_a_foreign_value_says_what_was_expected_and_what_came(space: Space, value: Any, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        flatten(space, value)
    assert str(caught.value) == problem


@pytest.mark.parametrize("space", [Discrete(3), MultiDiscrete((), (3,), (0,))], ids=["discrete", "multi-discrete"])
def test_a_fraction_is_no_choice(space: Space) -> None:
    with pytest.raises(ValueError, match=r"0\.7"):
        flatten(space, 0.7)


def test_infinity_is_no_choice() -> None:
    with pytest.raises(ValueError, match="inf"):
        flatten(Discrete(3), np.inf)


def test_a_seven_is_no_bit() -> None:
    with pytest.raises(ValueError, match="7"):
        flatten(MultiBinary((2,)), [0, 7])


def test_a_number_too_large_for_float32_becomes_infinite_without_a_warning() -> None:
    assert flatten(Box((1,), (-np.inf,), (np.inf,), "float64"), [1e300]).tolist() == [np.inf]


@pytest.mark.parametrize("space", [space for space, _, _ in TABLE], ids=lambda part: str(part)[:40])
def test_spaces_go_to_json_and_back(space: Space) -> None:
    assert from_data(json.loads(json.dumps(to_data(space)))) == space


def test_infinite_bounds_go_to_strict_json_and_back() -> None:
    space = Box((3,), (-np.inf, 0.1, -1.0), (np.inf, np.inf, 1e-300), "float64")
    assert from_data(json.loads(json.dumps(to_data(space), allow_nan=False))) == space


def box(**changes: Any) -> dict[str, Any]:
    return {"kind": "box", "shape": [1], "low": [0.0], "high": [1.0], "dtype": "float32", **changes}


def nest(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = box()
    for _ in range(depth):
        data = {"kind": "tuple", "spaces": [data]}
    return data


@pytest.mark.parametrize(
    "data",
    [
        *(None, 5, "box", [], {}, {"kind": "sphere"}, {"kind": []}, {"kind": "box"}),
        *(box(shape=[2]), box(shape=[-1]), box(shape=1), box(shape=[True]), box(shape=[1.0])),
        *(box(low=[None]), box(low=["nan"]), box(low=[float("nan")]), box(high=[True]), box(low=3), box(high=[])),
        *(box(dtype="object"), box(dtype=5), box(dtype=[])),
        *({"kind": "discrete", "n": n, "start": 0} for n in (0, -1, 1.5, True, 2**31, "2")),
        {"kind": "discrete", "n": 2},
        {"kind": "discrete", "n": 2, "start": 0.5},
        {"kind": "multi-discrete", "shape": [2], "nvec": [2], "start": [0]},
        {"kind": "multi-discrete", "shape": [1], "nvec": [0], "start": [0]},
        {"kind": "multi-discrete", "shape": [1], "nvec": [2], "start": [0, 0]},
        {"kind": "multi-binary", "shape": [-2]},
        {"kind": "tuple", "spaces": 3},
        {"kind": "tuple", "spaces": [None]},
        {"kind": "dict", "keys": ["a"], "spaces": []},
        {"kind": "dict", "keys": ["a", "a"], "spaces": [box(), box()]},
        {"kind": "dict", "keys": [1], "spaces": [box()]},
        {"kind": "dict", "keys": [[]], "spaces": [box()]},
        *(nest(17), nest(500)),
    ],
)
def test_damaged_data_are_no_space(data: Any) -> None:
    with pytest.raises(UsageError, match="not the description of a space"):
        from_data(data)


def test_spaces_may_be_nested_sixteen_deep() -> None:
    assert flat_size(from_data(nest(16))) == 1

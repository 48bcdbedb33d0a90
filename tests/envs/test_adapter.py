from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces as gym

from cartwheel.envs.adapter import describe_space
from cartwheel.errors import UsageError
from cartwheel.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple

INF = float("inf")


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (gym.Box(-1, 2, (2,)), Box((2,), (-1.0, -1.0), (2.0, 2.0), "float32")),
        (gym.Box(-0.1, 0.7, (), np.float64), Box((), (-0.1,), (0.7,), "float64")),
        (gym.Box(0, 255, (1, 2), np.uint8), Box((1, 2), (0.0, 0.0), (255.0, 255.0), "uint8")),
        (gym.Box(np.array([[1, 2], [3, 4]]), 9, dtype=np.int64), Box((2, 2), (1, 2, 3, 4), (9,) * 4, "int64")),
        (gym.Box(-np.inf, 1, (1,)), Box((1,), (-INF,), (1.0,))),
        (gym.Discrete(5), Discrete(5)),
        (gym.Discrete(3, start=-2), Discrete(3, -2)),
        (gym.MultiDiscrete([2, 3]), MultiDiscrete((2,), (2, 3), (0, 0))),
        (
            gym.MultiDiscrete(np.array([[2, 3], [4, 5]]), start=np.array([[0, 1], [-2, 3]])),
            MultiDiscrete((2, 2), (2, 3, 4, 5), (0, 1, -2, 3)),
        ),
        (gym.MultiBinary(3), MultiBinary((3,))),
        (gym.MultiBinary([2, 3]), MultiBinary((2, 3))),
        (gym.Tuple((gym.Discrete(2), gym.MultiBinary(1))), Tuple((Discrete(2), MultiBinary((1,))))),
        (gym.Dict({"b": gym.Discrete(2), "a": gym.Discrete(3)}), Dict(("a", "b"), (Discrete(3), Discrete(2)))),
        (gym.Dict({"x": gym.Tuple((gym.Discrete(2),))}), Dict(("x",), (Tuple((Discrete(2),)),))),
    ],
    ids=str,
)
def test_describes_by_the_table(space: Any, expected: Space) -> None:
    got = describe_space(space, "observation")
    assert got == expected
    assert hash(got) == hash(expected)  # plain numbers all the way down


UNKNOWN = [
    gym.Text(5),
    gym.Sequence(gym.Discrete(2)),
    gym.Graph(gym.Box(0, 1, (2,)), gym.Discrete(2)),
    gym.OneOf([gym.Discrete(2), gym.Discrete(3)]),
]


@pytest.mark.parametrize("space", UNKNOWN, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("role", ["observation", "action"])
def test_another_space_is_named_with_its_role(space: Any, role: str) -> None:
    for around in (space, gym.Tuple((gym.Discrete(2), space)), gym.Dict({"deep": gym.Tuple((space,))})):
        with pytest.raises(UsageError) as caught:
            describe_space(around, role)
        assert str(caught.value).startswith(f"can't handle the {role} space {space}: expected Box, Discrete")
        assert "\n" not in str(caught.value)


def test_what_is_no_space_is_named_too() -> None:
    with pytest.raises(UsageError, match="can't handle the observation space None"):
        describe_space(None, "observation")


def test_keys_that_are_no_texts_can_be_flattened_or_are_an_error() -> None:
    from cartwheel.spaces import flatten

    space = gym.Dict({1: gym.Discrete(2)})  # type: ignore[dict-item]
    try:
        described = describe_space(space, "observation")
    except UsageError:
        return
    assert flatten(described, space.sample()).sum() == 1

"""Frame stacking: what the network sees is the last observations of the episode, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.nn.flat import dense_forward
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import (
    MLP,
    Dueling,
    Graph,
    Recurrent,
    Stacked,
    Stochastic,
    Table,
    from_data,
    stacked,
    to_data,
)
from cartwheel.spaces import Box, Discrete
from cartwheel.storage.policy_file import load, save

SEEN, CHOICE, SWIM = Box((3,), (-9.0,) * 3, (9.0,) * 3), Discrete(4), Box((2,), (-1.0,) * 2, (1.0,) * 2)
KINDS = [Stacked(4, MLP((6,), "tanh")), Stacked(2, Dueling((5,))), Stacked(3, Stochastic((7, 4)))]


def drawn(kind: Any, action: Any = CHOICE, normalisation: Any = None) -> Policy:
    theta = np.random.default_rng(0).normal(size=build_network(kind, SEEN, action).size)
    return Policy(kind, SEEN, action, theta, normalisation)


def shown(count: int) -> Any:
    return np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32)


@pytest.mark.parametrize("frames", [2, 3, 7])
def test_outputs_are_those_of_the_last_observations_side_by_side(frames: int) -> None:
    """Zeros stand for what was before the episode; the oldest observation comes first."""
    network = Stacked(frames, MLP((6,), "tanh")).build(3, 2)
    inner = MLP((6,), "tanh").build(3 * frames, 2)
    assert (network.size, network.memory_size) == (inner.size, 3 * (frames - 1))
    theta = np.random.default_rng(2).normal(size=network.size).astype(np.float32)
    episode, memory = shown(10), np.zeros((1, network.memory_size), np.float32)
    before = np.concatenate([np.zeros((frames - 1, 3), np.float32), episode])
    for t, x in enumerate(episode):
        y, memory = network.advance(theta, x[None], memory)
        expected = before[t : t + frames].reshape(1, -1)
        np.testing.assert_array_equal(y, dense_forward(theta, expected, inner.layout, "tanh"))
        np.testing.assert_array_equal(memory, expected[:, 3:])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_only_the_last_observations_count(kind: Any) -> None:
    policy, first, second = drawn(kind), shown(20), shown(20)
    second[: 20 - kind.frames] += 1.0
    memories: list[Any] = [None, None]
    for pair in zip(first, second, strict=True):
        actions = []
        for k, x in enumerate(pair):
            action, memories[k] = policy.act(x, memories[k])
            actions.append(action)
    assert actions[0] == actions[1]


def test_what_is_remembered_is_normalised() -> None:
    through = Normalisation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 1.0]))
    x = shown(1)[0]
    _, memory = drawn(Stacked(2, MLP((4,))), normalisation=through).act(x)
    np.testing.assert_allclose(memory, through.apply(x), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_file_keeps_it(kind: Any, tmp_path: Any) -> None:
    assert from_data(to_data(kind)) == kind
    policy = drawn(kind)
    again = load(save(policy, tmp_path / "p"))
    assert again.specification == kind
    memories: list[Any] = [None, None]
    for x in shown(9):
        (action, memories[0]), (other, memories[1]) = policy.act(x, memories[0]), again.act(x, memories[1])
        assert action == other
    np.testing.assert_array_equal(*memories)


def test_a_network_in_words() -> None:
    assert repr(drawn(Stacked(4, MLP((6,))))) == "Policy(4x3-6-4, relu, 106 parameters)"
    assert repr(drawn(Stacked(2, Stochastic((5,))), SWIM)) == "Policy(2x3-5-2, tanh, 49 parameters)"


def test_a_stochastic_network_draws_about_its_means() -> None:
    policy, rng = drawn(Stacked(2, Stochastic((5,))), SWIM), np.random.default_rng(0)
    drawn_ones = np.array([policy.act(shown(1)[0], None, rng)[0] for _ in range(50)])
    assert (drawn_ones.std(axis=0) > 0.0).all()


@pytest.mark.parametrize("frames", [1, 0, -3, 2.0, True, None, "4", 1001])
def test_bad_numbers_of_frames(frames: Any) -> None:
    with pytest.raises(UsageError, match=r"^frames: expected a whole number from 2 to 1,000, got"):
        Stacked(frames, MLP((3,)))


@pytest.mark.parametrize(
    "inner", [Recurrent("gru", (4,)), Stochastic((4,), cell="lstm"), Graph(), Table(), Stacked(2, MLP((3,))), None]
)
def test_what_sees_one_observation_at_a_time(inner: Any) -> None:
    with pytest.raises(UsageError, match=r"^frames: "):
        Stacked(2, inner)


def test_an_option_that_does_not_go_with_a_memory() -> None:
    assert stacked(1, Recurrent("gru", (4,))) == Recurrent("gru", (4,))
    assert stacked(3, MLP((4,))) == Stacked(3, MLP((4,)))
    for inner in (Recurrent("gru", (4,)), Stochastic((4,), cell="gru")):
        with pytest.raises(UsageError, match=r"^--frames: expected 1 with --memory, .* got 5$"):
            stacked(5, inner)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "stacked", "frames": 2},
        {"kind": "stacked", "frames": 2, "inner": None},
        {"kind": "stacked", "frames": 2, "inner": to_data(KINDS[0])},
        {"kind": "stacked", "frames": 2, "inner": to_data(Recurrent("gru", (4,)))},
        {"kind": "stacked", "frames": [2], "inner": to_data(MLP((4,)))},
        {"kind": "stacked", "frames": 2, "inner": {"kind": "mlp", "hidden": 3, "activation": "relu"}},
    ],
    ids=["none", "null", "twice", "recurrent", "list", "hidden"],
)
def test_a_strangers_file(data: Any) -> None:
    with pytest.raises(UsageError):
        from_data(data)


def test_a_deep_file_ends_early() -> None:
    data = to_data(MLP((2,)))
    for _ in range(5000):
        data = {"kind": "stacked", "frames": 2, "inner": data}
    with pytest.raises(UsageError, match="not the specification of a policy"):
        from_data(data)

"""Dueling networks: equation 9, whoever works them out, their files, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.envs.environment import find_environment
from cartwheel.errors import StorageError, UsageError
from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.records import Request
from cartwheel.experience.rollouts import make_rollout
from cartwheel.kernels.acting import act
from cartwheel.nn.capture import capture
from cartwheel.policies.actions import action_head
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP, Dueling, from_data, to_data
from cartwheel.spaces import Box, Discrete
from cartwheel.storage.arrays import pack
from cartwheel.storage.policy_file import load as load_policy
from cartwheel.storage.policy_file import save

SEEN = Box((2,), (-9.0,) * 2, (9.0,) * 2)


def drawn(hidden: tuple[int, ...], inputs: int, outputs: int, seed: int = 0) -> tuple[Any, Any]:
    network = Dueling(hidden, "tanh").build(inputs, outputs)
    return network, np.random.default_rng(seed).normal(size=network.size).astype(np.float32)


def nothing(count: int) -> Any:
    return np.zeros((count, 0), np.float32)


def test_equation_9_by_hand() -> None:
    """Without hidden layers: V = 2 x1 + 1, A = (x1, 3 x2, -x1 + 4), the advantages' mean is x2 + 4 / 3."""
    network = Dueling(()).build(2, 3)
    theta = network.layout.pack({"W1": np.array([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 3.0, 0.0]]), "b1": np.eye(4)[0]})
    theta[-1] = 4.0
    x = np.array([[1.0, 2.0], [-3.0, 0.5]], np.float32)
    expected = np.array(
        [
            [3.0 + 1.0 - 10.0 / 3.0, 3.0 + 6.0 - 10.0 / 3.0, 3.0 + 3.0 - 10.0 / 3.0],
            [-5.0 - 3.0 - 5.5 / 3.0, -5.0 + 1.5 - 5.5 / 3.0, -5.0 + 7.0 - 5.5 / 3.0],
        ]
    )
    q, memory = network.advance(theta.astype(np.float32), x, nothing(2))
    np.testing.assert_allclose(q, expected, rtol=1e-6)
    np.testing.assert_allclose(q.mean(axis=1), [3.0, -5.0], rtol=1e-6)  # V is the mean: eq. 9 is identifiable
    assert memory.shape == (2, 0)


def test_sizes_by_hand() -> None:
    network = Dueling((16, 8)).build(4, 2)
    assert network.size == 4 * 16 + 16 + 16 * 8 + 8 + 8 * 3 + 3
    assert network.layout.shapes == network.model.layout.shapes
    assert (network.described, network.memory_size, network.outputs) == ("4-16-8-1+2", 0, 2)


@pytest.mark.parametrize("outputs", [1, 3, 18])
@pytest.mark.parametrize("hidden", [(), (7,), (16, 5)])
def test_all_that_work_it_out_agree(hidden: tuple[int, ...], outputs: int) -> None:
    """The plain one, the eager model, its step, eager and recorded, and those with other activations."""
    network, theta = drawn(hidden, 5, outputs)
    x = np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32)
    plain = network.advance(theta, x, nothing(9))[0]
    assert (plain.shape, plain.dtype) == ((9, outputs), np.float32)
    with network.model.bound_to(theta):
        found = [network.model(x).data]
    found += [network.step(theta, x).data, capture(network.step)(theta, x).data]
    for one in found:
        np.testing.assert_allclose(one, plain, rtol=1e-5, atol=1e-5)
    alone = [network.advance(theta, row[None], nothing(1))[0][0] for row in x]
    np.testing.assert_array_equal(alone, plain)  # whatever stands beside it


def test_gradients_are_those_of_equation_9() -> None:
    """Of Q(s, 1): 1 for V; for advantages 1 - 1/3 where it is taken, -1/3 elsewhere; each times the input."""
    network, theta = drawn((), 2, 3)
    model = network.model
    model.theta = theta
    model.cleargrads()
    model(np.array([[2.0, -3.0]], np.float32))[0, 1].backward()
    gradient = network.layout.unpack(model.grad)
    share = np.array([1.0, -1 / 3, 2 / 3, -1 / 3])
    np.testing.assert_allclose(gradient["b1"], share, atol=1e-6)
    np.testing.assert_allclose(gradient["W1"], np.outer([2.0, -3.0], share), atol=1e-6)


@pytest.mark.parametrize("count", [1, 13])
def test_lanes_act_as_it_does(count: int) -> None:
    """Each with weights of its own."""
    network, head = Dueling((7,), "tanh").build(5, 4), action_head(Discrete(4))
    actor, rng = Actor(network, head), np.random.default_rng(2)
    assert actor.engine == "program"
    theta, x = rng.normal(size=(count, network.size)).astype(np.float32), rng.normal(size=(count, 5))
    room = actor.lanes(count)
    for lane in range(count):
        load(room, lane, theta[lane])
    room.layers[0, :5, :count] = x.T
    act(count, *room)
    rows = [network.advance(theta[lane], x[lane, None].astype(np.float32), nothing(1))[0][0] for lane in range(count)]
    assert room.action[0, :count].tolist() == [float(row.argmax()) for row in rows]


def test_greedy_actions_are_those_of_the_advantages() -> None:
    """V and the mean are the same for all actions: a perceptron of the advantages alone acts alike, in both."""
    network, theta = drawn((6,), 4, 2)
    arrays = dict(network.layout.unpack(theta))
    arrays |= {"W2": arrays["W2"][:, 1:], "b2": arrays["b2"][1:]}
    alone = MLP((6,), "tanh").build(4, 2).layout.pack(arrays)
    found, returns = find_environment("CartPole-v1", max_episode_steps=60), []
    for native in (True, False):
        for specification, vector in ((Dueling((6,), "tanh"), theta), (MLP((6,), "tanh"), alone)):
            rollout, _ = make_rollout(found, specification, native)
            assert rollout.path == ("native" if native else "general")
            returns.append(rollout(Request(parameters=vector[None], episodes=5), np.arange(5)).returns.tolist())
            rollout.close()
    assert returns[0] == returns[1] == returns[2] == returns[3]
    assert len(set(returns[0][0])) > 1


def test_it_goes_through_a_file(tmp_path: Path) -> None:
    network, theta = drawn((6, 4), 2, 3)
    policy = Policy(Dueling((6, 4), "tanh"), SEEN, Discrete(3), theta)
    again = load_policy(save(policy, tmp_path / "policy.safetensors"))
    assert again.specification == policy.specification
    assert again.theta.tobytes() == theta.tobytes()
    actions = []
    for x in np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32):
        actions.append(int(again.act(x)[0]))
        assert actions[-1] == network.advance(theta, x[None], nothing(1))[0][0].argmax()
    assert len(set(actions)) > 1
    assert repr(again) == f"Policy(2-6-4-1+3, tanh, {network.size} parameters)"


def test_a_specification_is_plain_data() -> None:
    data = {"kind": "dueling", "hidden": [6, 4], "activation": "tanh"}
    assert to_data(Dueling((6, 4), "tanh")) == data
    assert from_data(data) == Dueling((6, 4), "tanh") == Dueling([6, 4], "tanh")  # type: ignore[arg-type]
    assert Dueling().hidden == (64, 64)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hidden": [0]}, "hidden: expected unit counts from 1 to 1,048,576, got 0"),
        ({"hidden": [4, 2.5]}, "hidden: expected unit counts from 1 to 1,048,576, got 2.5"),
        ({"hidden": [1 << 21]}, "hidden: expected unit counts from 1 to 1,048,576, got 2097152"),
        ({"hidden": 4}, "wants hidden"),
        ({"activation": "relo"}, "unknown activation 'relo'; did you mean 'relu'"),
        ({"activation": 3}, "wants activation"),
        ({"cell": "gru"}, "not the specification"),
    ],
)
def test_bad_data_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_data({"kind": "dueling", "hidden": [6, 4], "activation": "tanh", **changed})


@pytest.mark.parametrize("hidden", [5, (0,), (-1,), (True,), ("4",)])
def test_bad_sizes_are_refused(hidden: Any) -> None:
    with pytest.raises(UsageError, match="hidden: expected"):
        Dueling(hidden)


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network, theta = drawn((6,), 2, 3)
    with pytest.raises(UsageError, match=rf"expected a vector of {network.size} parameters for a network 2-6-1\+3"):
        Policy(Dueling((6,)), SEEN, Discrete(3), theta[1:])
    with pytest.raises(UsageError, match="finite"):
        Policy(Dueling((6,)), SEEN, Discrete(3), np.full_like(theta, np.nan))
    file = save(Policy(Dueling((6,)), SEEN, Discrete(3), theta), tmp_path / "policy.safetensors")
    metadata = {
        "kind": "policy",
        "specification": {"kind": "dueling", "hidden": [1 << 20, 1 << 20], "activation": "relu"},
        "observation_space": {"kind": "discrete", "n": 4, "start": 0},
        "action_space": {"kind": "discrete", "n": 3, "start": 0},
        "about": {},
    }
    file.write_bytes(pack({"theta": theta}, metadata))
    with pytest.raises(StorageError, match="expected a vector of"):  # and no memory is asked for
        load_policy(file)


def test_it_learns_as_a_model_does() -> None:
    """Its own theta is the model's, which an optimizer moves."""
    network, theta = drawn((5,), 2, 3)
    network.model.theta = theta
    optimizer = nn.optimizers.SGD(0.1).setup(network.model)
    x = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)
    before = network.model(x).data.copy()
    for _ in range(200):
        loss = nn.functions.mean(network.model(x) ** 2)
        network.model.cleargrads()
        loss.backward()
        optimizer.update()
    after = network.advance(network.model.theta, x, nothing(8))[0]
    assert (after**2).mean() < 0.01 * (before**2).mean()

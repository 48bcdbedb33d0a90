from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from cartwheel.errors import UsageError
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP
from cartwheel.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space

SEEN = Box((3,), (-1.0,) * 3, (1.0,) * 3)
CHOICE = Discrete(3, start=5)


def policy(theta: Any, observation: Space = SEEN, action: Space = CHOICE, hidden: tuple[int, ...] = ()) -> Policy:
    return Policy(MLP(hidden), observation, action, theta)


def linear(weights: list[list[float]], bias: list[float], **spaces: Any) -> Policy:
    """A policy whose outputs are weights (o, d) @ observation + bias."""
    return policy([*np.transpose(weights).ravel(), *bias], **spaces)


ECHO = linear(np.eye(3).tolist(), [0, 0, 0])  # the index of the largest observation


@pytest.mark.parametrize(("obs", "action"), [((1, 0, 0), 5), ((0, 1, 0), 6), ([0, 0.5, 0.6], 7), ((0, 0, 0), 5)])
def test_acts_by_hand(obs: Any, action: int) -> None:
    for given in (obs, np.array(obs, np.float64), np.array(obs, np.float32)):
        got, memory = ECHO.act(given)
        assert (got, memory) == (action, None)
        assert type(got) is np.int64


def test_acts_on_a_box_by_hand() -> None:
    swim = linear([[1, 2, 3], [0, 0, 0]], [0, 0.5], action=Box((2,), (-2.0, 0.0), (2.0, 10.0)))
    action, _ = swim.act((0.1, 0.2, -0.1))
    np.testing.assert_allclose(action, [2 * np.tanh(0.2), 5 * (1 + np.tanh(0.5))], rtol=1e-6)
    assert action.dtype == np.float32


def test_acts_through_a_hidden_layer_as_its_network_says() -> None:
    network = build_network(MLP((7,)), SEEN, CHOICE)
    assert network.sizes == (3, 7, 3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        theta, obs = rng.normal(size=network.size).astype(np.float32), rng.normal(size=3).astype(np.float32)
        outputs = network.forward(theta, obs[None])[0]
        assert policy(theta, hidden=(7,)).act(obs)[0] == 5 + int(np.argmax(outputs))


def test_structured_observations_are_flattened() -> None:
    seen = Dict(("bits", "place"), (MultiBinary((2,)), Discrete(2)))
    chooser = linear(np.eye(4).tolist(), [0, 0, 0, 0.5], observation=seen, action=Discrete(4))
    assert chooser.act({"bits": [0, 1], "place": 0})[0] == 1  # outputs 0, 1, 1, 0.5
    assert chooser.act({"bits": [0, 0], "place": 1})[0] == 3


# --- theta -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_theta_is_a_read_only_copy(dtype: Any) -> None:
    given = np.ones(12, dtype)
    made = policy(given)
    given[:] = 7.0
    assert made.theta.tolist() == [1.0] * 12
    assert made.theta.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        made.theta[0] = 3.0


@pytest.mark.parametrize("shape", [(11,), (13,), (1, 12), ()])
def test_a_vector_of_another_length_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        policy(np.zeros(shape))
    assert str(caught.value) == f"expected a vector of 12 parameters for a network 3-3, got shape {shape}"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_refused(value: float) -> None:
    theta = np.zeros(12)
    theta[7] = value
    with pytest.raises(UsageError, match="have to be finite"):
        policy(theta)


# --- observations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obs", "problem"),
    [
        (np.zeros(4), "not an observation of this policy's space: expected shape (3,), got (4,)"),
        (np.zeros((1, 3)), "not an observation of this policy's space: expected shape (3,), got (1, 3)"),
        (None, "not an observation of this policy's space: expected shape (3,), got ()"),
        ({"a": 1}, "not an observation of this policy's space: expected shape (3,), got ()"),
        (["x", "y", "z"], "not an observation of this policy's space: expected numbers, got ['x', 'y', 'z']"),
        ([0, np.nan, 0], "the observation is not finite"),
        ([0, -np.inf, 0], "the observation is not finite"),
    ],
)
def test_a_wrong_observation_is_a_usage_error(obs: Any, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        ECHO.act(obs)
    assert str(caught.value) == problem


@pytest.mark.parametrize("state", [4, -1, np.nan])
def test_a_wrong_state_of_a_discrete_world_is_a_usage_error(state: Any) -> None:
    walker = linear(np.eye(4)[:2].tolist(), [0, 0], observation=Discrete(4), action=Discrete(2))
    assert walker.act(1)[0] == 1
    with pytest.raises(UsageError, match="not an observation of this policy's space"):
        walker.act(state)


# --- sampling --------------------------------------------------------------------------------------------------------


def test_samples_come_as_the_softmax_says() -> None:
    outputs = np.array([0.2, -0.5, 1.0])
    chooser = linear(np.zeros((3, 3)).tolist(), outputs.tolist())
    rng = np.random.default_rng(0)
    counts = np.bincount([chooser.act((0, 0, 0), rng=rng)[0] - 5 for _ in range(4000)], minlength=3)
    expected = np.exp(outputs) / np.exp(outputs).sum()
    assert chisquare(counts, 4000 * expected).pvalue > 1e-3
    assert chisquare(counts, [4000 / 3] * 3).pvalue < 1e-6  # the control: another distribution is noticed


def test_samples_follow_from_the_generator() -> None:
    chooser = linear(np.zeros((3, 3)).tolist(), [0, 0, 0])
    runs = []
    for seed in (1, 1, 2):
        rng = np.random.default_rng(seed)
        runs.append([chooser.act((0, 0, 0), rng=rng)[0] for _ in range(30)])
    assert runs[0] == runs[1] != runs[2]


def test_a_continuous_policy_cannot_be_sampled() -> None:
    swim = linear([[1, 0, 0]], [0], action=Box((1,), (-1.0,), (1.0,)))
    with pytest.raises(UsageError, match="continuous; act greedily"):
        swim.act((0, 0, 0), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="continuous; act greedily"):
        swim.predict((0, 0, 0), deterministic=False)


# --- the rest --------------------------------------------------------------------------------------------------------


def test_predict_is_act_under_the_signature_of_evaluation_tools() -> None:
    assert ECHO.predict((0, 1, 0)) == (6, None)
    assert ECHO.predict((0, 1, 0), None, np.array([True]), True) == (6, None)
    undecided = linear(np.zeros((3, 3)).tolist(), [0, 0, 0])
    assert {undecided.predict((0, 0, 0), deterministic=False)[0] for _ in range(200)} == {5, 6, 7}
    assert {undecided.predict((0, 0, 0))[0] for _ in range(20)} == {5}


def test_a_policy_tells_its_size() -> None:
    assert repr(policy(np.zeros(7 * 4 + 8 * 3), hidden=(7,))) == "Policy(3-7-3, relu, 52 parameters)"


def test_spaces_that_no_rule_covers_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="without finite bounds"):
        policy(np.zeros(4), action=Box((1,), (-np.inf,), (np.inf,)))
    with pytest.raises(UsageError, match="can't act in the space Dict"):
        policy(np.zeros(4), action=Dict(("a",), (Discrete(2),)))


def test_multi_discrete_actions_have_their_shape() -> None:
    chooser = linear(np.zeros((5, 3)).tolist(), [0, 1, 0, 0, 1], action=MultiDiscrete((1, 2), (2, 3), (0, 1)))
    assert chooser.act((0, 0, 0))[0].tolist() == [[1, 3]]


def test_a_policy_is_immutable() -> None:
    made = policy(np.zeros(12))
    with pytest.raises(AttributeError):
        made.specification = MLP((5,))


def test_predict_takes_a_batch_as_evaluation_tools_give_it() -> None:
    rng = np.random.default_rng(0)
    network = MLP((5,)).build(4, 2)
    policy = Policy(MLP((5,)), Box((4,), (-9.0,) * 4, (9.0,) * 4), Discrete(2), rng.normal(size=network.size))
    batch = rng.normal(size=(6, 4)).astype(np.float32)
    actions, state = policy.predict(batch, None, np.ones(6, bool), deterministic=True)
    assert state is None
    assert actions.tolist() == [int(policy.act(one)[0]) for one in batch]
    single, _ = policy.predict(batch[0])
    assert np.ndim(single) == 0

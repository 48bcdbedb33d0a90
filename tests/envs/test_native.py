"""Native environments equal Gymnasium's to the bit: each that is registered, by registration."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel import spaces
from cartwheel.envs.environment import find_environment, is_plain
from cartwheel.envs.native import registry
from cartwheel.envs.native.cartpole import NATIVE as CARTPOLE
from cartwheel.envs.native.parity import action_from_space, find_difference
from cartwheel.envs.native.registry import find_native, native_ids
from cartwheel.experience.rollouts import make_rollout
from cartwheel.kernels.random import generators
from cartwheel.policies.specification import MLP


@pytest.mark.parametrize("name", native_ids())
def test_equal_to_gymnasium_over_100_000_steps(name: str) -> None:
    native = find_native(name)
    assert native is not None
    assert find_difference(native, find_environment(name), steps=100_000) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", native_ids())
def test_equal_to_gymnasium_over_1_000_000_steps(name: str) -> None:
    native = find_native(name)
    assert native is not None
    assert find_difference(native, find_environment(name), steps=1_000_000, seed=1) is None


@pytest.mark.parametrize("name", native_ids())
def test_lanes_side_by_side_equal_environments_of_their_own(name: str) -> None:
    """Five lanes of seven, each with its own seed and actions; those not in use stay as they were."""
    found, native, rng = find_environment(name), find_native(name), np.random.default_rng(3)
    assert native is not None
    seeds, lanes = [11, 12, 13, 14, 15, 16, 17], 5
    own = [found.make() for _ in range(lanes)]
    state, random = np.full((native.state_size, 7), -7.0), generators(seeds)
    seen, action = np.full((found.observation_size, 7), -7.0, np.float32), np.zeros((1, 7), np.float32)
    reward, ended = np.full(7, -7.0), np.zeros(7, np.bool_)
    expected: list[Any] = [made.reset(seed=seed)[0] for made, seed in zip(own, seeds, strict=False)]
    for lane, made in enumerate(own):
        made.action_space.seed(int(rng.integers(2**31)))
        native.reset(lane, state, random)
    for _ in range(200):
        native.observe(lanes, state, seen)
        for lane in range(lanes):
            assert seen[:, lane].tobytes() == spaces.flatten(found.observation_space, expected[lane]).tobytes()
        chosen = [made.action_space.sample() for made in own]
        action[:, :lanes] = np.transpose([action_from_space(found.action_space, each) for each in chosen])
        native.step(lanes, state, action, random, reward, ended)
        for lane, made in enumerate(own):
            expected[lane], value, terminated, truncated, _ = made.step(chosen[lane])
            assert (reward[lane], ended[lane]) == (value, terminated)
            if terminated or truncated:
                expected[lane], _ = made.reset()
                native.reset(lane, state, random)
    assert (state[:, lanes:] == -7.0).all()
    assert (seen[:, lanes:] == -7.0).all()
    assert (reward[lanes:] == -7.0).all()
    assert random[lanes:].tobytes() == generators(seeds[lanes:]).tobytes()


@pytest.mark.parametrize("name", native_ids())
def test_chosen_by_itself_and_only_with_plain_arguments(name: str) -> None:
    native = find_native(name)
    assert native is not None
    assert name in native.ids
    assert is_plain(find_environment(name), native.entry_point)
    assert make_rollout(find_environment(name), MLP())[0].path == "native"
    assert make_rollout(find_environment(name), MLP(), native=False)[0].path == "general"
    assert make_rollout(find_environment(name, max_episode_steps=7), MLP())[0].path == "native"


def test_an_argument_leads_to_the_general_path() -> None:
    assert make_rollout(find_environment("CartPole-v1", {"sutton_barto_reward": True}), MLP())[0].path == "general"


def test_a_class_of_the_user_leads_to_the_general_path() -> None:
    environment = find_environment(lambda: gymnasium.make("CartPole-v1"))
    assert make_rollout(environment, MLP())[0].path == "general"


def _drifting(step: Any) -> Any:
    """`step`, with the cart's velocity off by one unit in the last place of a double."""

    def wrong(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
        step(lanes, state, action, generators, reward, terminated)
        state[1] = np.nextafter(state[1], 1e9)

    return wrong


def _late(step: Any) -> Any:
    """`step`, with the reward of every step off by one unit in the last place."""

    def wrong(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
        step(lanes, state, action, generators, reward, terminated)
        reward[:] = np.nextafter(reward, 2)

    return wrong


def test_one_unit_in_the_last_place_is_noticed() -> None:
    environment = find_environment("CartPole-v1")
    wrong = dataclasses.replace(CARTPOLE, step=_late(CARTPOLE.step))
    assert "reward" in str(find_difference(wrong, environment, steps=10))


def test_drift_of_the_state_is_noticed() -> None:
    environment = find_environment("CartPole-v1")
    wrong = dataclasses.replace(CARTPOLE, step=_drifting(CARTPOLE.step))
    assert "state" in str(find_difference(wrong, environment, steps=10))


def test_physics_that_differ_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(CARTPOLE, step=_late(CARTPOLE.step))
    monkeypatch.setitem(registry._REGISTERED, "CartPole-v1", wrong)
    rollout, warnings = make_rollout(find_environment("CartPole-v1"), MLP())
    assert rollout.path == "general"
    assert "differs from the installed Gymnasium's" in warnings[0]


def test_another_class_under_the_same_id_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(gymnasium.spec("CartPole-v1"), entry_point=_Other)
    monkeypatch.setitem(gymnasium.registry, "CartPole-v1", spec)
    assert make_rollout(find_environment("CartPole-v1"), MLP())[0].path == "general"


class _Other(gymnasium.Env[Any, Any]):
    observation_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(4, np.float32), 0.0, True, False, {}

"""Networks of any shape in both rollouts: the same numbers on Gymnasium's physics and on ours, by one thread or two."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from graphs import random_vector

from cartwheel.envs.environment import find_environment
from cartwheel.experience.play import play
from cartwheel.experience.records import Request
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, make_rollout
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import Graph
from cartwheel.training.executors import make_executor


@pytest.mark.parametrize("environment", ["CartPole-v1", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_native_equals_general_to_the_bit(environment: str, recurrent: bool) -> None:
    found, specification = find_environment(environment, max_episode_steps=60), Graph(5, 20, "tanh", recurrent)
    native, _ = make_rollout(found, specification)
    general = GeneralRollout(found, specification)
    assert isinstance(native, NativeRollout)
    theta = np.stack([random_vector(native.network, seed) for seed in range(60)]).astype(np.float32)  # type: ignore[arg-type]
    request, seeds = Request(parameters=theta, episodes=3), np.array([5, 6, 7])
    one, other = native(request, seeds), general(request, seeds)
    assert one.returns.tobytes() == other.returns.tobytes()
    assert one.lengths.tobytes() == other.lengths.tobytes()
    assert len(np.unique(one.returns)) > 10
    executor = make_executor(2, "native")
    assert native.spread(request, seeds, executor).returns.tobytes() == one.returns.tobytes()
    executor.close()
    general.close()


def test_a_policy_plays_as_it_was_measured() -> None:
    found, specification = find_environment("CartPole-v1"), Graph(5, 20, "sigmoid", True)
    native, _ = make_rollout(found, specification)
    theta = np.stack([random_vector(native.network, seed) for seed in range(12)]).astype(np.float32)  # type: ignore[arg-type]
    measured = native(Request(parameters=theta, episodes=1), np.array([3]))
    for row, expected in zip(theta, measured.returns[:, 0], strict=True):
        policy = Policy(specification, found.observation_space, found.action_space, row)
        assert play(found, policy, 3).return_ == expected

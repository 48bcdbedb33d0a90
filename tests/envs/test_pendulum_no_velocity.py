"""Pendulum without its velocity: Gymnasium's but for one number. Its compiled physics: `test_native.py`."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from cartwheel import spaces
from cartwheel.envs.environment import environment_ids, find_environment

ID = "cartwheel/PendulumNoVelocity-v0"


def test_registered_with_pendulums_limit_and_spaces() -> None:
    found, pendulum = find_environment(ID), find_environment("Pendulum-v1")
    assert ID in environment_ids()
    assert (found.limit, found.threshold) == (200, None)
    assert found.action_space == pendulum.action_space == spaces.Box((1,), (-2.0,), (2.0,))
    assert found.observation_space == pendulum.observation_space


@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space:UserWarning")  # as Pendulum's
def test_gymnasiums_own_checks() -> None:
    check_env(gymnasium.make(ID, render_mode="rgb_array").unwrapped)


def test_pendulum_but_for_the_velocity() -> None:
    ours, gymnasiums = find_environment(ID).make(), find_environment("Pendulum-v1").make()
    hidden, _ = ours.reset(seed=4)
    shown, _ = gymnasiums.reset(seed=4)
    rng = np.random.default_rng(0)
    assert shown.all()
    for _ in range(200):
        assert hidden.tolist() == [*shown[:2].tolist(), 0.0]
        action = rng.uniform(-2.0, 2.0, 1).astype(np.float32)
        hidden, *rest, _ = ours.step(action)
        shown, *expected, _ = gymnasiums.step(action)
        assert rest == expected

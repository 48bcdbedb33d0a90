"""Environments of the tables that are registered neither by Gymnasium nor by Cartwheel.

Source: `MaskVelocityWrapper` in rl_zoo3/wrappers.py of DLR-RM/rl-baselines3-zoo, which makes PendulumNoVel-v1 of
Pendulum-v1 by multiplying the third number of an observation by 0.
"""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from numpy.typing import NDArray

import cartwheel.envs  # noqa: F401  # which registers its environments

PENDULUM = "cartwheel/PendulumNoVelocity-v0"


class WithoutVelocity(gymnasium.ObservationWrapper[Any, Any, Any]):
    """An environment whose observations' last number, a velocity, is 0."""

    def observation(self, observation: NDArray[Any]) -> NDArray[Any]:
        """The observation `(d,)` with a last number of 0."""
        observation[-1] = 0.0
        return observation


def _pendulum(**options: Any) -> gymnasium.Env[Any, Any]:
    return WithoutVelocity(PendulumEnv(**options))


if PENDULUM not in gymnasium.registry:
    gymnasium.register(PENDULUM, entry_point=_pendulum, max_episode_steps=200)

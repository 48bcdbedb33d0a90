"""Pendulum whose velocity is not shown: it has to be told from what was seen before.

Source: gymnasium/envs/classic_control/pendulum.py; the number hidden is that of `MaskVelocityWrapper` of
rl-baselines3-zoo (rl_zoo3/wrappers.py), which makes its PendulumNoVel-v1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from numpy.typing import NDArray


class PendulumNoVelocity(PendulumEnv):
    """Gymnasium's Pendulum, its physics, rewards and pictures; entry 2 of each observation `(3,)` is 0."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """As Pendulum's."""
        observation, info = super().reset(seed=seed, options=options)
        return _without_velocity(observation), info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """As Pendulum's."""
        observation, reward, terminated, truncated, info = super().step(action)  # type: ignore[no-untyped-call]
        return _without_velocity(observation), float(reward), terminated, truncated, info


def _without_velocity(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    observation[2] = 0.0
    return observation

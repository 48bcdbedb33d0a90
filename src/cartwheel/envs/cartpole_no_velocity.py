"""CartPole whose velocities are not shown: they have to be told from what was seen before.

Source: gymnasium/envs/classic_control/cartpole.py; hiding the velocities is as old as F. Gomez and J. Schmidhuber,
"Co-evolving Recurrent Neurons Learn Deep Memory POMDPs", 2005, and Bakker's section 4.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from numpy.typing import NDArray


class CartPoleNoVelocity(CartPoleEnv):
    """Gymnasium's CartPole, its physics, rewards and pictures; entries 1 and 3 of each observation `(4,)` are 0."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """As CartPole's."""
        observation, info = super().reset(seed=seed, options=options)
        return _without_velocities(observation), info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """As CartPole's."""
        observation, reward, terminated, truncated, info = super().step(action)  # type: ignore[no-untyped-call]
        return _without_velocities(observation), float(reward), terminated, truncated, info


def _without_velocities(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    observation[1::2] = 0.0  # not by multiplying, which makes -0.0 of a negative velocity
    return observation

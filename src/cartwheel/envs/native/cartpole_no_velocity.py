"""CartPole whose velocities are not shown, compiled: CartPole's physics, and an observation of its own.

Source: `envs/cartpole_no_velocity.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cartwheel.envs.native import cartpole
from cartwheel.kernels import OBSERVE, compiled


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Position and angle, as float32; zeros where the velocities stood."""
    for i in range(lanes):
        observation[0, i] = np.float32(state[0, i])
        observation[1, i] = np.float32(0.0)
        observation[2, i] = np.float32(state[2, i])
        observation[3, i] = np.float32(0.0)


NATIVE = replace(
    cartpole.NATIVE,
    ids=("cartwheel/CartPoleNoVelocity-v0",),
    entry_point="cartwheel.envs.cartpole_no_velocity:CartPoleNoVelocity",
    observe=observe,
)

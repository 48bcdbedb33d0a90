"""Pendulum whose velocity is not shown, compiled: Pendulum's physics, and an observation of its own.

Source: `envs/pendulum_no_velocity.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cartwheel.envs.native import pendulum
from cartwheel.kernels import OBSERVE, compiled


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Cosine and sine of the angle, as float32; a zero where the velocity stood."""
    for i in range(lanes):
        observation[0, i] = np.float32(state[pendulum.COSINE, i])
        observation[1, i] = np.float32(state[pendulum.SINE, i])
        observation[2, i] = np.float32(0.0)


NATIVE = replace(
    pendulum.NATIVE,
    ids=("cartwheel/PendulumNoVelocity-v0",),
    entry_point="cartwheel.envs.pendulum_no_velocity:PendulumNoVelocity",
    observe=observe,
)

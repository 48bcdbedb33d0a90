"""MountainCarContinuous, compiled: a car too weak to climb the hill swings up between two of them.

Source: gymnasium/envs/classic_control/continuous_mountain_car.py, after A. Moore, "Efficient Memory-based Learning for
Robot Control", 1990. Gymnasium keeps the first state in float64 and all later ones in float32, and lets NumPy's rules
for mixed types decide each operation; so does this, in two branches, so that the results are equal to the bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

MIN_ACTION, MAX_ACTION = -1.0, 1.0
MIN_POSITION, MAX_POSITION = -1.2, 0.6
MAX_SPEED = 0.07
GOAL_POSITION, GOAL_VELOCITY = 0.45, 0.0
POWER = 0.0015
GRAVITY = 0.0025
START_LOW, START_HIGH = -0.6, -0.4

F4 = np.float32
MIN_POSITION_4, MAX_POSITION_4 = F4(MIN_POSITION), F4(MAX_POSITION)
MAX_SPEED_4, POWER_4, GOAL_POSITION_4 = F4(MAX_SPEED), F4(POWER), F4(GOAL_POSITION)


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """A place in the valley, at rest; row 2 says that this is the first state."""
    state[0, lane] = uniform(generators[lane], START_LOW, START_HIGH)
    state[1, lane] = 0.0
    state[2, lane] = 1.0


@compiled()
def _thrust(action: np.float32) -> np.float32:
    """Force * power in float32. The bounds are numbers of Python, which would make the product a double, but only for
    an action beyond them; at exactly a bound, both give the same float32.
    """
    return F4(min(max(action, F4(MIN_ACTION)), F4(MAX_ACTION)) * POWER_4)


@compiled()
def _first_step(position: float, action: np.float32) -> tuple[float, float]:
    """The step from a state in float64; the velocity there is 0."""
    change = F4(_thrust(action) - F4(GRAVITY * math.cos(3.0 * position)))
    velocity = min(max(0.0 + np.float64(change), -MAX_SPEED), MAX_SPEED)
    return min(max(position + velocity, MIN_POSITION), MAX_POSITION), velocity


@compiled()
def _later_step(position: np.float32, velocity: np.float32, action: np.float32) -> tuple[float, float]:
    """The step from a state in float32."""
    slope = F4(GRAVITY * math.cos(np.float64(F4(F4(3.0) * position))))
    velocity = F4(velocity + F4(_thrust(action) - slope))
    velocity = min(max(velocity, -MAX_SPEED_4), MAX_SPEED_4)
    position = min(max(F4(position + velocity), MIN_POSITION_4), MAX_POSITION_4)
    if position == MIN_POSITION_4 and velocity < 0:
        velocity = F4(0.0)
    return np.float64(position), np.float64(velocity)


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One step; 100 at the goal, less a tenth of the squared action each time."""
    positions, velocities, first = state[0], state[1], state[2]
    for i in range(lanes):
        force = action[0, i]
        if first[i] == 1.0:
            position, velocity = _first_step(positions[i], force)
            reached = position >= GOAL_POSITION and velocity >= GOAL_VELOCITY
            first[i] = 0.0
        else:
            position, velocity = _later_step(F4(positions[i]), F4(velocities[i]), force)
            reached = position >= float(GOAL_POSITION_4) and velocity >= GOAL_VELOCITY
        positions[i], velocities[i] = np.float64(F4(position)), np.float64(F4(velocity))
        cost = np.float64(force) * np.float64(force) * 0.1
        reward[i] = (100.0 if reached else 0.0) - cost
        terminated[i] = reached


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Position and velocity, as float32."""
    for k in range(2):
        for i in range(lanes):
            observation[k, i] = np.float32(state[k, i])


NATIVE = NativeEnvironment(
    ids=("MountainCarContinuous-v0",),
    entry_point="gymnasium.envs.classic_control.continuous_mountain_car:Continuous_MountainCarEnv",
    state_size=3,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: environment.unwrapped.state,
)

"""MountainCar, compiled: a car too weak to climb the hill swings up between two of them, pushed left or right or not.

Source: gymnasium/envs/classic_control/mountain_car.py, after A. Moore, "Efficient Memory-based Learning for Robot
Control", 1990. Each expression is grouped as it is there, so that the results are equal to the bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

MIN_POSITION, MAX_POSITION = -1.2, 0.6
MAX_SPEED = 0.07
GOAL_POSITION, GOAL_VELOCITY = 0.5, 0.0
FORCE = 0.001
GRAVITY = 0.0025
START_LOW, START_HIGH = -0.6, -0.4
SLOPE = 2  # row: the cosine that gives the slope


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """A place in the valley, at rest."""
    state[0, lane] = uniform(generators[lane], START_LOW, START_HIGH)
    state[1, lane] = 0.0


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One step; reward -1 each time, and an end at the goal."""
    for i in range(lanes):
        state[SLOPE, i] = math.cos(3.0 * state[0, i])
    for i in range(lanes):
        position, velocity = state[0, i], state[1, i]
        velocity = velocity + ((np.float64(action[0, i]) - 1.0) * FORCE + state[SLOPE, i] * -GRAVITY)
        velocity = min(max(velocity, -MAX_SPEED), MAX_SPEED)
        position = min(max(position + velocity, MIN_POSITION), MAX_POSITION)
        velocity = 0.0 if (position == MIN_POSITION) & (velocity < 0.0) else velocity
        state[0, i], state[1, i] = position, velocity
        reward[i] = -1.0
        terminated[i] = (position >= GOAL_POSITION) & (velocity >= GOAL_VELOCITY)


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Position and velocity, as float32."""
    for k in range(2):
        for i in range(lanes):
            observation[k, i] = np.float32(state[k, i])


NATIVE = NativeEnvironment(
    ids=("MountainCar-v0",),
    entry_point="gymnasium.envs.classic_control.mountain_car:MountainCarEnv",
    state_size=3,  # and the cosine
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: environment.unwrapped.state,
)

"""The T-maze, compiled: a sign at the start of a corridor tells which way to turn at its end.

Source: `envs/t_maze.py`. The length is a row of the state, so that other lengths need another reset only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

LENGTH = 10.0
NORTH, EAST, SOUTH, WEST = 0.0, 1.0, 2.0, 3.0
RIGHT_TURN = 4.0
WRONG_TURN = -0.1
STANDING_STILL = -0.1


@compiled()
def begin(length: float, lane: int, state: Any, generators: Any) -> None:
    """At the sign of a corridor of this length; row 1 is 1 if the goal is north, else 0."""
    state[0, lane] = 0.0
    state[1, lane] = 1.0 if uniform(generators[lane], 0.0, 1.0) < 0.5 else 0.0
    state[2, lane] = length


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """At the sign of a corridor of 10 steps."""
    begin(LENGTH, lane, state, generators)


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One step along the corridor or against a wall, or the turn that ends the episode."""
    for i in range(lanes):
        place, north, length, towards = state[0, i], state[1, i], state[2, i], action[0, i]
        if place == length and towards in (NORTH, SOUTH):
            reward[i] = RIGHT_TURN if (towards == NORTH) == (north == 1.0) else WRONG_TURN
            terminated[i] = True
            continue
        moved = place + (1.0 if towards == EAST else 0.0) - (1.0 if towards == WEST else 0.0)
        moved = min(max(moved, 0.0), length)
        state[0, i] = moved
        reward[i] = STANDING_STILL if moved == place else 0.0
        terminated[i] = False


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """011 or 110 at the start (north, south), 101 in the corridor, 010 at the junction."""
    for i in range(lanes):
        place, north = state[0, i], state[1, i] == 1.0
        start, junction = place == 0.0, place == state[2, i]
        corridor = not (start or junction)
        observation[0, i] = np.float32(1.0 if corridor or (start and not north) else 0.0)
        observation[1, i] = np.float32(0.0 if corridor else 1.0)
        observation[2, i] = np.float32(1.0 if corridor or (start and north) else 0.0)


NATIVE = NativeEnvironment(
    ids=("cartwheel/TMaze-v0",),
    entry_point="cartwheel.envs.t_maze:TMaze",
    state_size=3,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: (
        environment.unwrapped.place,
        environment.unwrapped.goal_is_north,
        environment.unwrapped.length,
    ),
)

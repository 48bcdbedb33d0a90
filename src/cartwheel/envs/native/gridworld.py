"""The 3 x 4 grid world, compiled: to the goal at the upper right, past a wall and a bomb.

Source: `envs/gridworld.py`. State: x and y, which grows downwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled

WIDTH, HEIGHT = 4, 3
WALL_X, WALL_Y = 1.0, 1.0
GOAL_X, GOAL_Y = 3.0, 0.0
BOMB_X, BOMB_Y = 3.0, 1.0
START_X, START_Y = 0.0, 2.0
UP, DOWN, LEFT, RIGHT = 0.0, 1.0, 2.0, 3.0
GOAL_REWARD = 1.0
BOMB_REWARD = -1.0


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """To the start; nothing is drawn."""
    state[0, lane], state[1, lane] = START_X, START_Y


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One move, or none at the wall and at the border."""
    for i in range(lanes):
        x, y, towards = state[0, i], state[1, i], action[0, i]
        right = (1.0 if towards == RIGHT else 0.0) - (1.0 if towards == LEFT else 0.0)
        down = (1.0 if towards == DOWN else 0.0) - (1.0 if towards == UP else 0.0)
        to_x = min(max(x + right, 0.0), WIDTH - 1.0)
        to_y = min(max(y + down, 0.0), HEIGHT - 1.0)
        if to_x == WALL_X and to_y == WALL_Y:
            to_x, to_y = x, y
        state[0, i], state[1, i] = to_x, to_y
        terminated[i] = to_x == GOAL_X and to_y == GOAL_Y
        bomb = to_x == BOMB_X and to_y == BOMB_Y
        reward[i] = GOAL_REWARD if terminated[i] else BOMB_REWARD if bomb else 0.0


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """The number of the cell, one-hot."""
    for cell in range(WIDTH * HEIGHT):
        for i in range(lanes):
            here = state[1, i] * WIDTH + state[0, i] == cell
            observation[cell, i] = np.float32(1.0 if here else 0.0)


NATIVE = NativeEnvironment(
    ids=("cartwheel/GridWorld-v0",),
    entry_point="cartwheel.envs.gridworld:GridWorld",
    state_size=2,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: divmod(environment.unwrapped.place, WIDTH)[::-1],
)

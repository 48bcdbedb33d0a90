"""Pendulum, compiled: a pole on a hinge, turned by a motor too weak to lift it at once, is to stand upright.

Source: gymnasium/envs/classic_control/pendulum.py. The torque is a float32 there, and so is what is computed of it
alone; all else is float64. Each expression is grouped as it is there, so that the results are equal to the bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.envs.native.squares import square
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

MAX_SPEED = 8.0  # rad/s
TAU = 0.05  # s between states
GRAVITY = 10.0  # m/s^2
MASS = 1.0  # kg
LENGTH = 1.0  # m
WEIGHT = 3 * GRAVITY / (2 * LENGTH)  # 1/s^2
COST_OF_SPEED = 0.1
START_ANGLE, START_SPEED = math.pi, 1.0  # the first state is from [-START, START)

F4 = np.float32
MAX_TORQUE = F4(2.0)  # N m
INVERSE_MOMENT = F4(3.0 / (MASS * LENGTH**2))
COST_OF_TORQUE = F4(0.001)

TURN = 2 * math.pi
TURN_HEAD = math.floor(TURN * 2.0**24) / 2.0**24  # the first 27 bits: a product with fewer than 2**26 turns is exact
TURN_TAIL = TURN - TURN_HEAD

# Rows beyond the angle and the speed: what is observed of the angle, the number 2, and what the costs are made of.
COSINE, SINE, TWO, NORMAL, NORMAL_SQUARE, SPEED_SQUARE = range(2, 8)


@compiled()
def _note_direction(lane: int, state: Any) -> None:
    """The sine is seen by the policy, and then moves the pole."""
    state[COSINE, lane], state[SINE, lane] = math.cos(state[0, lane]), math.sin(state[0, lane])


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """Any angle, and a small speed."""
    state[0, lane] = uniform(generators[lane], -START_ANGLE, START_ANGLE)
    state[1, lane] = uniform(generators[lane], -START_SPEED, START_SPEED)
    state[TWO, lane] = 2.0
    _note_direction(lane, state)


@compiled()
def _rest_of_turns(x: float) -> float:
    """x % TURN, exactly, without the C library's fmod; each difference below is a multiple of 2**-50 under 2**3."""
    size = abs(x)
    turns = math.floor(size / TURN)
    rest = (size - turns * TURN_HEAD) - turns * TURN_TAIL
    fewer = turns - 1.0  # where the quotient was rounded up to a whole number
    rest = rest if rest >= 0.0 else (size - fewer * TURN_HEAD) - fewer * TURN_TAIL
    return TURN - rest if (x < 0.0) & (rest > 0.0) else rest


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One Euler step; the costs are those of the state before it."""
    for i in range(lanes):
        state[NORMAL, i] = _rest_of_turns(state[0, i] + math.pi) - math.pi
    square(lanes, state, NORMAL, NORMAL_SQUARE, TWO)
    square(lanes, state, 1, SPEED_SQUARE, TWO)
    for i in range(lanes):
        torque = min(max(action[0, i], -MAX_TORQUE), MAX_TORQUE)
        effort = np.float64(F4(COST_OF_TORQUE * F4(torque ** F4(state[TWO, i]))))
        reward[i] = -(state[NORMAL_SQUARE, i] + COST_OF_SPEED * state[SPEED_SQUARE, i] + effort)
        terminated[i] = False
    for i in range(lanes):
        torque = min(max(action[0, i], -MAX_TORQUE), MAX_TORQUE)
        speed = state[1, i]
        speed = speed + (WEIGHT * state[SINE, i] + np.float64(F4(INVERSE_MOMENT * torque))) * TAU
        speed = min(max(speed, -MAX_SPEED), MAX_SPEED)
        state[0, i], state[1, i] = state[0, i] + speed * TAU, speed
    for i in range(lanes):
        _note_direction(i, state)


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Cosine and sine of the angle, and the speed, as float32."""
    for i in range(lanes):
        observation[0, i] = np.float32(state[COSINE, i])
        observation[1, i] = np.float32(state[SINE, i])
        observation[2, i] = np.float32(state[1, i])


NATIVE = NativeEnvironment(
    ids=("Pendulum-v1",),
    entry_point="gymnasium.envs.classic_control.pendulum:PendulumEnv",
    state_size=8,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: environment.unwrapped.state,
)

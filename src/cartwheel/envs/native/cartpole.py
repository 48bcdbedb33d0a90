"""CartPole, compiled: a cart on a track, pushed left or right, keeps a pole upright.

Source: gymnasium/envs/classic_control/cartpole.py, itself after Barto, Sutton and Anderson, "Neuronlike Adaptive
Elements That Can Solve Difficult Learning Control Problem", 1983. Each expression is grouped as it is there, so that
the results are equal to the bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, sine_cosine, uniform

GRAVITY = 9.8  # m/s^2
CART_MASS = 1.0  # kg
POLE_MASS = 0.1  # kg
TOTAL_MASS = POLE_MASS + CART_MASS
LENGTH = 0.5  # m, half the pole's
POLE_MOMENT = POLE_MASS * LENGTH  # kg m
FORCE = 10.0  # N
TAU = 0.02  # s between states
ANGLE_LIMIT = 12 * 2 * math.pi / 360  # rad
POSITION_LIMIT = 2.4  # m
START = 0.05  # each number of the first state is from [-START, START)


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """Four uniform numbers: position, velocity, angle, angular velocity."""
    for k in range(4):
        state[k, lane] = uniform(generators[lane], -START, START)


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One Euler step of the equations of motion; reward 1 for each step, the last one included."""
    sine_cosine(lanes, state, 2, 4, 5)
    for i in range(lanes):
        x, x_dot, theta, theta_dot = state[0, i], state[1, i], state[2, i], state[3, i]
        sine, cosine = state[4, i], state[5, i]
        force = FORCE if action[0, i] == 1.0 else -FORCE
        temp = (force + POLE_MOMENT * (theta_dot * theta_dot) * sine) / TOTAL_MASS
        theta_acc = (GRAVITY * sine - cosine * temp) / (
            LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / TOTAL_MASS)
        )
        x_acc = temp - POLE_MOMENT * theta_acc * cosine / TOTAL_MASS
        x = x + TAU * x_dot
        x_dot = x_dot + TAU * x_acc
        theta = theta + TAU * theta_dot
        theta_dot = theta_dot + TAU * theta_acc
        state[0, i], state[1, i], state[2, i], state[3, i] = x, x_dot, theta, theta_dot
        reward[i] = 1.0
        terminated[i] = (x < -POSITION_LIMIT) | (x > POSITION_LIMIT) | (theta < -ANGLE_LIMIT) | (theta > ANGLE_LIMIT)


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """The state itself, as float32."""
    for k in range(4):
        for i in range(lanes):
            observation[k, i] = np.float32(state[k, i])


NATIVE = NativeEnvironment(
    ids=("CartPole-v0", "CartPole-v1"),
    entry_point="gymnasium.envs.classic_control.cartpole:CartPoleEnv",
    state_size=6,  # and the sine and cosine of the angle
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: environment.unwrapped.state,
)

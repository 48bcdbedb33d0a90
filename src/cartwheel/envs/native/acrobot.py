"""Acrobot, compiled: two links hang in a chain, and a motor between them swings the free end up.

Source: gymnasium/envs/classic_control/acrobot.py, after R. Sutton, "Generalization in Reinforcement Learning:
Successful Examples Using Sparse Coarse Coding", 1996, with the equations of Sutton and Barto's book. Each expression is
grouped as it is there, so that the results are equal to the bit. The first state is float32 there, and the sines and
cosines that are first observed are NumPy's of float32; all else is float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.envs.native.squares import square
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

L1 = 1.0  # m, the first link
C1, C2 = 0.5, 0.5  # m, from a link's joint to its centre of mass
M1, M2 = 1.0, 1.0  # kg
I1, I2 = 1.0, 1.0  # kg m^2
GRAVITY = 9.8  # m/s^2
MAX_SPEED_1, MAX_SPEED_2 = 4 * math.pi, 9 * math.pi  # rad/s
TAU = 0.2  # s between states
START = 0.1  # each number of the first state is from [-START, START)

# Rows beyond the angles and speeds of the two joints:
SHOWN = 4  # the cosine and sine of each angle, as observed
COSINE_2, SINE_2, LOWER_WEIGHT, UPPER_WEIGHT = 8, 9, 10, 11  # what a derivative is made of: of the second angle ...
SQUARE_1, SQUARE_2, D2, D2_SQUARE = 12, 13, 14, 15  # ... of the speeds, and of the coefficient d2
AT, DERIVATIVES, SUM = 16, 20, 22  # where it is taken; those of the speeds; the weighted sum of all four
TWO = 26  # the number 2

F4 = np.float32
# NumPy's sine and cosine of small float32: x + x * (z * s) and c, polynomials of z = x * x by T. Myklebust, if the
# processor rounds a product and a sum at once (numpy/_core/src/umath/loops_trigonometric.dispatch.cpp), else the C
# library's. The polynomial's cosine of the number below is not the nearest float32.
_SINE_9, _SINE_7, _SINE_5, _SINE_3 = F4(2.8404097e-06), F4(-0.00019856491), F4(0.008333397), F4(-0.16666667)
_COSINE_8, _COSINE_6, _COSINE_4, _COSINE_2 = F4(2.4372266e-05), F4(-0.001388652), F4(0.04166662), F4(-0.5)
_PROBE = F4(0.030311)
_POLYNOMIALS = bool(np.cos(_PROBE) != F4(math.cos(_PROBE)))


@compiled()
def _fused(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """a * b + c, rounded once: the product is exact in float64, and what the sum leaves over decides between two."""
    product, more = np.float64(a) * np.float64(b), np.float64(c)
    total = product + more
    back = total - product
    rest = (product - (total - back)) + (more - back)  # total + rest = a * b + c exactly (Knuth's two-sum)
    nearest = F4(total)
    gap = total - np.float64(nearest)
    other = np.float64(nearest) + 2.0 * gap  # a float32 only if the total is in the middle between the two
    return F4(other) if (gap * rest > 0.0) and np.float64(F4(other)) == other else nearest


@compiled()
def numpys_sine(x: np.float32) -> np.float32:
    """np.sin of a float32 from [-0.1, 0.1]."""
    if not _POLYNOMIALS:
        return F4(math.sin(x))
    z = F4(x * x)
    cubic = _fused(_fused(_fused(_SINE_9, z, _SINE_7), z, _SINE_5), z, _SINE_3)
    return _fused(_fused(cubic, z, F4(0.0)), x, x)  # the sine of -0 is -0


@compiled()
def numpys_cosine(x: np.float32) -> np.float32:
    """np.cos of a float32 from [-0.1, 0.1]."""
    if not _POLYNOMIALS:
        return F4(math.cos(x))
    z = F4(x * x)
    return _fused(_fused(_fused(_fused(_COSINE_8, z, _COSINE_6), z, _COSINE_4), z, _COSINE_2), z, F4(1.0))


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """Hanging, all but at rest: four uniform numbers, as float32."""
    for k in range(4):
        state[k, lane] = np.float64(F4(uniform(generators[lane], -START, START)))
    for k in range(2):
        angle = F4(state[k, lane])
        state[SHOWN + 2 * k, lane] = np.float64(numpys_cosine(angle))
        state[SHOWN + 2 * k + 1, lane] = np.float64(numpys_sine(angle))
    state[COSINE_2, lane], state[SINE_2, lane] = math.cos(state[1, lane]), math.sin(state[1, lane])
    state[TWO, lane] = 2.0


@compiled()
def _accelerate(lanes: int, state: Any, action: Any) -> None:
    """The derivatives of the speeds at AT."""
    for i in range(lanes):
        cosine2, sine2, d2 = state[COSINE_2, i], state[SINE_2, i], state[D2, i]
        d1 = M1 * C1**2 + M2 * (L1**2 + C2**2 + 2 * L1 * C2 * cosine2) + I1 + I2
        phi2 = M2 * C2 * GRAVITY * state[LOWER_WEIGHT, i]
        phi1 = (
            -M2 * L1 * C2 * state[SQUARE_2, i] * sine2
            - 2 * M2 * L1 * C2 * state[AT + 3, i] * state[AT + 2, i] * sine2
            + (M1 * C1 + M2 * L1) * GRAVITY * state[UPPER_WEIGHT, i]
            + phi2
        )
        torque = np.float64(action[0, i]) - 1.0
        ddtheta2 = (torque + d2 / d1 * phi1 - M2 * L1 * C2 * state[SQUARE_1, i] * sine2 - phi2) / (
            M2 * C2**2 + I2 - state[D2_SQUARE, i] / d1
        )
        state[DERIVATIVES, i] = -(d2 * ddtheta2 + phi1) / d1
        state[DERIVATIVES + 1, i] = ddtheta2


@compiled()
def _advance(lanes: int, state: Any, k: int, derivatives: int, weight: float, time: float) -> None:
    """Number k of the state: SUM grows by its weighted derivative, and AT becomes what it is after the time."""
    for i in range(lanes):
        state[SUM + k, i] += weight * state[derivatives, i]
        state[AT + k, i] = state[k, i] + time * state[derivatives, i]


@compiled()
def _derive(lanes: int, state: Any, action: Any, weight: float, time: float) -> None:
    """Take the derivatives at AT, and go on from the state by them."""
    for i in range(lanes):
        theta1, theta2 = state[AT, i], state[AT + 1, i]
        state[LOWER_WEIGHT, i] = math.cos(theta1 + theta2 - math.pi / 2.0)
        state[UPPER_WEIGHT, i] = math.cos(theta1 - math.pi / 2)
    for i in range(lanes):
        state[D2, i] = M2 * (C2**2 + L1 * C2 * state[COSINE_2, i]) + I2
    square(lanes, state, AT + 2, SQUARE_1, TWO)
    square(lanes, state, AT + 3, SQUARE_2, TWO)
    square(lanes, state, D2, D2_SQUARE, TWO)
    _accelerate(lanes, state, action)
    for k in range(2):
        _advance(lanes, state, k, AT + 2 + k, weight, time)
    for k in range(2):
        _advance(lanes, state, 2 + k, DERIVATIVES + k, weight, time)


@compiled()
def _turn(lanes: int, state: Any) -> None:
    """The sine and cosine of the second angle at AT."""
    for i in range(lanes):
        state[COSINE_2, i], state[SINE_2, i] = math.cos(state[AT + 1, i]), math.sin(state[AT + 1, i])


@compiled()
def _wrapped(angle: float) -> float:
    """The angle, whole turns added or taken away one by one until it is in [-pi, pi]."""
    while angle > math.pi:
        angle = angle - 2 * math.pi
    while angle < -math.pi:
        angle = angle + 2 * math.pi
    return angle


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """One step of the fourth-order Runge-Kutta method; reward -1 each time but the last."""
    for k in range(4):
        for i in range(lanes):
            state[AT + k, i] = state[k, i]
            state[SUM + k, i] = -0.0  # of which a sum with any number is that number
    _derive(lanes, state, action, 1.0, TAU / 2.0)
    _turn(lanes, state)
    _derive(lanes, state, action, 2.0, TAU / 2.0)
    _turn(lanes, state)
    _derive(lanes, state, action, 2.0, TAU)
    _turn(lanes, state)
    _derive(lanes, state, action, 1.0, TAU)
    for i in range(lanes):
        theta1 = _wrapped(state[0, i] + TAU / 6.0 * state[SUM, i])
        theta2 = _wrapped(state[1, i] + TAU / 6.0 * state[SUM + 1, i])
        dtheta1 = state[2, i] + TAU / 6.0 * state[SUM + 2, i]
        dtheta2 = state[3, i] + TAU / 6.0 * state[SUM + 3, i]
        state[0, i], state[1, i] = theta1, theta2
        state[2, i] = min(max(dtheta1, -MAX_SPEED_1), MAX_SPEED_1)
        state[3, i] = min(max(dtheta2, -MAX_SPEED_2), MAX_SPEED_2)
    for i in range(lanes):
        theta1, theta2 = state[0, i], state[1, i]
        cosine1, sine1, cosine2, sine2 = math.cos(theta1), math.sin(theta1), math.cos(theta2), math.sin(theta2)
        state[SHOWN, i], state[SHOWN + 1, i], state[SHOWN + 2, i], state[SHOWN + 3, i] = cosine1, sine1, cosine2, sine2
        state[COSINE_2, i], state[SINE_2, i] = cosine2, sine2
        terminated[i] = -cosine1 - math.cos(theta2 + theta1) > 1.0
        reward[i] = 0.0 if terminated[i] else -1.0


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """Cosine and sine of both angles, then the speeds, as float32."""
    for k in range(4):
        for i in range(lanes):
            observation[k, i] = np.float32(state[SHOWN + k, i])
    for k in range(2):
        for i in range(lanes):
            observation[4 + k, i] = np.float32(state[2 + k, i])


NATIVE = NativeEnvironment(
    ids=("Acrobot-v1",),
    entry_point="gymnasium.envs.classic_control.acrobot:AcrobotEnv",
    state_size=27,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: environment.unwrapped.state,
)

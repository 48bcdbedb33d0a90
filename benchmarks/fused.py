"""The tutorial's job in a loop that is made for nothing else, for the benchmark `evolution-peers`.

Scalar code, an episode after the other, as one would write it by hand: the environment, the action and the network's
sizes are constants in it, and sines and cosines are the C library's. Sums run in the order of Cartwheel's kernels, so
that it takes the same steps; with `fastmath` LLVM may order them otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from benchmarks.evolution import Generation
from cartwheel.envs.native.cartpole import (
    ANGLE_LIMIT,
    CART_MASS,
    FORCE,
    GRAVITY,
    LENGTH,
    POLE_MASS,
    POLE_MOMENT,
    POSITION_LIMIT,
    START,
    TAU,
)
from cartwheel.kernels.random import generators, uniform

_TOTAL_MASS = POLE_MASS + CART_MASS


def fused_steps(loop: Any, given: Sequence[Generation]) -> float:
    """The steps that a loop takes on given networks and episodes."""
    return float(sum(loop(generation.parameters, generators(generation.seeds)) for generation in given))


def fused(hidden: Sequence[int], limit: int, fastmath: bool) -> Any:
    """A compiled function of theta (P, n) and generators (E, 4): the steps of all candidates in all episodes.

    The network has one or two hidden layers, of relu; an episode has `limit` steps at most.
    """
    sizes = (4, *hidden, 2)
    compiled: Any = numba.njit(error_model="numpy", fastmath=fastmath)
    layers, offset = [], 0
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(compiled(_layer(inputs, outputs, offset, number == len(sizes) - 2)))
        offset += (inputs + 1) * outputs
    forward = compiled(_two(*layers) if len(layers) == 2 else _three(*layers))
    return compiled(_episodes(forward, compiled(_step), limit, max(sizes)))


def _layer(inputs: int, outputs: int, offset: int, last: bool) -> Any:
    zero = np.float32(0.0)

    def layer(theta: Any, x: Any, y: Any) -> None:
        for j in range(outputs):
            y[j] = zero
        for i in range(inputs):
            seen = x[i]
            for j in range(outputs):
                y[j] += seen * theta[offset + i * outputs + j]
        for j in range(outputs):
            total = y[j] + theta[offset + inputs * outputs + j]
            y[j] = total if last or total > zero else zero

    return layer


def _two(first: Any, second: Any) -> Any:
    def forward(theta: Any, a: Any, b: Any) -> bool:
        first(theta, a, b)
        second(theta, b, a)
        return a[1] > a[0]  # type: ignore[no-any-return]

    return forward


def _three(first: Any, second: Any, third: Any) -> Any:
    def forward(theta: Any, a: Any, b: Any) -> bool:
        first(theta, a, b)
        second(theta, b, a)
        third(theta, a, b)
        return b[1] > b[0]  # type: ignore[no-any-return]

    return forward


def _step(right: bool, x: float, v: float, angle: float, turning: float) -> tuple[float, float, float, float]:
    """One step of CartPole, each expression grouped as Gymnasium's is."""
    force = FORCE if right else -FORCE
    sine, cosine = math.sin(angle), math.cos(angle)
    temp = (force + POLE_MOMENT * (turning * turning) * sine) / _TOTAL_MASS
    bend = (GRAVITY * sine - cosine * temp) / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / _TOTAL_MASS))
    pull = temp - POLE_MOMENT * bend * cosine / _TOTAL_MASS
    return x + TAU * v, v + TAU * pull, angle + TAU * turning, turning + TAU * bend


def _episodes(forward: Any, step: Any, limit: int, widest: int) -> Any:
    def loop(thetas: Any, seeds: Any) -> int:
        a, b = np.zeros(widest, np.float32), np.zeros(widest, np.float32)
        steps = 0
        for candidate in range(thetas.shape[0]):
            theta = thetas[candidate]
            for number in range(seeds.shape[0]):
                random = seeds[number].copy()
                x, v = uniform(random, -START, START), uniform(random, -START, START)
                angle, turning = uniform(random, -START, START), uniform(random, -START, START)
                for _ in range(limit):
                    a[0], a[1], a[2], a[3] = x, v, angle, turning
                    x, v, angle, turning = step(forward(theta, a, b), x, v, angle, turning)
                    steps += 1
                    if abs(x) > POSITION_LIMIT or abs(angle) > ANGLE_LIMIT:
                        break
        return steps

    return loop

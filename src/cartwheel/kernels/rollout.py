"""Whole episodes in one call: a slice of a population on a native environment, acting and stepping fused.

48 lanes; a lane is one candidate in one episode, and takes up the next pair as soon as its episode ends. When no pair
is left, the last lane moves into the gap, so that stragglers do not run beside idle lanes.
Level of agreement with `experience.rollouts.GeneralRollout` on the same physics: EXACT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cartwheel.kernels.compile import OBSERVE, RESET, STEP, compiled
from cartwheel.kernels.perceptron import act
from cartwheel.kernels.tickets import take

LANES = 48

_THETA = types.Array(types.float32, 2, "C", readonly=True)
_F8 = types.Array(types.float64, 2, "C")
_F8_1 = types.Array(types.float64, 1, "C")
_I8 = types.Array(types.int64, 2, "C")
_I8_1 = types.Array(types.int64, 1, "C")
_U8 = types.Array(types.uint64, 2, "C")


@compiled()
def _begin(lane: int, job: int, reset: Any, theta: Any, seeds: Any, weights: Any, state: Any, random: Any) -> None:
    """Give a lane the job's candidate and episode."""
    candidate, episode = job // seeds.shape[0], job % seeds.shape[0]
    for k in range(theta.shape[1]):
        weights[k, lane] = theta[candidate, k]
    for k in range(4):
        random[lane, k] = seeds[episode, k]
    reset(lane, state, random)


@compiled()
def _fill(
    jobs: int, counter: Any, job: Any, reset: Any, theta: Any, seeds: Any, weights: Any, state: Any, random: Any
) -> int:
    """Give each lane its first job, as far as there are any; how many lanes are in use then."""
    for lane in range(LANES):
        job[lane] = take(counter)
        if job[lane] >= jobs:
            return lane
        _begin(lane, job[lane], reset, theta, seeds, weights, state, random)
    return LANES


@compiled()
def _collect(lanes: int, reward: Any, terminated: Any, total: Any) -> bool:
    """Add the rewards up; whether any lane has terminated."""
    ended = False
    for lane in range(lanes):
        total[lane] += reward[lane]
        ended |= terminated[lane]
    return ended


@compiled()
def _move(source: int, target: int, weights: Any, state: Any, random: Any) -> None:
    for k in range(weights.shape[0]):
        weights[k, target] = weights[k, source]
    for k in range(state.shape[0]):
        state[k, target] = state[k, source]
    for k in range(4):
        random[target, k] = random[source, k]


@compiled()
def _earliest(lanes: int, began: Any) -> int:
    """When the first of the running episodes began."""
    first = began[0]
    for lane in range(1, lanes):
        first = min(first, began[lane])
    return int(first)


_ROLLOUT: object = types.void(
    *(RESET, STEP, OBSERVE, types.intp, types.intp),
    *(_THETA, _I8_1, types.intp, _I8_1, _F8_1, _F8_1, _U8, types.intp, _I8_1, _F8, _I8),
)


@compiled(_ROLLOUT)
def rollout(
    reset: Any,
    step: Any,
    observe: Any,
    state_size: int,
    limit: int,
    theta: Any,
    sizes: Any,
    activation: int,
    groups: Any,
    low: Any,
    high: Any,
    seeds: Any,
    jobs: int,
    counter: Any,
    returns: Any,
    lengths: Any,
) -> None:
    """Fill returns (P, E) and lengths (P, E) for theta (P, n) and the episodes' generators seeds (E, 4).

    A job is a candidate in an episode, candidate * E + episode. Those below `jobs` are done that `counter (1,)` gives
    out; threads that are called with the same one share them.
    """
    weights = np.zeros((theta.shape[1], LANES), np.float32)
    layers = np.zeros((2, sizes.max(), LANES), np.float32)
    observation = layers[0]
    state = np.zeros((state_size, LANES))
    random = np.empty((LANES, 4), np.uint64)
    action = np.empty((groups.shape[0] + low.shape[0], LANES), np.float32)
    reward, total, terminated = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES, np.bool_)
    job, began = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    lanes = _fill(jobs, counter, job, reset, theta, seeds, weights, state, random)
    clock, due = 0, limit
    while lanes > 0:
        observe(lanes, state, observation)
        act(lanes, weights, sizes, activation, groups, low, high, layers, action)
        step(lanes, state, action, random, reward, terminated)
        clock += 1
        if not _collect(lanes, reward, terminated, total) and clock < due:
            continue
        lane = 0
        while lane < lanes:
            length = clock - began[lane]
            if not terminated[lane] and length < limit:
                lane += 1
                continue
            candidate, episode = job[lane] // seeds.shape[0], job[lane] % seeds.shape[0]
            returns[candidate, episode], lengths[candidate, episode] = total[lane], length
            following = take(counter)
            if following < jobs:
                _begin(lane, following, reset, theta, seeds, weights, state, random)
                job[lane], began[lane], total[lane], terminated[lane] = following, clock, 0.0, False
            else:
                lanes -= 1
                _move(lanes, lane, weights, state, random)
                job[lane], began[lane], total[lane] = job[lanes], began[lanes], total[lanes]
                terminated[lane] = terminated[lanes]
        due = _earliest(lanes, began) + limit

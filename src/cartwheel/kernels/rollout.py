"""Whole episodes in one call: a slice of a population on a native environment, acting and stepping fused.

A lane is one candidate in one episode, and takes up the next pair as soon as its episode ends. When no pair
is left, the last lane moves into the gap, so that stragglers do not run beside idle lanes.
Level of agreement with `experience.rollouts.GeneralRollout` on the same physics: EXACT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cartwheel.kernels.compile import OBSERVE, RESET, STEP, compiled
from cartwheel.kernels.network import LANES, act, load, move
from cartwheel.kernels.tickets import take

#: Lanes that go together best.
WIDTH = 48

_THETA = types.Array(types.float32, 2, "C", readonly=True)
_F8 = types.Array(types.float64, 2, "C")
_F8_1 = types.Array(types.float64, 1, "C")
_I8 = types.Array(types.int64, 2, "C")
_I8_1 = types.Array(types.int64, 1, "C")
_F8_4 = types.Array(types.float64, 4, "C")
_U8 = types.Array(types.uint64, 2, "C")


@compiled()
def _begin(
    lane: int,
    job: int,
    reset: Any,
    theta: Any,
    sizes: Any,
    weights: Any,
    numbers: Any,
    places: Any,
    seeds: Any,
    state: Any,
    random: Any,
) -> None:
    """Give a lane the job's candidate and episode."""
    load(lane, theta, job // seeds.shape[0], sizes, weights, numbers, places)
    for k in range(4):
        random[lane, k] = seeds[job % seeds.shape[0], k]
    reset(lane, state, random)


@compiled()
def _collect(lanes: int, reward: Any, terminated: Any, total: Any) -> bool:
    """Add the rewards up; whether any lane has terminated."""
    ended = False
    for lane in range(lanes):
        total[lane] += reward[lane]
        ended |= terminated[lane]
    return ended


@compiled()
def _move(source: int, target: int, weights: Any, numbers: Any, state: Any, random: Any, moments: Any) -> None:
    move(source, target, weights, numbers)
    for k in range(state.shape[0]):
        state[k, target] = state[k, source]
    for k in range(4):
        random[target, k] = random[source, k]
    for k in range(moments.shape[1]):
        moments[0, k, target], moments[1, k, target] = moments[0, k, source], moments[1, k, source]


@compiled()
def _note(lanes: int, clock: int, began: Any, layers: Any, moments: Any) -> None:
    """Take the observations into each lane's mean and sum of squared deviations (2, d, L), by Welford's rule."""
    for k in range(moments.shape[1]):
        for lane in range(lanes):
            x = np.float64(layers[0, k, lane])
            difference = x - moments[0, k, lane]
            moments[0, k, lane] += difference / np.float64(clock + 1 - began[lane])
            moments[1, k, lane] += difference * (x - moments[0, k, lane])


@compiled()
def _hand_over(lane: int, candidate: int, episode: int, moments: Any, seen: Any) -> None:
    """Write down what a lane's episode saw, and begin anew."""
    for k in range(moments.shape[1]):
        for which in range(2):
            seen[candidate, episode, which, k] = moments[which, k, lane]
            moments[which, k, lane] = 0.0


@compiled()
def _earliest(lanes: int, began: Any) -> int:
    """When the first of the running episodes began."""
    first = began[0]
    for lane in range(1, lanes):
        first = min(first, began[lane])
    return int(first)


_ROLLOUT: object = types.void(
    *(RESET, STEP, OBSERVE, types.intp, types.intp),
    *(_THETA, _U8, types.intp, _I8_1, _F8, _I8, _F8_4),
    *LANES,
)


@compiled(_ROLLOUT)
def rollout(
    reset: Any,
    step: Any,
    observe: Any,
    state_size: int,
    limit: int,
    theta: Any,
    seeds: Any,
    jobs: int,
    counter: Any,
    returns: Any,
    lengths: Any,
    seen: Any,
    sizes: Any,
    activation: int,
    weights: Any,
    targets: Any,
    rows: Any,
    numbers: Any,
    integers: Any,
    places: Any,
    shift: Any,
    scale: Any,
    groups: Any,
    squashed: bool,
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> None:
    """Fill returns (P, E) and lengths (P, E) for theta (P, n) and the episodes' generators seeds (E, 4).

    A job is a candidate in an episode, candidate * E + episode. Those below `jobs` are done that `counter (1,)` gives
    out; threads that are called with the same one share them. `seen` (P, E, 2, d) gets the mean of the observations
    that each episode acted on, and the sum of their squared deviations, where d is not 0. The rest is `Lanes`.
    """
    width = action.shape[1]
    state = np.zeros((state_size, width))
    random = np.empty((width, 4), np.uint64)
    moments = np.zeros((2, seen.shape[3], width))
    reward, total, terminated = np.zeros(width), np.zeros(width), np.zeros(width, np.bool_)
    job, began = np.zeros(width, np.int64), np.zeros(width, np.int64)
    observation = layers[0]
    lanes = 0
    while lanes < width:
        job[lanes] = take(counter)
        if job[lanes] >= jobs:
            break
        _begin(lanes, job[lanes], reset, theta, sizes, weights, numbers, places, seeds, state, random)
        lanes += 1
    clock, due = 0, limit
    while lanes > 0:
        observe(lanes, state, observation)
        if moments.shape[1] > 0:
            _note(lanes, clock, began, layers, moments)
        act(
            lanes,
            sizes,
            activation,
            weights,
            targets,
            rows,
            numbers,
            integers,
            places,
            shift,
            scale,
            groups,
            squashed,
            low,
            high,
            layers,
            action,
        )
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
            _hand_over(lane, candidate, episode, moments, seen)
            following = take(counter)
            if following < jobs:
                _begin(lane, following, reset, theta, sizes, weights, numbers, places, seeds, state, random)
                job[lane], began[lane], total[lane], terminated[lane] = following, clock, 0.0, False
            else:
                lanes -= 1
                _move(lanes, lane, weights, numbers, state, random, moments)
                job[lane], began[lane], total[lane] = job[lanes], began[lanes], total[lanes]
                terminated[lane] = terminated[lanes]
        due = _earliest(lanes, began) + limit

"""Single steps of a native environment in one call: acting, exploring, stepping and beginning anew, fused.

A lane is one episode after the other, by one vector of parameters. What a lane meets and does depends on no other one.
Level of agreement with `experience.collectors.general` on the same physics: EXACT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cartwheel.kernels.compile import OBSERVE, RESET, STEP, compiled
from cartwheel.kernels.network import BEFORE, LANES, MEMORY, act
from cartwheel.kernels.random import uniform

_F4_2, _F4_3 = types.Array(types.float32, 2, "C"), types.Array(types.float32, 3, "C")
_F8_1, _F8_2 = types.Array(types.float64, 1, "C"), types.Array(types.float64, 2, "C")
_I8_1 = types.Array(types.int64, 1, "C")
_B1_1, _B1_2 = types.Array(types.boolean, 1, "C"), types.Array(types.boolean, 2, "C")
_U8_2, _U8_3 = types.Array(types.uint64, 2, "C"), types.Array(types.uint64, 3, "C")


@compiled(types.void(types.float64, _B1_1, _U8_2, _I8_1, _F8_1, _F8_1, _F4_2))
def explore(epsilon: float, open_: Any, acting: Any, groups: Any, low: Any, high: Any, action: Any) -> None:
    """With the chance epsilon, the action (a, L) of an open lane becomes one drawn from all there are.

    The lane's generator, acting (N, 4), draws one number to decide, and one more for each number of such an action.
    """
    for lane in range(open_.shape[0]):
        if not open_[lane] or uniform(acting[lane], 0.0, 1.0) >= epsilon:
            continue
        for k in range(action.shape[0]):
            if groups.shape[0] > 0:
                action[k, lane] = np.float32(np.floor(uniform(acting[lane], 0.0, np.float64(groups[k]))))
            else:
                action[k, lane] = np.float32(uniform(acting[lane], low[k], high[k]))


@compiled()
def _note(row: Any, column: Any, lane: int) -> None:
    """Write a lane's column of (k, L) into a row (k,)."""
    for k in range(row.shape[0]):
        row[k] = column[k, lane]


@compiled()
def _begin(lane: int, starts: Any, used: Any, reset: Any, state: Any, random: Any, numbers: Any, places: Any) -> None:
    """Have a lane take up its next episode, with an empty memory."""
    for k in range(4):
        random[lane, k] = starts[lane, used[lane], k]
    used[lane] += 1
    reset(lane, state, random)
    if len(places) > 0:
        for k in range(places[MEMORY]):
            numbers[lane, places[BEFORE] + k] = np.float32(0.0)


_SIGNATURE = types.int64(
    *(RESET, STEP, OBSERVE, types.int64, types.int64, _F8_1, types.boolean),
    *(_U8_3, _I8_1, _F8_2, _U8_2, _U8_2, _B1_1, _I8_1, _F8_1),
    *(_F4_3, _F4_3, _F8_2, _F8_2, _B1_2, _F4_3, _F4_3, _I8_1),
    *(_F8_1, _I8_1, _I8_1),
    *LANES,
)


@compiled(_SIGNATURE)
def collect(
    reset: Any,
    step: Any,
    observe: Any,
    limit: int,
    first: int,
    epsilon: Any,
    to_end: bool,
    starts: Any,
    used: Any,
    state: Any,
    random: Any,
    acting: Any,
    open_: Any,
    length: Any,
    total: Any,
    obs: Any,
    done: Any,
    reward: Any,
    discount: Any,
    boundary: Any,
    next_obs: Any,
    memory: Any,
    taken: Any,
    returns: Any,
    lengths: Any,
    ended: Any,
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
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> int:
    """Steps from `first` on, for as many as epsilon (T,) has; the step that it got to.

    It stops early where a lane has used all its episodes' generators, starts (N, Q, 4) from `used (N,)` on, and is to
    be called again with more of them. A lane is its physics' state (S, L) and generator, random (L, 4), one to explore
    by, acting (N, 4), whether its episode is open (N,), that one's length (N,) and total (N,). Rows of obs (T, N, d),
    done (T, N, a), reward, discount and boundary (T, N), next_obs (T, N, d) and memory (T, N, m) or (0, N, 0) are
    filled, and taken (N,); returns and lengths get those of the `ended (1,)` episodes. The rest is `Lanes`.
    """
    lanes, last = obs.shape[1], len(epsilon)
    got, over = np.zeros(action.shape[1]), np.zeros(action.shape[1], np.bool_)
    for lane in range(lanes):
        if not open_[lane] and first == 0:
            _begin(lane, starts, used, reset, state, random, numbers, places)
            open_[lane], length[lane], total[lane] = True, 0, 0.0
    observe(lanes, state, layers[0])
    for t in range(first, last):
        for lane in range(lanes):
            if open_[lane]:
                _note(obs[t, lane], layers[0], lane)
                for k in range(memory.shape[2]):
                    memory[t, lane, k] = numbers[lane, places[BEFORE] + k]
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
            low,
            high,
            layers,
            action,
        )
        explore(epsilon[t], open_, acting, groups, low, high, action)
        step(lanes, state, action, random, got, over)
        observe(lanes, state, layers[0])
        again, resting, dry = False, True, False
        for lane in range(lanes):
            ends = over[lane]
            if open_[lane]:
                length[lane] += 1
                total[lane] += got[lane]
                taken[lane] += 1
                ends = ends or length[lane] >= limit
                _note(done[t, lane], action, lane)
                _note(next_obs[t, lane], layers[0], lane)
                reward[t, lane] = got[lane]
                discount[t, lane] = 0.0 if over[lane] else 1.0
                boundary[t, lane] = ends
                if ends:
                    returns[ended[0]], lengths[ended[0]] = total[lane], length[lane]
                    ended[0] += 1
            if ends and to_end:  # a lane that rests is stepped along with the others, in episodes that nobody sees
                open_[lane] = False
                reset(lane, state, random)
                again = True
            elif ends:
                _begin(lane, starts, used, reset, state, random, numbers, places)
                length[lane], total[lane] = 0, 0.0
                again = True
            resting = resting and not open_[lane]
            dry = dry or used[lane] == starts.shape[1]
        if again:
            observe(lanes, state, layers[0])
        if resting or dry:
            return last if resting else t + 1
    return last

"""Single steps of a native environment in one call: acting, exploring, stepping and beginning anew, fused.

A lane is one episode after the other, by one vector of parameters. What a lane meets and does depends on no other one.
Level of agreement with `experience.collectors.general` on the same physics: EXACT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.exploring import draw, explore
from cartwheel.kernels.network import BEFORE, LANES, MEMORY, decide, forward
from cartwheel.kernels.physics import ADDRESSES, observe_of, reset_of, step_of

_F4_2, _F4_3 = types.Array(types.float32, 2, "C"), types.Array(types.float32, 3, "C")
_F8_1, _F8_2, _F8_3 = (types.Array(types.float64, axes, "C") for axes in (1, 2, 3))
_I8_1 = types.Array(types.int64, 1, "C")
_B1_1, _B1_2 = types.Array(types.boolean, 1, "C"), types.Array(types.boolean, 2, "C")
_U8_2, _U8_3 = types.Array(types.uint64, 2, "C"), types.Array(types.uint64, 3, "C")


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
    *(ADDRESSES, types.int64, types.int64, types.int64, _F8_1, _F8_3, _F8_1, types.boolean),
    *(_U8_3, _I8_1, _F8_2, _U8_2, _U8_2, _B1_1, _I8_1, _F8_1),
    *(_F4_3, _F4_3, _F4_3, _F8_2, _F8_2, _B1_2, _F4_3, _F4_3, _I8_1),
    *(_F8_1, _I8_1, _I8_1),
    *LANES,
)


@compiled(_SIGNATURE)
def collect(
    physics: Any,
    limit: int,
    first: int,
    last: int,
    epsilon: Any,
    noise: Any,
    deviation: Any,
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
    drawn: Any,
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
    squashed: bool,
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> int:
    """Steps of `physics`, as `addresses` tells them, from `first` on, up to `last`; the step that it got to.

    Actions are drawn by noise (T, N, a), those of a Box with deviation (a,), into drawn (T, N, a); without it they are
    greedy but for the chance epsilon (T,). It stops early where a lane has used all its episodes' generators, starts
    (N, Q, 4) from `used (N,)` on, and is to be called again with more of them. A lane is its physics' state (S, L) and
    generator, random (L, 4), one to explore by, acting (N, 4), whether its episode is open (N,), that one's length (N,)
    and total (N,). With `to_end` a lane rests after its episode. Rows of obs (T, N, d), done (T, N, a), reward,
    discount and boundary (T, N), next_obs (T, N, d) and memory (T, N, m) or (0, N, 0) are filled, and taken (N,);
    returns and lengths get those of the `ended (1,)` episodes. The rest is `Lanes`.
    """
    lanes = obs.shape[1]
    reset, step, observe = reset_of(physics), step_of(physics), observe_of(physics)
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
        source = forward(
            lanes, sizes, activation, weights, targets, rows, numbers, integers, places, shift, scale, layers
        )
        if len(noise) > 0:
            draw(open_, noise[t], deviation, layers, source, drawn[t], action, groups, squashed, low, high)
        else:
            decide(lanes, layers, source, groups, squashed, low, high, action)
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
                ends = ends or length[lane] >= limit or (to_end and t == last - 1)
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

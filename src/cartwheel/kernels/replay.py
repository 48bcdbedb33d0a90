"""What is read from a replay memory, in one call each: windows of n steps, sequences, and draws from a sum tree.

Sources: R. Sutton and A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, chapter 7 (n steps);
T. Schaul et al., "Prioritized Experience Replay", 2016, appendix B.2.1 (the sum tree); S. Kapturowski et al.,
"Recurrent Experience Replay in Distributed Reinforcement Learning", 2019, sections 2.3 and 3 (sequences, burn-in).

    G_{t:t+k} = sum_{i < k} gamma^i R_{t+i+1},  bootstrapped by gamma^k    k <= n, as far as the window goes (eq. 7.1)
    node = left + right;  a draw from [0, root) goes left if it is below the left sum, else right with what is left

The memory is a ring of R + 1 rows of N lanes, one row a time step; a transition's number is row * N + lane. At most R
rows are filled. The row after the newest, `head`, is free: only its observations count, which followed the newest row.
So what follows a step is the next row's observation, except after an episode's last step: what truly followed those
stands in `finals`, in the order of rows and lanes. Level of agreement with the plain twins: EXACT.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from cartwheel.kernels.compile import compiled

#: What comes after a step: the next one, another episode because of a time limit, or because the rules ended this one.
GOES_ON, CUT, OVER = 0, 1, 2

_I8, _I8_2 = types.Array(types.int64, 1, "C"), types.Array(types.int64, 2, "C")
_U1_2 = types.Array(types.uint8, 2, "C")
_F4, _F4_2, _F4_3, _F4_4 = (types.Array(types.float32, dimensions, "C") for dimensions in (1, 2, 3, 4))
_F8 = types.Array(types.float64, 1, "C")


class Ring(NamedTuple):
    """The rows of a memory, in the order in which kernels take them.

    `obs (R + 1, N, d)`, `action (R + 1, N, a)`, `reward (R + 1, N)`, `end (R + 1, N)` (`GOES_ON`, `CUT` or `OVER`).
    `earlier (R + 1,)`: how many episodes ended in all rows ever written before this one; the observation after the
    k-th last step ever is `finals[k % F]` of `finals (F, d)`.
    """

    obs: NDArray[np.float32]
    action: NDArray[np.float32]
    reward: NDArray[np.float32]
    end: NDArray[np.uint8]
    earlier: NDArray[np.int64]
    finals: NDArray[np.float32]


_RING = (_F4_3, _F4_3, _F4_2, _U1_2, _I8, _F4_2)


@compiled(merged=True)
def _copy(row: int, lane: int, source: Any, target: Any) -> None:
    """The numbers of one lane in one row."""
    for k in range(target.shape[0]):
        target[k] = source[row, lane, k]


@compiled(merged=True)
def _follow(row: int, lane: int, obs: Any, end: Any, earlier: Any, finals: Any, target: Any) -> None:
    """The observation that truly followed a step."""
    if end[row, lane] == GOES_ON:
        _copy((row + 1) % end.shape[0], lane, obs, target)
        return
    number = earlier[row]
    for other in range(lane):
        if end[row, other] != GOES_ON:
            number += 1
    for k in range(target.shape[0]):
        target[k] = finals[number % finals.shape[0], k]


@compiled(types.void(_I8, types.intp, types.intp, types.float64, *_RING, _F4_2, _F4_2, _F4, _F4, _F4_2))
def windows(
    start: Any,
    head: int,
    n_step: int,
    gamma: float,
    obs: Any,
    action: Any,
    reward: Any,
    end: Any,
    earlier: Any,
    finals: Any,
    seen: Any,
    done: Any,
    total: Any,
    discount: Any,
    followed: Any,
) -> None:
    """Windows of at most `n_step` steps from the transitions `start (K,)` on.

    A window stops after an episode's last step, and at the newest row. Fills seen (K, d) and done (K, a) of its first
    step, total (K,) with G, discount (K,) with gamma^k, or 0 where the rules ended the episode, and followed (K, d)
    with what came after its last step. Sums are made in float64 and rounded once.
    """
    rows, lanes = end.shape
    for k in range(start.shape[0]):
        row, lane = start[k] // lanes, start[k] % lanes
        _copy(row, lane, obs, seen[k])
        _copy(row, lane, action, done[k])
        value, weight = np.float64(reward[row, lane]), gamma
        for _ in range(1, n_step):
            following = (row + 1) % rows
            if end[row, lane] != GOES_ON or following == head:
                break
            row = following
            value += weight * np.float64(reward[row, lane])
            weight *= gamma
        total[k] = value
        discount[k] = 0.0 if end[row, lane] == OVER else weight
        _follow(row, lane, obs, end, earlier, finals, followed[k])


@compiled()
def _warm_up(row: int, lane: int, oldest: int, most: int, end: Any) -> int:
    """How many steps before this one, `most` at most, belong to the same episode and are still there."""
    count = 0
    while count < most and row != oldest:
        row = (row - 1) % end.shape[0]
        if end[row, lane] != GOES_ON:
            break
        count += 1
    return count


@compiled(types.void(_I8_2, *(types.intp,) * 3, *_RING, _F4_3, _F4_4, _F4_4, *(_F4_3,) * 4))
def sequences(
    start: Any,
    oldest: int,
    burn_in: int,
    length: int,
    obs: Any,
    action: Any,
    reward: Any,
    end: Any,
    earlier: Any,
    finals: Any,
    memory: Any,
    seen: Any,
    done: Any,
    gained: Any,
    discount: Any,
    mask: Any,
    remembered: Any,
) -> None:
    """Sequences of `length` steps that count, from the transitions `start (U, B)` on, after those that warm up.

    What warms up are the steps before the first, `burn_in` at most, as far as the episode and the memory
    (R + 1, N, m) go back. A sequence begins at place 0 of seen (U, T + 1, B, d), done (U, T, B, a) and gained,
    discount, mask (U, T, B), T = burn_in + length, and ends with its episode; places behind it stay as they are, which
    is to be 0. remembered (U, B, m) is what the network remembered before its first step.
    """
    rows, lanes = end.shape
    for update in range(start.shape[0]):
        for b in range(start.shape[1]):
            row, lane = start[update, b] // lanes, start[update, b] % lanes
            warm = _warm_up(row, lane, oldest, burn_in, end)
            row = (row - warm) % rows
            _copy(row, lane, memory, remembered[update, b])
            _copy(row, lane, obs, seen[update, 0, b])
            for t in range(warm + length):
                _copy(row, lane, action, done[update, t, b])
                gained[update, t, b] = reward[row, lane]
                discount[update, t, b] = 0.0 if end[row, lane] == OVER else 1.0
                mask[update, t, b] = 1.0 if t >= warm else 0.0
                _follow(row, lane, obs, end, earlier, finals, seen[update, t + 1, b])
                if end[row, lane] != GOES_ON:
                    break
                row = (row + 1) % rows


@compiled(types.void(_I8, _F8, _F8))
def assign(index: Any, value: Any, tree: Any) -> None:
    """Give the leaves `index (K,)` the numbers `value (K,)`, one after the other, and make all sums above them anew.

    `tree (2 P,)`: node 1 is the root, nodes 2 k and 2 k + 1 are below node k, leaf i is node P + i; P is a power of 2.
    Every node is the sum of the two below it, to the bit, whatever came before: nothing drifts.
    """
    leaves = tree.shape[0] // 2
    for k in range(index.shape[0]):
        node = leaves + index[k]
        tree[node] = value[k]
        while node > 1:
            node //= 2
            tree[node] = tree[2 * node] + tree[2 * node + 1]


@compiled(types.void(_F8, _F8, _I8))
def find(value: Any, tree: Any, index: Any) -> None:
    """Fill index (K,) with the leaves in which the numbers `value (K,)` from [0, root) fall.

    The root is not 0. A leaf of 0 is never found, not even where a rounded number lies behind all of its subtree.
    """
    leaves = tree.shape[0] // 2
    for k in range(value.shape[0]):
        node, rest = 1, value[k]
        while node < leaves:
            node *= 2
            if rest >= tree[node] and tree[node + 1] > 0.0:
                rest -= tree[node]
                node += 1
        index[k] = node - leaves

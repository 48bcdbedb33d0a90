"""What followed each step of a stretch, in one call each: discounted and n-step returns, advantages, sums so far.

Sources: R. Sutton and A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, sections 3.3 and 7.1;
J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016 (GAE).

    G_t = r_t + gamma G_{t+1}                                                                   (Sutton, eq. 3.9)
    G_{t:t+n} = r_t + gamma G_{t+1:t+n},  G_{t:t+1} = r_t + gamma V(s_{t+1})                    (eq. 7.1)
    A_t = delta_t + gamma lambda A_{t+1},  delta_t = r_t + gamma V(s_{t+1}) - V(s_t)            (Schulman, eq. 16)
    S_t = gamma S_{t-1} + r_t,  S = 0 before an episode's first step

A stretch is arrays (T, N), time first: `reward`, `discount` (0 where the rules ended the episode, else 1), `boundary`
(the episode was cut here), `values` V of what a step saw and `next_values` V of what truly followed it. At a boundary
and in the last row the recursions stop: `next_values` stands for the rest. All that follows a step is multiplied by
gamma * discount, so that after an end by the rules nothing counts. Level of agreement with the plain twins: EXACT.
"""

from __future__ import annotations

from typing import Any

from numba import types

from cartwheel.kernels.compile import compiled

_F8, _F8_2 = types.Array(types.float64, 1, "C"), types.Array(types.float64, 2, "C")
_B1_2, _FLOAT = types.Array(types.boolean, 2, "C"), types.float64


@compiled(merged=True)
def _goes_on(t: int, lane: int, boundary: Any) -> bool:
    """Whether the next row has the same episode's next step."""
    return t + 1 < boundary.shape[0] and not boundary[t, lane]


@compiled(types.void(_FLOAT, _F8_2, _F8_2, _B1_2, _F8_2, _F8_2))
def discounted(gamma: float, reward: Any, discount: Any, boundary: Any, next_values: Any, found: Any) -> None:
    """Fill found (T, N) with G, to the boundary or the last row, and `next_values` after it."""
    for t in range(reward.shape[0] - 1, -1, -1):
        for lane in range(reward.shape[1]):
            rest = found[t + 1, lane] if _goes_on(t, lane, boundary) else next_values[t, lane]
            found[t, lane] = reward[t, lane] + gamma * discount[t, lane] * rest


@compiled(types.void(types.intp, _FLOAT, _F8_2, _F8_2, _B1_2, _F8_2, _F8_2))
def n_step(n: int, gamma: float, reward: Any, discount: Any, boundary: Any, next_values: Any, found: Any) -> None:
    """Fill found (T, N) with G of n steps, of fewer where a boundary or the last row comes first."""
    for t in range(reward.shape[0]):
        for lane in range(reward.shape[1]):
            last = t
            while last + 1 < t + n and _goes_on(last, lane, boundary):
                last += 1
            rest = next_values[last, lane]
            for k in range(last, t - 1, -1):
                rest = reward[k, lane] + gamma * discount[k, lane] * rest
            found[t, lane] = rest


@compiled(types.void(_FLOAT, _FLOAT, *(_F8_2,) * 2, _B1_2, *(_F8_2,) * 3))
def advantages(
    gamma: float, lam: float, reward: Any, discount: Any, boundary: Any, values: Any, next_values: Any, found: Any
) -> None:
    """Fill found (T, N) with A; the sum over lambda stops at a boundary and at the last row."""
    for t in range(reward.shape[0] - 1, -1, -1):
        for lane in range(reward.shape[1]):
            follows = gamma * discount[t, lane]
            delta = reward[t, lane] + follows * next_values[t, lane] - values[t, lane]
            rest = found[t + 1, lane] if _goes_on(t, lane, boundary) else 0.0
            found[t, lane] = delta + follows * lam * rest


@compiled(types.void(_FLOAT, _F8_2, _B1_2, _F8, _F8_2))
def so_far(gamma: float, reward: Any, boundary: Any, sums: Any, found: Any) -> None:
    """Fill found (T, N) with S after each step; sums (N,) are what S goes on from, here and in the next stretch."""
    for t in range(reward.shape[0]):
        for lane in range(reward.shape[1]):
            total = gamma * sums[lane] + reward[t, lane]
            found[t, lane] = total
            sums[lane] = 0.0 if boundary[t, lane] else total

"""What is drawn from a replay memory: arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Windows of n steps, K = updates * batch of them, one update's after the other's.

    `obs (K, d)` and `action (K, a)` of the first step, `reward (K,)` the discounted sum of the window's rewards,
    `discount (K,)` what the value of `next_obs (K, d)` is multiplied by: gamma^k after k steps, 0 where the rules ended
    the episode. `weight (K,)` makes up for the chances by which they were drawn. `index (K,)` are their numbers, for
    `Replay.update`; they hold until more is added.
    """

    obs: Floats
    action: Floats
    reward: Floats
    discount: Floats
    next_obs: Floats
    weight: Floats
    index: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Steps that follow on each other, U updates of B sequences of at most T = burn_in + length steps, time first.

    `memory (U, B, m)` before the first step, `obs (U, T + 1, B, d)` with what followed the last one, `action
    (U, T, B, a)`, `reward`, `discount` (0 where the rules ended the episode, else 1) and `mask (U, T, B)`, 1 where a
    step counts.
    """

    memory: Floats
    obs: Floats
    action: Floats
    reward: Floats
    discount: Floats
    mask: Floats

"""Repeat-previous with one deck and k = 4, compiled: the suit of the card three steps ago is to be named.

Source: `envs/repeat_previous.py`. State: the cards of each suit that are left (rows 0 to 3), how many are dealt (4),
and the last four suits, the newest first (5 to 8).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels import OBSERVE, RESET, STEP, compiled, uniform

K = 4
CARDS = 52.0
PER_SUIT = 13.0
SCALE = 1 / (CARDS - K)
DEALT, NEWEST = 4, 5  # rows
OLDEST = NEWEST + K - 1


@compiled()
def _deal(lane: int, state: Any, generators: Any) -> None:
    """Draw a suit, each card that is left being as likely, and note it as the newest."""
    place = uniform(generators[lane], 0.0, CARDS - state[DEALT, lane])
    suit, below = 0, state[0, lane]
    while suit < 3 and place >= below:
        suit += 1
        below += state[suit, lane]
    state[suit, lane] -= 1.0
    state[DEALT, lane] += 1.0
    for row in range(OLDEST, NEWEST, -1):
        state[row, lane] = state[row - 1, lane]
    state[NEWEST, lane] = suit


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """All cards back, and the first one dealt."""
    for suit in range(4):
        state[suit, lane] = PER_SUIT
    for row in range(DEALT, OLDEST + 1):
        state[row, lane] = 0.0
    _deal(lane, state, generators)


@compiled(STEP)
def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
    """Judge the suit that was named, and deal the next card."""
    for i in range(lanes):
        reward[i] = 0.0
        if state[DEALT, i] >= K:
            reward[i] = SCALE if action[0, i] == state[OLDEST, i] else -SCALE
        _deal(i, state, generators)
        terminated[i] = state[DEALT, i] == CARDS


@compiled(OBSERVE)
def observe(lanes: int, state: Any, observation: Any) -> None:
    """The suit of the newest card, one-hot."""
    for suit in range(4):
        for i in range(lanes):
            observation[suit, i] = np.float32(1.0 if state[NEWEST, i] == suit else 0.0)


NATIVE = NativeEnvironment(
    ids=("cartwheel/RepeatPrevious-v0",),
    entry_point="cartwheel.envs.repeat_previous:RepeatPrevious",
    state_size=9,
    reset=reset,
    step=step,
    observe=observe,
    state_of=lambda environment: (*environment.unwrapped.left, len(environment.unwrapped.dealt)),
)

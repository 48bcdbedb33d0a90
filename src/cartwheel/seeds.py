"""Seeds are paths: every random number follows from (seed, purpose, path), whoever draws it and when.

No generator is ever advanced from one generation to the next, so that nothing has to be carried over when a run is
resumed, and no result depends on how many workers there were.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

# Test episodes are the same for all runs and algorithms: their path names no run.
_TEST_ROOT = 20_000


class Purpose(IntEnum):
    """What a random number is for: the first step of its path."""

    INITIAL = 0
    VARIATION = 1
    TRAINING = 2
    VALIDATION = 3
    TEST = 4
    CHECK = 5
    ACTION = 6
    DISPLAY = 7
    LEARNING = 8


def generator(seed: int, purpose: Purpose, *path: int) -> np.random.Generator:
    """A generator for this path, at its beginning."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, *path)))


def episode_seeds(seed: int, purpose: Purpose, *path: int, count: int) -> NDArray[np.int64]:
    """`count` seeds `(count,)` for `env.reset(seed=...)`, below 2**31 as some environments want it.

    The first k of them do not depend on `count`.
    """
    words = _sequence(seed, purpose, *path).generate_state(count, np.uint32)
    return (words >> 1).astype(np.int64)


def _sequence(seed: int, purpose: Purpose, *path: int) -> np.random.SeedSequence:
    root = _TEST_ROOT if purpose is Purpose.TEST else seed
    return np.random.SeedSequence(root, spawn_key=(int(purpose), *path))

"""Gymnasium's spaces as Cartwheel's."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from cartwheel import spaces
from cartwheel.errors import UsageError, one_line


def describe_space(space: Any, role: str) -> spaces.Space:
    """Gymnasium's `space` as plain data; UsageError, naming the space, for one that can't be flattened."""
    kinds = gymnasium.spaces
    match space:
        case kinds.Box() if space.dtype is not None:
            # Where an integer has no bound, Gymnasium notes the largest integer.
            low = np.where(space.bounded_below, space.low, -np.inf).ravel()
            high = np.where(space.bounded_above, space.high, np.inf).ravel()
            return spaces.Box(tuple(space.shape), tuple(low.tolist()), tuple(high.tolist()), str(np.dtype(space.dtype)))
        case kinds.Discrete():
            return spaces.Discrete(int(space.n), int(space.start))
        case kinds.MultiDiscrete():
            nvec, start = (tuple(int(x) for x in np.ravel(numbers)) for numbers in (space.nvec, space.start))
            return spaces.MultiDiscrete(tuple(space.shape), nvec, start)
        case kinds.MultiBinary():
            return spaces.MultiBinary(tuple(space.shape))
        case kinds.Tuple():
            return spaces.Tuple(tuple(describe_space(part, role) for part in space.spaces))
        case kinds.Dict():
            keys = tuple(space.spaces)
            if not all(isinstance(key, str) for key in keys):
                raise UsageError(f"can't handle the {role} space {one_line(space)}: its keys have to be texts")
            return spaces.Dict(keys, tuple(describe_space(part, role) for part in space.spaces.values()))
        case _:
            raise UsageError(
                f"can't handle the {role} space {one_line(space)}: expected Box, Discrete, MultiDiscrete, MultiBinary, "
                "or Tuple and Dict of these; a wrapper can turn it into one of them"
            )

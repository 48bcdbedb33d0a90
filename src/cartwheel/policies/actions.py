"""From a network's outputs to actions: what each action space wants of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.nn.flat import Array
from cartwheel.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space


@dataclass(frozen=True)
class ActionHead:
    """How outputs become an action, as numbers that kernels can read too.

    Discrete spaces: `groups` are the numbers of choices, and each group of outputs gives the index of its largest
    (MultiBinary: one group of two for each bit). Box: `groups` is empty, and each output y becomes a number within its
    bounds, `squashed`, low + (high - low) (tanh(y) + 1) / 2, or not, low + (high - low) (y + 1) / 2 and then clipped;
    where there are no bounds on both sides, y itself is clipped to what there is. Either way an action is a column of
    numbers `(size,)`, and `to_action` makes of it what the environment expects.
    """

    space: Space
    groups: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    squashed: bool = True

    @property
    def outputs(self) -> int:
        """How many outputs the network needs."""
        return sum(self.groups) or len(self.low)

    @property
    def size(self) -> int:
        """How many numbers make an action."""
        return len(self.groups) or len(self.low)

    def decide(self, outputs: Array) -> NDArray[np.float32]:
        """Greedy actions `(..., size)` for `outputs (..., o)`: the largest of each group (the first, at ties)."""
        if not self.groups:
            return self.bounded(outputs)
        parts = np.split(outputs, np.cumsum(self.groups)[:-1], axis=-1)
        return np.stack([part.argmax(axis=-1) for part in parts], axis=-1).astype(np.float32)

    def bounded(self, numbers: Array) -> NDArray[np.float32]:
        """Actions `(..., size)` of a Box by outputs, or by what was drawn about them."""
        low, high, y = np.asarray(self.low), np.asarray(self.high), numbers.astype(np.float64)
        if self.squashed:
            squashed: Array = low + (high - low) * (0.5 * (np.tanh(y) + 1.0))
            return squashed.astype(np.float32)
        both = np.isfinite(low) & np.isfinite(high)
        first, width = np.where(both, low, 0.0), np.where(both, high, 0.0) - np.where(both, low, 0.0)
        clipped: Array = np.clip(np.where(both, first + width * (0.5 * (y + 1.0)), y), low, high)
        return clipped.astype(np.float32)

    def sample(self, outputs: Array, rng: np.random.Generator, log_std: Array | None = None) -> NDArray[np.float32]:
        """Actions drawn for `outputs (..., o)`: from the softmax of each group, by the Gumbel-max rule; for a Box from
        normal distributions about the outputs, of the deviations exp(log_std) `(o,)`.

        UsageError for a squashed Box: its outputs are no distribution.
        """
        if self.groups:
            return self.decide(outputs + rng.gumbel(size=outputs.shape))
        if log_std is None or self.squashed:
            raise UsageError("this policy has no distribution to sample from: its actions are continuous; act greedily")
        return self.bounded(outputs + np.exp(log_std) * rng.standard_normal(outputs.shape))

    def to_action(self, column: NDArray[np.float32]) -> Any:
        """What the environment expects for one action `(size,)`: a NumPy integer, or an array of the space's shape."""
        match self.space:
            case Discrete():
                return np.int64(column[0]) + self.space.start
            case MultiDiscrete():
                return (column.astype(np.int64) + np.asarray(self.space.start)).reshape(self.space.shape)
            case MultiBinary():
                return column.astype(np.int8).reshape(self.space.shape)
            case Box():
                return self._box(column)
            case _:
                raise AssertionError(self.space)  # action_head() made sure of it

    def to_actions(self, columns: NDArray[np.float32]) -> list[Any]:
        """What the environments expect for actions `(size, N)`, one a lane."""
        if isinstance(self.space, Discrete):  # the common case, at a tenth of the cost
            # NumPy's integers: Gymnasium's own check of an action takes half as long as for Python's
            return list(columns[0].astype(np.int64) + self.space.start)
        return [self.to_action(column) for column in columns.T]

    def _box(self, column: NDArray[np.float32]) -> Array:
        """Rounding to float32 may overstep a bound by half a unit: clipped in the space's own type."""
        space = self.space
        assert isinstance(space, Box)
        if np.dtype(space.dtype).kind in "iu":
            return _whole(column, space)
        low, high = (np.asarray(bound, space.dtype) for bound in (space.low, space.high))
        action: Array = np.clip(column.astype(space.dtype), low, high).reshape(space.shape)
        return action


def _whole(column: NDArray[np.float32], space: Box) -> Array:
    """Whole numbers, clipped as Python's, which do not wrap around: a float may be rounded beyond the type's range."""
    limits = np.iinfo(space.dtype)
    numbers = []
    for number, low, high in zip(column, space.low, space.high, strict=True):
        least = limits.min if low == -math.inf else max(math.ceil(low), limits.min)
        most = limits.max if high == math.inf else min(math.floor(high), limits.max)
        numbers.append(min(max(round(float(number)), least), most))
    return np.array(numbers, space.dtype).reshape(space.shape)


def action_head(space: Space, squashed: bool = True) -> ActionHead:
    """The head for an action space; UsageError for one that no rule covers."""
    match space:
        case Discrete():
            return ActionHead(space, (space.n,), (), ())
        case MultiDiscrete() if space.nvec:
            return ActionHead(space, space.nvec, (), ())
        case MultiBinary() if math.prod(space.shape):
            return ActionHead(space, (2,) * math.prod(space.shape), (), ())
        case Box() if squashed and not np.isfinite([*space.low, *space.high]).all():
            raise UsageError(
                "an action space Box without finite bounds can't be squashed; "
                "give the environment bounds (gymnasium.wrappers.RescaleAction does it)"
            )
        case Box() if space.low and space.dtype != "bool":
            return ActionHead(space, (), space.low, space.high, squashed)
        case _:
            raise UsageError(
                f"can't act in the space {space}: expected Discrete, MultiDiscrete, MultiBinary or a Box of numbers"
            )

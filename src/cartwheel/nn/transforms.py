"""What a data set does to each example: callables of an array. Several are joined by `Compose`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array


class Compose:
    """One transform after the other; none leaves the example as it is."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]] = ()) -> None:
        self.transforms = list(transforms)

    def __call__(self, x: Any) -> Any:
        """The example, transformed."""
        for transform in self.transforms:
            x = transform(x)
        return x


class Normalize:
    """(x - mean) / std, with a number for all, or one for each entry (channel) of the first axis.

    Floats keep their type. ValueError for a std of 0, or a number of means that is neither 1 nor the axis's length.
    """

    def __init__(self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0) -> None:
        if not np.all(np.asarray(std)):
            raise ValueError(f"expected a std that is not 0, got {std}")
        self.mean, self.std = mean, std

    def __call__(self, array: Array) -> Array:
        """The array, transformed."""
        return (array - _per_channel(self.mean, array)) / _per_channel(self.std, array)


def _per_channel(values: Any, array: Array) -> Array:
    dtype = array.dtype if array.dtype.kind == "f" else np.float64
    result = np.asarray(values, dtype)
    if result.ndim == 0:
        return result
    if array.ndim == 0 or result.size not in (1, len(array)):
        raise ValueError(f"expected 1 or {len(array) if array.ndim else 1} numbers to normalise by, got {result.size}")
    return result.reshape(-1, *[1] * (array.ndim - 1))


class Flatten:
    """All numbers of the example in one axis."""

    def __call__(self, array: Array) -> Array:
        """The array, transformed."""
        return array.reshape(-1)


class AsType:
    """The example in another type."""

    def __init__(self, dtype: Any = np.float32) -> None:
        self.dtype = dtype

    def __call__(self, array: Array) -> Array:
        """The array, transformed."""
        return array.astype(self.dtype)


ToFloat = AsType


class ToInt(AsType):
    """The example as whole numbers."""

    def __init__(self, dtype: Any = np.int64) -> None:
        super().__init__(dtype)

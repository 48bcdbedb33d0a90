"""Other numbers of the same kind: what a step is run with once more, to see whether its course depends on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.nn.array import Array

#: How many updates a step is taken to have made already when it is run with other numbers.
LATER = 1_000_003

#: Floats that are whole numbers up to this one are taken for counts or names, and stay whole.
_WHOLE = 1e9


def other(array: Array, rng: Any) -> Array:
    """Truly other numbers in the range of these: another sum, largest and count, where there can be one.

    So what was positive is so still, and an index is one still. From 0 alone floats go away, and integers don't.
    """
    if array.size == 0:
        return array.copy()
    if array.dtype.kind == "b":
        return _truth_values(array, rng)
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    if array.dtype.kind == "f" and (low == high or max(-low, high) > _WHOLE or (finite != np.rint(finite)).any()):
        share = rng.uniform(0.1, 0.9, array.shape)
        found = share * (high or 1.0) if low == high else share * low + (1.0 - share) * high
    else:
        found = _integers(array, int(low), int(high), rng)
    return np.array(found, array.dtype, order="C")


def nearby(array: Array, rng: Any) -> Array:
    """Other floats, each of the same sign and somewhat smaller; a little above 0 in the place of 0.

    Other integers as `other`. Truth values change places: as an index their count is a matter of shape.
    """
    if array.dtype.kind == "b":
        return np.roll(array.ravel(), 1).reshape(array.shape)
    if array.dtype.kind in "iu":
        return other(array, rng)
    shares = np.resize(rng.uniform(0.5, 0.99, 257).astype(array.dtype), array.shape)  # enough of them, and quickly
    return np.where(array == 0, 0.01 * shares, array * shares)


def _integers(array: Array, low: int, high: int, rng: Any) -> Array:
    """Below the largest of several, nearer to 0 in the place of a single one."""
    low, high = (low, high - 1) if low < high else (0, low - 1) if low > 0 else (min(low + 1, 0), 0)
    return rng.integers(low, high, array.shape, array.dtype if array.dtype.kind in "iu" else np.int64, endpoint=True)


def _truth_values(array: Array, rng: Any) -> Array:
    """With another count of those that are true, one at least where there are several."""
    count = int(np.count_nonzero(array))
    if array.size == 1:
        return ~array
    count = count // 2 if count > 1 else array.size // 2 + 1 if array.size > 2 or count == 1 else 1
    found = np.arange(array.size) < count
    return np.array(rng.permutation(found).reshape(array.shape))

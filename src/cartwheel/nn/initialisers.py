"""What weights begin with: functions `(rng, shape, dtype) -> array`.

The *fan* of a dense weight (d, o) is d inputs and o outputs; that of a convolution (OC, C, KH, KW) is C * KH * KW
inputs and OC * KH * KW outputs. `rng` is NumPy's Generator or RandomState.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array

#: `(rng, shape, dtype) -> array`.
Initialiser = Callable[[Any, Sequence[int], Any], Array]


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs an output of this weight has, and outputs an input. ValueError for fewer than two axes."""
    if len(shape) < 2:
        raise ValueError(f"expected the shape of a weight, (d, o) or (OC, C, KH, KW), got {tuple(shape)}")
    if len(shape) == 2:
        return shape[0], shape[1]
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def zeros(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Array:
    """Zeros."""
    return np.zeros(shape, dtype)


def normal(rng: Any, shape: Sequence[int], dtype: Any = np.float32, scale: float = 1.0) -> Array:
    """~ N(0, scale^2)."""
    return (rng.standard_normal(tuple(shape)) * scale).astype(dtype)


def lecun(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Array:
    """~ N(0, 1 / inputs): keeps the variance through a linear layer (LeCun et al. 1998, Efficient BackProp, eq. 16)."""
    return normal(rng, shape, dtype, math.sqrt(1 / max(fans(shape)[0], 1)))


def glorot(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Array:
    """~ U(-a, a), a = sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010, eq. 16)."""
    bound = math.sqrt(6 / max(sum(fans(shape)), 1))
    return rng.uniform(-bound, bound, tuple(shape)).astype(dtype)


def he(rng: Any, shape: Sequence[int], dtype: Any = np.float32) -> Array:
    """~ N(0, 2 / inputs): keeps the variance through a rectified layer (He et al. 2015, eq. 10)."""
    return normal(rng, shape, dtype, math.sqrt(2 / max(fans(shape)[0], 1)))


def orthogonal(rng: Any, shape: Sequence[int], dtype: Any = np.float32, gain: float = 1.0) -> Array:
    """A random orthogonal matrix, times `gain`: of the shape's first axis by all others (Saxe et al. 2014, section 3).

    Where the matrix isn't square, the shorter of its rows and columns are orthonormal.
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the choice unique, and so uniform (Mezzadri 2007)
    matrix = q if rows >= columns else q.T
    return np.ascontiguousarray(gain * matrix).reshape(shape).astype(dtype)

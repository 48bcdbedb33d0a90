"""One vector: a network is an architecture plus one flat vector `theta` of n numbers, a population a matrix `(P, n)`.

`Layout` says which part of the vector is which array. `dense_forward` is the multi-layer perceptron on such a vector,
the same for `(n,)` on `(B, d)` and for `(P, n)` on `(P, B, d)`. It is the plain twin of the compiled kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """Ordered names and shapes of the arrays inside a vector."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.shapes) or len(set(self.names)) != len(self.names):
            raise ValueError("a layout wants one shape for each name, and each name once")

    @cached_property
    def size(self) -> int:
        """n, the length of the vector."""
        return self.offsets[-1]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each array begins, and at the end where the last one ends."""
        return (0, *accumulate(math.prod(shape) for shape in self.shapes))

    def unpack(self, theta: Array) -> dict[str, Array]:
        """The arrays in `theta (..., n)`, each `(..., *shape)`: views wherever NumPy can make them."""
        self._check(theta)
        lead = theta.shape[:-1]
        return {
            name: theta[..., start:end].reshape(*lead, *shape)
            for name, shape, (start, end) in zip(self.names, self.shapes, pairwise(self.offsets), strict=True)
        }

    def pack(self, arrays: Mapping[str, Array]) -> Array:
        """The vector `(..., n)` of these arrays `(..., *shape)`: a copy; the inverse of `unpack`."""
        if set(arrays) != set(self.names):
            raise ValueError(f"expected arrays named {', '.join(self.names)}; got {', '.join(arrays)}")
        parts = []
        for name, shape in zip(self.names, self.shapes, strict=True):
            array = np.asarray(arrays[name])
            lead = array.shape[: array.ndim - len(shape)]
            if array.shape != (*lead, *shape):
                raise ValueError(f"{name}: expected shape (..., {', '.join(map(str, shape))}), got {array.shape}")
            parts.append(array.reshape(*lead, math.prod(shape)))
        return np.concatenate(parts, axis=-1)

    def _check(self, theta: Array) -> None:
        if theta.ndim == 0 or theta.shape[-1] != self.size:
            raise ValueError(f"expected a vector (..., {self.size}), got shape {theta.shape}")


def _identity(x: Array) -> Array:
    return x


def _relu(x: Array) -> Array:
    positive: Array = np.maximum(x, x.dtype.type(0))
    return positive


# The order is part of the files' and kernels' vocabulary: a kernel knows an activation by its place here.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"identity": _identity, "relu": _relu, "tanh": np.tanh}


def dense_layout(sizes: Sequence[int]) -> Layout:
    """The layout of a multi-layer perceptron with these unit counts: W1 (d, h), b1 (h,), W2 (h, o), b2 (o,), ..."""
    names: list[str] = []
    shapes: list[tuple[int, ...]] = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        names += [f"W{number}", f"b{number}"]
        shapes += [(inputs, outputs), (outputs,)]
    return Layout(tuple(names), tuple(shapes))


def dense_forward(theta: Array, x: Array, layout: Layout, activation: str) -> Array:
    """The perceptron's outputs `(..., B, o)` for `theta (..., n)` and `x (..., B, d)`; no activation on the last layer.

    Each sum runs over the inputs in order, then the bias is added: a row's result is the same to the bit whatever
    stands beside it, which a BLAS product does not promise.
    """
    arrays = layout.unpack(theta)
    if x.shape[-1] != layout.shapes[0][0]:
        raise ValueError(f"expected inputs (..., {layout.shapes[0][0]}), got shape {x.shape}")
    function = ACTIVATIONS[activation]
    layers = len(layout.names) // 2
    for number in range(1, layers + 1):
        weight, bias = arrays[f"W{number}"], arrays[f"b{number}"]  # (..., d, h), (..., h)
        products = x[..., :, None] * weight[..., None, :, :]  # (..., B, d, h)
        # accumulate, since reduce may sum pairwise
        x = np.add.accumulate(products, axis=-2)[..., -1, :] + bias[..., None, :]  # (..., B, h)
        if number < layers:
            x = function(x)
    return x

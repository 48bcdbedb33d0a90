"""The sum and the largest of many numbers, with partial results held in registers: written in LLVM's vectors.

Numba keeps the order of additions, and so adds one number after the other. Here the order is one that vectors can
follow, and depends on nothing but how many numbers there are. With compilation off, NumPy goes in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_BYTES = 64  # of a vector
_VECTORS = 4  # of partial results


def _added(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


def _larger(builder: Any, a: Any, b: Any) -> Any:
    """b where it is larger than a: what is not a number is passed over."""
    return builder.select(builder.fcmp_ordered(">", b, a), b, a)


def in_order(x: Any, combine: Callable[[Any, Any], Any], start: float) -> Any:
    """What all of x (n,) combines to, beginning with `start`."""
    lanes = _BYTES // x.itemsize
    whole = len(x) // (_VECTORS * lanes) * _VECTORS * lanes
    partial = np.full((_VECTORS, lanes), start, x.dtype)
    for rows in x[:whole].reshape(-1, _VECTORS, lanes):
        partial = combine(partial, rows)
    vectors = len(x) // lanes * lanes
    for row in x[whole:vectors].reshape(-1, lanes):
        partial[0] = combine(partial[0], row)
    found = combine(combine(partial[0], partial[1]), combine(partial[2], partial[3]))
    while len(found) > 1:
        half = len(found) // 2
        found = combine(found[:half], found[half:])
    for value in x[vectors:]:
        found = combine(found, value)
    return x.dtype.type(found.item())


def total(x: Any) -> Any:
    """The sum of x (n,)."""
    return in_order(x, np.add, 0.0)


def largest(x: Any) -> Any:
    """The largest of x (n,), -infinity for none; NaN is passed over."""
    return in_order(x, lambda a, b: np.where(b > a, b, a), -np.inf)


def typed(combine: Callable[[Any, Any, Any], Any], start: float) -> Any:
    """The same for Numba: its signature, and what generates its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = make_array(signature.args[0])(context, builder, arguments[0])
        (length,) = cgutils.unpack_tuple(builder, x.shape)
        return _Loop(builder, combine, x.data, length, start).generate()

    return lambda typing_context, x: (x.dtype(x), generate)


class _Loop:
    """The code for one array."""

    def __init__(self, builder: Any, combine: Callable[..., Any], data: Any, length: Any, start: float) -> None:
        number = data.type.pointee
        self.builder, self.combine, self.data, self.length = builder, combine, data, length
        self.itemsize = 4 if isinstance(number, ir.FloatType) else 8
        self.lanes = _BYTES // self.itemsize
        self.vector = ir.VectorType(number, self.lanes)
        self.start = ir.Constant(self.vector, [start] * self.lanes)

    def generate(self) -> Any:
        """All of it; gives the result."""
        builder, count = self.builder, self.length.type
        partial = [cgutils.alloca_once_value(builder, self.start) for _ in range(_VECTORS)]
        whole = builder.udiv(self.length, count(_VECTORS * self.lanes))
        vectors = builder.udiv(self.length, count(self.lanes))
        with cgutils.for_range(builder, whole) as loop:
            first = builder.mul(loop.index, count(_VECTORS))
            for k, one in enumerate(partial):
                self._take(one, self._load(builder.add(first, count(k))))
        with cgutils.for_range_slice(builder, builder.mul(whole, count(_VECTORS)), vectors, count(1)) as (k, _):
            self._take(partial[0], self._load(k))
        result = cgutils.alloca_once_value(builder, self._across([builder.load(one) for one in partial]))
        rest = builder.mul(vectors, count(self.lanes))
        with cgutils.for_range_slice(builder, rest, self.length, count(1)) as (k, _):
            self._take(result, builder.load(builder.gep(self.data, [k])))
        return builder.load(result)

    def _take(self, place: Any, value: Any) -> None:
        self.builder.store(self.combine(self.builder, self.builder.load(place), value), place)

    def _load(self, number: Any) -> Any:
        offset = self.builder.mul(number, number.type(self.lanes))
        place = self.builder.bitcast(self.builder.gep(self.data, [offset]), self.vector.as_pointer())
        value = self.builder.load(place)
        value.align = self.itemsize  # NumPy promises no more
        return value

    def _across(self, vectors: list[Any]) -> Any:
        """What all lanes combine to: halves with halves."""
        builder, combine = self.builder, self.combine
        found = combine(builder, combine(builder, *vectors[:2]), combine(builder, *vectors[2:]))
        while found.type.count > 1:
            found = combine(builder, *(self._half(found, first) for first in (0, found.type.count // 2)))
        return builder.extract_element(found, ir.IntType(32)(0))

    def _half(self, vector: Any, first: int) -> Any:
        count = vector.type.count // 2
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(first, first + count)))
        return self.builder.shuffle_vector(vector, vector, lanes)


if not numba.config.DISABLE_JIT:
    total = intrinsic(typed(_added, 0.0))
    largest = intrinsic(typed(_larger, -np.inf))

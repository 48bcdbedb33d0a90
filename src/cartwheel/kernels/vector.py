"""Sixteen sums of products at once: the loop that acting spends its time in, written in LLVM's vectors.

Numba's own vectoriser has to suppose that the arrays overlap, and so stores and loads each partial sum; here it stays
in a register, which is five times faster for a network of control size. With compilation off, NumPy does the same.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

#: Lanes that go together. Arrays over lanes have a multiple of it as their width.
BLOCK = 16


def affine(
    weights: Any,
    first: int,
    layers: Any,
    source: int,
    inputs: int,
    lane: int,
    target: int,
    row: int,
    rectified: bool,
) -> None:
    """One unit of a layer at BLOCK lanes, for weights (n, L) and layers (2, h, L).

    layers[target, row] = sum over i < inputs of weights[first + i] * layers[source, i], in the order of i and rounded
    each time, then + weights[first + inputs]; `rectified` makes 0 of what is negative.
    """
    lanes = slice(lane, lane + BLOCK)
    total = np.zeros(BLOCK, np.float32)
    for i in range(inputs):
        total += weights[first + i, lanes] * layers[source, i, lanes]
    total += weights[first + inputs, lanes]
    layers[target, row, lanes] = np.maximum(total, np.float32(0.0)) if rectified else total


def _typed_affine(
    typing_context: Any,
    weights: Any,
    first: Any,
    layers: Any,
    source: Any,
    inputs: Any,
    lane: Any,
    target: Any,
    row: Any,
    rectified: Any,
) -> Any:
    """`affine` for Numba: its signature, and what generates its code."""
    n = types.intp
    return types.void(weights, n, layers, n, n, n, n, n, types.boolean), _generate_affine


def _generate_affine(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    weights, first, layers, source, inputs, lane, target, row, rectified = arguments
    weights = make_array(signature.args[0])(context, builder, weights)
    layers = make_array(signature.args[2])(context, builder, layers)
    _, height, width = cgutils.unpack_tuple(builder, layers.shape)
    vector = ir.VectorType(ir.FloatType(), BLOCK)
    zero = ir.Constant(vector, [0.0] * BLOCK)

    def place(array: Any, row: Any) -> Any:
        offset = builder.add(builder.mul(row, width), lane)
        return builder.bitcast(builder.gep(array.data, [offset]), vector.as_pointer())

    def load(array: Any, row: Any) -> Any:
        value = builder.load(place(array, row))
        value.align = 4  # NumPy promises no more
        return value

    def weight(i: Any) -> Any:
        return load(weights, builder.add(first, i))

    start = builder.mul(source, height)
    total = cgutils.alloca_once_value(builder, zero)
    with cgutils.for_range(builder, inputs) as loop:
        product = builder.fmul(weight(loop.index), load(layers, builder.add(start, loop.index)))
        builder.store(builder.fadd(builder.load(total), product), total)
    result = builder.fadd(builder.load(total), weight(inputs))
    positive = builder.select(builder.fcmp_ordered(">", result, zero), result, zero)
    stored = builder.store(
        builder.select(rectified, positive, result),
        place(layers, builder.add(builder.mul(target, height), row)),
    )
    stored.align = 4
    return context.get_dummy_value()


if not numba.config.DISABLE_JIT:
    affine = intrinsic(_typed_affine)

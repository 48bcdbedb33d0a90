"""Sixteen sums of products at once: the loops that acting spends its time in, written in LLVM's vectors.

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


# --- by units --------------------------------------------------------------------------------------------------------

#: Lanes whose units are made together: while one sum waits for its last addition, the others go on.
TOGETHER = 4
#: How many units of a lane can be made at once.
WIDTHS = (64, 32, 16, 8, 4)
# So many sums of BLOCK units at once: they are held in registers.
_SUMS = 8


def units(
    numbers: Any,
    lane: int,
    width: int,
    first: int,
    step: int,
    source: int,
    inputs: int,
    target: int,
    rectified: bool,
) -> None:
    """`width` units of a layer, one of WIDTHS, in each of the rows from `lane` to `lane + TOGETHER` of numbers (L, S).

    In such a row, numbers[target + j] = sum over i < inputs of numbers[first + i * step + j] * numbers[source + i], in
    the order of i and rounded each time, then + numbers[first + inputs * step + j]; `rectified` makes 0 of what is
    negative.
    """
    for row in numbers[lane : lane + TOGETHER]:
        total = np.zeros(width, np.float32)
        for i in range(inputs):
            total += row[first + i * step :][:width] * row[source + i]
        total += row[first + inputs * step :][:width]
        row[target : target + width] = np.maximum(total, np.float32(0.0)) if rectified else total


def _typed_units(
    typing_context: Any,
    numbers: Any,
    lane: Any,
    width: Any,
    first: Any,
    step: Any,
    source: Any,
    inputs: Any,
    target: Any,
    rectified: Any,
) -> Any:
    """`units` for Numba: its signature, and what generates its code."""
    n = types.intp
    return types.void(numbers, n, n, n, n, n, n, n, types.boolean), _generate_units


def _generate_units(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """For each width code of its own; the widest takes a part of the rows after the other."""
    numbers, lane, width, *words = arguments
    numbers = make_array(signature.args[0])(context, builder, numbers)
    _, length = cgutils.unpack_tuple(builder, numbers.shape)
    rows = [builder.mul(builder.add(lane, lane.type(number)), length) for number in range(TOGETHER)]
    rows = [builder.gep(numbers.data, [row]) for row in rows]
    done = builder.append_basic_block()
    switch = builder.switch(width, done)
    for case in WIDTHS:
        block = builder.append_basic_block()
        switch.add_case(width.type(case), block)
        builder.position_at_end(block)
        at_once = min(TOGETHER, _SUMS * BLOCK // case)
        for start in range(0, TOGETHER, at_once):
            _generate_width(builder, rows[start : start + at_once], case, words)
        builder.branch(done)
    builder.position_at_end(done)
    return context.get_dummy_value()


def _generate_width(builder: Any, rows: list[Any], width: int, words: Any) -> None:
    """The code for so many units, with the arguments of `units` from `first` on."""
    first, step, source, inputs, target, rectified = words
    vector = ir.VectorType(ir.FloatType(), min(width, BLOCK))
    zero = ir.Constant(vector, [0.0] * vector.count)
    parts = range(0, width, vector.count)

    def place(row: Any, offset: Any, part: int) -> Any:
        start = builder.gep(row, [builder.add(offset, offset.type(part))])
        return builder.bitcast(start, vector.as_pointer())

    def load(row: Any, offset: Any, part: int) -> Any:
        value = builder.load(place(row, offset, part))
        value.align = 4
        return value

    def spread(row: Any, offset: Any) -> Any:
        one = builder.insert_element(zero, builder.load(builder.gep(row, [offset])), ir.IntType(32)(0))
        first_of_all = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return builder.shuffle_vector(one, zero, first_of_all)

    totals = {(row, part): cgutils.alloca_once_value(builder, zero) for row in rows for part in parts}
    with cgutils.for_range(builder, inputs) as loop:
        start = builder.add(first, builder.mul(loop.index, step))
        seen = {row: spread(row, builder.add(source, loop.index)) for row in rows}
        for (row, part), total in totals.items():
            product = builder.fmul(load(row, start, part), seen[row])
            builder.store(builder.fadd(builder.load(total), product), total)
    bias = builder.add(first, builder.mul(inputs, step))
    for (row, part), total in totals.items():
        result = builder.fadd(builder.load(total), load(row, bias, part))
        positive = builder.select(builder.fcmp_ordered(">", result, zero), result, zero)
        stored = builder.store(builder.select(rectified, positive, result), place(row, target, part))
        stored.align = 4


if not numba.config.DISABLE_JIT:
    affine = intrinsic(_typed_affine)
    units = intrinsic(_typed_units)

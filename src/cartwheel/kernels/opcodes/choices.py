"""Element-wise opcodes that choose: limits, signs, comparisons.

A condition is a number: true where it is not 0, NaN included. Comparisons give 1 and 0.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.floats import from_bits, inlined, like
from cartwheel.kernels.opcodes.blocks import blocks, operand, result
from cartwheel.kernels.opcodes.forms import elementwise, output_word
from cartwheel.kernels.opcodes.registry import EXACT, opcode

_ONE, _TWO, _THREE = output_word(1), output_word(2), output_word(3)


@inlined
def smaller(x0: Any, x1: Any) -> Any:
    """NumPy's minimum: NaN if there is one, x1 where they are equal."""
    return x1 if (x0 >= x1) | (x1 != x1) else x0


@inlined
def larger(x0: Any, x1: Any) -> Any:
    """NumPy's maximum: NaN if there is one, x1 where they are equal."""
    return x1 if (x0 <= x1) | (x1 != x1) else x0


@inlined
def sign_of(x: Any) -> Any:
    """-1, 0 or 1; NaN of NaN."""
    one, zero = like(x, 1.0), like(x, 0.0)
    y = one if x > zero else x
    y = -one if x < zero else y
    return zero if x == zero else y


@inlined
def _truth(x: Any, holds: bool) -> Any:
    """1 or 0 in the type of x."""
    return like(x, 1.0) if holds else like(x, 0.0)


@opcode(elementwise(1), EXACT)
def _abs(row: Any, numbers: Any, integers: Any) -> None:
    """y = |x|."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = abs(x[i])


@opcode(elementwise(1), EXACT)
def sign(row: Any, numbers: Any, integers: Any) -> None:
    """y = -1, 0 or 1; NaN of NaN."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = sign_of(x[i])


@opcode(elementwise(2), EXACT)
def minimum(row: Any, numbers: Any, integers: Any) -> None:
    """y = the smaller of x0 and x1; NaN if there is one."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = smaller(x0[i], x1[i])


@opcode(elementwise(2), EXACT)
def maximum(row: Any, numbers: Any, integers: Any) -> None:
    """y = the larger of x0 and x1; NaN if there is one."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = larger(x0[i], x1[i])


@opcode(elementwise(3), EXACT)
def where(row: Any, numbers: Any, integers: Any) -> None:
    """y = x1 where the condition x0 is true, else x2."""
    for block in range(blocks(row)):
        condition, x0 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        x1, y = operand(row, numbers, 2, block), result(row, numbers, _THREE, block)
        for i in range(len(y)):
            if_true, if_false = x0[i], x1[i]
            y[i] = if_true if condition[i] != like(condition[i], 0.0) else if_false


@opcode(elementwise(1), EXACT)
def clip(row: Any, numbers: Any, integers: Any) -> None:
    """y = x, but not below the number in word output_word(1) + 1, nor above that in the next."""
    low, high = from_bits(row[_ONE + 1]), from_bits(row[_ONE + 2])
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = smaller(larger(x[i], like(x[i], low)), like(x[i], high))


@opcode(elementwise(2), EXACT)
def less(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where x0 < x1, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], x0[i] < x1[i])


@opcode(elementwise(2), EXACT)
def less_equal(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where x0 <= x1, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], x0[i] <= x1[i])


@opcode(elementwise(2), EXACT)
def equal(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where x0 == x1, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], x0[i] == x1[i])


@opcode(elementwise(2), EXACT)
def not_equal(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where x0 != x1, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], x0[i] != x1[i])


@opcode(elementwise(2), EXACT)
def logical_and(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where both are true, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], (x0[i] != like(x0[i], 0.0)) & (x1[i] != like(x1[i], 0.0)))


@opcode(elementwise(2), EXACT)
def logical_or(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 where one is true, else 0."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = _truth(x0[i], (x0[i] != like(x0[i], 0.0)) | (x1[i] != like(x1[i], 0.0)))


@opcode(elementwise(2), EXACT)
def scaled(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 x1, but x0 * 0 where x0 is 0, even if x1 is infinite or NaN there."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            slope, zero = x1[i], like(x1[i], 0.0)
            y[i] = x0[i] * (zero if x0[i] == zero else slope)


@opcode(elementwise(1), EXACT)
def zero(row: Any, numbers: Any, integers: Any) -> None:
    """y = 0."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = like(x[i], 0.0)


@opcode(elementwise(2), EXACT)
def signed(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 times the sign of x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] * sign_of(x1[i])

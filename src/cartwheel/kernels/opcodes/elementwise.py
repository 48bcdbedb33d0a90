"""Element-wise opcodes without transcendental functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels.opcodes.blocks import blocks, operand, result
from cartwheel.kernels.opcodes.forms import elementwise, output_word
from cartwheel.kernels.opcodes.registry import EXACT, opcode

_ONE, _TWO, _THREE = output_word(1), output_word(2), output_word(3)


@opcode(elementwise(1), EXACT)
def copy(row: Any, numbers: Any, integers: Any) -> None:
    """y = x."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = x[i]


@opcode(elementwise(2), EXACT)
def add(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 + x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] + x1[i]


@opcode(elementwise(2), EXACT)
def sub(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 - x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] - x1[i]


@opcode(elementwise(2), EXACT)
def mul(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] * x1[i]


@opcode(elementwise(2), EXACT)
def div(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 / x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] / x1[i]


@opcode(elementwise(1), EXACT)
def neg(row: Any, numbers: Any, integers: Any) -> None:
    """y = -x."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = -x[i]


@opcode(elementwise(1), EXACT)
def sqrt(row: Any, numbers: Any, integers: Any) -> None:
    """y = the root of x."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = np.sqrt(x[i])

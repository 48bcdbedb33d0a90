"""Element-wise opcodes of powers, exponentials, trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels import circular, elementary, powers
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.floats import like
from cartwheel.kernels.opcodes.blocks import blocks, operand, result
from cartwheel.kernels.opcodes.forms import elementwise, output_word
from cartwheel.kernels.opcodes.registry import EXACT, opcode, ulp

_ONE, _TWO = output_word(1), output_word(2)


@compiled()
def _near(x: Any) -> bool:
    """Whether `circular` can reduce all these angles. A larger one is the C library's, whatever is beside it."""
    far = False
    for i in range(len(x)):
        far |= abs(x[i]) > like(x[i], circular.LARGEST)
    return not far


@opcode(elementwise(1), ulp(4))
def exp(row: Any, numbers: Any, integers: Any) -> None:
    """y = e**x."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.exp(x[i])


@opcode(elementwise(1), ulp(4))
def expm1(row: Any, numbers: Any, integers: Any) -> None:
    """y = e**x - 1."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.expm1(x[i])


@opcode(elementwise(1), ulp(4))
def log(row: Any, numbers: Any, integers: Any) -> None:
    """The natural logarithm."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.log(x[i])


@opcode(elementwise(1), ulp(4))
def log1p(row: Any, numbers: Any, integers: Any) -> None:
    """y = log(1 + x)."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.log1p(x[i])


@opcode(elementwise(1), ulp(4))
def sinh(row: Any, numbers: Any, integers: Any) -> None:
    """The hyperbolic sine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.sinh(x[i])


@opcode(elementwise(1), ulp(4))
def cosh(row: Any, numbers: Any, integers: Any) -> None:
    """The hyperbolic cosine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.cosh(x[i])


@opcode(elementwise(1), ulp(4))
def tanh(row: Any, numbers: Any, integers: Any) -> None:
    """The hyperbolic tangent."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.tanh(x[i])


@opcode(elementwise(2), EXACT)
def tanh_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0 (1 - x1**2): x0 times the slope of tanh where it is x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = x0[i] * (like(x1[i], 1.0) - x1[i] * x1[i])


@opcode(elementwise(1), ulp(4))
def arcsinh(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of sinh."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.arcsinh(x[i])


@opcode(elementwise(1), ulp(4))
def arccosh(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of cosh."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.arccosh(x[i])


@opcode(elementwise(1), ulp(4))
def arctanh(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of tanh."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.arctanh(x[i])


@opcode(elementwise(1), ulp(4))
def arcsin(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of the sine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = circular.arcsin(x[i])


@opcode(elementwise(1), ulp(4))
def arccos(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of the cosine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = circular.arccos(x[i])


@opcode(elementwise(1), ulp(4))
def arctan(row: Any, numbers: Any, integers: Any) -> None:
    """The inverse of the tangent."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = circular.arctan(x[i])


@opcode(elementwise(1), ulp(4))
def sin(row: Any, numbers: Any, integers: Any) -> None:
    """The sine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        if _near(x):
            for i in range(len(y)):
                y[i] = circular.sin(x[i])
        else:
            for i in range(len(y)):
                y[i] = np.sin(x[i]) if abs(x[i]) > circular.LARGEST else circular.sin(x[i])


@opcode(elementwise(1), ulp(4))
def cos(row: Any, numbers: Any, integers: Any) -> None:
    """The cosine."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        if _near(x):
            for i in range(len(y)):
                y[i] = circular.cos(x[i])
        else:
            for i in range(len(y)):
                y[i] = np.cos(x[i]) if abs(x[i]) > circular.LARGEST else circular.cos(x[i])


@opcode(elementwise(1), ulp(4))
def tan(row: Any, numbers: Any, integers: Any) -> None:
    """The tangent."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        if _near(x):
            for i in range(len(y)):
                y[i] = circular.tan(x[i])
        else:
            for i in range(len(y)):
                y[i] = np.tan(x[i]) if abs(x[i]) > circular.LARGEST else circular.tan(x[i])


@opcode(elementwise(2), ulp(4))
def _pow(row: Any, numbers: Any, integers: Any) -> None:
    """y = x0**x1."""
    for block in range(blocks(row)):
        x0, x1 = operand(row, numbers, 0, block), operand(row, numbers, 1, block)
        y = result(row, numbers, _TWO, block)
        for i in range(len(y)):
            y[i] = powers.power(x0[i], x1[i])

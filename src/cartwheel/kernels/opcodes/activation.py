"""Element-wise opcodes of activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels import elementary
from cartwheel.kernels.floats import from_bits, like, product_rest, typed
from cartwheel.kernels.opcodes.blocks import blocks, operand, result
from cartwheel.kernels.opcodes.choices import larger, smaller
from cartwheel.kernels.opcodes.forms import elementwise, output_word
from cartwheel.kernels.opcodes.registry import EXACT, opcode, ulp

_ONE = output_word(1)

# gelu is x * sigmoid(x * (A + B * x**2)) with A = 2 sqrt(2 / pi), B = 0.044715 A; each as two float64
_A, _A_REST = 1.5957691216057308, -9.96930880911092e-17
_B, _B_REST = 0.07135481627260025, -6.175149918155315e-19


def _gelu_single(x: Any) -> Any:
    wide = np.float64(x)
    return np.float32(elementary.logistic_times(wide * (_A + _B * (wide * wide)), wide))


def _gelu_double(x: Any) -> Any:
    """The exponent needs more than 53 bits where it is large, since its absolute error is the result's relative one."""
    u = -40.0 if x < -40.0 else x  # beyond, sigmoid is 0 or 1
    u = 40.0 if u > 40.0 else u
    square = u * u
    steep = _B * square
    slope = _A + steep
    rest = ((_A - slope) + steep) if steep < _A else ((steep - slope) + _A)
    rest += _A_REST + product_rest(_B, square) + _B_REST * square + _B * product_rest(u, u)
    correction = u * (product_rest(u, slope) + u * rest)
    return elementary.logistic_times(u * slope, x + correction if x < 0.0 else x)


#: _smooth(x): x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))); NaN at -infinity
_smooth = typed(_gelu_single, _gelu_double)


@opcode(elementwise(1), EXACT)
def relu(row: Any, numbers: Any, integers: Any) -> None:
    """y = x, but 0 where x is less; NaN of NaN."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = x[i] if not x[i] <= like(x[i], 0.0) else like(x[i], 0.0)


@opcode(elementwise(1), EXACT)
def leaky_relu(row: Any, numbers: Any, integers: Any) -> None:
    """y = the larger of x and slope * x, the smaller if the slope is above 1; it is the number in word output + 1."""
    slope = from_bits(row[_ONE + 1])
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            low, high = smaller(x[i], like(x[i], slope) * x[i]), larger(x[i], like(x[i], slope) * x[i])
            y[i] = high if slope <= 1.0 else low


@opcode(elementwise(1), ulp(4))
def elu(row: Any, numbers: Any, integers: Any) -> None:
    """y = x above 0, else alpha * (e**x - 1); alpha is the number in word output + 1."""
    alpha = from_bits(row[_ONE + 1])
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            zero = like(x[i], 0.0)
            below = like(x[i], alpha) * elementary.expm1(smaller(x[i], zero))
            y[i] = x[i] if x[i] > zero else below


@opcode(elementwise(1), ulp(4))
def sigmoid(row: Any, numbers: Any, integers: Any) -> None:
    """y = 1 / (1 + e**-x)."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.sigmoid(x[i])


@opcode(elementwise(1), ulp(4))
def softplus(row: Any, numbers: Any, integers: Any) -> None:
    """y = log(1 + e**x)."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.softplus(x[i])


@opcode(elementwise(1), ulp(4))
def silu(row: Any, numbers: Any, integers: Any) -> None:
    """y = x / (1 + e**-x)."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = elementary.silu(x[i])


@opcode(elementwise(1), ulp(4))
def gelu(row: Any, numbers: Any, integers: Any) -> None:
    """y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))."""
    for block in range(blocks(row)):
        x, y = operand(row, numbers, 0, block), result(row, numbers, _ONE, block)
        for i in range(len(y)):
            y[i] = _smooth(x[i])

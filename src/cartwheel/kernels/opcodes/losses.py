"""Losses that are sums over all numbers, and their gradients.

The words of a row: 1 how many numbers n, 2 and 3 the operands (n,), contiguous and of one shape, 4 the bits of the
float64 by which a sum is divided (NaN where there are no rows), 5 those of a setting. A loss has 6 the place of the
result and 7 scratch (n,); a gradient has 6 the place of the gradient by the loss and 7 the gradient by the first
operand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import exp, log, log1p, sigmoid
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.blocks import blocks, operand, result
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import elementwise, output_word, stretch
from cartwheel.kernels.opcodes.registry import EXACT, Form, Span, opcode, summed, ulp
from cartwheel.kernels.sums import total

COUNT, FIRST, SECOND, DIVISOR, SETTING, NUMBER, VECTOR = range(1, 8)


def _form(gradient: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        yield stretch(row[FIRST], row[COUNT])
        yield stretch(row[SECOND], row[COUNT])
        yield stretch(row[NUMBER], 1, written=not gradient)
        yield stretch(row[VECTOR], row[COUNT], written=True)

    return lambda row: distinct(spans(row))


_LOSS, _GRADIENT = _form(gradient=False), _form(gradient=True)

_RESULT = output_word(1)


@compiled()
def _vector(row: Any, numbers: Any, word: int) -> Any:
    return part(numbers, row[word], row[COUNT])


@compiled()
def _setting(row: Any, word: int) -> Any:
    """The float64 in a word."""
    return np.int64(row[word]).view(np.float64)


@compiled()
def _finish(row: Any, numbers: Any, terms: Any) -> None:
    """The sum of all terms, divided."""
    numbers[row[NUMBER]] = total(terms) / terms.dtype.type(_setting(row, DIVISOR))


# --- regression ------------------------------------------------------------------------------------------------------


@opcode(_LOSS, summed(3))
def mean_squared_error(row: Any, numbers: Any, integers: Any) -> None:
    """The sum of (x0 - x1)^2, divided."""
    x0, x1, terms = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    for i in range(len(terms)):
        away = x0[i] - x1[i]
        terms[i] = away * away
    _finish(row, numbers, terms)


@opcode(_GRADIENT, EXACT)
def mean_squared_error_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """(2 / divisor) g (x0 - x1); for the gradient by the other, exchange the two."""
    x0, x1, gx = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    factor = numbers[row[NUMBER]] * gx.dtype.type(2.0 / _setting(row, DIVISOR))
    for i in range(len(gx)):
        gx[i] = factor * (x0[i] - x1[i])


@compiled()
def _limited(x: Any, most: Any) -> Any:
    """x into [-most, most]; NaN stays."""
    low = -most if x < -most else x
    return most if low > most else low


@opcode(_LOSS, summed(3))
def huber(row: Any, numbers: Any, integers: Any) -> None:
    """The sum of near (away - near / 2), divided, of away = x0 - x1 and near, which is away in [-delta, delta]."""
    x0, x1, terms = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    delta, half = terms.dtype.type(_setting(row, SETTING)), terms.dtype.type(0.5)
    for i in range(len(terms)):
        away = x0[i] - x1[i]
        near = _limited(away, delta)
        terms[i] = near * (away - half * near)
    _finish(row, numbers, terms)


@opcode(_GRADIENT, EXACT)
def huber_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """(g / divisor) times x0 - x1 in [-delta, delta]; for the gradient by the other, exchange the two."""
    x0, x1, gx = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    delta = gx.dtype.type(_setting(row, SETTING))
    factor = numbers[row[NUMBER]] / gx.dtype.type(_setting(row, DIVISOR))
    for i in range(len(gx)):
        gx[i] = factor * _limited(x0[i] - x1[i], delta)


# --- yes or no -------------------------------------------------------------------------------------------------------


@opcode(_LOSS, summed(3))
def sigmoid_cross_entropy(row: Any, numbers: Any, integers: Any) -> None:
    """The sum of max(x, 0) - x t + log(1 + exp(-|x|)), divided, for logits x and the chances t that were wanted."""
    x, t, terms = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    zero = terms.dtype.type(0.0)
    for i in range(len(terms)):
        positive = zero if x[i] < zero else x[i]
        terms[i] = (positive - x[i] * t[i]) + log1p(exp(-abs(x[i])))
    _finish(row, numbers, terms)


@opcode(_GRADIENT, summed(3))
def sigmoid_cross_entropy_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """(g / divisor) (sigmoid(x) - t), the gradient by the logits."""
    x, t, gx = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND), _vector(row, numbers, VECTOR)
    factor = numbers[row[NUMBER]] / gx.dtype.type(_setting(row, DIVISOR))
    for i in range(len(gx)):
        gx[i] = factor * (sigmoid(x[i]) - t[i])


@opcode(elementwise(1), ulp(4))
def bounded_log(row: Any, numbers: Any, integers: Any) -> None:
    """log(p), but -100 at least."""
    for block in range(blocks(row)):
        p, y = operand(row, numbers, 0, block), result(row, numbers, _RESULT, block)
        least = y.dtype.type(-100.0)
        for i in range(len(y)):
            found = log(p[i])
            y[i] = least if found < least else found

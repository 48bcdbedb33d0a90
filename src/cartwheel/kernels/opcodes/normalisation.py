"""Normalisation of rows (a layer's) and of columns (a batch's), and their gradients.

x is (rows, columns), contiguous; more axes are brought into these two by a copy. Words: 1 rows, 2 columns, 3 how many
gammas and betas there are, each for as many rows in turn (1, or one each for the rows of candidates; for columns always
1), 4 the bits of the float64 eps; from 5 on the operands in the order in which the opcode names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.folds import add_columns
from cartwheel.kernels.opcodes.forms import check_walk, stretch
from cartwheel.kernels.opcodes.registry import Form, Span, opcode, summed
from cartwheel.kernels.sums import total

ROWS, COLUMNS, GROUPS, EPS, OPERANDS = range(1, 6)


def _form(reads: str, writes: str) -> Form:
    """Operands as long as letters say: x like x, r one number per row, c per column, g per column of each group."""

    def spans(row: Any) -> Iterator[Span]:
        rows, columns, groups = (int(length) for length in row[ROWS:EPS])
        check_walk(rows, columns)
        if groups < 1 or rows % groups:
            raise ValueError("groups that make no sense")
        lengths = {"x": rows * columns, "r": rows, "c": columns, "g": groups * columns}
        for number, letter in enumerate(reads + writes):
            yield stretch(row[OPERANDS + number], lengths[letter], written=number >= len(reads))

    return lambda row: distinct(spans(row))


@compiled()
def _line(row: Any, numbers: Any, operand: int, number: int) -> Any:
    """A row of an operand (.., columns)."""
    return part(numbers, row[OPERANDS + operand] + number * row[COLUMNS], row[COLUMNS])


@compiled()
def _eps(row: Any) -> Any:
    return np.int64(row[EPS]).view(np.float64)


# --- of rows ---------------------------------------------------------------------------------------------------------


@compiled()
def _centred(x: Any, h: Any, count: Any) -> None:
    """h = x less its mean."""
    middle = total(x) / count
    for i in range(len(h)):
        h[i] = x[i] - middle


@compiled()
def _scaled(h: Any, inverse: Any, gamma: Any, beta: Any, y: Any) -> None:
    """h times a number, in place, and y = gamma h + beta."""
    for i in range(len(h)):
        h[i] *= inverse
    for i in range(len(y)):
        y[i] = gamma[i] * h[i] + beta[i]


@opcode(_form("xgg", "xxr"), summed(3))
def layer_norm(row: Any, numbers: Any, integers: Any) -> None:
    """Operands x, gamma, beta, y, h, inverse: y = gamma h + beta, h = inverse (x - mean), of 1 / sqrt(var + eps)."""
    inverse = part(numbers, row[OPERANDS + 5], row[ROWS])
    kind = inverse.dtype.type
    count, eps = kind(max(row[COLUMNS], 1)), kind(_eps(row))
    for number in range(row[ROWS]):
        y, h = _line(row, numbers, 3, number), _line(row, numbers, 4, number)
        _centred(_line(row, numbers, 0, number), h, count)
        for i in range(len(h)):
            y[i] = h[i] * h[i]
        inverse[number] = kind(1.0) / np.sqrt(total(y) / count + eps)
        group = number * row[GROUPS] // row[ROWS]
        _scaled(h, inverse[number], _line(row, numbers, 1, group), _line(row, numbers, 2, group), y)


@opcode(_form("xgxr", "xggx"), summed(3))
def layer_norm_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """The gradients of `layer_norm`; operands g, gamma, h, inverse, gx, by gamma, by beta, scratch (rows, columns)."""
    for group in range(row[GROUPS]):
        _line(row, numbers, 5, group)[:] = 0
        _line(row, numbers, 6, group)[:] = 0
    for number in range(row[ROWS]):
        group = number * row[GROUPS] // row[ROWS]
        g, h = _line(row, numbers, 0, number), _line(row, numbers, 2, number)
        _add_products(g, h, _line(row, numbers, 5, group), _line(row, numbers, 6, group))
        inverse = numbers[row[OPERANDS + 3] + number]
        gamma, scratch = _line(row, numbers, 1, group), _line(row, numbers, 7, number)
        _back_of_row(g, gamma, h, inverse, _line(row, numbers, 4, number), scratch)


@compiled()
def _add_products(g: Any, h: Any, by_gamma: Any, by_beta: Any) -> None:
    """Add a row's share to the gradients by gamma and beta."""
    for i in range(len(g)):
        by_gamma[i] += g[i] * h[i]
    for i in range(len(g)):
        by_beta[i] += g[i]


@compiled()
def _back_of_row(g: Any, gamma: Any, h: Any, inverse: Any, gx: Any, scratch: Any) -> None:
    """gx = (gh - mean(gh) - h mean(gh h)) inverse, of gh = g gamma."""
    count = g.dtype.type(max(len(g), 1))
    for i in range(len(gx)):
        gx[i] = g[i] * gamma[i]
    for i in range(len(gx)):
        scratch[i] = gx[i] * h[i]
    middle, slope = total(gx) / count, total(scratch) / count
    for i in range(len(gx)):
        gx[i] = (gx[i] - middle - h[i] * slope) * inverse


# --- of columns ------------------------------------------------------------------------------------------------------


@compiled()
def _means(row: Any, numbers: Any, operand: int, result: int) -> None:
    """The mean of each column, its sum taken row by row."""
    add_columns(numbers, row[ROWS], row[COLUMNS], row[OPERANDS + operand], row[OPERANDS + result])
    means = _line(row, numbers, result, 0)
    count = means.dtype.type(max(row[ROWS], 1))
    for i in range(len(means)):
        means[i] /= count


@opcode(_form("xcc", "xxccc"), summed(3))
def batch_norm(row: Any, numbers: Any, integers: Any) -> None:
    """Operands x, gamma, beta, y, h, inverse, mean, variance (columns,): as `layer_norm`, for each column."""
    inverse, mean, variance = _line(row, numbers, 5, 0), _line(row, numbers, 6, 0), _line(row, numbers, 7, 0)
    one, eps = inverse.dtype.type(1.0), inverse.dtype.type(_eps(row))
    _means(row, numbers, 0, 6)
    for number in range(row[ROWS]):
        x, y, h = _line(row, numbers, 0, number), _line(row, numbers, 3, number), _line(row, numbers, 4, number)
        for i in range(len(h)):
            h[i] = x[i] - mean[i]
        for i in range(len(h)):
            y[i] = h[i] * h[i]
    _means(row, numbers, 3, 7)
    for i in range(len(inverse)):
        inverse[i] = one / np.sqrt(variance[i] + eps)
    gamma, beta = _line(row, numbers, 1, 0), _line(row, numbers, 2, 0)
    for number in range(row[ROWS]):
        y, h = _line(row, numbers, 3, number), _line(row, numbers, 4, number)
        for i in range(len(h)):
            h[i] *= inverse[i]
        for i in range(len(h)):
            y[i] = gamma[i] * h[i] + beta[i]


@opcode(_form("xcxc", "xcc"), summed(3))
def batch_norm_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """The gradients of `batch_norm`; operands g, gamma, h, inverse, gx, by gamma, by beta."""
    gamma, inverse = _line(row, numbers, 1, 0), _line(row, numbers, 3, 0)
    by_gamma, by_beta = _line(row, numbers, 5, 0), _line(row, numbers, 6, 0)
    by_gamma[:] = 0
    by_beta[:] = 0
    for number in range(row[ROWS]):
        _add_products(_line(row, numbers, 0, number), _line(row, numbers, 2, number), by_gamma, by_beta)
    count = gamma.dtype.type(max(row[ROWS], 1))
    for number in range(row[ROWS]):
        g, h, gx = _line(row, numbers, 0, number), _line(row, numbers, 2, number), _line(row, numbers, 4, number)
        for i in range(len(gx)):
            gx[i] = (g[i] - (by_beta[i] + h[i] * by_gamma[i]) / count) * (gamma[i] * inverse[i])

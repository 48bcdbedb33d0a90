"""Softmax of rows, its logarithm, the cross entropy of classes, and their gradients.

All operands are contiguous; x and what is like it is (rows, columns), words 1 and 2. Where an axis other than the last
is meant, a copy brings it there first. Transcendental functions run over all rows in one loop, however short a row is.
Sums have another order than NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import exp, log
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import stretch
from cartwheel.kernels.opcodes.registry import Form, Span, opcode, summed
from cartwheel.kernels.sums import largest, total

ROWS, COLUMNS, OPERANDS = 1, 2, 3
CLASSES = OPERANDS

# What an operand is: like x, one number per row, one number
_MATRIX, _COLUMN, _NUMBER = range(3)


def _form(*reads: int, writes: tuple[int, ...], classes: bool = False) -> Form:
    """Words 3 and on are offsets: of the classes among the integers if there are any, of what is read, then written."""

    def spans(row: Any) -> Iterator[Span]:
        rows, columns = int(row[ROWS]), int(row[COLUMNS])
        if rows < 0 or columns < classes:
            raise ValueError("a number of rows or columns that makes no sense")
        if classes:
            yield stretch(row[CLASSES], rows, of_integers=True)
            yield stretch(1, 1, written=True, of_integers=True)
        for number, kind in enumerate((*reads, *writes)):
            offset = row[OPERANDS + classes + number]
            yield stretch(offset, (rows * columns, rows, 1)[kind], written=number >= len(reads))

    return lambda row: distinct(spans(row))


@compiled()
def _matrix(row: Any, numbers: Any, word: int) -> Any:
    """An operand like x, as one stretch of numbers."""
    return part(numbers, row[word], row[ROWS] * row[COLUMNS])


@compiled()
def _column(row: Any, numbers: Any, word: int) -> Any:
    """An operand of one number per row."""
    return part(numbers, row[word], row[ROWS])


@compiled()
def _line(row: Any, numbers: Any, word: int, number: int) -> Any:
    """One row of an operand like x."""
    return part(numbers, row[word] + number * row[COLUMNS], row[COLUMNS])


@compiled()
def _less_largest(row: Any, numbers: Any, x: int, y: int) -> None:
    """y = x less the largest of its row. A NaN stays where it is, and spoils the sum."""
    for number in range(row[ROWS]):
        of_x, of_y = _line(row, numbers, x, number), _line(row, numbers, y, number)
        top = largest(of_x)
        for i in range(len(of_y)):
            of_y[i] = of_x[i] - top


@compiled()
def _totals(row: Any, numbers: Any, x: int, sums: int) -> None:
    """The sum of each row."""
    found = _column(row, numbers, sums)
    for number in range(len(found)):
        found[number] = total(_line(row, numbers, x, number))


@compiled()
def _less_column(row: Any, numbers: Any, x: int, column: int) -> None:
    """x less one number per row, in place."""
    values = _column(row, numbers, column)
    for number in range(len(values)):
        line, value = _line(row, numbers, x, number), values[number]
        for i in range(len(line)):
            line[i] -= value


@compiled()
def _over_column(row: Any, numbers: Any, x: int, column: int) -> None:
    """x divided by one number per row, in place."""
    values = _column(row, numbers, column)
    for number in range(len(values)):
        line, value = _line(row, numbers, x, number), values[number]
        for i in range(len(line)):
            line[i] /= value


@compiled()
def _exponentials(x: Any, y: Any) -> None:
    """y = exp(x), of another array: only then it runs in vectors."""
    for i in range(len(y)):
        y[i] = exp(x[i])


@compiled()
def _logarithms(x: Any, y: Any) -> None:
    """y = log(x), of another array."""
    for i in range(len(y)):
        y[i] = log(x[i])


@compiled()
def _class_of(row: Any, integers: Any, number: int) -> Any:
    """The class of a row. One that there is not sets integers[1], and counts as the first."""
    chosen = integers[row[CLASSES] + number]
    if 0 <= chosen < row[COLUMNS]:
        return chosen
    integers[1] = -1
    return 0 * chosen


# --- softmax ---------------------------------------------------------------------------------------------------------


@opcode(_form(_MATRIX, writes=(_MATRIX, _COLUMN)), summed(4))
def softmax(row: Any, numbers: Any, integers: Any) -> None:
    """Words x, y, sums: y = exp(x) / sums of exp(x)."""
    x, y, sums = OPERANDS, OPERANDS + 1, OPERANDS + 2
    _less_largest(row, numbers, x, y)
    chances = _matrix(row, numbers, y)
    for i in range(len(chances)):
        chances[i] = exp(chances[i])
    _totals(row, numbers, y, sums)
    _over_column(row, numbers, y, sums)


@opcode(_form(_MATRIX, _MATRIX, writes=(_MATRIX, _COLUMN)), summed(4))
def softmax_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Words g, y, gx, sums: gx = y (g - sum(g y))."""
    g, y, gx = _matrix(row, numbers, OPERANDS), _matrix(row, numbers, OPERANDS + 1), _matrix(row, numbers, OPERANDS + 2)
    for i in range(len(gx)):
        gx[i] = g[i] * y[i]
    _totals(row, numbers, OPERANDS + 2, OPERANDS + 3)
    for i in range(len(gx)):
        gx[i] = g[i]
    _less_column(row, numbers, OPERANDS + 2, OPERANDS + 3)
    for i in range(len(gx)):
        gx[i] *= y[i]


@opcode(_form(_MATRIX, writes=(_MATRIX, _MATRIX, _COLUMN)), summed(4))
def log_softmax(row: Any, numbers: Any, integers: Any) -> None:
    """Words x, y, scratch, sums: y = log(softmax(x))."""
    x, y, scratch, sums = OPERANDS, OPERANDS + 1, OPERANDS + 2, OPERANDS + 3
    _less_largest(row, numbers, x, y)
    _exponentials(_matrix(row, numbers, y), _matrix(row, numbers, scratch))
    _totals(row, numbers, scratch, sums)
    column = _column(row, numbers, sums)
    for number in range(len(column)):
        column[number] = log(column[number])
    _less_column(row, numbers, y, sums)


@opcode(_form(_MATRIX, _MATRIX, writes=(_MATRIX, _COLUMN)), summed(4))
def log_softmax_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Words g, y, gx, sums: gx = g - exp(y) sum(g)."""
    _totals(row, numbers, OPERANDS, OPERANDS + 3)
    _exponentials(_matrix(row, numbers, OPERANDS + 1), _matrix(row, numbers, OPERANDS + 2))
    sums = _column(row, numbers, OPERANDS + 3)
    for number in range(len(sums)):
        line, of_g, value = (
            _line(row, numbers, OPERANDS + 2, number),
            _line(row, numbers, OPERANDS, number),
            sums[number],
        )
        for i in range(len(line)):
            line[i] = of_g[i] - line[i] * value


# --- cross entropy ---------------------------------------------------------------------------------------------------


@opcode(_form(_MATRIX, writes=(_MATRIX, _MATRIX, _COLUMN, _COLUMN, _NUMBER), classes=True), summed(4))
def softmax_cross_entropy(row: Any, numbers: Any, integers: Any) -> None:
    """Words t, x, logits, weights, totals, scratch, loss: the mean of log(sum(exp(x))) - x[t]; NaN for no rows.

    logits are x less the largest of its row, weights and totals their exponentials and the sums of these.
    """
    logits, weights, totals, scratch = OPERANDS + 2, OPERANDS + 3, OPERANDS + 4, OPERANDS + 5
    _less_largest(row, numbers, OPERANDS + 1, logits)
    _exponentials(_matrix(row, numbers, logits), _matrix(row, numbers, weights))
    _totals(row, numbers, weights, totals)
    surprise = _column(row, numbers, scratch)
    _logarithms(_column(row, numbers, totals), surprise)
    for number in range(len(surprise)):
        surprise[number] -= numbers[row[logits] + number * row[COLUMNS] + _class_of(row, integers, number)]
    numbers[row[OPERANDS + 6]] = total(surprise) / surprise.dtype.type(row[ROWS])


@opcode(_form(_MATRIX, _COLUMN, _NUMBER, writes=(_MATRIX,), classes=True), summed(4))
def softmax_cross_entropy_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Words t, weights, totals, g, gx: (weights / totals - one-hot rows of t) g / rows."""
    weights, gx = _matrix(row, numbers, OPERANDS + 1), _matrix(row, numbers, OPERANDS + 4)
    share = numbers[row[OPERANDS + 3]] / weights.dtype.type(row[ROWS])
    for i in range(len(gx)):
        gx[i] = weights[i]
    _over_column(row, numbers, OPERANDS + 4, OPERANDS + 2)
    for number in range(row[ROWS]):
        _line(row, numbers, OPERANDS + 4, number)[_class_of(row, integers, number)] -= gx.dtype.type(1.0)
    for i in range(len(gx)):
        gx[i] *= share

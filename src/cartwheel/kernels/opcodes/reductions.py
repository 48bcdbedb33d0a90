"""Sums, means, spreads, extremes and products over an axis of an array (outer, reduced, inner), contiguous.

What is reduced over several axes has them brought side by side first, by a copy if need be. The order of a sum depends
on the lengths only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import exp, log
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.folds import (
    add_columns,
    largest,
    largest_of_columns,
    multiply_columns,
    product,
    smallest,
    smallest_of_columns,
)
from cartwheel.kernels.opcodes.forms import check_walk, stretch
from cartwheel.kernels.opcodes.registry import EXACT, Form, Span, opcode, per_term
from cartwheel.kernels.sums import total

# A row: words 1 to 3 the lengths, 4 and 5 the offsets of x and y, 6 that of as many numbers to work in as the form
# says, 7 by how much the count is lessened that a variance is divided by.
OUTER, REDUCED, INNER, X, Y, SPARE, DDOF = range(1, 8)


#: Who needs numbers to work in: how many blocks (reduced, inner), and how many rows (inner,).
_SPARE = {"centred": (0, 1), "var": (1, 0), "std": (1, 0), "norm": (1, 0), "logsumexp": (1, 1)}


def spare(name: str, reduced: int, inner: int) -> int:
    """How many numbers an opcode needs to work in."""
    blocks, rows = _SPARE.get(name, (0, 0))
    return (blocks * reduced + rows) * inner


def _form(name: str, like_x: bool = False, of_nothing: bool = True) -> Form:
    """y is like x or (outer, inner)."""

    def spans(row: Any) -> Iterator[Span]:
        outer, reduced, inner = lengths = row[OUTER : INNER + 1].tolist()
        check_walk(*lengths)
        if outer * inner and not reduced and not of_nothing:
            raise ValueError("there is no largest or smallest of no numbers")
        if row[DDOF] != 0 and not 0 < row[DDOF] < reduced:
            raise ValueError("a variance of too few numbers")
        yield stretch(int(row[X]), outer * reduced * inner)
        yield stretch(int(row[Y]), outer * (reduced if like_x else 1) * inner, written=True)
        yield stretch(int(row[SPARE]), spare(name, reduced, inner), written=True)

    return spans


def _places(row: Any) -> Iterator[Span]:
    """As of extremes, but that y are integers."""
    x, y, _ = _form("argmax", of_nothing=False)(row)
    yield x
    yield Span(y.first, y.last, written=True, of_integers=True)


@compiled()
def _x(row: Any, number: int) -> int:
    """Where a block of x begins."""
    return row[X] + number * row[REDUCED] * row[INNER]  # type: ignore[no-any-return]


@compiled()
def _y(row: Any, number: int) -> int:
    """Where the results of a block are."""
    return row[Y] + number * row[INNER]  # type: ignore[no-any-return]


# --- sums ------------------------------------------------------------------------------------------------------------


@compiled()
def _add(row: Any, numbers: Any, x: int, y: int) -> None:
    """The sums of a block x (reduced, inner)."""
    if row[INNER] == 1:
        numbers[y] = total(part(numbers, x, row[REDUCED]))
    else:
        add_columns(numbers, row[REDUCED], row[INNER], x, y)


@compiled()
def _divide(row: Any, numbers: Any, y: int, count: int) -> None:
    """Results by a count."""
    found = part(numbers, y, row[INNER])
    for i in range(len(found)):
        found[i] /= count


@opcode(_form("sum"), per_term(2))
def _sum(row: Any, numbers: Any, integers: Any) -> None:
    """y = sum of x."""
    for number in range(row[OUTER]):
        _add(row, numbers, _x(row, number), _y(row, number))


@opcode(_form("mean"), per_term(2))
def mean(row: Any, numbers: Any, integers: Any) -> None:
    """y = mean of x; NaN of no numbers."""
    for number in range(row[OUTER]):
        _add(row, numbers, _x(row, number), _y(row, number))
        _divide(row, numbers, _y(row, number), row[REDUCED])


@opcode(_form("cumsum", like_x=True), EXACT)
def cumsum(row: Any, numbers: Any, integers: Any) -> None:
    """y = the sums of the first 1, 2, ... numbers of x."""
    inner, size = row[INNER], row[REDUCED] * row[INNER]
    for number in range(row[OUTER]):
        x = part(numbers, _x(row, number), size)
        y = part(numbers, row[Y] + number * size, size)
        for first in range(min(inner, size)):
            y[first] = so_far = x[first]
            for k in range(first + inner, size, inner):
                so_far += x[k]
                y[k] = so_far


# --- spreads ---------------------------------------------------------------------------------------------------------


@compiled()
def _subtract(row: Any, numbers: Any, x: int, less: int, y: int) -> None:
    """y (reduced, inner) = x - less (inner,)."""
    if row[INNER] == 1:
        source, found, value = part(numbers, x, row[REDUCED]), part(numbers, y, row[REDUCED]), numbers[less]
        for k in range(len(found)):
            found[k] = source[k] - value
        return
    values = part(numbers, less, row[INNER])
    for k in range(row[REDUCED]):
        source, found = part(numbers, x + k * row[INNER], row[INNER]), part(numbers, y + k * row[INNER], row[INNER])
        for i in range(len(found)):
            found[i] = source[i] - values[i]


@compiled()
def _centre(row: Any, numbers: Any, x: int, y: int, means: int) -> None:
    """y = x less its mean, which is the mean of the distances from the first."""
    if row[REDUCED] == 0:
        return
    _subtract(row, numbers, x, x, y)
    _add(row, numbers, y, means)
    _divide(row, numbers, means, row[REDUCED])
    _subtract(row, numbers, y, means, y)


@compiled()
def _square(row: Any, numbers: Any, x: int, y: int) -> None:
    """y (reduced, inner) = x x."""
    source, found = part(numbers, x, row[REDUCED] * row[INNER]), part(numbers, y, row[REDUCED] * row[INNER])
    for k in range(len(found)):
        found[k] = source[k] * source[k]


@compiled()
def _root(row: Any, numbers: Any, y: int) -> None:
    """The square roots of results."""
    found = part(numbers, y, row[INNER])
    for i in range(len(found)):
        found[i] = math.sqrt(found[i])


@compiled()
def _variance(row: Any, numbers: Any, x: int, y: int) -> None:
    """y = sum of the squared distances from the mean, by the count less ddof."""
    _centre(row, numbers, x, row[SPARE], y)
    _square(row, numbers, row[SPARE], row[SPARE])
    _add(row, numbers, row[SPARE], y)
    _divide(row, numbers, y, row[REDUCED] - row[DDOF])


@opcode(_form("centred", like_x=True), per_term(2))
def centred(row: Any, numbers: Any, integers: Any) -> None:
    """y = x - mean of x."""
    for number in range(row[OUTER]):
        _centre(row, numbers, _x(row, number), _x(row, number) + row[Y] - row[X], row[SPARE])


@opcode(_form("var"), per_term(2))
def var(row: Any, numbers: Any, integers: Any) -> None:
    """y = variance of x."""
    for number in range(row[OUTER]):
        _variance(row, numbers, _x(row, number), _y(row, number))


@opcode(_form("std"), per_term(2))
def std(row: Any, numbers: Any, integers: Any) -> None:
    """y = standard deviation of x."""
    for number in range(row[OUTER]):
        _variance(row, numbers, _x(row, number), _y(row, number))
        _root(row, numbers, _y(row, number))


@opcode(_form("norm"), per_term(2))
def norm(row: Any, numbers: Any, integers: Any) -> None:
    """y = root of the sum of x x."""
    for number in range(row[OUTER]):
        _square(row, numbers, _x(row, number), row[SPARE])
        _add(row, numbers, row[SPARE], _y(row, number))
        _root(row, numbers, _y(row, number))


# --- extremes and products -------------------------------------------------------------------------------------------


@compiled()
def _largest(row: Any, numbers: Any, x: int, y: int) -> None:
    """The largest of a block."""
    if row[INNER] == 1:
        numbers[y] = largest(part(numbers, x, row[REDUCED]))
    else:
        largest_of_columns(numbers, row[REDUCED], row[INNER], x, y)


@opcode(_form("max", of_nothing=False), EXACT)
def _max(row: Any, numbers: Any, integers: Any) -> None:
    """y = largest of x; NaN if there is one."""
    for number in range(row[OUTER]):
        _largest(row, numbers, _x(row, number), _y(row, number))


@opcode(_form("min", of_nothing=False), EXACT)
def _min(row: Any, numbers: Any, integers: Any) -> None:
    """y = smallest of x; NaN if there is one."""
    for number in range(row[OUTER]):
        if row[INNER] == 1:
            numbers[_y(row, number)] = smallest(part(numbers, _x(row, number), row[REDUCED]))
        else:
            smallest_of_columns(numbers, row[REDUCED], row[INNER], _x(row, number), _y(row, number))


@opcode(_places, EXACT)
def argmax(row: Any, numbers: Any, integers: Any) -> None:
    """y = place of the largest of x, the first of equals; NaN counts as the largest."""
    step = row[INNER]
    for number in range(row[OUTER] * step):
        at, best = _x(row, number // step) + number % step, 0
        for k in range(1, row[REDUCED]):
            x, most = numbers[at + k * step], numbers[at + best * step]
            if x > most or (x != x and most == most):
                best = k
        integers[row[Y] + number] = best


@opcode(_form("prod"), per_term(2))
def prod(row: Any, numbers: Any, integers: Any) -> None:
    """y = product of x."""
    for number in range(row[OUTER]):
        if row[INNER] == 1:
            numbers[_y(row, number)] = product(part(numbers, _x(row, number), row[REDUCED]))
        else:
            multiply_columns(numbers, row[REDUCED], row[INNER], _x(row, number), _y(row, number))


@opcode(_form("logsumexp"), per_term(4))
def logsumexp(row: Any, numbers: Any, integers: Any) -> None:
    """y = log(sum(exp(x))); -infinity of no numbers."""
    powers, peaks = row[SPARE] + row[INNER], part(numbers, row[SPARE], row[INNER])
    for number in range(row[OUTER]):
        _largest(row, numbers, _x(row, number), row[SPARE])
        for i in range(len(peaks)):
            if not math.isfinite(peaks[i]):
                peaks[i] = 0
        _subtract(row, numbers, _x(row, number), row[SPARE], powers)
        block = part(numbers, powers, row[REDUCED] * row[INNER])
        for k in range(len(block)):
            block[k] = exp(block[k])
        _add(row, numbers, powers, _y(row, number))
        found = part(numbers, _y(row, number), row[INNER])
        for i in range(len(found)):
            found[i] = log(found[i]) + peaks[i]

"""Numbers brought elsewhere: parts placed, rows gathered by their numbers and added back, minibatches, traces.

An index below 0 counts from the end, as NumPy's does. One out of range ends the run with an error (`integers[1]`), and
reads and writes the nearest that there is. The round is `integers[0]` at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.forms import AXES, check_walk, stretch, strided
from cartwheel.kernels.opcodes.registry import EXACT, Form, Span, opcode

_ROUND, _FAILED = 0, 1


def _states() -> Iterator[Span]:
    """What every opcode touches that uses an index."""
    yield stretch(_ROUND, 1, of_integers=True)
    yield stretch(_FAILED, 1, written=True, of_integers=True)


@compiled()
def _checked(integers: Any, index: int, length: int) -> int:
    """An index as a place from 0."""
    place = index + length if index < 0 else index
    if 0 <= place < length:
        return place
    integers[_FAILED] = -1
    return 0 if place < 0 else length - 1


@compiled()
def _round(integers: Any, rounds: int) -> int:
    """The round, if there are so many; else the run has failed."""
    if 0 <= integers[_ROUND] < rounds:
        return integers[_ROUND]  # type: ignore[no-any-return]
    integers[_FAILED] = -1
    return 0


# --- parts of an array -----------------------------------------------------------------------------------------------

# Words 1 to 4 the lengths of the axes, 5 the offset of x, 6 to 9 its strides, 10 the offset of y, 11 to 14 its strides.
LENGTHS, PLACED, PLACE = 1, 5, 10


def _placing(of_integers: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        lengths = row[LENGTHS : LENGTHS + AXES].tolist()
        check_walk(*lengths)
        read, written = (
            strided(int(row[word]), lengths, row[word + 1 : word + 1 + AXES].tolist(), word == PLACE, of_integers)
            for word in (PLACED, PLACE)
        )
        if math.prod(lengths) > written.last - written.first:
            raise ValueError("a number that is written twice makes no sense")
        yield from (read, written)

    return spans


@compiled()
def _move(of: Any, length: int, x: int, x_step: int, y: int, y_step: int) -> None:
    """A line of y = one of x."""
    if x_step == 1 and y_step == 1:
        source, found = part(of, x, length), part(of, y, length)
        for i in range(length):
            found[i] = source[i]
    else:
        for i in range(length):
            of[y + i * y_step] = of[x + i * x_step]


@compiled()
def _place(row: Any, of: Any) -> None:
    """A part of y = x, line by line."""
    for first in range(row[LENGTHS]):
        for second in range(row[LENGTHS + 1]):
            x = row[PLACED] + first * row[PLACED + 1] + second * row[PLACED + 2]
            y = row[PLACE] + first * row[PLACE + 1] + second * row[PLACE + 2]
            for third in range(row[LENGTHS + 2]):
                to = y + third * row[PLACE + 3]
                _move(of, row[LENGTHS + 3], x + third * row[PLACED + 3], row[PLACED + 4], to, row[PLACE + 4])


@opcode(_placing(of_integers=False), EXACT)
def place(row: Any, numbers: Any, integers: Any) -> None:
    """A part of y = x."""
    _place(row, numbers)


@opcode(_placing(of_integers=True), EXACT)
def place_of_integers(row: Any, numbers: Any, integers: Any) -> None:
    """A part of y = x, both integers."""
    _place(row, integers)


# --- by arrays of integers -------------------------------------------------------------------------------------------

# Of an array x (outer, axes that are indexed, inner) the numbers at some places, (outer, counts, inner): word 1 outer,
# 2 to 4 the counts (the axes of the arrays of integers), 5 inner, 6 how many axes are indexed, 7 the offset of x, 8
# that of what is gathered or added; then for each indexed axis its length, the offset of its integers, their 3 strides.
WHOLE, COUNTS, INNER, INDEXED, OF_X, GATHERED, INDICES = 1, 2, 5, 6, 7, 8, 9
PER_INDEX, MOST_INDEXED = 5, 4


def _indexing(writes_x: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        whole, *counts, inner, indexed = row[WHOLE : INDEXED + 1].tolist()
        if not 1 <= indexed <= MOST_INDEXED:
            raise ValueError("a number of indexed axes that makes no sense")
        check_walk(*counts, whole, inner)
        size = whole * inner
        gathered = size * counts[0] * counts[1] * counts[2]
        for word in range(INDICES, INDICES + PER_INDEX * indexed, PER_INDEX):
            length, offset, *steps = row[word : word + PER_INDEX].tolist()
            if length < 0 or (gathered and length == 0):
                raise ValueError("an axis without numbers can't be indexed")
            size *= length
            yield strided(offset, counts, steps, of_integers=True)
        yield stretch(int(row[OF_X]), size, written=writes_x)
        yield stretch(int(row[GATHERED]), gathered, written=not writes_x)
        yield from _states()

    return spans


@compiled()
def _indexed_place(row: Any, integers: Any, number: int) -> int:
    """Which of the indexed places the number-th is, counted over all indexed axes."""
    first, middle, last = 0, 0, number
    if number >= row[COUNTS + 2]:  # divisions take longer than all the rest
        rest, last = number // row[COUNTS + 2], number % row[COUNTS + 2]
        first, middle = rest // row[COUNTS + 1], rest % row[COUNTS + 1]
    at = 0
    for k in range(row[INDEXED]):
        word = INDICES + k * PER_INDEX
        index = integers[row[word + 1] + first * row[word + 2] + middle * row[word + 3] + last * row[word + 4]]
        at = at * row[word] + _checked(integers, index, row[word])
    return at


@compiled()
def _places(row: Any) -> int:
    """How many places the indexed axes have."""
    places = 1
    for k in range(row[INDEXED]):
        places *= row[INDICES + k * PER_INDEX]
    return places


@opcode(_indexing(writes_x=False), EXACT)
def gather(row: Any, numbers: Any, integers: Any) -> None:
    """y = the numbers of x at some places."""
    inner, count = row[INNER], row[COUNTS] * row[COUNTS + 1] * row[COUNTS + 2]
    for outer in range(row[WHOLE]):
        x, y = row[OF_X] + outer * _places(row) * inner, row[GATHERED] + outer * count * inner
        for number in range(count):
            source = part(numbers, x + _indexed_place(row, integers, number) * inner, inner)
            found = part(numbers, y + number * inner, inner)
            for i in range(inner):
                found[i] = source[i]


@opcode(_indexing(writes_x=True), EXACT)
def scatter(row: Any, numbers: Any, integers: Any) -> None:
    """x = zeros, with the numbers that are gathered added at their places, one after the other."""
    inner, count = row[INNER], row[COUNTS] * row[COUNTS + 1] * row[COUNTS + 2]
    size = _places(row) * inner
    everything = part(numbers, row[OF_X], row[WHOLE] * size)
    for i in range(len(everything)):
        everything[i] = 0
    for outer in range(row[WHOLE]):
        x, y = row[OF_X] + outer * size, row[GATHERED] + outer * count * inner
        for number in range(count):
            found = part(numbers, x + _indexed_place(row, integers, number) * inner, inner)
            source = part(numbers, y + number * inner, inner)
            for i in range(inner):
                found[i] += source[i]


# --- by the round ----------------------------------------------------------------------------------------------------

# Word 1 how many rows x has, 2 their length, 3 the offset of x, 4 how many rows a minibatch has, 5 the offset of y,
# 6 that of the integers that name the rows, 7 for how many rounds there are such.
ROWS, LENGTH, SOURCE, BATCH, BATCHED, NAMES, ROUNDS = range(1, 8)


def _batches(integers_moved: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        rows, length, batch, rounds = (int(row[word]) for word in (ROWS, LENGTH, BATCH, ROUNDS))
        if min(rows, length, batch) < 0 or rounds < 1 or (batch and not rows):
            raise ValueError("lengths or rounds that make no sense")
        yield stretch(int(row[SOURCE]), rows * length, of_integers=integers_moved)
        yield stretch(int(row[BATCHED]), batch * length, written=True, of_integers=integers_moved)
        yield stretch(int(row[NAMES]), batch * rounds, of_integers=True)
        yield from _states()

    return spans


@compiled()
def _batch(row: Any, integers: Any, of: Any) -> None:
    """The rows of this round's minibatch."""
    length = row[LENGTH]
    names = row[NAMES] + _round(integers, row[ROUNDS]) * row[BATCH]
    for number in range(row[BATCH]):
        source = part(of, row[SOURCE] + _checked(integers, integers[names + number], row[ROWS]) * length, length)
        found = part(of, row[BATCHED] + number * length, length)
        for i in range(length):
            found[i] = source[i]


@opcode(_batches(integers_moved=False), EXACT)
def minibatch(row: Any, numbers: Any, integers: Any) -> None:
    """y = this round's rows of x."""
    _batch(row, integers, numbers)


@opcode(_batches(integers_moved=True), EXACT)
def minibatch_of_integers(row: Any, numbers: Any, integers: Any) -> None:
    """y = this round's rows of x, both integers."""
    _batch(row, integers, integers)


# Word 1 how many numbers are moved, 2 the offset of x, 3 that of y, 4 how many rounds there are numbers for.
COUNT, FROM, TO, OF_ROUNDS = range(1, 5)


def _storing(of_integers: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        count, rounds = int(row[COUNT]), int(row[OF_ROUNDS])
        if count < 0 or rounds < 1:
            raise ValueError("lengths or rounds that make no sense")
        yield stretch(int(row[FROM]), count, of_integers=of_integers)
        yield stretch(int(row[TO]), count * rounds, written=True, of_integers=of_integers)
        yield from _states()

    return spans


@compiled()
def _store(row: Any, integers: Any, of: Any) -> None:
    """This round's row."""
    y = row[TO] + _round(integers, row[OF_ROUNDS]) * row[COUNT]
    for i in range(row[COUNT]):
        of[y + i] = of[row[FROM] + i]


@opcode(_storing(of_integers=False), EXACT)
def store(row: Any, numbers: Any, integers: Any) -> None:
    """This round's row of y = x."""
    _store(row, integers, numbers)


@opcode(_storing(of_integers=True), EXACT)
def store_of_integers(row: Any, numbers: Any, integers: Any) -> None:
    """This round's row of y = x, both integers."""
    _store(row, integers, integers)


# --- integers as numbers, and numbers as integers --------------------------------------------------------------------


def _casting(to_integers: bool) -> Form:
    def spans(row: Any) -> Iterator[Span]:
        yield stretch(int(row[FROM]), int(row[COUNT]), of_integers=not to_integers)
        yield stretch(int(row[TO]), int(row[COUNT]), written=True, of_integers=to_integers)

    return spans


@opcode(_casting(to_integers=False), EXACT)
def from_integers(row: Any, numbers: Any, integers: Any) -> None:
    """y = x, integers."""
    for i in range(row[COUNT]):
        numbers[row[TO] + i] = integers[row[FROM] + i]


@opcode(_casting(to_integers=True), EXACT)
def to_integers(row: Any, numbers: Any, integers: Any) -> None:
    """y = x, whole numbers that integers hold."""
    for i in range(row[COUNT]):
        integers[row[TO] + i] = np.int64(numbers[row[FROM] + i])

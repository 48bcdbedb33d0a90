"""Random numbers inside recorded programs: NumPy's PCG64, which goes on in every round.

A generator is four words among the integers, the high and low half of its state and of its increment, as
`kernels.random.generators` gives them. The stream is that of `numpy.random.Generator(PCG64(...))`: a uniform number
takes one word of 64 bits, of which the upper 53 count units of 2**-53, a normal number as many as NumPy's ziggurat
takes. All is computed in float64 and then rounded. A class is drawn by the Gumbel-max trick (Gumbel 1954): the
largest of logit - log(-log(u)), one word for each logit, row by row, where u is the middle of one of 2**52 parts of
[0, 1]. Level: EXACT; a normal number in its tails, and a class, as exact as a logarithm is.

Words of a row: 1 how many numbers n, 2 the place of the generator among the integers, 3 the result (n,), 4 and 5 the
bits of two float64 settings. For classes 1 rows, 2 the generator, 3 the place of the classes among the integers, 4
the logits (rows, columns), 5 columns, 6 the place of rows * columns integers to work in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba.np.random import _constants as ziggurat  # NumPy's own tables, which NumPy does not hand out

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import log
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import stretch
from cartwheel.kernels.opcodes.registry import Form, Span, opcode
from cartwheel.kernels.random import next_word, uniform

COUNT, GENERATOR, RESULT, FIRST, SECOND = range(1, 6)
LOGITS, COLUMNS, SCRATCH = 4, 5, 6

_WIDTHS, _INSIDE, _HEIGHTS = ziggurat.wi_double, ziggurat.ki_double, ziggurat.fi_double
_EDGE, _INVERSE_EDGE = ziggurat.ziggurat_nor_r, ziggurat.ziggurat_nor_inv_r


def _generator(row: Any) -> Span:
    return stretch(row[GENERATOR], 4, written=True, of_integers=True)


def _form(settings_make_sense: Callable[[float, float], bool]) -> Form:
    """The form of a draw of n numbers with two settings, the bits of a float64 each."""

    def spans(row: Any) -> Iterator[Span]:
        first, second = row[FIRST : SECOND + 1].view(np.float64)
        if not settings_make_sense(float(first), float(second)):
            raise ValueError(f"settings that make no sense: {first}, {second}")
        yield _generator(row)
        yield stretch(row[RESULT], row[COUNT], written=True)

    return spans


def _classes(row: Any) -> Iterator[Span]:
    rows, columns = int(row[COUNT]), int(row[COLUMNS])
    if rows < 0 or columns < 1:
        raise ValueError("rows or columns that make no sense")
    lengths = {RESULT: rows, SCRATCH: rows * columns}
    written = [stretch(row[word], lengths[word], written=True, of_integers=True) for word in lengths]
    yield from distinct((_generator(row), *written, stretch(row[LOGITS], rows * columns)))


@compiled()
def _words(row: Any, integers: Any) -> Any:
    """The generator (4,)."""
    return part(integers, row[GENERATOR], 4).view(np.uint64)


@compiled()
def _setting(row: Any, word: int) -> Any:
    return np.int64(row[word]).view(np.float64)


@opcode(_form(lambda low, high: math.isfinite(high - low)))
def uniform_numbers(row: Any, numbers: Any, integers: Any) -> None:
    """Numbers from [low, high), words 4 and 5, as `Generator.uniform(low, high, n)`; rounding may reach high."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    low, high = _setting(row, FIRST), _setting(row, SECOND)
    for i in range(len(y)):
        y[i] = uniform(generator, low, high)


@opcode(_form(lambda ratio, _: 0.0 <= ratio < 1.0))
def dropout_mask(row: Any, numbers: Any, integers: Any) -> None:
    """0 at the chance `ratio`, word 4, else 1 / (1 - ratio): what `nn.functions.dropout` multiplies by."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    ratio = _setting(row, FIRST)
    zero, kept = y.dtype.type(0.0), y.dtype.type(1.0 / (1.0 - ratio))
    for i in range(len(y)):
        y[i] = kept if uniform(generator, 0.0, 1.0) >= ratio else zero


# --- normal numbers --------------------------------------------------------------------------------------------------


@compiled()
def _tail(generator: Any, negative: bool) -> Any:
    """A number beyond the ziggurat's edge (Marsaglia 1964)."""
    while True:
        x = -_INVERSE_EDGE * math.log1p(-uniform(generator, 0.0, 1.0))
        y = -math.log1p(-uniform(generator, 0.0, 1.0))
        if y + y > x * x:
            return -(_EDGE + x) if negative else _EDGE + x


@compiled()
def _normal(generator: Any) -> Any:
    """A number from the normal distribution, as `Generator.standard_normal` draws it (Marsaglia and Tsang 2000)."""
    while True:
        word = next_word(generator)
        layer = np.int64(word & np.uint64(0xFF))
        where = (word >> np.uint64(9)) & np.uint64(0xFFFFFFFFFFFFF)
        x = np.float64(where) * _WIDTHS[layer]
        if word & np.uint64(0x100):
            x = -x
        if where < _INSIDE[layer]:
            return x
        if layer == 0:
            return _tail(generator, (where & np.uint64(0x100)) != 0)
        height = (_HEIGHTS[layer - 1] - _HEIGHTS[layer]) * uniform(generator, 0.0, 1.0) + _HEIGHTS[layer]
        if height < math.exp(-0.5 * x * x):
            return x


@opcode(_form(lambda mean, deviation: math.isfinite(mean) and 0.0 <= deviation < math.inf))
def normal_numbers(row: Any, numbers: Any, integers: Any) -> None:
    """Mean, word 4, + deviation, word 5, times normal numbers, as `Generator.normal(mean, deviation, n)`."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    mean, deviation = _setting(row, FIRST), _setting(row, SECOND)
    for i in range(len(y)):
        y[i] = mean + deviation * _normal(generator)


# --- classes ---------------------------------------------------------------------------------------------------------


@opcode(_classes)
def categorical(row: Any, numbers: Any, integers: Any) -> None:
    """The class of each row, drawn with the chances softmax(logits); NaN and -infinity never, or 0 of nothing else."""
    generator, classes, columns = _words(row, integers), part(integers, row[RESULT], row[COUNT]), row[COLUMNS]
    gumbel = part(integers, row[SCRATCH], row[COUNT] * columns).view(np.float64)
    for i in range(len(gumbel)):  # neither 0 nor 1
        gumbel[i] = (np.float64(next_word(generator) >> np.uint64(12)) + 0.5) * 2.0**-52
    for i in range(len(gumbel)):
        gumbel[i] = -log(-log(gumbel[i]))
    for number in range(len(classes)):
        logits, best, chosen = part(numbers, row[LOGITS] + number * columns, columns), -np.inf, 0
        for k in range(len(logits)):
            found = logits[k] + gumbel[number * columns + k]
            if found > best:
                best, chosen = found, k
        classes[number] = chosen

"""Random numbers inside recorded programs: NumPy's PCG64, which goes on in every round.

A generator is four words among the integers, the high and low half of its state and of its increment, as
`kernels.random.generators` gives them. The stream is that of `numpy.random.Generator(PCG64(...))`: a uniform number
takes one word of 64 bits, of which the upper 53 count units of 2**-53, a normal number as many as NumPy's ziggurat
takes. All is computed in float64 and then rounded. A class is drawn by the Gumbel-max trick (Gumbel 1954): the
largest of logit + noise, where the noise is what `Generator.gumbel` draws, -log(-log(1 - u)).

Words of a row: 1 how many numbers n, 2 the place of the generator among the integers, 3 the result (n,), 4 what the
opcode names. For classes 1 rows, 2 the generator, 3 the place of the classes among the integers, 4 the logits (rows,
columns), 5 columns, 6 the place of rows * columns integers to work in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.np.random import _constants as ziggurat  # NumPy's own tables, which NumPy does not hand out

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import log
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import stretch
from cartwheel.kernels.opcodes.registry import EXACT, Span, opcode
from cartwheel.kernels.random import next_word, uniform

COUNT, GENERATOR, RESULT, SETTING = range(1, 5)
LOGITS, COLUMNS, SCRATCH = 4, 5, 6

_WIDTHS, _INSIDE, _HEIGHTS = ziggurat.wi_double, ziggurat.ki_double, ziggurat.fi_double
_EDGE, _INVERSE_EDGE = ziggurat.ziggurat_nor_r, ziggurat.ziggurat_nor_inv_r


def _generator(row: Any) -> Span:
    return stretch(row[GENERATOR], 4, written=True, of_integers=True)


def _numbers(row: Any) -> Iterator[Span]:
    """The form of a draw of n numbers."""
    yield _generator(row)
    yield stretch(row[RESULT], row[COUNT], written=True)


def _mask(row: Any) -> Iterator[Span]:
    ratio = float(row[SETTING : SETTING + 1].view(np.float64)[0])
    if not 0.0 <= ratio < 1.0:
        raise ValueError(f"a ratio that makes no sense: {ratio}")
    yield from _numbers(row)


def _of_chances(row: Any) -> Iterator[Span]:
    yield from distinct((*_numbers(row), stretch(row[SETTING], row[COUNT])))


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


@opcode(_numbers, EXACT)
def standard_uniform(row: Any, numbers: Any, integers: Any) -> None:
    """Numbers from [0, 1), as `Generator.uniform(size=n)`; rounding may reach 1."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    for i in range(len(y)):
        y[i] = uniform(generator, 0.0, 1.0)


@opcode(_mask, EXACT)
def dropout_mask(row: Any, numbers: Any, integers: Any) -> None:
    """0 at the chance of the float64 in word 4, `ratio`, else 1 / (1 - ratio): what dropout multiplies by."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    ratio = np.int64(row[SETTING]).view(np.float64)
    zero, kept = y.dtype.type(0.0), y.dtype.type(1.0 / (1.0 - ratio))
    for i in range(len(y)):
        y[i] = kept if uniform(generator, 0.0, 1.0) >= ratio else zero


@opcode(_of_chances, EXACT)
def bernoulli(row: Any, numbers: Any, integers: Any) -> None:
    """1 at the chance of each number at the offset in word 4, else 0."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    chances = part(numbers, row[SETTING], row[COUNT])
    zero, one = y.dtype.type(0.0), y.dtype.type(1.0)
    for i in range(len(y)):
        y[i] = one if uniform(generator, 0.0, 1.0) < chances[i] else zero


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


@opcode(_numbers, EXACT)
def standard_normal(row: Any, numbers: Any, integers: Any) -> None:
    """Numbers from the normal distribution, as `Generator.standard_normal(n)`."""
    generator, y = _words(row, integers), part(numbers, row[RESULT], row[COUNT])
    for i in range(len(y)):
        y[i] = _normal(generator)


# --- classes ---------------------------------------------------------------------------------------------------------


@compiled()
def _below_one(generator: Any) -> Any:
    """A number above 0 and below 1, as `Generator.gumbel` draws it."""
    u = 1.0 - uniform(generator, 0.0, 1.0)
    while u >= 1.0:
        u = 1.0 - uniform(generator, 0.0, 1.0)
    return u


@opcode(_classes, EXACT)
def categorical(row: Any, numbers: Any, integers: Any) -> None:
    """The class of each row, with the chances softmax(logits); a logit of NaN or -inf never, or 0 of nothing else."""
    generator, classes, columns = _words(row, integers), part(integers, row[RESULT], row[COUNT]), row[COLUMNS]
    gumbel = part(integers, row[SCRATCH], row[COUNT] * columns).view(np.float64)
    for i in range(len(gumbel)):
        gumbel[i] = _below_one(generator)
    for i in range(len(gumbel)):
        gumbel[i] = -log(-log(gumbel[i]))
    for number in range(len(classes)):
        logits, best, chosen = part(numbers, row[LOGITS] + number * columns, columns), -np.inf, 0
        for k in range(len(logits)):
            found = logits[k] + gumbel[number * columns + k]
            if found > best:
                best, chosen = found, k
        classes[number] = chosen

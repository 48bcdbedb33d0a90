"""The forms of rows: which word means what, and what memory the row touches. Offsets count numbers from a base."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.opcodes.registry import Form, Span

# An element-wise row: word 1 how many numbers go together in a block, 2 how many blocks there are along the last axis,
# 3 to 6 the lengths of the axes, of which the last runs fastest; for each input its offset, its stride along each axis,
# and where a block of it is gathered if its last stride is not 1; then the output's offset, and what else there is.
CHUNK, CHUNKS, LENGTHS, INPUTS = 1, 2, 3, 7
AXES, PER_INPUT = 4, 6

#: The longest block of numbers that have to be gathered.
BLOCK = 512

#: What is walked although no memory is touched, or the same again and again, is at most so long: seconds.
LONGEST = 2**31


def output_word(inputs: int) -> int:
    """The word with the output's offset in an element-wise row."""
    return INPUTS + PER_INPUT * inputs


def elementwise(inputs: int) -> Form:
    """The form of an element-wise opcode with so many inputs."""

    def spans(row: Any) -> Iterator[Span]:
        lengths = row[LENGTHS : LENGTHS + AXES].tolist()  # Python's integers, which do not wrap around
        chunk, chunks, last = int(row[CHUNK]), int(row[CHUNKS]), lengths[-1]
        if min(lengths) < 0 or not 1 <= chunk <= max(last, 1) or chunks != -(-last // chunk):
            raise ValueError("lengths or blocks that make no sense")
        for number in range(inputs):
            offset, *strides, gathered = row[INPUTS + PER_INPUT * number : INPUTS + PER_INPUT * (number + 1)].tolist()
            yield strided(offset, lengths, strides)
            if strides[-1] != 1:
                yield stretch(gathered, min(chunk, last), written=True)
        yield stretch(row[output_word(inputs)], math.prod(lengths), written=True)

    return spans


def strided(
    offset: int, lengths: list[int], strides: list[int], written: bool = False, of_integers: bool = False
) -> Span:
    """What a strided array covers."""
    if 0 in lengths:
        return Span(0, 0, written, of_integers)
    reach = [(length - 1) * stride for length, stride in zip(lengths, strides, strict=True)]
    first = offset + sum(one for one in reach if one < 0)
    return Span(first, offset + sum(one for one in reach if one > 0) + 1, written, of_integers)


def check_walk(*lengths: int) -> None:
    """ValueError for lengths below 0, and for long axes beside one of length 0: walking them would never end."""
    if min(lengths) < 0:
        raise ValueError("a length below 0")
    if 0 in lengths and math.prod(max(length, 1) for length in lengths) > LONGEST:
        raise ValueError("lengths that make no sense beside one of 0")


def stretch(offset: int, length: int, written: bool = False, of_integers: bool = False) -> Span:
    """What a contiguous array covers. ValueError for a length below 0."""
    if length < 0:
        raise ValueError("a length below 0")
    return Span(int(offset), int(offset) + int(length), written, of_integers)

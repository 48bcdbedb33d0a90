"""How element-wise opcodes see their operands: block by block, each a contiguous array.

An operand whose last stride is not 1 (a number for all, a column, a reversed axis) is gathered into a block first, so
that each opcode is one loop over contiguous numbers, which becomes vector instructions.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.forms import CHUNK, CHUNKS, INPUTS, LENGTHS, PER_INPUT


@compiled()
def blocks(row: Any) -> int:
    """How many blocks a row has."""
    return row[LENGTHS] * row[LENGTHS + 1] * row[LENGTHS + 2] * row[CHUNKS]  # type: ignore[no-any-return]


@compiled()
def _length(row: Any, inner: int) -> int:
    """How long the inner-th block along the last axis is."""
    return min(row[CHUNK], row[LENGTHS + 3] - inner * row[CHUNK])  # type: ignore[no-any-return]


@compiled()
def operand(row: Any, numbers: Any, number: int, block: int) -> Any:
    """A block of an input."""
    word = INPUTS + PER_INPUT * number
    offset, stride = row[word], row[word + 4]
    inner = block
    if row[LENGTHS] * row[LENGTHS + 1] * row[LENGTHS + 2] > 1:
        outer, inner = block // row[CHUNKS], block % row[CHUNKS]
        offset += outer % row[LENGTHS + 2] * row[word + 3]
        outer //= row[LENGTHS + 2]
        offset += outer % row[LENGTHS + 1] * row[word + 2]
        offset += outer // row[LENGTHS + 1] * row[word + 1]
    length = _length(row, inner)
    offset += inner * row[CHUNK] * stride
    if stride == 1:
        return part(numbers, offset, length)
    gathered = part(numbers, row[word + 5], length)
    if stride == 0:
        gathered[:] = numbers[offset]
        return gathered
    for i in range(length):
        gathered[i] = numbers[offset + i * stride]
    return gathered


@compiled()
def result(row: Any, numbers: Any, word: int, block: int) -> Any:
    """A block of an output, whose offset stands in a word: outputs are contiguous."""
    outer, inner = block // row[CHUNKS], block % row[CHUNKS]
    return part(numbers, row[word] + outer * row[LENGTHS + 3] + inner * row[CHUNK], _length(row, inner))

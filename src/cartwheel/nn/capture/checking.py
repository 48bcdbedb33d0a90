"""The check of a program's rows, before they first run: that none reaches outside of the program's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartwheel.kernels.opcodes import OPCODES, ROW
from cartwheel.nn.array import Array

_NAMES = list(OPCODES)

#: Stretches [first, last) from a base on, in numbers.
Stretches = Sequence[tuple[int, int]]


def stretches(arrays: Sequence[Array]) -> Stretches:
    """Where each of these lies, from the first one on."""
    base, size = arrays[0].ctypes.data, arrays[0].itemsize
    starts = [(int(array.ctypes.data) - base) // size for array in arrays]
    return [(start, start + array.size) for start, array in zip(starts, arrays, strict=True)]


def check_row(number: int, words: Any, floats: Stretches, integers: Stretches) -> None:
    """ValueError for a row that is none, or that reaches outside of the memory where floats and integers may be."""
    if words.shape != (ROW,) or not 0 <= int(words[0]) < len(_NAMES):
        raise ValueError(f"row {number} is no row of a program")
    name = _NAMES[int(words[0])]
    for span in OPCODES[name].form(words):
        memory = integers if span.of_integers else floats
        if span.first != span.last and not any(start <= span.first <= span.last <= end for start, end in memory):
            told = f"[{span.first}, {span.last})"
            raise ValueError(f"row {number} ({name}) reaches outside of the program's memory: {told}")

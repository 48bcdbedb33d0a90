"""A program's rows for reading, and the time that they take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.nn.capture.builder import Row

_NAMES = list(OPCODES)


def described(rows: Sequence[Row]) -> str:
    """A line for each row: its opcode, what it came from, shapes and bytes of what it makes, and the user's line."""
    lines = [("row", "opcode", "from", "shapes", "bytes", "line")]
    for number, row in enumerate(rows):
        made = [y for y in row.entry.outputs if y is not None]
        name = "(NumPy)" if row.words is None else _NAMES[int(row.words[0])]
        shapes, size = ", ".join(str(y.shape) for y in made), sum(y.nbytes for y in made)
        lines.append((str(number), name, row.entry.name, shapes, str(size), row.entry.place))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def timed(function: Any, times: int) -> float:
    """The seconds of one of so many runs, the median of five."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        function(times)
        taken.append((time.perf_counter() - start) / times)
    return sorted(taken)[2]

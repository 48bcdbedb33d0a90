"""The one type of floats that a program computes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.tape import Tape

#: What the opcodes are compiled for.
KNOWN = (np.dtype(np.float32), np.dtype(np.float64))


def float_type(tape: Tape, inputs: Sequence[Array]) -> Any:
    """The type of all floats that a step computes; that of its inputs where it computes none, else float32.

    TypeError for several types, and for one other than float32 and float64, with the lines where they come from.
    """
    found: dict[Any, str] = {}
    for entry in tape.entries:
        for y in entry.outputs:
            if y is not None and y.dtype.kind == "f":
                found.setdefault(_native(y), f"{entry.name} at {entry.place}")
    given = {_native(x): f"input {number}" for number, x in enumerate(inputs) if x.dtype.kind == "f"}
    found = found or given
    if any(dtype not in KNOWN for dtype in found):
        raise TypeError(
            f"expected float32 or float64 in a recorded step, got {_told(found)}: cast before, "
            "F.cast(x, np.float32), truth values and small integers too"
        )
    if len(found) > 1:
        hint = f"; it was given {_told(given)}" if found is not given and given else ""
        raise TypeError(
            f"expected floats of one type in a recorded step, got {_told(found)}{hint}. x.astype(np.float32) makes one "
            "of an input, F.cast(x, np.float32) of what is computed"
        )
    return next(iter(found), KNOWN[0])


def _native(array: Array) -> Any:
    """The type of its numbers, in the order of bytes of this machine."""
    return array.dtype.newbyteorder("=")


def _told(found: Mapping[Any, str]) -> str:
    """Types, and where each comes from."""
    order = sorted(found, key=str)
    where = ", ".join(f"{dtype} of {found[dtype]}" for dtype in order)
    return f"{' and '.join(map(str, order))} ({where})"

"""Memory for tests of opcodes: arrays among NaN; rows that are run must touch what their form says, and no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np

from cartwheel.kernels.opcodes import OPCODES, ROW, interpreter, target

DTYPES = ("float32", "float64")
#: What forms say of rows that they refuse.
NONSENSE = "no sense|below 0|over another|advance|in memory|need"
_GAP = 40  # numbers between arrays: more than a vector


def bits(setting: float) -> int:
    """A float64 as a row's word."""
    return int(np.float64(setting).view(np.int64))


class Memory:
    """Numbers of a type and integers, with NaN and -1 between what is placed there."""

    def __init__(self, dtype: str, size: int = 1 << 16) -> None:
        self.dtype = dtype
        self.numbers = np.full(size, np.nan, dtype)
        self.integers = np.full(1 << 15, -1, np.int64)
        self.integers[:2] = 0
        self._free, self._free_integers = _GAP, 2

    def room(self, *shape: int) -> int:
        """The offset of an array of NaN."""
        offset = self._free
        self._free += int(np.prod(shape)) + _GAP
        assert self._free <= self.numbers.size
        return offset

    def put(self, array: Any) -> int:
        """The offset of an array's copy."""
        array = np.asarray(array, self.dtype)
        offset = self.room(array.size)
        self.numbers[offset : offset + array.size] = array.ravel()
        return offset

    def put_integers(self, array: Any) -> int:
        """The offset of an array's copy among the integers."""
        array = np.asarray(array, np.int64)
        offset = self._free_integers + 5
        self._free_integers = offset + array.size
        self.integers[offset : offset + array.size] = array.ravel()
        return offset

    def get(self, offset: int, *shape: int) -> Any:
        """A view of an array."""
        return self.numbers[offset : offset + int(np.prod(shape))].reshape(shape)

    def run(self, name: str, *words: int, times: int = 1) -> None:
        """Run a row twice from the same beginning, the second time with all else than its form tells of spoilt.

        It must give the same, and leave alone what its form does not call written.
        """
        row = row_of(name, *words)
        arrays = self.numbers, self.integers
        known: list[Any] = [np.zeros(array.size, bool) for array in arrays]
        written: list[Any] = [np.zeros(array.size, bool) for array in arrays]
        known[1][:2] = True
        for span in OPCODES[name].form(row):
            assert 0 <= span.first <= span.last <= arrays[span.of_integers].size
            for mask in (known, written) if span.written else (known,):
                mask[span.of_integers][span.first : span.last] = True
        before = [array.copy() for array in arrays]
        self._call(name, row, times)
        after = [array.copy() for array in arrays]
        for old, new, mask in zip(before, after, written, strict=True):
            assert old[~mask].tobytes() == new[~mask].tobytes(), f"{name} wrote where its form does not say so"
        for array, old, kept, spoilt in zip(arrays, before, known, (np.nan, -7), strict=True):
            array[:] = np.where(kept, old, array.dtype.type(spoilt))
        self._call(name, row, times)
        for array, new, mask in zip(arrays, after, written, strict=True):
            assert array[mask].tobytes() == new[mask].tobytes(), f"{name} reads what its form does not tell of"
            array[:] = new

    def _call(self, name: str, row: Any, times: int) -> None:
        targets: Any = [target(name, self.dtype)]
        if not numba.config.DISABLE_JIT:
            targets = np.array(targets, np.int64)
        rounds = self.integers[0]
        with np.errstate(all="ignore"):
            interpreter(self.dtype)(targets, row[None], self.numbers, self.integers, times)
        self.integers[0] = rounds


def row_of(name: str, *words: int) -> Any:
    """An opcode's row."""
    row = np.zeros(ROW, np.int64)
    row[0] = OPCODES[name].number
    row[1 : 1 + len(words)] = words
    return row


def apart(got: Any, expected: Any, scale: Any = None) -> float:
    """The largest difference in units of eps * scale (of the numbers expected, if None is given).

    Infinity where one is NaN or infinite and the other is not, or another infinity.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    if not got.size:
        return 0.0
    finite = np.isfinite(expected)
    if not (np.isfinite(got) == finite).all() or not np.array_equal(
        got[~finite], expected[~finite].astype(got.dtype), equal_nan=True
    ):
        return float("inf")
    size = np.abs(expected) if scale is None else np.broadcast_to(scale, expected.shape)
    unit = np.finfo(got.dtype).eps * np.maximum(size[finite], np.finfo(got.dtype).tiny)
    difference = np.abs(got[finite].astype(np.longdouble) - expected[finite])
    return float((difference / unit).max(initial=0.0))


def unlike(got: Any, expected: Any) -> float:
    """0 if two arrays are equal to the bit, else infinity: an error at the level EXACT."""
    return 0.0 if got.dtype == expected.dtype and got.tobytes() == expected.tobytes() else float("inf")


def holds(name: str, error: float) -> None:
    """That an opcode's worst error is within its level in the table."""
    level = OPCODES[name].level
    assert error <= level.most, f"{name} is declared {level}, and is off by {error:g}"


def with_compilation_off(module: str, call: str) -> None:
    """Run a function of a test module in a process with NUMBA_DISABLE_JIT=1."""
    program = (
        "import sys, numba; sys.path[:0] = sys.argv[1:]; assert numba.config.DISABLE_JIT\n"
        f"import {module}\n{module}.{call}"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

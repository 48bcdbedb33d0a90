"""NumPy's PCG64 for kernels: the same stream to the bit as `numpy.random.Generator(PCG64(seed))`.

A generator is a row of four uint64: the high and low halves of its state and of its increment.
Source: M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
Generation", 2014: the 128-bit linear congruential generator with the XSL-RR output (pcg64).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.kernels.compile import compiled

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_MULTIPLIER_HIGH = np.uint64(0x2360ED051FC65DA4)
_MULTIPLIER_LOW = np.uint64(0x4385DF649FCCF645)
_ROTATION = np.uint64(58)
_WORD = np.uint64(63)
_MANTISSA = np.uint64(11)
_ULP = 1.0 / 9007199254740992.0  # 2**-53


def generators(seeds: Iterable[int]) -> NDArray[np.uint64]:
    """The generators `(E, 4)` that environments make of these episode seeds, at their beginning."""
    rows = [words_of(np.random.PCG64(int(seed)).state["state"]) for seed in seeds]
    return np.array(rows, np.uint64).reshape(-1, 4)


def words_of(state: Mapping[str, Any]) -> NDArray[np.uint64]:
    """The state and the increment of a PCG64, as its `state` has them, in four words: the high half of each first."""
    halves = [x >> shift & 0xFFFFFFFFFFFFFFFF for x in (state["state"], state["inc"]) for shift in (64, 0)]
    return np.array(halves, np.uint64)


def state_of(words: NDArray[np.uint64]) -> dict[str, int]:
    """The inverse of `words_of`."""
    high, low, more, less = (int(word) for word in words)
    return {"state": high << 64 | low, "inc": more << 64 | less}


@compiled()
def _high_product(a: np.uint64, b: np.uint64) -> np.uint64:
    """The upper 64 bits of a * b."""
    a_high, a_low = a >> _HALF, a & _LOW_HALF
    b_high, b_low = b >> _HALF, b & _LOW_HALF
    middle = a_high * b_low + (a_low * b_low >> _HALF)
    carry = (middle & _LOW_HALF) + a_low * b_high
    return a_high * b_high + (middle >> _HALF) + (carry >> _HALF)


@compiled()
def next_word(row: NDArray[np.uint64]) -> np.uint64:
    """Advance the generator `row (4,)` and give 64 random bits."""
    high, low = row[0], row[1]
    new_low = low * _MULTIPLIER_LOW + row[3]
    new_high = _high_product(low, _MULTIPLIER_LOW) + high * _MULTIPLIER_LOW + low * _MULTIPLIER_HIGH + row[2]
    if new_low < row[3]:  # the sum of the low halves carried
        new_high += np.uint64(1)
    row[0], row[1] = new_high, new_low
    word = new_high ^ new_low
    rotation = new_high >> _ROTATION
    rotated: np.uint64 = (word >> rotation) | (word << ((np.uint64(64) - rotation) & _WORD))
    return rotated


@compiled()
def uniform(row: NDArray[np.uint64], low: float, high: float) -> float:
    """A number from [low, high), as `Generator.uniform(low, high)` draws it."""
    return low + (high - low) * (np.float64(next_word(row) >> _MANTISSA) * _ULP)

"""What the functions of `elementary` and `circular` are made of: float32 and float64 from one source, and their bits.

In compiled code a bare 0.5 is a float64, and would turn a loop over float32 into one over float64: constants are
written `like(x, 0.5)`, in the type of x. What is compiled equals the plain Python to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

#: As `compiled()`, for a helper that must not stay a call: a call in a loop keeps the loop from becoming vectors.
inlined: Callable[..., Any] = numba.njit(nogil=True, error_model="numpy", forceinline=True)


def typed(single: Callable[..., Any], double: Callable[..., Any]) -> Callable[..., Any]:
    """One function of two with the same arguments, for use in compiled code: the first argument's type says which."""

    def function(*arguments: Any) -> Any:
        return (single if isinstance(arguments[0], np.float32) else double)(*arguments)

    if not numba.config.DISABLE_JIT:
        options = {"nogil": True, "error_model": "numpy", "forceinline": True}
        choose = overload(function, strict=False, jit_options=options)
        choose(lambda *arguments: single if arguments[0] == types.float32 else double)
    return function


#: number(x, single, double): a constant in the type of x: `single` in float32, `double` in float64
number = typed(lambda x, single, double: np.float32(single), lambda x, single, double: np.float64(double))

#: like(x, value): a constant in the type of x
like = typed(lambda x, value: np.float32(value), lambda x, value: np.float64(value))


@inlined
def nearest(x: Any) -> Any:
    """x rounded to a whole number, for |x| < 2**22."""
    large = number(x, 12582912.0, 6755399441055744.0)  # 1.5 * 2**23 and 2**52: there is no room for a fraction
    return (x + large) - large


# A float is its sign, an exponent with an offset of 127 (1023), and 23 (52) bits of fraction. Numba widens int32 in
# every operation: np.int32 around each keeps vectors narrow.


def _power_single(k: Any) -> Any:
    biased = np.float32(k) + np.float32(12582912.0 + 127.0)  # as in `nearest`: k + 127 stands in the last bits
    return np.int32(np.float32(biased).view(np.int32) << 23).view(np.float32)


def _power_double(k: Any) -> Any:
    biased = np.float64(k) + np.float64(6755399441055744.0 + 1023.0)
    return np.int64(np.float64(biased).view(np.int64) << 52).view(np.float64)


#: power_of_two(k): 2**k for a whole k, from -126 to 127 (-1022 to 1023)
power_of_two = typed(_power_single, _power_double)

_ROOT_SINGLE, _ROOT_DOUBLE = 0x3F3504F3, 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)


def _exponent_single(x: Any) -> Any:
    return np.float32(np.int32(np.int32(np.float32(x).view(np.int32) - _ROOT_SINGLE) >> 23))


def _exponent_double(x: Any) -> Any:
    return np.float64(np.int32((np.float64(x).view(np.int64) - _ROOT_DOUBLE) >> 52))


def _significand_single(x: Any) -> Any:
    bits = np.int32(np.float32(x).view(np.int32) - _ROOT_SINGLE)
    return np.int32(np.int32(bits & 0x007FFFFF) + _ROOT_SINGLE).view(np.float32)


def _significand_double(x: Any) -> Any:
    bits = np.float64(x).view(np.int64) - _ROOT_DOUBLE
    return np.int64((bits & 0x000FFFFFFFFFFFFF) + _ROOT_DOUBLE).view(np.float64)


#: exponent(x), significand(x): the whole e, and m from sqrt(1/2) to sqrt(2), of x = 2**e m, for a normal x > 0
exponent = typed(_exponent_single, _exponent_double)
significand = typed(_significand_single, _significand_double)


@inlined
def _halves(x: Any) -> Any:
    """A float64 as the sum of two of half its bits (Dekker, 1971)."""
    c = x * 134217729.0
    head = c - (c - x)
    return head, x - head


@inlined
def product_rest(a: Any, b: Any) -> Any:
    """What rounding a * b loses, exactly: float64, for |a| and |b| below 2**500 (Dekker, 1971)."""
    p = a * b
    a0, a1 = _halves(a)
    b0, b1 = _halves(b)
    return ((a0 * b0 - p) + a0 * b1 + a1 * b0) + a1 * b1


@inlined
def from_bits(word: Any) -> Any:
    """The float64 whose bits are an int64: how a row of a program holds a number."""
    return np.int64(word).view(np.float64)


def to_bits(value: float) -> int:
    """The int64 with the bits of a float64: what `from_bits` takes."""
    return int(np.float64(value).view(np.int64))

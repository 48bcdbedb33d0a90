"""Squares of scalars as Python and NumPy take them: `x ** 2` is the C library's `pow`, not always x * x.

glibc's pow is off by at most 0.52 units in the last place where the power is moderate (sysdeps/ieee754/dbl-64/e_pow.c:
0.511 for the exponential, and 1024 log(2) times 1.5 * 2**-68 for the logarithm, at its largest). So where x * x lies
clear of the middle between two doubles it is pow's result; the few lanes that do not ask the C library. Where the
library is not glibc, all do.
"""

from __future__ import annotations

import math
import platform
from typing import Any

from cartwheel.kernels import compiled

_TRUSTED = platform.libc_ver()[0] == "glibc"
_SPLIT = 134217729.0  # 2**27 + 1: Dekker's constant
_MARGIN = 0.03 * 2.0**-52  # the error of pow beyond 1/2, and as much as half of it again for roundings here
_SMALLEST, _LARGEST = 2.0**-300, 2.0**300  # of squares for which pow's error is so small, and the rest below exact


@compiled()
def square(lanes: int, rows: Any, source: int, target: int, exponent: int) -> None:
    """Put the squares of one row of `rows (k, L)` into another, for `lanes` lanes.

    The row `exponent` holds the number 2 in every lane, written in another function than the caller: a compiler that
    knows the exponent makes a product of the power.
    """
    for i in range(lanes):
        x = rows[source, i]
        z = x * x
        head = _SPLIT * x
        head = head - (head - x)
        tail = x - head
        rest = ((head * head - z) + 2.0 * head * tail) + tail * tail  # z + rest = x * x exactly (Dekker 1971)
        margin = z * _MARGIN
        clear = (z + (rest + margin) == z) & (z + (rest - margin) == z) & (z > _SMALLEST) & (z < _LARGEST)
        rows[target, i] = z if clear & _TRUSTED else math.nan
    for i in range(lanes):
        if math.isnan(rows[target, i]):
            rows[target, i] = rows[source, i] ** rows[exponent, i]

"""Sine and cosine of small angles over lanes, equal to the C library's to the bit, at half its cost.

The C library rounds almost always correctly: glibc states errors of at most 0.501 units in the last place for the
sine below 0.126, 0.548 above, and 0.51 for the cosine (sysdeps/ieee754/dbl-64/s_sin.c). So where a value is known well
enough, and lies clear of the middle between two doubles, the C library's result is the nearest double. Both are
computed here in vectors, each as a double and a small rest; the few lanes whose rest is too close to the middle ask the
C library. Where the library is not glibc, all lanes do.
"""

from __future__ import annotations

import math
import platform
from typing import Any

from cartwheel.kernels.compile import compiled

LARGEST = 0.25  # beyond it, the series below are too short
_TRUSTED = platform.libc_ver()[0] == "glibc"

# Taylor coefficients; what is left out is below 2**-70 of the result at 0.25
_S3, _S5, _S7, _S9, _S11, _S13 = -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800
_C4, _C6, _C8, _C10, _C12 = 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600
_C14 = -1 / 87178291200

_SPLIT = 134217729.0  # 2**27 + 1: Dekker's constant
_HALF_UNIT = 2.0**-53

# How close to the middle is too close, in units in the last place: the C library's error beyond 1/2 and our own.
# Ours, sine: 3 roundings of the correction, itself at most x**2 / 6 of x: 0.008 below 0.125, 0.032 below 0.25.
# Ours, cosine: 3 roundings of z**2 / 24: 0.002.
_NEAR, _SINE_NEAR, _SINE_FAR = 0.125, (0.001 + 0.009) * 2 * _HALF_UNIT, (0.048 + 0.033) * 2 * _HALF_UNIT
_COSINE = (0.01 + 0.003) * _HALF_UNIT


@compiled()
def sine_cosine(lanes: int, rows: Any, angle: int, sine: int, cosine: int) -> None:
    """Put the sines and cosines of the angles (rad) in one row of `rows (k, L)` into two others, for `lanes` lanes."""
    if not _TRUSTED:
        for i in range(lanes):
            rows[sine, i], rows[cosine, i] = math.sin(rows[angle, i]), math.cos(rows[angle, i])
        return
    for i in range(lanes):
        x = rows[angle, i]
        z = x * x
        head = _SPLIT * x
        head = head - (head - x)
        tail = x - head
        z_rest = ((head * head - z) + 2.0 * head * tail) + tail * tail  # z + z_rest = x * x exactly (Dekker 1971)

        t = x * (z * (_S3 + z * (_S5 + z * (_S7 + z * (_S9 + z * (_S11 + z * _S13))))))
        s = x + t
        rest = t - (s - x)  # s + rest = x + t exactly, since |t| < |x|
        margin = abs(s) * (_SINE_NEAR if abs(x) < _NEAR else _SINE_FAR)
        clear = (s + (rest + margin) == s) & (s + (rest - margin) == s)

        half = 0.5 * z
        most = 1.0 - half
        series = z * z * (_C4 + z * (_C6 + z * (_C8 + z * (_C10 + z * (_C12 + z * _C14)))))
        t = ((1.0 - most) - half) + (series - 0.5 * z_rest)
        c = most + t
        rest = t - (c - most)
        clear &= (c + (rest + _COSINE) == c) & (c + (rest - _COSINE) == c)

        rows[sine, i] = s if clear & (abs(x) < LARGEST) & (x != 0.0) else math.nan  # the sine of -0 is -0
        rows[cosine, i] = c
    for i in range(lanes):
        if math.isnan(rows[sine, i]):
            rows[sine, i], rows[cosine, i] = math.sin(rows[angle, i]), math.cos(rows[angle, i])

"""Trigonometric functions and their inverses, for float32 and float64: at most 4 units in the last place of error.

As in `elementary`: without branches, and equal to the plain Python here to the bit. All are computed in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.kernels.floats import inlined, nearest, typed

#: Angles up to here are reduced with three parts of pi / 2; `within` says so. Larger ones are the C library's.
LARGEST = 1e6

# pi / 2 in parts of 33 bits, of which multiples up to 2**20 are exact, as in fdlibm
_P1, _P2, _P3 = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21


@inlined
def _turns(x: Any) -> Any:
    return nearest(x * 0.6366197723675814)


@inlined
def _reduced(x: Any, turns: Any) -> Any:
    """The angle less that many quarters of a turn: at most pi / 4."""
    return ((x - turns * _P1) - turns * _P2) - turns * _P3


@inlined
def _sine(r: Any) -> Any:
    z = r * r
    tail = 1 / 6227020800 + z * (-1 / 1307674368000 + z * (1 / 355687428096000))
    tail = -1 / 5040 + z * (1 / 362880 + z * (-1 / 39916800 + z * tail))
    return r + r * (z * (-1 / 6 + z * (1 / 120 + z * tail)))


@inlined
def _cosine(r: Any) -> Any:
    z = r * r
    tail = -1 / 87178291200 + z * (1 / 20922789888000 + z * (-1 / 6402373705728000))
    tail = -1 / 720 + z * (1 / 40320 + z * (-1 / 3628800 + z * (1 / 479001600 + z * tail)))
    half = 0.5 * z
    most = 1.0 - half
    return most + (((1.0 - most) - half) + z * z * (1 / 24 + z * tail))


@inlined
def _quarter(x: Any, first: int) -> Any:
    """sin(x + first * pi / 2)."""
    turns = _turns(x)
    r = _reduced(x, turns)
    place = np.int32(turns) + first
    s, c = _sine(r), _cosine(r)
    y = c if place & 1 != 0 else s
    return -y if place & 2 != 0 else y


@inlined
def _sin(x: Any) -> Any:
    y = _quarter(x, 0)
    return x if abs(x) < 1e-9 else y


@inlined
def _cos(x: Any) -> Any:
    return _quarter(x, 1)


@inlined
def _tan(x: Any) -> Any:
    turns = _turns(x)
    r = _reduced(x, turns)
    s, c = _sine(r), _cosine(r)
    odd = np.int32(turns) & 1 != 0
    above, below = -c if odd else s, s if odd else c
    y = above / below
    return x if abs(x) < 1e-9 else y


@inlined
def _arctan(x: Any) -> Any:
    """With Cephes's reductions and rational approximation (Moshier, 1992)."""
    a = abs(x)
    large, middle = a > 2.414213562373095, a > 0.66
    above = a - 1.0 if middle else a
    below = a + 1.0 if middle else 1.0
    start = math.pi / 4 if middle else 0.0
    rest = 3.061616997868383e-17 if middle else 0.0  # of pi / 4
    above, below = -1.0 if large else above, a if large else below
    start, rest = math.pi / 2 if large else start, 6.123233995736766e-17 if large else rest
    t = above / below
    z = t * t
    p = -7.500855792314704667340e1 + z * (-1.615753718733365076637e1 + z * -8.750608600031904122785e-1)
    p = -6.485021904942025371773e1 + z * (-1.228866684490136173410e2 + z * p)
    q = 1.650270098316988542046e2 + z * (2.485846490142306297962e1 + z)
    q = 1.945506571482613964425e2 + z * (4.853903996359136964868e2 + z * (4.328810604912902668951e2 + z * q))
    return np.copysign(start + (t + (t * (z * (p / q)) + rest)), x)


@inlined
def _arcsin(x: Any) -> Any:
    return _arctan(x / np.sqrt((1.0 - x) * (1.0 + x)))


@inlined
def _arccos(x: Any) -> Any:
    return 2.0 * _arctan(np.sqrt((1.0 - x) / (1.0 + x)))


#: sin(x), cos(x), tan(x), for |x| <= LARGEST
sin = typed(lambda x: np.float32(_sin(np.float64(x))), lambda x: _sin(x))
cos = typed(lambda x: np.float32(_cos(np.float64(x))), lambda x: _cos(x))
tan = typed(lambda x: np.float32(_tan(np.float64(x))), lambda x: _tan(x))

#: arcsin(x), arccos(x), arctan(x): NaN outside the domain
arcsin = typed(lambda x: np.float32(_arcsin(np.float64(x))), lambda x: _arcsin(x))
arccos = typed(lambda x: np.float32(_arccos(np.float64(x))), lambda x: _arccos(x))
arctan = typed(lambda x: np.float32(_arctan(np.float64(x))), lambda x: _arctan(x))

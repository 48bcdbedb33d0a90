"""Exponentials, logarithms and their family, for float32 and float64: at most 4 units in the last place of error.

Unlike the C library's, they have no branches: a loop over contiguous numbers that calls one becomes vector
instructions. They hold to the limits at infinities and zeros, and NaN gives NaN. No operation is contracted, so that
what is compiled equals the plain Python here to the bit.

Powers of 2 are taken apart from the number, as fdlibm does (Sun Microsystems, 1993): exp(x) = 2**k exp(r) with
|r| <= log(2) / 2, log(2**e m) = e log(2) + log(m) with m from sqrt(1/2) to sqrt(2). What is left is a Taylor series.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.kernels.floats import (
    exponent,
    inlined,
    like,
    nearest,
    number,
    power_of_two,
    significand,
    typed,
)

# --- exponentials ----------------------------------------------------------------------------------------------------


def _exponential_single(r: Any) -> Any:
    a, b, c = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
    d, e, f = np.float32(1 / 720), np.float32(1 / 5040), np.float32(1 / 40320)
    return r + r * r * (np.float32(0.5) + r * (a + r * (b + r * (c + r * (d + r * (e + r * f))))))


def _exponential_double(r: Any) -> Any:
    tail = 1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))))
    tail = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * tail)))
    return r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * tail)))


#: exp(r) - 1 for |r| <= log(2) / 2
_series = typed(_exponential_single, _exponential_double)


@inlined
def _twos(x: Any) -> Any:
    """The k that leaves the smallest |x - k log(2)|."""
    return nearest(x * like(x, 1.4426950408889634))


@inlined
def _less_twos(x: Any, k: Any) -> Any:
    """x - k log(2), with log(2) in two parts, of which k times the first is exact."""
    high = number(x, 0.693145751953125, 6.93147180369123816490e-01)
    low = number(x, 1.42860682030941723212e-06, 1.90821492927058770002e-10)
    return (x - k * high) - k * low


@inlined
def exp_times(x: Any, factor: Any) -> Any:
    """factor * exp(x), rounded once where it is subnormal; |factor| below 10**12, as x is kept in limits."""
    lowest, highest = number(x, -170.0, -1400.0), number(x, 170.0, 1400.0)
    inside = lowest if x < lowest else x
    inside = highest if inside > highest else inside
    k = _twos(inside)
    some = nearest(k * like(x, 0.5))
    y = factor + factor * _series(_less_twos(inside, k))
    return y * power_of_two(some) * power_of_two(k - some)


@inlined
def exp(x: Any) -> Any:
    """e**x."""
    return exp_times(x, like(x, 1.0))


@inlined
def _quarter_expm1(x: Any) -> Any:
    """(e**x - 1) / 4 for normal results, which reaches to where sinh overflows."""
    lowest, highest = like(x, -40.0), number(x, 89.75, 710.75)
    inside = lowest if x < lowest else x
    inside = highest if inside > highest else inside
    k = _twos(inside)
    scale = power_of_two(k - like(x, 2.0))
    return scale * _series(_less_twos(inside, k)) + (scale - like(x, 0.25))


@inlined
def expm1(x: Any) -> Any:
    """e**x - 1."""
    y = like(x, 4.0) * _quarter_expm1(x)
    return x if abs(x) < number(x, 2.0**-25, 2.0**-54) else y


@inlined
def tanh(x: Any) -> Any:
    """(e**2x - 1) / (e**2x + 1)."""
    most = number(x, 20.0, 44.0)
    twice = like(x, 2.0) * abs(x)
    t = expm1(most if twice > most else twice)
    return np.copysign(t / (t + like(x, 2.0)), x)


@inlined
def logistic_times(x: Any, factor: Any) -> Any:
    """factor / (1 + exp(-x)), where |factor| grows at most as |x| does; 0 * factor for x = -infinity."""
    below, zero = exp_times(-abs(x), factor), like(x, 0.0)
    below = zero * factor if x < number(x, -170.0, -1400.0) else below
    return (below if x < zero else factor) / (like(x, 1.0) + exp(-abs(x)))


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return logistic_times(x, like(x, 1.0))


@inlined
def silu(x: Any) -> Any:
    """x / (1 + exp(-x)); NaN at -infinity."""
    return logistic_times(x, x)


@inlined
def sinh(x: Any) -> Any:
    """(e**x - e**-x) / 2."""
    a = abs(x)
    quarter = _quarter_expm1(a)
    y = like(x, 2.0) * (quarter + quarter / (like(x, 4.0) * quarter + like(x, 1.0)))
    return x if a < number(x, 2.0**-12, 2.0**-26) else np.copysign(y, x)


@inlined
def cosh(x: Any) -> Any:
    """(e**x + e**-x) / 2."""
    half = exp_times(abs(x), like(x, 0.5))
    return half + like(x, 0.25) / half


# --- logarithms ------------------------------------------------------------------------------------------------------


def _logarithm_single(z: Any) -> Any:
    a, b, c = np.float32(2 / 3), np.float32(2 / 5), np.float32(2 / 7)
    return z * (a + z * (b + z * (c + z * np.float32(2 / 9))))


def _logarithm_double(z: Any) -> Any:
    tail = 2 / 13 + z * (2 / 15 + z * (2 / 17 + z * (2 / 19 + z * (2 / 21))))
    return z * (2 / 3 + z * (2 / 5 + z * (2 / 7 + z * (2 / 9 + z * (2 / 11 + z * tail)))))


#: (log(1 + s) - log(1 - s)) / s - 2 for z = s**2, |s| <= 0.172
_area_series = typed(_logarithm_single, _logarithm_double)


@inlined
def normalised(x: Any) -> Any:
    """A normal number and a whole k with x = number / 2**k, for x > 0."""
    small = x < number(x, 2.0**-126, 2.0**-1022)
    scaled = x * number(x, 2.0**24, 2.0**53)
    return scaled if small else x, number(x, 24.0, 53.0) if small else like(x, 0.0)


@inlined
def _log_normal(x: Any, less: Any, rest: Any) -> Any:
    """log(x) - less * log(2) + rest, for a normal x > 0 and a small rest."""
    e, f = exponent(x) - less, significand(x) - like(x, 1.0)
    s = f / (like(x, 2.0) + f)
    half = like(x, 0.5) * f * f
    high = number(x, 0.693145751953125, 6.93147180369123816490e-01)
    low = number(x, 1.42860682030941723212e-06, 1.90821492927058770002e-10)
    # log(1 + f) = f - f**2 / 2 + s (f**2 / 2 + series), as in fdlibm
    return e * high - ((half - (s * (half + _area_series(s * s)) + (e * low + rest))) - f)


@inlined
def _log_limits(x: Any, y: Any) -> Any:
    """y as the logarithm of x where x is in its domain and finite; else what it is there."""
    y = y if x > like(x, 0.0) else like(x, math.nan)
    y = like(x, -math.inf) if x == like(x, 0.0) else y
    return x if x == like(x, math.inf) else y


@inlined
def log(x: Any) -> Any:
    """The natural logarithm."""
    scaled, less = normalised(x)
    return _log_limits(x, _log_normal(scaled, less, like(x, 0.0)))


@inlined
def log1p(x: Any) -> Any:
    """log(1 + x)."""
    one = like(x, 1.0)
    u = one + x
    y = _log_limits(u, _log_normal(u, like(x, 0.0), (x - (u - one)) / u))  # with what rounding 1 + x lost
    return x if abs(x) < number(x, 2.0**-25, 2.0**-54) else y


@inlined
def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    e, zero, one = exp(-abs(x)), like(x, 0.0), like(x, 1.0)
    u = one + e  # from here as in `log1p`, but nothing beyond its domain
    y = _log_normal(u, zero, (e - (u - one)) / u)
    y = e if e < number(x, 2.0**-25, 2.0**-54) else y
    return y + (zero if x < zero else x)


@inlined
def arcsinh(x: Any) -> Any:
    """The number whose hyperbolic sine is x."""
    a, one = abs(x), like(x, 1.0)
    large = a > number(x, 2.0**25, 2.0**54)
    inside = a + a * (a / (one + np.sqrt(one + a * a)))
    y = log1p(a if large else inside)
    return np.copysign(y + (like(x, math.log(2.0)) if large else like(x, 0.0)), x)


@inlined
def arccosh(x: Any) -> Any:
    """The number, 0 or more, whose hyperbolic cosine is x."""
    t = x - like(x, 1.0)
    large = x > number(x, 2.0**25, 2.0**54)
    inside = t + np.sqrt(t * (like(x, 2.0) + t))
    y = log1p(t if large else inside) + (like(x, math.log(2.0)) if large else like(x, 0.0))
    return like(x, math.nan) if x < like(x, 1.0) else y


@inlined
def arctanh(x: Any) -> Any:
    """The number whose hyperbolic tangent is x."""
    a = abs(x)
    return np.copysign(like(x, 0.5) * log1p((a + a) / (like(x, 1.0) - a)), x)

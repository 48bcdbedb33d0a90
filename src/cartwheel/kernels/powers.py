"""Any power of any number, for float32 and float64: at most 4 units in the last place of error, without branches.

x**c is exp(c log(x)), and the absolute error of c log(x) is the relative one of the power: the logarithm needs ten bits
more than the result has. float32 takes them from float64, float64 from a second number, the rest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.kernels.elementary import exp, exp_times, log, normalised
from cartwheel.kernels.floats import exponent, inlined, product_rest, significand, typed


@inlined
def _with_limits(x: Any, c: Any, y: Any) -> Any:
    """The power of x from y, that of its absolute value: the signs of whole powers, and where all is 1."""
    whole = np.floor(c) == c
    odd = whole & (np.floor(c * 0.5) * 2.0 != c)
    y = -y if (np.copysign(1.0, x) < 0.0) & odd else y
    y = math.nan if (x < 0.0) & (x > -math.inf) & (not whole) else y
    return 1.0 if (c == 0.0) | (x == 1.0) | ((x == -1.0) & (abs(c) == math.inf)) else y


def _power_single(x: Any, c: Any) -> Any:
    x, c = np.float64(x), np.float64(c)
    return np.float32(_with_limits(x, c, exp(c * log(abs(x)))))


@inlined
def _log_and_rest(a: Any) -> Any:
    """log(a) as a number and its rest, to 2**-61 of it, for a normal a > 0; the series is that of `elementary.log`."""
    scaled, less = normalised(a)
    e, f = exponent(scaled) - less, significand(scaled) - 1.0
    d = 2.0 + f
    s = f / d
    s_rest = (((f - s * d) - product_rest(s, d)) - s * (f - (d - 2.0))) / d
    z = s * s
    z_rest = product_rest(s, s) + 2.0 * s * s_rest

    tail = 1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21))))
    tail = z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * tail))))
    third = 1 / 3 + tail
    third_rest = ((1 / 3 - third) + tail) + 1.850371707708594e-17  # of 1 / 3
    t = z * third
    t_rest = product_rest(z, third) + z * third_rest + z_rest * third

    twice = 2.0 * s
    more = twice * t
    rest = product_rest(twice, t) + twice * t_rest + 2.0 * s_rest * (1.0 + t) + e * 1.90821492927058770002e-10
    twos = e * 6.93147180369123816490e-01  # exact
    first = twos + twice
    y = first + more
    rest += ((twos - first) + twice) + ((first - y) + more)
    return y + rest, (y - (y + rest)) + rest


def _power_double(x: Any, c: Any) -> Any:
    a = abs(x)
    y, rest = _log_and_rest(a)
    y = -math.inf if a == 0.0 else y
    y = y if a < math.inf else a
    product = c * y
    correction = product_rest(c, y) + c * rest
    near = (abs(product) < 2000.0) & (abs(c) < 2.0**500)  # else the power is 0, 1 or infinite
    factor = 1.0 + correction if near else 1.0
    return _with_limits(x, c, exp_times(product, factor))


#: power(x, c): x**c, as C and NumPy have it: NaN for a negative x unless c is whole, 1 for c = 0 and for x = 1
power = typed(_power_single, _power_double)

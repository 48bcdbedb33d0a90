"""Functions of each element: powers, exponentials, trigonometric and hyperbolic functions, limits and choices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.function import NOT_ZERO, OPEN_INTERVAL, POSITIVE, REAL, Domain, function, operation
from cartwheel.nn.functions.arithmetic import as_floats, sum_to
from cartwheel.nn.mistakes import mistake

# --- for rules -------------------------------------------------------------------------------------------------------


@operation
def _scaled(xp: Any, g: Array, slope: Array) -> Array:
    """g * slope, but 0 where g is 0, even if the slope is infinite or NaN there.

    For functions that are not defined everywhere: where(x > 0, log(x), 0) then has a gradient at 0.
    """
    return g * xp.where(g == 0, 0.0, slope)


@operation
def _zero(xp: Any, g: Array) -> Array:
    """Zeros like g: the gradient of a function of steps."""
    return xp.zeros_like(g)


_scaled.rules = (lambda g, y, g0, slope: _scaled(g, slope), lambda g, y, g0, slope: _scaled(g, g0))
_zero.rules = (lambda g, y, g0: _zero(g),)

# --- exponentials, logarithms, roots ---------------------------------------------------------------------------------


@function(REAL)
@operation
def exp(xp: Any, x: Array) -> Array:
    """The exponential of each element."""
    return xp.exp(x)


@function(POSITIVE)
@operation
def log(xp: Any, x: Array) -> Array:
    """The natural logarithm of each element."""
    return xp.log(x)


@function(POSITIVE)
@operation
def log1p(xp: Any, x: Array) -> Array:
    """log(1 + x), exact for small x too."""
    return xp.log1p(x)


@function(REAL)
@operation
def expm1(xp: Any, x: Array) -> Array:
    """exp(x) - 1, exact for small x too."""
    return xp.expm1(x)


@function(POSITIVE)
@operation
def sqrt(xp: Any, x: Array) -> Array:
    """The square root of each element."""
    return xp.sqrt(x)


exp.rules = (lambda g, y, x: g * y,)
log.rules = (lambda g, y, x: _scaled(g, 1.0 / x),)
log1p.rules = (lambda g, y, x: _scaled(g, 1.0 / (1.0 + x)),)
expm1.rules = (lambda g, y, x: g * exp(x),)
sqrt.rules = (lambda g, y, x: _scaled(g, 0.5 / y),)


@function(POSITIVE)
@operation
def pow(xp: Any, x: Array, c: Array) -> Array:  # noqa: A001  # the field's name
    """x ** c; both may be arrays, and differentiated. The gradient by x is 0 where c is 0, that by c where x is 0."""
    return x**c


def _pow_by_x(g: Any, y: Any, x: Any, c: Any) -> Any:
    if not isinstance(c, int | float):
        x, c = as_floats(x), as_floats(c)
        x_or_1 = where((c == 0) & (x == 0), 1.0, x)  # 0 * 0 ** -1 would be NaN
        return sum_to(_scaled(g, c * x_or_1 ** (c - 1)), x.shape)
    if c == 0:
        return _zero(g)
    c = float(c)
    slope = c * (x if c == 2 else x ** (c - 1))
    return g * slope if c >= 1 and float(c).is_integer() else _scaled(g, slope)


def _pow_by_c(g: Any, y: Any, x: Any, c: Any) -> Any:
    if isinstance(x, int | float):
        return _zero(g) if x == 0 else g * (y * (math.log(x) if x > 0 else math.nan))
    none = x == 0
    return sum_to(_scaled(g, where(none, 0.0, y) * log(where(none, 1.0, x))), c.shape)


pow.rules = (_pow_by_x, _pow_by_c)

# --- trigonometric and hyperbolic functions --------------------------------------------------------------------------


@function(REAL)
@operation
def sin(xp: Any, x: Array) -> Array:
    """The sine of each element, an angle in radians."""
    return xp.sin(x)


@function(REAL)
@operation
def cos(xp: Any, x: Array) -> Array:
    """The cosine of each element, an angle in radians."""
    return xp.cos(x)


@function(OPEN_INTERVAL)
@operation
def tan(xp: Any, x: Array) -> Array:
    """The tangent of each element, an angle in radians."""
    return xp.tan(x)


@function(OPEN_INTERVAL)
@operation
def arcsin(xp: Any, x: Array) -> Array:
    """The angle, from -pi/2 to pi/2, whose sine each element is."""
    return xp.asin(x)


@function(OPEN_INTERVAL)
@operation
def arccos(xp: Any, x: Array) -> Array:
    """The angle, from 0 to pi, whose cosine each element is."""
    return xp.acos(x)


@function(REAL)
@operation
def arctan(xp: Any, x: Array) -> Array:
    """The angle, from -pi/2 to pi/2, whose tangent each element is."""
    return xp.atan(x)


@function(REAL)
@operation
def sinh(xp: Any, x: Array) -> Array:
    """The hyperbolic sine of each element."""
    return xp.sinh(x)


@function(REAL)
@operation
def cosh(xp: Any, x: Array) -> Array:
    """The hyperbolic cosine of each element."""
    return xp.cosh(x)


@function(REAL)
@operation
def tanh(xp: Any, x: Array) -> Array:
    """The hyperbolic tangent of each element."""
    return xp.tanh(x)


@function(REAL)
@operation
def arcsinh(xp: Any, x: Array) -> Array:
    """The number whose hyperbolic sine each element is."""
    return xp.asinh(x)


@function(Domain(1.1, 3.0))
@operation
def arccosh(xp: Any, x: Array) -> Array:
    """The number, 0 or more, whose hyperbolic cosine each element is."""
    return xp.acosh(x)


@function(OPEN_INTERVAL)
@operation
def arctanh(xp: Any, x: Array) -> Array:
    """The number whose hyperbolic tangent each element is."""
    return xp.atanh(x)


@operation
def _tanh_gradient(xp: Any, g: Array, y: Array) -> Array:
    """g times the slope of tanh where it is y."""
    return g * (1.0 - y * y)


_tanh_gradient.rules = (lambda g, z, g0, y: _tanh_gradient(g, y), lambda g, z, g0, y: -2.0 * (g * g0 * y))


def _square(x: Any) -> Any:
    x = as_floats(x)
    return x * x


sin.rules = (lambda g, y, x: g * cos(x),)
cos.rules = (lambda g, y, x: -g * sin(x),)
tan.rules = (lambda g, y, x: g * (1.0 + y * y),)
arcsin.rules = (lambda g, y, x: _scaled(g, 1.0 / sqrt((1.0 - x) * (1.0 + x))),)
arccos.rules = (lambda g, y, x: _scaled(g, -1.0 / sqrt((1.0 - x) * (1.0 + x))),)
arctan.rules = (lambda g, y, x: g / (1.0 + _square(x)),)
sinh.rules = (lambda g, y, x: g * cosh(x),)
cosh.rules = (lambda g, y, x: g * sinh(x),)
tanh.rules = (lambda g, y, x: _tanh_gradient(g, y),)
arcsinh.rules = (lambda g, y, x: g / sqrt(1.0 + _square(x)),)
arccosh.rules = (lambda g, y, x: _scaled(g, 1.0 / sqrt((x - 1.0) * (x + 1.0))),)
arctanh.rules = (lambda g, y, x: _scaled(g, 1.0 / ((1.0 - x) * (1.0 + x))),)

# --- signs, limits, choices ------------------------------------------------------------------------------------------


@function(NOT_ZERO)
@operation
def abs(xp: Any, x: Array) -> Array:  # noqa: A001  # the field's name
    """The absolute value of each element. Its gradient at 0 is 0."""
    return xp.abs(x)


@function(NOT_ZERO)
@operation
def sign(xp: Any, x: Array) -> Array:
    """-1, 0 or 1 for each element. Its gradient is 0."""
    return xp.sign(x)


@function(REAL)
@operation
def where(xp: Any, condition: Array, x0: Array, x1: Array) -> Array:
    """x0 where `condition` is true, x1 elsewhere: an infinity or NaN in the other of the two has no effect.

    Nothing is differentiated by the condition.
    """
    return xp.where(condition, x0, x1)


@function(REAL)
@operation
def minimum(xp: Any, x0: Array, x1: Array) -> Array:
    """The smaller of two numbers, element by element. Where they are equal, each gets half of the gradient."""
    return xp.minimum(x0, x1)


@function(REAL)
@operation
def maximum(xp: Any, x0: Array, x1: Array) -> Array:
    """The larger of two numbers, element by element. Where they are equal, each gets half of the gradient."""
    return xp.maximum(x0, x1)


def _share(g: Any, lost: Any, tie: Any, shape: tuple[int, ...]) -> Any:
    """The gradient by one of two that competed (NaN lost to nobody)."""
    return sum_to(where(lost, 0.0, where(tie, 0.5 * g, g)), shape)


abs.rules = (lambda g, y, x: g * sign(x),)
sign.rules = (lambda g, y, x: _zero(g),)
where.rules = (
    None,
    lambda g, y, condition, x0, x1: sum_to(where(condition, g, 0.0), x0.shape),
    lambda g, y, condition, x0, x1: sum_to(where(condition, 0.0, g), x1.shape),
)
minimum.rules = (
    lambda g, y, x0, x1: _share(g, x0 > x1, x0 == x1, x0.shape),
    lambda g, y, x0, x1: _share(g, x1 > x0, x0 == x1, x1.shape),
)
maximum.rules = (
    lambda g, y, x0, x1: _share(g, x0 < x1, x0 == x1, x0.shape),
    lambda g, y, x0, x1: _share(g, x1 < x0, x0 == x1, x1.shape),
)


@operation
def _clip(xp: Any, x: Array, *, x_min: float, x_max: float) -> Array:
    # a third of the time of NumPy's clip on small arrays; integers stay integers where there is no limit
    y = xp.maximum(x, x_min) if x_min != -math.inf else x
    return xp.minimum(y, x_max) if x_max != math.inf else y


_clip.rules = (lambda g, y, x, x_min, x_max: where(x < x_min, 0.0, where(x > x_max, 0.0, g)),)


@function(REAL)
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x, but not below x_min nor above x_max (None: no limit). The gradient is 0 outside, and passes at a limit.

    Limits that are numbers must be in order, ValueError else. Limits that are arrays or Variables are differentiated
    as well, by the rules of `maximum` and `minimum`.
    """
    x_min, x_max = _limit(x_min, -math.inf), _limit(x_max, math.inf)
    if not (isinstance(x_min, int | float) and isinstance(x_max, int | float)):
        return minimum(maximum(x, x_min), x_max)
    if not x_min <= x_max:
        raise mistake("clip", f"expected limits in order, got from {x_min} to {x_max}", x)
    return x if x_min == -math.inf and x_max == math.inf else _clip(x, x_min=x_min, x_max=x_max)


def _limit(x: Any, none: float) -> Any:
    """A limit; one that is a NumPy scalar as a number, which leaves types as they are."""
    return none if x is None else x.item() if isinstance(x, np.generic) else x

"""One number made of many: sums, means, spreads, extremes, products, norms; over all axes or some.

`axis` is a place, a tuple of places, or None for all; with `keepdims` they stay, with length 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions.arithmetic import as_floats, broadcast_to, cast, mul
from cartwheel.nn.functions.elementwise import exp
from cartwheel.nn.functions.padding import pad
from cartwheel.nn.functions.shape import flip, places, reshape, transpose
from cartwheel.nn.variable import raw

#: What NumPy's sum, max and min end in: called at once they take half the time.
_add: Any = np.add.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce


def _kept(small: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """What was reduced from x, in a shape that broadcasts to that of x again."""
    if keepdims or axis is None:
        return small
    gone = places(axis, len(x.shape))
    return reshape(small, tuple(1 if place in gone else length for place, length in enumerate(x.shape)))


def _per_result(x: Any, y: Any) -> int:
    """How many numbers of x went into each of y."""
    count: int = x.size // y.size if y.size else 1
    return count


# --- sums and means --------------------------------------------------------------------------------------------------


@operation
def _sum(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    return _total(xp, x, axis, keepdims)


def _total(xp: Any, x: Array, axis: Any, keepdims: bool) -> Array:
    return (_add if xp is np else xp.sum)(x, axis=axis, keepdims=keepdims)


@operation
def _mean(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    total = _total(xp, x, axis, keepdims)
    count = _per_result(x, total)
    return total / count if count else total * math.nan


@function(REAL)
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001  # NumPy's name, as max and min
    """The sum of x over an axis, several, or all."""
    return _sum(x, axis=axis, keepdims=keepdims)


@function(REAL)
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean of x over an axis, several, or all; NaN for that of no numbers."""
    return _mean(x, axis=axis, keepdims=keepdims)


_sum.rules = (lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis, keepdims), x.shape),)
_mean.rules = (
    lambda g, y, x, axis, keepdims: broadcast_to(_kept(g, x, axis, keepdims) / (_per_result(x, y) or 1), x.shape),
)


@operation
def _cumsum(xp: Any, x: Array, *, axis: int) -> Array:
    return xp.cumsum(x, axis=axis) if hasattr(xp, "cumsum") else xp.cumulative_sum(x, axis=axis)


_cumsum.rules = (lambda g, y, x, axis: flip(_cumsum(flip(g, axis), axis=axis), axis),)


@function(REAL)
def cumsum(x: Any, axis: int | None = None) -> Any:
    """The sums of the first 1, 2, ... numbers along an axis; for None along all of x as one axis."""
    return _cumsum(reshape(x, (-1,)), axis=0) if axis is None else _cumsum(x, axis=axis)


# --- spread ----------------------------------------------------------------------------------------------------------


@operation
def _centred(xp: Any, x: Array, *, axis: Any) -> Array:
    """x less its mean: exactly 0 where all numbers are equal, since it is the mean of the distances from the first."""
    gone, x = places(axis, len(x.shape)), as_floats(x)
    moved = x - x[tuple(slice(0, 1) if place in gone else slice(None) for place in range(len(x.shape)))]
    total = _total(xp, moved, axis, True)
    return moved - total / (_per_result(x, total) or 1)


_centred.rules = (lambda g, y, x, axis: _centred(g, axis=axis),)


@operation
def _var(xp: Any, x: Array, *, axis: Any, keepdims: bool, ddof: int) -> Array:
    centred = _centred.forward(xp, x, axis=axis)
    total = _total(xp, centred * centred, axis, keepdims)
    count = _per_result(x, total)
    if ddof and count <= ddof:
        raise ValueError(f"ddof={ddof} needs more numbers than that, and there are {count} along axis {axis}")
    return total / (count - ddof) if count else total * math.nan


@operation
def _std(xp: Any, x: Array, *, axis: Any, keepdims: bool, ddof: int) -> Array:
    return xp.sqrt(_var.forward(xp, x, axis=axis, keepdims=keepdims, ddof=ddof))


@function(REAL)
def var(x: Any, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The variance of x: the sum of the squared distances from the mean, by the count less `ddof`.

    NaN for that of no numbers; ValueError where there are `ddof` numbers or fewer.
    """
    return _var(x, axis=axis, keepdims=keepdims, ddof=ddof)


@function(REAL)
def std(x: Any, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The standard deviation of x, the root of `var`. Where all numbers are equal its gradient is 0."""
    return _std(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _var_rule(g: Any, y: Any, x: Any, axis: Any, keepdims: bool, ddof: int) -> Any:
    count = _per_result(x, y) or 1
    return _kept(g, x, axis, keepdims) * (2.0 / (count - ddof)) * _centred(x, axis=axis)


def _std_rule(g: Any, y: Any, x: Any, axis: Any, keepdims: bool, ddof: int) -> Any:
    count = _per_result(x, y) or 1
    return _kept(g * _inverse(y), x, axis, keepdims) * (1.0 / (count - ddof)) * _centred(x, axis=axis)


def _inverse(y: Any) -> Any:
    """1 / y, and 0 where y is 0."""
    return 1.0 / (y + cast(y == 0, y.dtype)) * cast(y != 0, y.dtype)


_var.rules, _std.rules = (_var_rule,), (_std_rule,)


@operation
def _norm(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    x = as_floats(x)
    return xp.sqrt(_total(xp, x * x, axis, keepdims))


_norm.rules = (lambda g, y, x, axis, keepdims: _kept(g * _inverse(y), x, axis, keepdims) * x,)


@function(REAL)
def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm: the root of the sum of squares. Its gradient is 0 where it is 0."""
    return _norm(x, axis=axis, keepdims=keepdims)


# --- extremes --------------------------------------------------------------------------------------------------------


@operation
def _max(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    return (_maximum if xp is np else xp.max)(x, axis=axis, keepdims=keepdims)


@operation
def _min(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    return (_minimum if xp is np else xp.min)(x, axis=axis, keepdims=keepdims)


@function(REAL)
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The largest of x over an axis, several, or all; ties share the gradient. ValueError for that of no numbers."""
    return _max(x, axis=axis, keepdims=keepdims)


@function(REAL)
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A001
    """The smallest of x over an axis, several, or all; ties share the gradient. ValueError for that of no numbers."""
    return _min(x, axis=axis, keepdims=keepdims)


@operation
def _argmax(xp: Any, x: Array, *, axis: int | None) -> Array:
    return xp.argmax(x, axis=axis)


@function(REAL)
def argmax(x: Any, axis: int | None = None) -> Any:
    """The place of the largest of x along an axis, or in all of it row by row: integers. There is no gradient.

    Of equals it is the first, and NaN counts as the largest. ValueError for that of no numbers.
    """
    return _argmax(raw(x), axis=axis)


def _shared(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    reached = cast(x == _kept(y, x, axis, keepdims), x.dtype)
    return _kept(g, x, axis, keepdims) * (reached / sum(reached, axis, True))


_max.rules = _min.rules = (_shared,)
_argmax.rules = (None,)


@operation
def _logsumexp(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    gone, x = places(axis, len(x.shape)), as_floats(x)
    peak = xp.max(x, axis=gone, keepdims=True) if x.size else xp.zeros((1,) * len(x.shape), dtype=x.dtype)
    peak = xp.where(xp.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is what a sum of nothing has
        y = xp.log(_total(xp, xp.exp(x - peak), gone, True)) + peak
    return y if keepdims else xp.squeeze(y, axis=gone)


_logsumexp.rules = (lambda g, y, x, axis, keepdims: _kept(g, x, axis, keepdims) * _softmax(x, axis),)


def _softmax(x: Any, axis: Any) -> Any:
    """exp(x) by its sum: more exact than exp(x - y), since of a large y few digits are left after the point."""
    if x.size == 0:
        return x
    powers = exp(x - mul(1.0, _max(raw(x), axis=axis, keepdims=True)))
    return powers / sum(powers, axis, True)


@function(REAL)
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over an axis, several, or all, computed so that no exponential overflows."""
    return _logsumexp(x, axis=axis, keepdims=keepdims)


# --- products --------------------------------------------------------------------------------------------------------


@operation
def _prod(xp: Any, x: Array, *, axis: Any, keepdims: bool) -> Array:
    return xp.prod(x, axis=axis, keepdims=keepdims)


@function(REAL)
def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product of x over an axis, several, or all; 1 for that of no numbers. Zeros in x are fine for gradients."""
    return _prod(x, axis=axis, keepdims=keepdims)


def _others(x: Any, axis: Any) -> Any:
    """For each number of x the product of all others over `axis`, without a division."""
    gone, x = places(axis, len(x.shape)), as_floats(x)
    stay = tuple(place for place in range(len(x.shape)) if place not in gone)
    moved = transpose(x, stay + gone)
    rows = reshape(moved, (math.prod(x.shape[place] for place in stay), math.prod(x.shape[place] for place in gone)))
    product = _before(rows) * flip(_before(flip(rows, 1)), 1)
    order = sorted(range(len(x.shape)), key=(stay + gone).__getitem__)
    return transpose(reshape(product, moved.shape), order)


def _before(rows: Any) -> Any:
    """For each number of a row (B, n) the product of those before it: in log2(n) steps of doubled length."""
    count = rows.shape[1]
    y = pad(rows[:, : count - 1], ((0, 0), (1, 0)), 1.0) if count else rows
    step = 1
    while step < count:
        y = y * pad(y[:, : count - step], ((0, 0), (step, 0)), 1.0)
        step *= 2
    return y


_prod.rules = (lambda g, y, x, axis, keepdims: _kept(g, x, axis, keepdims) * _others(x, axis),)

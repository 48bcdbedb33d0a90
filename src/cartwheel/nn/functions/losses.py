"""Losses: one number to make small, from what a network gives and what was wanted. Also the accuracy.

Sums over examples are divided by the rows, the length of the first axis; a loss of no rows is NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, UNIT, Fused, function, operation
from cartwheel.nn.functions.activations import below_largest, log_softmax, sigmoid
from cartwheel.nn.functions.arithmetic import as_floats, cast, mul, sum_to
from cartwheel.nn.functions.comparison import equal
from cartwheel.nn.functions.elementwise import clip, exp, maximum, where
from cartwheel.nn.functions.reductions import _max, _min, _sum, sum  # noqa: A004  # the field's name
from cartwheel.nn.functions.regularisation import check_numbers, kind_of
from cartwheel.nn.functions.shape import reshape
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- regression ------------------------------------------------------------------------------------------------------


@operation
def _mean_squared_error(xp: Any, x0: Array, x1: Array, *, rows: float) -> Array:
    away = x0 - x1
    away *= away
    return _sum.forward(xp, away, axis=None, keepdims=False) / rows


@operation
def _huber(xp: Any, x0: Array, x1: Array, *, delta: float, count: float) -> Array:
    away = x0 - x1
    near = xp.minimum(xp.maximum(away, -delta), delta)
    return _sum.forward(xp, near * (away - 0.5 * near), axis=None, keepdims=False) / count


# Slopes are operations as well, so that one row of a recorded program does each.


@operation
def _mean_squared_error_gradient(xp: Any, g: Array, x0: Array, x1: Array, *, rows: float) -> Array:
    """By the first operand, before it is summed to its shape."""
    return (g * (2.0 / rows)) * (x0 - x1)


@operation
def _huber_gradient(xp: Any, g: Array, x0: Array, x1: Array, *, delta: float, count: float) -> Array:
    """By the first operand, before it is summed to its shape."""
    return (g / count) * xp.minimum(xp.maximum(x0 - x1, -delta), delta)


_mean_squared_error.rules = (
    lambda g, y, x0, x1, rows: sum_to(_mean_squared_error_gradient(g, x0, x1, rows=rows), x0.shape),
    lambda g, y, x0, x1, rows: sum_to(_mean_squared_error_gradient(g, x1, x0, rows=rows), x1.shape),
)
_mean_squared_error_gradient.rules = (
    lambda g, y, g0, x0, x1, rows: sum_to(g * ((2.0 / rows) * (x0 - x1)), g0.shape),
    lambda g, y, g0, x0, x1, rows: sum_to(g * (g0 * (2.0 / rows)), x0.shape),
    lambda g, y, g0, x0, x1, rows: sum_to(g * (g0 * (-2.0 / rows)), x1.shape),
)
_huber.rules = (
    lambda g, y, x0, x1, delta, count: sum_to(_huber_gradient(g, x0, x1, delta=delta, count=count), x0.shape),
    lambda g, y, x0, x1, delta, count: sum_to(_huber_gradient(g, x1, x0, delta=delta, count=count), x1.shape),
)
_huber_gradient.rules = (
    lambda g, y, g0, x0, x1, delta, count: sum_to(g * (clip(x0 - x1, -delta, delta) / count), g0.shape),
    lambda g, y, g0, x0, x1, delta, count: sum_to(where(abs(x0 - x1) > delta, 0.0, g * (g0 / count)), x0.shape),
    lambda g, y, g0, x0, x1, delta, count: sum_to(where(abs(x0 - x1) > delta, 0.0, g * (g0 / -count)), x1.shape),
)


@function(REAL)
def mean_squared_error(x0: Any, x1: Any) -> Any:
    """The sum of squared differences, divided by the rows: DeZero's, and PyTorch's mean times the length of a row.

    ValueError where the shapes differ, unless one stretches to the other.
    """
    rows = _rows(_common_shape("mean_squared_error", x0, x1))
    return _mean_squared_error(_signed(x0, x1), x1, rows=rows)


@function(REAL)
def huber(x0: Any, x1: Any, delta: float = 1.0) -> Any:
    """The mean over all differences d of d * d / 2 where abs(d) <= delta, of delta * (abs(d) - delta / 2) elsewhere.

    Huber (1964), as PyTorch has it. ValueError for shapes as in `mean_squared_error`, and for a delta of 0 or less.
    """
    if not 0 < delta < math.inf:
        raise mistake("huber", f"expected a delta above 0, got {delta}")
    shape = _common_shape("huber", x0, x1)
    return _huber(_signed(x0, x1), x1, delta=float(delta), count=math.prod(shape) or math.nan)


def _signed(x0: Any, x1: Any) -> Any:
    """x0, as floats if both are integers: differences of small ones, or their squares, would overflow."""
    kinds = (getattr(getattr(raw(x), "dtype", None), "kind", "f") for x in (x0, x1))
    return x0 if "f" in kinds else as_floats(x0)


def _common_shape(name: str, x0: Any, x1: Any) -> tuple[int, ...]:
    """The shape of two operands; (N, 1) and (N,), which make (N, N) together, are a mistake."""
    shape0, shape1 = _shape(x0), _shape(x1)
    if shape0 == shape1:
        return shape0
    try:
        shape = np.broadcast_shapes(shape0, shape1)
    except ValueError:
        raise mistake(name, "expected two arrays of one shape", x0, x1) from None
    if shape not in (shape0, shape1):
        raise mistake(name, f"expected two arrays of one shape (these would make {shape}): reshape one", x0, x1)
    return shape


def _shape(x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(raw(x), "shape", ())
    return shape


def _rows(shape: tuple[int, ...]) -> float:
    return (shape[0] or math.nan) if shape else 1


# --- one of several classes ------------------------------------------------------------------------------------------


@operation
def _softmax_cross_entropy(xp: Any, x: Array, t: Array) -> Array:
    logits = below_largest(xp, x, 1)
    weights = xp.exp(logits)
    totals = _sum.forward(xp, weights, axis=1, keepdims=True)
    places = xp.arange(x.shape[0]), t
    surprise = _sum.forward(xp, xp.log(totals)[:, 0] - logits[places], axis=None, keepdims=False)
    return surprise / _rows(x.shape), (weights, totals, places)


def _softmax_cross_entropy_gradient(gradients: Any, outputs: Any, saved: Any, x: Array, t: Array) -> list[Any]:
    """(softmax(x) - one-hot rows of t) * g / N."""
    weights, totals, places = saved
    chances = weights / totals
    if isinstance(chances, np.ndarray):
        chances[places] -= 1.0
    else:  # the array API can't assign to single elements
        xp = namespace(chances)
        chances -= xp.astype(t[:, None] == xp.arange(x.shape[1])[None, :], chances.dtype)
    chances *= gradients[0] / _rows(x.shape)
    return [chances, None]


def _softmax_cross_entropy_reference(x: Any, t: Any) -> Any:
    chosen = equal(reshape(raw(t), (-1, 1)), namespace(raw(x)).arange(x.shape[1])[None, :])
    return -sum(where(chosen, log_softmax(x), 0.0)) / _rows(x.shape)


_softmax_cross_entropy.fused = Fused(_softmax_cross_entropy_gradient, _softmax_cross_entropy_reference)


@function(REAL)
def softmax_cross_entropy(x: Any, t: Any) -> Any:
    """The mean over the rows of -log(softmax(x)[t]): x is logits (N, C), t the number of each row's class (N,).

    ValueError for other shapes, TypeError for classes that are no integers, IndexError for one not in 0 ... C - 1.
    """
    t = t if hasattr(t, "shape") else np.asarray(t)
    _check_classes("softmax_cross_entropy", x, t)
    return _softmax_cross_entropy(x, t)


def _check_classes(name: str, x: Any, t: Any) -> None:
    """That x is logits (N, C), and t integers (N,) from 0 to C - 1."""
    shape, classes = _shape(x), raw(t)
    if len(shape) != 2:
        raise mistake(name, "expected logits of shape (N, C); reshape more axes to rows, x.reshape(-1, C)", x)
    if classes.shape != shape[:1]:
        raise mistake(name, f"expected one class per row, an array of shape ({shape[0]},){_hint(shape, t)}", x, t)
    check_numbers(name, "classes", t, shape[1])


def _hint(shape: tuple[int, ...], t: Any) -> str:
    if _shape(t) == shape and shape[1] > 1:
        return "; these look like one-hot rows: give t.argmax(axis=1)"
    return "; give t.reshape(-1)" if math.prod(_shape(t)) == shape[0] else ""


@function(REAL)
def accuracy(y: Any, t: Any) -> Any:
    """The share of rows of y (N, C) whose largest is at the class t (N,) or (N, 1). It has no gradient.

    ValueError for other shapes, TypeError and IndexError for classes as in `softmax_cross_entropy`.
    """
    scores, classes = raw(y), raw(t) if hasattr(t, "shape") else np.asarray(t)
    if len(_shape(scores)) != 2 or math.prod(classes.shape) != scores.shape[0]:
        raise mistake("accuracy", "expected scores (N, C) and one class per row, an array of shape (N,)", y, t)
    check_numbers("accuracy", "classes", classes, scores.shape[1])
    return _accuracy(scores, classes)


@operation
def _accuracy(xp: Any, y: Array, t: Array) -> Array:
    """In the type of y: an operation, so that it can be recorded."""
    dtype = y.dtype if kind_of(y) == "f" else xp.float64
    if not y.shape[0]:
        return xp.asarray(math.nan, dtype=dtype)
    right = xp.argmax(y, axis=1) == xp.reshape(t, (-1,))
    return xp.mean(xp.astype(right, dtype))


_accuracy.rules = (None, None)


# --- yes or no -------------------------------------------------------------------------------------------------------


@operation
def _sigmoid_cross_entropy(xp: Any, x: Array, t: Array, *, rows: float) -> Array:
    # in this order nothing small is lost beside something large: the first two cancel exactly where t is 1
    y = xp.maximum(x, 0.0) - x * t
    y += xp.log1p(xp.exp(-xp.abs(x)))
    return _sum.forward(xp, y, axis=None, keepdims=False) / rows


@operation
def _bounded_log(xp: Any, p: Array) -> Array:
    """log(p), but -100 at least."""
    with np.errstate(divide="ignore"):
        return xp.maximum(xp.log(p), -100.0)


@operation
def _sigmoid_cross_entropy_gradient(xp: Any, g: Array, x: Array, t: Array, *, rows: float) -> Array:
    return (g / rows) * (sigmoid.forward(xp, x) - t)


def _slope_of_sigmoid(x: Any) -> Any:
    y = sigmoid(x)
    return y * (1.0 - y)


_sigmoid_cross_entropy.rules = (
    lambda g, y, x, t, rows: _sigmoid_cross_entropy_gradient(g, x, t, rows=rows),
    lambda g, y, x, t, rows: (g / -rows) * x,
)
_sigmoid_cross_entropy_gradient.rules = (
    lambda g, y, g0, x, t, rows: sum_to(g * ((sigmoid(x) - t) / rows), g0.shape),
    lambda g, y, g0, x, t, rows: (g * (g0 / rows)) * _slope_of_sigmoid(x),
    lambda g, y, g0, x, t, rows: g * (g0 / -rows),
)
_bounded_log.rules = (lambda g, y, p: g / maximum(p, 1e-12),)


@function(REAL)
def sigmoid_cross_entropy(x: Any, t: Any) -> Any:
    """The sum of -t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x)), divided by the rows, exact for large x too.

    x is logits, t as many numbers from 0 to 1, the wanted chances; ValueError else.
    """
    t = _targets("sigmoid_cross_entropy", x, t)
    return _sigmoid_cross_entropy(x, t, rows=_rows(_shape(x)))


@function(UNIT)
def binary_cross_entropy(p: Any, t: Any) -> Any:
    """The sum of -t * log(p) - (1 - t) * log(1 - p), divided by the rows.

    p is chances, t as many numbers from 0 to 1, the wanted ones; ValueError else. As in PyTorch no logarithm is below
    -100 and no slope above 1e12, so that 0 and 1 are fine; DeZero limits p to 1e-15 ... 0.999.
    """
    t = _targets("binary_cross_entropy", p, t)
    if not within_unit(p):
        raise mistake("binary_cross_entropy", "expected chances from 0 to 1; for logits use sigmoid_cross_entropy", p)
    return -sum(mul(t, _bounded_log(p)) + mul(1.0 - t, _bounded_log(1.0 - p))) / _rows(_shape(p))


def _targets(name: str, x: Any, t: Any) -> Any:
    """t in the shape of x, in its type where t is integers."""
    t = t if hasattr(t, "shape") else np.asarray(t)
    if t.shape != _shape(x):
        if len(t.shape) == len(_shape(x)) or math.prod(t.shape) != math.prod(_shape(x)):
            raise mistake(name, "expected as many targets as there are outputs, in one shape", x, t)
        t = reshape(t, _shape(x))
    if not within_unit(t):
        raise mistake(name, "expected targets from 0 to 1 (for -1 and 1: (t + 1) / 2)", x, t)
    return cast(t, x.dtype) if kind_of(raw(t)) in "biu" else t


def within_unit(x: Any) -> bool:
    """Whether all numbers are from 0 to 1, as chances are."""
    array = raw(x)
    if not math.prod(array.shape) or kind_of(array) == "b":
        return True
    xp = namespace(array)
    low, high = (found.forward(xp, array, axis=None, keepdims=False) for found in (_min, _max))
    return not (low < 0 or high > 1)


# --- distributions ---------------------------------------------------------------------------------------------------


@function(REAL)
def kl(x0: Any, x1: Any, axis: int = -1) -> Any:
    """The mean over the rows of sum(p0 * log(p0 / p1)), of p0 = softmax(x0) and p1 = softmax(x1); both are logits.

    This is the Kullback-Leibler divergence of p0 from p1. A row is what lies along `axis`. A logit of -inf in both (a
    choice that is not allowed) counts nothing. ValueError where the shapes differ.
    """
    shape = _shape(x0)
    if shape != _shape(x1):
        raise mistake("kl", "expected logits of one shape", x0, x1)
    log_p0, log_p1 = log_softmax(x0, axis), log_softmax(x1, axis)
    chances = exp(log_p0)
    possible = chances > 0  # elsewhere the logarithms may be infinite
    apart = where(possible, log_p0, 0.0) - where(possible, log_p1, 0.0)
    return sum(chances * apart) * (shape[axis] / (math.prod(shape) or math.nan))

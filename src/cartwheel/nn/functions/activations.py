"""Activations: what stands between the layers of a network, and softmax at its end."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.config import Config
from cartwheel.nn.function import NOT_ZERO, REAL, function, operation
from cartwheel.nn.functions.elementwise import exp, where
from cartwheel.nn.functions.reductions import _max, _sum, sum  # noqa: A004  # the field's name
from cartwheel.nn.mistakes import mistake, place
from cartwheel.nn.variable import raw

# --- with a corner at 0 ----------------------------------------------------------------------------------------------


@function(NOT_ZERO)
@operation
def relu(xp: Any, x: Array) -> Array:
    """The larger of x and 0. Its gradient at 0 is 0."""
    return xp.maximum(x, 0)


@operation
def _signed(xp: Any, g: Array, x: Array) -> Array:
    """g times the sign of x, which counts as a constant."""
    return g * xp.sign(x)  # takes half the time of xp.where


relu.rules = (lambda g, y, x: _signed(g, y),)
_signed.rules = (lambda g, y, g0, x: _signed(g, x), None)


@operation
def _leaky_relu(xp: Any, x: Array, *, slope: float) -> Array:
    return xp.maximum(x, slope * x) if slope <= 1 else xp.minimum(x, slope * x)


@operation
def _elu(xp: Any, x: Array, *, alpha: float) -> Array:
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


_leaky_relu.rules = (lambda g, y, x, slope: where(x > 0, g, slope * g),)
_elu.rules = (lambda g, y, x, alpha: where(x > 0, g, g * (alpha * exp(where(x > 0, 0.0, x)))),)


@function(NOT_ZERO)
def leaky_relu(x: Any, slope: float = 0.2) -> Any:
    """x above 0, slope * x below. The slope is DeZero's (PyTorch's is 0.01); it is the gradient at 0 as well."""
    return _leaky_relu(x, slope=_finite("leaky_relu", "slope", slope))


@function(NOT_ZERO)
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, alpha * (exp(x) - 1) below (Clevert et al., 2016). Its gradient at 0 is alpha."""
    return _elu(x, alpha=_finite("elu", "alpha", alpha))


def _finite(name: str, what: str, value: float) -> float:
    if not math.isfinite(value):
        raise mistake(name, f"expected a finite {what}, got {value}")
    return float(value)


# --- smooth ----------------------------------------------------------------------------------------------------------


def _logistic(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)), exact at both ends: an exponential too large for its type gives the 0 that it should."""
    with np.errstate(over="ignore"):
        y = xp.exp(-1.0 * x)  # -x would be wrong for integers without a sign
    y += 1.0
    return 1.0 / y


@function(REAL)
@operation
def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return _logistic(xp, x)


@function(REAL)
@operation
def softplus(xp: Any, x: Array) -> Array:
    """log(1 + exp(x)), exact for large x too."""
    y = xp.log1p(xp.exp(-1.0 * xp.abs(x)))
    y += xp.maximum(x, 0)
    return y


@function(REAL)
@operation
def silu(xp: Any, x: Array) -> Array:
    """x * sigmoid(x), also called swish (Elfwing et al., 2018)."""
    return x * _logistic(xp, x)


#: gelu is x * sigmoid(a * x + b * x ** 3).
_A = 2.0 * math.sqrt(2.0 / math.pi)
_B = _A * 0.044715


@function(REAL)
@operation
def gelu(xp: Any, x: Array) -> Array:
    """x times the normal distribution below x, in the form with tanh (Hendrycks & Gimpel, 2016).

    That is x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))), PyTorch's approximate="tanh".
    """
    return x * _logistic(xp, x * (_A + _B * (x * x)))


def _gelu_rule(g: Any, y: Any, x: Any) -> Any:
    square = x * x
    s = sigmoid(x * (_A + _B * square))
    return g * (s + y * (1.0 - s) * (_A + 3.0 * _B * square))


def _silu_rule(g: Any, y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s + y * (1.0 - s))


sigmoid.rules = (lambda g, y, x: g * (y * (1.0 - y)),)
softplus.rules = (lambda g, y, x: g * sigmoid(x),)
silu.rules = (_silu_rule,)
gelu.rules = (_gelu_rule,)

# --- over an axis ----------------------------------------------------------------------------------------------------


@operation
def _softmax(xp: Any, x: Array, *, axis: int) -> Array:
    y = xp.exp(below_largest(xp, x, axis))
    y /= _sum.forward(xp, y, axis=axis, keepdims=True)
    return y


@operation
def _log_softmax(xp: Any, x: Array, *, axis: int) -> Array:
    y = below_largest(xp, x, axis)
    if x.size:
        y -= xp.log(_sum.forward(xp, xp.exp(y), axis=axis, keepdims=True))
    return y


def below_largest(xp: Any, x: Array, axis: int) -> Array:
    """x less the largest along an axis: floats, of which no exponential is too large."""
    return x - 1.0 * _max.forward(xp, x, axis=axis, keepdims=True) if x.size else 1.0 * x


# Their gradients are operations as well, so that one row of a recorded program does each.


@operation
def _softmax_gradient(xp: Any, g: Array, y: Array, *, axis: int) -> Array:
    return y * (g - _sum.forward(xp, g * y, axis=axis, keepdims=True))


@operation
def _log_softmax_gradient(xp: Any, g: Array, y: Array, *, axis: int) -> Array:
    return g - xp.exp(y) * _sum.forward(xp, g, axis=axis, keepdims=True)


_softmax.rules = (lambda g, y, x, axis: _softmax_gradient(g, y, axis=axis),)
_log_softmax.rules = (lambda g, y, x, axis: _log_softmax_gradient(g, y, axis=axis),)
_softmax_gradient.rules = (
    lambda g, gx, g0, y, axis: _softmax_gradient(g, y, axis=axis),  # the Jacobian is symmetric
    lambda g, gx, g0, y, axis: g * (g0 - sum(g0 * y, axis, keepdims=True)) - g0 * sum(g * y, axis, keepdims=True),
)
_log_softmax_gradient.rules = (
    lambda g, gx, g0, y, axis: g - sum(g * exp(y), axis, keepdims=True),
    lambda g, gx, g0, y, axis: g * (gx - g0),
)


@function(REAL)
def softmax(x: Any, axis: int = 1) -> Any:
    """exp(x) divided by its sum along an axis; x is logits, one row per example with the default axis 1.

    ValueError for an axis that x does not have.
    """
    _check_axis("softmax", x, axis)
    return _softmax(x, axis=axis)


@function(REAL)
def log_softmax(x: Any, axis: int = 1) -> Any:
    """The logarithm of `softmax`, exact where softmax is close to 0."""
    _check_axis("log_softmax", x, axis)
    return _log_softmax(x, axis=axis)


def _check_axis(name: str, x: Any, axis: int) -> None:
    axes = len(getattr(raw(x), "shape", ()))
    if axes == 1 and axis == 1:
        raise mistake(name, "axis 1 runs along the rows of a batch (N, C), and this is one row: give axis=-1", x)
    if Config.debug and axes == 2 and axis in (0, -2):
        warnings.warn(
            f"{name} over axis 0 normalises each column over the rows of the batch: what one example gets depends on "
            f"the others. For probabilities of each row give axis=1 (at {place()})",
            stacklevel=3,
        )

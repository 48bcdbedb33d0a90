"""Arithmetic with NumPy's broadcasting; sums back to a shape; changes of type."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.function import NOT_ZERO, REAL, function, operation
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- broadcasting ----------------------------------------------------------------------------------------------------


@operation
def _broadcast_to(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    return xp.broadcast_to(x, shape)


@operation
def _sum_to(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    lead = len(x.shape) - len(shape)
    axes = *range(lead), *(lead + axis for axis, length in enumerate(shape) if length == 1 != x.shape[lead + axis])
    total = np.add.reduce(x, axis=axes) if xp is np else xp.sum(x, axis=axes, dtype=x.dtype)
    return total if len(axes) == lead else xp.reshape(total, shape)


@function(REAL)
def broadcast_to(x: Any, shape: Any) -> Any:
    """x stretched to a shape, by NumPy's rules. Its gradient is summed back."""
    shape = _as_shape(shape)
    return x if raw(x).shape == shape else _broadcast_to(x, shape=shape)


@function(REAL)
def sum_to(x: Any, shape: Any) -> Any:
    """The sum over the axes that broadcasting `shape` to the shape of x would stretch: the inverse of `broadcast_to`.

    ValueError if it could not be broadcast so.
    """
    shape = _as_shape(shape)
    have = raw(x).shape
    if have == shape:
        return x
    if len(shape) > len(have) or any(want not in (1, got) for want, got in zip(shape[::-1], have[::-1], strict=False)):
        raise mistake("sum_to", f"expected a shape that can be broadcast to {have}, got {shape}", x)
    return _sum_to(x, shape=shape)


_broadcast_to.rules = (lambda g, y, x, shape: sum_to(g, x.shape),)
_sum_to.rules = (lambda g, y, x, shape: broadcast_to(g, x.shape),)


def _as_shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, tuple | list) else (int(shape),)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def _shape(x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def _result(name: str, y: Array, x0: Array, x1: Array) -> Array:
    """y, unless an empty operand of fewer axes has emptied the other: the bias of length 0 that is a slip."""
    if getattr(y, "size", 1) == 0:
        for one, other in ((x0, x1), (x1, x0)):
            if 0 in _shape(one) and len(_shape(one)) < len(_shape(other)) and getattr(other, "size", 1) != 0:
                raise ValueError(
                    f"an operand of shape {_shape(one)} holds no number, and would leave none of {_shape(other)}; "
                    "np.zeros(n) makes n zeros, np.zeros(0) none"
                )
    return y


@function(REAL)
@operation
def add(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 + x1."""
    return _result("add", x0 + x1, x0, x1)


@function(REAL)
@operation
def sub(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 - x1."""
    return _result("sub", x0 - x1, x0, x1)


@function(REAL)
@operation
def mul(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 * x1, element by element."""
    return _result("mul", x0 * x1, x0, x1)


@function(NOT_ZERO)
@operation
def div(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 / x1, element by element."""
    return _result("div", x0 / x1, x0, x1)


@function(REAL)
@operation
def neg(xp: Any, x: Array) -> Array:
    """-x."""
    return -x


add.rules = (lambda g, y, x0, x1: sum_to(g, x0.shape), lambda g, y, x0, x1: sum_to(g, x1.shape))
sub.rules = (lambda g, y, x0, x1: sum_to(g, x0.shape), lambda g, y, x0, x1: sum_to(-g, x1.shape))
mul.rules = (lambda g, y, x0, x1: sum_to(g * x1, x0.shape), lambda g, y, x0, x1: sum_to(g * x0, x1.shape))
div.rules = (
    lambda g, y, x0, x1: sum_to(g / x1, x0.shape),
    lambda g, y, x0, x1: sum_to(-g * y / x1, x1.shape),
)
neg.rules = (lambda g, y, x: -g,)


def as_floats(x: Any) -> Any:
    """x, but integers as floats: small ones would overflow."""
    return x * 1.0 if getattr(getattr(x, "dtype", None), "kind", "f") in "biu" else x


# --- type and memory -------------------------------------------------------------------------------------------------


@operation
def _cast(xp: Any, x: Array, *, dtype: Any) -> Array:
    return x.astype(dtype) if hasattr(x, "astype") else xp.astype(x, dtype)


@function(REAL)
@operation
def copy(xp: Any, x: Array) -> Array:
    """The same numbers in memory of their own."""
    return xp.asarray(x, copy=True)


_cast.rules = (lambda g, y, x, dtype: _cast(g, dtype=x.dtype),)
copy.rules = (lambda g, y, x: g,)


@function(REAL)
def cast(x: Any, dtype: Any) -> Any:
    """The same numbers in another type. The gradient comes back in the type of x."""
    return x if raw(x).dtype == dtype else _cast(x, dtype=dtype)

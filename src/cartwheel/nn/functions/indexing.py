"""Parts of an array, by every index that NumPy knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions.shape import places, reshape, shape_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import Variable, raw


@operation
def _get_item(xp: Any, x: Array, *, index: tuple[Any, ...]) -> Array:
    return x[index]


@operation
def _scatter(xp: Any, g: Array, *, shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Zeros, with the numbers of g added at the places that an index takes."""
    x = xp.zeros(shape, dtype=g.dtype)
    if not any(map(_can_repeat, index)):
        x[index] = g
        return x
    # `add.at` is not in the array API standard: NumPy and CuPy have it. It is quick on one axis only.
    axes = _indexed(index, len(shape))
    rest = math.prod(shape[axes:])
    lead = xp.reshape(xp.arange(math.prod(shape[:axes])), shape[:axes])[index]
    where = lead if rest == 1 else lead[..., None] * rest + xp.arange(rest)
    xp.add.at(xp.reshape(x, (-1,)), xp.reshape(where, (-1,)), xp.reshape(g, (-1,)))
    return x


def _can_repeat(part: Any) -> bool:
    """Whether this part of an index may take a place twice: integers in an array."""
    return bool(getattr(part, "shape", ())) and getattr(part.dtype, "kind", "i") in "iu"


def _indexed(index: tuple[Any, ...], axes: int) -> int:
    """How many of the first axes an index says something of; those after them are taken whole."""
    count = 0
    for part in index:
        if part is None or part is Ellipsis or isinstance(part, bool):
            return axes
        count += len(part.shape) if getattr(getattr(part, "dtype", None), "kind", "") == "b" else 1
    return count


_get_item.rules = (lambda g, y, x, index: _scatter(g, shape=x.shape, index=index),)
_scatter.rules = (lambda g, y, x, shape, index: _get_item(g, index=index),)


@function(REAL)
def get_item(x: Any, slices: Any) -> Any:
    """x[slices]: numbers, slices, `...`, None, arrays or lists of integers or truth values, also as Variables.

    What is taken several times gets the sum of its gradients.
    """
    kind = type(slices)
    if kind is int or kind is slice:
        return _get_item(x, index=(slices,))
    parts = slices if kind is tuple else (slices,)
    return _get_item(x, index=tuple([_plain(part) for part in parts]))


def _plain(part: Any) -> Any:
    """A part of an index without Variables, and without lists."""
    if isinstance(part, Variable):
        return part._data
    if isinstance(part, list):
        return np.asarray([raw(one) for one in part]) if part else np.zeros(0, dtype=np.intp)
    return part


@function(REAL)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each place the number of x that `indices` names along an axis: y[i, j] = x[i, indices[i, j]] for axis 1.

    `indices` are integers, with as many axes as x; those other than `axis` broadcast. For None both are one axis.
    """
    indices = raw(indices)
    if not hasattr(indices, "dtype") or getattr(indices.dtype, "kind", "i") not in "iu":
        raise mistake("take_along_axis", "expected an array of integers as indices", x, indices, kind=IndexError)
    if axis is None:
        return get_item(reshape(x, (-1,)), indices.reshape(-1))
    shape = shape_of("take_along_axis", x)
    if len(indices.shape) != len(shape):
        raise mistake("take_along_axis", "expected indices with as many axes as x", x, indices)
    try:
        (chosen,) = places(axis, len(shape))
    except ValueError as problem:
        raise mistake("take_along_axis", problem, x, indices) from None
    xp = namespace(raw(x))
    ones = (1,) * len(shape)
    grid = [
        xp.reshape(xp.arange(length), (*ones[:place], length, *ones[place + 1 :])) for place, length in enumerate(shape)
    ]
    return get_item(x, (*grid[:chosen], indices, *grid[chosen + 1 :]))

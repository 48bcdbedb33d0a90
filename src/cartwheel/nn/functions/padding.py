"""More of the same: numbers around an array, or its own several times."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_integer
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions.arithmetic import sum_to
from cartwheel.nn.functions.shape import cut, places, reshape, shape_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw


@operation
def _pad(xp: Any, x: Array, *, width: Sequence[tuple[int, int]], value: float) -> Array:
    shape = tuple(before + length + after for length, (before, after) in zip(x.shape, width, strict=True))
    y = xp.full(shape, value, dtype=x.dtype)
    y[_inside(x.shape, width)] = x
    return y


def _inside(shape: Sequence[int], width: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(before, before + length) for length, (before, _) in zip(shape, width, strict=True))


_pad.rules = (lambda g, y, x, width, value: g[_inside(x.shape, width)],)


@function(REAL)
def pad(x: Any, pad_width: Any, value: float = 0.0) -> Any:
    """x with more numbers, all `value`, before and after those of each axis.

    `pad_width` is one number, a pair (before, after) for all axes, or a pair for each.
    """
    axes = len(shape_of("pad", x))
    try:
        width = np.broadcast_to(np.asarray(pad_width), (axes, 2)).tolist()
    except ValueError:
        raise mistake("pad", f"expected a number, a pair or {axes} pairs, got pad_width {pad_width}", x) from None
    if any(not isinstance(one, int) or one < 0 for pair in width for one in pair):
        raise mistake("pad", f"expected whole numbers from 0, got pad_width {pad_width}", x)
    return _pad(x, width=[(before, after) for before, after in width], value=value)


@operation
def _repeat(xp: Any, x: Array, *, times: int, axis: int) -> Array:
    return xp.repeat(x, times, axis=axis)


def _repeat_rule(g: Any, y: Any, x: Any, times: int, axis: int) -> Any:
    lead, rest = x.shape[: axis + 1], x.shape[axis + 1 :]
    return reshape(sum_to(reshape(g, (*lead, times, *rest)), (*lead, 1, *rest)), x.shape)


_repeat.rules = (_repeat_rule,)


@function(REAL)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each part of x along an axis several times in a row; for None, each number of x, in one axis.

    `repeats` is a number, or one for each part.
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    shape = shape_of("repeat", x)
    try:
        (place,) = places(axis, len(shape))
        if hasattr(repeats, "__len__"):
            source = namespace(raw(x)).asarray(np.repeat(np.arange(shape[place]), raw(repeats)))
            return x[cut(place, source)]
        times = as_integer(repeats)
    except (ValueError, TypeError) as problem:
        raise mistake("repeat", problem, x, kind=type(problem)) from None
    return _repeat(x, times=times, axis=place)

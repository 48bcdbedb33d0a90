"""Other shapes of the same numbers: reshaped, reordered, joined, cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import index as as_integer
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, Fused, function, operation
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw


def shape_of(name: str, x: Any) -> tuple[int, ...]:
    """The shape of an operand; TypeError for what has none."""
    shape: tuple[int, ...] | None = getattr(raw(x), "shape", None)
    if shape is None:
        raise mistake(name, "expected an array or a Variable", x, kind=TypeError)
    return shape


def places(axis: Any, axes: int) -> tuple[int, ...]:
    """An axis, a tuple of them or None (all) as places from 0, of this many axes. ValueError for one out of range."""
    if axis is None:
        return tuple(range(axes))
    found = []
    for one in axis if isinstance(axis, tuple | list) else (axis,):
        if axes == 0 and one in (0, -1):  # NumPy's reductions take them for a single number
            continue
        if not -axes <= one < axes:
            raise ValueError(f"axis {one} is out of range: there are {axes} axes")
        found.append(one % axes)
    return tuple(found)


def cut(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of one axis."""
    return (*(slice(None),) * axis, part, ...)


# --- the same numbers in another order -------------------------------------------------------------------------------


@operation
def _reshape(xp: Any, x: Array, *, shape: Any) -> Array:
    return x.reshape(shape) if xp is np else xp.reshape(x, shape)


@operation
def _transpose(xp: Any, x: Array, *, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes) if xp is np else xp.permute_dims(x, axes)


@operation
def _flip(xp: Any, x: Array, *, axis: Any) -> Array:
    return xp.flip(x, axis=axis)


@function(REAL)
def reshape(x: Any, shape: Any) -> Any:
    """The same numbers in another shape, row by row; one length may be -1, for what is left over."""
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return x if shape_of("reshape", x) == shape else _reshape(x, shape=shape)


@function(REAL)
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes of x in another order, `axes` (a sequence of all of them), or reversed."""
    if axes is None:
        axes = range(len(shape_of("transpose", x)))[::-1]
    elif not isinstance(axes, tuple | list | range):
        axes = (axes,)
    return _transpose(x, axes=tuple(axes))


@function(REAL)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes in each other's place."""
    axes = len(shape_of("swapaxes", x))
    order = list(range(axes))
    try:
        order[axis1], order[axis2] = order[axis2], order[axis1]
    except IndexError:
        raise mistake("swapaxes", f"there are {axes} axes, expected two of them, not {axis1} and {axis2}", x) from None
    return _transpose(x, axes=tuple(order))


@function(REAL)
def flip(x: Any, axis: Any = None) -> Any:
    """x with the numbers along an axis (or several, or all) in reversed order."""
    return _flip(x, axis=axis)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes an order of axes."""
    inverse = list(axes)
    for place, axis in enumerate(axes):
        inverse[axis] = place
    return tuple(inverse)


_reshape.rules = (lambda g, y, x, shape: reshape(g, x.shape),)
_transpose.rules = (lambda g, y, x, axes: _transpose(g, axes=_inverse(axes)),)
_flip.rules = (lambda g, y, x, axis: _flip(g, axis=axis),)


# --- axes of length 1 ------------------------------------------------------------------------------------------------


@function(REAL)
def squeeze(x: Any, axis: Any = None) -> Any:
    """x without its axes of length 1, or without the one or those given. ValueError if one given is longer."""
    shape = shape_of("squeeze", x)
    if axis is None:
        return reshape(x, tuple(length for length in shape if length != 1))
    try:
        gone = places(axis, len(shape))
    except ValueError as problem:
        raise mistake("squeeze", problem, x) from None
    if any(shape[place] != 1 for place in gone):
        raise mistake("squeeze", f"only axes of length 1 can be left out, expected so of axis {axis}", x)
    return reshape(x, tuple(length for place, length in enumerate(shape) if place not in gone))


@function(REAL)
def expand_dims(x: Any, axis: Any) -> Any:
    """x with a new axis of length 1, counted in the result (-1: a last one); or several, for a tuple."""
    shape = shape_of("expand_dims", x)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    try:
        new = places(tuple(axes), len(shape) + len(axes))
    except ValueError as problem:
        raise mistake("expand_dims", problem, x) from None
    if len(set(new)) != len(new):
        raise mistake("expand_dims", f"an axis is named twice in {axis}", x)
    rest = iter(shape)
    return reshape(x, tuple(1 if place in new else next(rest) for place in range(len(shape) + len(new))))


@function(REAL)
def flatten(x: Any) -> Any:
    """x (N, ...) as (N, D): a row for each of a batch."""
    shape = shape_of("flatten", x)
    if not shape:
        raise mistake("flatten", "expected a batch (N, ...), and a single number has no first axis to keep", x)
    return reshape(x, (shape[0], math.prod(shape[1:])))


# --- joining and cutting ---------------------------------------------------------------------------------------------


@operation
def _concat(xp: Any, *xs: Array, axis: int) -> Array:
    return xp.concat(xs, axis=axis)


@operation
def _stack(xp: Any, *xs: Array, axis: int) -> Array:
    return xp.stack(xs, axis=axis)


@function(REAL)
def concat(xs: Any, axis: int | None = 0) -> Any:
    """Arrays one after another along an axis that they have; for None all their numbers in one axis."""
    xs = operands(xs)
    if not xs:
        raise mistake("concat", "expected at least one array to join")
    if axis is None:
        return _concat(*[reshape(x, (-1,)) for x in xs], axis=0)
    return _concat(*xs, axis=axis)


@function(REAL)
def stack(xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape side by side, along a new axis, counted in the result."""
    xs = operands(xs)
    if not xs:
        raise mistake("stack", "expected at least one array to stack")
    return _stack(*xs, axis=axis)


def operands(xs: Any) -> tuple[Any, ...]:
    """Arrays, lists or numbers to be joined, as arrays."""
    arrays = tuple(xs)
    if all(hasattr(raw(x), "shape") for x in arrays):
        return arrays
    xp = namespace(*map(raw, arrays))
    return tuple(x if hasattr(raw(x), "shape") else xp.asarray(x) for x in arrays)


def _pieces(x: Any, *, bounds: Sequence[int], axis: int) -> tuple[Any, ...]:
    """The parts of x between each two neighbouring bounds."""
    return tuple(x[cut(axis, slice(*pair))] for pair in pairwise(bounds))


@operation
def _split(xp: Any, x: Array, *, bounds: Sequence[int], axis: int) -> Any:
    return _pieces(x, bounds=bounds, axis=axis), None


def _joined(gradients: Any, outputs: Any, saved: Any, x: Array, *, bounds: Sequence[int], axis: int) -> list[Any]:
    """The gradient by x at once: one array, written part by part."""
    gx = namespace(x).zeros_like(x)
    for g, pair in zip(gradients, pairwise(bounds), strict=True):
        if g is not None:
            gx[cut(axis, slice(*pair))] = g
    return [gx]


_split.fused = Fused(_joined, _pieces)


def _concat_gradients(g: Any, y: Any, wanted: Sequence[bool], *xs: Any, axis: int) -> Sequence[Any]:
    """The gradient cut where the arrays were joined."""
    axis %= len(g.shape)
    bounds = [0, *accumulate(x.shape[axis] for x in xs)]
    parts: Sequence[Any] = _split(g, bounds=bounds, axis=axis)
    return parts


def _stack_gradients(g: Any, y: Any, wanted: Sequence[bool], *xs: Any, axis: int) -> Sequence[Any]:
    axis %= len(g.shape)
    parts = _split(g, bounds=range(len(xs) + 1), axis=axis)
    return [reshape(part, x.shape) if one else None for part, x, one in zip(parts, xs, wanted, strict=True)]


_concat.gradients = _concat_gradients
_stack.gradients = _stack_gradients


@function(REAL)
def split(x: Any, sections: Any, axis: int = 0) -> list[Any]:
    """x cut along an axis: into so many equal parts, or before each of the places in a rising sequence."""
    shape = shape_of("split", x)
    try:
        (place,) = places(axis, len(shape))
        bounds = _bounds(sections, shape[place])
    except (ValueError, TypeError) as problem:
        raise mistake("split", problem, x, kind=type(problem)) from None
    return list(_split(x, bounds=bounds, axis=place))


def _bounds(sections: Any, length: int) -> list[int]:
    """Where parts begin, and the end."""
    if hasattr(sections, "__len__"):
        bounds = [0, *(min(int(place) + (length if place < 0 else 0), length) for place in sections), length]
        if bounds != sorted(bounds):
            raise ValueError(f"expected places in rising order within {length}, got {list(sections)}")
        return bounds
    parts = as_integer(sections)
    if parts < 1 or length % parts:
        raise ValueError(f"an axis of length {length} can't be cut into {parts} equal parts")
    return list(range(0, length + 1, length // parts)) if length else [0] * (parts + 1)

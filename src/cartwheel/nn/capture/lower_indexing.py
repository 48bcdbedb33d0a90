"""Views and rows of parts of arrays: by slices, and by arrays of integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import moves
from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.lowering import ALL, along, lowers, pieces
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import indexing, padding, shape


def _part(place: Place, index: tuple[Any, ...]) -> Place:
    """The view that an index of numbers and slices takes."""
    # NumPy works it out, on an array that stands for the numbers' places and is never read
    whole = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), place.shape, place.strides)
    part = whole[index if Ellipsis in index else (*index, ...)]  # a view, even of a single number
    offset = place.offset + part.ctypes.data - whole.ctypes.data if part.size else place.offset
    return Place(offset, part.shape, part.strides, place.kind)


def _basic(index: Sequence[Any]) -> bool:
    return not any(isinstance(part, np.ndarray | list) for part in index)


@lowers(indexing._get_item, reads=ALL, makes=ALL)
def _get_item(builder: Builder, entry: Entry) -> None:
    index, x = entry.attributes["index"], builder.place(entry.inputs[0])
    if _basic(index):
        builder.see(entry.outputs[0], _part(x, index))
        return
    x = builder.contiguous(x, entry)
    builder.emit("gather", _gathered(builder, entry, x, builder.output(entry.outputs[0])), entry)


@lowers(indexing._scatter, reads=ALL)
def _scatter(builder: Builder, entry: Entry) -> None:
    index, g = entry.attributes["index"], builder.place(entry.inputs[0])
    x = builder.output(entry.outputs[0])
    if not _basic(index):
        builder.emit("scatter", _gathered(builder, entry, x, builder.contiguous(g, entry)), entry)
        return
    builder.copy(builder.place(0.0), x, entry)
    builder.copy(g, _part(x, index), entry)


def _gathered(builder: Builder, entry: Entry, x: Place, part: Place) -> list[int]:
    """The words of gather and scatter, for arrays of integers along the first axes of x."""
    index = entry.attributes["index"]
    arrays = [one for one in index if isinstance(one, np.ndarray)]
    _check_constant(builder, entry, arrays)
    if len(arrays) != len(index) or len(arrays) > moves.MOST_INDEXED or part.size == 0:
        raise NotImplementedError("an index of arrays and slices")
    if any(one.dtype.kind not in "iu" or one.dtype == np.uint64 for one in arrays) or "i" in (x.kind, part.kind):
        raise NotImplementedError("an index of truth values, or of integers")
    counts = np.broadcast_shapes(*(one.shape for one in arrays))
    if len(counts) > 3:
        raise NotImplementedError("an index along too many axes")
    lengths = (1,) * (3 - len(counts)) + counts
    words = [1, *lengths, math.prod(x.shape[len(arrays) :]), len(arrays), x.offset, part.offset]
    for length, one in zip(x.shape, arrays, strict=False):
        place = builder.place(one).broadcast(lengths)
        words += [length, place.offset, *place.strides]
    return words


def _check_constant(builder: Builder, entry: Entry, arrays: Sequence[Array]) -> None:
    """RuntimeError for an index of truth values that a replay computes anew."""
    for one in arrays:
        if one.dtype.kind == "b" and not builder.is_constant(builder.place(one)):
            raise RuntimeError(
                f"can't record an index of truth values at {entry.place}: how many are true would decide the shape. "
                "Give F.where(mask, x, 0), or x times the mask"
            )


# --- parts put together ----------------------------------------------------------------------------------------------


@lowers(shape._stack, reads=ALL, makes=ALL)
def _stack(builder: Builder, entry: Entry) -> None:
    whole, axis = builder.output(entry.outputs[0]), entry.attributes["axis"] % entry.outputs[0].ndim
    for number, piece in enumerate(pieces(builder, entry)):
        builder.copy(piece, _part(whole, (*(slice(None),) * axis, number)), entry)


@lowers(padding._pad, reads=ALL, makes=ALL)
def _pad(builder: Builder, entry: Entry) -> None:
    (x,), y = pieces(builder, entry), entry.outputs[0]
    whole = builder.output(y)
    builder.copy(builder.constant(np.asarray(entry.attributes["value"], y.dtype)), whole, entry)
    inside = tuple(
        slice(low, low + length) for (low, _), length in zip(entry.attributes["width"], x.shape, strict=True)
    )
    builder.copy(x, _part(whole, inside), entry)


@lowers(shape._split, reads=ALL, makes=ALL)
def _split(builder: Builder, entry: Entry) -> None:
    x, axis, bounds = builder.place(entry.inputs[0]), entry.attributes["axis"], entry.attributes["bounds"]
    for y, low, high in zip(entry.outputs, bounds, bounds[1:], strict=False):
        builder.see(y, _part(x, (*(slice(None),) * (axis % len(x.shape)), slice(low, high))))


@lowers(shape._split.fused)
def _split_gradient(builder: Builder, entry: Entry) -> None:
    axis, bounds = entry.attributes["axis"] % entry.outputs[0].ndim, entry.attributes["bounds"]
    whole = builder.output(entry.outputs[0])
    for g, low, high in zip(entry.inputs, bounds, bounds[1:], strict=False):
        builder.copy(builder.place(0.0 if g is None else g), along(whole, axis, low, high - low), entry)


@lowers(shape._flip, reads=ALL, makes=ALL)
def _flip(builder: Builder, entry: Entry) -> None:
    x, axis = builder.place(entry.inputs[0]), entry.attributes["axis"]
    axes = range(len(x.shape)) if axis is None else [one % len(x.shape) for one in np.atleast_1d(axis).tolist()]
    index = tuple(slice(None, None, -1) if one in axes else slice(None) for one in range(len(x.shape)))
    builder.see(entry.outputs[0], _part(x, index))

"""Rows of sums, means, spreads and extremes."""

from __future__ import annotations

import math

import numpy as np

from cartwheel.kernels.opcodes import reductions as rows
from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place, row_strides
from cartwheel.nn.capture.lowering import lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import arithmetic, reductions

#: Float32 holds all whole numbers up to this one.
MOST_COUNTED = 2**24


def _reduced(builder: Builder, entry: Entry, x: Place, axes: tuple[int, ...], name: str) -> None:
    """A row that reduces x over these axes, ascending."""
    if x.size == 0:
        raise NotImplementedError("a sum of nothing")
    order = list(range(len(x.shape)))
    if axes and axes != tuple(range(axes[0], axes[-1] + 1)):  # apart: bring them together, at the end
        order = [*(axis for axis in order if axis not in axes), *axes]
        x = x.transposed(order)
        axes = tuple(range(len(order) - len(axes), len(order)))
    x = builder.contiguous(x, entry)
    first, last = (axes[0], axes[-1] + 1) if axes else (len(x.shape), len(x.shape))
    outer, reduced, inner = (math.prod(x.shape[part]) for part in (slice(first), slice(first, last), slice(last, None)))
    counted = entry.outputs[0].dtype.kind == "i"  # NumPy's sum of truth values
    if counted and x.size > MOST_COUNTED:
        raise NotImplementedError("more truth values than a float can count")
    y = builder.new(entry.outputs[0].shape) if counted else builder.output(entry.outputs[0])
    if name == "centred":  # the one that has the shape of x, in the order that this has now
        builder.see(
            entry.outputs[0], Place(y.offset, x.shape, row_strides(x.shape)).transposed(np.argsort(order).tolist())
        )
    size = rows.spare(name, reduced, inner)
    spare = builder.new((size,)).offset if size else 0
    builder.emit(name, [outer, reduced, inner, x.offset, y.offset, spare, entry.attributes.get("ddof", 0)], entry)
    if counted:
        builder.emit("to_integers", [y.size, y.offset, builder.output(entry.outputs[0]).offset], entry)


def _axes(axis: int | tuple[int, ...] | None, number: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(number))
    return tuple(sorted(one % number for one in (axis if isinstance(axis, tuple | list) else (axis,))))


@lowers(reductions._max, reductions._min, makes="fb")
@lowers(reductions._sum, reductions._prod, reductions._cumsum, makes="fi")
@lowers(
    *(reductions._mean, reductions._var, reductions._std, reductions._norm),
    *(reductions._logsumexp, reductions._centred),
)
def _reduction(builder: Builder, entry: Entry) -> None:
    x = builder.place(entry.inputs[0])
    _reduced(builder, entry, x, _axes(entry.attributes["axis"], len(x.shape)), entry.name)


@lowers(reductions._argmax, makes="i")
def _argmax(builder: Builder, entry: Entry) -> None:
    x, axis = builder.contiguous(builder.place(entry.inputs[0]), entry), entry.attributes["axis"]
    axis = 0 if axis is None else axis % len(x.shape)
    shape = (math.prod(x.shape),) if entry.attributes["axis"] is None else x.shape
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    y = builder.output(entry.outputs[0])
    builder.emit("argmax", [outer, shape[axis], inner, x.offset, y.offset, 0, 0], entry)


def column_sums(builder: Builder, entry: Entry, x: Place, y: Place) -> None:
    """A row for the sums of the columns of x (rows, columns), contiguous."""
    builder.emit("sum", [1, *x.shape, x.offset, y.offset, 0, 0], entry)


@lowers(arithmetic._sum_to, makes="fi")
def _sum_to(builder: Builder, entry: Entry) -> None:
    x, shape = builder.place(entry.inputs[0]), entry.attributes["shape"]
    lead = len(x.shape) - len(shape)
    axes = [*range(lead), *(lead + axis for axis, length in enumerate(shape) if length == 1 != x.shape[lead + axis])]
    _reduced(builder, entry, x, tuple(axes), "sum")

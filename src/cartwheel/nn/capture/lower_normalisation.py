"""Rows of normalisation."""

from __future__ import annotations

import math

from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.lowering import bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import regularisation


def _two_axes(entry: Entry, x: Array, *, of_rows: bool) -> tuple[int, int]:
    """Rows and columns of x, where the last axes are normalised (a layer's), or all but the last (a batch's)."""
    axes = tuple(sorted(axis % x.ndim for axis in entry.attributes["axes"]))
    wanted = tuple(range(x.ndim - len(axes), x.ndim)) if of_rows else tuple(range(x.ndim - 1))
    if axes != wanted or x.size == 0:
        raise NotImplementedError("normalisation along other axes, or of nothing")
    columns = math.prod(x.shape[x.ndim - len(axes) :]) if of_rows else x.shape[-1]
    return x.size // columns, columns


def _of_one(builder: Builder, entry: Entry, gamma: Array, columns: int) -> Place:
    """A scale or a shift that is the same for all rows."""
    if gamma.size != columns:
        raise NotImplementedError("scales of several candidates")
    return builder.contiguous(builder.place(gamma), entry)


def _forward(builder: Builder, entry: Entry, name: str, *, of_rows: bool) -> None:
    x, gamma, beta = entry.inputs
    rows, columns = _two_axes(entry, x, of_rows=of_rows)
    scales = [_of_one(builder, entry, one, columns) for one in (gamma, beta)]
    read = [builder.contiguous(builder.place(x), entry), *scales]
    made = [builder.output(y) for y in entry.outputs]
    if not of_rows:
        made += [builder.new((columns,)), builder.new((columns,))]
    words = [rows, columns, 1, bits(entry.attributes["eps"]), *(place.offset for place in [*read, *made])]
    builder.emit(name, words, entry)


def _gradient(builder: Builder, entry: Entry, name: str, *, of_rows: bool) -> None:
    g, _, h, inverse, x, gamma, _ = entry.inputs
    rows, columns = _two_axes(entry, x, of_rows=of_rows)
    scale = _of_one(builder, entry, gamma, columns)
    read = [builder.contiguous(builder.place(one), entry) for one in (g, h, inverse)]
    shapes = (x.shape, gamma.shape, gamma.shape)
    made = [
        builder.new(shape) if y is None else builder.output(y) for y, shape in zip(entry.outputs, shapes, strict=True)
    ]
    if of_rows:
        made.append(builder.new(x.shape))
    places = [read[0], scale, *read[1:], *made]
    builder.emit(name, [rows, columns, 1, bits(entry.attributes["eps"]), *(place.offset for place in places)], entry)


@lowers(regularisation._layer_norm)
def _layer_norm(builder: Builder, entry: Entry) -> None:
    _forward(builder, entry, "layer_norm", of_rows=True)


@lowers(regularisation._batch_norm)
def _batch_norm(builder: Builder, entry: Entry) -> None:
    _forward(builder, entry, "batch_norm", of_rows=False)


@lowers(regularisation._layer_norm.fused)
def _layer_norm_gradient(builder: Builder, entry: Entry) -> None:
    _gradient(builder, entry, "layer_norm_gradient", of_rows=True)


@lowers(regularisation._batch_norm.fused)
def _batch_norm_gradient(builder: Builder, entry: Entry) -> None:
    _gradient(builder, entry, "batch_norm_gradient", of_rows=False)

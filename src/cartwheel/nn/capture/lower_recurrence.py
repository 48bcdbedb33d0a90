"""Rows of recurrent networks over time: the inputs' product, the time loop, and products again for the gradients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place, row_strides
from cartwheel.nn.capture.lower_products import product
from cartwheel.nn.capture.lower_reductions import column_sums
from cartwheel.nn.capture.lowering import lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import through_time

#: How many numbers of a gradient stay in the processor's cache until they have gone into that of the weights.
_CHUNK = 2**15


def _begin(builder: Builder, entry: Entry, xs: Place, Wh: Place, resets: Array | None) -> list[int]:
    """The first words of a row: T, B, H, the weights and the resets."""
    if 0 in xs.shape or xs.kind == "i":
        raise NotImplementedError("no steps, or integers")
    T, B, H = *xs.shape[:2], Wh.shape[0]
    forgotten = 0 if resets is None else builder.contiguous(builder.place(resets), entry).offset
    return [T, B, H, builder.contiguous(Wh, entry).offset, int(resets is not None), forgotten]


def _like(place: Place, shape: Sequence[int], after: int = 0) -> Place:
    """A contiguous array in a place, `after` numbers further on."""
    return Place(place.offset + after, tuple(shape), row_strides(shape))


@lowers(through_time.rnn)
def _rnn(builder: Builder, entry: Entry) -> None:
    xs, h, Wx, Wh, b = (builder.place(x) for x in entry.inputs[:5])
    words = _begin(builder, entry, xs, Wh, entry.inputs[5])
    hs, before = (builder.output(y) for y in entry.outputs[:2])
    product(builder, entry, xs, Wx, b, hs)
    scratch = builder.new(h.shape)
    h = builder.contiguous(h, entry)
    builder.emit("rnn", [*words, h.offset, hs.offset, before.offset, scratch.offset], entry)


@lowers(through_time.gru)
def _gru(builder: Builder, entry: Entry) -> None:
    xs, h, Wx, Wh, b = (builder.place(x) for x in entry.inputs[:5])
    words = _begin(builder, entry, xs, Wh, entry.inputs[5])
    hs, before, gates, ahs = (builder.output(y) for y in entry.outputs)
    product(builder, entry, xs, Wx, b, gates)
    places = [builder.contiguous(h, entry), gates, hs, before, ahs, builder.new((h.shape[0], Wh.shape[1]))]
    builder.emit("gru", [*words, *(place.offset for place in places)], entry)


def _stacked(builder: Builder, entry: Entry, *arrays: Place) -> Place:
    """Matrices and vectors of the same width above each other: a copy, unless they lie so already, as in a layer."""
    width = arrays[0].shape[-1]
    whole = Place(arrays[0].offset, (sum(place.size for place in arrays) // width, width), (width, 1))
    firsts = list(itertools.accumulate((place.size for place in arrays[:-1]), initial=whole.offset))
    if all(place.contiguous and place.offset == first for place, first in zip(arrays, firsts, strict=True)):
        return whole
    copied = builder.new(whole.shape)
    for place, first in zip(arrays, firsts, strict=True):
        if place.size:
            builder.elementwise("copy", [place], _like(copied, place.shape, first - whole.offset), entry)
    return copied


@lowers(through_time.lstm)
def _lstm(builder: Builder, entry: Entry) -> None:
    xs, h, c, Wx, Wh, b = (builder.place(x) for x in entry.inputs[:6])
    words = _begin(builder, entry, xs, Wh, entry.inputs[6])
    hs, last, before, cells, tanhs, gates = entry.outputs
    (T, B, H), d = hs.shape, xs.shape[2]
    K = d + H + 1
    words[3] = _stacked(builder, entry, Wx, Wh, b).offset
    rows, whole = builder.new((T, B, K)), builder.new((T + 1, B, H))  # the cells before each step, and the last
    builder.see(before, Place(rows.offset + d, (T, B, H), (B * K, K, 1)))
    builder.see(cells, _like(whole, (T, B, H)))
    builder.see(last, _like(whole, (B, H), T * B * H))
    read = [builder.contiguous(place, entry) for place in (h, c, xs)]
    places = [*read, rows, builder.output(gates), builder.output(hs), whole, builder.output(tanhs)]
    builder.emit("lstm", [*words, d, 1, 0, *(place.offset for place in places)], entry)


# --- gradients -------------------------------------------------------------------------------------------------------


def _given(builder: Builder, entry: Entry, g: Array | None, shape: Sequence[int]) -> Place:
    """The gradient by an output; zeros where nothing was made of it."""
    if g is not None:
        return builder.contiguous(builder.place(g), entry)
    zeros = builder.new(shape)
    builder.elementwise("copy", [builder.place(0.0)], zeros, entry)
    return zeros


def _made(builder: Builder, y: Array | None, shape: Sequence[int]) -> Place:
    return builder.new(shape) if y is None else builder.output(y)


def _weights(builder: Builder, entry: Entry, outputs: Sequence[Array | None], arrays: Sequence[Place]) -> None:
    """The gradients by xs, Wx, Wh and b from those by x Wx + b and by h Wh: what of them is wanted."""
    xs, before, Wx, dax, dah = (builder.contiguous(place, entry) for place in arrays)
    rows = xs.shape[0] * xs.shape[1]
    x, h, ax, ah = (_like(place, (rows, place.shape[2])) for place in (xs, before, dax, dah))
    dxs, dWx, dWh, db = outputs
    if builder.wants(dxs):
        product(builder, entry, ax, Wx.transposed((1, 0)), None, builder.output(dxs))
    if builder.wants(dWx):
        product(builder, entry, x.transposed((1, 0)), ax, None, builder.output(dWx))
    if builder.wants(dWh):
        product(builder, entry, h.transposed((1, 0)), ah, None, builder.output(dWh))
    if builder.wants(db):
        column_sums(builder, entry, ax, builder.output(db))


@lowers(through_time.rnn.fused)
def _rnn_gradient(builder: Builder, entry: Entry) -> None:
    g, _, before, hs, xs, h, Wx, Wh, _, resets = entry.inputs
    before, hs, xs, Wx, Wh = (builder.place(x) for x in (before, hs, xs, Wx, Wh))
    words = _begin(builder, entry, xs, Wh, resets)
    dxs, dh, dWx, dWh, db, _ = entry.outputs
    da = builder.new(hs.shape)
    places = [_given(builder, entry, g, hs.shape), hs, da, _made(builder, dh, h.shape), builder.new(Wh.shape)]
    builder.emit("rnn_gradient", [*words, *(place.offset for place in places)], entry)
    _weights(builder, entry, (dxs, dWx, dWh, db), (xs, before, Wx, da, da))


@lowers(through_time.gru.fused)
def _gru_gradient(builder: Builder, entry: Entry) -> None:
    g, _, before, gates, ahs, xs, h, Wx, Wh, _, resets = entry.inputs
    before, gates, ahs, xs, Wx, Wh = (builder.place(x) for x in (before, gates, ahs, xs, Wx, Wh))
    words = _begin(builder, entry, xs, Wh, resets)
    dxs, dh, dWx, dWh, db, _ = entry.outputs
    dax, dah = builder.new(gates.shape), builder.new(gates.shape)
    scratch = [builder.new(h.shape), builder.new(Wh.shape)]
    given = _given(builder, entry, g, before.shape)
    places = [given, gates, before, ahs, dax, dah, _made(builder, dh, h.shape), *scratch]
    builder.emit("gru_gradient", [*words, *(place.offset for place in places)], entry)
    _weights(builder, entry, (dxs, dWx, dWh, db), (xs, before, Wx, dax, dah))


@lowers(through_time.lstm.fused)
def _lstm_gradient(builder: Builder, entry: Entry) -> None:
    g, by_last, _, _, before, cells, tanhs, gates, xs, h, c, Wx, Wh, _, resets = entry.inputs
    rows, cells, tanhs, gates, xs, Wx, Wh = (builder.place(x) for x in (before, cells, tanhs, gates, xs, Wx, Wh))
    words = _begin(builder, entry, xs, Wh, resets)
    (T, B, H), d = before.shape, xs.shape[2]
    K = d + H + 1
    if rows.strides[1] != K:
        raise NotImplementedError("memories that the opcode has not made")
    rows = _like(rows, (T, B, K), -d)
    dxs, dh, dc, dWx, dWh, db, _ = entry.outputs
    chunk, by_xs = max(1, min(T, _CHUNK // (B * 4 * H))), builder.wants(dxs)
    given = [_given(builder, entry, g, before.shape), _given(builder, entry, by_last, c.shape)]
    read = [*given, gates, cells, tanhs, rows, builder.contiguous(Wx, entry)]
    dW = builder.new((K, 4 * H))
    for y, first in ((dWx, 0), (dWh, d), (db, d + H)):
        if y is not None:
            builder.see(y, _like(dW, y.shape, first * 4 * H))
    made = [builder.new((chunk, B, 4 * H)), dW, _made(builder, dh, h.shape), _made(builder, dc, c.shape)]
    scratch = [builder.new(dW.shape), builder.new((4 * H, H)), builder.new((4 * H, d if by_xs else 0))]
    to_xs = builder.output(dxs) if by_xs else builder.new((0,))
    places = [*read, *made, *scratch, to_xs]
    builder.emit("lstm_gradient", [*words, d, chunk, int(by_xs), *(place.offset for place in places)], entry)

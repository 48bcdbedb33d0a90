"""Rows of softmax and of losses."""

from __future__ import annotations

import math

import numpy as np

from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place, row_strides
from cartwheel.nn.capture.lowering import bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import activations, losses

# --- sums over all numbers -------------------------------------------------------------------------------------------


@lowers(losses._mean_squared_error, losses._huber, losses._sigmoid_cross_entropy)
def _sum_of_terms(builder: Builder, entry: Entry) -> None:
    x0, x1 = (builder.place(x) for x in entry.inputs)
    if x0.shape != x1.shape or "i" in (x0.kind, x1.kind):
        raise NotImplementedError("operands of two shapes, or integers")
    x0, x1 = builder.contiguous(x0, entry), builder.contiguous(x1, entry)
    how = entry.attributes
    divisor, setting = how.get("rows", how.get("count", math.nan)), how.get("delta", 0.0)
    loss, terms = builder.output(entry.outputs[0]), builder.new(x0.shape)
    words = [x0.size, x0.offset, x1.offset, bits(divisor), bits(setting), loss.offset, terms.offset]
    builder.emit(entry.name, words, entry)


# --- rows of logits --------------------------------------------------------------------------------------------------


def _lines(builder: Builder, entry: Entry) -> tuple[Place, Place, int, int]:
    """x and y as contiguous rows along the axis that is meant, which is brought to the end."""
    x, axis = builder.place(entry.inputs[0]), entry.attributes["axis"] % len(entry.outputs[0].shape)
    if x.size == 0:
        raise NotImplementedError("a softmax of nothing")
    order = [*(one for one in range(len(x.shape)) if one != axis), axis]
    x, y = builder.contiguous(x.transposed(order), entry), builder.output(entry.outputs[0])
    y = Place(y.offset, x.shape, row_strides(x.shape))
    builder.see(entry.outputs[0], y.transposed(np.argsort(order).tolist()))
    return x, y, x.size // x.shape[-1], x.shape[-1]


@lowers(activations._softmax)
def _softmax(builder: Builder, entry: Entry) -> None:
    x, y, rows, columns = _lines(builder, entry)
    builder.emit("softmax", [rows, columns, x.offset, y.offset, builder.new((rows,)).offset], entry)


@lowers(activations._log_softmax)
def _log_softmax(builder: Builder, entry: Entry) -> None:
    x, y, rows, columns = _lines(builder, entry)
    scratch = [builder.new(x.shape).offset, builder.new((rows,)).offset]
    builder.emit("log_softmax", [rows, columns, x.offset, y.offset, *scratch], entry)


@lowers(losses._softmax_cross_entropy)
def _softmax_cross_entropy(builder: Builder, entry: Entry) -> None:
    x, t = (builder.place(one) for one in entry.inputs)
    if t.kind != "i" or not t.contiguous or x.size == 0:
        raise NotImplementedError("classes that are no integers, or no rows")
    x = builder.contiguous(x, entry)
    loss, weights, totals = (builder.output(y) for y in entry.outputs[:3])  # the others are 0, 1, ..., and t
    scratch = [builder.new(x.shape).offset, weights.offset, totals.offset, builder.new(t.shape).offset]
    builder.emit("softmax_cross_entropy", [*x.shape, t.offset, x.offset, *scratch, loss.offset], entry)


@lowers(losses._softmax_cross_entropy.fused)
def _softmax_cross_entropy_gradient(builder: Builder, entry: Entry) -> None:
    g, weights, totals, t = (builder.place(entry.inputs[number]) for number in (0, 2, 3, 7))
    if t.kind != "i" or weights.size == 0:
        raise NotImplementedError("classes that are no integers, or no rows")
    gx = builder.output(entry.outputs[0])
    words = [*weights.shape, t.offset, weights.offset, totals.offset, g.offset, gx.offset]
    builder.emit("softmax_cross_entropy_gradient", words, entry)

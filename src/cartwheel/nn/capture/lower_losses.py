"""Rows of softmax and of losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place, row_strides
from cartwheel.nn.capture.lowering import ALL, bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.functions import activations, losses

# --- sums over all numbers -------------------------------------------------------------------------------------------


@lowers(losses._mean_squared_error, losses._huber, losses._sigmoid_cross_entropy)
def _sum_of_terms(builder: Builder, entry: Entry) -> None:
    words, x0 = _pair(builder, entry, entry.inputs)
    loss, terms = builder.output(entry.outputs[0]), builder.new(x0.shape)
    builder.emit(entry.name, [*words, loss.offset, terms.offset], entry)


@lowers(
    losses._mean_squared_error_gradient,
    losses._huber_gradient,
    losses._sigmoid_cross_entropy_gradient,
)
def _gradient_of_terms(builder: Builder, entry: Entry) -> None:
    g = builder.place(entry.inputs[0])
    words, _ = _pair(builder, entry, entry.inputs[1:])
    builder.emit(entry.name, [*words, g.offset, builder.output(entry.outputs[0]).offset], entry)


def _pair(builder: Builder, entry: Entry, operands: Sequence[Any]) -> tuple[list[int], Place]:
    """The first words of a row, for two operands that are stretched to one shape; and the first one."""
    x0, x1 = (builder.place(x) for x in operands)
    shape = np.broadcast_shapes(x0.shape, x1.shape)
    x0, x1 = (builder.contiguous(x.broadcast(shape), entry) for x in (x0, x1))
    how = entry.attributes
    divisor, setting = how.get("rows", how.get("count", math.nan)), how.get("delta", 0.0)
    return [x0.size, x0.offset, x1.offset, bits(divisor), bits(setting)], x0


# --- rows of logits --------------------------------------------------------------------------------------------------


@lowers(
    activations._softmax,
    activations._log_softmax,
    activations._softmax_gradient,
    activations._log_softmax_gradient,
)
def _along_lines(builder: Builder, entry: Entry) -> None:
    """Operands and result are contiguous rows along the axis that is meant, which is brought to the end."""
    result = entry.outputs[0]
    if result.size == 0:
        raise NotImplementedError("a softmax of nothing")
    axis = entry.attributes["axis"] % result.ndim
    order = [*(one for one in range(result.ndim) if one != axis), axis]
    inputs = [builder.place(x).broadcast(result.shape).transposed(order) for x in entry.inputs]
    read = [builder.contiguous(x, entry).offset for x in inputs]
    shape = inputs[0].shape
    y = Place(builder.output(result).offset, shape, row_strides(shape))
    builder.see(result, y.transposed(np.argsort(order).tolist()))
    rows, columns = y.size // shape[-1], shape[-1]
    scratch = [builder.new(shape).offset] if entry.name == "log_softmax" else []
    builder.emit(entry.name, [rows, columns, *read, y.offset, *scratch, builder.new((rows,)).offset], entry)


@lowers(losses._softmax_cross_entropy, reads=ALL, makes=ALL)
def _softmax_cross_entropy(builder: Builder, entry: Entry) -> None:
    x, t = (builder.place(one) for one in entry.inputs)
    if t.kind != "i" or not t.contiguous or x.kind != "f" or x.size == 0 or entry.inputs[1].dtype == np.uint64:
        raise NotImplementedError("classes that are no integers, or no rows")
    x = builder.contiguous(x, entry)
    loss, weights, totals = (builder.output(y) for y in entry.outputs[:3])  # the others are 0, 1, ..., and t
    scratch = [builder.new(x.shape).offset, weights.offset, totals.offset, builder.new(t.shape).offset]
    builder.emit("softmax_cross_entropy", [*x.shape, t.offset, x.offset, *scratch, loss.offset], entry)


@lowers(losses._softmax_cross_entropy.fused, reads=ALL)
def _softmax_cross_entropy_gradient(builder: Builder, entry: Entry) -> None:
    g, weights, totals, t = (builder.place(entry.inputs[number]) for number in (0, 2, 3, 7))
    if t.kind != "i" or weights.size == 0:
        raise NotImplementedError("classes that are no integers, or no rows")
    gx = builder.output(entry.outputs[0])
    words = [*weights.shape, t.offset, weights.offset, totals.offset, g.offset, gx.offset]
    builder.emit("softmax_cross_entropy_gradient", words, entry)

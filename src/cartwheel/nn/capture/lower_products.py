"""Rows of products and of optimizers' rules."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cartwheel.kernels.opcodes import ROW, products
from cartwheel.kernels.opcodes import optimization as rules
from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.lowering import bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.capture.updates import WHOLE_HOOKS, WHOLE_RULES
from cartwheel.nn.functions.products import _linear, matmul

# --- products --------------------------------------------------------------------------------------------------------


@lowers(matmul)
def _matmul(builder: Builder, entry: Entry) -> None:
    x, W = (builder.place(one) for one in entry.inputs)
    product(builder, entry, x, W, None, builder.output(entry.outputs[0]))


@lowers(_linear)
def _with_bias(builder: Builder, entry: Entry) -> None:
    x, W = (builder.place(one) for one in entry.inputs[:2])
    b = entry.inputs[2]
    y = builder.output(entry.outputs[0])
    product(builder, entry, x, W, None if b is None else builder.place(b), y)


def product(builder: Builder, entry: Entry, x: Place, W: Place, b: Place | None, y: Place) -> None:
    """A row for y = x W + b, by NumPy's rules, into a contiguous place."""
    if y.size == 0 or not x.shape or not W.shape:
        raise NotImplementedError("a product of nothing")
    if len(x.shape) == 1:  # a row
        x = x.broadcast((1, *x.shape))
    if len(W.shape) == 1:  # a column
        W = Place(W.offset, (*W.shape, 1), (*W.strides, 1), W.kind)
    if len(W.shape) == 2 and len(x.shape) > 2:  # all leading axes are rows
        x = builder.contiguous(x, entry)
        rows = math.prod(x.shape[:-1])
        x = Place(x.offset, (rows, x.shape[-1]), (x.shape[-1], 1), x.kind)
    batch = np.broadcast_shapes(x.shape[:-2], W.shape[:-2])
    if len(batch) > 2:
        raise NotImplementedError("a product along more than two leading axes")
    lengths = (1,) * (2 - len(batch)) + batch
    x, W = _batched(x, lengths), _batched(W, lengths)
    row = np.zeros(ROW, np.int64)
    row[products.BATCH : products.BATCH + 2] = lengths
    row[products.M_], row[products.K_], row[products.N_] = x.shape[-2], x.shape[-1], W.shape[-1]
    row[products.A : products.A + 5] = (x.offset, *x.strides)
    row[products.B : products.B + 5] = (W.offset, *W.strides)
    row[products.C] = y.offset
    if b is not None:
        bias = _bias(b, lengths, W.shape[-1], builder, entry)
        row[products.BIASED] = 1
        row[products.BIAS : products.BIAS + 3] = (bias.offset, *bias.strides[:2])
    blas = products.prefers_blas(row)
    spare = 0 if blas else products.spare(row)
    row[products.SPARE] = builder.new((spare,)).offset if spare else 0
    builder.emit("matmul_blas" if blas else "matmul", row[1:].tolist(), entry)


def _batched(place: Place, lengths: Sequence[int]) -> Place:
    return place.broadcast((*lengths, *place.shape[-2:]))


def _bias(b: Place, lengths: Sequence[int], columns: int, builder: Builder, entry: Entry) -> Place:
    """The bias with two leading axes, contiguous along the last."""
    if b.shape[-1:] != (columns,) or (columns > 1 and b.strides[-1] != 1):
        b = builder.contiguous(b.broadcast((*b.shape[:-1], columns)), entry)
    if len(b.shape) > 1 and b.shape[:-1] != tuple(lengths)[-(len(b.shape) - 1) :]:
        raise NotImplementedError("a bias with rows of its own")
    return b.broadcast((*lengths, columns))


# --- optimizers ------------------------------------------------------------------------------------------------------


@lowers(*WHOLE_RULES)
def _rule(builder: Builder, entry: Entry) -> None:
    settings = entry.attributes["settings"]
    memories = len(entry.outputs) - 1
    theta, grad, *memory = (builder.place(x) for x in entry.inputs[: 2 + memories])
    count, *rates = entry.inputs[2 + memories :]
    step = builder.steps.setdefault(id(count), builder.new((1,), "i"))
    in_memory, words = _settings(builder, settings, rates)
    offsets = [place.offset for place in memory] + [0] * (2 - memories)
    grad = builder.contiguous(grad, entry)
    row = [theta.size, step.offset, 1, in_memory, theta.offset, grad.offset, *offsets, *words]
    assert len(row) - len(words) + 1 == rules.SETTINGS
    builder.emit(WHOLE_RULES[entry.what], row, entry)
    for array, place in zip(entry.outputs, (theta, *memory), strict=True):
        builder.see(array, place)  # it is done in place


def _settings(builder: Builder, settings: Sequence[float | None], rates: Sequence[Array]) -> tuple[int, list[int]]:
    """Which settings stand in memory, and a word for each."""
    moved = iter(builder.place(rate) for rate in rates)
    in_memory = sum(1 << number for number, value in enumerate(settings) if value is None)
    return in_memory, [next(moved).offset if value is None else bits(value) for value in settings]


@lowers(*WHOLE_HOOKS)
def _hook(builder: Builder, entry: Entry) -> None:
    theta, grad = (builder.contiguous(builder.place(x), entry) for x in entry.inputs[:2])
    in_memory, words = _settings(builder, entry.attributes["settings"], entry.inputs[2:])
    changed = builder.output(entry.outputs[0])
    row = [theta.size, 0, 0, in_memory, theta.offset, grad.offset, changed.offset, 0, *words]
    builder.emit(WHOLE_HOOKS[entry.what], row, entry)

"""What rows an operation becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.kernels.opcodes.forms import AXES
from cartwheel.nn.capture.builder import LOWERINGS, PLANS, Builder
from cartwheel.nn.capture.layout import Place, collapsed, row_strides
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.function import Operation
from cartwheel.nn.functions import activations, arithmetic, comparison, elementwise, losses, shape

_Lowering = Callable[[Builder, Entry], None]

#: The files of element-wise opcodes; each is called as the operation that it does.
ELEMENTWISE = ("activation", "choices", "elementwise", "mathematics")


def lowers(*what: Any) -> Callable[[_Lowering], _Lowering]:
    """Enter a function as what makes rows of these operations, gradients or rules."""

    def enter(lowering: _Lowering) -> _Lowering:
        for one in what:
            LOWERINGS[one] = lowering
        return lowering

    return enter


@lowers("assign")
def _assign(builder: Builder, entry: Entry) -> None:
    target, value = (builder.place(x) for x in entry.inputs)
    if value.offset != target.offset:  # not computed in place already
        builder.elementwise("copy", [value], target, entry)


# --- views: no row at all --------------------------------------------------------------------------------------------


@lowers(shape._reshape)
def _reshape(builder: Builder, entry: Entry) -> None:
    x, y = builder.place(entry.inputs[0]), entry.outputs[0]
    builder.see(y, builder.contiguous(x, entry).reshaped(y.shape) or x)


@lowers(shape._transpose)
def _transpose(builder: Builder, entry: Entry) -> None:
    builder.see(entry.outputs[0], builder.place(entry.inputs[0]).transposed(entry.attributes["axes"]))


@lowers(arithmetic._broadcast_to)
def _broadcast_to(builder: Builder, entry: Entry) -> None:
    builder.see(entry.outputs[0], builder.place(entry.inputs[0]).broadcast(entry.outputs[0].shape))


@lowers(arithmetic._cast)
def _cast(builder: Builder, entry: Entry) -> None:
    x, y = builder.place(entry.inputs[0]), entry.outputs[0]
    if y.dtype != builder.dtype:
        raise NotImplementedError("a cast to another type")
    if x.kind != "i":
        builder.see(y, replace(x, kind="f"))
    elif x.contiguous:
        builder.emit("from_integers", [x.size, x.offset, builder.output(y).offset], entry)
    else:
        raise NotImplementedError("a cast of a view of integers")


# --- parts ---------------------------------------------------------------------------------------------------------


def along(place: Place, axis: int, low: int, length: int) -> Place:
    """The view of a stretch along an axis."""
    shape = (*place.shape[:axis], length, *place.shape[axis + 1 :])
    return replace(place, offset=place.offset + low * place.strides[axis], shape=shape)


def put(builder: Builder, x: Place, part: Place, entry: Entry) -> None:
    """A row that copies x into a part of an array, of the same shape."""
    if part.size == 0:
        return
    lengths, strides = collapsed(part.shape, [x.broadcast(part.shape), part])
    if len(lengths) > AXES:
        raise NotImplementedError("a part along too many axes")
    lead = AXES - len(lengths)
    from_, to = ([0] * lead + one for one in strides)
    builder.emit("place", [*[1] * lead, *lengths, x.offset, *from_, part.offset, *to], entry)


# --- pieces put together ---------------------------------------------------------------------------------------------


@lowers(shape._concat)
def _concat(builder: Builder, entry: Entry) -> None:
    whole, axis = builder.output(entry.outputs[0]), entry.attributes["axis"] % entry.outputs[0].ndim
    if axis:
        low = 0
        for x in entry.inputs:
            put(builder, builder.place(x), along(whole, axis, low, x.shape[axis]), entry)
            low += x.shape[axis]
        return
    offset = whole.offset
    for x in entry.inputs:
        piece = builder.place(x)
        target = replace(piece, offset=offset, strides=row_strides(piece.shape))
        if piece.size and not (piece.offset == offset and piece.contiguous):  # it may have been put there at once
            builder.elementwise("copy", [piece], target, entry)
        offset += piece.size


def _plan_concat(builder: Builder, entry: Entry, entries: Sequence[Entry]) -> None:
    """Let the pieces be computed where they are wanted: the gradients of parameters, in the one vector."""
    made = {id(y): one for one in entries for y in one.outputs}
    whole = builder.new(entry.outputs[0].shape)
    builder.choose(entry.outputs[0], whole)
    offset = whole.offset
    for x in entry.inputs:
        source = x
        while id(source) in made and made[id(source)].what is shape._reshape:
            source = made[id(source)].inputs[0]
        one = made.get(id(source))
        if one is not None and source.size == x.size and one.what not in _VIEWS and x.ndim == 1:
            builder.choose(source, Place(offset, source.shape, row_strides(source.shape)))
        offset += x.size


_VIEWS = (shape._reshape, shape._transpose, arithmetic._broadcast_to)
PLANS[shape._concat] = _plan_concat

# --- element by element ----------------------------------------------------------------------------------------------


def _elementwise(builder: Builder, entry: Entry) -> None:
    inputs = [builder.place(x) for x in entry.inputs]
    if any(place.kind == "i" for place in inputs):
        raise NotImplementedError("integers among the operands")
    if entry.outputs[0].dtype.kind not in "fb":
        raise NotImplementedError("integers as a result")
    extra = [bits(value) for value in entry.attributes.values()]
    builder.elementwise(entry.name, inputs, builder.output(entry.outputs[0]), entry, extra)


def bits(value: float) -> int:
    """A number as a word of a row: the bits of a float64."""
    return int(np.float64(value).view(np.int64))


for _module in (arithmetic, elementwise, activations, comparison, losses):
    for _operation in vars(_module).values():
        known = isinstance(_operation, Operation) and OPCODES.get(_operation.__name__)
        if known and (known.function.__module__.rpartition(".")[2] in ELEMENTWISE or known.name == "bounded_log"):
            lowers(_operation)(_elementwise)

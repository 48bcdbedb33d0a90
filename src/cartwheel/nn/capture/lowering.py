"""What rows an operation becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.nn.capture.builder import CASTS, KINDS, LOWERINGS, PLANS, Builder
from cartwheel.nn.capture.layout import Place, row_strides
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.function import Operation
from cartwheel.nn.functions import activations, arithmetic, comparison, elementwise, losses, shape

_Lowering = Callable[[Builder, Entry], None]

#: All kinds of arrays.
ALL = "fbi"

#: The files of element-wise opcodes; each is called as the operation that it does.
ELEMENTWISE = ("activation", "choices", "elementwise", "mathematics")


def lowers(*what: Any, reads: str = "fb", makes: str = "f") -> Callable[[_Lowering], _Lowering]:
    """Enter a function as what makes rows of these operations, gradients or rules.

    `reads` and `makes` are the kinds of arrays (`Place.kind`) that it understands; NumPy does the rest.
    """

    def enter(lowering: _Lowering) -> _Lowering:
        for one in what:
            LOWERINGS[one], KINDS[one] = lowering, (reads, makes)
        return lowering

    return enter


@lowers("assign")
def _assign(builder: Builder, entry: Entry) -> None:
    target, value = (builder.place(x) for x in entry.inputs)
    if value.offset != target.offset:  # not computed in place already
        builder.copy(value, target, entry)


# --- views: no row at all --------------------------------------------------------------------------------------------


@lowers(shape._reshape, reads=ALL, makes=ALL)
def _reshape(builder: Builder, entry: Entry) -> None:
    x, y = builder.place(entry.inputs[0]), entry.outputs[0]
    builder.see(y, builder.contiguous(x, entry).reshaped(y.shape) or x)


@lowers(shape._transpose, reads=ALL, makes=ALL)
def _transpose(builder: Builder, entry: Entry) -> None:
    builder.see(entry.outputs[0], builder.place(entry.inputs[0]).transposed(entry.attributes["axes"]))


@lowers(arithmetic._broadcast_to, reads=ALL, makes=ALL)
def _broadcast_to(builder: Builder, entry: Entry) -> None:
    builder.see(entry.outputs[0], builder.place(entry.inputs[0]).broadcast(entry.outputs[0].shape))


@lowers(arithmetic._cast, reads=ALL)
def _cast(builder: Builder, entry: Entry) -> None:
    x, y = entry.inputs[0], entry.outputs[0]
    if y.dtype != builder.dtype:
        raise NotImplementedError("a cast to another type")
    builder.see(y, replace(builder.numbers(x, entry), kind="f"))


CASTS.add(arithmetic._cast)


# --- parts ---------------------------------------------------------------------------------------------------------


def along(place: Place, axis: int, low: int, length: int) -> Place:
    """The view of a stretch along an axis."""
    shape = (*place.shape[:axis], length, *place.shape[axis + 1 :])
    return replace(place, offset=place.offset + low * place.strides[axis], shape=shape)


# --- pieces put together ---------------------------------------------------------------------------------------------


def pieces(builder: Builder, entry: Entry) -> list[Place]:
    """Where the operands lie that are put together, of the result's kind."""
    wanted = entry.outputs[0].dtype.kind
    if wanted == "f":
        return [builder.numbers(x, entry) for x in entry.inputs]
    if any(x.dtype.kind != wanted for x in entry.inputs):
        raise NotImplementedError("pieces of several types")
    return [builder.place(x) for x in entry.inputs]


@lowers(shape._concat, reads=ALL, makes=ALL)
def _concat(builder: Builder, entry: Entry) -> None:
    whole, axis = builder.output(entry.outputs[0]), entry.attributes["axis"] % entry.outputs[0].ndim
    low = 0
    for piece in pieces(builder, entry):
        part = along(whole, axis, low, piece.shape[axis])
        if not (piece.offset == part.offset and piece.contiguous and part.contiguous):  # not put there at once
            builder.copy(piece, part, entry)
        low += piece.shape[axis]


def _plan_concat(builder: Builder, entry: Entry, entries: Sequence[Entry]) -> None:
    """Let the pieces be computed where they are wanted: the gradients of parameters, in the one vector."""
    if entry.outputs[0].dtype.kind != "f":
        return
    made = {id(y): one for one in entries for y in one.outputs}
    whole = builder.new(entry.outputs[0].shape)
    builder.choose(entry.outputs[0], whole)
    offset = whole.offset
    for x in entry.inputs:
        source = x
        while id(source) in made and made[id(source)].what is shape._reshape:
            source = made[id(source)].inputs[0]
        one = made.get(id(source))
        if (
            one is not None
            and source.size == x.size
            and source.dtype.kind == "f"
            and one.what not in _VIEWS
            and x.ndim == 1
        ):
            builder.choose(source, Place(offset, source.shape, row_strides(source.shape)))
        offset += x.size


_VIEWS = (shape._reshape, shape._transpose, arithmetic._broadcast_to)
PLANS[shape._concat] = _plan_concat

# --- element by element ----------------------------------------------------------------------------------------------


#: What is the same of truth values, 0 and 1, as NumPy has it: there the sum of two is "or", and not 2.
OF_TRUTH = frozenset(
    "less less_equal equal not_equal logical_and logical_or where minimum maximum mul copy abs".split()
)


def _elementwise(builder: Builder, entry: Entry) -> None:
    y = entry.outputs[0]
    if y.dtype.kind == "b" and entry.name not in OF_TRUTH:
        raise NotImplementedError("an operation that NumPy does otherwise on truth values")
    if y.dtype.kind == "b" and not all(_is_exact(builder, x) for x in entry.inputs):
        raise NotImplementedError("integers that a float does not hold")
    inputs = [builder.numbers(x, entry) for x in entry.inputs]
    extra = [bits(value) for value in entry.attributes.values()]
    builder.elementwise(entry.name, inputs, builder.output(y), entry, extra)


def _is_exact(builder: Builder, x: Any) -> bool:
    """Whether all numbers of an operand's type are floats of the program as well."""
    dtype = getattr(x, "dtype", builder.dtype)
    return dtype.kind not in "iu" or dtype.itemsize < builder.dtype.itemsize


def bits(value: float) -> int:
    """A number as a word of a row: the bits of a float64."""
    return int(np.float64(value).view(np.int64))


for _module in (arithmetic, elementwise, activations, comparison, losses):
    for _operation in vars(_module).values():
        known = isinstance(_operation, Operation) and OPCODES.get(_operation.__name__)
        if known and (known.function.__module__.rpartition(".")[2] in ELEMENTWISE or known.name == "bounded_log"):
            lowers(_operation, reads=ALL, makes="fb")(_elementwise)

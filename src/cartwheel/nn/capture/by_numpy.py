"""Rows that NumPy runs: for what has no opcode, or none for arrays of such types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.places import Places
from cartwheel.nn.capture.tape import Entry

#: Given what shows the array in a place, does a row's work.
Run = Callable[[Callable[[Place], Array]], None]


def by_numpy(places: Places, entry: Entry) -> Run:
    """What runs an entry again, on the arrays of the program."""
    inputs = [_operand(places, x, entry) if isinstance(x, np.ndarray) else x for x in entry.inputs]
    # what an operation only hands on has its place already
    outputs = [None if y is None or id(y) in places.places else places.output(y) for y in entry.outputs]

    def run(view: Callable[[Place], Array]) -> None:
        found = entry.again([_typed(x, view) if isinstance(x, tuple) else x for x in inputs])
        for y, result in zip(outputs, found, strict=True):
            if y is not None:
                _give(view(y), result, entry)

    return run


def _operand(places: Places, x: Array, entry: Entry) -> Any:
    """What NumPy reads: a place and the type of its numbers; an array itself where it is in no place so."""
    if entry.what == "assign":
        raise RuntimeError(f"can't record {x.dtype} {x.shape} assigned to numbers of another type at {entry.place}")
    if id(x) not in places.places and places.is_foreign(x):
        return x
    place = places.place(x)
    if not places.is_other(x):
        return place, x.dtype
    if places.is_constant(place):
        return np.array(x)
    raise TypeError(
        f"{entry.name} at {entry.place} takes floats of {x.dtype} in a step that computes in {places.dtype}: give "
        f"the step .astype(np.{places.dtype})"
    )


def _typed(operand: tuple[Place, Any], view: Callable[[Place], Array]) -> Array:
    """An operand in its own type, as the eager operation has it."""
    place, dtype = operand
    numbers = view(place)
    return numbers if numbers.dtype == dtype else numbers.astype(dtype)


def _give(target: Array, result: Any, entry: Entry) -> None:
    """What NumPy has computed, into its place. ValueError for another shape than when it was recorded."""
    if result.shape != target.shape:
        raise ValueError(
            f"{entry.name} at {entry.place} gave the shape {result.shape} in a replay, and {target.shape} when it was "
            "recorded: what it gives depends on numbers that it is given"
        )
    target[...] = result

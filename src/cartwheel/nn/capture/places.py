"""The places of a program's arrays: where each lies that a step computes, is given, or keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.layout import ALIGNMENT, Place, row_strides
from cartwheel.nn.capture.tape import Tape

#: Integers at the front of their buffer: the round, what ends a run, and some to spare.
RESERVED = 8


class Places:
    """The places of a program for floats of one type.

    `bases` says for each lasting array (by id) how far from the buffer it lies, in numbers.
    """

    def __init__(self, tape: Tape, dtype: Any, bases: dict[int, int]) -> None:
        self.dtype, self.bases = np.dtype(dtype), bases
        self.lasting = {key: array for key, array in tape.lasting.items() if array.dtype == self.dtype}
        #: Lasting arrays of other types, which only NumPy reads, where they lie.
        self._foreign = [array for array in tape.lasting.values() if array.dtype != self.dtype]
        self.places: dict[int, Place] = {}
        self.constants: list[tuple[Place, Array]] = []
        self.floats, self.integers = 0, RESERVED
        self._numbers: dict[float, Place] = {}
        self._chosen: dict[int, Place] = {}
        self._inputs: list[tuple[Array, Place]] = []
        #: The ids of all arrays that something is made of, or that are asked for.
        self.wanted: set[int] = set()
        self._keep: list[Any] = []

    def new(self, shape: Sequence[int], kind: str = "f") -> Place:
        """A new place for a contiguous array."""
        shape = tuple(shape)
        place = Place(self.integers if kind == "i" else self.floats, shape, row_strides(shape), kind)
        size = -(-max(place.size, 1) // ALIGNMENT) * ALIGNMENT
        if kind == "i":
            self.integers += size
        else:
            self.floats += size
        return place

    def input(self, array: Array) -> Place:
        """The place of an array that the program is given, of floats in the type of the program's."""
        place = self.places[id(array)] = self.new(array.shape, kind_of(array))
        self._inputs.append((array, place))
        return place

    def place(self, x: Any) -> Place:
        """Where an operand lies: computed before, lasting, or else a constant."""
        if isinstance(x, bool | int | float | np.generic):
            return self._number(float(x))
        found = self.places.get(id(x))
        if found is None:
            if self.is_foreign(x):
                raise NotImplementedError(f"an array of {x.dtype} that outlives the step")
            found = self.places[id(x)] = self._view(x) or self.constant(x)
            self._keep.append(x)
        return found

    def result(self, array: Array) -> Place:
        """The place of what a step gives; TypeError for floats of another type than those that it computes in."""
        if self.is_other(array):
            raise TypeError(f"a recorded step that computes in {self.dtype} can't give {array.dtype}: cast it before")
        return self.place(array)

    def is_foreign(self, x: Array) -> bool:
        """Whether an array lies in a lasting one of another type than the program's."""
        return any(_lies_in(x, root) for root in self._foreign)

    def is_constant(self, place: Place) -> bool:
        """Whether the numbers there are those of the recording."""
        return any(place is one for one, _ in self.constants)

    def output(self, array: Array) -> Place:
        """The place of a result: one that was chosen for it, or a new one."""
        place = self._chosen.get(id(array)) or self.new(array.shape, kind_of(array))
        self.places[id(array)] = place
        return place

    def choose(self, array: Array, place: Place) -> None:
        """Say where a result that is still to be computed goes."""
        self._chosen[id(array)] = place

    def wants(self, array: Array | None) -> bool:
        """Whether something is made of a result."""
        return array is not None and id(array) in self.wanted

    def see(self, array: Array, place: Place) -> None:
        """Say that a result is a view, or was computed in place."""
        self.places[id(array)] = place

    def is_other(self, x: Any) -> bool:
        """Whether an operand is floats that the program rounds to its own type."""
        dtype = getattr(x, "dtype", None)
        return dtype is not None and dtype.kind == "f" and dtype.itemsize != self.dtype.itemsize

    def _number(self, value: float) -> Place:
        key = np.float64(value).view(np.int64).item()  # a NaN, and -0, are numbers too
        if key not in self._numbers:
            self._numbers[key] = self.constant(np.array(value, self.dtype))
        return self._numbers[key]

    def constant(self, array: Array) -> Place:
        """A new place that always has these numbers."""
        place = self.new(array.shape, kind_of(array))
        self.constants.append((place, np.array(array)))
        return place

    def _view(self, array: Array) -> Place | None:
        """The place of a view that NumPy made, of a lasting array or an input."""
        size = array.itemsize
        roots = [(root, self.bases[key], "f") for key, root in self.lasting.items()]
        roots += [(root, place.offset, place.kind) for root, place in self._inputs]
        for root, offset, kind in roots:
            if root.dtype == array.dtype and _lies_in(array, root):
                offset += (array.ctypes.data - root.ctypes.data) // size
                return Place(offset, array.shape, tuple(stride // size for stride in array.strides), kind)
        return None


def _lies_in(array: Array, root: Array) -> bool:
    """Whether an array begins within another one's memory."""
    start: int = root.ctypes.data
    return bool(start <= array.ctypes.data < start + max(root.nbytes, 1))


def kind_of(array: Array) -> str:
    """The kind of an array's place."""
    return {"f": "f", "b": "b"}.get(array.dtype.kind, "i")

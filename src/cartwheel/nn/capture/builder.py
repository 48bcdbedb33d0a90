"""From a tape to a program: a place for each array, and a row, or several, for each thing that was computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES, ROW
from cartwheel.kernels.opcodes.forms import AXES, BLOCK, CHUNK, CHUNKS, INPUTS, LENGTHS, PER_INPUT, output_word
from cartwheel.nn.array import Array
from cartwheel.nn.capture.layout import ALIGNMENT, Place, collapsed, row_strides
from cartwheel.nn.capture.tape import Entry, Tape

#: Integers at the front of their buffer: the round, what ends a run, and some to spare.
RESERVED = 8

#: What makes rows of an entry, by what it is: an Operation, a Fused gradient, an optimizer's rule.
LOWERINGS: dict[Any, Callable[[Builder, Entry], None]] = {}

#: What looks at an entry, and at all of them, before there are rows: to choose places.
PLANS: dict[Any, Callable[[Builder, Entry, Sequence[Entry]], None]] = {}


@dataclass
class Row:
    """A row of a program: an opcode with its words, or what is run by NumPy, and what it came from."""

    words: Any  # (ROW,) int64; None for NumPy
    entry: Entry
    numpy: Callable[[Callable[[Place], Array]], None] | None = None


class Builder:
    """The places and rows of a program for floats of one type.

    `bases` says for each lasting array (by id) how far from the buffer it lies, in numbers.
    """

    def __init__(self, tape: Tape, dtype: Any, bases: dict[int, int]) -> None:
        self.dtype, self.lasting, self.bases = np.dtype(dtype), tape.lasting, bases
        self.places: dict[int, Place] = {}
        self.constants: list[tuple[Place, Array]] = []
        self.rows: list[Row] = []
        self.floats, self.integers = 0, RESERVED
        #: Where the state of `Config.rng` is kept while a program runs, if it draws.
        self.generator: Place | None = None
        #: By the id of an optimizer's count: where among the integers it is kept as well.
        self.steps: dict[int, Place] = {}
        self._numbers: dict[float, Place] = {}
        self._chosen: dict[int, Place] = {}
        self._gathered: dict[int, int] = {}
        self._inputs: list[tuple[Array, Place]] = []
        #: The ids of all arrays that something is made of, or that are asked for.
        self.wanted: set[int] = set()
        self._keep: list[Any] = []

    # --- places ------------------------------------------------------------------------------------------------------

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
        """The place of an array that the program is given."""
        place = self.places[id(array)] = self.new(array.shape, _kind(array))
        self._inputs.append((array, place))
        return place

    def place(self, x: Any) -> Place:
        """Where an operand lies: computed before, lasting, or else a constant."""
        if isinstance(x, bool | int | float | np.generic):
            return self._number(float(x))
        found = self.places.get(id(x))
        if found is None:
            found = self.places[id(x)] = self._view(x) or self._constant(x)
            self._keep.append(x)
        return found

    def output(self, array: Array) -> Place:
        """The place of a result: one that was chosen for it, or a new one."""
        place = self._chosen.get(id(array)) or self.new(array.shape, _kind(array))
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

    def contiguous(self, place: Place, entry: Entry) -> Place:
        """The same numbers, in order."""
        if place.contiguous:
            return place
        copied = self.new(place.shape)
        self.elementwise("copy", [place], copied, entry)
        return copied

    def _number(self, value: float) -> Place:
        key = np.float64(value).view(np.int64).item()  # a NaN, and -0, are numbers too
        if key not in self._numbers:
            self._numbers[key] = self._constant(np.array(value, self.dtype))
        return self._numbers[key]

    def _constant(self, array: Array) -> Place:
        place = self.new(array.shape, _kind(array))
        self.constants.append((place, np.array(array)))
        return place

    def _view(self, array: Array) -> Place | None:
        """The place of a view that NumPy made, of a lasting array or an input."""
        address, size = array.ctypes.data, array.itemsize
        roots = [(root, self.bases[key], "f") for key, root in self.lasting.items()]
        roots += [(root, place.offset, place.kind) for root, place in self._inputs]
        for root, offset, kind in roots:
            start = root.ctypes.data
            if root.dtype == array.dtype and start <= address < start + max(root.nbytes, 1):
                offset += (address - start) // size
                return Place(offset, array.shape, tuple(stride // size for stride in array.strides), kind)
        return None

    # --- rows --------------------------------------------------------------------------------------------------------

    def emit(self, name: str, words: Sequence[int], entry: Entry) -> None:
        """A row of an opcode, with its words after the first."""
        row = np.zeros(ROW, np.int64)
        row[0] = OPCODES[name].number
        row[1 : 1 + len(words)] = words
        self.rows.append(Row(row, entry))

    def elementwise(
        self, name: str, inputs: Sequence[Place], output: Place, entry: Entry, extra: Sequence[int] = ()
    ) -> None:
        """A row of an element-wise opcode: inputs of any strides, stretched to the shape of the contiguous output."""
        lengths, strides = collapsed(output.shape, [place.broadcast(output.shape) for place in inputs])
        if len(lengths) > AXES:
            raise NotImplementedError(f"{name} along {len(lengths)} axes")
        lengths = [1] * (AXES - len(lengths)) + lengths
        if output.size == 0:
            return
        row = np.zeros(ROW, np.int64)
        row[0] = OPCODES[name].number
        row[LENGTHS : LENGTHS + AXES] = lengths
        padded = [[0] * (AXES - len(one)) + one for one in strides]
        if output.size == 1:
            padded = [[0] * (AXES - 1) + [1] for _ in inputs]
        plain = all(one[-1] == 1 for one in padded)
        row[CHUNK] = lengths[-1] if plain else min(lengths[-1], BLOCK)
        row[CHUNKS] = -(-lengths[-1] // row[CHUNK])
        for number, (place, one) in enumerate(zip(inputs, padded, strict=True)):
            word = INPUTS + PER_INPUT * number
            row[word], row[word + 1 : word + 1 + AXES] = place.offset, one
            row[word + 1 + AXES] = self._block(number)
        word = output_word(len(inputs))
        row[word] = output.offset
        row[word + 1 : word + 1 + len(extra)] = extra
        self.rows.append(Row(row, entry))

    def _block(self, number: int) -> int:
        """Where the blocks of a strided operand are gathered."""
        if number not in self._gathered:
            self._gathered[number] = self.new((BLOCK,)).offset
        return self._gathered[number]

    def by_numpy(self, entry: Entry) -> None:
        """A row that NumPy runs."""
        inputs = [self.place(x) if isinstance(x, np.ndarray) else x for x in entry.inputs]
        # what an operation only hands on has its place already
        outputs = [None if y is None or id(y) in self.places else self.output(y) for y in entry.outputs]

        def run(view: Callable[[Place], Array]) -> None:
            found = entry.again([_truth(x, view(x)) if isinstance(x, Place) else x for x in inputs])
            for y, result in zip(outputs, found, strict=True):
                if y is not None:
                    view(y)[...] = result

        self.rows.append(Row(None, entry, run))

    def build(self, entries: Sequence[Entry]) -> None:
        """Rows for all of them."""
        for entry in entries:
            if entry.what in PLANS:
                PLANS[entry.what](self, entry, entries)
        for entry in entries:
            before, placed = len(self.rows), {id(y) for y in entry.outputs if id(y) in self.places}
            try:
                lowering = LOWERINGS.get(entry.what)
                if lowering is None:
                    raise NotImplementedError(f"there is no opcode for {entry.name}")
                lowering(self, entry)
            except NotImplementedError:
                del self.rows[before:]
                for y in entry.outputs:
                    if id(y) not in placed:
                        self.places.pop(id(y), None)
                self.by_numpy(entry)


def _truth(place: Place, numbers: Array) -> Array:
    """Truth values as NumPy has them."""
    return numbers != 0 if place.kind == "b" else numbers


def _kind(array: Array) -> str:
    return {"f": "f", "b": "b"}.get(array.dtype.kind, "i")

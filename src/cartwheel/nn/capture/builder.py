"""From a tape to a program: a place for each array, and a row, or several, for each thing that was computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES, ROW
from cartwheel.kernels.opcodes.forms import AXES, BLOCK, CHUNK, CHUNKS, INPUTS, LENGTHS, PER_INPUT, output_word
from cartwheel.nn.capture.by_numpy import Run, by_numpy
from cartwheel.nn.capture.layout import Place, collapsed
from cartwheel.nn.capture.places import Places, kind_of
from cartwheel.nn.capture.tape import Entry, Tape

#: What makes rows of an entry, by what it is: an Operation, a Fused gradient, an optimizer's rule.
LOWERINGS: dict[Any, Callable[[Builder, Entry], None]] = {}

#: Of what kinds of arrays each of them makes rows: those that are read, and the results.
KINDS: dict[Any, tuple[str, str]] = {}

#: What reads floats of any type: they are rounded to the program's before.
CASTS: set[Any] = set()

#: What looks at an entry, and at all of them, before there are rows: to choose places.
PLANS: dict[Any, Callable[[Builder, Entry, Sequence[Entry]], None]] = {}


@dataclass
class Row:
    """A row of a program: an opcode with its words, or what is run by NumPy, and what it came from."""

    words: Any  # (ROW,) int64; None for NumPy
    entry: Entry
    numpy: Run | None = None


class Builder(Places):
    """The places and rows of a program for floats of one type."""

    def __init__(self, tape: Tape, dtype: Any, bases: dict[int, int]) -> None:
        super().__init__(tape, dtype, bases)
        self.rows: list[Row] = []
        #: Where the state of `Config.rng` is kept while a program runs, if it draws.
        self.generator: Place | None = None
        #: By the id of an optimizer's count: where among the integers it is kept as well.
        self.steps: dict[int, Place] = {}
        self._gathered: dict[int, int] = {}

    def emit(self, name: str, words: Sequence[int], entry: Entry) -> None:
        """A row of an opcode, with its words after the first."""
        row = np.zeros(ROW, np.int64)
        row[0] = OPCODES[name].number
        row[1 : 1 + len(words)] = words
        self.rows.append(Row(row, entry))

    def copy(self, x: Place, target: Place, entry: Entry) -> None:
        """A row that copies x into a place of the same kind, of any strides, stretched to its shape."""
        if target.size == 0:
            return
        if target.kind != "i" and target.contiguous:
            self.elementwise("copy", [x], target, entry)
            return
        if "i" in (x.kind, target.kind) and x.kind != target.kind:
            raise NotImplementedError("integers beside other numbers")
        lengths, strides = collapsed(target.shape, [x.broadcast(target.shape), target])
        if len(lengths) > AXES:
            raise NotImplementedError("a part along too many axes")
        lead = AXES - len(lengths)
        from_, to = ([0] * lead + one for one in strides)
        name = "place_of_integers" if target.kind == "i" else "place"
        self.emit(name, [*[1] * lead, *lengths, x.offset, *from_, target.offset, *to], entry)

    def elementwise(
        self, name: str, inputs: Sequence[Place], output: Place, entry: Entry, extra: Sequence[int] = ()
    ) -> None:
        """A row of an element-wise opcode: inputs of any strides, stretched to the shape of the contiguous output."""
        if "i" in (output.kind, *(place.kind for place in inputs)):
            raise NotImplementedError(f"{name} of integers")
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

    def contiguous(self, place: Place, entry: Entry) -> Place:
        """The same numbers, in order."""
        if place.contiguous:
            return place
        copied = self.new(place.shape, place.kind)
        self.copy(place, copied, entry)
        return copied

    def numbers(self, x: Any, entry: Entry) -> Place:
        """Where an operand's numbers lie as floats: integers are made such."""
        place = self.place(x)
        if place.kind != "i":
            return place
        if x.dtype == np.uint64:
            raise NotImplementedError("integers that are read as other ones")
        place = self.contiguous(place, entry)
        floats = self.new(place.shape)
        self.emit("from_integers", [place.size, place.offset, floats.offset], entry)
        return floats

    def build(self, entries: Sequence[Entry]) -> None:
        """Rows for all of them."""
        for entry in entries:
            if entry.what in PLANS:
                PLANS[entry.what](self, entry, entries)
        for entry in entries:
            before, placed = len(self.rows), {id(y) for y in entry.outputs if id(y) in self.places}
            try:
                self._lower(entry)
            except NotImplementedError:
                del self.rows[before:]
                for y in entry.outputs:
                    if id(y) not in placed:
                        self.places.pop(id(y), None)
                self.rows.append(Row(None, entry, by_numpy(self, entry)))

    def _lower(self, entry: Entry) -> None:
        """An entry's rows; NotImplementedError where there are none for it, or for arrays of such types."""
        lowering = LOWERINGS.get(entry.what)
        if lowering is None:
            raise NotImplementedError(f"there is no opcode for {entry.name}")
        reads, makes = KINDS[entry.what]
        if any(map(self.is_other, entry.inputs)) and entry.what not in CASTS:
            raise NotImplementedError("floats of another type")
        for arrays, kinds in ((entry.inputs, reads), (entry.outputs, makes)):
            if any(isinstance(x, np.ndarray) and kind_of(x) not in kinds for x in arrays):
                raise NotImplementedError("integers, or truth values, which are no numbers here")
        lowering(self, entry)

"""A recorded program: rows over one buffer, and what runs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES, ROW, Span, interpreter, target
from cartwheel.kernels.random import state_of, words_of
from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder, Row
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.sweep import minibatches, traces
from cartwheel.nn.capture.tape import Before, Tape
from cartwheel.nn.config import Config

_NAMES = list(OPCODES)


@dataclass(frozen=True)
class Learner:
    """An optimizer, and the arrays in which a program keeps its memory and its count of updates."""

    optimizer: Any
    memory: dict[str, Array]
    count: Array
    step: Array | None  # the same among the integers (1,), where a row counts it

    def begin(self) -> None:
        """Take over what the optimizer remembers, if it was used in between."""
        known = self.optimizer._memory
        for name, array in self.memory.items():
            if known.get(name) is not array:
                array[...] = known.get(name, 0.0)
                known[name] = array
        self.count[...] = self.optimizer._step
        if self.step is not None:
            self.step[...] = self.optimizer._step

    def end(self, times: int) -> None:
        """Tell the optimizer how many updates were made."""
        self.optimizer._step += times


class Program:
    """Rows of integers over one buffer, for inputs of given shapes and types.

    `lasting` are the arrays beside its buffer that it reads and writes: vectors of models, memories of optimizers.
    """

    def __init__(
        self,
        tape: Tape,
        dtype: Any,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        sweep: tuple[int, int] | None = None,
    ) -> None:
        """`sweep` makes it one for (rounds, rows): inputs are then rows of larger arrays, others in each round."""
        self.dtype = np.dtype(dtype)
        sizes = Builder(tape, dtype, dict.fromkeys(tape.lasting, 0))
        _lower(sizes, tape, inputs, outputs, sweep)
        self.buffer = np.zeros(sizes.floats, dtype)
        self.integers = np.zeros(sizes.integers, np.int64)
        self.lasting = list(sizes.lasting.values())
        bases = {key: self._base(array) for key, array in sizes.lasting.items()}
        builder = Builder(tape, dtype, bases)
        given, asked = _lower(builder, tape, inputs, outputs, sweep)
        for place, array in builder.constants:
            self.view(place)[...] = array
        self.rows: tuple[Row, ...] = tuple(builder.rows)
        #: Where the inputs and the outputs lie.
        self.given, self.asked = tuple(given), tuple(asked)
        self._given = list(map(self.view, given))
        #: Each gives an output, in the type that the step gave it in.
        self._taken = [_taken(self.view(place), array.dtype) for place, array in zip(asked, outputs, strict=True)]
        self._parameters = [(p, p._data) for p in tape.parameters.values()]
        self._learners = [self._learner(tape, builder, before) for before in tape.before]
        self._generator = None if builder.generator is None else self.view(builder.generator).view(np.uint64)
        self._segments = self._cut()

    def _learner(self, tape: Tape, builder: Builder, before: Before) -> Learner:
        count = tape.counters[id(before.optimizer)]._data
        step = builder.steps.get(id(count))
        return Learner(before.optimizer, before.memory, count, None if step is None else self.view(step))

    def _base(self, array: Array) -> int:
        """How far an array lies from the buffer, in numbers."""
        distance = array.ctypes.data - self.buffer.ctypes.data
        if distance % self.dtype.itemsize:
            raise ValueError("an array that is not aligned to its numbers can't be used by a program")
        return distance // self.dtype.itemsize  # type: ignore[no-any-return]

    # --- checking ----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """ValueError for a row that is none, or that reaches outside of the program's memory."""
        floats = [(0, len(self.buffer))]
        floats += [(base, base + array.size) for array, base in zip(self.lasting, self._bases(), strict=True)]
        for number, row in enumerate(self.rows):
            if row.words is None:
                continue
            code = int(row.words[0])
            if row.words.shape != (ROW,) or not 0 <= code < len(_NAMES):
                raise ValueError(f"row {number} is no row of a program")
            for span in OPCODES[_NAMES[code]].form(row.words):
                self._check_span(number, span, [(0, len(self.integers))] if span.of_integers else floats)

    def _bases(self) -> list[int]:
        return list(map(self._base, self.lasting))

    def _check_span(self, number: int, span: Span, memory: Sequence[tuple[int, int]]) -> None:
        if span.first != span.last and not any(start <= span.first <= span.last <= end for start, end in memory):
            raise ValueError(
                f"row {number} ({_NAMES[int(self.rows[number].words[0])]}) reaches outside of the program's memory: "
                f"[{span.first}, {span.last})"
            )

    def _cut(self) -> list[Any]:
        """Stretches of rows for the interpreter, and between them functions for NumPy."""
        self.check()
        segments: list[Any] = []
        for row in self.rows:
            if row.numpy is not None:
                segments.append(row.numpy)
            elif segments and isinstance(segments[-1], list):
                segments[-1].append(row.words)
            else:
                segments.append([row.words])
        return [self._compiled(one) if isinstance(one, list) else one for one in segments]

    def _compiled(self, words: list[Any]) -> tuple[Any, Any]:
        rows = np.array(words, np.int64)  # a copy: what is done to the rows later changes nothing
        targets = [target(_NAMES[number], self.dtype.name) for number in rows[:, 0].tolist()]
        return (targets if callable(targets[0]) else np.array(targets, np.int64)), rows

    def alone(self) -> tuple[Any, Any]:
        """Targets (R,) and rows (R, ROW), for kernels that run the program on copies of its buffer, side by side.

        ValueError for a program that can't be copied so: one that uses memory beside its buffer, or NumPy.
        """
        if self.lasting or self._generator is not None:
            raise ValueError("a program that keeps something beside its buffer can't be run on copies of it")
        if len(self._segments) != 1 or not isinstance(self._segments[0], tuple):
            slow = [f"{row.entry.name} at {row.entry.place}" for row in self.rows if row.words is None]
            raise ValueError(f"a program can't be run by kernels where NumPy does a part of it: {', '.join(slow)}")
        return self._segments[0]

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def current(self) -> bool:
        """Whether the parameters still lie where they were when it was recorded."""
        return all(p._data is data for p, data in self._parameters)

    def run(self, inputs: Sequence[Array], times: int = 1) -> list[Array]:
        """All rows, so many times; the outputs of the last one, as copies.

        IndexError where an index was out of range: the run ends there.
        """
        for learner in self._learners:
            learner.begin()
        self._take_generator()
        for place, array in zip(self._given, inputs, strict=True):
            place[...] = array
        self._run(times)
        self._give_generator()
        rounds = int(self.integers[0])
        for learner in self._learners:
            learner.end(rounds)
        if self.integers[1] < 0:
            raise IndexError(
                f"an index or a class was out of range in step {rounds + 1} of {times} of a recorded program"
            )
        return [take() for take in self._taken]

    def _take_generator(self) -> None:
        """Draw on from where `Config.rng` stands."""
        if self._generator is not None:
            bits = getattr(Config.rng, "bit_generator", None)
            if not isinstance(bits, np.random.PCG64):
                raise TypeError("expected a Generator of PCG64 as nn.Config.rng, as when this step was recorded")
            self._generator[...] = words_of(bits.state["state"])

    def _give_generator(self) -> None:
        """Leave `Config.rng` where the draws ended."""
        if self._generator is not None:
            bits = Config.rng.bit_generator
            bits.state = {**bits.state, "state": state_of(self._generator)}

    def _run(self, times: int) -> None:
        run = interpreter(self.dtype.name)
        self.integers[:2] = 0
        if len(self._segments) == 1 and isinstance(self._segments[0], tuple):
            run(*self._segments[0], self.buffer, self.integers, times)
            return
        for step in range(times):
            for segment in self._segments:
                self.integers[0] = step
                if isinstance(segment, tuple):
                    run(*segment, self.buffer, self.integers, 1)
                else:
                    segment(self.view)
                if self.integers[1]:
                    self.integers[0] = step
                    return
        self.integers[0] = times

    def view(self, place: Place) -> Array:
        """An array of the program, where it lies."""
        if place.kind == "i":
            return _strided(self.integers, place.offset, place)
        if place.offset >= 0 and place.offset + place.size <= len(self.buffer):
            return _strided(self.buffer, place.offset, place)
        for array, base in zip(self.lasting, self._bases(), strict=True):
            if base <= place.offset <= base + array.size:
                return _strided(array.reshape(-1), place.offset - base, place)
        raise ValueError("a place that lies in no array of the program")

    # --- looking -----------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """A line for each row: what it does, the shapes it makes, how much memory these take, and the user's line."""
        lines = [("row", "opcode", "from", "shapes", "bytes", "line")]
        for number, row in enumerate(self.rows):
            made = [y for y in row.entry.outputs if y is not None]
            name = "(NumPy)" if row.words is None else _NAMES[int(row.words[0])]
            shapes, size = ", ".join(str(y.shape) for y in made), sum(y.nbytes for y in made)
            lines.append((str(number), name, row.entry.name, shapes, str(size), row.entry.place))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def profile(self, times: int = 1000) -> list[tuple[str, float]]:
        """The seconds that each row takes, the median of five; what the program keeps is put back afterwards."""
        kept = [array.copy() for array in (self.buffer, self.integers, *self.lasting)]
        found = [(row.entry.name, _timed(self._alone(row), times)) for row in self.rows]
        for array, before in zip((self.buffer, self.integers, *self.lasting), kept, strict=True):
            array[...] = before
        return found

    def _alone(self, row: Row) -> Any:
        if row.numpy is not None:
            function = row.numpy
            return lambda times: [function(self.view) for _ in range(times)]
        run, segment = interpreter(self.dtype.name), self._compiled([row.words])
        return lambda times: run(*segment, self.buffer, self.integers, times)


def _timed(function: Any, times: int) -> float:
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        function(times)
        taken.append((time.perf_counter() - start) / times)
    return sorted(taken)[2]


def _lower(
    builder: Builder,
    tape: Tape,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    sweep: tuple[int, int] | None,
) -> tuple[list[Place], list[Place]]:
    """Rows for all that is needed; where inputs are given, and outputs found."""
    given = [builder.input(array) for array in inputs]
    if sweep is not None:
        given = minibatches(builder, given, *sweep)
    entries, builder.wanted = tape.needed(outputs)
    builder.build(entries)
    asked = [builder.result(array) for array in outputs]
    return given, asked if sweep is None else traces(builder, asked, sweep[0])


def _taken(view: Array, dtype: Any) -> Callable[[], Array]:
    """What copies an output."""
    return view.copy if view.dtype == dtype else partial(view.astype, dtype, "C")


def _strided(base: Array, offset: int, place: Place) -> Array:
    strides = [stride * base.itemsize for stride in place.strides]
    return np.lib.stride_tricks.as_strided(base[offset:], place.shape, strides)

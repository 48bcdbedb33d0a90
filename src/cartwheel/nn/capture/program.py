"""A recorded program: rows over one buffer, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cartwheel.kernels.opcodes import OPCODES, interpreter, target
from cartwheel.kernels.random import state_of, words_of
from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder, Row
from cartwheel.nn.capture.checking import Stretches, check_row, stretches
from cartwheel.nn.capture.describing import described, timed
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.learners import Learner
from cartwheel.nn.capture.sweep import Sweep, laid, minibatches, traces
from cartwheel.nn.capture.tape import Tape
from cartwheel.nn.capture.turns import alone
from cartwheel.nn.config import Config
from cartwheel.nn.variable import Parameter

_NAMES = list(OPCODES)


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
        sweep: bool = False,
        left: Sequence[Parameter] = (),
    ) -> None:
        """`sweep` makes it one whose inputs are rows of larger arrays, others in each round.

        `left` are the parameters that the step leaves with a gradient: after a run they have none.
        """
        self.dtype = np.dtype(dtype)
        sizes = Builder(tape, dtype, dict.fromkeys(tape.lasting, 0))
        _lower(sizes, tape, inputs, outputs, Sweep() if sweep else None)
        self.buffer = np.zeros(sizes.floats, dtype)
        self.integers = np.zeros(sizes.integers, np.int64)
        self.lasting = list(sizes.lasting.values())
        bases = {key: self._base(array) for key, array in sizes.lasting.items()}
        builder = Builder(tape, dtype, bases)
        self._sweep = Sweep()
        given, asked = _lower(builder, tape, inputs, outputs, self._sweep if sweep else None)
        for place, array in builder.constants:
            self.view(place)[...] = array
        self.rows: tuple[Row, ...] = tuple(builder.rows)
        #: Where the inputs and the outputs lie.
        self.given, self.asked = tuple(given), tuple(asked)
        self._given = list(map(self.view, given))
        self._types = [array.dtype for array in outputs]
        #: Each gives an output, in the type that the step gave it in.
        self._taken = [_taken(self.view(place), dtype) for place, dtype in zip(asked, self._types, strict=True)]
        self._left = tuple(left)
        self._learners = [
            Learner(learnt, self.view(builder.steps[id(learnt.count._data)]))
            if id(learnt.count._data) in builder.steps
            else Learner(learnt, None)
            for learnt in tape.learners.values()
        ]
        self._generator = None if builder.generator is None else self.view(builder.generator).view(np.uint64)
        self._segments = self._cut()
        self._interpreter = interpreter(self.dtype.name)

    def _base(self, array: Array) -> int:
        """How far an array lies from the buffer, in numbers."""
        distance = array.ctypes.data - self.buffer.ctypes.data
        if distance % self.dtype.itemsize:
            raise ValueError("an array that is not aligned to its numbers can't be used by a program")
        return distance // self.dtype.itemsize  # type: ignore[no-any-return]

    # --- checking ----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """ValueError for a row that is none, or that reaches outside of the program's memory."""
        floats, integers = self._memory()
        for number, row in enumerate(self.rows):
            if row.words is not None:
                check_row(number, row.words, floats, integers)

    def _memory(self, beside: Sequence[Array] = ()) -> tuple[Stretches, Stretches]:
        """Where rows may read and write floats, and integers; `beside` are arrays that they may as well."""
        floats = [self.buffer, *self.lasting, *(array for array in beside if array.dtype == self.dtype)]
        integers = [self.integers, *(array for array in beside if array.dtype == np.int64)]
        return stretches(floats), stretches(integers)

    def _cut(self) -> list[Any]:
        """Stretches of rows for the interpreter, and between them functions for NumPy."""
        self.check()
        segments: list[Any] = []
        #: By a row: its number, and the words that the interpreter reads in the place of it.
        self._words: dict[int, tuple[int, Any]] = {}
        for number, row in enumerate(self.rows):
            if row.numpy is not None:
                segments.append(row.numpy)
            elif segments and isinstance(segments[-1], list):
                segments[-1].append(number)
            else:
                segments.append([number])
        return [self._joined(one) if isinstance(one, list) else one for one in segments]

    def _joined(self, numbers: list[int]) -> tuple[Any, Any]:
        targets, words = self._compiled([self.rows[number].words for number in numbers])
        self._words |= {id(self.rows[number]): (number, one) for number, one in zip(numbers, words, strict=True)}
        return targets, words

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

    def run(self, inputs: Sequence[Array], times: int = 1) -> list[Array]:
        """All rows, so many times; the outputs of the last one, as copies.

        IndexError where an index was out of range: the run ends there. Call what `capture` gave where other threads may
        record: that waits for them.
        """
        for place, array in zip(self._given, inputs, strict=True):
            place[...] = array
        self._ran(times)
        return [take() for take in self._taken]

    def over(self, names: Array, inputs: Sequence[Array]) -> list[Array]:
        """A round for each row of names (K, B), on these rows of the inputs (N, ...): the outputs (K, ...)."""
        names = np.require(names, np.int64, ["C", "A"])
        wholes = [laid(x, place, self.dtype) for x, (_, place) in zip(inputs, self._sweep.taking, strict=True)]
        kept = [
            np.empty((len(names), *place.shape), np.int64 if place.kind == "i" else self.dtype)
            for _, place in self._sweep.keeping
        ]
        if len(names):
            beside = [names, *wholes, *kept]
            memory = self._memory(beside)
            for row, words in self._sweep.told(names, wholes, kept, (self.buffer, self.integers)):
                number, read = self._words[id(row)]
                now = row.words.copy()
                now[list(words)] = list(words.values())
                check_row(number, now, *memory)
                read[...] = now
            self._ran(len(names))
        return [trace.astype(dtype, copy=False) for trace, dtype in zip(kept, self._types, strict=True)]

    def _ran(self, times: int) -> None:
        """Run all rows; optimizers and `Config.rng` are left where this ended, also by an error."""
        for learner in self._learners:
            learner.begin()
        self._take_generator()
        self.integers[:2] = 0
        rounds: int | None = None
        try:
            self._run(times)
            if self.integers[1] < 0:
                step = f"step {int(self.integers[0]) + 1} of {times}"
                raise IndexError(f"an index or a class was out of range in {step} of a recorded program")
            rounds = times
        finally:
            self._give_generator()
            for learner in self._learners:
                learner.end(rounds)
            for p in self._left:
                p.grad = None

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
        run = self._interpreter
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
        first, last = place.reach
        for array in (self.buffer, *self.lasting):
            start = self._base(array)
            if start <= first and last <= start + array.size:
                return _strided(array.ravel(order="K"), place.offset - start, place)
        raise ValueError("a place that lies in no array of the program")

    # --- looking -----------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """A line for each row: what it does, the shapes it makes, how much memory these take, and the user's line."""
        return described(self.rows)

    def profile(self, times: int = 1000) -> list[tuple[str, float]]:
        """The seconds that each row takes, the median of five; what the program keeps is put back afterwards.

        Rows that take minibatches take one of zeros.
        """
        return alone(lambda: self._profiled(times))  # what other programs use has other numbers meanwhile

    def _profiled(self, times: int) -> list[tuple[str, float]]:
        kept = [array.copy() for array in (self.buffer, self.integers, *self.lasting)]
        told, beside = self._sweep.rehearsed(times, (self.buffer, self.integers))
        found = [(row.entry.name, timed(self._alone(row, told.get(id(row), row.words)), times)) for row in self.rows]
        del beside  # until here: the rows read and write there
        for array, before in zip((self.buffer, self.integers, *self.lasting), kept, strict=True):
            array[...] = before
        return found

    def _alone(self, row: Row, words: Any) -> Any:
        if row.numpy is not None:
            function = row.numpy
            return lambda times: [function(self.view) for _ in range(times)]
        run, segment = self._interpreter, self._compiled([words])

        def from_the_first_round(times: int) -> None:
            self.integers[:2] = 0
            run(*segment, self.buffer, self.integers, times)

        return from_the_first_round


def _lower(
    builder: Builder,
    tape: Tape,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    sweep: Sweep | None,
) -> tuple[list[Place], list[Place]]:
    """Rows for all that is needed; where inputs are given, and outputs found."""
    given = [builder.input(array) for array in inputs]
    if sweep is not None:
        minibatches(builder, sweep, given)
    entries, builder.wanted = tape.needed(outputs)
    builder.build(entries)
    asked = [builder.result(array) for array in outputs]
    if sweep is not None:
        traces(builder, sweep, asked)
    return given, asked


def _taken(view: Array, dtype: Any) -> Callable[[], Array]:
    """What copies an output."""
    return view.copy if view.dtype == dtype else partial(view.astype, dtype, "C")


def _strided(base: Array, offset: int, place: Place) -> Array:
    strides = [stride * base.itemsize for stride in place.strides]
    return np.lib.stride_tricks.as_strided(base[offset:], place.shape, strides)

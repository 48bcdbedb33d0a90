"""A step as a function that is recorded at its first call, and replayed afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture import lower_chance as lower_chance
from cartwheel.nn.capture import lower_indexing as lower_indexing
from cartwheel.nn.capture import lower_losses as lower_losses  # these fill the table of lowerings
from cartwheel.nn.capture import lower_normalisation as lower_normalisation
from cartwheel.nn.capture import lower_products as lower_products
from cartwheel.nn.capture import lower_recurrence as lower_recurrence
from cartwheel.nn.capture import lower_reductions as lower_reductions
from cartwheel.nn.capture import lowering as lowering
from cartwheel.nn.capture.program import Program
from cartwheel.nn.capture.tape import Tape
from cartwheel.nn.capture.types import float_type
from cartwheel.nn.config import Config, using_config
from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.variable import Variable, raw, wrapped

#: How many shapes of inputs a step is recorded for, before a new one is taken for a mistake.
MOST_PROGRAMS = 16


def capture(step: Callable[..., Any]) -> Captured:
    """The step, recorded for the shapes that it is called with, and then run by the interpreter.

    `step(*inputs)` is ordinary code, which gets its inputs as Variables: a forward, and as far as wanted a loss,
    `cleargrads`, `backward` and an optimizer's `update`. It gives a Variable, a tuple or a dict of them, or None. What
    it does may not depend on the numbers that it is given, nor on counters and generators outside of the framework: it
    is recorded twice, and RuntimeError says where the two differ.
    """
    return Captured(step)


class Captured:
    """What `capture` gives."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step
        self._programs: dict[Any, tuple[Program, Any]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """One step: what it returns."""
        return self.repeat(1, *inputs)

    def repeat(self, times: int, *inputs: Any) -> Any:
        """So many steps on the same inputs, in one call; what the last one returns."""
        arrays = _arrays(inputs)
        program, returned = self._recorded(arrays)
        found = iter(program.run(arrays, times))
        return _mapped(returned, lambda _: wrapped(next(found)))

    def over(self, indices: Any, *inputs: Any) -> Any:
        """A step for each row of `indices (K, B)`, on these rows of the inputs (N, ...), in one call.

        Gives what the step returns with an axis more, (K, ...). ValueError where the inputs have not the same number of
        rows; IndexError for an index that is out of range.
        """
        names, arrays = np.asarray(raw(indices)), _arrays(inputs)
        if names.ndim != 2 or names.dtype.kind not in "iu":
            raise ValueError(f"expected integers (minibatches, rows of each), got {names.dtype} {names.shape}")
        lengths = {array.shape[0] if array.ndim else None for array in arrays}
        if len(lengths) != 1 or None in lengths:
            raise ValueError(f"expected inputs of the same number of rows, got {[array.shape for array in arrays]}")
        sweep = (len(names), lengths.pop())
        like = [np.resize(array, (names.shape[1], *array.shape[1:])) for array in arrays]
        program, returned = self._recorded(like, sweep)
        found = iter(program.run([names, *arrays], len(names)))
        return _mapped(returned, lambda _: wrapped(next(found)))

    def program(self, *inputs: Any) -> Program:
        """The program for inputs of these shapes and types; recorded if there is none yet."""
        return self._recorded(_arrays(inputs))[0]

    def _recorded(self, arrays: list[Array], sweep: Any = None) -> tuple[Program, Any]:
        key = sweep, *((array.shape, array.dtype.str) for array in arrays)
        known = self._programs.get(key)
        if known is None or not known[0].current:
            if known is None and len(self._programs) >= MOST_PROGRAMS:
                raise RuntimeError(
                    f"this step was recorded for {MOST_PROGRAMS} different shapes of inputs already, and now comes "
                    f"{', '.join(str(array.shape) for array in arrays)}: fill batches up to one shape"
                )
            known = self._programs[key] = self._record([np.array(array, order="C") for array in arrays], sweep)
        return known

    def _record(self, arrays: list[Array], sweep: Any) -> tuple[Program, Any]:
        first, _ = self._taped(arrays)  # in which a model gathers its parameters
        other = [_other(array) for array in arrays]
        with _later({id(before.optimizer): before.optimizer for before in first.before}.values()):
            changed, _ = self._taped(other)
        tape, returned = self._taped(arrays)
        outputs: list[Array] = []

        def kept(one: Any) -> Any:
            outputs.append(raw(one))
            return outputs[-1]  # without the graph behind it

        shape = _mapped(returned, kept)
        _compare(tape, tape.form(arrays), changed.form(other))
        return Program(tape, float_type(tape, arrays), arrays, outputs, sweep), shape

    def _taped(self, arrays: list[Array]) -> tuple[Tape, Any]:
        """Run the step once, note what it computes, and put back what it changed."""
        tape = Tape(arrays)
        before = copy.deepcopy(Config.rng)
        try:
            with using_config("tape", tape):
                return tape, self.step(*map(wrapped, arrays))
        finally:
            tape.restore()
            Config.rng = before


@contextmanager
def _later(optimizers: Iterable[Optimizer]) -> Iterator[None]:
    """As if some updates had been made, and other numbers drawn."""
    found, generator = list(optimizers), Config.rng
    try:
        Config.rng = np.random.default_rng(0x5EED)
        for optimizer in found:
            optimizer._step += 7
        yield
    finally:
        Config.rng = generator
        for optimizer in found:
            optimizer._step -= 7


def _arrays(inputs: Iterable[Any]) -> list[Array]:
    arrays = [np.asarray(raw(x)) for x in inputs]
    for array in arrays:
        if array.dtype.kind not in "biuf":
            raise TypeError(f"expected arrays of numbers, got the type {array.dtype}")
    return arrays


def _mapped(returned: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure, with a function of each Variable or array in the place of it."""
    if isinstance(returned, tuple | list):
        return type(returned)(_mapped(one, function) for one in returned)
    if isinstance(returned, dict):
        return {name: _mapped(one, function) for name, one in returned.items()}
    if isinstance(returned, Variable | np.ndarray):
        return function(returned)
    if returned is None:
        return None
    raise TypeError(f"a recorded step gives Variables, got {type(returned).__name__}")


def _other(array: Array) -> Array:
    """Other numbers of the same kind: the same ones, in other places where there are several."""
    moved = array
    for axis, length in enumerate(array.shape):
        if length > 1:
            moved = np.roll(moved, 1, axis=axis)
    if array.dtype.kind == "f" and np.array_equal(moved, array):
        moved = array * array.dtype.type(0.984375)
    return np.array(moved, order="C")


def _compare(tape: Tape, form: list[Any], other: list[Any]) -> None:
    """RuntimeError if two recordings of a step are not the same."""
    for entry, line, again in zip(tape.entries, form, other, strict=False):
        if line != again:
            raise RuntimeError(
                f"can't record this step: at {entry.place}, {entry.name} was computed otherwise when the step was run "
                "with other numbers. Something there is decided, drawn or computed outside of the framework's "
                "functions, from an input, a counter or a generator"
            )
    if len(form) != len(other):
        raise RuntimeError(
            f"can't record this step: it took {len(form)} operations, and {len(other)} when it was run with other "
            "numbers"
        )

"""A step as a function that is recorded at its first call, and replayed afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import index
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
from cartwheel.nn.capture.names import Names
from cartwheel.nn.capture.program import Program
from cartwheel.nn.capture.recording import record
from cartwheel.nn.capture.structures import mapped
from cartwheel.nn.capture.turns import side_by_side
from cartwheel.nn.capture.watch import Watch
from cartwheel.nn.config import Config
from cartwheel.nn.functions.indexing import get_item
from cartwheel.nn.functions.shape import stack
from cartwheel.nn.variable import Variable, raw, wrapped

#: How many shapes of inputs a step is recorded for, before a new one is taken for a mistake.
MOST_PROGRAMS = 16


def capture(step: Callable[..., Any]) -> Captured:
    """The step, recorded for the shapes that it is called with, and then run by the interpreter.

    `step(*inputs)` is ordinary code, which gets its inputs as Variables, by position: a forward, and as far as wanted a
    loss, `cleargrads`, `backward` and an optimizer's `update`. It gives a Variable, a tuple or a dict of them, or None.
    What it does may not depend on the numbers that it is given, nor on counters and generators outside of the
    framework: it is run several times while it is recorded, and RuntimeError says where these differ. TypeError for
    what can't be called.
    """
    if not callable(step) or isinstance(step, type):
        raise TypeError(f"expected a function of arrays to capture, got {step!r}")
    return Captured(step)


class Captured:
    """What `capture` gives: to be called as the step is, from any thread, one call after the other.

    Calls of different ones run side by side, but wait while another thread records: models have other numbers then.
    Code that is not recorded does not wait, and is not to use these models meanwhile. Within another recorded step, and
    under `nn.debug()`, it runs the step itself. Copies are recorded anew.
    """

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step
        self._programs: dict[Any, _Known] = {}
        self._lock = threading.RLock()
        self._names: Names | None = None

    def __reduce__(self) -> Any:
        """What copies and pickles are made of: a program belongs to the arrays that it was recorded with."""
        return Captured, (self.step,)

    def __call__(self, *inputs: Any) -> Any:
        """One step: what it returns."""
        return self.repeat(1, *inputs)

    def repeat(self, times: int, *inputs: Any) -> Any:
        """So many steps on the same inputs, in one call; what the last one returns.

        TypeError for what is no whole number, ValueError for one below 1.
        """
        times = index(times)
        if times < 1:
            raise ValueError(f"expected at least one step, got {times}")
        arrays = _arrays(inputs)
        if Config.tape is not None or Config.debug:
            return [self._plain(arrays) for _ in range(times)][-1]

        def run() -> Any:
            known = self._recorded(_key(arrays), arrays)
            return known.filled(known.program.run(arrays, times))

        with self._lock:
            return side_by_side(run)

    def over(self, indices: Any, *inputs: Any) -> Any:
        """A step for each row of `indices (K, B)`, on these rows of the inputs (N, ...), in one call.

        Gives what the step returns with an axis more, (K, ...). Another K or N needs no other recording. ValueError
        where inputs have not the same number of rows, or none; IndexError for an index that is out of range.
        """
        names, arrays = np.asarray(raw(indices)), _arrays(inputs)
        if names.ndim != 2 or names.dtype.kind not in "iu":
            raise ValueError(f"expected integers (minibatches, rows of each), got {names.dtype} {names.shape}")
        shapes = [array.shape for array in arrays]
        if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
            raise ValueError(f"expected inputs of the same number of rows, got {shapes}")
        if names.size and not len(arrays[0]):
            raise ValueError("expected inputs with rows to take minibatches of, got none")
        if Config.tape is not None or Config.debug:
            return self._plainly_over(names, arrays)
        batch = names.shape[1]

        def run() -> Any:
            key = ("over", batch, *_key([array[:0] for array in arrays]))
            known = self._recorded(key, arrays, batch)
            return known.filled(known.program.over(names, arrays))

        with self._lock:
            return side_by_side(run)

    def program(self, *inputs: Any) -> Program:
        """The program for inputs of these shapes and types; recorded if there is none yet."""
        arrays = _arrays(inputs)
        with self._lock:
            return side_by_side(lambda: self._recorded(_key(arrays), arrays).program)

    # --- without a program -------------------------------------------------------------------------------------------

    def _plain(self, arrays: Sequence[Array]) -> Any:
        """One step, not recorded, or as a part of what another one records. Gradients end at it, as in a replay."""
        running = set() if Config.tape is None else Config.tape.running
        if id(self) in running:
            raise RuntimeError("a recorded step can't call itself")
        running.add(id(self))
        try:
            return mapped(self.step(*map(wrapped, arrays)), lambda one: wrapped(raw(one)))
        finally:
            running.discard(id(self))

    def _plainly_over(self, names: Array, arrays: Sequence[Array]) -> Any:
        found: list[list[Any]] = []
        for rows in names:
            last = self._plain([get_item(array, rows) for array in arrays])
            found.append([])
            mapped(last, found[-1].append)
        if not found:
            raise ValueError("expected at least one minibatch, where the step itself is run")
        kept = iter([wrapped(stack(list(map(raw, one)))) for one in zip(*found, strict=True)])
        return mapped(last, lambda _: next(kept))

    # --- recording ---------------------------------------------------------------------------------------------------

    def _recorded(self, key: Any, arrays: Sequence[Array], batch: int | None = None) -> _Known:
        key = (Config.train, Config.enable_backprop, *key)
        known = self._programs.get(key)
        if known is None or not known.watch.same():
            if known is None and len(self._programs) >= MOST_PROGRAMS:
                raise RuntimeError(
                    f"this step was recorded for {MOST_PROGRAMS} different shapes of inputs already, and now comes "
                    f"{', '.join(str(array.shape) for array in arrays)}: fill batches up to one shape"
                )
            if batch is not None:
                arrays = [np.resize(array, (batch, *array.shape[1:])) for array in arrays]
            known = self._programs[key] = self._record(arrays, batch)
        return known

    def _record(self, arrays: Sequence[Array], batch: int | None) -> _Known:
        if self._names is None:
            self._names = Names(self.step)
        copies = [np.array(array, array.dtype.newbyteorder("="), order="C") for array in arrays]
        return _Known(*record(self.step, copies, self._names, batch is not None))


@dataclass(frozen=True)
class _Known:
    """A program, what it was recorded with, and what its step returns."""

    program: Program
    watch: Watch
    returned: Any

    def filled(self, arrays: list[Array]) -> Any:
        """What the step returns, of these arrays."""
        if isinstance(self.returned, np.ndarray):
            return wrapped(arrays[0])
        found = iter(arrays)
        return mapped(self.returned, lambda _: wrapped(next(found)))


def _key(arrays: Iterable[Array]) -> tuple[Any, ...]:
    return tuple([(array.shape, array.dtype) for array in arrays])


def _arrays(inputs: Iterable[Any]) -> list[Array]:
    arrays = [np.asarray(x._data if isinstance(x, Variable) else x) for x in inputs]
    for array in arrays:
        if array.dtype.kind not in "biuf":
            raise TypeError(f"expected arrays of numbers, got the type {array.dtype}")
    return arrays

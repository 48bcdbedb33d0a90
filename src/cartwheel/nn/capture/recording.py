"""Recording: a step is run several times under a tape, with all that it changes put back, and must do the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.form import Form, compare, kept_by_the_user
from cartwheel.nn.capture.global_draws import global_draws
from cartwheel.nn.capture.memory import root_of
from cartwheel.nn.capture.names import Names
from cartwheel.nn.capture.others import LATER, nearby, other
from cartwheel.nn.capture.program import Program
from cartwheel.nn.capture.structures import mapped
from cartwheel.nn.capture.tape import Tape
from cartwheel.nn.capture.turns import alone
from cartwheel.nn.capture.types import float_type
from cartwheel.nn.capture.watch import Watch
from cartwheel.nn.config import Config
from cartwheel.nn.variable import Parameter, raw, wrapped

_Step = Callable[..., Any]


def record(step: _Step, arrays: Sequence[Array], names: Names, sweep: bool = False) -> tuple[Program, Watch, Any]:
    """A step's program, what is to stay the same for it, and what the step returns, arrays in the place of Variables.

    `sweep` makes it one whose inputs are rows of larger arrays, others in each round. RuntimeError where the step can't
    be recorded.
    """
    form, changed, left = alone(lambda: _recorded(step, arrays, names))
    dtype = float_type(form.tape, arrays)
    watch = _watched(form, changed, names, dtype)
    shape = mapped(form.result, raw)  # without the graph behind it
    outputs: list[Array] = []
    mapped(shape, outputs.append)
    return Program(form.tape, dtype, arrays, outputs, sweep, left), watch, shape


def _recorded(step: _Step, arrays: Sequence[Array], names: Names) -> tuple[Form, Form, list[Parameter]]:
    """The last recording, the one with other numbers, and the parameters that the step leaves with a gradient."""
    recorder = _Recorder(step)
    rng = np.random.default_rng(0x5EED)
    try:
        first, before = recorder.run(arrays)  # in which a model gathers its parameters
        known = _still_there(first)
        with _elsewhere(first, known, names.arrays(), rng):
            again = recorder.run([other(array, rng) for array in arrays], known, changed=True)
        changed = Form(*again)  # now that arrays of the user's have their own numbers again
        form = Form(*recorder.run(arrays, known))
        recorder.check_draws()
        compare(form, changed, "with other numbers")
        if not first.initialised and list(map(id, known)) == list(first.lasting):
            compare(Form(first, before), changed, "with other numbers")
        left = recorder.left
    finally:
        recorder.restore()
    return form, changed, left


class _Recorder:
    """Runs a step under one tape after the other, and puts back what it changes."""

    def __init__(self, step: _Step) -> None:
        self.step = step
        self._generator = _Generator()
        self._tape: Tape | None = None
        self._drawn: list[bool] = []

    def run(self, arrays: Sequence[Array], known: Sequence[Array] = (), changed: bool = False) -> tuple[Tape, Any]:
        """The tape of one run, and what the step returned. `known` are the arrays that last, as far as is known.

        `changed` says in an error that the inputs are not the user's.
        """
        tape = self._tape = Tape(arrays, self._tape)
        for array in known:
            tape.last(array)
        rng, drawn, outer = Config.rng, global_draws(), Config.tape
        try:
            Config.tape = tape
            returned = self.step(*map(wrapped, arrays))
            _check(tape, rng)
        except Exception as problem:
            if tape.refused is not None and problem is not tape.refused:
                raise tape.refused from problem
            how = ", with other numbers in the ranges of its inputs," if changed else ""
            name = getattr(self.step, "__name__", "a step")
            problem.add_note(f"This happened while nn.capture recorded {name}{how} in which Variables show no numbers")
            raise
        finally:
            Config.tape = outer  # first of all: a signal may come while the rest is put back
            tape.left = {id(g): g for g in (raw(p.grad) for p in self.left)}
            tape.restore()
            self._drawn.append(global_draws() != drawn)
            if tape.initialised:  # what first weights were drawn from is not drawn again
                self._generator = _Generator()
            self._generator.restore()
        return tape, returned

    @property
    def left(self) -> list[Parameter]:
        """The parameters that have a gradient after the step, which had none before."""
        return [] if self._tape is None else [p for p, _ in self._tape.gradients.values() if p.grad is not None]

    def restore(self) -> None:
        """Put back what is left to be."""
        self._generator.restore()
        if self._tape is not None:
            self._tape.restore_rest()

    def check_draws(self) -> None:
        """RuntimeError for a step that draws from generators that a program knows nothing of."""
        if all(self._drawn):
            raise RuntimeError(
                "can't record this step: it draws from Python's random or NumPy's np.random. Draw by nn.functions "
                "(F.uniform, F.normal, F.bernoulli, F.categorical), which draw from nn.Config.rng, or before the step"
            )


def _check(tape: Tape, rng: Any) -> None:
    """RuntimeError for what a step has done that a replay would not."""
    if tape.refused is not None:
        raise tape.refused
    if Config.rng is not rng:
        raise RuntimeError("can't record this step: it replaces nn.Config.rng (nn.seed); do that before the step")
    for root in tape.memory.changed():
        inside = [p for p in tape.parameters.values() if root_of(p._data) is root]
        names = ", ".join(str(p.bound.names[id(p)] if p.bound else p.name) for p in inside)
        raise RuntimeError(
            f"can't record this step: it changes {names or 'an array'} {root.shape} in place, otherwise than by the "
            "framework, which a replay would not do. Assign what functions have computed, as in target.theta = "
            "F.mul(model.theta, 0.5); a target network follows by nn.utils.soft_update"
        )


def _still_there(tape: Tape) -> list[Array]:
    """The arrays that last: all that were met, less those that parameters have left for their model's vector."""
    now = {key: root_of(p._data) for key, p in tape.parameters.items()}
    if all(now[key] is home for key, home in tape.homes.items()):
        return list(tape.lasting.values())
    roots = {id(root): root for root in now.values()}
    for learnt in tape.learners.values():
        roots |= {id(array): array for array in (*learnt.memory.values(), learnt.count._data)}
    return list(roots.values())


@contextmanager
def _elsewhere(tape: Tape, known: Sequence[Array], named: Sequence[Array], rng: Any) -> Iterator[None]:
    """As if many updates had been made, and others were drawn; arrays that last, and the user's, with other numbers."""
    lasting = [root for root in known if root.dtype.kind == "f"]
    mine = [x for x in named if not any(root_of(x) is root for root in lasting)]
    kept = [(x, x.copy(order="K")) for x in (*lasting, *mine) if x.flags.writeable]
    optimizers, generator = [learnt.optimizer for learnt in tape.learners.values()], Config.rng
    try:
        Config.rng = np.random.default_rng(0x5EED)
        for x, numbers in kept:
            x[...] = nearby(numbers, rng)
        for optimizer in optimizers:
            optimizer._step += LATER
        with np.errstate(all="ignore"):
            yield
    finally:
        for optimizer in optimizers:
            optimizer._step -= LATER
        for x, numbers in reversed(kept):
            x[...] = numbers
        Config.rng = generator


# --- generators ------------------------------------------------------------------------------------------------------


class _Generator:
    """`Config.rng` as it stands now."""

    def __init__(self) -> None:
        self._rng = Config.rng
        bits = getattr(self._rng, "bit_generator", None)
        self._bits = self._rng if bits is None else bits
        known = bits is not None or hasattr(self._rng, "get_state")
        self._state = copy.deepcopy(bits.state if bits is not None else self._rng.get_state()) if known else None

    def restore(self) -> None:
        """Let it be the same generator again, and stand there."""
        Config.rng = self._rng
        if self._bits is not self._rng:
            self._bits.state = self._state
        elif self._state is not None:
            self._rng.set_state(self._state)


# --- what a program is made for --------------------------------------------------------------------------------------


def _watched(form: Form, changed: Form, names: Names, dtype: Any) -> Watch:
    """What must stay the same; arrays of the user's are read where they lie, if they are of the program's type."""
    tape, constants = form.tape, []
    for x in kept_by_the_user(form, changed):
        root = root_of(x)
        in_one_piece = root.flags.c_contiguous or root.flags.f_contiguous
        if x.dtype == root.dtype == dtype and in_one_piece and root.flags.aligned:
            tape.lasting[id(root)] = root
        else:
            constants.append(x)
    counters = set(map(id, tape.counters.values()))
    mine = [x for key, x in tape.variables.items() if key in changed.tape.variables and key not in counters]
    return Watch(tape, mine, constants, names)

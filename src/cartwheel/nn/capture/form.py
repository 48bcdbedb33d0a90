"""The form of a recording: what was computed from what. Two recordings of a step must be the same in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.memory import root_of
from cartwheel.nn.capture.structures import but_arrays, fixed, mapped
from cartwheel.nn.capture.tape import Entry, Tape
from cartwheel.nn.variable import raw

_CAUSES = (
    "Something there is decided, drawn or computed outside of the framework's functions, from an input, a counter, a "
    "generator or a model's numbers"
)
_OF_SHAPES = (
    "Its result has another shape then: in a recorded step shapes may not depend on numbers. In the place of an index "
    "of truth values there are F.where, and a product with the mask"
)


class Form:
    """What of a tape's entries something is made of, without the numbers that a replay computes anew: a line for each.

    So gradients may be added up that the step has no use for: those of the other network of two that learn in turn.
    """

    def __init__(self, tape: Tape, returned: Any) -> None:
        """RuntimeError for what was made in an earlier recording of the same step."""
        self.tape, self.result = tape, returned
        outputs: list[Array] = []
        mapped(returned, lambda x: outputs.append(raw(x)))
        self.entries, _ = tape.needed(outputs)
        self._known: dict[int, Any] = {id(array): ("input", place) for place, array in enumerate(tape.given)}
        self._roots = [
            (name, root, root.ctypes.data)
            for name, root in [
                *enumerate(tape.lasting.values()),
                *((f"input {place}", x) for place, x in enumerate(tape.given)),
            ]
        ]
        self._earlier, self._gradients = _made_earlier(tape)
        #: The operands that were neither computed, nor given, nor last: (entry, operand).
        self.constants: list[tuple[int, Array]] = []
        self.lines = [self._line(number, entry) for number, entry in enumerate(self.entries)]
        self.returned = mapped(returned, lambda x: ("returned", self._operand(len(self.lines), raw(x))))

    def _line(self, number: int, entry: Entry) -> tuple[Any, ...]:
        operands = tuple([self._operand(number, x) for x in entry.inputs])
        attributes = tuple([(name, but_arrays(value)) for name, value in entry.attributes.items()])
        shapes = tuple([None if y is None else (y.shape, y.dtype) for y in entry.outputs])
        for place, y in enumerate(entry.outputs):
            self._known[id(y)] = ("entry", number, place)
        return (entry.name, operands, attributes, shapes)

    def _operand(self, number: int, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return fixed(x)
        if id(x) in self._known:
            return self._known[id(x)]
        address = x.ctypes.data
        for name, root, start in self._roots:
            if start <= address < start + max(root.nbytes, 1):
                return ("view", name, address - start, x.shape, x.strides)
        self._check_made_now(number, x)
        self.constants.append((number, x))
        return fixed(x)

    def _check_made_now(self, number: int, x: Array) -> None:
        """RuntimeError for what was computed in an earlier recording, or is a gradient that it has left."""
        root = root_of(x)
        maker = self._earlier.get(id(x)) or self._earlier.get(id(root))
        computed = maker is not None and all(
            root_of(one) is not root for one in maker.inputs if isinstance(one, np.ndarray)
        )
        if not computed and id(x) not in self._gradients:
            return
        entries = self.entries
        where = f"at {entries[number].place}, {entries[number].name}" if number < len(entries) else "what it returns"
        if id(x) in self._gradients:
            why = (
                "adds to the gradients of an earlier call: call cleargrads() of all models in it before backward(), in "
                "the step, and compute what is not learnt under nn.no_grad()"
            )
        else:
            why = (
                "uses what an earlier call of the step has made, as the memory of a recurrent layer: call "
                "reset_state() in the step, or give and return the memory"
            )
        raise RuntimeError(f"can't record this step: {where} {why}")


def _made_earlier(tape: Tape) -> tuple[dict[int, Entry], set[int]]:
    """What made each array in earlier recordings of the step, by id; and the ids of the gradients that they left."""
    made: dict[int, Entry] = {}
    left: set[int] = set()
    while tape.earlier is not None:
        tape = tape.earlier
        made |= {id(y): entry for entry in reversed(tape.entries) for y in entry.outputs if y is not None}
        left |= tape.left.keys()
    return made, left


def compare(form: Form, other: Form, how: str) -> None:
    """RuntimeError if two recordings of a step are not the same."""
    for entry, line, again in zip(form.entries, form.lines, other.lines, strict=False):
        if line != again:
            cause = _OF_SHAPES if line[0] == again[0] and line[-1] != again[-1] else _CAUSES
            raise RuntimeError(
                f"can't record this step: at {entry.place}, {entry.name} was computed otherwise when the step was run "
                f"{how}. {cause}"
            )
    if len(form.lines) != len(other.lines):
        raise RuntimeError(
            f"can't record this step: it took {len(form.lines)} operations, and {len(other.lines)} when it was run "
            f"{how}"
        )
    if form.returned != other.returned:
        raise RuntimeError(f"can't record this step: it returned something else when it was run {how}. {_CAUSES}")


def kept_by_the_user(form: Form, other: Form) -> list[Array]:
    """The constants that are the same arrays in both recordings, or views of the same: they are not made in the step.

    Both recordings are still there, and so are their arrays: two of them are not at one place by chance.
    """
    pairs: Sequence[Any] = list(zip(form.constants, other.constants, strict=True))
    found: Mapping[int, Array] = {id(x): x for (_, x), (_, y) in pairs if root_of(x) is root_of(y)}
    return list(found.values())

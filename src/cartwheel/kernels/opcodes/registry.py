"""Opcodes: what a row of a recorded program can do. One plain function each, compiled when a program first needs it.

    @opcode(ELEMENTWISE, ulp(4))
    def tanh(row, numbers, integers): ...

`row` are the row's `ROW` words: `row[0]` is the opcode's number, what follows is laid out as its *form* says, which
also tells the stretches of memory that the row touches: so that a program can be checked before it runs. `numbers` is
the base of the floats (of one type), `integers` that of the integers. Each is compiled for float32 and for float64, and
kept in the cache, apart from all others: a new network compiles nothing.

The second argument is the *level*: how near it is to its twin in NumPy. Tests hold each opcode to the level that stands
here, and `docs/interpreter.md` has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import call, pointer, shifted

#: Words of a row.
ROW = 32


@dataclass(frozen=True)
class Span:
    """A stretch [first, last) of the floats, or of the integers, that a row reads or writes."""

    first: int
    last: int
    written: bool = False
    of_integers: bool = False


#: The stretches of memory that a row touches; ValueError for words that make no sense.
Form = Callable[[Any], Iterable[Span]]

_Function = Callable[[Any, Any, Any], None]


@dataclass(frozen=True)
class Level:
    """How far an opcode may be from its twin: so many units. The kinds of units are those of the names below."""

    kind: str
    most: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.most:g}" if self.most else self.kind


#: Equal to the bit.
EXACT = Level("EXACT")


def ulp(most: float) -> Level:
    """So many units in the last place of the exact result."""
    return Level("ULP", most)


def summed(most: float) -> Level:
    """So many eps times the sizes of what is added up on the way to a number."""
    return Level("SUM", most)


def per_term(most: float) -> Level:
    """So many eps times the number of terms of a sum, times the sizes of all of them."""
    return Level("TERMS", most)


@dataclass(frozen=True)
class Opcode:
    """A function of a row and two bases, its place in the table, the form of its rows and its level of agreement."""

    name: str
    number: int
    function: _Function
    form: Form
    level: Level


#: All opcodes by name, in the order of their numbers.
OPCODES: dict[str, Opcode] = {}


def opcode(form: Form, level: Level) -> Callable[[_Function], _Function]:
    """Enter a function in the table. ValueError if its name is there already."""

    def enter(function: _Function) -> _Function:
        name = function.__name__.strip("_")
        if name in OPCODES:
            raise ValueError(f"there are two opcodes called {name}")
        OPCODES[name] = Opcode(name, len(OPCODES), function, form, level)
        return function

    return enter


def _signature(dtype: Any) -> Any:
    number = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    return types.void(types.CPointer(types.int64), types.CPointer(number), types.CPointer(types.int64))


@cache
def target(name: str, dtype: str) -> Any:
    """What the interpreter calls for an opcode: the address of its code; the function itself with compilation off."""
    function = OPCODES[name].function
    if numba.config.DISABLE_JIT:
        return function
    signature = _signature(dtype)
    kernel: Any = compiled(signature)(function)
    result = kernel.overloads[tuple(signature.args)]
    _KEPT.append(kernel)
    return result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name)


#: Compiled code lives as long as what it was compiled from.
_KEPT: list[Any] = []

_ROWS, _WORDS = types.Array(types.int64, 2, "C"), types.Array(types.int64, 1, "C")


@compiled()
def run_rows(targets: Any, rows: Any, floats: Any, integers: Any) -> None:
    """Run all rows (R, ROW) once, on floats from a pointer on; none after one that fails, and sets `integers[1]`."""
    row, whole = pointer(rows), pointer(integers)
    for place in range(len(targets)):
        call(targets[place], shifted(row, place * ROW), floats, whole)
        if whole[1] != 0:
            break


def _run(targets: Any, rows: Any, numbers: Any, integers: Any, times: int) -> None:
    """Run all rows `times` times. `integers[0]` counts the whole rounds; `integers[1]`, set, ends the one that runs."""
    floats = pointer(numbers)
    for _ in range(times):
        run_rows(targets, rows, floats, integers)
        if integers[1] != 0:
            break
        integers[0] += 1


@cache
def interpreter(dtype: str) -> Any:
    """The loop over rows `(R, ROW)` and their targets (R,) for floats of a type."""
    if numba.config.DISABLE_JIT:
        return _run
    number = types.float32 if np.dtype(dtype) == np.float32 else types.float64
    return compiled(types.void(_WORDS, _ROWS, types.Array(number, 1, "C"), _WORDS, types.intp))(_run)

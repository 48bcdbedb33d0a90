"""What a step's code calls by name: replaced by something else, a program would go on with what it was before."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import numpy as np

from cartwheel.nn.variable import raw


class Names:
    """Where the names of a function's code are looked up: its closure, its module, the object that it is a method of.

    Not those of the functions that it calls, nor what lies inside of lists, dicts and objects.
    """

    def __init__(self, step: Callable[..., Any]) -> None:
        function = getattr(step, "__func__", step)
        code = getattr(function, "__code__", None)
        codes = list(_codes(code)) if isinstance(code, CodeType) else []
        self._cells = [cell for cell in getattr(function, "__closure__", None) or () if _has_content(cell)]
        named = {one.argval for code in codes for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"}
        module = getattr(function, "__globals__", {})
        self._places = [(module, name) for name in named if name in module]
        own = getattr(getattr(step, "__self__", None), "__dict__", {})
        self._places += [(own, name) for name in {name for code in codes for name in code.co_names} if name in own]

    def arrays(self) -> list[Any]:
        """The arrays among what they stand for, and those of Variables: once each."""
        places, cells = self.found()
        values = [raw(value) for *_, value in (*places, *cells)]
        arrays = {id(x): x for x in values if isinstance(x, np.ndarray) and x.dtype.kind in "biuf"}
        return list(arrays.values())

    def found(self) -> tuple[list[tuple[dict[str, Any], str, Any]], list[tuple[Any, Any]]]:
        """Each place where a name is looked up, with what it stands for now; and the cells of a closure with theirs."""
        places = [(names, name, names.get(name)) for names, name in self._places]
        return places, [(cell, cell.cell_contents) for cell in self._cells]


def _has_content(cell: Any) -> bool:
    """Whether a name of an outer function has a value."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)

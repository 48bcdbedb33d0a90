"""Messages for mistakes: which operation, what it got, and where in the user's program."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, TypeVar

#: What is not the user's: this framework, and the module by which a Variable is copied.
_PASSED = (str(Path(__file__).parent), copy.__file__)

_Problem = TypeVar("_Problem", bound=Exception)


def place() -> str:
    """The line of the user's program that led here, as `file:line`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PASSED):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def described(x: Any) -> str:
    """An operand in a few words: type and shape of an array, the value of a number."""
    data = getattr(x, "_data", x)
    if data is None and x is not None:
        return f"{getattr(x, 'name', None) or 'a parameter'} without data (run the model once, or give the input size)"
    shape = getattr(data, "shape", None)
    return repr(data) if shape is None else f"{data.dtype} {tuple(shape)}"


def mistake(operation: str, problem: object, *operands: Any, kind: type[_Problem] | None = None) -> _Problem:
    """An exception (ValueError unless said otherwise) that names the operation, its operands and the user's line."""
    got = ", ".join(described(x) for x in operands)
    message = f"{operation}: {problem}" + (f"; got {got}" if got else "") + f" (at {place()})"
    return (kind or ValueError)(message)  # type: ignore[return-value]

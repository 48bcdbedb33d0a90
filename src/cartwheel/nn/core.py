"""The names of DeZero's `core`, for programs that import them from there: all are at home elsewhere in `nn`."""

from __future__ import annotations

from typing import Any

from cartwheel.nn.array import as_array
from cartwheel.nn.config import Config, no_grad, test_mode, using_config
from cartwheel.nn.function import Function
from cartwheel.nn.functions import add, div, mul, neg, pow, sub  # noqa: A004  # NumPy's names
from cartwheel.nn.variable import Parameter, Variable, as_variable

__all__ = [
    "Config",
    "Function",
    "Parameter",
    "Variable",
    "add",
    "as_array",
    "as_variable",
    "div",
    "mul",
    "neg",
    "no_grad",
    "pow",
    "rdiv",
    "rsub",
    "sub",
    "test_mode",
    "using_config",
]


def rsub(x0: Any, x1: Any) -> Variable:
    """x1 - x0."""
    return sub(x1, x0)


def rdiv(x0: Any, x1: Any) -> Variable:
    """x1 / x0, element by element."""
    return div(x1, x0)

"""Comparisons as operations: for recorded steps, in which a Variable's comparison is something that is computed."""

from __future__ import annotations

from typing import Any

from cartwheel.nn.array import Array
from cartwheel.nn.function import operation


@operation
def less(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 < x1."""
    return x0 < x1


@operation
def less_equal(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 <= x1."""
    return x0 <= x1


@operation
def equal(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 == x1."""
    return x0 == x1


@operation
def not_equal(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 != x1."""
    return x0 != x1


@operation
def logical_and(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 and x1, truth values."""
    return x0 & x1


@operation
def logical_or(xp: Any, x0: Array, x1: Array) -> Array:
    """x0 or x1, truth values."""
    return x0 | x1


less.rules = less_equal.rules = equal.rules = not_equal.rules = logical_and.rules = logical_or.rules = (None, None)

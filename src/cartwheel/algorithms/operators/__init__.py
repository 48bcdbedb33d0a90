"""Genetic operators: pure functions on matrices `(P, n)`, a vector a row, and a random generator; by kind and name.

What each does for itself is in its docstring, with the paper or book that it comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from cartwheel.algorithms.operators.crossovers import CROSSOVERS, layer_ends
from cartwheel.algorithms.operators.mutations import MUTATIONS, WITHOUT_STD, adapted
from cartwheel.algorithms.operators.selections import SELECTIONS
from cartwheel.registry import Registry

__all__ = ["CROSSOVERS", "MUTATIONS", "OPERATORS", "SELECTIONS", "WITHOUT_STD", "adapted", "fitted", "layer_ends"]

#: All operators: `OPERATORS["crossover"]["two-point"]`.
OPERATORS: dict[str, Registry[Any]] = {"mutation": MUTATIONS, "crossover": CROSSOVERS, "selection": SELECTIONS}


def fitted(operator: Callable[..., Any], values: dict[str, Any]) -> Callable[..., Any]:
    """An operator with those of these values that it takes by name."""
    wanted = [
        name for name, parameter in signature(operator).parameters.items() if parameter.kind.name == "KEYWORD_ONLY"
    ]
    return partial(operator, **{name: values[name] for name in wanted})

"""What the arguments of the functions of `api` have to be: checked in one place, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cartwheel.settings import checked, flag
from cartwheel.training.hooks import Hook

P = ParamSpec("P")
R = TypeVar("R")

# The type that an argument of this name wants, and its limits.
_WANTED: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "algorithm": (str, {}),
    "preset": (str, {}),
    "config": (Path, {}),
    "name": (str, {}),
    "runs": (Path, {}),
    "hooks": (tuple[Hook, ...], {}),
    "episodes": (int, {"minimum": 1}),
    "sample": (bool, {}),
    "seed": (int, {"minimum": 0}),
    "to": (Path, {}),
    "watch": (bool, {}),
}


def checked_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose named arguments arrive as the types wanted above, or end in a UsageError of one line.

    None is let through where it is the default. What `**options` take is left for the settings to judge.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in kwargs.items():
            if name in _WANTED and name in defaults and not (value is None and defaults[name] is None):
                label = name if name == "hooks" else flag(name)  # the one that is no flag
                kwargs[name] = checked(label, value, *_WANTED[name])
        return function(*args, **kwargs)

    return call

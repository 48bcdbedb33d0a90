"""Settings of optimizers and hooks: numbers in a range, checked whenever they are set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.config import Config


def number(value: Any, what: str, low: float = 0.0, below: float = math.inf) -> float:
    """A finite number in [low, below) as a Python float, which leaves float32 arrays what they are.

    TypeError for what is no number, ValueError for one that lies outside.
    """
    array = np.asarray(value) if isinstance(value, int | float | np.generic | np.ndarray) else None
    if array is None or array.size != 1 or array.dtype.kind not in "iuf":
        raise TypeError(f"expected {what} to be a number, got {value!r}")
    result = float(array.item())
    if not math.isfinite(result) or not low <= result < below:
        limits = f"of at least {low:g}" if below == math.inf else f"in [{low:g}, {below:g})"
        raise ValueError(f"expected {what} to be a finite number {limits}, got {result:g}")
    return result


class Setting:
    """An attribute that holds a number in [low, below), or a schedule where one is allowed."""

    def __init__(self, low: float = 0.0, below: float = math.inf, schedule: bool = False) -> None:
        self._low, self._below, self._schedule = low, below, schedule

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else vars(instance)["settings"][self._name]

    def __set__(self, instance: Any, value: Any) -> None:
        if Config.tape is not None:
            told = "Set it before the step, which is recorded anew then; a rate that changes steadily is a schedule"
            Config.tape.refuse(f"{self._name} of {type(instance).__name__} was set", told)
        given = (
            self._scheduled(instance, value) if self._schedule and callable(value) else self._checked(instance, value)
        )
        vars(instance).setdefault("settings", {})[self._name] = given

    def _scheduled(self, instance: Any, value: Any) -> Any:
        """A schedule. TypeError for a class, and for a model, which is callable too."""
        expected = f"expected {self._name} of {type(instance).__name__} to be a number or a schedule, got "
        if isinstance(value, type):
            raise TypeError(f"{expected}the class {value.__name__}")
        if hasattr(value, "named_params"):
            raise TypeError(f"{expected}a model: it is given by setup, {type(instance).__name__}(...).setup(model)")
        return value

    def _checked(self, instance: Any, value: Any) -> float:
        return number(value, f"{self._name} of {type(instance).__name__}", self._low, self._below)


class Rate(Setting):
    """A number from 0, or a schedule: a callable of the number of updates made so far."""

    def __init__(self) -> None:
        super().__init__(schedule=True)


class Fraction(Setting):
    """What is kept of the past at each update, in [0, 1)."""

    def __init__(self) -> None:
        super().__init__(below=1.0)


def written(name: str, settings: dict[str, Any]) -> str:
    """An optimizer or a hook as it is made."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"


def at(settings: dict[str, Any], step: int, owner: str) -> dict[str, Any]:
    """The numbers that settings stand for after `step` updates: schedules are asked, and their answers checked."""
    return {
        name: number(value(step), f"{name} of {owner} at step {step}, from {value!r},") if callable(value) else value
        for name, value in settings.items()
    }

"""What `nn.debug` looks for: numbers that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartwheel.nn.array import namespace
from cartwheel.nn.mistakes import described, place
from cartwheel.nn.variable import raw


def check_finite(name: str, inputs: Sequence[Any], outputs: Any) -> None:
    """FloatingPointError at a NaN or infinity in `outputs`, with the operation, the user's line and the inputs."""
    for y in _arrays(outputs):
        bad = _not_finite(y)
        if bad:
            parts = [f"input {number}: {described(x)}, {_state(x)}" for number, x in enumerate(inputs)]
            raise FloatingPointError(f"{name} gave {bad} at {place()}; " + "; ".join(parts))


def _arrays(outputs: Any) -> list[Any]:
    if isinstance(outputs, tuple | list):
        return [array for one in outputs for array in _arrays(one)]
    return [raw(outputs)] if hasattr(raw(outputs), "dtype") else []


def _not_finite(array: Any) -> str:
    """What is wrong with an array, in a few words; nothing if all is finite."""
    if getattr(array.dtype, "kind", "f") not in "fc":
        return ""
    xp = namespace(array)
    nans, size = int(xp.sum(xp.isnan(array))), array.size
    infinite = int(xp.sum(xp.isinf(array)))
    told = [f"{number} of {size} {what}" for number, what in ((nans, "NaN"), (infinite, "infinite")) if number]
    return " and ".join(told)


def _state(x: Any) -> str:
    array = raw(x)
    if not hasattr(array, "dtype"):
        return "a number"
    bad = _not_finite(array)
    if bad:
        return bad
    return f"from {float(array.min()):.4g} to {float(array.max()):.4g}" if array.size else "empty"

"""Sizes and types of parameters: what layers may be made with, and what is known at the first call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.initialisers import Initialiser
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- what layers are made with ---------------------------------------------------------------------------------------


def check_sizes(layer: object, **sizes: Any) -> None:
    """That these are whole numbers from 1; None stands for one that is not known yet. TypeError, ValueError."""
    for name, size in sizes.items():
        if size is None:
            continue
        if not isinstance(size, int | np.integer) or isinstance(size, bool):
            raise TypeError(f"{type(layer).__name__}: expected {name} to be a whole number, got {size!r}")
        if size < 1:
            raise ValueError(f"{type(layer).__name__}: expected sizes of at least 1, got {name} {size}")


def check_dtype(layer: object, dtype: Any) -> None:
    """That parameters of this type can be learnt. TypeError."""
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"{type(layer).__name__}: expected a type of floats as dtype, got {np.dtype(dtype)}")


def check_nobias(layer: object, nobias: Any, known: str) -> None:
    """That this is a truth value; a number would be a size in the wrong place. TypeError."""
    if not isinstance(nobias, bool | np.bool_):
        raise TypeError(
            f"{type(layer).__name__}: expected nobias to be True or False, got {nobias!r}; a number of inputs is given "
            f"by name, as {known}"
        )


def pair(layer: object, name: str, value: Any, low: int) -> tuple[int, int]:
    """A whole number from `low` as a pair, or a pair of them. TypeError, ValueError."""
    parts = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(parts) != 2 or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in parts):
        raise TypeError(f"{type(layer).__name__}: expected {name} to be a whole number or a pair, got {value!r}")
    if min(parts) < low:
        raise ValueError(f"{type(layer).__name__}: expected {name} to be at least {low}, got {value!r}")
    return int(parts[0]), int(parts[1])


# --- sizes that are known at the first call --------------------------------------------------------------------------


def length_of(x: Any, axis: int, layer: object) -> int:
    """The length of an axis of an input. TypeError for what is no array, ValueError for one with too few axes."""
    data = raw(x)
    if not hasattr(data, "shape"):
        raise mistake(type(layer).__name__, "expected an array or a Variable", type(x).__name__, kind=TypeError)
    if not -data.ndim <= axis < data.ndim:
        raise mistake(type(layer).__name__, f"expected an array with an axis {axis}", x)
    return int(data.shape[axis])


def initial(init: Initialiser, shape: tuple[int, ...], dtype: Any, rng: Any, like: Any = None) -> Array:
    """The numbers that a weight begins with, in the library of `like`. ValueError for a length below 1."""
    if math.prod(shape) < 1:
        raise ValueError(f"expected sizes of at least 1, got a weight of shape {shape}")
    array = init(Config.rng if rng is None else rng, shape, dtype)
    xp = namespace(raw(like))
    return array if xp is np else xp.asarray(array)

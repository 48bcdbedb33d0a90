"""Arrays in tuples and lists: taken out, put back, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cartwheel.nn.variable import Variable


def listed(result: Any) -> list[Any]:
    """All arrays of a structure."""
    if isinstance(result, tuple | list):
        return [array for one in result for array in listed(one)]
    return [result]


def structured(like: Any, arrays: Iterator[Any]) -> Any:
    """The same structure again, of other arrays."""
    if isinstance(like, tuple | list):
        return tuple(structured(one, arrays) for one in like)
    return next(arrays)


def as_arrays(result: Any) -> Any:
    """A structure with arrays in the place of NumPy's scalars."""
    if isinstance(result, tuple | list):
        return type(result)(as_arrays(one) for one in result)
    return np.asarray(result) if isinstance(result, np.generic) else result


def fixed(x: Any) -> Any:
    """A number, an array or a structure of them, as what can be compared."""
    if isinstance(x, np.ndarray):
        return ("constant", x.shape, x.dtype.str, x.tobytes())
    if isinstance(x, tuple | list):
        return tuple(map(fixed, x))
    return repr(x)


def but_arrays(x: Any) -> Any:
    """A structure as what can be compared, without its arrays, which are operands."""
    if isinstance(x, tuple | list):
        return tuple(map(but_arrays, x))
    return "an array" if isinstance(x, np.ndarray) else repr(x)


def replaced(x: Any, arrays: Iterator[Any]) -> Any:
    """The same structure, with other arrays."""
    if isinstance(x, tuple | list):
        return type(x)(replaced(one, arrays) for one in x)
    return next(arrays) if isinstance(x, np.ndarray) else x


def mapped(returned: Any, function: Callable[[Any], Any]) -> Any:
    """What a step returns, with a function of each Variable or array in its place. TypeError for anything else."""
    if isinstance(returned, Variable | np.ndarray):
        return function(returned)
    if isinstance(returned, tuple | list):
        parts = [mapped(one, function) for one in returned]
        return type(returned)(*parts) if hasattr(returned, "_fields") else type(returned)(parts)
    if isinstance(returned, dict):
        return {name: mapped(one, function) for name, one in returned.items()}
    if returned is None:
        return None
    raise TypeError(f"a recorded step gives Variables, got {type(returned).__name__}")

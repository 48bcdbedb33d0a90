"""Arrays of NumPy and of libraries that follow the array API (CuPy): which namespace they belong to."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np

#: An array of NumPy or of another library that follows the array API.
Array: TypeAlias = Any


def namespace(*arrays: Any) -> Any:
    """The namespace of these arrays: `numpy`, or that of the first array of another library among them."""
    for array in arrays:
        if not isinstance(array, np.ndarray | np.generic | bool | int | float | complex | list | tuple | None):
            found = _foreign(array)
            if found is not None:
                return found
    return np


def _foreign(array: Any) -> Any:
    module = type(array).__module__.partition(".")[0]
    if module == "cupy":  # its functions are a superset of the standard's
        return sys.modules["cupy"]
    return array.__array_namespace__() if hasattr(array, "__array_namespace__") else None


def as_array(x: Any, array_module: Any = np) -> Any:
    """A number as a 0-d array; an array as it is."""
    return array_module.asarray(x) if np.isscalar(x) or isinstance(x, np.generic) else x

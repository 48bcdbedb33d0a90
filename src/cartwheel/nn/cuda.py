"""Arrays of NumPy and of CuPy: which of them, and from one to the other. CuPy is loaded when first asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from cartwheel.nn.array import namespace
from cartwheel.nn.variable import Variable, raw

#: Whether CuPy is installed.
gpu_enable: bool = find_spec("cupy") is not None


def get_array_module(x: Any) -> Any:
    """The namespace of an array or Variable: `numpy`, `cupy`, or that of another library of the array API."""
    return namespace(raw(x))


def as_numpy(x: Any) -> Any:
    """An array, a Variable or a number as an array of NumPy's; one that is so already is not copied."""
    x = x.data if isinstance(x, Variable) else x
    return x.get() if type(x).__module__.partition(".")[0] == "cupy" else np.asarray(x)


def as_cupy(x: Any) -> Any:
    """An array or Variable as an array of CuPy's, on the GPU. RuntimeError where CuPy is not installed."""
    return module(gpu=True).asarray(raw(x))


def module(gpu: bool) -> Any:
    """`cupy` for the GPU, else `numpy`. RuntimeError where CuPy is wanted and is not installed."""
    if not gpu:
        return np
    if not gpu_enable:
        raise RuntimeError("expected CuPy for arrays on a GPU, and it is not installed: pip install cupy-cuda12x")
    return import_module("cupy")


def __getattr__(name: str) -> Any:
    if name in ("cupy", "cp"):  # as in `cuda.cupy.zeros(3)`
        return module(gpu=True)
    raise AttributeError(f"nn.cuda has no {name!r}")

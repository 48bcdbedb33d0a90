"""The framework: differentiation, layers, models on one vector, optimizers. Knows only NumPy.

    import cartwheel.nn as nn
    from cartwheel.nn import functions as F

    x = nn.Variable(np.array(5.0))
    y = 3 * x**2
    y.backward()
    x.grad  # variable(30.0)

Its vocabulary is that of Chainer and DeZero; docs/framework.md is the guide. The names below are loaded when they are
first used, so that a program that runs a policy does not load what trains one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartwheel.nn import functions as functions
    from cartwheel.nn import layers as layers
    from cartwheel.nn import models as models
    from cartwheel.nn import optimizers as optimizers
    from cartwheel.nn.array import as_array as as_array
    from cartwheel.nn.backward import grad as grad
    from cartwheel.nn.backward import jacobian as jacobian
    from cartwheel.nn.check import check_gradient as check_gradient
    from cartwheel.nn.config import Config as Config
    from cartwheel.nn.config import debug as debug
    from cartwheel.nn.config import no_grad as no_grad
    from cartwheel.nn.config import seed as seed
    from cartwheel.nn.config import test_mode as test_mode
    from cartwheel.nn.config import using_config as using_config
    from cartwheel.nn.dataloaders import DataLoader as DataLoader
    from cartwheel.nn.dataloaders import SeqDataLoader as SeqDataLoader
    from cartwheel.nn.datasets import Dataset as Dataset
    from cartwheel.nn.flat import Layout as Layout
    from cartwheel.nn.function import Function as Function
    from cartwheel.nn.layers import Layer as Layer
    from cartwheel.nn.models import MLP as MLP
    from cartwheel.nn.models import Model as Model
    from cartwheel.nn.models import Sequential as Sequential
    from cartwheel.nn.variable import Parameter as Parameter
    from cartwheel.nn.variable import Variable as Variable
    from cartwheel.nn.variable import as_variable as as_variable

_MODULES = (
    "capture check core cuda dataloaders datasets functions graph initialisers layers models optimizers transforms "
    "utils"
).split()
_HOMES = {
    "as_array": "array",
    "grad": "backward",
    "jacobian": "backward",
    "check_gradient": "check",
    "Config": "config",
    "debug": "config",
    "no_grad": "config",
    "seed": "config",
    "test_mode": "config",
    "using_config": "config",
    "DataLoader": "dataloaders",
    "SeqDataLoader": "dataloaders",
    "Dataset": "datasets",
    "Layout": "flat",
    "Function": "function",
    "Layer": "layers",
    "MLP": "models",
    "Model": "models",
    "Sequential": "models",
    "Parameter": "variable",
    "Variable": "variable",
    "as_variable": "variable",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"cartwheel.nn.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'cartwheel.nn' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"cartwheel.nn.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_HOMES})

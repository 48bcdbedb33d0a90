"""`Layer`: a part of a network, with parameters and layers inside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import is_
from os import PathLike
from types import BuiltinFunctionType, FunctionType, MethodType, NoneType
from typing import Any, ClassVar

import numpy as np

from cartwheel.nn import cuda
from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.initialisers import Initialiser
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import Parameter, Variable, raw
from cartwheel.nn.vector import move
from cartwheel.nn.weights import load_weights, save_weights


class Average(Parameter):
    """Numbers that a layer keeps and saves, but that are not learnt: the averages of batch normalisation."""

    __slots__ = ()


class Layer:
    """Derive from it, make parameters and other layers attributes, and write `forward`; call an instance.

    Parameters and layers are seen in the order in which they were declared, also within lists, tuples and dicts (a list
    that begins with a number is taken for one of numbers). Each is seen once, however often it is met.
    """

    #: Whether it works with parameters that have a leading axis, those of a population.
    bears_population = True

    _known: Contents | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _HOLDERS) or isinstance(self.__dict__.get(name), _HOLDERS):
            Contents.changes += 1
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        Contents.changes += 1
        super().__delattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        """What copies are made of."""
        return {name: value for name, value in self.__dict__.items() if name != "_known"}

    @property
    def _inside(self) -> Contents:
        """What is in it now."""
        if self._known is None or not self._known.current():
            self._known = Contents(self)
        return self._known

    def __call__(self, *inputs: Any, **how: Any) -> Any:
        """What `forward` gives."""
        return self.forward(*inputs, **how)

    def forward(self, *inputs: Any, **how: Any) -> Any:
        """The outputs for these inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def params(self) -> Iterator[Parameter]:
        """Each parameter, in order of declaration."""
        return (p for _, p in self._inside.params)

    def named_params(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter with its name, as `l1/W` or `layers/0/W`."""
        return iter(self._inside.params)

    def cleargrads(self) -> None:
        """Forget the gradients."""
        for _, p in self._inside.params:
            p.grad = None

    def reset_state(self) -> None:
        """Forget what the recurrent layers in it remember."""
        self._forget()
        for _, layer in self._inside.layers:
            layer._forget()

    def _forget(self) -> None:
        """Forget what this layer itself remembers."""

    def to_cpu(self) -> None:
        """Keep the parameters in arrays of NumPy. Gradients are forgotten."""
        self._move(cuda.as_numpy)

    def to_gpu(self) -> None:
        """Keep the parameters in arrays of CuPy. Gradients are forgotten. RuntimeError where there is no CuPy."""
        cuda.module(gpu=True)
        self._move(cuda.as_cupy)

    def _move(self, convert: Callable[[Array], Array]) -> None:
        inside = self._inside
        move([p for _, p in inside.params], convert)
        move([p for _, p in inside.averages], convert)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write all parameters and averages to a file, as `nn.weights.save_weights`."""
        inside = self._inside
        save_weights(path, inside.params + inside.averages)

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Read all parameters and averages from a file of `save_weights`, as `nn.weights.load_weights`."""
        inside = self._inside
        load_weights(path, inside.params + inside.averages, self._waiting_shapes(inside))

    def _waiting_shapes(self, inside: Contents) -> dict[str, Shape]:
        """What is known of the shapes of parameters without data, by name."""
        return {
            f"{name}/{own}" if name else own: shape
            for name, layer in [("", self), *inside.layers]
            for own, shape in layer._shapes().items()
        }

    def _shapes(self) -> dict[str, Shape]:
        """The shapes of its own parameters that wait for data, None for a length not known."""
        return {}


#: A shape, of which some lengths may not be known yet.
Shape = tuple[int | None, ...]


# --- what is inside a layer ------------------------------------------------------------------------------------------

#: What most attributes are: neither a parameter nor anything that could hold one.
_PLAIN = frozenset(
    {int, float, bool, str, NoneType, type, FunctionType, MethodType, BuiltinFunctionType, np.ndarray, Variable}
)
#: What a list may begin with to be taken for one of numbers.
_NUMBERS = frozenset({int, float, str, np.ndarray, np.float32, np.float64, Variable})


class Contents:
    """All parameters, averages and layers inside a layer, by name, in order of declaration."""

    #: How often a parameter, a layer or a list of them became an attribute of any layer, or ceased to be one.
    changes: ClassVar[int] = 0

    def __init__(self, layer: Layer) -> None:
        self._changes = Contents.changes
        self._lists: list[tuple[list[Any] | dict[Any, Any], tuple[Any, ...]]] = []  # as they were found
        self.params: list[tuple[str, Parameter]] = []
        self.averages: list[tuple[str, Parameter]] = []
        self.layers: list[tuple[str, Layer]] = []
        self._seen = {id(layer)}
        self._look(layer.__dict__.items(), "")

    def current(self) -> bool:
        """Whether nothing can have changed since: no layer's attributes, and no list or dict in one."""
        if self._changes != Contents.changes:
            return False
        for holder, found in self._lists:
            values = holder.values() if isinstance(holder, dict) else holder
            if len(found) != len(values) or not all(map(is_, found, values)):
                return False
        return True

    def _look(self, items: Iterable[tuple[Any, Any]], prefix: str) -> None:
        for key, value in items:
            if type(value) in _PLAIN or not isinstance(value, _HOLDERS) or id(value) in self._seen:
                continue
            self._seen.add(id(value))
            name = f"{prefix}/{key}" if prefix else str(key)
            if isinstance(value, Parameter):
                (self.averages if isinstance(value, Average) else self.params).append((name, value))
            elif isinstance(value, Layer):
                self.layers.append((name, value))
                self._look(value.__dict__.items(), name)
            elif isinstance(value, dict):
                self._lists.append((value, tuple(value.values())))
                self._look(value.items(), name)
            elif not value or type(value[0]) not in _NUMBERS:
                if isinstance(value, list):
                    self._lists.append((value, tuple(value)))
                self._look(enumerate(value), name)


_HOLDERS = (Parameter, Layer, list, tuple, dict)


# --- sizes that are known at the first call --------------------------------------------------------------------------


def length_of(x: Any, axis: int, layer: Layer) -> int:
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

"""`Layer`: a part of a network, with parameters and layers inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import is_
from os import PathLike
from types import BuiltinFunctionType, FunctionType, MethodType, NoneType
from typing import Any, ClassVar

import numpy as np

from cartwheel.nn import cuda
from cartwheel.nn.array import Array
from cartwheel.nn.config import Config
from cartwheel.nn.variable import Parameter, Variable
from cartwheel.nn.vector import move
from cartwheel.nn.weights import load_weights, save_weights


class Average(Parameter):
    """Numbers that a layer keeps and saves, but that are not learnt: the averages of batch normalisation."""

    __slots__ = ()

    def now(self) -> Array:
        """Its numbers, to compute with."""
        if Config.tape is not None:
            Config.tape.meet(self)
        return self._data

    def move(self, numbers: Array) -> None:
        """Take new numbers, in place."""
        if Config.tape is None:
            self._data[...] = numbers
        else:
            Config.tape.move(self, numbers)


class Layer:
    """Derive from it, make parameters and other layers attributes, and write `forward`; call an instance.

    Parameters and layers are seen in the order in which they were declared, also within lists, tuples and dicts, but
    not within sets, deques and other objects, nor as attributes of the class. Each is seen once, however often it is
    met. A list that holds nothing but numbers and names is looked at again where it has grown.

    A Parameter is replaced by another, or by None; anything else is a TypeError, for it would be learnt no more.
    AttributeError for a name that layers have a meaning for, as `params`, and models, as `theta`.
    """

    #: Whether it works with parameters that have a leading axis, those of a population.
    bears_population = True

    #: The attributes that hold what it remembers from call to call. Those of the class are a fresh memory.
    _memories: ClassVar[tuple[str, ...]] = ()

    _known: Contents | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if not isinstance(value, _HOLDERS) and not isinstance(old, _HOLDERS):
            self._set(name, value)
            return
        _check_place(self, name, old, value)
        self._set(name, value)
        Contents.changes += 1  # only now: another thread may look in between

    def _set(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except AttributeError as problem:
            raise _taken(self, name) from problem

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        Contents.changes += 1

    def __getstate__(self) -> dict[str, Any]:
        """What copies are made of. RuntimeError while the parameters are those of a population."""
        self._check_single("a copy")
        return {name: value for name, value in self.__dict__.items() if name != "_known"}

    def __repr__(self) -> str:
        from cartwheel.nn.layers.summary import described

        return described(self)

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
        tape = Config.tape
        for _, p in self._inside.params:
            if tape is not None:
                tape.keep_gradient(p)
            p.grad = None

    def reset_state(self) -> None:
        """Forget what the recurrent layers in it remember."""
        self._forget()
        for _, layer in self._inside.layers:
            layer._forget()

    def _forget(self) -> None:
        """Forget what this layer itself remembers."""
        self._recall({})

    def _memory(self) -> dict[str, Any]:
        """What this layer itself remembers."""
        return {name: self.__dict__[name] for name in self._memories if name in self.__dict__}

    def _recall(self, memory: dict[str, Any]) -> None:
        """Remember this instead."""
        if Config.tape is not None and self._memories:
            Config.tape.keep_memory(self)
        for name in self._memories:
            self.__dict__.pop(name, None)
        self.__dict__.update(memory)

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
        self._check_single("a file of weights")
        inside = self._inside
        save_weights(path, inside.params + inside.averages)

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Read all parameters and averages from a file of `save_weights`, as `nn.weights.load_weights`."""
        self._check_single("a file of weights")
        inside = self._inside
        load_weights(path, inside.params + inside.averages, self._waiting_shapes(inside))

    def _check_single(self, what: str) -> None:
        """RuntimeError while the parameters are those of a population."""
        for name, p in self._inside.params:
            if p.bound and p.bound.data.ndim > 1:
                raise RuntimeError(
                    f"{what} holds one set of parameters, and {name} is bound to a population of {len(p.bound.data)} "
                    "by bound_to: do this outside of the block, or bind one of the vectors"
                )

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

#: What lists that grow, of losses or names, are made of.
_NUMBERS = frozenset({int, float, bool, str, np.ndarray, np.float32, np.float64, np.int64, Variable})
#: What most attributes are: neither a parameter nor anything that could hold one.
_PLAIN = _NUMBERS | {NoneType, type, FunctionType, MethodType, BuiltinFunctionType}


class Contents:
    """All parameters, averages and layers inside a layer, by name, in order of declaration."""

    #: How often a parameter, a layer or a list of them became an attribute of any layer, or ceased to be one.
    changes: ClassVar[int] = 0

    def __init__(self, layer: Layer) -> None:
        self._changes = Contents.changes
        self._lists: list[tuple[list[Any] | dict[Any, Any], tuple[Any, ...]]] = []  # as they were found
        self._numbers: list[list[Any]] = []  # lists of nothing but numbers, each with its length
        self._lengths: list[int] = []
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
            now = _parts(holder)
            if len(found) != len(now) or not all(map(is_, found, now)):
                return False
        return not self._numbers or self._still_numbers()

    def lists(self) -> list[tuple[Any, Any]]:
        """The lists and dicts in it, and a copy of each as it was found."""
        return [(holder, holder.copy()) for holder, _ in self._lists]

    def _still_numbers(self) -> bool:
        for place, numbers in enumerate(self._numbers):
            length = len(numbers)
            if not _NUMBERS.issuperset(map(type, numbers[self._lengths[place] :])):
                return False
            self._lengths[place] = length
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
            else:
                self._look_in(value, name)

    def _look_in(self, value: Any, name: str) -> None:
        """In a list, tuple or dict."""
        if isinstance(value, list) and value and _NUMBERS.issuperset(map(type, value)):
            self._numbers.append(value)
            self._lengths.append(len(value))
            return
        if not isinstance(value, tuple):
            self._lists.append((value, tuple(_parts(value))))
        self._look(value.items() if isinstance(value, dict) else enumerate(value), name)


_HOLDERS = (Parameter, Layer, list, tuple, dict)


def _parts(holder: list[Any] | dict[Any, Any]) -> Sequence[Any]:
    """What a list or dict holds; for a dict the keys as well."""
    return (*holder, *holder.values()) if isinstance(holder, dict) else holder


# --- what may become an attribute ------------------------------------------------------------------------------------


def _check_place(layer: Layer, name: str, old: Any, value: Any) -> None:
    """TypeError for what would put a parameter out of sight, AttributeError for a name that is taken."""
    if isinstance(old, Parameter) and not isinstance(value, Parameter | Layer | None):
        raise TypeError(
            f"{name} of this {type(layer).__name__} is a Parameter, and only another takes its place: for other "
            f"numbers assign to .{name}.data; got {type(value).__name__}"
        )
    for kind in type(layer).__mro__:
        own = vars(kind).get(name)
        if own is not None and kind.__module__.startswith("cartwheel.nn."):
            given = isinstance(own, property) and isinstance(value, Parameter | Layer)
            if given or isinstance(own, FunctionType):
                raise _taken(layer, name)


def _taken(layer: Layer, name: str) -> AttributeError:
    kind = type(layer)
    return AttributeError(
        f"{name} is a name that {kind.__name__}, a {kind.__mro__[1].__name__}, has a meaning for: "
        "give what is yours another name"
    )

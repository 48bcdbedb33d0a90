"""The one vector of a model: the parameters' data are views into it, so that what is done to it is done to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.flat import Layout
from cartwheel.nn.functions.shape import concat, reshape
from cartwheel.nn.variable import Parameter, Variable, raw

#: Parameters with their names.
Named = Sequence[tuple[str, Parameter]]


class Vector:
    """`data (n,)`, or `(P, n)` for a population, of which each parameter placed here has a part as its data.

    `offsets` and `names` say by a parameter's id where it begins, and what it is called in the layout.

    A parameter's `bound` is the Vector it lies in; `temporary` is one that it will leave again.
    """

    __slots__ = ("data", "names", "offsets", "temporary")

    def __init__(self, params: Sequence[Parameter], layout: Layout, data: Array, temporary: bool = False) -> None:
        self.data, self.temporary = data, temporary
        self.offsets = {id(p): start for p, start in zip(params, layout.offsets[:-1], strict=True)}
        self.names = {id(p): name for p, name in zip(params, layout.names, strict=True)}
        self.place(params, layout.shapes)

    def place(self, params: Sequence[Parameter], shapes: Sequence[tuple[int, ...]]) -> None:
        """Make the data of these parameters views into this vector."""
        xp = namespace(self.data)
        lead = self.data.shape[:-1]
        for p, shape in zip(params, shapes, strict=True):
            start = self.offsets[id(p)]
            p._data = xp.reshape(self.data[..., start : start + math.prod(shape)], lead + shape)
            p.bound = self

    def __reduce__(self) -> Any:
        """What a copy or a pickle of a parameter has in its place: False, for it lies in no vector."""
        return bool, ()


def home(p: Parameter) -> Any:
    """The Vector that a parameter lies in, or False."""
    return p.bound


@dataclass(frozen=True)
class Selection:
    """The parameters, or averages, that a model has for good, and their layout."""

    params: tuple[Parameter, ...]
    layout: Layout

    def agrees(self, named: Named) -> bool:
        """Whether these are the same objects in the same order."""
        if len(named) != len(self.params):
            return False
        return all(p is mine for (_, p), mine in zip(named, self.params, strict=True))

    def part(self) -> Array | None:
        """The part of their common vector that they fill, in this order: a view; None if there is none."""
        if not self.params:
            return np.zeros(0, np.float32)
        common = home(self.params[0])
        if not common:
            return None
        first = common.offsets.get(id(self.params[0]))
        for p, offset in zip(self.params, self.layout.offsets, strict=False):
            if home(p) is not common or common.offsets.get(id(p)) != first + offset:
                return None
        data, size = common.data, self.layout.size
        return data if size == data.shape[-1] else data[..., first : first + size]

    def gradient(self) -> Array:
        """A new vector `(..., n)` of the gradients, zeros where there is none."""
        if not self.params:
            return np.zeros(0, np.float32)
        gradients = gradients_of(self.params, self.layout.names)
        data = self.params[0]._data
        xp = namespace(data)
        lead, sizes = data.shape[: data.ndim - len(self.layout.shapes[0])], map(math.prod, self.layout.shapes)
        if Config.tape is not None and all(p.grad is not None for p in self.params):
            pieces = [reshape(p.grad, (*lead, size)) for p, size in zip(self.params, sizes, strict=True)]
            return raw(concat(pieces, axis=-1))
        if not lead:
            return xp.concat(gradients, axis=None)
        return xp.concat([xp.reshape(g, (*lead, size)) for g, size in zip(gradients, sizes, strict=True)], axis=-1)

    def present(self) -> Array:
        """For each number of the vector (n,) whether there is a gradient."""
        if all(p.grad is not None for p in self.params):
            return np.ones(self.layout.size, bool)
        sizes = list(map(math.prod, self.layout.shapes))
        return np.repeat(np.array([p.grad is not None for p in self.params]), sizes)

    @contextmanager
    def placed(self, data: Array) -> Iterator[None]:
        """In another vector, and without gradients, for the length of a `with` block."""
        before = [(p, p.bound, p._data, p.grad) for p in self.params]
        try:
            Vector(self.params, self.layout, data, temporary=True)
            for p in self.params:
                p.grad = None
            yield
        finally:
            for p, old, numbers, g in before:
                p.bound, p._data, p.grad = old, numbers, g


def gathered(named: Named) -> Selection:
    """These parameters for good, in one vector: that of an outer model, if they fill a part of it, or a new one.

    Where their types differ, the vector, and so all of them, is of the widest.
    """
    params = tuple(p for _, p in named)
    found = Selection(params, Layout(tuple(name for name, _ in named), tuple(tuple(p._data.shape) for p in params)))
    if found.part() is None:
        Vector(params, found.layout, namespace(params[0]._data).concat([p._data for p in params], axis=None))
    return found


def gradients_of(params: Sequence[Parameter], names: Sequence[str]) -> list[Array]:
    """The gradients as arrays of the parameters' shapes, zeros where there is none.

    TypeError for one that is no Variable, ValueError for one of another shape: it was set, or is that of a `Function`
    whose backward is wrong.
    """
    found = []
    for number, p in enumerate(params):
        g, data = p.grad, p._data
        if g is None:
            found.append(namespace(data).zeros_like(data))
        elif not isinstance(g, Variable):
            raise TypeError(f"expected the gradient of {names[number]} to be a Variable, got {type(g).__name__}")
        elif g._data.shape != data.shape:
            raise ValueError(
                f"the gradient of {names[number]} has the shape {tuple(g._data.shape)}, its data {tuple(data.shape)}"
            )
        else:
            found.append(g._data)
    return found


def obstacle(named: Named) -> str:
    """Why these parameters can't be gathered, in words; nothing if they can."""
    waiting = [name for name, p in named if p._data is None]
    if waiting:
        told = ", ".join(waiting)
        return f"{told} has no data yet: it is known when its layer is first used, or made with its input size"
    whole = [f"{name} is {p._data.dtype}" for name, p in named if getattr(p._data.dtype, "kind", "f") != "f"]
    if whole:
        return f"what is learnt are floats, and {', '.join(whole)}"
    if len({name for name, _ in named}) != len(named):
        twice = next(name for place, (name, _) in enumerate(named) if name in [other for other, _ in named[:place]])
        return f"two parameters are called {twice}: give the layers of a dict keys that differ as text"
    if any(home(p) and home(p).temporary for _, p in named):
        return "its parameters are bound to another vector by bound_to of a model around it, or of a part"
    return ""


def change(selection: Selection, named: Named) -> str:
    """How these parameters differ from those that a model had, in words."""
    before, now = dict(zip(selection.layout.names, selection.params, strict=True)), dict(named)
    told = [f"{name} was added" for name in now if name not in before]
    told += [f"{name} is gone" for name in before if name not in now]
    told += [f"{name} was replaced" for name, p in now.items() if name in before and before[name] is not p]
    return (
        f"the parameters of a model stay the same after its first call, but {', '.join(told) or 'changed their order'};"
        " for other numbers assign to a parameter's .data, for other layers make a new model"
    )


def move(params: Sequence[Parameter], convert: Callable[[Array], Array]) -> None:
    """Convert the data of parameters, and the vectors that they fill; their gradients are forgotten.

    ValueError for a vector of which only a part is among them.
    """
    homes: dict[int, tuple[Any, list[Parameter]]] = {}
    for p in params:
        if p.bound:
            homes.setdefault(id(p.bound), (p.bound, []))[1].append(p)
    for vector, within in homes.values():
        if vector.temporary or len(within) != len(vector.offsets):
            raise ValueError("these parameters are a part of a model's vector: move the whole model, outside bound_to")
    for p in params:
        p.grad = None
        if not p.bound and p._data is not None:
            p._data = convert(p._data)
    for vector, within in homes.values():
        vector.data = convert(vector.data)
        vector.place(within, [p._data.shape for p in within])

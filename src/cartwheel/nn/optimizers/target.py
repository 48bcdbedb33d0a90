"""What an optimizer works on: a vector of parameters, one of gradients, and a mask of the gradients that are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from operator import is_
from typing import Any, NamedTuple, Protocol

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.variable import Parameter
from cartwheel.nn.vector import gradients_of


class Place(NamedTuple):
    """A parameter's part `[start, end)` of the vector."""

    name: str
    parameter: Any
    start: int
    end: int


class Target(Protocol):
    """Parameters as one vector."""

    def read(self) -> tuple[Array, Array, Array | None]:
        """theta (n,), grad (n,) with 0 where there is none, and a mask (n,) of those there are, None if all are."""

    def write(self, theta: Array) -> None:
        """Give the parameters new values."""

    def places(self) -> Sequence[Place]:
        """The parameters in the order of the vector; known once it has been read."""


class ModelTarget:
    """A model, which keeps its parameters in one vector itself."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._theta: Any = None
        self._known: tuple[Any, list[Place]] | None = None
        #: For a model without a vector: one with layers not used yet, or that shares layers with another.
        self._apart = ParameterTarget(model)

    def read(self) -> tuple[Array, Array, Array | None]:
        """The model's own vectors; ValueError if its parameters have changed. Else as `ParameterTarget`."""
        selection = self.model._selection()
        self._theta = None if selection is None else selection.part()
        if self._theta is None:
            return self._apart.read()
        if not selection.params:
            raise nothing_to_learn()
        grad = selection.gradient()
        for p in selection.params:
            if p.grad is None:
                return self._theta, grad, selection.present()
        return self._theta, grad, None

    def write(self, theta: Array) -> None:
        """Set the model's vector as it was last read, in place."""
        if self._theta is None:
            self._apart.write(theta)
        else:
            self._theta[...] = theta

    def places(self) -> Sequence[Place]:
        """The model's layout, or that of its parameters with data."""
        if self._theta is None:
            return self._apart.places()
        layout = self.model.layout
        if self._known is None or self._known[0] is not layout:
            rows = zip(layout.names, dict.fromkeys(self.model.params()), pairwise(layout.offsets), strict=True)
            self._known = layout, [Place(name, p, *span) for name, p, span in rows]
        return self._known[1]


class ParameterTarget:
    """Parameters that stand each on its own: a vector is made of them at every update, and its values are handed back.

    Which parameters there are is settled at the first update; one without data is left out until it has some.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._all: list[Any] = []
        self._places: list[Place] = []

    def read(self) -> tuple[Array, Array, Array | None]:
        """Copies. RuntimeError if there are other parameters than at the first update, or none with data.

        TypeError for parameters of whole numbers.
        """
        names = self._with_data()
        parameters = list(names)
        if len(self._places) != len(parameters):
            self._places = _placed(names)
        xp = namespace(*(p._data for p in parameters))
        theta = xp.concat([xp.reshape(p._data, (-1,)) for p in parameters])
        grads = gradients_of(parameters, list(names.values()))
        grad = xp.concat([xp.reshape(g, (-1,)) for g in grads])
        if all(p.grad is not None for p in parameters):
            return theta, grad, None
        mask = xp.concat([xp.full(p.size, p.grad is not None) for p in parameters])
        return theta, grad, mask

    def _with_data(self) -> dict[Any, str]:
        """The parameters that have data, with their names."""
        names = {p: name for name, p in _named(self._source)}
        if not names:
            raise nothing_to_learn()
        self._all = self._all or list(names)
        if len(names) != len(self._all) or not all(map(is_, names, self._all)):
            raise RuntimeError(
                f"there were {len(self._all)} parameters at the first update, and now there are others "
                f"({len(names)}): make a new optimizer for them"
            )
        known = {p: name for p, name in names.items() if p._data is not None}
        if not known:
            raise no_gradient()
        for p, name in known.items():
            if getattr(p._data.dtype, "kind", "f") != "f":
                raise TypeError(f"what is learnt are floats, and {name} is {p._data.dtype}")
            if p.bound and p.bound.data.ndim > 1:
                raise RuntimeError(f"{name} is bound to a population: give setup the model itself, that bound_to is of")
        return known

    def write(self, theta: Array) -> None:
        """Set each parameter's data, in place."""
        xp = namespace(theta)
        for place in self._places:
            data = place.parameter._data
            data[...] = xp.reshape(theta[place.start : place.end], data.shape)

    def places(self) -> Sequence[Place]:
        """The parameters in order."""
        return self._places


def target_of(target: Any) -> Target:
    """A model, a layer, or parameters as one vector. TypeError for what has no parameters."""
    if isinstance(target, type):
        kind = target.__name__
        raise TypeError(
            f"expected a model, a layer or a list of parameters, got the class {kind}: make one, {kind}(...)"
        )
    if hasattr(type(target), "theta"):
        return ModelTarget(target)
    if not hasattr(target, "named_params"):
        if isinstance(target, Parameter) or not isinstance(target, Iterable):
            raise TypeError(f"expected a model, a layer or a list of parameters, got {type(target).__name__}")
        target = list(target)
        for p in target:
            if not isinstance(p, Parameter):
                hint = ": put them into one model, or one optimizer for each" if hasattr(p, "named_params") else ""
                raise TypeError(f"expected a list of parameters, got {type(p).__name__} in it{hint}")
    return ParameterTarget(target)


def _named(source: Any) -> Iterable[tuple[str, Any]]:
    if hasattr(source, "named_params"):
        return source.named_params()  # type: ignore[no-any-return]
    return ((p.name or str(number), p) for number, p in enumerate(source))


def _placed(names: Mapping[Any, str]) -> list[Place]:
    ends = list(accumulate(math.prod(p.shape) for p in names))
    return [Place(name, p, *span) for (p, name), span in zip(names.items(), pairwise([0, *ends]), strict=True)]


def relaid(vector: Array, before: Sequence[Place], now: Sequence[Place]) -> Array:
    """Numbers (n,) that belonged to parameters laid out in one way, laid out in another; 0 for parameters not there."""
    xp = namespace(vector)
    parts = {id(place.parameter): vector[place.start : place.end] for place in before}
    new = [place for place in now if id(place.parameter) not in parts]
    parts |= {id(place.parameter): xp.zeros(place.end - place.start, dtype=vector.dtype) for place in new}
    return xp.concat([parts[id(place.parameter)] for place in now])


def nothing_to_learn() -> RuntimeError:
    """What to say to an update of nothing."""
    return RuntimeError(
        "there is no parameter to learn: parameters and layers are found where they are attributes of the model, or in "
        "lists, tuples and dicts that are"
    )


def no_gradient() -> RuntimeError:
    """What to say to an update without any gradient."""
    return RuntimeError(
        "no parameter has a gradient: call backward() of a loss that was made from them before update(), with no "
        "cleargrads() in between"
    )


def selected(places: Sequence[Place], things: Sequence[Any]) -> Array:
    """A mask (n,) of the parameters that names, parameters or layers stand for.

    A name is a parameter's (`l1/W`), or that of a layer (`l1`). ValueError for a name or layer that stands for none.
    """
    mask = np.zeros(places[-1].end if places else 0, bool)
    for thing in things:
        chosen = [place for place in places if _means(thing, place)]
        if not chosen:
            told = repr(thing) if isinstance(thing, str) else type(thing).__name__
            raise ValueError(f"{told} is none of what is learnt here: {', '.join(place.name for place in places)}")
        for place in chosen:
            mask[place.start : place.end] = True
    return mask


def _means(thing: Any, place: Place) -> bool:
    if isinstance(thing, str):
        return place.name == thing or place.name.startswith(f"{thing}/")
    return any(p is place.parameter for p in ([thing] if isinstance(thing, Parameter) else thing.params()))

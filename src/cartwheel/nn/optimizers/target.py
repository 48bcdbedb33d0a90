"""What an optimizer works on: a vector of parameters, one of gradients, and a mask of the gradients that are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.variable import Parameter


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

    def read(self) -> tuple[Array, Array, Array | None]:
        """The model's own vectors. ValueError if it has no theta, RuntimeError if that is since it has not been run."""
        model = self.model
        try:
            self._theta, mask = model.theta, model.grad_mask
        except ValueError:
            if any(p.grad is not None for p in model.params()):
                raise
            raise no_gradient() from None
        complete = bool(namespace(mask).all(mask))
        return self._theta, model.grad, None if complete else mask

    def write(self, theta: Array) -> None:
        """Set the model's vector as it was last read, in place."""
        self._theta[...] = theta

    def places(self) -> Sequence[Place]:
        """The model's layout."""
        layout = self.model.layout
        if self._known is None or self._known[0] is not layout:
            rows = zip(layout.names, dict.fromkeys(self.model.params()), pairwise(layout.offsets), strict=True)
            self._known = layout, [Place(name, p, *span) for name, p, span in rows]
        return self._known[1]


class ParameterTarget:
    """Parameters that stand each on its own: a vector is made of them at every update, and its values are handed back.

    Which parameters there are is settled at the first update; one without data then is left out.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._places: list[Place] = []

    def read(self) -> tuple[Array, Array, Array | None]:
        """Copies. RuntimeError if there are other parameters than at the first update, or none with data."""
        names = {p: name for name, p in _named(self._source) if p._data is not None}
        parameters = list(names)
        if not parameters:
            raise no_gradient()
        if not self._places:
            self._places = _placed(names)
        if [id(place.parameter) for place in self._places] != [id(p) for p in parameters]:
            raise RuntimeError(
                f"there were {len(self._places)} parameters with data at the first update, and now there are others "
                f"({len(parameters)}): make a new optimizer for them"
            )
        xp = namespace(*(p._data for p in parameters))
        theta = xp.concat([xp.reshape(p._data, (-1,)) for p in parameters])
        grads = [xp.zeros_like(p._data) if p.grad is None else p.grad._data for p in parameters]
        grad = xp.concat([xp.reshape(g, (-1,)) for g in grads])
        if all(p.grad is not None for p in parameters):
            return theta, grad, None
        mask = xp.concat([xp.full(p.size, p.grad is not None) for p in parameters])
        return theta, grad, mask

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
    if hasattr(type(target), "theta"):
        return ModelTarget(target)
    if not hasattr(target, "named_params"):
        if isinstance(target, Parameter) or not isinstance(target, Iterable):
            raise TypeError(f"expected a model, a layer or a list of parameters, got {type(target).__name__}")
        target = list(target)
        for p in target:
            if not isinstance(p, Parameter):
                raise TypeError(f"expected a list of parameters, got {type(p).__name__} in it")
    return ParameterTarget(target)


def _named(source: Any) -> Iterable[tuple[str, Any]]:
    if hasattr(source, "named_params"):
        return source.named_params()  # type: ignore[no-any-return]
    return ((p.name or str(number), p) for number, p in enumerate(source))


def _placed(names: Mapping[Any, str]) -> list[Place]:
    ends = list(accumulate(math.prod(p.shape) for p in names))
    return [Place(name, p, *span) for (p, name), span in zip(names.items(), pairwise([0, *ends]), strict=True)]


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

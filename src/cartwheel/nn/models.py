"""`Model`: a layer that keeps all its parameters in one vector; perceptrons, and layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cartwheel.nn import functions
from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.flat import Layout
from cartwheel.nn.graph import plot_dot_graph
from cartwheel.nn.layers.dense import Linear
from cartwheel.nn.layers.layer import Contents, Layer
from cartwheel.nn.layers.summary import summary
from cartwheel.nn.variable import Variable, raw
from cartwheel.nn.vector import Selection, change, gathered, obstacle


class Model(Layer):
    """A layer whose parameters lie in one vector `theta (n,)`, in order of declaration: their data are views into it.

    Which parameters it has, and their shapes, is settled at the end of the first call, or when `theta` is first asked
    for and all sizes are known. A model inside another shares the outer one's vector: its theta is a part of it.
    ValueError from `theta` where sizes are not known yet or types differ; from `theta` and calls where parameters were
    added or replaced afterwards.
    """

    _settled: tuple[Selection, Selection] | None = None  # parameters and averages
    _agreed: Contents | None = None  # what was found to be in the model when it was last compared with these

    def __call__(self, *inputs: Any, **how: Any) -> Any:
        """What `forward` gives."""
        if Config.tape is not None:
            Config.tape.models[id(self)] = self
        if self._settled is not None:
            self._checked()
            return self.forward(*inputs, **how)
        outputs = self.forward(*inputs, **how)
        inside = self._inside
        if not obstacle(inside.params) and not obstacle(inside.averages):
            self._settle(inside)
        return outputs

    @property
    def theta(self) -> Array:
        """All parameters as one vector (n,): what is written to it, or assigned, is written to the parameters."""
        return _met(self._vector(0))

    @theta.setter
    def theta(self, value: Any) -> None:
        _assign("theta", self._vector(0), value)

    @property
    def averages(self) -> Array:
        """What is kept but not learnt (the averages of batch normalisation) as one vector, as `theta`."""
        return _met(self._vector(1))

    @averages.setter
    def averages(self, value: Any) -> None:
        _assign("averages", self._vector(1), value)

    @property
    def layout(self) -> Layout:
        """Which part of `theta` is which parameter."""
        return (self._settled or self._checked())[0].layout

    @property
    def averages_layout(self) -> Layout:
        """Which part of `averages` is which."""
        return (self._settled or self._checked())[1].layout

    @property
    def grad(self) -> Array:
        """The gradients as a new vector (n,), 0 where there is none; (P, n) while bound to a population."""
        return (self._settled or self._checked())[0].gradient()

    @property
    def grad_mask(self) -> Array:
        """For each number of `theta` whether there is a gradient, (n,) truth values."""
        return (self._settled or self._checked())[0].present()

    @contextmanager
    def bound_to(self, vector: Any) -> Iterator[None]:
        """A `with` block in which the parameters are views into another vector (n,), or those of a population (P, n).

        Linear layers then map (P, B, d) to (P, B, o). Gradients begin at none, and recurrent layers' memories too; call
        `backward`, and read `grad`, within the block: after it all is as before. ValueError for another length, and for
        a population where a layer can't bear one (convolution, batch normalisation, embedding).
        """
        self._vector(0)
        params = self._checked()[0]
        if Config.tape is not None:  # the inputs of a recorded step are Variables
            vector = raw(vector)
        _check_vector(vector, params.layout.size)
        if vector.ndim == 2:
            _check_population(self._inside)
        with params.placed(vector), self._fresh_memory():
            yield

    @contextmanager
    def _fresh_memory(self) -> Iterator[None]:
        """A `with` block that begins with nothing remembered, and after which all is remembered as before."""
        layers = [self, *(layer for _, layer in self._inside.layers)]
        memories = [layer._memory() for layer in layers]
        for layer in layers:
            layer._forget()
        try:
            yield
        finally:
            for layer, memory in zip(layers, memories, strict=True):
                layer._recall(memory)

    def _vector(self, which: int) -> Array:
        selection = self._checked()[which]
        found = selection.part()
        if found is not None:
            return found
        name = f"theta of this {type(self).__name__}"
        if any(p.bound and p.bound.temporary for p in selection.params):
            raise ValueError(
                f"{name}: a part of its parameters is bound to another vector, by bound_to of a model inside"
            )
        raise ValueError(
            f"{name}: its parameters are no contiguous part of one vector any more, since another model that holds "
            "some of them too has taken them over; put both into one model, and use its theta"
        )

    def _selection(self) -> Selection | None:
        """What is learnt; None while that can't be said yet."""
        if self._settled is None and obstacle(self._inside.params):
            return None
        return self._checked()[0]

    def _checked(self) -> tuple[Selection, Selection]:
        """What the model has for good. ValueError if that can't be said yet, or has changed since."""
        inside = self._inside
        if self._settled is None:
            problem = obstacle(inside.params) or obstacle(inside.averages)
            if problem:
                raise ValueError(f"{type(self).__name__} has no theta: {problem}")
            return self._settle(inside)
        if inside is not self._agreed:
            for selection, named in zip(self._settled, (inside.params, inside.averages), strict=True):
                if not selection.agrees(named):
                    raise ValueError(change(selection, named))
            self._agreed = inside
        return self._settled

    def _settle(self, inside: Contents) -> tuple[Selection, Selection]:
        self._settled = gathered(inside.params), gathered(inside.averages)
        return self._settled

    def __getstate__(self) -> dict[str, Any]:
        """What copies are made of: a copy has a vector of its own."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_settled", "_agreed")}

    def plot(self, *inputs: Any, to_file: str | Path = "model.png") -> Path:
        """Run the model, and draw the graph of what it computes: `nn.graph.plot_dot_graph`."""
        return plot_dot_graph(self(*inputs), verbose=True, to_file=to_file)

    def summary(self) -> str:
        """A table of the layers, their parameters' shapes (? if not known yet) and how many numbers these hold."""
        return summary(self)


def _told(given: Any) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else repr(given)


def _made(given: Any) -> str:
    return f": make one, {given.__name__}(...)" if isinstance(given, type) else ""


def _assign(name: str, vector: Array, value: Any) -> None:
    array = raw(value)
    if getattr(array, "shape", None) != vector.shape:
        got = getattr(array, "shape", type(array).__name__)
        raise ValueError(f"{name}: expected an array {tuple(vector.shape)}, got {got}")
    if Config.tape is None:
        vector[...] = namespace(vector).asarray(array)
    else:
        Config.tape.assign(vector, array)


def _met(vector: Array) -> Array:
    """A model's vector; a step that is recorded may compute with it, and is told by the tape if it changes it."""
    if Config.tape is not None:
        Config.tape.last(vector)
    return vector


def _check_vector(vector: Any, size: int) -> None:
    shape: tuple[int, ...] = getattr(vector, "shape", ())
    dtype = getattr(vector, "dtype", None)
    floats = dtype is not None and getattr(dtype, "kind", "f") == "f" and not isinstance(vector, Variable)
    if not floats or len(shape) not in (1, 2) or shape[-1] != size:
        got = f"{type(vector).__name__} {dtype or ''} {shape}"
        raise ValueError(f"bound_to: expected floats ({size},), or (P, {size}) for a population, got {got}")


def _check_population(inside: Contents) -> None:
    for name, layer in inside.layers:
        if not layer.bears_population:
            raise ValueError(
                f"bound_to: {name} is a {type(layer).__name__}, which can't be run for a whole population at once; "
                "bind one vector after the other"
            )


class Sequential(Model):
    """Layers, or functions, one after the other: `l0`, `l1`, ..., and in the list `layers`."""

    def __init__(self, *layers: Any) -> None:
        for number, layer in enumerate(layers):
            if not callable(layer) or isinstance(layer, type):
                got = _told(layer) if isinstance(layer, type) else type(layer).__name__
                raise TypeError(f"Sequential: expected layers or functions, got {got} at {number}{_made(layer)}")
            setattr(self, f"l{number}", layer)
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """x through all of them."""
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(Model):
    """A multi-layer perceptron: linear layers `l0`, `l1`, ..., of these sizes, with `activation` between them."""

    def __init__(
        self,
        fc_output_sizes: Iterable[int],
        activation: Any = functions.sigmoid,
        dtype: Any = np.float32,
        in_size: int | None = None,
        rng: Any = None,
    ) -> None:
        if not isinstance(fc_output_sizes, Iterable):
            size = fc_output_sizes
            raise TypeError(f"MLP: expected the sizes of the layers, as in MLP((10, 1)), got {size!r}")
        if not callable(activation) or isinstance(activation, type):
            got = _told(activation)
            raise TypeError(f"MLP: expected a function as activation, as F.relu, got {got}{_made(activation)}")
        self.activation = activation
        layers: list[Linear] = []
        for number, size in enumerate(fc_output_sizes):
            layers.append(Linear(size, dtype=dtype, in_size=in_size, rng=rng))
            setattr(self, f"l{number}", layers[-1])
            in_size = None if in_size is None else size
        if not layers:
            raise ValueError("MLP: expected the size of at least one layer")
        self.layers = layers

    def forward(self, x: Any) -> Any:
        """x (B, d) to (B, o)."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)

"""A policy's network as data: a specification holds a kind and numbers, and builds the network for given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError, did_you_mean
from cartwheel.nn.flat import ACTIVATIONS, Array, Layout, dense_forward, dense_layout

_LARGEST_LAYER = 1 << 20


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron: the unit counts of its hidden layers and their activation (relu, tanh, identity)."""

    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, (tuple, list)):
            raise UsageError(f"hidden: expected a tuple of unit counts, got {self.hidden!r}")
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for units in self.hidden:
            if not isinstance(units, int) or isinstance(units, bool) or not 1 <= units <= _LARGEST_LAYER:
                raise UsageError(f"hidden: expected unit counts from 1 to {_LARGEST_LAYER:,}, got {units!r}")
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"unknown activation {self.activation!r}; {did_you_mean(self.activation, ACTIVATIONS)}")

    def build(self, inputs: int, outputs: int) -> Network:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return Network(self, (inputs, *self.hidden, outputs))


@dataclass(frozen=True)
class Network:
    """A specification for given sizes: a pure function of a vector. `sizes` are all unit counts, input to output."""

    specification: MLP
    sizes: tuple[int, ...]

    @cached_property
    def layout(self) -> Layout:
        """Which part of the vector is which weight."""
        return dense_layout(self.sizes)

    @property
    def size(self) -> int:
        """n, the length of the vector."""
        return self.layout.size

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32, the type of all parameters."""
        return np.dtype(np.float32)

    def forward(self, theta: Array, x: Array) -> Array:
        """Outputs `(B, o)` for `theta (n,)` and `x (B, d)`, or `(P, B, o)` for `(P, n)` and `(P, B, d)`."""
        return dense_forward(theta, x, self.layout, self.specification.activation)

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """`count` random vectors `(count, n)`: weights from N(0, deviation**2), biases 0."""
        theta = rng.standard_normal((count, self.size), np.float32)
        theta *= np.float32(deviation)
        for name, array in self.layout.unpack(theta).items():
            if name.startswith("b"):
                array[...] = 0.0
        return theta


def to_data(specification: MLP) -> dict[str, Any]:
    """A specification as JSON-ready data."""
    return {"kind": "mlp", "hidden": list(specification.hidden), "activation": specification.activation}


def from_data(data: Any) -> MLP:
    """The specification that `to_data` wrote; UsageError for anything else (it may be a stranger's file)."""
    if not isinstance(data, Mapping) or data.get("kind") != "mlp" or len(data) != 3:
        raise UsageError("not the specification of a policy that this version knows")
    hidden, activation = data.get("hidden"), data.get("activation")
    if not isinstance(hidden, list) or len(hidden) > 1000 or not isinstance(activation, str):
        raise UsageError("a specification of the kind 'mlp' wants hidden (a list) and activation (a text)")
    return MLP(tuple(hidden), activation)

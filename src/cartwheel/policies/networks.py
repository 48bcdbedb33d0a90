"""Networks: pure functions of a vector `theta (n,)`, an observation and a memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.nn.flat import Array, Layout, dense_forward, dense_layout
from cartwheel.nn.variable import raw

#: Recurrent cells: how many gates each has, and how many numbers a unit remembers.
CELLS: dict[str, tuple[int, int]] = {"rnn": (1, 1), "gru": (3, 1), "lstm": (4, 2)}

_LOG_STD = "log_std"


@dataclass(frozen=True)
class Network(ABC):
    """A function of `inputs` numbers with `outputs` results, and of a vector of parameters; `activation` bends it.

    Its memory is one flat vector `(m,)`; where it has none, m is 0.
    """

    inputs: int
    outputs: int
    activation: str

    def __getstate__(self) -> dict[str, Any]:
        """What it is made of: a message is not to carry what it has worked out, such as a model of its own size."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def size(self) -> int:
        """n, the length of the vector."""
        return self.layout.size

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32, the type of all parameters."""
        return np.dtype(np.float32)

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Which part of the vector is what."""

    @property
    @abstractmethod
    def memory_size(self) -> int:
        """m, how many numbers it remembers."""

    @property
    @abstractmethod
    def described(self) -> str:
        """The network in a word: 4-16-2."""

    def log_std(self, theta: Array) -> Array:
        """The logarithms of the deviations `(a,)` that actions have about the outputs, which end `theta (n,)`.

        None `(0,)` where the outputs are no means of a distribution.
        """
        return theta[theta.size :]

    @property
    def frames(self) -> int:
        """How many observations it sees at once: the last one, and those before it that its memory keeps."""
        return 1

    @property
    def inner(self) -> Network:
        """What computes the outputs of all that is seen at once."""
        return self

    @abstractmethod
    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """Outputs `(B, o)` and the next memory `(B, m)` for `theta (n,)`, `x (B, d)` and a memory `(B, m)`."""

    @abstractmethod
    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """`count` random vectors `(count, n)` to begin with, whose weights are from N(0, deviation**2)."""

    @abstractmethod
    def check(self, theta: Array) -> None:
        """UsageError where a vector `(n,)` of finite numbers tells no network of this kind."""


@dataclass(frozen=True)
class LayeredNetwork(Network):
    """Hidden layers of these unit counts between inputs and outputs; the vector is their weights.

    Where the outputs are a distribution of actions, `groups` are the numbers of choices whose logits they are; without
    them, but with `deviations`, they are means, and so many numbers `log_std` follow the weights, on which no output
    depends.
    """

    hidden: tuple[int, ...]
    groups: tuple[int, ...] = field(default=(), kw_only=True)
    deviations: int = field(default=0, kw_only=True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All unit counts, input to output."""
        return (self.inputs, *self.hidden, self.outputs)

    @property
    @abstractmethod
    def model(self) -> nn.Model:
        """The same network as a model of the framework, whose theta has the same layout."""

    @abstractmethod
    def step(self, theta: Any, x: Any, memory: Any) -> Any:
        """The same in the framework's functions, for a program to be recorded; without a memory it is left out."""

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """`count` random vectors `(count, n)`: weights from N(0, deviation**2), biases 0."""
        theta = rng.standard_normal((count, self.size), np.float32)
        theta *= np.float32(deviation)
        for name, array in self.layout.unpack(theta).items():
            if name.rpartition("/")[2].startswith("b") or name == _LOG_STD:
                array[...] = 0.0
        return theta

    def log_std(self, theta: Array) -> Array:
        """The logarithms of the deviations that end `theta (n,)`."""
        return theta[theta.size - self.deviations :]

    def _with_deviations(self, layout: Layout) -> Layout:
        """The layout of the weights, with log_std after them."""
        if not self.deviations:
            return layout
        return Layout((*layout.names, _LOG_STD), (*layout.shapes, (self.deviations,)))

    def _and_deviations(self, model: Any) -> Any:
        """The model of the weights, with log_std as the last parameter."""
        if self.deviations:
            model.log_std = nn.Parameter(np.zeros(self.deviations, np.float32))
        return model

    def check(self, theta: Array) -> None:
        """Any numbers are weights."""


class Perceptron(LayeredNetwork):
    """A multi-layer perceptron, which remembers nothing."""

    @cached_property
    def layout(self) -> Layout:
        """W1 (d, h), b1 (h,), W2 (h, o), b2 (o,), ..."""
        return self._with_deviations(dense_layout(self.sizes))

    @property
    def memory_size(self) -> int:
        """0."""
        return 0

    @property
    def described(self) -> str:
        """Its unit counts."""
        return "-".join(map(str, self.sizes))

    @cached_property
    def model(self) -> nn.Model:
        """An `nn.MLP`."""
        sizes, activation = (*self.hidden, self.outputs), function(self.activation)
        model: nn.Model = self._and_deviations(nn.MLP(sizes, activation, in_size=self.inputs, rng=draws()))
        return model

    def forward(self, theta: Array, x: Array) -> Array:
        """Outputs `(B, o)` for `theta (n,)` and `x (B, d)`, or `(P, B, o)` for `(P, n)` and `(P, B, d)`."""
        return dense_forward(theta, x, self.layout, self.activation)

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The outputs, in the order of sums that kernels keep to as well, and the memory as it came."""
        return self.forward(theta, x), memory

    def step(self, theta: Any, x: Any, memory: Any = None) -> Any:
        """The outputs."""
        with nn.no_grad(), self.model.bound_to(theta):
            return self.model(x)


@dataclass(frozen=True)
class RecurrentNetwork(LayeredNetwork):
    """Linear layers with an activation, a layer of recurrent cells, and a linear layer for the outputs."""

    cell: str

    @cached_property
    def layout(self) -> Layout:
        """W and b of each layer before; Wx (d, G H), Wh (H, G H) and b (G H,) of the cells; W and b of the last layer.

        Those of an rnn are called after its two layers: x2h/W, x2h/b and h2h/W. As the model has them, without making
        it: a stranger's file may tell sizes that no memory would hold.
        """
        *before, units = self.hidden
        names: list[str] = []
        shapes: list[tuple[int, ...]] = []
        for number, (inputs, outputs) in enumerate(pairwise((self.inputs, *before))):
            names += [f"dense/{number}/W", f"dense/{number}/b"]
            shapes += [(inputs, outputs), (outputs,)]
        rows, columns = (self.inputs, *before)[-1], CELLS[self.cell][0] * units
        cells: dict[str, tuple[int, ...]] = {"Wx": (rows, columns), "Wh": (units, columns), "b": (columns,)}
        if self.cell == "rnn":
            cells = {"x2h/W": cells["Wx"], "x2h/b": cells["b"], "h2h/W": cells["Wh"]}
        names += [f"cells/{name}" for name in cells] + ["out/W", "out/b"]
        shapes += [*cells.values(), (units, self.outputs), (self.outputs,)]
        return self._with_deviations(Layout(tuple(names), tuple(shapes)))

    @property
    def memory_size(self) -> int:
        """The cells' h (H,), and of an LSTM their c (H,) after it."""
        return CELLS[self.cell][1] * self.hidden[-1]

    @property
    def described(self) -> str:
        """Its unit counts, with the cells named."""
        return "-".join(map(str, (self.inputs, *self.hidden[:-1], f"{self.cell}{self.hidden[-1]}", self.outputs)))

    @cached_property
    def model(self) -> Any:
        """Layers `dense`, `cells` and `out`."""
        return self._and_deviations(_Remembering(self))

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The outputs and the next memory, by the framework."""
        y, after = self.step(theta, nn.as_variable(x), nn.as_variable(memory))
        return y.data, after.data

    def step(self, theta: Any, x: Any, memory: Any) -> Any:
        """The outputs and the next memory: the model's, but no layer keeps anything, so that threads may share it."""
        F = nn.functions
        with nn.no_grad():
            y, after = self.unrolled(self.layout.unpack(raw(theta)), F.reshape(x, (1, *x.shape)), memory)
            return F.reshape(y, y.shape[1:]), after

    def unrolled(self, weights: Mapping[str, Any], xs: Any, memory: Any) -> tuple[Any, Any]:
        """Outputs (T, B, o) and the memory (B, m) after observations xs (T, B, d), from the memory before them.

        `weights` are arrays or parameters by the names of the layout.
        """
        F, (steps, batch, _) = nn.functions, xs.shape
        hs, after = self.features(weights, xs, memory)
        y = F.linear(F.reshape(hs, (steps * batch, self.hidden[-1])), weights["out/W"], weights["out/b"])
        return F.reshape(y, (steps, batch, self.outputs)), after

    def features(self, weights: Mapping[str, Any], xs: Any, memory: Any, resets: Any = None) -> tuple[Any, Any]:
        """As `unrolled`, what the cells give (T, B, units) in place of the outputs.

        Where `resets` (T, B) are true they forget what was before that step.
        """
        F, (steps, batch, _), units = nn.functions, xs.shape, self.hidden[-1]
        activation, h = function(self.activation), memory[:, :units]
        x = F.reshape(xs, (steps * batch, self.inputs))
        for number in range(len(self.hidden) - 1):
            x = activation(F.linear(x, weights[f"dense/{number}/W"], weights[f"dense/{number}/b"]))
        xs = F.reshape(x, (steps, batch, x.shape[1]))
        names = ("x2h/W", "h2h/W", "x2h/b") if self.cell == "rnn" else ("Wx", "Wh", "b")
        cells = [weights[f"cells/{name}"] for name in names]
        if self.cell == "lstm":
            hs, c = F.lstm(xs, h, memory[:, units:], *(*cells, resets))
            return hs, F.concat([hs[-1], c], axis=1)
        hs = {"rnn": F.rnn, "gru": F.gru}[self.cell](xs, h, *(*cells, resets))
        return hs, hs[-1]


class _Remembering(nn.Model):
    """A `RecurrentNetwork` in layers."""

    def __init__(self, network: RecurrentNetwork) -> None:
        *before, units = network.hidden
        kind = {"rnn": nn.layers.RNN, "gru": nn.layers.GRU, "lstm": nn.layers.LSTM}[network.cell]
        sizes, rng = (network.inputs, *before), draws()
        self.dense = [nn.layers.Linear(o, in_size=d, rng=rng) for d, o in pairwise(sizes)]
        self.cells = kind(units, in_size=sizes[-1], rng=rng)
        self.out = nn.layers.Linear(network.outputs, in_size=units, rng=rng)
        self.activation = function(network.activation)

    def forward(self, x: Any) -> Any:
        """x (B, d) to (B, o), remembering."""
        for layer in self.dense:
            x = self.activation(layer(x))
        return self.out(self.cells(x))


def function(activation: str) -> Any:
    """An activation by name, of the framework."""
    return {"identity": lambda x: x, "relu": nn.functions.relu, "tanh": nn.functions.tanh}[activation]


def draws() -> np.random.Generator:
    """A generator for weights that nobody looks at: these networks are always bound to a vector."""
    return np.random.default_rng(0)

"""A policy's network as data: a specification holds a kind and numbers, and builds the network for given sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from cartwheel.errors import UsageError, did_you_mean
from cartwheel.nn.flat import ACTIVATIONS
from cartwheel.policies import graph
from cartwheel.policies.dueling import DuelingNetwork
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.networks import CELLS, Perceptron, RecurrentNetwork
from cartwheel.policies.stacked import StackedNetwork
from cartwheel.policies.table import TableNetwork

_LARGEST_LAYER = 1 << 20
_MOST_FRAMES = 1000


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron: the unit counts of its hidden layers and their activation (relu, tanh, identity)."""

    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _units(self.hidden))
        _check_name("activation", self.activation, ACTIVATIONS)

    def build(self, inputs: int, outputs: int) -> Perceptron:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return Perceptron(inputs, outputs, self.activation, self.hidden)


@dataclass(frozen=True)
class Recurrent:
    """A network with a memory: hidden layers of which the last is made of recurrent cells (rnn, gru, lstm).

    `activation` is that of the hidden layers before it; the cells have their own.
    """

    cell: str
    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _units(self.hidden))
        if not self.hidden:
            raise UsageError("hidden: a recurrent network wants the unit count of at least its recurrent layer")
        _check_name("cell", self.cell, CELLS)
        _check_name("activation", self.activation, ACTIVATIONS)

    def build(self, inputs: int, outputs: int) -> RecurrentNetwork:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return RecurrentNetwork(inputs, outputs, self.activation, self.hidden, self.cell)


@dataclass(frozen=True)
class Graph:
    """A network whose vector tells its shape: up to so many hidden nodes, and so many links beside those that lead from
    each input to each output. Its hidden nodes' activation is sigmoid or tanh; `recurrent` links read what was a step
    ago.
    """

    nodes: int = 16
    links: int = 64
    activation: str = "sigmoid"
    recurrent: bool = False

    def __post_init__(self) -> None:
        for name, value in (("nodes", self.nodes), ("links", self.links)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_LAYER:
                raise UsageError(f"{name}: expected a whole number from 0 to {_LARGEST_LAYER:,}, got {value!r}")
        if not isinstance(self.recurrent, bool):
            raise UsageError(f"recurrent: expected true or false, got {self.recurrent!r}")
        _check_name("activation", self.activation, graph.ACTIVATIONS)

    def build(self, inputs: int, outputs: int) -> GraphNetwork:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return GraphNetwork(inputs, outputs, self.activation, self.nodes, inputs * outputs + self.links, self.recurrent)


@dataclass(frozen=True)
class Dueling:
    """A multi-layer perceptron whose outputs are values of actions, made of the state's value and their advantages."""

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _units(self.hidden))
        _check_name("activation", self.activation, ACTIVATIONS)

    def build(self, inputs: int, outputs: int) -> DuelingNetwork:
        """The network for `inputs` numbers in and `outputs` actions."""
        return DuelingNetwork(inputs, outputs, self.activation, self.hidden)


@dataclass(frozen=True)
class Table:
    """A table of values: a row for each of the observations, which are Discrete, a column for each of such actions."""

    def build(self, inputs: int, outputs: int) -> TableNetwork:
        """The table for `inputs` observations, one-hot, and `outputs` actions."""
        return TableNetwork(inputs, outputs, "identity")


@dataclass(frozen=True)
class Stochastic:
    """A network whose outputs are a distribution of actions: logits of choices, or the means of a Box's numbers.

    The logarithms of their deviations are parameters too. Greedy actions are the most probable ones: a Box's means,
    clipped to its bounds. `cell` is "none" for a multi-layer perceptron, else that of the last hidden layer.
    """

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    cell: str = "none"

    def __post_init__(self) -> None:
        plain = specification(self.cell, self.hidden, self.activation)
        object.__setattr__(self, "hidden", plain.hidden)

    def build(self, inputs: int, outputs: int, groups: tuple[int, ...] | None = None) -> Perceptron | RecurrentNetwork:
        """The network for `inputs` numbers in and `outputs` numbers out.

        They are logits of choices in these groups, or of one; or, without any group, the means of numbers.
        """
        groups = (outputs,) if groups is None else groups
        plain = specification(self.cell, self.hidden, self.activation).build(inputs, outputs)
        return replace(plain, groups=groups, deviations=0 if groups else outputs)


@dataclass(frozen=True)
class Stacked:
    """Any of the networks without a memory, which sees the last `frames` observations side by side."""

    frames: int
    inner: MLP | Dueling | Stochastic

    def __post_init__(self) -> None:
        frames = self.frames
        if not isinstance(frames, int) or isinstance(frames, bool) or not 2 <= frames <= _MOST_FRAMES:
            raise UsageError(f"frames: expected a whole number from 2 to {_MOST_FRAMES:,}, got {frames!r}")
        if not isinstance(self.inner, (MLP, Dueling, Stochastic)) or getattr(self.inner, "cell", "none") != "none":
            raise UsageError("frames: expected layers without a memory of their own (mlp, dueling, stochastic)")

    def build(self, inputs: int, outputs: int, groups: tuple[int, ...] | None = None) -> StackedNetwork:
        """The network for `inputs` numbers a frame in and `outputs` numbers out; `groups` as `Stochastic` has them."""
        more = (groups,) if isinstance(self.inner, Stochastic) else ()
        inner = self.inner.build(self.frames * inputs, outputs, *more)
        return StackedNetwork(inputs, outputs, inner.activation, self.frames, inner)


Specification: TypeAlias = MLP | Recurrent | Graph | Table | Dueling | Stochastic | Stacked


def specification(memory: str, hidden: tuple[int, ...], activation: str) -> MLP | Recurrent:
    """The specification for a memory by name ("none", or a kind of recurrent cells) and these hidden layers."""
    return MLP(hidden, activation) if memory == "none" else Recurrent(memory, hidden, activation)


def stacked(frames: int, seeing: MLP | Recurrent | Dueling | Stochastic) -> Specification:
    """A specification that sees so many observations at once; UsageError where it has a memory of its own."""
    if frames == 1:
        return seeing
    if isinstance(seeing, Recurrent) or getattr(seeing, "cell", "none") != "none":
        raise UsageError(f"--frames: expected 1 with --memory, since its cells remember by themselves, got {frames:,}")
    return Stacked(frames, seeing)


def is_stochastic(specification: Specification) -> bool:
    """Whether the outputs of its networks are a distribution of actions."""
    seeing = specification.inner if isinstance(specification, Stacked) else specification
    return isinstance(seeing, Stochastic)


def _units(hidden: Any) -> tuple[int, ...]:
    if not isinstance(hidden, (tuple, list)):
        raise UsageError(f"hidden: expected a tuple of unit counts, got {hidden!r}")
    for units in hidden:
        if not isinstance(units, int) or isinstance(units, bool) or not 1 <= units <= _LARGEST_LAYER:
            raise UsageError(f"hidden: expected unit counts from 1 to {_LARGEST_LAYER:,}, got {units!r}")
    return tuple(hidden)


def _check_name(what: str, name: Any, known: Iterable[str]) -> None:
    if name not in known:
        raise UsageError(f"unknown {what} {name!r}; {did_you_mean(str(name), known)}")


_KINDS: dict[str, type[Specification]] = {
    "mlp": MLP,
    "recurrent": Recurrent,
    "graph": Graph,
    "table": Table,
    "dueling": Dueling,
    "stochastic": Stochastic,
    "stacked": Stacked,
}


def to_data(specification: Specification) -> dict[str, Any]:
    """A specification as JSON-ready data."""
    kind = next(kind for kind, made in _KINDS.items() if isinstance(specification, made))
    data = {field.name: getattr(specification, field.name) for field in fields(specification)}
    if isinstance(specification, Stacked):
        data["inner"] = to_data(specification.inner)
    return {"kind": kind, **{name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}}


def from_data(data: Any, within: bool = False) -> Specification:
    """The specification that `to_data` wrote; UsageError for anything else (it may be a stranger's file).

    `within` another one there is no third.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    made = _KINDS.get(str(kind))
    if made is None or (made is Stacked and within) or set(data) != {"kind", *(field.name for field in fields(made))}:
        raise UsageError("not the specification of a policy that this version knows")
    values = {name: value for name, value in data.items() if name != "kind"}
    for name, value in values.items():
        if name == "hidden" and (not isinstance(value, list) or len(value) > 1000):
            raise UsageError(f"a specification of the kind {kind!r} wants {name} (a list)")
        if name in ("cell", "activation") and not isinstance(value, str):
            raise UsageError(f"a specification of the kind {kind!r} wants {name} (a text)")
    if made is Stacked:
        values["inner"] = from_data(values["inner"], within=True)
    return made(**values)

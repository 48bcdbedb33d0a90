"""A policy's network as data: a specification holds a kind and numbers, and builds the network for given sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cartwheel.errors import UsageError, did_you_mean
from cartwheel.nn.flat import ACTIVATIONS
from cartwheel.policies.networks import CELLS, Network, Perceptron, RecurrentNetwork

_LARGEST_LAYER = 1 << 20


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron: the unit counts of its hidden layers and their activation (relu, tanh, identity)."""

    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _units(self.hidden))
        _check_name("activation", self.activation, ACTIVATIONS)

    def build(self, inputs: int, outputs: int) -> Network:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return Perceptron(self.hidden, self.activation, inputs, outputs)


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

    def build(self, inputs: int, outputs: int) -> Network:
        """The network for `inputs` numbers in and `outputs` numbers out."""
        return RecurrentNetwork(self.hidden, self.activation, inputs, outputs, self.cell)


Specification: TypeAlias = MLP | Recurrent


def specification(memory: str, hidden: tuple[int, ...], activation: str) -> Specification:
    """The specification for a memory by name ("none", or a kind of recurrent cells) and these hidden layers."""
    return MLP(hidden, activation) if memory == "none" else Recurrent(memory, hidden, activation)


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


def to_data(specification: Specification) -> dict[str, Any]:
    """A specification as JSON-ready data."""
    data = {"hidden": list(specification.hidden), "activation": specification.activation}
    match specification:
        case MLP():
            return {"kind": "mlp", **data}
        case Recurrent():
            return {"kind": "recurrent", "cell": specification.cell, **data}


def from_data(data: Any) -> Specification:
    """The specification that `to_data` wrote; UsageError for anything else (it may be a stranger's file)."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    wanted = {"mlp": ("hidden", "activation"), "recurrent": ("cell", "hidden", "activation")}.get(str(kind))
    if wanted is None or set(data) != {"kind", *wanted}:
        raise UsageError("not the specification of a policy that this version knows")
    hidden, activation, cell = data["hidden"], data["activation"], data.get("cell", "")
    if not isinstance(hidden, list) or len(hidden) > 1000 or not isinstance(activation, str):
        raise UsageError(f"a specification of the kind {kind!r} wants hidden (a list) and activation (a text)")
    if not isinstance(cell, str):
        raise UsageError("a specification of the kind 'recurrent' wants cell (a text)")
    return Recurrent(cell, tuple(hidden), activation) if kind == "recurrent" else MLP(tuple(hidden), activation)

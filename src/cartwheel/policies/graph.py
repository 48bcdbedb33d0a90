"""A network of any shape, as NEAT evolves it: its nodes and links are told by its vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.nn.flat import Array, Layout
from cartwheel.policies.networks import Network


def _sigmoid(x: Array) -> Array:
    steep = x.dtype.type(4.9) * x
    e = np.exp(-np.abs(steep))
    result: Array = np.where(steep < 0, e, x.dtype.type(1.0)) / (x.dtype.type(1.0) + e)
    return result


#: The steep sigmoid of Stanley and Miikkulainen, 1 / (1 + e**(-4.9 x)), and tanh. A kernel knows them by their places.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"sigmoid": _sigmoid, "tanh": np.tanh}

# Slots and counts are floats in the vector; up to here each whole number is one.
_LARGEST = 1 << 24


class Node(NamedTuple):
    """A node of a graph: its slot, its bias, and its links' sources (slots) and weights, `(l,)` each."""

    slot: int
    bias: Any
    sources: NDArray[np.int64]
    weights: Array


@dataclass(frozen=True)
class GraphNetwork(Network):
    """A network of up to `nodes` hidden nodes and `links` links, of which the vector says which there are.

    The vector holds K, how many nodes are computed; room for N nodes, of which an output is always one, with three
    numbers each: its slot, its bias and where its links end; room for the links, each the slot of its source and its
    weight. Slots are the inputs, the outputs, and the hidden nodes; a network that is `recurrent` has another slot for
    each output and hidden node, with its value of the step before. Nodes are computed in the vector's order: hidden
    ones go through the `activation`, outputs are sums. Remembered outputs go through it too: nothing grows for ever.
    """

    activation: str
    nodes: int
    links: int
    recurrent: bool

    def __post_init__(self) -> None:
        if self.size > _LARGEST or self.inputs + 2 * self.room > _LARGEST:
            raise UsageError(
                f"a graph of {self.nodes:,} nodes and {self.links:,} links between {self.inputs:,} inputs and "
                f"{self.outputs:,} outputs is too large: its vector would have {self.size:,} numbers"
            )

    @property
    def room(self) -> int:
        """N: outputs and hidden nodes."""
        return self.outputs + self.nodes

    @property
    def slots(self) -> int:
        """How many values a link can begin at."""
        return self.inputs + self.room * (2 if self.recurrent else 1)

    @cached_property
    def layout(self) -> Layout:
        """`count` (1,), `nodes` (N, 3) and `links` (E, 2)."""
        return Layout(("count", "nodes", "links"), ((1,), (self.room, 3), (self.links, 2)))

    @property
    def memory_size(self) -> int:
        """N where it is recurrent: what the outputs and hidden nodes were."""
        return self.room if self.recurrent else 0

    @property
    def described(self) -> str:
        """Inputs and outputs, and what may stand between them."""
        return f"{self.inputs}-graph-{self.outputs}"

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """`count` vectors `(count, n)` without hidden nodes: all inputs go to all outputs, by weights and with biases
        from N(0, deviation**2).
        """
        theta = np.zeros((count, self.size), np.float32)
        arrays, I, O = self.layout.unpack(theta), self.inputs, self.outputs
        arrays["count"][:] = O
        nodes, links = arrays["nodes"][:, :O], arrays["links"][:, : I * O]
        nodes[..., 0] = I + np.arange(O)
        nodes[..., 1] = deviation * rng.standard_normal((count, O), np.float32)
        nodes[..., 2] = I * np.arange(1, O + 1)
        links[..., 0] = np.tile(np.arange(I), O)
        links[..., 1] = deviation * rng.standard_normal((count, I * O), np.float32)
        return theta

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The outputs, each sum from the bias on in the order of the links, and the values to remember."""
        N, O = self.room, self.outputs
        values = np.concatenate([x.T, np.zeros((N, len(x))), memory.T]).astype(theta.dtype)  # (slots, B)
        for node in self.read(theta):
            total = np.full(len(x), node.bias)
            for source, weight in zip(node.sources, node.weights, strict=True):
                total += weight * values[source]
            hidden = node.slot >= self.inputs + O
            values[node.slot] = ACTIVATIONS[self.activation](total) if hidden else total
        now = values[self.inputs : self.inputs + N]
        y = now[:O].T.copy()
        if not self.recurrent:
            return y, memory
        return y, np.concatenate([ACTIVATIONS[self.activation](now[:O]), now[O:]]).T

    def read(self, theta: Array) -> Iterator[Node]:
        """The nodes that a vector tells, in the order in which they are computed.

        Any vector tells something, in the kernel too: nodes and links whose slots are none are left out, and a count or
        an end that makes no sense is the nearest that does.
        """
        arrays = self.layout.unpack(theta)
        first = 0
        for slot, bias, end in arrays["nodes"][: _whole(arrays["count"][0], 0, self.room)]:
            last = _whole(end, first, self.links)
            sources, weights = arrays["links"][first:last].T
            kept = (sources >= 0) & (sources < self.slots)
            first = last
            if self.inputs <= slot < self.inputs + self.room:
                yield Node(int(slot), bias, sources[kept].astype(np.int64), weights[kept])

    def check(self, theta: Array) -> None:
        """UsageError where a vector tells no network: whatever `read` and the kernel would have to make the best of."""
        arrays = self.layout.unpack(theta)
        count, (slots, _, ends) = float(arrays["count"][0]), arrays["nodes"].T
        if not (count.is_integer() and self.outputs <= count <= self.room):
            raise UsageError(f"the graph has to compute {self.outputs} to {self.room} nodes, not {count:g}")
        slots, ends = slots[: int(count)], np.concatenate([[0], ends[: int(count)]])
        own = range(self.inputs, self.inputs + self.room)
        if len({*slots} & {*own}) < count or not {*own[: self.outputs]} <= {*slots}:
            raise UsageError(
                f"the graph's nodes have to be all outputs and different: slots from {own[0]} to {own[-1]}"
            )
        if (ends != ends.round()).any() or (np.diff(ends) < 0).any() or ends[-1] > self.links:
            raise UsageError(
                f"the links of the graph's nodes have to end one after the other, at {self.links} or before"
            )
        self._check_sources(arrays["links"][:, 0], slots, ends.astype(np.int64))

    def _check_sources(self, sources: Array, slots: Array, ends: NDArray[np.int64]) -> None:
        """UsageError where a link begins at nothing, or at a node that is not computed before it is read."""
        nodes = [int(slot) for slot in slots]
        known = {*range(self.inputs), *(slot + self.room for slot in nodes if self.recurrent)}
        for slot, first, last in zip(nodes, ends[:-1], ends[1:], strict=True):
            unknown = {*sources[first:last].tolist()} - known
            if unknown:
                raise UsageError(f"the graph's node {slot} reads slot {min(unknown):g}, which has no value then")
            known.add(slot)


def _whole(x: Any, least: int, most: int) -> int:
    """x as a whole number from `least` to `most`; `least` of NaN."""
    return most if x >= most else int(x) if x > least else least

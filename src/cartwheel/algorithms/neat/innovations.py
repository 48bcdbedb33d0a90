"""Innovation numbers: what a gene is, whoever has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Innovations:
    """All links that have ever arisen, by number, and all hidden nodes.

    Inputs are the nodes 0 to I - 1, outputs the next O, hidden nodes what follows. A link's number says its source and
    its target; the first I * O lead from each input to each output. A hidden node is known by the link that it split
    and how many nodes of that link its genome had already. So the same mutation has the same number, in one generation
    as the paper wants, and later on too.

    Hidden nodes stand in one order for all genomes: a new one in the middle between its link's ends. A link to a node
    further on reads what is, any other one, and all from outputs, what was a step ago; so whatever links are put
    together, there is no cycle.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._ends = [(i, inputs + o) for i in range(inputs) for o in range(outputs)]
        self._links = {ends: number for number, ends in enumerate(self._ends)}
        self._nodes: dict[tuple[int, int], int] = {}
        self._order: list[int] = []
        self._tables: tuple[Integers, Integers, Integers] | None = None

    def link(self, source: int, target: int) -> int:
        """The number of the link between two nodes."""
        ends = (source, target)
        if ends not in self._links:
            self._links[ends] = len(self._ends)
            self._ends.append(ends)
            self._tables = None
        return self._links[ends]

    def node(self, link: int, nth: int) -> int:
        """The node that splits a link in a genome with `nth` such nodes already."""
        if (link, nth) not in self._nodes:
            node = self.inputs + self.outputs + len(self._nodes)
            self._order.insert(self._between(*self._ends[link]), node)
            self._nodes[link, nth] = node
            self._tables = None
        return self._nodes[link, nth]

    def _between(self, source: int, target: int) -> int:
        """A place in the order of hidden nodes: behind the source, if the target is so too, and before the target."""
        last = len(self._order) if target < self.inputs + self.outputs else self._order.index(target)
        known = source in self._order and self._order.index(source) < last
        first = self._order.index(source) + 1 if known else 0
        return (first + last) // 2

    @property
    def sources(self) -> Integers:
        """The source of each link (X,)."""
        return self._told()[0]

    @property
    def targets(self) -> Integers:
        """The target of each link (X,)."""
        return self._told()[1]

    @property
    def rank(self) -> Integers:
        """When each node is computed: 0 for inputs, the same last rank for all outputs."""
        return self._told()[2]

    def _told(self) -> tuple[Integers, Integers, Integers]:
        if self._tables is None:
            links = np.array(self._ends, np.int64)
            rank = np.zeros(self.inputs + self.outputs + len(self._order), np.int64)
            rank[self._order] = np.arange(1, len(self._order) + 1)
            rank[self.inputs : self.inputs + self.outputs] = len(self._order) + 1
            self._tables = links[:, 0].copy(), links[:, 1].copy(), rank
        return self._tables

    def state(self) -> dict[str, Integers]:
        """The tables as arrays: links (X, 2), what nodes split (Y, 2), and their order (Y,)."""
        return {
            "links": np.array(self._ends, np.int64),
            "splits": np.array(list(self._nodes), np.int64).reshape(-1, 2),
            "order": np.array(self._order, np.int64),
        }

    def restored(self, state: Mapping[str, Any]) -> Innovations:
        """Those of a state, for the same inputs and outputs; ValueError if it is of others, or no such tables."""
        made = Innovations(self.inputs, self.outputs)
        first, ends, splits = made._ends, _pairs(state, "links"), _pairs(state, "splits")
        hidden, nodes = self.inputs + self.outputs, self.inputs + self.outputs + len(splits)
        order = np.asarray(state["order"]).tolist()
        if ends[: len(first)] != first:
            raise ValueError(f"expected links of {self.inputs} inputs and {self.outputs} outputs, got others")
        if not all(0 <= node < nodes for ends_of_one in ends for node in ends_of_one):
            raise ValueError(f"expected links between {nodes} nodes, as splits has {len(splits)}, got others")
        if not all(0 <= link < len(ends) for link, _ in splits):
            raise ValueError(f"expected splits of {len(ends)} links, got others")
        if sorted(order) != list(range(hidden, nodes)):
            raise ValueError(f"expected an order of the {len(splits)} nodes that splits has, got another")
        made._ends, made._links = ends, {pair: number for number, pair in enumerate(ends)}
        made._nodes = {pair: hidden + k for k, pair in enumerate(splits)}
        made._order = order
        return made


def _pairs(state: Mapping[str, Any], name: str) -> list[tuple[int, int]]:
    """The rows of a table `(k, 2)`, no two of them equal; ValueError for what is none."""
    table = np.asarray(state[name])
    if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
        raise ValueError(f"expected {name} as whole numbers (k, 2), got {table.dtype} of shape {table.shape}")
    pairs = [(one, other) for one, other in table.tolist()]
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"expected each of {name} once, got some again")
    return pairs

"""A network of any shape, which is itself numbers: one row evaluates it, whatever its nodes and links are.

A vector tells the network: how many nodes it has, then room for N nodes, three numbers each (the node's slot, its
bias, and where its links end), then room for E links, two numbers each (the slot of the source, the weight). Nodes
stand in the order in which they are computed, their links in the order of the nodes. Slots are places in the values:
I inputs, then the O outputs and the hidden nodes, N together; behind them, where the network remembers, what these N
were a step ago.

The numbers may be a stranger's. A slot that is none leaves its node or link out, a count or an end that is beyond
counts as far as it can, and what has not been computed yet is 0: nothing outside the row's own memory is touched.

The words of a row: 1 inputs I, 2 outputs O, 3 nodes N, 4 links E, 5 the activation, 6 whether it remembers; 7 the
vector, 8 the values, of which inputs and memory are read and the rest is written, 9 the memory after this step (N,).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.floats import like
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import stretch
from cartwheel.kernels.opcodes.gates import gate_tanh
from cartwheel.kernels.opcodes.registry import Span, opcode, summed

INPUTS, OUTPUTS, NODES, LINKS, ACTIVATION, REMEMBERS, VECTOR, VALUES, AFTER = range(1, 10)

SIGMOID, TANH = 0, 1  # places in policies.graph.ACTIVATIONS

#: Numbers of a node, and of a link.
PER_NODE, PER_LINK = 3, 2

# What a node is off goes into the next, times its weights.
_LEVEL = summed(2)


def _form(row: Any) -> Iterator[Span]:
    inputs, outputs, nodes, links = row[INPUTS:ACTIVATION].tolist()
    if min(inputs, links) < 0 or not 1 <= outputs <= nodes:
        raise ValueError("lengths that make no sense")
    if row[ACTIVATION] not in (SIGMOID, TANH) or row[REMEMBERS] not in (0, 1):
        raise ValueError("an activation or a memory that makes no sense")
    values, memory = int(row[VALUES]), nodes * int(row[REMEMBERS])
    spans = [
        stretch(row[VECTOR], 1 + PER_NODE * nodes + PER_LINK * links),
        stretch(values, inputs),
        stretch(values + inputs, nodes, written=True),
        stretch(values + inputs + nodes, memory),
        stretch(row[AFTER], memory, written=True),
    ]
    yield from distinct(spans)


@compiled()
def _whole(x: Any, least: int, most: int) -> int:
    """x as a whole number from `least` to `most`; `least` of NaN. No float is converted that an integer can't hold."""
    if x >= like(x, most):
        return most
    return int(x) if x > like(x, least) else least


@compiled()
def _active(x: Any, activation: int) -> Any:
    """The activation: 1 / (1 + e**(-4.9 x)) as (1 + tanh(4.9 x / 2)) / 2, or tanh."""
    if activation == SIGMOID:
        half = like(x, 0.5)
        return half * gate_tanh(like(x, 2.45) * x) + half
    return gate_tanh(x)


@compiled()
def _sum(row: Any, numbers: Any, bias: Any, first: int, last: int) -> Any:
    """The bias, and the links from `first` to before `last`, in order."""
    links, values = row[VECTOR] + 1 + PER_NODE * row[NODES], row[VALUES]
    reach = like(bias, row[INPUTS] + row[NODES] * (1 + row[REMEMBERS]))
    total = bias
    for link in range(first, last):
        source = numbers[links + PER_LINK * link]
        if source >= like(bias, 0.0) and source < reach:
            total += numbers[links + PER_LINK * link + 1] * numbers[values + int(source)]
    return total


@compiled()
def _remember(row: Any, numbers: Any) -> None:
    """The memory: the nodes' values, those of outputs through the activation."""
    now, after = part(numbers, row[VALUES] + row[INPUTS], row[NODES]), part(numbers, row[AFTER], row[NODES])
    for k in range(len(now)):
        after[k] = _active(now[k], row[ACTIVATION]) if k < row[OUTPUTS] else now[k]


@opcode(_form, _LEVEL)
def graph(row: Any, numbers: Any, integers: Any) -> None:
    """A network told by a vector: each node's bias and weighted values, if it is hidden through the activation."""
    inputs, nodes = row[INPUTS], row[NODES]
    part(numbers, row[VALUES] + inputs, nodes)[:] = 0
    first = 0
    for k in range(_whole(numbers[row[VECTOR]], 0, nodes)):
        node = row[VECTOR] + 1 + PER_NODE * k
        last = _whole(numbers[node + 2], first, row[LINKS])
        slot, total = numbers[node], _sum(row, numbers, numbers[node + 1], first, last)
        if slot >= like(slot, inputs) and slot < like(slot, inputs + nodes):
            hidden = slot >= like(slot, inputs + row[OUTPUTS])
            numbers[row[VALUES] + int(slot)] = _active(total, row[ACTIVATION]) if hidden else total
        first = last
    if row[REMEMBERS] != 0:
        _remember(row, numbers)

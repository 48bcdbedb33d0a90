"""Genomes as arrays: a population is a few matrices, a row each, and no object for a gene."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.neat.innovations import Innovations, Integers
from cartwheel.policies.graph import GraphNetwork

Weights = NDArray[np.float32]

#: Where a genome has no more genes or nodes; larger than all numbers.
NONE = 1 << 40


@dataclass(frozen=True)
class Genomes:
    """P genomes with room for G genes and H hidden nodes each.

    `genes (P, G)` are the links' innovation numbers, ascending, then NONE, with `weights` and whether they are
    `enabled`; `nodes (P, H)` the hidden nodes, ascending, then NONE; `biases (P, O + H)` those of outputs and of nodes.
    """

    genes: Integers
    weights: Weights
    enabled: NDArray[np.bool_]
    nodes: Integers
    biases: Weights

    def __len__(self) -> int:
        return len(self.genes)

    def __getitem__(self, rows: Any) -> Genomes:
        """A copy of some rows: an array of places, or a slice."""
        return Genomes(*(getattr(self, field.name)[rows].copy() for field in fields(self)))

    @property
    def sizes(self) -> Integers:
        """How many genes each has (P,)."""
        return _count(self.genes)

    @property
    def hidden(self) -> Integers:
        """How many hidden nodes each has (P,)."""
        return _count(self.nodes)

    @staticmethod
    def joined(parts: list[Genomes]) -> Genomes:
        """Several populations as one."""
        return Genomes(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Genomes)))


def check(genomes: Genomes, innovations: Innovations) -> None:
    """ValueError for genomes with genes or nodes that the innovations don't know, or out of order."""
    first = innovations.inputs + innovations.outputs
    kinds = {
        "genes": (genomes.genes, 0, len(innovations.sources)),
        "nodes": (genomes.nodes, first, len(innovations.rank)),
    }
    for name, (rows, low, end) in kinds.items():
        if not (((rows >= low) & (rows < end)) | (rows == NONE)).all():
            raise ValueError(f"expected {name} numbered from {low} to {end - 1}, got others")
        if not ((rows[:, :-1] < rows[:, 1:]) | (rows[:, 1:] == NONE)).all():
            raise ValueError(f"expected {name} in ascending order, got another")
    number = np.where(genomes.genes == NONE, 0, genomes.genes)
    for ends in (innovations.sources[number], innovations.targets[number]):
        if ((ends >= first) & (find(genomes.nodes, ends) < 0)).any():
            raise ValueError("expected genes between nodes that their genome has, got others")


def _count(rows: Integers) -> Integers:
    counts: Integers = (rows != NONE).sum(axis=1)
    return counts


def minimal(network: GraphNetwork, count: int, deviation: float, rng: np.random.Generator) -> Genomes:
    """`count` genomes without hidden nodes: all inputs go to all outputs; weights and biases ~ N(0, deviation**2)."""
    I, O, H = network.inputs, network.outputs, network.nodes
    shape = (count, network.links)
    genomes = Genomes(
        np.full(shape, NONE), np.zeros(shape, np.float32), np.zeros(shape, np.bool_), np.full((count, H), NONE),
        np.zeros((count, O + H), np.float32),
    )  # fmt: skip
    genomes.genes[:, : I * O] = np.arange(I * O)
    genomes.weights[:, : I * O] = deviation * rng.standard_normal((count, I * O), np.float32)
    genomes.enabled[:, : I * O] = True
    genomes.biases[:, :O] = deviation * rng.standard_normal((count, O), np.float32)
    return genomes


def find(rows: Integers, values: Integers) -> Integers:
    """Where each value `(P, k)` stands in its row of `rows (P, l)`, which ascend; -1 where it does not."""
    P, length = rows.shape
    if length == 0:
        return np.full(values.shape, -1)
    base = np.arange(P)[:, None] * (2 * NONE)  # so that all rows together ascend
    flat = (rows + base).ravel()
    places = np.searchsorted(flat, values + base)
    known = flat[places.clip(max=flat.size - 1)] == values + base
    return np.where(known & (values != NONE), places - np.arange(P)[:, None] * length, -1)


def compiled(genomes: Genomes, innovations: Innovations, network: GraphNetwork) -> Weights:
    """The vectors `(P, n)` that tell the networks of these genomes: what is enabled, in the order of computation."""
    P, I, O = len(genomes), network.inputs, network.outputs
    theta = np.zeros((P, network.size), np.float32)
    arrays = network.layout.unpack(theta)
    hidden = genomes.hidden[:, None]  # (P, 1)
    arrays["count"][:] = hidden + O
    # nodes: hidden ones by rank, then the outputs
    ranks = np.where(genomes.nodes == NONE, NONE, innovations.rank[np.where(genomes.nodes == NONE, 0, genomes.nodes)])
    order = np.argsort(ranks, axis=1, kind="stable")  # (P, H)
    turn = np.arange(network.room) - hidden  # (P, N): 0 for the first output
    padded = np.concatenate([order, np.zeros((P, O), np.int64)], axis=1)
    slots = np.where(turn < 0, I + O + padded, I + turn.clip(0, O - 1))
    there = turn < O
    arrays["nodes"][..., 0] = np.where(there, slots, 0)
    arrays["nodes"][..., 1] = np.where(there, np.take_along_axis(genomes.biases, slots - I, axis=1), 0)
    # links, by their targets' places
    places = np.concatenate([hidden + np.arange(O), np.argsort(order, axis=1)], axis=1)  # (P, O + H)
    used = int(genomes.sizes.max(initial=0))
    genes, on = genomes.genes[:, :used], genomes.enabled[:, :used]
    number = np.where(genes == NONE, 0, genes)
    source, target = innovations.sources[number], innovations.targets[number]
    delayed = innovations.rank[source] >= innovations.rank[target]
    source_slots = _slots(genomes, source, I + O) + np.where(delayed, network.room, 0)
    at = np.take_along_axis(places, _slots(genomes, target, I + O) - I, axis=1)
    at = np.where(on, at, network.room)  # behind all nodes
    sorting = np.argsort(at, axis=1, kind="stable")
    some = np.take_along_axis(on, sorting, axis=1)
    links = arrays["links"][:, :used]
    links[..., 0] = np.where(some, np.take_along_axis(source_slots, sorting, axis=1), 0)
    links[..., 1] = np.where(some, np.take_along_axis(genomes.weights[:, :used], sorting, axis=1), 0)
    width = network.room + 1
    counts = np.bincount((at + np.arange(P)[:, None] * width).ravel(), minlength=P * width).reshape(P, width)
    arrays["nodes"][..., 2] = np.where(there, counts[:, :-1].cumsum(axis=1), 0)
    return theta


def _slots(genomes: Genomes, ids: Integers, first: int) -> Integers:
    """The slots of nodes by id `(P, k)`: inputs and outputs have their ids, hidden nodes their places in the genome."""
    return np.where(ids < first, ids, first + find(genomes.nodes, ids))

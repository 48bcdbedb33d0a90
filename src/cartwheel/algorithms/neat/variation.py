"""Crossover and mutations of genomes. Structure is inherited whole from the fitter parent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.neat.genomes import NONE, Genomes, Weights, find
from cartwheel.algorithms.neat.innovations import Innovations, Integers
from cartwheel.algorithms.neat.settings import NeatSettings
from cartwheel.policies.graph import GraphNetwork

Numbers = NDArray[np.float64]


def crossed(
    genomes: Genomes, fitness: Numbers, first: Integers, second: Integers, disabled: float, rng: np.random.Generator
) -> Genomes:
    """The children `(C,)` of first and second parents: the fitter one's genes, matching ones at random from either.

    At ties the smaller genome is the fitter one, then the first. A matching gene that is disabled in a parent is so in
    the child with the chance `disabled`.
    """
    sizes = genomes.sizes
    better = (fitness[second] > fitness[first]) | ((fitness[second] == fitness[first]) & (sizes[second] < sizes[first]))
    child, other = genomes[np.where(better, second, first)], genomes[np.where(better, first, second)]
    used = int(sizes.max(initial=0))
    weights, enabled = child.weights[:, :used], child.enabled[:, :used]
    at = find(other.genes[:, :used], child.genes[:, :used])  # (C, g)
    matching, at = at >= 0, at.clip(0)
    taken = matching & (rng.random(at.shape) < 0.5)
    weights[...] = np.where(taken, np.take_along_axis(other.weights, at, axis=1), weights)
    both = enabled & np.take_along_axis(other.enabled, at, axis=1)
    enabled[...] = np.where(matching & ~both, rng.random(at.shape) >= disabled, enabled)
    at = _biases_of(child, other)
    taken = (at >= 0) & (rng.random(at.shape) < 0.5)
    child.biases[...] = np.where(taken, np.take_along_axis(other.biases, at.clip(0), axis=1), child.biases)
    return child


def _biases_of(child: Genomes, other: Genomes) -> Integers:
    """Where the biases of a child's nodes stand in another genome `(C, O + H)`; -1 where it has no such node."""
    outputs = child.biases.shape[1] - child.nodes.shape[1]
    nodes = find(other.nodes, child.nodes)
    own = np.broadcast_to(np.arange(outputs), (len(child), outputs))
    return np.concatenate([own, np.where(nodes < 0, -1, outputs + nodes)], axis=1)


def mutate_weights(genomes: Genomes, settings: NeatSettings, rng: np.random.Generator) -> None:
    """In the share `weight_probability` of the genomes, each weight and bias: perturbed, or replaced by a new one."""
    chosen = rng.random((len(genomes), 1)) < settings.weight_probability
    hidden = genomes.nodes != NONE
    outputs = np.ones((len(genomes), genomes.biases.shape[1] - hidden.shape[1]), np.bool_)
    _perturb(genomes.weights, chosen & (genomes.genes != NONE), settings, rng)
    _perturb(genomes.biases, chosen & np.concatenate([outputs, hidden], axis=1), settings, rng)


def _perturb(numbers: Weights, which: NDArray[np.bool_], settings: NeatSettings, rng: np.random.Generator) -> None:
    """Change some of these numbers."""
    old = numbers[which]
    replaced = rng.random(old.size) < settings.weight_replaced
    fresh = settings.initial_std * rng.standard_normal(old.size)
    moved = old + settings.weight_power * rng.uniform(-1.0, 1.0, old.size)
    numbers[which] = np.where(replaced, fresh, moved).clip(-settings.largest_weight, settings.largest_weight)


def mutate_structure(
    genomes: Genomes, settings: NeatSettings, innovations: Innovations, network: GraphNetwork, rng: np.random.Generator
) -> None:
    """Add a node, add a link, and enable or disable one, each in its share of the genomes. A full genome stays."""
    shares = settings.node_probability, settings.link_probability, settings.toggle_probability
    chances = rng.random((len(genomes), 3)) < shares
    for row in np.flatnonzero(chances.any(axis=1)).tolist():
        node, link, toggle = chances[row]
        if node:
            add_node(genomes, row, innovations, rng)
        if link:
            add_link(genomes, row, settings.initial_std, innovations, network, rng)
        if toggle:
            gene = rng.integers(genomes.sizes[row])
            genomes.enabled[row, gene] ^= True


def add_node(genomes: Genomes, row: int, innovations: Innovations, rng: np.random.Generator) -> None:
    """Split a random enabled link: disabled, it gives way to one of weight 1 and, behind the node, one of its own."""
    enabled = np.flatnonzero(genomes.enabled[row])
    if not enabled.size or genomes.nodes[row, -1:].tolist() != [NONE] or (genomes.genes[row, -2:] != NONE).any():
        return
    gene = int(rng.choice(enabled))
    link, weight, nth = int(genomes.genes[row, gene]), genomes.weights[row, gene], 0
    while (node := innovations.node(link, nth)) in genomes.nodes[row]:
        nth += 1
    genomes.enabled[row, gene] = False
    place = int(np.searchsorted(genomes.nodes[row], node))
    outputs = genomes.biases.shape[1] - genomes.nodes.shape[1]
    _insert(genomes.nodes[row], place, node)
    _insert(genomes.biases[row], outputs + place, 0.0)
    add_gene(genomes, row, innovations.link(int(innovations.sources[link]), node), 1.0)
    add_gene(genomes, row, innovations.link(node, int(innovations.targets[link])), float(weight))


def add_link(
    genomes: Genomes,
    row: int,
    deviation: float,
    innovations: Innovations,
    network: GraphNetwork,
    rng: np.random.Generator,
) -> None:
    """Link two random nodes that are not linked so, forward, or either way where the network is recurrent."""
    if genomes.genes[row, -1] != NONE:
        return
    hidden = genomes.nodes[row][genomes.nodes[row] != NONE]
    nodes = np.concatenate([np.arange(network.inputs + network.outputs), hidden])
    targets = nodes[network.inputs :]
    rank = innovations.rank
    free = np.ones((len(nodes), len(targets)), np.bool_)
    if not network.recurrent:
        free = rank[nodes][:, None] < rank[targets]
    genes = genomes.genes[row][genomes.genes[row] != NONE]
    at = np.argsort(nodes)
    sources = at[np.searchsorted(nodes, innovations.sources[genes], sorter=at)]
    ends = at[np.searchsorted(nodes, innovations.targets[genes], sorter=at)]
    free[sources, ends - network.inputs] = False
    pairs = np.flatnonzero(free)
    if pairs.size:
        source, target = divmod(int(rng.choice(pairs)), len(targets))
        number = innovations.link(int(nodes[source]), int(targets[target]))
        add_gene(genomes, row, number, deviation * rng.standard_normal())


def add_gene(genomes: Genomes, row: int, number: int, weight: float) -> None:
    """Give a genome that has room another gene, enabled."""
    place = int(np.searchsorted(genomes.genes[row], number))
    _insert(genomes.genes[row], place, number)
    _insert(genomes.weights[row], place, weight)
    _insert(genomes.enabled[row], place, True)


def _insert(numbers: Integers | Weights | NDArray[np.bool_], place: int, value: float) -> None:
    """Put a number into its place; those from there on move up, the last one out."""
    numbers[place + 1 :] = numbers[place:-1].copy()
    numbers[place] = value

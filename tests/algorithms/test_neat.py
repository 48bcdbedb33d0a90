"""NEAT, part by part and whole: what can be done by hand, what must hold whatever is drawn, and that it learns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from contract import equal

from cartwheel import minimize
from cartwheel.algorithms.neat import ENTRY, Neat, NeatSettings
from cartwheel.algorithms.neat.genomes import NONE, Genomes, compiled, find, minimal
from cartwheel.algorithms.neat.innovations import Innovations
from cartwheel.algorithms.neat.species import Measure, offspring, shares, speciate
from cartwheel.algorithms.neat.variation import add_gene, add_link, add_node, crossed, mutate_structure, mutate_weights
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.specification import MLP, Graph
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings


def settings(**options: Any) -> NeatSettings:
    return resolve(NeatSettings, options)


def genomes_of(genes: list[list[int]], room: int = 30, hidden: int = 4, outputs: int = 1) -> Genomes:
    """Genomes with these genes, enabled, whose weights are the genes' numbers; without hidden nodes."""
    P = len(genes)
    made = Genomes(
        np.full((P, room), NONE),
        np.zeros((P, room), np.float32),
        np.zeros((P, room), np.bool_),
        np.full((P, hidden), NONE),
        np.zeros((P, outputs + hidden), np.float32),
    )
    for row, numbers in enumerate(genes):
        made.genes[row, : len(numbers)] = made.weights[row, : len(numbers)] = numbers
        made.enabled[row, : len(numbers)] = True
    return made


def grown(network: GraphNetwork, seed: int, generations: int = 40, count: int = 12) -> tuple[Genomes, Innovations]:
    """Genomes that have come of many mutations and crossovers of all kinds."""
    rng, innovations = np.random.default_rng(seed), Innovations(network.inputs, network.outputs)
    rates = settings(node_probability=0.2, link_probability=0.4, toggle_probability=0.1)
    genomes = minimal(network, count, 1.0, rng)
    for _ in range(generations):
        fitness = genomes.hidden + rng.integers(0, 3, count).astype(float)
        genomes = crossed(genomes, fitness, rng.integers(count, size=count), rng.integers(count, size=count), 0.75, rng)
        mutate_weights(genomes, rates, rng)
        mutate_structure(genomes, rates, innovations, network, rng)
    return genomes, innovations


NETWORKS = pytest.mark.parametrize("recurrent", [False, True])


def network_of(recurrent: bool, nodes: int = 8, links: int = 30) -> GraphNetwork:
    return Graph(nodes, links, "sigmoid", recurrent).build(3, 2)


# --- innovation numbers ----------------------------------------------------------------------------------------------


def test_innovation_numbers_by_hand() -> None:
    """2 inputs 0 and 1, an output 2: links 0 (0 to 2) and 1 (1 to 2), the next node is 3."""
    innovations = Innovations(2, 1)
    assert (innovations.link(0, 2), innovations.link(1, 2)) == (0, 1)
    assert innovations.node(1, 0) == 3
    assert (innovations.link(1, 3), innovations.link(3, 2)) == (2, 3)
    assert innovations.node(0, 0) == 4
    assert (innovations.link(0, 4), innovations.link(0, 3)) == (4, 5)
    # the same mutations again, of other genomes
    assert innovations.node(1, 0) == 3
    assert (innovations.link(0, 3), innovations.link(1, 3), innovations.link(3, 2)) == (5, 2, 3)
    # a genome that has node 3 splits link 1 again
    assert innovations.node(1, 1) == 5
    assert innovations.sources.tolist() == [0, 1, 1, 3, 0, 0]
    assert innovations.targets.tolist() == [2, 2, 3, 2, 4, 3]


def test_a_new_node_stands_between_the_ends_of_its_link() -> None:
    innovations = Innovations(1, 2)
    first = innovations.node(0, 0)  # on 0 to 1
    second = innovations.node(innovations.link(first, 1), 0)
    third = innovations.node(innovations.link(0, first), 0)
    fourth = innovations.node(innovations.link(third, second), 0)
    order = np.argsort(innovations.rank, kind="stable").tolist()
    assert order == [0, third, fourth, first, second, 1, 2] or order == [0, third, first, fourth, second, 1, 2]
    assert innovations.rank[1] == innovations.rank[2]  # outputs


def test_a_new_node_stands_in_the_middle() -> None:
    innovations = Innovations(1, 1)
    a, b, c, d = (innovations.node(0, nth) for nth in range(4))
    assert np.argsort(innovations.rank, kind="stable").tolist() == [0, b, d, c, a, 1]


def test_the_node_of_a_link_back_stands_before_its_target() -> None:
    innovations = Innovations(1, 1)
    first = innovations.node(0, 0)
    own, back = innovations.node(innovations.link(first, first), 0), innovations.node(innovations.link(1, first), 0)
    loop = innovations.node(innovations.link(1, 1), 0)
    rank = innovations.rank
    assert max(rank[own], rank[back]) < rank[first]
    assert rank[loop] < rank[1]


def test_innovations_are_restored() -> None:
    _, innovations = grown(network_of(True), 0)
    again = Innovations(3, 2).restored(innovations.state())
    assert equal(again.state(), innovations.state())
    np.testing.assert_array_equal(again.rank, innovations.rank)
    assert again.node(4, 0) == innovations.node(4, 0)
    assert again.link(1, 3) == innovations.link(1, 3) == 2
    assert again.link(77, 3) == innovations.link(77, 3) == len(innovations.sources) - 1
    with pytest.raises(ValueError, match="expected links of 2 inputs"):
        Innovations(2, 2).restored(innovations.state())


def test_equal_mutations_of_a_generation_get_equal_numbers() -> None:
    """All genomes split one of two links: there are two new nodes and four new links, no more."""
    network = Graph(4, 10).build(2, 1)
    innovations, rng = Innovations(2, 1), np.random.default_rng(0)
    genomes = minimal(network, 20, 1.0, rng)
    mutate_structure(genomes, settings(node_probability=1.0, link_probability=0.0), innovations, network, rng)
    assert len(innovations.sources) == 2 + 4
    assert set(genomes.nodes[:, 0].tolist()) == {3, 4}
    assert (genomes.sizes == 4).all()


# --- the paper's figures ---------------------------------------------------------------------------------------------

# Figure 4: genes 1 to 5 match, 6 to 8 are disjoint, 9 and 10 excess.
FIRST, SECOND = [1, 2, 3, 4, 5, 8], [1, 2, 3, 4, 5, 6, 7, 9, 10]


def test_the_distance_of_the_papers_figure() -> None:
    parents = genomes_of([FIRST, SECOND])
    parents.weights[1, :5] += [1, -2, 3, 0, 4]  # 2 on average; what is not matching does not count
    expected = 10 * 2 + 100 * 3 + 1000 * 2
    for one, other in ((0, 1), (1, 0)):
        found = Measure(10, 100, 1000).distances(parents, parents, one)
        assert found[other] == expected
        assert found[one] == 0.0


def test_excess_is_on_the_side_of_the_longer() -> None:
    parents = genomes_of([[0, 1, 2, 9], [0, 5, 6]])
    assert Measure(1, 0, 0).distances(parents, parents, 0).tolist() == [0, 1]  # 9
    assert Measure(0, 1, 0).distances(parents, parents, 0).tolist() == [0, 4]  # 1, 2, 5, 6


def test_a_large_genome_divides() -> None:
    """From 20 genes on."""
    for size, N in ((19, 1), (20, 20), (25, 25)):
        pair = genomes_of([list(range(size)), list(range(12))])
        assert Measure(1, 1, 1).distances(pair, pair, 1)[0] == (size - 12) / N


def test_genomes_without_a_matching_gene_differ_by_their_genes() -> None:
    pair = genomes_of([[0, 1], [2, 3]])
    assert Measure(1, 1, 5).distances(pair, pair, 0)[1] == 4


@pytest.mark.parametrize(("fitness", "structure"), [([1, 2], SECOND), ([2, 1], FIRST), ([1, 1], FIRST)])
def test_crossover_of_the_papers_figure(fitness: list[float], structure: list[int]) -> None:
    """The fitter's genes, at a tie the smaller genome's; the weights of matching ones from either parent."""
    parents = genomes_of([FIRST, SECOND])
    parents.weights[1] *= -1
    parents.biases[:, 0] = 1, -1
    count = 400
    zeros, ones = np.zeros(count, np.int64), np.ones(count, np.int64)
    for first, second in ((zeros, ones), (ones, zeros)):
        children = crossed(parents, np.array(fitness, float), first, second, 0.75, np.random.default_rng(0))
        size = len(structure)
        assert (children.genes[:, :size] == structure).all()
        assert (children.sizes == size).all()
        sign = np.sign(children.weights[:, :size])
        np.testing.assert_array_equal(np.abs(children.weights[:, :size]), np.broadcast_to(structure, (count, size)))
        assert (np.abs(sign[:, :5].mean(axis=0)) < 0.2).all()
        assert (sign[:, 5:] == (1 if structure is FIRST else -1)).all()
        assert abs(children.biases[:, 0].mean()) < 0.2
        assert children.enabled[:, :size].all()


def test_a_gene_disabled_in_a_parent_stays_so_with_its_chance() -> None:
    parents = genomes_of([FIRST, SECOND])
    parents.enabled[0, 0] = parents.enabled[1, 1] = parents.enabled[1, 5] = False  # 1, 2, and 6, which matches nothing
    pairs = np.zeros(4000, np.int64), np.ones(4000, np.int64)
    enabled = crossed(parents, np.array([0.0, 1.0]), *pairs, 0.75, np.random.default_rng(0)).enabled.mean(axis=0)
    np.testing.assert_allclose(enabled[:2], 0.25, atol=0.03)
    assert enabled[:9].tolist()[2:] == [1, 1, 1, 0, 1, 1, 1]


def test_biases_of_hidden_nodes_are_crossed_by_node() -> None:
    parents = genomes_of([[0], [0]])
    parents.nodes[0, :2], parents.nodes[1, :2] = [3, 7], [7, 9]
    parents.biases[0, :3], parents.biases[1, :3] = [0, 30, 70], [0, -70, -90]
    pairs = np.zeros(200, np.int64), np.ones(200, np.int64)
    children = crossed(parents, np.array([1.0, 0.0]), *pairs, 0.75, np.random.default_rng(0))
    assert (children.nodes[:, :2] == [3, 7]).all()
    assert set(children.biases[:, 1].tolist()) == {30}
    assert set(children.biases[:, 2].tolist()) == {70, -70}


# --- mutations -------------------------------------------------------------------------------------------------------


def test_a_node_splits_a_link() -> None:
    network, rng = Graph(2, 4).build(2, 1), np.random.default_rng(1)
    innovations, genomes = Innovations(2, 1), minimal(network, 1, 1.0, rng)
    genomes.enabled[0, 0] = False  # so that link 1 it is
    weight = genomes.weights[0, 1]
    add_node(genomes, 0, innovations, rng)
    assert genomes.genes[0, :4].tolist() == [0, 1, 2, 3]
    assert (innovations.sources[2:].tolist(), innovations.targets[2:].tolist()) == ([1, 3], [3, 2])
    assert genomes.enabled[0].tolist() == [False, False, True, True, False, False]
    assert genomes.weights[0, 1:4].tolist() == [weight, 1.0, weight]
    assert (genomes.nodes[0].tolist(), genomes.biases[0, 1]) == ([3, NONE], 0.0)


def test_a_link_that_was_split_can_be_split_again() -> None:
    network, rng = Graph(2, 4).build(1, 1), np.random.default_rng(1)
    innovations, genomes = Innovations(1, 1), minimal(network, 1, 1.0, rng)
    add_node(genomes, 0, innovations, rng)
    genomes.enabled[0, :3] = [True, False, False]
    add_node(genomes, 0, innovations, rng)
    assert genomes.nodes[0].tolist() == [2, 3]
    assert genomes.sizes[0] == 5


@NETWORKS
def test_links_are_added_until_there_is_none_left(recurrent: bool) -> None:
    """2 inputs, an output and one hidden node: 2 links forward to it are new; with memory also 3 back and 4 delayed."""
    network, rng = Graph(1, 20, "sigmoid", recurrent).build(2, 1), np.random.default_rng(3)
    innovations, genomes = Innovations(2, 1), minimal(network, 1, 1.0, rng)
    genomes.enabled[0, 1] = False
    add_node(genomes, 0, innovations, rng)  # 0 to 3 to 2
    for _ in range(12):
        add_link(genomes, 0, 1.0, innovations, network, rng)
    size = int(genomes.sizes[0])
    links = {(int(innovations.sources[k]), int(innovations.targets[k])) for k in genomes.genes[0, :size]}
    forward = {(0, 2), (1, 2), (0, 3), (3, 2), (1, 3)}
    assert links == (forward | {(2, 2), (2, 3), (3, 3)} if recurrent else forward)
    assert size == len(links)


def test_a_full_genome_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    for nodes, links, may_link in ((0, 5, False), (3, 1, True), (3, 0, False)):
        network = Graph(nodes, links, "sigmoid", True).build(2, 1)
        innovations, genomes = Innovations(2, 1), minimal(network, 1, 1.0, rng)
        before = genomes[:]
        add_node(genomes, 0, innovations, rng)
        assert genomes.nodes.tobytes() == before.nodes.tobytes()
        assert genomes.enabled.tobytes() == before.enabled.tobytes()
        if not nodes:
            continue
        add_link(genomes, 0, 1.0, innovations, network, rng)
        assert (genomes.sizes[0] > 2) == may_link
        after = genomes[:]
        add_link(genomes, 0, 1.0, innovations, network, rng)
        assert genomes.genes.tobytes() == after.genes.tobytes()


def test_weights_mutate_in_their_shares_and_limits() -> None:
    network, rng = Graph(0, 0).build(20, 20), np.random.default_rng(0)
    genomes = minimal(network, 300, 1.0, rng)
    before = genomes[:]
    mutate_weights(genomes, settings(weight_power=0.01, initial_std=100.0), rng)
    moved = np.abs(genomes.weights - before.weights)
    touched = moved.any(axis=1)
    assert abs(touched.mean() - 0.8) < 0.08
    assert (genomes.biases != before.biases).any(axis=1).tolist() == touched.tolist()
    replaced = moved[touched] > 0.0101
    assert abs(replaced.mean() - 0.1) < 0.01
    kept = moved[touched][~replaced]
    assert abs(kept.mean() - 0.005) < 0.0001  # uniform
    assert np.abs(genomes.weights).max() == 30.0


def test_what_a_genome_has_not_stays_0() -> None:
    genomes, _ = grown(network_of(False), 5)
    assert not genomes.weights[genomes.genes == NONE].any()
    assert not genomes.enabled[genomes.genes == NONE].any()
    assert not genomes.biases[:, 2:][genomes.nodes == NONE].any()


# --- whatever is drawn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@NETWORKS
def test_there_are_no_cycles(seed: int, recurrent: bool) -> None:
    """By links that read what is, disabled ones too; and without memory there are no others."""
    network = network_of(recurrent)
    genomes, innovations = grown(network, seed)
    assert genomes.hidden.max() > 4
    for row in range(len(genomes)):
        numbers = genomes.genes[row][genomes.genes[row] != NONE]
        pairs = [(int(innovations.sources[k]), int(innovations.targets[k])) for k in numbers]
        now = [(s, t) for s, t in pairs if innovations.rank[s] < innovations.rank[t]]
        assert recurrent or now == pairs
        left = {node for pair in now for node in pair}
        while free := left - {t for s, t in now if s in left}:  # what nothing leads to goes
            left -= free
            now = [(s, t) for s, t in now if s in left]
        assert not left
        assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("seed", range(4))
@NETWORKS
def test_genomes_are_in_order_and_tell_networks(seed: int, recurrent: bool) -> None:
    network = network_of(recurrent)
    genomes, innovations = grown(network, seed)
    for row, theta in enumerate(compiled(genomes, innovations, network)):
        network.check(theta)
        for numbers in (genomes.genes[row], genomes.nodes[row]):
            real = numbers[numbers != NONE]
            assert (np.diff(real) > 0).all()
            assert (numbers[len(real) :] == NONE).all()
        hidden = set(genomes.nodes[row].tolist()) - {NONE}
        numbers = genomes.genes[row][genomes.genes[row] != NONE]
        ends = {*innovations.sources[numbers].tolist(), *innovations.targets[numbers].tolist()}
        assert {node for node in ends if node >= 5} == hidden


def value_of(
    node: int, row: int, genomes: Genomes, innovations: Innovations, x: Any, before: dict[int, float]
) -> tuple[float, float]:
    """A node's sum and what others read of it, by recursion over the genes."""
    if node < 3:
        return x[node], x[node]
    place = node - 3 if node < 5 else 2 + genomes.nodes[row].tolist().index(node)
    total = float(genomes.biases[row, place])
    for gene in np.flatnonzero(genomes.enabled[row]):
        number = genomes.genes[row, gene]
        source, target = int(innovations.sources[number]), int(innovations.targets[number])
        if target == node:
            now = innovations.rank[source] < innovations.rank[target]
            read = value_of(source, row, genomes, innovations, x, before)[1] if now else before.get(source, 0.0)
            total += float(genomes.weights[row, gene]) * read
    return total, 1 / (1 + np.exp(-4.9 * total))


@pytest.mark.parametrize("seed", range(3))
@NETWORKS
def test_what_is_compiled_computes_what_the_genes_say(seed: int, recurrent: bool) -> None:
    """Over three steps, against a recursion over the genes in float64."""
    network = network_of(recurrent)
    genomes, innovations = grown(network, seed)
    vectors, rng = compiled(genomes, innovations, network), np.random.default_rng(seed)
    for row, theta in enumerate(vectors):
        before: dict[int, float] = {}
        memory = np.zeros((1, network.memory_size))
        for _ in range(3):
            x = rng.normal(size=3)
            outputs, memory = network.advance(theta.astype(np.float64), x[None], memory)
            nodes = [3, 4, *(int(node) for node in genomes.nodes[row] if node != NONE)]
            found = {node: value_of(node, row, genomes, innovations, x, before) for node in nodes}
            np.testing.assert_allclose(outputs[0], [found[3][0], found[4][0]], rtol=1e-9, atol=1e-9)
            before = {node: value[1] for node, value in found.items()}


def test_a_link_back_reads_what_was_a_step_ago() -> None:
    """Also through a node that splits it: the delay stays one step."""
    network = Graph(1, 4, "tanh", True).build(1, 1)
    innovations, genomes = Innovations(1, 1), minimal(network, 1, 1.0, np.random.default_rng(0))
    genomes.weights[0, 0], genomes.biases[0, 0] = 1.0, 0.0
    add_gene(genomes, 0, innovations.link(1, 1), 0.5)

    def outputs() -> list[float]:
        theta, memory, seen = compiled(genomes, innovations, network)[0], np.zeros((1, 2)), []
        for x in (0.3, -0.8, 0.1):
            y, memory = network.advance(theta.astype(np.float64), np.array([[x]]), memory)
            seen.append(float(y[0, 0]))
        return seen

    second = -0.8 + 0.5 * np.tanh(0.3)
    np.testing.assert_allclose(outputs(), [0.3, second, 0.1 + 0.5 * np.tanh(second)])
    genomes.enabled[0, 0] = False
    add_node(genomes, 0, innovations, np.random.default_rng(0))
    genomes.enabled[0, 0] = True
    second = -0.8 + 0.5 * np.tanh(np.tanh(0.3))
    np.testing.assert_allclose(outputs(), [0.3, second, 0.1 + 0.5 * np.tanh(np.tanh(second))])


def test_find_by_hand() -> None:
    rows = np.array([[1, 4, 9, NONE], [0, 1, NONE, NONE]])
    values = np.array([[9, 1, 5, NONE, 0], [9, 1, 0, NONE, 2]])
    assert find(rows, values).tolist() == [[2, 0, -1, -1, -1], [-1, 1, 0, -1, -1]]
    assert find(rows[:, :0], values).tolist() == np.full((2, 5), -1).tolist()


# --- species ---------------------------------------------------------------------------------------------------------


def test_species_by_hand() -> None:
    """By weights alone: 0 and 10 stand for the species of before, 5.5 is near both, 20 and 20.5 near none."""
    genomes = genomes_of([[0]] * 6)
    genomes.weights[:, 0] = [10.0, 5.5, 20.0, 0.5, 20.5, 15.9]
    representatives = genomes_of([[0]] * 2)
    representatives.weights[:, 0] = [0.0, 10.0]
    assert speciate(genomes, representatives, Measure(1, 1, 1), 6.0).tolist() == [1, 0, 2, 0, 2, 1]
    assert speciate(genomes, representatives, Measure(1, 1, 1), 5.0).tolist() == [1, 1, 2, 0, 2, 2]
    assert speciate(genomes, representatives[:0], Measure(1, 1, 1), 1e-9).tolist() == [0, 1, 2, 3, 4, 5]


def test_species_part_a_population() -> None:
    genomes, _ = grown(network_of(False), 3, count=40)
    measure, old = Measure(1, 1, 0.4), genomes[np.array([3, 7])]
    species = speciate(genomes, old, measure, 0.8)
    assert (species >= 0).all()
    assert species.max() > 2
    for number in range(species.max() + 1):
        members = np.flatnonzero(species == number)
        others, row = (old, number) if number < 2 else (genomes, int(members[0]))
        distances = measure.distances(genomes, others, row)
        assert (distances[members] < 0.8).all()
        assert (distances[species > number] >= 0.8).all()  # who comes later did not fit


def test_shares_bear_negative_returns() -> None:
    """Acrobot's: from the worst on, and the more members the less for each."""
    fitness = np.array([-500.0, -100.0, -500.0, -400.0, -300.0])
    species = np.array([0, 0, 1, 1, 3])
    expected = [(0 + 400) / 2, (0 + 100) / 2, 0.0, 200.0]
    assert shares(fitness, species, 4).tolist() == expected
    assert shares(fitness + 1000, species, 4).tolist() == expected
    assert offspring(shares(fitness, species, 4), 9).tolist() == [4, 1, 0, 4]


@pytest.mark.parametrize("population", [2, 7, 150])
def test_offspring_sum_to_the_population(population: int) -> None:
    rng = np.random.default_rng(population)
    for _ in range(200):
        earned = rng.exponential(size=rng.integers(1, 12)) * rng.integers(0, 2, 1) ** 1.0
        counts = offspring(earned, population)
        assert counts.sum() == population
        assert (counts >= 0).all()
        if earned.sum() > 0:
            assert (np.abs(counts - population * earned / earned.sum()) < 1).all()


def test_offspring_by_hand() -> None:
    assert offspring(np.array([1.0, 1.0, 1.0]), 10).tolist() == [4, 3, 3]
    assert offspring(np.array([0.0, 2.6, 2.4]), 5).tolist() == [0, 3, 2]
    assert offspring(np.zeros(4), 6).tolist() == [2, 2, 1, 1]


# --- the whole -------------------------------------------------------------------------------------------------------


def neat(seed: int = 1, inputs: int = 2, outputs: int = 1, **options: Any) -> Neat:
    own = settings(**{"episodes": 1, **options})
    return Neat(own, own.specification().build(inputs, outputs), seed)


def told(algorithm: Neat, fitness: Any) -> dict[str, float]:
    fitness = np.asarray(fitness, float)
    return algorithm.tell(Experience(returns=fitness[:, None], lengths=np.ones((len(fitness), 1), np.int64)))


def test_champions_go_on_as_they_are() -> None:
    algorithm, rng = neat(population=60, species=4, stagnation=1000), np.random.default_rng(0)
    for _ in range(15):
        parameters, of = algorithm.ask().parameters, algorithm._species.of
        fitness = rng.normal(size=60)
        told(algorithm, fitness)
        children = {theta.tobytes() for theta in algorithm.ask().parameters}
        assert parameters[fitness.argmax()].tobytes() in children
        living = [k for k in range(of.max() + 1) if (of == k).sum() > 5 and fitness[of == k].max() > 1.5]
        for one in living:
            members = np.flatnonzero(of == one)
            assert parameters[members[fitness[members].argmax()]].tobytes() in children


def test_the_best_of_all_goes_on_from_the_smallest_species() -> None:
    algorithm, rng = neat(population=40, champions_above=1000), np.random.default_rng(0)
    for _ in range(10):
        parameters, fitness = algorithm.ask().parameters, rng.normal(size=40)
        told(algorithm, fitness)
        assert parameters[fitness.argmax()].tobytes() == algorithm.ask().parameters[0].tobytes()


def test_a_species_that_does_not_rise_dies_out_but_for_the_bests_own() -> None:
    """Weights alone make species; each has the same return for ever, the best one's too."""
    options = {"node_probability": 0.0, "link_probability": 0.0, "weight_probability": 0.0, "interspecies": 0.0}
    algorithm = neat(population=60, initial_std=9.0, difference=1.0, crossover_probability=0.0, stagnation=5, **options)
    counts: list[int] = []
    for _ in range(9):
        first = algorithm.ask().parameters.reshape(60, -1)
        told(algorithm, np.round(np.tanh(first.sum(axis=1)), 1))
        counts.append(len(algorithm._species.best))
    assert min(counts[:5]) > 9
    assert counts[5] < 5
    assert counts[-1] == 1


def test_a_generation_that_failed_sets_no_record() -> None:
    algorithm = neat(population=20)
    told(algorithm, np.full(20, -np.inf))
    np.testing.assert_array_equal(algorithm.state()["species_best"], -np.inf)
    told(algorithm, np.full(20, -500.0))
    state = algorithm.state()
    assert state["species_best"].max() == -500.0
    assert state["species_since"].min() == 0


def test_there_are_about_as_many_species_as_wanted() -> None:
    means = {}
    for wanted in (3, 10, 30):
        algorithm, rng = neat(inputs=4, species=wanted, stagnation=1000), np.random.default_rng(0)
        means[wanted] = np.mean([told(algorithm, rng.normal(size=150))["species"] for _ in range(60)][20:])
    assert all(0.5 * wanted < mean < 2 * wanted for wanted, mean in means.items())
    assert means[3] < means[10] < means[30]


def test_parents_are_the_best_of_their_species() -> None:
    """Without crossover and mutation, children are copies: of the best fifth."""
    options = {"node_probability": 0.0, "link_probability": 0.0, "weight_probability": 0.0, "interspecies": 0.0}
    algorithm = neat(population=50, threshold=1e6, crossover_probability=0.0, survival=0.2, **options)
    parameters = algorithm.ask().parameters
    fitness = np.random.default_rng(0).permutation(50)
    told(algorithm, fitness)
    best = {parameters[place].tobytes() for place in np.flatnonzero(fitness >= 40)}
    children = [theta.tobytes() for theta in algorithm.ask().parameters]
    assert set(children) == best
    assert max(children.count(one) for one in best) < 15


@pytest.mark.parametrize("options", [{"recurrent": True}, {"species": 6}, {"population": 2}, {"max_nodes": 0}], ids=str)
def test_resumed_equals_uninterrupted(options: dict[str, Any]) -> None:
    rates = {"node_probability": 0.3, "link_probability": 0.3}
    whole, first, rng = neat(**options, **rates), neat(**options, **rates), np.random.default_rng(0)
    draws = rng.normal(size=(20, whole.settings.population))
    for fitness in draws:
        told(whole, fitness)
    for fitness in draws[:9]:
        told(first, fitness)
    resumed = neat(**options, **rates)
    resumed.restore(first.state())
    assert resumed.ask().parameters.tobytes() == first.ask().parameters.tobytes()
    for fitness in draws[9:]:
        told(resumed, fitness)
    assert equal(whole.state(), resumed.state())
    assert resumed.ask().parameters.tobytes() == whole.ask().parameters.tobytes()


def spoilt(state: dict[str, Any], name: str, place: Any, value: Any) -> dict[str, Any]:
    array = state[name].copy()
    array[place] = value
    return {**state, name: array}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: spoilt(s, "genes", (0, 0), 10**6), "expected genes numbered from 0 to"),
        (lambda s: spoilt(s, "genes", (0, 0), -1), "expected genes numbered from 0 to"),
        (lambda s: spoilt(s, "genes", (0, 0), s["genes"][0, 1]), "expected genes in ascending order"),
        (lambda s: spoilt(s, "nodes", (0, 0), 0), "expected nodes numbered from 3 to"),
        (lambda s: spoilt(s, "nodes", slice(None), NONE), "expected genes between nodes that their genome has"),
        (lambda s: {**s, "weights": s["weights"][1:]}, "expected weights of shape"),
        (lambda s: {**s, "splits": s["splits"][1:]}, "expected links between"),
        (lambda s: {**s, "splits": s["splits"][:, :1]}, r"expected splits as whole numbers \(k, 2\)"),
        (lambda s: spoilt(s, "splits", (0, 0), 10**6), "expected splits of"),
        (lambda s: spoilt(s, "splits", 0, s["splits"][1]), "expected each of splits once"),
        (lambda s: {**s, "order": s["order"][1:]}, "expected an order of the"),
        (lambda s: spoilt(s, "links", 0, 0), "expected links of 2 inputs and 1 outputs"),
        (lambda s: {**s, "species_of": s["species_of"][1:]}, "expected species_of of shape"),
        (lambda s: spoilt(s, "species_of", 0, 100), "expected species_of numbered from 0 on"),
        (lambda s: spoilt(s, "species_of", 0, -1), "expected species_of numbered from 0 on"),
        (lambda s: {**s, "species_best": s["species_best"][1:]}, "expected species_best for"),
        (lambda s: {**s, "species_since": s["species_since"][1:]}, "expected species_since for"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(spoil: Callable[[dict[str, Any]], dict[str, Any]], said: str) -> None:
    """And the algorithm is as it was before."""
    algorithm, rng = (
        neat(node_probability=0.5, link_probability=0.5, population=30, threshold=1.0),
        np.random.default_rng(0),
    )
    for _ in range(15):
        told(algorithm, rng.normal(size=30))
    before = algorithm.state()
    assert (before["nodes"][0] != NONE).any()
    assert before["species_of"].max() > 0
    assert (np.bincount(before["species_of"])[before["species_of"][0]]) > 1
    with pytest.raises(ValueError, match=said):
        algorithm.restore(spoil(before))
    assert equal(algorithm.state(), before)


def test_a_long_run_stays_within_its_room() -> None:
    options = {"node_probability": 0.5, "link_probability": 0.5, "recurrent": True}
    algorithm = neat(population=20, max_nodes=3, max_links=9, **options)
    for _ in range(60):
        told(algorithm, algorithm._genomes.sizes)
        for theta in algorithm.ask().parameters:
            algorithm.network.check(theta)
    assert algorithm._genomes.hidden.max() == 3
    assert algorithm._genomes.sizes.max() == 11


def test_layers_can_not_be_had_with_it() -> None:
    assert ENTRY.specify(TrainSettings(), settings(recurrent=True)) == Graph(16, 64, "sigmoid", True)
    for options in ({"hidden": (3,)}, {"memory": "gru"}, {"activation": "tanh"}):
        with pytest.raises(UsageError, match=f"--{next(iter(options))}: neat grows its networks"):
            ENTRY.specify(TrainSettings(**options), settings())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="networks of any shape"):
        minimize(lambda x: 0.0, np.zeros(3), algorithm="neat", sigma=1.0)
    with pytest.raises(UsageError, match="networks of any shape"):
        Neat(settings(), MLP().build(2, 1), 0)


# --- XOR -------------------------------------------------------------------------------------------------------------

INPUTS, ANSWERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0.0, 1.0, 1.0, 0.0])


def xor(seed: int, generations: int = 100, shuffled: bool = False) -> int | None:
    """In which generation a network has each answer on its side of 0.5."""
    algorithm, rng = neat(seed), np.random.default_rng(seed)
    for generation in range(generations):
        network = algorithm.network
        sums = [network.advance(theta, INPUTS, np.zeros((4, 0)))[0][:, 0] for theta in algorithm.ask().parameters]
        answers = 1 / (1 + np.exp(-4.9 * np.array(sums, np.float64).clip(-20, 20)))
        if ((answers > 0.5) == (ANSWERS > 0.5)).all(axis=1).any():
            return generation
        fitness = 4 - ((answers - ANSWERS) ** 2).sum(axis=1)
        told(algorithm, rng.permutation(fitness) if shuffled else fitness)
    return None


def test_xor_is_learnt() -> None:
    assert all(xor(seed) is not None for seed in (1000, 1001, 1002))


def test_no_xor_without_a_hidden_node() -> None:
    """The control: it is structure that solves it."""
    algorithm = neat(node_probability=0.0)
    for _ in range(10):
        told(algorithm, np.arange(150.0))
    assert not algorithm._genomes.hidden.any()


@pytest.mark.slow
def test_xor_is_learnt_on_19_of_20_seeds() -> None:
    found = [xor(seed) for seed in range(20)]
    assert sum(generation is not None for generation in found) >= 19
    assert np.median([generation if generation is not None else 100 for generation in found]) < 50


@pytest.mark.slow
def test_xor_is_seldom_found_by_chance() -> None:
    """The negative control: returns that belong to other networks."""
    assert sum(xor(seed, 40, shuffled=True) is not None for seed in range(8)) < sum(
        xor(seed, 40) is not None for seed in range(8)
    )

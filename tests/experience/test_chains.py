"""Chains of seeds: their vectors by hand, slices, messages, and the parents' vectors that a process keeps."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.genetic import Genetic, GeneticSettings
from cartwheel.experience import chains as module
from cartwheel.experience.chains import CACHE_BYTES, Chains, Recipe
from cartwheel.experience.records import Experience
from cartwheel.policies.specification import MLP
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import resolve

NETWORK = MLP((4,)).build(3, 2)
RECIPE = Recipe(seed=7, network=NETWORK, initial_std=0.5, mutation_std=0.25)
MiB = 1 << 20


def family(generations: int = 4, candidates: int = 6) -> Chains:
    """Each candidate a child of the one before it, generation by generation."""
    population = Chains.begun(RECIPE, 0, range(candidates))
    for generation in range(1, generations):
        older = population[np.roll(np.arange(candidates), 1)]
        population = Chains.joined([population[:2], older[2:].mutated(generation, range(2, candidates))])
    return population


def by_hand(links: list[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """The vector that follows from these generations and places."""
    vector = NETWORK.initial(generator(7, Purpose.INITIAL, *links[0]), 1, 0.5)[0]
    for link in links[1:]:
        noise = generator(7, Purpose.VARIATION, *link).standard_normal(NETWORK.size, np.float32)
        vector = vector + np.float32(0.25) * noise
    return vector


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty one, of this test alone."""
    made = module._Cache(CACHE_BYTES)
    monkeypatch.setattr(module, "_PARENTS", made)
    return made


def test_the_vectors_are_those_made_by_hand(cache: Any) -> None:
    first = Chains.begun(RECIPE, 0, [4, 9])
    second = first.mutated(1, [5, 6])
    third = second[[1, 1]].mutated(12, [0, 1_000_000])
    np.testing.assert_array_equal(first.dense(), [by_hand([(0, 4)]), by_hand([(0, 9)])])
    np.testing.assert_array_equal(second.dense(), [by_hand([(0, 4), (1, 5)]), by_hand([(0, 9), (1, 6)])])
    wanted = [by_hand([(0, 9), (1, 6), (12, place)]) for place in (0, 1_000_000)]
    np.testing.assert_array_equal(third.dense(), wanted)
    assert third.dense().dtype == np.float32


def test_length_size_and_one_candidate() -> None:
    chains = family()
    assert (len(chains), chains.size) == (6, NETWORK.size)
    assert chains.dense().shape == (6, NETWORK.size)
    np.testing.assert_array_equal(chains[3], chains.dense()[3])
    np.testing.assert_array_equal(chains[np.int64(-1)], chains.dense()[5])
    with pytest.raises(ValueError, match="read-only"):
        chains[3][0] = 1.0
    with pytest.raises(IndexError):
        chains[6]


@pytest.mark.parametrize(
    "rows", [slice(None), slice(1, 5, 2), slice(4, 4), slice(0, 2), [5, 0, 0], np.array([], np.intp)], ids=str
)
def test_rows_of_chains_are_the_rows_of_their_vectors(rows: Any) -> None:
    chains = family()
    part = chains[rows]
    assert isinstance(part, Chains)
    np.testing.assert_array_equal(part.dense(), chains.dense()[rows])
    assert part.links.shape[1] == part.lengths.max(initial=0)  # no more padding than is needed


def test_parts_are_joined_in_order() -> None:
    long, short = family(), Chains.begun(RECIPE, 9, [3])
    joined = Chains.joined([short, long, short])
    np.testing.assert_array_equal(joined.dense(), np.concatenate([short.dense(), long.dense(), short.dense()]))


def test_chains_do_not_change() -> None:
    links, lengths = np.array([[1, 2]]), np.array([2])
    chains = Chains(links, lengths, RECIPE)
    before = chains.dense()
    links[0, 0] = lengths[0] = 1
    for same in (chains, pickle.loads(pickle.dumps(chains))):
        np.testing.assert_array_equal(same.dense(), before)
        for array in (same.links, same.lengths):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 5
    chains.mutated(3, [4])
    np.testing.assert_array_equal(chains.links, [[1, 2]])


@pytest.mark.parametrize(
    ("links", "lengths"),
    [
        ([1, 2], [1, 1]),
        ([[1, 2]], [1, 1]),
        ([[1, 2]], [0]),
        ([[1, 2]], [3]),
        ([[1, -2]], [2]),
    ],
)
def test_what_are_no_chains_is_refused(links: Any, lengths: Any) -> None:
    with pytest.raises(ValueError, match="expected links"):
        Chains(np.array(links), np.array(lengths), RECIPE)


def test_a_message_is_some_hundred_bytes_a_candidate() -> None:
    network = MLP((1000, 1000)).build(20, 4)  # a million parameters
    assert network.layout.size > 1e6
    chains = Chains.begun(Recipe(3, network, 1.0, 0.1), 0, range(100))
    for generation in range(1, 21):
        chains = chains.mutated(generation, range(100))
    assert len(pickle.dumps(chains[40:50])) < 10 * 400
    assert len(pickle.dumps(chains[:1])) < 2000


def test_a_message_carries_nothing_that_the_network_has_worked_out() -> None:
    network = MLP((100, 100)).build(20, 4)
    assert network.model is not None  # it is kept, with a vector of its own
    assert network.model.theta.nbytes == 4 * network.size
    assert len(pickle.dumps(network)) < 1000
    assert len(pickle.dumps(Chains.begun(Recipe(3, network, 1.0, 0.1), 0, [0]))) < 2000


def test_another_process_makes_the_same_vectors(cache: Any) -> None:
    chains = family()
    message = pickle.dumps(chains)
    here = chains.dense()
    cache._vectors.clear()
    np.testing.assert_array_equal(pickle.loads(message).dense(), here)


# --- the parents that are kept ----------------------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The links that are drawn from now on."""
    drawn: list[tuple[int, int]] = []
    for name in ("first", "child"):
        original = getattr(Recipe, name)

        def count(*words: Any, original: Any = original) -> Any:
            drawn.append(words[-2:])
            return original(*words)

        monkeypatch.setattr(Recipe, name, count)
    return drawn


def test_children_of_one_parent_rebuild_it_once(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Chains.begun(RECIPE, 0, [5]).mutated(1, [6]).mutated(2, [7])
    children = parent[[0] * 4].mutated(3, range(4))
    drawn = counted(monkeypatch)
    children.dense()
    assert drawn == [(0, 5), (1, 6), (2, 7), (3, 0), (3, 1), (3, 2), (3, 3)]
    drawn.clear()
    np.testing.assert_array_equal(parent[0], by_hand([(0, 5), (1, 6), (2, 7)]))
    assert drawn == []  # it is kept
    children[:1].mutated(4, [8]).dense()
    assert drawn == [(3, 0), (4, 8)]  # from the nearest ancestor


def test_other_recipes_have_vectors_of_their_own(cache: Any) -> None:
    other = Recipe(seed=8, network=NETWORK, initial_std=0.5, mutation_std=0.25)
    links, lengths = np.array([[1, 2, 3]]), np.array([3])
    one, two = Chains(links, lengths, RECIPE).dense(), Chains(links, lengths, other).dense()
    assert not np.array_equal(one, two)
    cache._vectors.clear()
    np.testing.assert_array_equal(Chains(links, lengths, other).dense(), two)


def test_what_is_kept_stays_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = NETWORK.size * 4
    cache = module._Cache(3 * vector + 1)
    monkeypatch.setattr(module, "_PARENTS", cache)
    wanted = [by_hand([(0, place), (1, place)]) for place in range(8)]
    families = Chains.begun(RECIPE, 0, range(8)).mutated(1, range(8))
    np.testing.assert_array_equal(families.dense(), wanted)
    assert len(cache._vectors) == 3
    assert cache.held == sum(kept.nbytes for kept in cache._vectors.values()) == 3 * vector
    families[5:6].dense()  # used again: 6 is the oldest now
    families[:1].dense()
    assert {int(np.frombuffer(key[1], np.int64)[0]) for key in cache._vectors} == {7, 5, 0}


def test_a_vector_beyond_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = module._Cache(NETWORK.size * 4 - 1)
    monkeypatch.setattr(module, "_PARENTS", cache)
    np.testing.assert_array_equal(family().dense(), family().dense())
    assert cache.held == len(cache._vectors) == 0


def test_threads_may_share_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PARENTS", module._Cache(2 * NETWORK.size * 4))
    chains = family(10, 12)
    wanted, found = chains.dense(), []
    threads = [threading.Thread(target=lambda: found.append(chains.dense())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, wanted) for one in found)
    assert len(found) == 4


# --- large networks ---------------------------------------------------------------------------------------------------


def evolve(network: Any, population: int, generations: int, rows: int, look: int) -> int:
    """The most bytes held by a run whose candidates are rebuilt `rows` at a time, `look` of them a generation."""
    options = {"population": population, "episodes": 1, "encoding": "seeds", "mutation_std": 0.01}
    tracemalloc.start()
    try:
        algorithm, rng = Genetic(resolve(GeneticSettings, options), network, seed=1), np.random.default_rng(0)
        for _ in range(generations):
            parameters = algorithm.ask().parameters
            for start in range(0, look, rows):
                assert np.isfinite(parameters[start : start + rows].dense()[:, -1]).all()
            experience = Experience(returns=rng.normal(size=(population, 1)), lengths=np.ones((population, 1), int))
            assert algorithm.best(experience).theta.shape == (network.size,)
            algorithm.tell(experience)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_population_is_never_held_as_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    network = MLP((250, 250)).build(20, 4)
    vector = 4 * network.size
    monkeypatch.setattr(module, "_PARENTS", module._Cache(2 * vector))
    assert evolve(network, population=200, generations=3, rows=2, look=40) < 12 * vector


@pytest.mark.slow
def test_a_thousand_networks_of_four_million_weights_fit_into_a_gibibyte(cache: Any) -> None:
    network = MLP((1990, 1990)).build(20, 4)
    assert network.size > 4_000_000
    assert evolve(network, population=1000, generations=3, rows=1, look=1000) < 1024 * MiB

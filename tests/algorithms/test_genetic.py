"""The genetic algorithm against hand-worked generations and the distributions that it names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.genetic import Genetic, GeneticSettings, tournament, truncation
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience
from cartwheel.policies.specification import MLP
from cartwheel.settings import resolve

NETWORK = MLP((4,)).build(3, 2)


def make(**options: Any) -> Genetic:
    return Genetic(resolve(GeneticSettings, options), NETWORK, seed=3)


def told(algorithm: Genetic, fitness: list[float]) -> np.ndarray[Any, Any]:
    """The population that follows after these returns, one episode each."""
    returns = np.array(fitness, np.float64)[:, None]
    algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    return algorithm.ask().parameters


def test_the_first_population_has_normal_weights_and_no_biases() -> None:
    population = make(population=2000, initial_std=2.0).ask().parameters
    parts = NETWORK.layout.unpack(population)
    for name, array in parts.items():
        if name.startswith("b"):
            assert not array.any()
        else:
            assert abs(array.std() - 2.0) < 0.05
            assert abs(array.mean()) < 0.05


def test_elites_go_on_unchanged_in_order_of_rank() -> None:
    algorithm = make(population=5, elites=2, episodes=1)
    before = algorithm.ask().parameters.copy()
    after = told(algorithm, [1.0, 9.0, 3.0, 7.0, 5.0])
    np.testing.assert_array_equal(after[:2], before[[1, 3]])


def test_the_first_of_equals_is_the_best() -> None:
    algorithm = make(population=4, elites=1, episodes=1)
    before = algorithm.ask().parameters.copy()
    np.testing.assert_array_equal(told(algorithm, [2.0, 5.0, 5.0, 1.0])[0], before[1])


def test_children_are_parents_and_noise_of_the_stated_deviation() -> None:
    algorithm = make(population=500, elites=1, parents=1 / 500, mutation_std=0.25, episodes=1)
    parent = algorithm.ask().parameters[17].copy()
    after = told(algorithm, [1.0 if k == 17 else 0.0 for k in range(500)])
    noise = after[1:] - parent
    assert noise.std() == pytest.approx(0.25, rel=0.02)  # 17,000 numbers: 2 % is 3.7 standard errors
    assert abs(noise.mean()) < 0.01
    assert not np.array_equal(noise[0], noise[1])


def test_each_generation_draws_anew() -> None:
    algorithm = make(population=3, elites=1, parents=0.3, episodes=1)
    parent = algorithm.ask().parameters[0].copy()
    first = told(algorithm, [9.0, 0.0, 0.0])[1:] - parent
    second = told(algorithm, [9.0, 0.0, 0.0])[1:] - parent
    assert not np.array_equal(first, second)


def test_truncation_draws_evenly_from_the_best_share() -> None:
    ranks = truncation(np.random.default_rng(0), 10_000, 50, 0.2)
    counts = np.bincount(ranks, minlength=50)
    assert not counts[10:].any()
    assert (abs(counts[:10] - 1000) < 5 * np.sqrt(1000 * 0.9)).all()


def test_truncation_keeps_at_least_one_parent() -> None:
    assert not truncation(np.random.default_rng(0), 100, 10, 0.01).any()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_tournament_follows_its_distribution(size: int) -> None:
    """The best of k draws from N ranks: P(rank >= r) = ((N - r) / N)**k."""
    population, draws = 8, 40_000
    ranks = tournament(np.random.default_rng(1), draws, population, size)
    for r in range(population):
        expected = ((population - r) / population) ** size
        assert abs((ranks >= r).mean() - expected) < 5 * np.sqrt(0.25 / draws)


def test_the_tournament_setting_is_used() -> None:
    even = make(population=200, elites=1, selection="tournament", tournament=1, mutation_std=1e-6, episodes=1)
    keen = make(population=200, elites=1, selection="tournament", tournament=50, mutation_std=1e-6, episodes=1)
    population = even.ask().parameters.copy()
    fitness = [float(-k) for k in range(200)]

    def mean_rank(children: np.ndarray[Any, Any]) -> float:
        nearest = [((population - child) ** 2).sum(axis=1).argmin() for child in children[1:]]
        return float(np.mean(nearest))

    assert mean_rank(told(even, fitness)) > 80
    assert mean_rank(told(keen, fitness)) < 10


def test_elites_have_to_leave_room() -> None:
    with pytest.raises(UsageError, match="--elites: expected less than --population"):
        make(population=4, elites=4)


def test_the_tutorials_preset_is_the_tutorials_job() -> None:
    preset = ALGORITHMS["genetic"].presets["tutorial"]
    assert (preset["population"], preset["episodes"], preset["generations"]) == (64, 15, 5)
    assert (preset["hidden"], preset["max_episode_steps"], preset["early_stop"]) == ((16,), 10_000, False)
    ranks = truncation(np.random.default_rng(0), 63, 64, preset["parents"])
    assert not ranks.any()  # all 63 are mutants of the best

"""What every registered algorithm that asks for a population keeps to, besides what all do."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest
from contract import make, run, sphere

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.experience.records import Experience

_ENTRIES = {name: entry for name, entry in ALGORITHMS.items() if len(make(entry).ask().parameters) > 1}
# Those whose best is a policy of their own are held to that in `test_strategies.py`, and so is random search to its.
# What NEAT's vectors hold are not coordinates: its learning is in `test_neat.py`.
_OWN = {name for name, entry in _ENTRIES.items() if getattr(entry.algorithm, "measures_mean", False)}
_NO_LEARNER = {"random-search", "neat"}


def entries(but: Collection[str] = ()) -> pytest.MarkDecorator:
    chosen = {name: entry for name, entry in _ENTRIES.items() if name not in but}
    return pytest.mark.parametrize("entry", chosen.values(), ids=list(chosen))


POPULATIONS, NAMING_THE_HIGHEST, LEARNERS = entries(), entries(_OWN), entries(_NO_LEARNER)


def test_there_are_populations() -> None:
    assert "genetic" in _ENTRIES


@POPULATIONS
def test_candidates_differ(entry: Entry) -> None:
    parameters = make(entry).ask().parameters
    assert len(np.unique(parameters, axis=0)) == len(parameters)


@NAMING_THE_HIGHEST
def test_the_best_is_the_one_with_the_highest_mean_return(entry: Entry) -> None:
    algorithm = make(entry)
    for _ in range(4):
        request = algorithm.ask()
        experience = sphere(request)
        fitness, best = experience.returns.mean(axis=1), algorithm.best(experience)
        assert best.value == fitness.max()
        np.testing.assert_array_equal(best.theta, request.parameters[fitness.argmax()])
        algorithm.tell(experience)


@POPULATIONS
def test_a_mean_over_all_episodes_decides(entry: Entry) -> None:
    """Not the first episode, nor the last, nor the highest of all."""
    algorithm = make(entry)
    request = algorithm.ask()
    returns = np.zeros((len(request.parameters), request.episodes))
    returns[0, 0] = returns[1, -1] = 8.0 * request.episodes
    returns[-1] = 9.0
    best = algorithm.best(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    assert best.value == 9.0
    np.testing.assert_array_equal(best.theta, request.parameters[-1])


@NAMING_THE_HIGHEST
@pytest.mark.parametrize("tied", [[0, 1], [1, 2], [3, 5, 6], "all"])
def test_the_first_of_equals_is_the_best(entry: Entry, tied: list[int] | str) -> None:
    algorithm = make(entry)
    request = algorithm.ask()
    places = list(range(len(request.parameters))) if tied == "all" else tied
    returns = np.zeros((len(request.parameters), request.episodes))
    returns[places] = 2.0
    best = algorithm.best(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    assert best.value == 2.0
    np.testing.assert_array_equal(best.theta, request.parameters[places[0]])


@NAMING_THE_HIGHEST
def test_the_best_goes_with_its_returns(entry: Entry) -> None:
    """Whatever place they stand at."""
    algorithm, rng = make(entry), np.random.default_rng(3)
    request = algorithm.ask()
    whole = sphere(request)
    for _ in range(10):
        order = rng.permutation(len(whole.returns))
        experience = Experience(returns=whole.returns[order], lengths=whole.lengths[order])
        best = algorithm.best(experience)
        assert best.value == whole.returns.mean(axis=1).max()
        place = int(np.flatnonzero(order == whole.returns.mean(axis=1).argmax())[0])
        np.testing.assert_array_equal(best.theta, request.parameters[place])


@NAMING_THE_HIGHEST
def test_nan_is_never_the_best(entry: Entry) -> None:
    algorithm = make(entry)
    experience = sphere(algorithm.ask())
    experience.returns[int(experience.returns.mean(axis=1).argmax())] = np.nan
    assert algorithm.best(experience).value == np.nanmax(experience.returns.mean(axis=1))


@LEARNERS
def test_it_learns_and_not_from_shuffled_fitness(entry: Entry) -> None:
    """The negative control: where the returns belong to other candidates, nothing may be learnt."""
    rng = np.random.default_rng(0)
    generations = max(40, 1000 // len(make(entry).ask().parameters))

    def distance(shuffled: bool) -> float:
        algorithm = make(entry)
        for _ in range(generations):
            request = algorithm.ask()
            experience = sphere(request)
            if shuffled:
                experience.returns[:] = experience.returns[rng.permutation(len(experience.returns))]
            algorithm.tell(experience)
        return float(np.median(((algorithm.ask().parameters - 0.5) ** 2).sum(axis=1)))

    start = float(np.median(((make(entry).ask().parameters - 0.5) ** 2).sum(axis=1)))
    assert distance(shuffled=False) < 0.35 * start
    assert distance(shuffled=True) > start


@POPULATIONS
def test_metrics_name_the_returns(entry: Entry) -> None:
    algorithm = make(entry)
    fitness = sphere(algorithm.ask()).returns.mean(axis=1)
    metrics = run(algorithm, 1)[0]
    assert metrics["return_best"] == fitness.max()
    assert metrics["return_mean"] == pytest.approx(fitness.mean(), rel=1e-12)
    assert metrics["return_best"] > metrics["return_mean"]

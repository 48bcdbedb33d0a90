"""What every registered algorithm keeps to: the registry feeds these tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.base import Algorithm, Entry
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.specification import MLP, Network
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

ENTRIES = pytest.mark.parametrize("entry", ALGORITHMS.values(), ids=list(ALGORITHMS))
NETWORK: Network = MLP((3,)).build(2, 2)


def make(entry: Entry, seed: int = 5, **options: Any) -> Algorithm:
    return entry.algorithm(resolve(entry.settings, options), NETWORK, seed)


def sphere(request: Request, shift: float = 0.5) -> Experience:
    """Returns that fall with the distance from a point, an episode each with an offset of its own."""
    distance = ((request.parameters.astype(np.float64) - shift) ** 2).sum(axis=1)
    offsets = np.arange(request.episodes) * 0.1
    lengths = np.full((len(distance), request.episodes), 7)
    return Experience(-distance[:, None] + offsets, lengths)


def run(algorithm: Algorithm, generations: int) -> list[dict[str, float]]:
    return [algorithm.tell(sphere(algorithm.ask())) for _ in range(generations)]


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@ENTRIES
def test_shapes_and_types_of_a_request(entry: Entry) -> None:
    request = make(entry).ask()
    assert request.parameters.ndim == 2
    assert request.parameters.shape[1] == NETWORK.size
    assert request.parameters.dtype == np.float32
    assert request.episodes >= 1
    assert np.isfinite(request.parameters).all()
    with pytest.raises(ValueError, match="read-only"):
        request.parameters[0, 0] = 1.0


@ENTRIES
def test_asking_twice_changes_nothing(entry: Entry) -> None:
    algorithm = make(entry)
    run(algorithm, 2)
    before, first = algorithm.state(), algorithm.ask()
    second = algorithm.ask()
    np.testing.assert_array_equal(first.parameters, second.parameters)
    assert equal(before, algorithm.state())


@ENTRIES
def test_the_same_seed_gives_the_same_run_and_another_seed_another(entry: Entry) -> None:
    one, two, three = make(entry, 1), make(entry, 1), make(entry, 2)
    assert run(one, 4) == run(two, 4)
    assert equal(one.state(), two.state())
    run(three, 4)
    assert not equal(one.state(), three.state())


@ENTRIES
def test_resumed_equals_uninterrupted(entry: Entry) -> None:
    whole, first = make(entry), make(entry)
    run(whole, 6)
    run(first, 3)
    resumed = make(entry)
    resumed.restore(first.state())
    run(resumed, 3)
    assert equal(whole.state(), resumed.state())


@ENTRIES
def test_state_is_flat_plain_and_a_copy(entry: Entry) -> None:
    algorithm = make(entry)
    run(algorithm, 1)
    state = algorithm.state()
    for name, value in state.items():
        assert isinstance(name, str)
        assert value is None or isinstance(value, (np.ndarray, int, float, str, bool)), name
    kept = {name: np.copy(value) for name, value in state.items()}
    run(algorithm, 2)
    assert equal(state, kept)


@ENTRIES
def test_a_state_before_the_first_generation_can_be_restored(entry: Entry) -> None:
    algorithm, other = make(entry), make(entry)
    other.restore(algorithm.state())
    assert run(algorithm, 2) == run(other, 2)


@ENTRIES
def test_a_state_of_another_network_is_refused(entry: Entry) -> None:
    other = entry.algorithm(resolve(entry.settings, {}), MLP((4,)).build(2, 2), 0)
    with pytest.raises(ValueError, match="expected"):
        make(entry).restore(other.state())


@ENTRIES
def test_what_is_told_is_left_untouched(entry: Entry) -> None:
    algorithm = make(entry)
    experience = sphere(algorithm.ask())
    returns, lengths = experience.returns.copy(), experience.lengths.copy()
    algorithm.tell(experience)
    np.testing.assert_array_equal(experience.returns, returns)
    np.testing.assert_array_equal(experience.lengths, lengths)


@ENTRIES
def test_experience_of_the_wrong_shape_is_refused_and_changes_nothing(entry: Entry) -> None:
    algorithm = make(entry)
    before = algorithm.state()
    with pytest.raises(ValueError, match="expected returns of shape"):
        algorithm.tell(Experience(np.zeros((1, 1)), np.ones((1, 1), np.int64)))
    assert equal(before, algorithm.state())


@ENTRIES
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_fitness_that_is_no_number_does_not_spread(entry: Entry, fault: float) -> None:
    algorithm = make(entry)
    for _ in range(3):
        experience = sphere(algorithm.ask())
        experience.returns[::3] = fault
        algorithm.tell(experience)
    assert np.isfinite(algorithm.ask().parameters).all()
    assert algorithm.best is not None
    assert not np.isnan(algorithm.best.value)


@ENTRIES
def test_nan_is_never_the_best(entry: Entry) -> None:
    algorithm = make(entry)
    request = algorithm.ask()
    experience = sphere(request)
    experience.returns[int(experience.returns.mean(axis=1).argmax())] = np.nan
    algorithm.tell(experience)
    assert algorithm.best is not None
    assert algorithm.best.value == np.nanmax(experience.returns.mean(axis=1))


@ENTRIES
def test_the_best_is_one_that_was_measured(entry: Entry) -> None:
    algorithm = make(entry)
    assert algorithm.best is None
    for _ in range(4):
        request = algorithm.ask()
        experience = sphere(request)
        algorithm.tell(experience)
        fitness = experience.returns.mean(axis=1)
        assert algorithm.best is not None
        assert algorithm.best.value == fitness.max()
        np.testing.assert_array_equal(algorithm.best.theta, request.parameters[fitness.argmax()])


@ENTRIES
def test_it_learns_and_not_from_shuffled_fitness(entry: Entry) -> None:
    """The negative control: where the returns belong to other candidates, nothing may be learnt."""
    rng = np.random.default_rng(0)

    def distance(shuffled: bool) -> float:
        algorithm = make(entry)
        for _ in range(40):
            request = algorithm.ask()
            experience = sphere(request)
            if shuffled:
                experience.returns[:] = experience.returns[rng.permutation(len(experience.returns))]
            algorithm.tell(experience)
        return float(np.median(((algorithm.ask().parameters - 0.5) ** 2).sum(axis=1)))

    start = float(np.median(((make(entry).ask().parameters - 0.5) ** 2).sum(axis=1)))
    assert distance(shuffled=False) < 0.35 * start
    assert distance(shuffled=True) > start


@ENTRIES
def test_metrics_are_numbers_and_name_the_returns(entry: Entry) -> None:
    metrics = run(make(entry), 1)[0]
    assert all(isinstance(value, (int, float)) for value in metrics.values())
    assert metrics["return_best"] >= metrics["return_mean"]


@ENTRIES
def test_general_and_algorithm_options_share_no_name(entry: Entry) -> None:
    general = {field.name for field in fields(TrainSettings)}
    assert not general & {field.name for field in fields(entry.settings)}


@ENTRIES
def test_every_option_has_a_help_line_and_a_valid_default(entry: Entry) -> None:
    for settings in (entry.settings, TrainSettings):
        for field in fields(settings):
            assert field.metadata["help"]
        resolve(settings, {field.name: field.default for field in fields(settings)})


@ENTRIES
def test_presets_are_made_of_known_settings(entry: Entry) -> None:
    own, general = ({field.name for field in fields(settings)} for settings in (entry.settings, TrainSettings))
    for preset in entry.presets.values():
        assert set(preset) <= own | general
        resolve(entry.settings, {name: value for name, value in preset.items() if name in own})
        resolve(TrainSettings, {name: value for name, value in preset.items() if name in general})


def test_an_unknown_algorithm_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'genetic'"):
        ALGORITHMS["genetc"]

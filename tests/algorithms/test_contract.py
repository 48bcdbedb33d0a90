"""What every registered algorithm keeps to: the registry feeds these tests.

What those with a population keep to besides is in `test_population_contract.py`.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from contract import equal, make, network_of, run, same, sphere

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

ENTRIES = pytest.mark.parametrize("entry", ALGORITHMS.values(), ids=list(ALGORITHMS))


@ENTRIES
def test_shapes_and_types_of_a_request(entry: Entry) -> None:
    request = make(entry).ask()
    assert request.parameters.ndim == 2
    assert request.parameters.shape[1] == network_of(entry).size
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
    other = entry.algorithm(resolve(entry.settings, {}), network_of(entry, inputs=3), 0)
    with pytest.raises(ValueError, match="expected"):
        make(entry).restore(other.state())


@ENTRIES
def test_what_is_told_is_left_untouched(entry: Entry) -> None:
    algorithm = make(entry)
    experience = sphere(algorithm.ask())
    returns, lengths = experience.returns.copy(), experience.lengths.copy()
    algorithm.best(experience)
    algorithm.tell(experience)
    np.testing.assert_array_equal(experience.returns, returns)
    np.testing.assert_array_equal(experience.lengths, lengths)


@ENTRIES
def test_experience_of_the_wrong_shape_is_refused_and_changes_nothing(entry: Entry) -> None:
    algorithm = make(entry)
    before, (P, E) = algorithm.state(), sphere(algorithm.ask()).returns.shape
    for shape in ((P + 1, E + 1), (P + 1, E), (P, E + 1), (0, E), (P, 0)):
        wrong = Experience(returns=np.zeros(shape), lengths=np.ones(shape, np.int64))
        for call in (algorithm.best, algorithm.tell):
            with pytest.raises(ValueError, match="expected returns of shape"):
                call(wrong)
    assert equal(before, algorithm.state())


@ENTRIES
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_fitness_that_is_no_number_does_not_spread(entry: Entry, fault: float) -> None:
    algorithm = make(entry)
    for _ in range(3):
        experience = sphere(algorithm.ask())
        experience.returns[::3] = fault
        best = algorithm.best(experience)
        assert not np.isnan(best.value)
        assert np.isfinite(best.theta).all()
        algorithm.tell(experience)
    assert np.isfinite(algorithm.ask().parameters).all()


@ENTRIES
def test_the_best_is_one_that_was_measured(entry: Entry) -> None:
    algorithm = make(entry)
    for _ in range(4):
        request = algorithm.ask()
        experience = sphere(request)
        best = algorithm.best(experience)
        measured = zip(request.parameters, experience.returns.mean(axis=1), strict=True)
        assert (best.theta.tobytes(), best.value) in [(theta.tobytes(), value) for theta, value in measured]
        algorithm.tell(experience)


@ENTRIES
def test_naming_the_best_changes_nothing_and_depends_on_nothing_else(entry: Entry) -> None:
    """On the state and the experience alone: not on what was asked before, nor on the process."""
    algorithm, other, silent = make(entry), make(entry), make(entry)
    run(algorithm, 2)
    other.restore(algorithm.state())
    before, experience = algorithm.state(), sphere(algorithm.ask())
    algorithm.best(sphere(algorithm.ask(), shift=-2.0))
    best = algorithm.best(experience)
    assert same(best, algorithm.best(experience))
    assert same(best, other.best(experience))
    assert equal(before, algorithm.state())
    run(silent, 3)  # never asked for its best
    algorithm.tell(experience)
    assert equal(algorithm.state(), silent.state())


@ENTRIES
def test_the_best_is_a_read_only_copy(entry: Entry) -> None:
    algorithm = make(entry)
    best = algorithm.best(sphere(algorithm.ask()))
    kept = best.theta.copy()
    assert (best.theta.shape, best.theta.dtype) == ((network_of(entry).size,), np.float32)
    assert best.theta.base is None
    with pytest.raises(ValueError, match="read-only"):
        best.theta[0] = 1.0
    run(algorithm, 3)
    np.testing.assert_array_equal(best.theta, kept)


@ENTRIES
def test_metrics_are_numbers_and_name_the_mean_return(entry: Entry) -> None:
    metrics = run(make(entry), 1)[0]
    assert all(isinstance(value, (int, float)) for value in metrics.values())
    assert "return_mean" in metrics


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

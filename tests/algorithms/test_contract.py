"""What every registered algorithm keeps to: the registry feeds these tests.

What those with a population keep to besides is in `test_population_contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from operator import attrgetter

import numpy as np
import pytest
from contract import arrays_of, equal, make, measured, network_of, run, same, told_alike

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.explorer import Explorer
from cartwheel.algorithms.gradients.agent import PolicyGradient
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings


def over(entries: Iterable[Entry]) -> pytest.MarkDecorator:
    """The test for each of these."""
    return pytest.mark.parametrize("entry", entries, ids=attrgetter("name"))


_BY_STEPS = [entry for entry in ALGORITHMS.values() if entry.by_steps]
ENTRIES, BY_STEPS = over(ALGORITHMS.values()), over(_BY_STEPS)
BY_EPISODES = over([entry for entry in ALGORITHMS.values() if not entry.by_steps])
EXPLORERS, DRAWING = (
    over([entry for entry in _BY_STEPS if issubclass(entry.algorithm, kind)]) for kind in (Explorer, PolicyGradient)
)


@ENTRIES
def test_shapes_and_types_of_a_request(entry: Entry) -> None:
    algorithm = make(entry)
    request = algorithm.ask()
    assert request.parameters.ndim == 2
    assert request.parameters.shape[1] == network_of(entry).size
    assert request.parameters.dtype == np.float32
    assert (request.stretch is not None) == entry.by_steps == (algorithm.lanes > 0)
    if request.stretch is None:
        assert request.episodes >= 1
    else:
        assert (len(request.parameters), request.episodes) == (1, 0)
        assert (request.stretch.lanes, request.stretch.steps) == (algorithm.lanes, 8)
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
    if first.stretch is not None and second.stretch is not None:
        np.testing.assert_equal(vars(first.stretch), vars(second.stretch))
    assert equal(before, algorithm.state())


@ENTRIES
def test_the_same_seed_gives_the_same_run_and_another_seed_another(entry: Entry) -> None:
    one, two, three = make(entry, 1), make(entry, 1), make(entry, 2)
    assert told_alike(run(one, 4), run(two, 4))
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
    assert told_alike(run(algorithm, 2), run(other, 2))


@ENTRIES
def test_a_state_of_another_network_is_refused(entry: Entry) -> None:
    algorithm = make(entry)
    before = algorithm.state()
    with pytest.raises(ValueError, match="expected"):
        algorithm.restore(make(entry, inputs=3).state())
    assert equal(before, algorithm.state())


@ENTRIES
def test_what_is_told_is_left_untouched(entry: Entry) -> None:
    algorithm = make(entry)
    experience = measured(algorithm)
    kept = arrays_of(experience)
    algorithm.best(experience)
    algorithm.tell(experience)
    np.testing.assert_equal(arrays_of(experience), kept)


@BY_EPISODES
def test_experience_of_the_wrong_shape_is_refused_and_changes_nothing(entry: Entry) -> None:
    algorithm = make(entry)
    before, (P, E) = algorithm.state(), measured(algorithm).returns.shape
    for shape in ((P + 1, E + 1), (P + 1, E), (P, E + 1), (0, E), (P, 0)):
        wrong = Experience(returns=np.zeros(shape), lengths=np.ones(shape, np.int64))
        for call in (algorithm.best, algorithm.tell):
            with pytest.raises(ValueError, match="expected returns of shape"):
                call(wrong)
    assert equal(before, algorithm.state())


@BY_STEPS
def test_steps_that_were_not_asked_for_are_refused_and_change_nothing(entry: Entry) -> None:
    algorithm = make(entry)
    run(algorithm, 1)
    before, right = algorithm.state(), measured(algorithm)
    steps = right.transitions
    assert steps is not None
    late = replace(steps, taken=steps.taken - 1)
    short, narrow = (
        replace(steps, **{name: array[cut] for name, array in vars(steps).items() if np.ndim(array) > 1})
        for cut in (np.s_[:-1], np.s_[:, :1])
    )
    for wrong in (None, late, short, replace(narrow, taken=steps.taken[:1])):
        for call in (algorithm.best, algorithm.tell):
            with pytest.raises(ValueError, match="expected transitions of shape"):
                call(replace(right, transitions=wrong))
    assert equal(before, algorithm.state())


@ENTRIES
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_fitness_that_is_no_number_does_not_spread(entry: Entry, fault: float) -> None:
    algorithm = make(entry)
    for _ in range(3):
        experience = measured(algorithm)
        experience.returns[::3] = fault
        best = algorithm.best(experience)
        assert not np.isnan(best.value)
        assert np.isfinite(best.theta).all()
        algorithm.tell(experience)
    assert np.isfinite(algorithm.ask().parameters).all()


@BY_EPISODES
def test_the_best_is_one_that_was_measured(entry: Entry) -> None:
    algorithm = make(entry)
    for _ in range(4):
        request = algorithm.ask()
        experience = measured(algorithm)
        best = algorithm.best(experience)
        candidates = zip(request.parameters, experience.returns.mean(axis=1), strict=True)
        assert (best.theta.tobytes(), best.value) in [(theta.tobytes(), value) for theta, value in candidates]
        algorithm.tell(experience)


@BY_STEPS
def test_the_best_is_what_acted_at_the_mean_of_the_last_episodes(entry: Entry) -> None:
    algorithm, returns = make(entry), np.zeros(0)
    for _ in range(60):
        experience = measured(algorithm)
        returns = np.append(returns, experience.returns)
        best = algorithm.best(experience)
        assert best.theta.tobytes() == algorithm.ask().parameters[0].tobytes()
        assert best.value == pytest.approx(returns[-100:].mean(), rel=1e-12)
        algorithm.tell(experience)
    assert len(returns) > 100


@EXPLORERS
def test_it_learns_from_steps_and_explores_less_and_less(entry: Entry) -> None:
    algorithm = make(entry, epsilon_start=0.9, epsilon_end=0.1, epsilon_steps=40)
    first = algorithm.ask()
    shares = [first.stretch.epsilon]  # type: ignore[union-attr]
    for _ in range(3):
        run(algorithm, 1)
        shares.append(algorithm.ask().stretch.epsilon)  # type: ignore[union-attr]
    np.testing.assert_allclose(np.concatenate(shares), np.maximum(0.1, 0.9 - 0.8 * np.arange(0, 64, 2) / 40))
    assert algorithm.ask().parameters.tobytes() != first.parameters.tobytes()


@DRAWING
def test_it_learns_from_steps_that_are_drawn_anew_each_time(entry: Entry) -> None:
    algorithm, other = make(entry), make(entry, seed=6)
    first = algorithm.ask()
    noise = [algorithm.ask().stretch.noise, other.ask().stretch.noise]  # type: ignore[union-attr]
    run(algorithm, 1)
    noise.append(algorithm.ask().stretch.noise)  # type: ignore[union-attr]
    assert len(np.unique(np.array(noise))) == np.size(noise)
    assert algorithm.ask().parameters.tobytes() != first.parameters.tobytes()


@BY_STEPS
def test_what_was_asked_is_what_learns_whatever_is_learnt_meanwhile(entry: Entry) -> None:
    algorithm = make(entry)
    request = algorithm.ask()
    kept = request.parameters.copy()
    run(algorithm, 4)
    np.testing.assert_array_equal(request.parameters, kept)


@ENTRIES
def test_the_figures_have_the_same_names_from_the_first_to_the_last(entry: Entry) -> None:
    later = {"learning_starts": 40} if "learning_starts" in {field.name for field in fields(entry.settings)} else {}
    rows = run(make(entry, **later), 5)
    assert len({tuple(row) for row in rows}) == 1


@ENTRIES
def test_the_room_is_a_count_of_bytes(entry: Entry) -> None:
    room = make(entry).room
    assert isinstance(room, int)
    if "capacity" in {field.name for field in fields(entry.settings)}:
        assert 64 * 2 * 4 < room < make(entry, capacity=640).room  # two inputs of four bytes each, at least
    else:
        assert room == 0


@ENTRIES
def test_naming_the_best_changes_nothing_and_depends_on_nothing_else(entry: Entry) -> None:
    """On the state and the experience alone: not on what was asked before, nor on the process."""
    algorithm, other, silent = make(entry), make(entry), make(entry)
    run(algorithm, 2)
    other.restore(algorithm.state())
    before, experience = algorithm.state(), measured(algorithm)
    algorithm.best(measured(algorithm, shift=-2.0))
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
    best = algorithm.best(measured(algorithm))
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

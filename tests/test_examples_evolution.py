"""The examples of evolution beside control: each runs in a quick form, and comes to what is known of it.

The tutorial's example, neuroevolution, is run by test_documents.py.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_examples import EVOLVED, load

from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn import no_grad

#: Each program, the picture that it saves, and a line that its quick form prints.
RUNS = {
    "evolve_classifier": (False, r"^snes +[\d,]+ +[\d.]+ +0\.[5-7]\d{3} +\d\d\.\d% +\d\d\.\d%$"),
    "evolve_sequence": (False, r"^parity of 8 bits +GRU +82 +1 +[\d,]+ +[\d.]+ +[\d.]+% +[\d.]+%$"),
    "evolve_gan": (True, r"^result: \d of 8 centres covered, [\d.]+% of the points good, energy distance \d\.\d{3}$"),
    "evolution_against_gradient": (True, r"^16 thresholds +49  adam +0\.5 +0\.5 to 0\.5 "),
}

classifier, sequence, gan, against = map(load, RUNS)


def test_these_are_the_examples_of_evolution() -> None:
    assert set(RUNS) == EVOLVED


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    picture, line = RUNS[name]
    load(name).main(["--quick"])
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ([f"{name}.png"] if picture else [])
    assert not picture or (tmp_path / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("name", [name for name, (picture, _) in RUNS.items() if picture])
def test_without_matplotlib_there_is_only_no_picture(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    load(name).main(["--quick"])
    assert "there is no picture" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


# --- a data set as fitness --------------------------------------------------------------------------------------------


def test_a_population_is_measured_as_its_networks_are_one_by_one() -> None:
    model, (x, t) = classifier.network(0), classifier.get_spiral()
    population = np.random.default_rng(0).standard_normal((5, model.theta.size))
    together = classifier.cross_entropies(model, x, t)(population)
    for theta, value in zip(population, together, strict=True):
        model.theta = theta
        assert value == pytest.approx(F.softmax_cross_entropy(model(x), t).item(), rel=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_the_spiral_is_learnt_in_all_ways(seed: int) -> None:
    evolved = classifier.by_evolution("snes", seed, 0.05, 50_000)
    followed = classifier.by_gradient(seed, 0.05, 50_000)
    for result in (evolved, followed):
        loss, accuracy, unseen = result.figures()
        assert loss <= 0.051
        assert accuracy >= 0.97
        assert unseen >= 0.95
    assert 15 * followed.evaluations < evolved.evaluations < 12_000


def test_figures_tell_the_learnt_points_from_others() -> None:
    """A network that answers 0 is right for a third of the points."""
    model = classifier.network(0)
    model.theta[:] = 0.0
    assert classifier.Result(model, 0, 0.0).figures() == pytest.approx((np.log(3), 1 / 3, 1 / 3))


# --- sequences --------------------------------------------------------------------------------------------------------

symbols, parity = sequence.TASKS


def test_the_tasks_are_those_told() -> None:
    xs, t = symbols.draw(np.random.default_rng(0), 500, 20)
    assert xs.shape == (20, 500, 4)
    np.testing.assert_array_equal(xs.sum(axis=-1), 1.0)
    np.testing.assert_array_equal(xs[0].argmax(axis=-1), t)
    assert set(t) == {0, 1, 2, 3}
    xs, t = parity.draw(np.random.default_rng(0), 500, 8)
    assert xs.shape == (8, 500, 1)
    assert set(np.unique(xs)) == {-1.0, 1.0}
    np.testing.assert_array_equal((xs[..., 0] > 0).sum(axis=0) % 2, t)


@pytest.mark.parametrize("cells", [L.GRU, L.LSTM])
def test_a_generation_hears_the_same_sequences_and_the_next_one_others(cells: Any) -> None:
    model = sequence.Memory(cells, *symbols.sizes)
    f = sequence.fitness(symbols, model, np.random.default_rng(3))
    theta = np.random.default_rng(1).standard_normal(model.theta.size)
    first, again = f(np.stack([theta, theta])), f(theta[np.newaxis])
    assert first[0] == first[1] != again[0]
    model.theta = theta
    xs, t = symbols.draw(np.random.default_rng(3), symbols.batch, symbols.length)
    with no_grad():
        assert first[0] == pytest.approx(F.softmax_cross_entropy(model(xs), t).item(), rel=1e-5)


def test_where_searches_begin() -> None:
    gru, lstm = (sequence.Memory(cells, *symbols.sizes) for cells in (L.GRU, L.LSTM))
    assert not sequence.start(symbols, gru, L.GRU).any()
    x0 = sequence.start(symbols, lstm, L.LSTM)
    assert (x0.sum(), np.count_nonzero(x0)) == (24.0, 8)
    lstm.theta = x0
    np.testing.assert_array_equal(lstm.cells.b.data[8:16], 3.0)


@pytest.mark.parametrize("task", sequence.TASKS, ids=lambda task: task.name.partition(" ")[0])
@pytest.mark.parametrize("cells", [L.GRU, L.LSTM])
def test_sequences_are_learnt(task: Any, cells: Any) -> None:
    result = sequence.evolve(task, cells, 0, 10)
    assert sequence.accuracy(task, result.model, task.length) > 0.95
    assert sequence.accuracy(task, result.model, 3 * task.length) > 0.85
    assert result.evaluations <= 6000 * result.searches


def test_a_search_that_finds_nothing_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "AIM", 0.0)
    monkeypatch.setattr(sequence, "EVALUATIONS", 50)
    result = sequence.evolve(parity, L.GRU, 0, 3)
    assert (result.searches, result.evaluations) == (3, 150)


# --- a generator without a gradient -----------------------------------------------------------------------------------


def test_the_energy_distance() -> None:
    """By hand: two points that are 1 apart against the one between them, 2 * 0.5 - 0.5 - 0."""
    pair, middle = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.5, 0.0]])
    assert gan.energy_distance(pair, middle) == gan.energy_distance(middle, pair) == pytest.approx(0.5)
    assert gan.energy_distance(pair, pair) == 0.0
    assert gan.energy_distance(middle, np.array([[3.5, 4.0]])) == pytest.approx(10.0)


def test_coverage_of_points_that_are_known() -> None:
    assert gan.coverage(np.repeat(gan.CENTRES, 10, axis=0)) == (8, 1.0)
    assert gan.coverage(np.zeros((80, 2))) == (0, 0.0)
    assert gan.coverage(np.repeat(gan.CENTRES, [79, 1, 2, 2, 1, 1, 1, 1], axis=0)) == (3, 1.0)


def test_a_fitness_is_how_real_the_points_look() -> None:
    pair = gan.Pair(0, rounds=1)
    population = np.random.default_rng(0).standard_normal((3, pair.generator.theta.size)).astype(np.float32)
    noise = gan.draw_noise(pair.rng, gan.BATCH)
    together = pair.judge(population, noise[np.newaxis]).data
    for theta, value in zip(population, together, strict=True):
        pair.generator.theta = theta
        opinion = F.sigmoid(pair.discriminator(pair.generator(noise)))
        assert value == pytest.approx(F.mean(F.log(opinion)).item(), rel=1e-4)


def test_a_round_keeps_the_mean_and_teaches_the_discriminator() -> None:
    pair = gan.Pair(0, rounds=5)
    mean, before = pair.generator.theta.copy(), pair.discriminator.theta.copy()
    pair.round()
    np.testing.assert_array_equal(pair.generator.theta, mean)  # the first mean: where it began
    assert np.any(pair.discriminator.theta != before)
    pair.round()
    step = np.abs(pair.generator.theta - mean).max()
    assert step == pytest.approx(gan.RATE, rel=0.01)  # Adam's first
    pair.done = 5
    pair.round()
    assert pair.strategy.settings.learning_rate == pytest.approx(gan.RATE / 10)


def test_each_network_gets_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The discriminator learns to tell, and generators learn to please one that learns no more."""
    pair = gan.Pair(0, rounds=200)

    def opinions() -> tuple[float, float]:
        real, false = pair.discriminator(gan.real_points(pair.rng, 2000)), pair.discriminator(pair.sample(pair.rng))
        return real.data.mean(), false.data.mean()

    for _ in range(100):
        pair.teach(gan.real_points(pair.rng, gan.BATCH), gan.draw_noise(pair.rng, gan.BATCH))
    real, false = opinions()
    assert real > false + 1
    monkeypatch.setattr(pair, "teach", lambda *_: None)
    for _ in range(100):
        pair.round()
    assert opinions()[1] > false + 1


def test_looking_changes_nothing() -> None:
    pairs = gan.Pair(1, rounds=3), gan.Pair(1, rounds=3)
    for pair, look in zip(pairs, (True, False), strict=True):
        for _ in range(3):
            pair.round()
            assert not look or gan.told(pair) == gan.told(pair)
    np.testing.assert_array_equal(pairs[0].generator.theta, pairs[1].generator.theta)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_ring_is_covered_without_a_gradient(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = gan.Pair(seed, rounds=6000)
    before = gan.energy_distance(pair.sample(pair.rng), gan.real_points(pair.rng, 2000))
    for _ in range(6000):
        pair.round()
    covered, good = gan.coverage(pair.sample(pair.rng))
    assert covered >= 5
    assert good > 0.65
    assert gan.energy_distance(pair.sample(pair.rng), gan.real_points(pair.rng, 2000)) < before / 4


# --- evolution against the gradient -----------------------------------------------------------------------------------


def test_errors_are_of_the_whole_network() -> None:
    model = against.network("16-16 tanh", 0)
    error = np.mean((model(2 * against.X - 1).data - against.Y) ** 2)
    assert against.by_gradient(model, 3)[0] == pytest.approx(error, rel=1e-5)
    model = against.network("16-16 tanh", 0)
    model.theta[:] = 0.0
    for budget in (1, 25):
        errors = against.by_evolution(model, "snes", budget, 0)
        assert errors.shape == (budget,)  # one for each candidate
        assert errors[0] == pytest.approx(0.5, abs=0.3)


def test_passes_are_counted_alike_and_the_best_is_kept() -> None:
    for method in against.METHODS:
        found = against.curves("8 tanh", method, 2, 60)
        assert found.shape == (2, 60)
        assert (np.diff(found, axis=1) <= 0).all()
    errors = against.by_gradient(against.network("8 tanh", 0), 60)
    assert len(set(errors.tolist())) == 20
    np.testing.assert_array_equal(errors[::3], errors[2::3])


def test_who_wins_where() -> None:
    """As the heading says: the gradient on the larger network, evolution on thresholds."""
    ends = {
        (name, method): np.log10(against.curves(name, method, 3, 3000)[:, -1])
        for name in ("16-16 tanh", "16 thresholds")
        for method in ("adam", "snes")
    }
    assert ends["16-16 tanh", "adam"].max() < -3 < -1.5 < ends["16-16 tanh", "snes"].min()
    assert ends["16 thresholds", "snes"].max() < -0.9 < -0.35 < ends["16 thresholds", "adam"].min()

"""The examples of the framework: each runs, at a reduced length, and comes to the answers that are known of it.

The two examples of training controllers are run by test_documents.py.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture.program import Program

EXAMPLES = Path(__file__).parent.parent / "examples"

#: Each program with options that make it short, the picture it saves, and a line that it must print.
RUNS = {
    "xor_recurrent": (["--epochs", "3"], True, r"^epoch 3   loss \d\.\d{6}$"),
    "linear_regression": (["--steps", "3"], True, r"^3 x\^2 at x = 5: 75\.0, its derivative: 30\.0$"),
    "sine_network": (["--steps", "3"], True, r"^optimizers\.SGD +0\.01 \* randn +float64 +\d\.\d{16}$"),
    "character_model": (["--epochs", "2"], False, r"^    2 +[\d.]+ +[\d.]+$"),
    "gan_ring": (["--steps", "20"], True, r"^result: \d of 8 centres covered, [\d.]+% of the points good$"),
    "sequence_memory": (["--steps", "2"], False, r"^copy task: accuracy +0\.\d{4} +2 +[\d.]+$"),
    "neat_xor": (["--generations", "2"], True, r"^generation   2   best \d\.\d{4}   species \d+$"),
}

#: Those whose steps can be recorded, and how many of them these runs make.
RECORDED = {
    "linear_regression": 3,
    "sine_network": 3 * 3,  # of six rows, those that an optimizer updates
    "character_model": 2 * 8,
    "gan_ring": 2 * 20,
    "sequence_memory": 2 * 2,
}

#: Those that test_examples_evolution.py runs.
EVOLVED = {"evolve_classifier", "evolve_sequence", "evolve_gan", "evolution_against_gradient"}


def load(name: str) -> Any:
    """An example as a module."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


xor, regression, sine = load("xor_recurrent"), load("linear_regression"), load("sine_network")
characters, gan, memory = load("character_model"), load("gan_ring"), load("sequence_memory")


# --- all of them ------------------------------------------------------------------------------------------------------


def test_no_example_goes_untested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        *(*RUNS, *EVOLVED, "neuroevolution", "own_environment"),
        *("cartpole_dqn", "grid_q_learning"),  # test_examples_values.py
        *("policy_gradient_by_hand", "reinforce"),  # test_examples_policies.py
    }


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(Program, "run")  # nothing is recorded unless it is asked for
    words, picture, line = RUNS[name]
    load(name).main(words)
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ([f"{name}.png"] if picture else [])
    assert not picture or (tmp_path / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("name", RECORDED)
def test_it_runs_recorded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step of training is run by the interpreter then, and none by Python."""
    monkeypatch.chdir(tmp_path)
    asked = []
    run = Program.run
    monkeypatch.setattr(Program, "run", lambda self, *given: asked.append(self) or run(self, *given))
    words, _, line = RUNS[name]
    load(name).main([*words, "--recorded"])
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)
    assert len(asked) == RECORDED[name]
    assert not any(row.words is None for program in asked for row in program.rows)  # one that NumPy would run


def test_the_same_seed_gives_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed in ("3", "3", "4"):
        characters.main(["--epochs", "1", "--seed", seed])
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize("name", [name for name, (_, picture, _) in RUNS.items() if picture])
def test_without_matplotlib_there_is_only_no_picture(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    load(name).main(RUNS[name][0])
    assert "there is no picture" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_one_by_its_command_line(tmp_path: Path) -> None:
    words = [sys.executable, str(EXAMPLES / "linear_regression.py"), "--steps", "100"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert "W 2.11807369, b 5.46608905, loss 0.0790860651" in done.stdout


# --- exclusive or by hand ---------------------------------------------------------------------------------------------

each_form = pytest.mark.parametrize("form", list(xor.FORMS))


def differences(loss: Callable[[], float], weight: Any) -> Any:
    """The gradient of a loss by a weight, from central differences."""
    found, step = np.zeros_like(weight), 1e-6
    for index in np.ndindex(*weight.shape):
        before = weight[index]
        weight[index] = before + step
        above = loss()
        weight[index] = before - step
        found[index] = (above - loss()) / (2 * step)
        weight[index] = before
    return found


@each_form
def test_xor_gradients_against_differences(form: str) -> None:
    """Holds the faults of the tutorial: hidden states not kept, tanh of the gradient, the output's at every step."""
    network = xor.Elman(np.random.default_rng(3), xor.FORMS[form].shape[-1])
    network.weights["b"] += 0.3
    for xs, answer in zip(xor.FORMS[form], xor.ANSWERS, strict=True):
        _, grads = xor.loss_and_gradients(network, xs, answer)
        for name, weight in network.weights.items():
            near = differences(lambda xs=xs, answer=answer: xor.loss_and_gradients(network, xs, answer)[0], weight)
            np.testing.assert_allclose(grads[name], near, rtol=1e-7, atol=1e-8)


def framework_gradients(weights: dict[str, Any], xs: Any, answer: float) -> tuple[float, dict[str, Any]]:
    """The same loss and gradients by layers of the framework."""
    rnn = L.RNN(weights["Wh"].shape[0], in_size=xs.shape[-1], dtype=np.float64)
    readout = L.Linear(1, in_size=weights["Wh"].shape[0], dtype=np.float64)
    theirs = {"Wx": rnn.x2h.W, "Wh": rnn.h2h.W, "b": rnn.x2h.b, "V": readout.W, "c": readout.b}
    for name, p in theirs.items():
        p.data = weights[name].copy()
    for x in xs:
        h = rnn(x[np.newaxis])
    loss = F.mean_squared_error(readout(h), np.array([[answer]]))
    loss.backward()
    return loss.item(), {name: p.grad.data for name, p in theirs.items() if p.grad is not None}


@each_form
@pytest.mark.parametrize("seed", range(5))
def test_xor_gradients_are_the_frameworks(form: str, seed: int) -> None:
    network, _ = xor.train(xor.FORMS[form], seed, epochs=5)
    for xs, answer in zip(xor.FORMS[form], xor.ANSWERS, strict=True):
        loss, grads = xor.loss_and_gradients(network, xs, answer)
        their_loss, theirs = framework_gradients(network.weights, xs, answer)
        assert loss == pytest.approx(their_loss, rel=1e-12)
        for name, grad in grads.items():
            np.testing.assert_allclose(grad, theirs.get(name, 0.0), rtol=1e-10, atol=1e-10)


def test_xor_gradients_for_longer_sequences() -> None:
    rng = np.random.default_rng(0)
    network, xs = xor.Elman(rng, 3), rng.standard_normal((7, 3))
    _, grads = xor.loss_and_gradients(network, xs, 0.5)
    _, theirs = framework_gradients(network.weights, xs, 0.5)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, theirs[name], rtol=1e-10, atol=1e-10)


@each_form
@pytest.mark.parametrize("seed", range(5))
def test_xor_is_learnt(form: str, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    network, losses = xor.train(xor.FORMS[form], seed, epochs=2000)
    assert len(losses) == 2000
    assert losses[-1] < 0.01
    assert xor.error(network, xor.FORMS[form]) < 0.01
    xor.print_predictions(network, xor.FORMS[form])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0] + row[1], row[3], row[4]) for row in rows] == [
        ("0,0", "0", "0"), ("0,1", "1", "1"), ("1,0", "1", "1"), ("1,1", "0", "0"),
    ]  # fmt: skip


def test_xor_stays_on_the_plateau_with_small_weights() -> None:
    for xs in xor.FORMS.values():
        network, _ = xor.train(xs, 0, epochs=2000, hidden=2, scale=0.01)
        assert xor.error(network, xs) == pytest.approx(1.0, abs=0.05)


# --- regression -------------------------------------------------------------------------------------------------------


def test_the_derivative() -> None:
    assert regression.derivative() == (75.0, 30.0)


def test_the_line() -> None:
    W, b, losses = regression.fit(*regression.points(0), steps=100)
    assert W.data[0, 0] == pytest.approx(2.11807369, abs=5e-9)
    assert b.data[0] == pytest.approx(5.46608905, abs=5e-9)
    assert losses[-1] == pytest.approx(0.07908606512411756, rel=1e-10)


def test_the_line_recorded() -> None:
    W, b, losses = regression.fit(*regression.points(0), steps=100, recorded=True)
    assert (W.item(), b.item()) == pytest.approx((2.11807369, 5.46608905), abs=5e-9)
    assert losses == pytest.approx(regression.fit(*regression.points(0), steps=100)[2], rel=1e-14)


def test_a_bias_without_a_number_is_refused() -> None:
    x, _ = regression.points(0)
    with pytest.raises(ValueError, match="holds no number"):
        regression.predict(x, Variable(np.zeros((1, 1))), Variable(np.zeros(0)))
    with pytest.raises(ValueError, match="linear"):
        F.linear(x, Variable(np.zeros((1, 1))), Variable(np.zeros(0)))


@pytest.mark.parametrize("name", list(sine.FORMS))
def test_the_sine_network_as_in_dezero(name: str) -> None:
    form, losses = sine.train(name, 0, 10_000, narrow=True)
    assert sine.last_printed(losses) == losses[9000] == pytest.approx(0.0761937449484299, rel=1e-10)
    assert losses[-1] == pytest.approx(0.07609065948015298, rel=1e-10)  # DeZero's, too
    assert form.predict(np.array([[0.25]])).item() == pytest.approx(1.5, abs=0.2)  # the sine, and half the noise


def test_the_sine_network_recorded() -> None:
    form, losses = sine.train("optimizers.SGD", 0, 10_000, narrow=True, recorded=True)
    assert losses[9000] == pytest.approx(0.0761937449484299, rel=1e-10)
    assert losses[-1] == pytest.approx(0.07609065948015298, rel=1e-10)
    assert form.predict(np.array([[0.25]])).item() == pytest.approx(1.5, abs=0.2)
    eager, recorded = (sine.train("optimizers.SGD", 1, 300, recorded=one)[1] for one in (False, True))
    np.testing.assert_allclose(recorded, eager, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in sine.FORMS if name != "optimizers.SGD"])
def test_updates_by_hand_are_not_recorded(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"\.data"):
        sine.train(name, 0, 2, recorded=True)


def test_the_sine_network_from_small_weights() -> None:
    _, losses = sine.train("F.linear by hand", 0, 9001, small=True)
    assert losses[9000] == pytest.approx(0.07722132399559317, rel=1e-10)  # DeZero's


def test_all_ways_are_the_same_to_the_bit() -> None:
    curves = [sine.train(name, 1, 200)[1] for name in sine.FORMS]
    assert all(curve == curves[0] for curve in curves)
    assert sine.train("a Model", 2, 200)[1] != curves[0]


def test_small_weights_are_small() -> None:
    small = np.concatenate([W.ravel() for W in sine.initial_weights(np.random.RandomState(0), small=True)])
    assert 0.005 < small.std() < 0.015
    assert np.abs(small).max() < 0.04  # 0.01 + randn would be neither small
    assert (small < 0).any()


# --- characters -------------------------------------------------------------------------------------------------------


def test_the_rhyme_grows_from_verse_to_verse() -> None:
    assert characters.verse(1) == "On evening 1 there came\na kettle that sings.\n\n"
    assert characters.verse(3).splitlines()[1:4] == [
        "three boats on the lake,",
        "two lamps in the hall,",
        "a kettle that sings.",
    ]
    assert characters.verse(8).count("\n") == 10
    verses = [characters.verse(day) for day in range(1, 9)]
    assert set(characters.rhyme().split("\n\n")[:-1]) == {verse.rstrip("\n") for verse in verses}


def test_streams_go_on_from_window_to_window() -> None:
    text = characters.open_text(None)
    parts = list(characters.windows(text))
    assert parts[0][0].shape == (characters.WINDOW, characters.STREAMS)
    x, t = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
    np.testing.assert_array_equal(x[1:], t[:-1])
    jump = len(text) // characters.STREAMS
    for stream in (0, 5):
        np.testing.assert_array_equal(x[:jump, stream], text.data[stream * jump : (stream + 1) * jump])


def test_the_past_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(characters, "milestones", lambda epochs: [])  # no sample, which would forget everything
    model, _ = characters.train(characters.open_text(None), 0, epochs=1)
    creators, seen = [model.lstm.h.creator], 0
    while creators:
        creator = creators.pop()
        if creator is not None:
            seen += 1
            creators += [x.creator for x in creator.inputs if isinstance(x, Variable)]
    assert seen <= 2


def test_characters_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32, and the memory goes on from window to window."""
    monkeypatch.setattr(characters, "milestones", lambda epochs: [])
    text = characters.open_text(None)
    (model, losses), (other, eager) = (characters.train(text, 0, epochs=2, recorded=one) for one in (True, False))
    np.testing.assert_allclose(losses, eager, rtol=1e-6)
    np.testing.assert_allclose(model.theta, other.theta, atol=1e-5)


def test_a_text_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.txt").write_text("春去秋来" * 200, encoding="utf-8")
    characters.main(["--epochs", "30", "--text", str(tmp_path / "own.txt")])
    out = capsys.readouterr().out
    assert out.startswith("800 characters, 4 different ones\n")
    assert "春去秋来" * 20 in out.partition("--- after epoch 30")[2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_rhyme_is_learnt(seed: int) -> None:
    text = characters.open_text(None)
    model, losses = characters.train(text, seed, epochs=80)
    assert losses[-1] < 0.02
    verses = characters.sample(model, text, np.random.default_rng(0), 12_000).split("\n\n")[1:-1]
    known = {characters.verse(day).rstrip("\n") for day in range(1, 9)}
    assert len(verses) > 45
    assert np.mean([verse in known for verse in verses]) > 0.8


# --- a ring of Gaussians ----------------------------------------------------------------------------------------------


def test_coverage_of_points_that_are_known() -> None:
    centres = gan.CENTRES
    assert gan.coverage(np.repeat(centres, 10, axis=0)) == (8, 1.0)
    assert gan.coverage(np.zeros((80, 2))) == (0, 0.0)
    one = np.concatenate([np.repeat(centres[:1], 60, axis=0), np.zeros((20, 2))])
    assert gan.coverage(one) == (1, 0.75)
    few = np.repeat(centres, [79, 1, 2, 2, 1, 1, 1, 1], axis=0)  # fair would be 11 each: 2 are enough
    assert gan.coverage(few) == (3, 1.0)
    _, good = gan.coverage(gan.real_points(np.random.default_rng(0), 100_000))
    assert good == pytest.approx(1 - np.exp(-4.5), abs=0.002)


def test_each_step_changes_its_own_network() -> None:
    pair = gan.Pair(0, steps=10)
    generator, discriminator = pair.generator.theta.copy(), pair.discriminator.theta.copy()
    pair.step_discriminator()
    np.testing.assert_array_equal(pair.generator.theta, generator)
    assert not np.any(pair.generator.grad)
    assert np.any(pair.discriminator.theta != discriminator)
    discriminator = pair.discriminator.theta.copy()
    pair.step_generator()
    np.testing.assert_array_equal(pair.discriminator.theta, discriminator)
    assert np.any(pair.generator.theta != generator)


def test_each_network_gets_its_own_way() -> None:
    pair = gan.Pair(0, steps=40)

    def opinions() -> tuple[float, float]:
        real, false = pair.discriminator(gan.real_points(pair.rng, 2000)), pair.discriminator(pair.sample())
        return real.data.mean(), false.data.mean()

    for _ in range(40):
        pair.step_discriminator()
    real, false = opinions()
    assert real > false + 1
    for _ in range(40):
        pair.step_generator()
    assert opinions()[1] > false + 1


def test_the_first_losses_are_those_of_guessing() -> None:
    _, losses = gan.train(0, steps=1)
    assert losses[0][0] == pytest.approx(2 * np.log(2), rel=0.3)
    assert losses[0][1] == pytest.approx(np.log(2), rel=0.3)


def test_the_pair_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    """In float32: what they are off grows, since each network learns from the other."""
    (pair, losses), (other, eager) = (gan.train(0, steps=30, recorded=one) for one in (True, False))
    np.testing.assert_allclose(losses, eager, rtol=1e-5)
    np.testing.assert_allclose(pair.generator.theta, other.generator.theta, atol=1e-4)
    np.testing.assert_allclose(pair.discriminator.theta, other.discriminator.theta, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_ring_is_covered(seed: int) -> None:
    pair, _ = gan.train(seed, steps=4000)
    covered, good = gan.coverage(pair.sample())
    assert covered == 8
    assert good > 0.85


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_tasks_are_those_told() -> None:
    adding, copying = memory.TASKS
    xs, t = adding.batch(np.random.default_rng(0), 5000)
    assert xs.shape == (100, 5000, 2)
    np.testing.assert_allclose((xs[..., 0] * xs[..., 1]).sum(axis=0), t[0, :, 0], rtol=1e-6)
    ones = Variable(np.ones_like(t))
    assert adding.measure(ones, t) == pytest.approx(1 / 6, abs=0.01) == adding.loss(ones, t).item()
    xs, t = copying.batch(np.random.default_rng(0), 7)
    assert xs.shape == (30, 7, 10)
    np.testing.assert_array_equal(xs[:5].argmax(axis=-1), t)
    assert set(np.unique(t)) <= set(range(1, 9))
    right = Variable(100.0 * np.eye(10)[t])
    assert copying.measure(right, t) == 1.0
    assert copying.loss(right, t).item() < 1e-9
    assert copying.measure(right, (t + 1) % 10) == 0.0


def test_a_sequence_begins_with_nothing_remembered() -> None:
    task = memory.TASKS[0]
    model = memory.Memory(*task.sizes, np.random.default_rng(0))
    xs, _ = task.batch(np.random.default_rng(1), 3)
    first = model(xs, 1).data.copy()
    np.testing.assert_array_equal(model(xs, 1).data, first)
    assert first.shape == (1, 3, 1)
    xs[-1, 1] += 1.0  # what is read is the memory after the last step
    assert (model(xs, 1).data != first).ravel().tolist() == [False, True, False]


def test_learning_stops_when_the_aim_is_reached() -> None:
    adding = memory.TASKS[0]
    easy = dataclasses.replace(adding, reached=lambda measure: measure < 1.0)
    result = memory.train(easy, 0, most_steps=50, every=2)
    assert (result.steps, result.reached) == (2, True)
    assert memory.train(adding, 0, most_steps=3, every=2).steps == 3


@pytest.mark.parametrize("task", memory.TASKS, ids=lambda task: task.name.partition(" ")[0])
def test_memory_recorded(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32; the loss is what is looked at after all steps."""
    measured = []
    monkeypatch.setattr(memory, "measured", lambda model, task, xs, wanted: measured.append(model.theta.copy()) or 0.0)
    never = dataclasses.replace(task, reached=lambda measure: False)
    for recorded in (True, False):
        memory.train(never, 0, most_steps=6, every=3, recorded=recorded)
    np.testing.assert_allclose(measured[:2], measured[2:], atol=2e-5)
    assert np.abs(measured[1] - measured[0]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("task", memory.TASKS, ids=lambda task: task.name.partition(" ")[0])
def test_both_tasks_are_learnt(task: Any, seed: int) -> None:
    result = memory.train(task, seed, most_steps=6000)
    assert result.reached
    assert result.measure < 0.01 if task is memory.TASKS[0] else result.measure >= 0.99

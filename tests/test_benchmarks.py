"""The benchmarks' runner on known numbers, and the tutorial's port against hand figures and Gymnasium."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/ is no installed package

from benchmarks import dqn, evolution, gradient, machine, page, peers, runner, startup, tutorial, workers
from benchmarks.dqn_peer import Answer, Job
from benchmarks.records import (
    BENCHMARKS,
    ITS_CHILDREN,
    Benchmark,
    Comparison,
    Contestant,
    Sample,
    Setting,
    Spread,
    UnavailableError,
    timed,
)
from cartwheel.errors import CartwheelError, UsageError
from cartwheel.experience.rollouts import GeneralRollout
from cartwheel.registry import Registry
from learning.peers.dqn import ZOO

# Per CPU second a does 10, 100, 20 and b 20, 50, 80: turn by turn the ratios are 2, 0.5, 4 with the median 2, while the
# ratio of the medians would be 2.5.
SAMPLES = {
    "a": [Sample(cpu=1.0, wall=2.0, work=10.0), Sample(1.0, 1.0, 100.0), Sample(2.0, 2.0, 40.0)],
    "b": [Sample(cpu=0.5, wall=5.0, work=10.0), Sample(1.0, 1.0, 50.0), Sample(0.5, 1.0, 40.0)],
}
RATIO = Comparison("b over a", "per CPU second", "ratio", "b", "a", at_least=2)
DIFFERENCE = Comparison("b beyond a", "wall seconds", "difference", "b", "a", at_most=-0.5)
VALUE = Comparison("a alone", "per wall second", "value", "a")


def make(name: str, turns: dict[str, Callable[[], Sample]], comparisons: tuple[Comparison, ...] = ()) -> Benchmark:
    def contestants(setting: Setting) -> Iterator[Contestant]:
        for contestant, turn in turns.items():
            yield Contestant(contestant, turn)

    return Benchmark(name, "What it is.", "steps", "per CPU second", comparisons, contestants)


def replay(samples: dict[str, list[Sample]]) -> dict[str, Callable[[], Sample]]:
    return {name: iter(turns).__next__ for name, turns in samples.items()}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[Benchmark]:
    """The runner with these two benchmarks only."""
    known: Registry[Benchmark] = Registry("benchmark")
    monkeypatch.setattr(runner, "BENCHMARKS", known)
    monkeypatch.setattr(machine, "describe", lambda: {"processor": "a slide rule"})
    known.register("pairs", make("pairs", replay(SAMPLES), (RATIO, DIFFERENCE, VALUE)))
    known.register("other", make("other", {"c": lambda: Sample(1.0, 1.0, 7.0)}))
    return known


# --- statistics ------------------------------------------------------------------------------------------------------


def test_the_spread_is_the_median_and_the_ends() -> None:
    assert Spread.of([5.0, 1.0, 4.0, 2.0]) == Spread(median=3.0, minimum=1.0, maximum=5.0)


def test_comparisons_go_turn_by_turn() -> None:
    assert RATIO.values(SAMPLES) == [2.0, 0.5, 4.0]
    assert DIFFERENCE.values(SAMPLES) == [3.0, 0.0, -1.0]
    assert VALUE.values(SAMPLES) == [5.0, 100.0, 20.0]


def test_what_is_wanted_is_held_against_the_median() -> None:
    assert RATIO.met(2.0)
    assert not RATIO.met(1.99)
    assert DIFFERENCE.met(-0.5)
    assert not DIFFERENCE.met(0.0)
    assert VALUE.met(0.0)


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def turn(name: str) -> Callable[[], Sample]:
        return lambda: order.append(name) or Sample(1.0, 1.0, float(len(order)))  # type: ignore[func-returns-value]

    samples = runner.run(make("order", {name: turn(name) for name in "abc"}), turns=3, quick=True)
    assert "".join(order) == "abcabcabc"
    assert [sample.work for sample in samples["b"]] == [2.0, 5.0, 8.0]


def test_a_benchmark_gets_a_folder_that_goes_when_it_is_over() -> None:
    seen: list[Setting] = []

    def contestants(setting: Setting) -> Iterator[Contestant]:
        seen.append(setting)
        yield Contestant("a", lambda: Sample(1.0, 1.0, float((setting.folder / "x").write_text("here"))))

    samples = runner.run(Benchmark("f", "", "", None, (), contestants), turns=1, quick=True)
    assert samples["a"][0].work == 4.0
    assert seen[0].quick
    assert not seen[0].folder.exists()


def test_cpu_time_counts_work_and_not_waiting_and_that_of_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    waited = timed(lambda: __import__("time").sleep(0.2) or 3.0)
    assert waited.work == 3.0
    assert waited.wall >= 0.2
    assert waited.cpu < 0.1
    child = startup._process([sys.executable, "-S", "-c", burn], Path.cwd())
    assert 0.2 <= child.cpu < 0.6
    assert timed(lambda: float(sum(range(2_000_000))), ITS_CHILDREN).cpu == 0.0


def test_a_process_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CartwheelError, match=r"ended with status 3: no budget$"):
        startup._process(
            [sys.executable, "-c", "import sys; print('x\\nno budget', file=sys.stderr); sys.exit(3)"], tmp_path
        )


# --- tables and the page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(45231.7, "45,232"), (3.0, "3"), (512.34, "512.3"), (51.234, "51.23"), (-0.51234, "-0.512"), (-1e-4, "0.000")],
)
def test_numbers(value: float, text: str) -> None:
    assert page.number(value) == text


def test_the_section_shows_every_figure() -> None:
    text = page.section(make("pairs", {}, (RATIO, DIFFERENCE, VALUE)), SAMPLES, {"python": "3.99"})
    lines = [re.sub(" +", " ", line) for line in text.splitlines()]
    assert lines[0] == "## pairs"
    assert "| contestant | CPU seconds | wall seconds | steps | steps per CPU second |" in lines
    assert "| a | 1 (1 to 2) | 2 (1 to 2) | 40 (10 to 100) | 20 (10 to 100) |" in lines
    assert "| b | 0.500 (0.500 to 1) | 1 (1 to 5) | 40 (10 to 50) | 50 (20 to 80) |" in lines
    assert "| b over a | per CPU second | 2 | 0.500 | 4 | at least 2: met |" in lines
    assert "| b beyond a | wall seconds | 0 | -1 | 3 | at most -0.5: missed |" in lines
    assert "| a alone | per wall second | 20 | 5 | 100 | |" in lines
    assert lines[-1] == "3 turns; python 3.99."


def test_what_cannot_run_has_a_row_that_says_so() -> None:
    contestants: dict[str, Any] = {"a": lambda: Sample(1.0, 1.0, 7.0), "b (no compiler)": None}
    samples = runner.run(make("pair", contestants), turns=2, quick=True)
    assert [len(turns) for turns in samples.values()] == [2, 0]
    lines = [re.sub(" +", " ", line) for line in page.section(make("pair", {}), samples, {}).splitlines()]
    assert "| a | 1 | 1 | 7 | 7 |" in lines
    assert "| b (no compiler) | - | - | - | - |" in lines
    assert lines[-1].startswith("2 turns")


def test_a_peer_that_cannot_run_is_told() -> None:
    def unable() -> Any:
        raise UnavailableError("no C++ compiler")

    first, second = gradient._contestants("job", {"one": unable, "two": lambda: lambda times: -float(times)}, 3)
    assert (first.name, first.turn) == ("job: one (no C++ compiler)", None)
    assert second.turn is not None
    assert second.turn().work == 3.0


class Broken:
    """A torch whose compiler fails."""

    def __init__(self, problem: str) -> None:
        self.problem = problem

    def compile(self, function: Any, dynamic: bool) -> Any:
        def fail() -> Any:
            raise RuntimeError(self.problem)

        return fail


def test_only_a_missing_compiler_is_no_error_of_torchs() -> None:
    with pytest.raises(UnavailableError, match="no C\\+\\+ compiler"):
        peers._torch_compiled(Broken("InvalidCxxCompiler: No working C++ compiler found"), float)
    with pytest.raises(RuntimeError, match="shapes"):
        peers._torch_compiled(Broken("shapes differ"), float)


def test_a_new_page_gets_a_heading_and_the_section(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    page.write_section(file, "one", "first")
    assert file.read_text().startswith("# Benchmarks\n")
    assert file.read_text().endswith("\n\n<!-- benchmark: one -->\nfirst\n<!-- end: one -->\n")


def test_only_a_benchmarks_own_section_changes(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    before = "# Mine\n\nprose \\1\n\n<!-- benchmark: one -->\nold\n<!-- end: one -->\n  more prose  \n"
    other = "<!-- benchmark: one-two -->\nkept\n<!-- end: one-two -->\nlast words, no newline"
    file.write_text(before + other)
    page.write_section(file, "one", "new \\1 text")
    assert file.read_text() == before.replace("old", "new \\1 text") + other
    page.write_section(file, "three", "x")
    assert file.read_text().startswith(before.replace("old", "new \\1 text") + other)
    assert file.read_text().endswith("\n\n<!-- benchmark: three -->\nx\n<!-- end: three -->\n")


@pytest.mark.parametrize(
    "content",
    [
        "<!-- benchmark: one -->\nopen",
        "closed <!-- end: one -->",
        "<!-- end: one --> <!-- benchmark: one -->",
        "<!-- benchmark: one --><!-- end: one --> <!-- end: one -->",
        "<!-- benchmark: one --><!-- end: one --><!-- benchmark: one --><!-- end: one -->",
    ],
)
def test_a_page_with_broken_markers_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(content)
    with pytest.raises(UsageError, match="expected one pair of markers"):
        page.write_section(file, "one", "new")
    assert file.read_text() == content


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_page_and_file(
    registry: Registry[Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, written = tmp_path / "raw.json", tmp_path / "benchmarks.md"
    arguments = ["--runs", "3", "--json", str(file), "--date", "2001-02-03"]
    assert runner.main(arguments, written) == 0
    text = written.read_text()
    assert text.index("<!-- benchmark: pairs -->") < text.index("<!-- benchmark: other -->")
    assert "3 turns; measured on 2001-02-03, processor a slide rule." in text
    assert "| b over a" in capsys.readouterr().out
    data = json.loads(file.read_text())
    assert data["about"]["measured on"] == "2001-02-03"
    assert data["benchmarks"]["pairs"]["samples"]["b"][2] == {"cpu": 0.5, "wall": 1.0, "work": 40.0}
    assert data["benchmarks"]["pairs"]["comparisons"]["b over a (per CPU second)"] == [2.0, 0.5, 4.0]
    assert list(data["benchmarks"]) == ["pairs", "other"]


def test_quick_leaves_the_page_alone(registry: Registry[Benchmark], tmp_path: Path) -> None:
    assert runner.main(["other", "--runs", "1", "--quick"], tmp_path / "benchmarks.md") == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["pears"], "unknown benchmark 'pears'; did you mean 'pairs'?"),
        (["other", "--runs", "0"], "argument --runs: expected a whole number of at least 1, got '0'; see"),
        (["other", "--fast"], "unrecognized arguments: --fast; see"),
        (["other", "--runs", "1", "--json", "/nowhere/at/all.json"], "can't write /nowhere/at/all.json: No such"),
    ],
)
def test_bad_usage_is_one_line(
    registry: Registry[Benchmark],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    assert runner.main(arguments, tmp_path / "benchmarks.md") == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_one_that_fails_does_not_stop_the_others(
    registry: Registry[Benchmark], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Sample:
        raise CartwheelError("out of steam")

    registry.register("broken", make("broken", {"x": fail}))
    registry.register("third", make("third", {"y": lambda: Sample(1.0, 1.0)}))
    assert runner.main(["--runs", "1"], tmp_path / "benchmarks.md") == 1
    assert "error: broken: out of steam" in capsys.readouterr().err
    assert "benchmark: third" in (tmp_path / "benchmarks.md").read_text()


def test_the_list_names_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--list"]) == 0
    assert set(capsys.readouterr().out.split()) >= {"evolution", "startup", "workers"}


def test_the_machine_is_named() -> None:
    about = machine.describe()
    assert about["numpy"] == np.__version__
    assert re.match(r"\S.*, [1-9]\d* processors$", about["processor"])


# --- the tutorial's port ---------------------------------------------------------------------------------------------


def test_a_forward_pass_checked_by_hand() -> None:
    network = tutorial.NeuralNetwork(
        weights=[np.array([[1.0, -2.0], [3.0, 1.0]]), np.array([[1.0, 2.0], [4.0, 5.0]])],
        biases=[np.array([0.5, 1.0]), np.array([-10.0, -20.0])],
    )
    # hidden: (1 + 6 + 0.5, -2 + 2 + 1) = (7.5, 1); outputs: (7.5 + 4 - 10, 15 + 5 - 20)
    np.testing.assert_array_equal(network.predict(np.array([1.0, 2.0])), [1.5, 0.0])
    # hidden: (2 + 0.5, -4 + 1 -> 0); outputs stay negative: no ReLU on the last layer
    np.testing.assert_array_equal(network.predict(np.array([2.0, 0.0])), [-7.5, -15.0])


def leaning(*weights: float) -> tutorial.NeuralNetwork:
    """A network of one layer that pushes right when weights * observation is positive."""
    matrix = np.array([[0.0, weight] for weight in weights])
    return tutorial.NeuralNetwork([matrix], [np.zeros(2)])


def gymnasium_length(weights: tuple[float, ...], seed: int, limit: int) -> int:
    """The same policy without a network, on the bare environment."""
    env: Any = gymnasium.make("CartPole-v1").unwrapped
    observation, _ = env.reset(seed=seed)
    for step in range(1, limit + 1):
        observation, _, terminated, _, _ = env.step(int(np.dot(observation, weights) > 0))
        if terminated:
            return step
    return limit


@pytest.mark.parametrize("weights", [(0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 1.0, 0.3), (0.0, -1.0, 1.0, 0.0)])
def test_the_port_plays_as_gymnasium_does(weights: tuple[float, ...]) -> None:
    env = tutorial.make_environment(limit=300)
    returns = tutorial.evaluate(env, leaning(*weights), seeds=range(5))
    assert returns == [gymnasium_length(weights, seed, 300) for seed in range(5)]


def test_an_episode_that_outlasts_the_limit_counts() -> None:
    balancing = leaning(0.0, 0.0, 1.0, 0.3)
    assert tutorial.evaluate(tutorial.make_environment(limit=50), balancing, [0, 1]) == [50.0, 50.0]


def test_the_limit_of_the_tutorial() -> None:
    env: Any = tutorial.make_environment()
    assert isinstance(env, gymnasium.wrappers.TimeLimit)
    assert (env._max_episode_steps, env.spec.max_episode_steps) == (10_000, 10_000)


def test_the_port_keeps_the_best_and_meets_the_given_episodes() -> None:
    falling, better = leaning(0.0, 0.0, -1.0, 0.0), leaning(0.0, 0.0, 1.0, 0.3)
    asked: list[tuple[Any, int]] = []

    def successors(best: Any, generation: int) -> list[Any]:
        asked.append((best, generation))
        return [falling, best]

    history = tutorial.evolve([falling, better, falling], [[0, 1], [2, 3], [4, 5]], successors, limit=60)
    assert [generation.shape for generation in history] == [(3, 2), (2, 2), (2, 2)]
    assert [(best is better, generation) for best, generation in asked] == [(True, 1), (True, 2)]
    assert (history[2][1] == 60).all()
    assert list(history[2][0]) == [gymnasium_length((0.0, 0.0, -1.0, 0.0), seed, 60) for seed in (4, 5)]


def test_mutants_are_gaussian_and_their_parent_stays_as_it_was() -> None:
    rng = np.random.default_rng(0)
    best = tutorial.NeuralNetwork.random((4, 16, 2), rng)
    assert [weight.shape for weight in best.weights] == [(4, 16), (16, 2)]
    assert all((bias == 0).all() for bias in best.biases)
    kept = [weight.copy() for weight in best.weights]
    first, *others = tutorial.mutants_of(0.1, rng)(best, 1)
    assert first is best
    assert len(others) == 63
    assert all((now == before).all() for now, before in zip(best.weights, kept, strict=True))
    noise = np.concatenate([(m.weights[0] - best.weights[0]).ravel() for m in others] + [m.biases[1] for m in others])
    assert abs(noise.std() - 0.1) < 0.005
    assert abs(noise.mean()) < 0.005


# --- the same evolution on both sides --------------------------------------------------------------------------------


def test_the_port_walks_the_same_evolution() -> None:
    job = evolution.Job(population=6, generations=2)
    rollout = GeneralRollout(job.environment, job.specification)
    history = list(job.walk(rollout.network, rollout))
    assert [generation.parameters.shape for generation in history] == [(6, 114), (6, 114)]
    assert not np.array_equal(history[0].seeds, history[1].seeds)
    best = history[0].experience.returns.mean(axis=1).argmax()
    np.testing.assert_array_equal(history[1].parameters[0], history[0].parameters[best])
    assert (history[1].parameters[1:] != history[0].parameters[best]).all()
    steps = sum(generation.experience.steps for generation in history)
    assert steps > 1000
    assert evolution.port_steps(history, rollout.network, limit=10_000) == steps
    assert job.steps(rollout.network, rollout) == steps


def test_candidates_in_the_tutorials_form_give_the_same_outputs() -> None:
    job = evolution.Job()
    network = job.specification.build(4, 2)
    parameters = np.random.default_rng(0).standard_normal((3, network.size)).astype(np.float32)
    x = np.array([0.1, -0.2, 0.3, -0.4])
    for theta, peer in zip(parameters, evolution.as_networks(parameters, network), strict=True):
        assert peer.weights[0].dtype == np.float64
        np.testing.assert_allclose(peer.predict(x), network.forward(theta.astype(np.float64), x[None])[0], rtol=1e-12)


def test_the_job_is_the_tutorials() -> None:
    job = evolution.Job()
    assert (job.population, job.generations) == (tutorial.POPULATION, tutorial.GENERATIONS)
    assert job.environment.limit == tutorial.LIMIT
    assert job.specification.build(4, 2).sizes == tutorial.UNITS


def test_other_steps_are_no_comparison() -> None:
    assert evolution.checked("native", lambda: 1000.0, 1000) == 1000.0
    with pytest.raises(CartwheelError, match=r"native took 1,001 steps where 1,000 were expected"):
        evolution.checked("native", lambda: 1001.0, 1000)


def test_the_port_may_round_otherwise() -> None:
    name = "the tutorial's port"
    assert evolution.checked(name, lambda: 990.0, 1000) == 990.0
    with pytest.raises(CartwheelError, match="not the same evolution"):
        evolution.checked(name, lambda: 1011.0, 1000)


def test_rates_of_independent_processes_add_up() -> None:
    both = workers.together([Sample(cpu=1.0, wall=1.0, work=10.0), Sample(cpu=2.0, wall=2.0, work=10.0)])
    assert (both.cpu, both.work) == (3.0, 20.0)
    assert both.work / both.wall == pytest.approx(10.0 + 5.0)


# --- DQN beside stable-baselines3's ----------------------------------------------------------------------------------

#: A network so small, and so few updates, that only the counting takes time.
SMALL = {**dqn.SAME, "hidden": (8,), "updates": 3, "capacity": 2000}


def test_the_same_settings_are_those_that_the_zoo_publishes() -> None:
    published = dict(ZOO["CartPole-v1"])
    steps = published.pop("n_timesteps")
    assert steps == dqn.BUDGET
    assert dqn.theirs(dqn.SAME, steps) == {**published, "n_steps": 1}
    assert dqn.theirs(dqn.SAME, 10_240)["exploration_fraction"] * 10_240 == 8000
    with pytest.raises(CartwheelError, match=r"is not told tau: put it in words"):
        dqn.theirs({**dqn.SAME, "tau": 0.1}, steps)
    assert dqn.theirs(dqn.BEST, steps)["policy_kwargs"] == {"net_arch": [*dqn.BEST["hidden"]]}


def test_the_ceiling_is_the_products_of_the_same_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = dqn.products((4, 256, 256, 2), 64)
    assert len(calls) == 11
    # Multiplications of a row: 4 x 256 three times, 256 x 256 four times, 256 x 2 four times.
    count = sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in calls)
    assert count == 64 * (3 * 4 * 256 + 4 * 256 * 256 + 4 * 256 * 2)
    assert dqn._multiply(calls, 2, 7.0) == 7.0
    assert all((out == a @ b).all() for a, b, out in calls)
    told: list[float] = []
    made = dqn._made(SMALL, 0)
    tell = made.algorithm.tell
    monkeypatch.setattr(made.algorithm, "tell", lambda found: told.append(256 * tell(found)["updates_per_step"]))
    assert sum(dqn._stretch(made) for _ in range(6)) == 1536
    assert sum(told) == dqn.updates_in(SMALL, 1536) == 3 * 3


def test_our_run_takes_its_steps_and_checks_off_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at steps 1,024, 2,048 and 3,072, the first stretches' ends beyond thousands; the third is good enough."""
    looked: list[int] = []

    def reaches(made: Any, wanted: float, steps: int) -> bool:
        looked.append(steps)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        return len(looked) == 3

    assert dqn.train(Job(0, 1500, settings=SMALL)).steps == 1536
    monkeypatch.setattr(dqn, "_reaches", reaches)
    begun = time.process_time()
    answer = dqn.train(Job(0, 50_000, 475.0, SMALL))
    took = time.process_time() - begun - 0.6
    assert looked == [1024, 2048, 3072]
    assert (answer.steps, answer.reached) == (3072, True)
    assert 0.0 < answer.cpu < took


def test_a_policy_reaches_in_ten_episodes_and_in_a_hundred_others(monkeypatch: pytest.MonkeyPatch) -> None:
    made = dqn._made(SMALL, 3)
    asked: list[list[int]] = []
    means = iter([475.0, 475.0, 475.0, 474.9, 474.0])

    def mean(made: Any, theta: Any, seeds: Any) -> float:
        asked.append(seeds.tolist())
        return next(means)

    real = dqn._mean
    monkeypatch.setattr(dqn, "_mean", mean)
    assert [dqn._reaches(made, 475.0, steps) for steps in (1000, 2000, 3000)] == [True, False, False]
    assert [len(seeds) for seeds in asked] == [10, 100, 10, 100, 10]
    assert len({seed for seeds in asked for seed in seeds}) == 230
    falling = np.zeros(made.rollout.network.size, np.float32)
    assert 8 < real(made, falling, np.arange(10)) < 11


class PlayedPeer:
    """Answers as stable-baselines3's process does; learns nothing."""

    def rate(self, job: Job) -> Sample:
        assert job.reach is None
        return Sample(2.0, 2.0, job.steps)

    def time_to(self, job: Job) -> Sample:
        assert job.reach == 475.0
        return Sample(10.0 + job.seed, 20.0) if job.settings["train_freq"] == 256 else Sample(np.inf, np.inf)


def test_a_glance_at_dqn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each contestant does the same steps; of a small network, as BLAS has several threads here."""
    monkeypatch.setattr(dqn, "SAME", SMALL)
    monkeypatch.setattr(dqn, "stable_baselines", PlayedPeer)
    monkeypatch.setattr(dqn, "_new_process", lambda own: Sample(1.0, 1.0, 1280.0))
    samples = runner.run(BENCHMARKS["dqn"], turns=1, quick=True)
    assert {name: turns[0].work for name, turns in samples.items()} == dict.fromkeys(
        ("Cartwheel", "stable-baselines3", "bare matrix products", dqn._WARM), 1280
    )
    text = page.section(BENCHMARKS["dqn"], samples, {})
    assert re.search(r"Cartwheel / stable-baselines3 +\| per CPU second \| .* at least 2.5: ", text)


def test_a_glance_at_the_time_to_475(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not reached took for ever; each turn has a seed of its own."""
    monkeypatch.setattr(dqn, "train", lambda job: Answer(1.5, 2.0, job.steps, job.seed == 1))
    monkeypatch.setattr(dqn, "stable_baselines", PlayedPeer)
    samples = runner.run(BENCHMARKS["dqn-475"], turns=2, quick=True)
    assert [turn.cpu for turn in samples["stable-baselines3, the same settings"]] == [10.0, 11.0]
    assert [turn.cpu for turn in samples["Cartwheel, the same settings"]] == [np.inf, 1.5]
    lines = [re.sub(" +", " ", line) for line in page.section(BENCHMARKS["dqn-475"], samples, {}).splitlines()]
    wanted = "Cartwheel, Cartwheel's best settings: seconds | CPU seconds | inf | 1.500 | inf | at most 3: missed |"
    assert f"| {wanted}" in lines
    assert "| stable-baselines3, the same settings | 10.50 (10 to 11) | 20 |" in lines


def test_a_python_without_the_peer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dqn.INTERPRETER, sys.executable)
    with pytest.raises(UsageError, match=r"stable-baselines3 is not installed: name a Python that has it.*CARTWHEEL"):
        dqn.stable_baselines()

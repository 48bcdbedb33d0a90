"""The loop: one result for any number of workers, across a kill and a resume; learning, and its control."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.algorithms.genetic import Genetic
from cartwheel.cli import api
from cartwheel.errors import EnvironmentFault, StorageError, UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.storage.metrics import delete_result
from cartwheel.storage.run import Run
from cartwheel.training import memory
from cartwheel.training import trainer as trainer_module
from cartwheel.training.hooks import Hook, Outcome, Plan
from cartwheel.training.interrupt import Interrupted, Stop
from cartwheel.training.judging import Judge
from cartwheel.training.trainer import Trainer

GENETIC: dict[str, Any] = {"algorithm": "genetic", "population": 12, "episodes": 1}
SMALL: dict[str, Any] = {**GENETIC, "episodes": 2, "generations": 5, "early_stop": False, "seed": 4}


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have tests of their own."""
    from cartwheel.reports import page

    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


class Log(Hook):
    """Keeps everything it is told."""

    def __init__(self, act: Any = None) -> None:
        self.plans: list[Plan] = []
        self.rows: list[dict[str, float]] = []
        self.notes: list[str] = []
        self.outcomes: list[Outcome] = []
        self.act = act

    def start(self, plan: Plan) -> None:
        self.plans.append(plan)

    def row(self, row: Any) -> None:
        self.rows.append(dict(row))
        if self.act is not None:
            self.act(row)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def train(folder: Path, name: str, environment: Any = "CartPole-v1", log: Log | None = None, **options: Any) -> Run:
    return cartwheel.train(environment, name=name, runs=folder, hooks=[log or Log()], **{**SMALL, **options})


def test_the_digest_is_the_same_for_any_number_of_workers_and_both_paths(tmp_path: Path) -> None:
    digests = {
        train(tmp_path, f"{native}-{workers}", native=native, workers=workers).digest()
        for native, counts in ((True, (1, 2, 3)), (False, (1, 2)))
        for workers in counts
    }
    assert len(digests) == 1


def test_another_seed_or_setting_gives_another_digest(tmp_path: Path) -> None:
    digests = [
        train(tmp_path, f"run-{k}", **options).digest()
        for k, options in enumerate(({}, {"seed": 5}, {"mutation_std": 0.31}, {"generations": 4}, {"hidden": (15,)}))
    ]
    assert len(set(digests)) == len(digests)


def test_the_configuration_repeats_the_run(tmp_path: Path) -> None:
    first = train(tmp_path, "first", mutation_std=0.2, hidden=(5, 3), activation="tanh")
    again = cartwheel.train(config=first.folder / "config.toml", name="again", runs=tmp_path, hooks=[])
    assert again.digest() == first.digest()


def test_a_run_that_the_clock_ended_is_repeated_by_its_generations(tmp_path: Path) -> None:
    options = {**GENETIC, "early_stop": False}
    first = cartwheel.train("CartPole-v1", name="first", runs=tmp_path, hooks=[], seconds=0.2, **options)
    assert first.result is not None
    assert first.config["train"]["generations"] == first.result["generations"]
    again = cartwheel.train(config=first.folder / "config.toml", name="again", runs=tmp_path, hooks=[])
    assert again.digest() == first.digest()


def test_flags_go_before_the_file_that_before_the_preset_that_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('environment = "CartPole-v1"\n[genetic]\npopulation = 10\nepisodes = 3\n')
    run = cartwheel.train(
        config=file,
        preset="tutorial",
        name="x",
        runs=tmp_path,
        hooks=[],
        population=8,
        max_episode_steps=20,
        generations=1,
    )
    config = run.config
    assert config["genetic"]["population"] == 8  # given
    assert config["genetic"]["episodes"] == 3  # the file's
    assert config["genetic"]["parents"] == 1 / 64  # the preset's
    assert config["genetic"]["tournament"] == 3  # the default
    assert config["train"]["max_episode_steps"] == 20


def test_a_resumed_run_with_a_larger_budget_equals_one_that_had_it_at_once(tmp_path: Path) -> None:
    whole = train(tmp_path, "whole", generations=8)
    part = train(tmp_path, "part", generations=3)
    assert part.digest() != whole.digest()
    log = Log()
    cartwheel.resume("part", runs=tmp_path, hooks=[log], generations=8)
    assert part.digest() == whole.digest()
    assert [row["generation"] for row in log.rows] == [4, 5, 6, 7, 8]
    assert log.plans[0].generation == 3
    assert part.config["train"]["generations"] == 8
    np.testing.assert_array_equal(part.policy.theta, whole.policy.theta)
    np.testing.assert_array_equal(part.test_episodes[0], whole.test_episodes[0])  # type: ignore[index]


def test_a_fault_in_the_environment_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    whole = train(tmp_path, "whole", native=False)

    class Broken(Log):
        def row(self, row: Any) -> None:
            super().row(row)
            if row["generation"] == 3:
                raise EnvironmentFault("CartPole-v1", 1, 2, "step", "told to")

    with pytest.raises(EnvironmentFault):
        train(tmp_path, "broken", native=False, log=Broken())
    broken = Run.open("broken", tmp_path)
    assert broken.status == "interrupted"
    assert broken.policy is not None
    cartwheel.resume(broken, hooks=[])
    assert broken.digest() == whole.digest()
    assert broken.status == "finished"


CHILD = """
    import os, signal, sys
    import cartwheel
    from cartwheel.reports import page
    from cartwheel.training import trainer
    from cartwheel.training.hooks import Hook

    folder, number, generation, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    page.write_report = lambda run, environment: page.Report(run.report_path, None)
    trainer._CHECKPOINT_SECONDS = 0.0 if how == "often" else 1e9

    class Killer(Hook):
        def row(self, row):
            if row["generation"] == generation:
                os.kill(os.getpid(), number)

    try:
        cartwheel.train("CartPole-v1", algorithm="genetic", name="killed", runs=folder, hooks=[Killer()],
                        population=12, episodes=2, generations=5, early_stop=False, seed=4)
    except cartwheel.CartwheelError as error:
        print(error)
        sys.exit(error.exit_status)
"""


def child(folder: Path, number: int, generation: int, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(int(number)), str(generation), how],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("generation", "how"), [(1, "never"), (3, "often")])
def test_a_killed_run_resumes_to_the_same_digest(tmp_path: Path, generation: int, how: str) -> None:
    whole = train(tmp_path, "whole")
    assert child(tmp_path, signal.SIGKILL, generation, how).returncode == -signal.SIGKILL
    run = Run.open("killed", tmp_path)
    assert (run.checkpoints.read() is None) == (how == "never")
    cartwheel.resume(run, hooks=[])
    assert run.digest() == whole.digest()
    assert list(run.metrics["generation"]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_does(tmp_path: Path, number: int) -> None:
    whole = train(tmp_path, "whole")
    done = child(tmp_path, number, 2, "never")
    assert done.returncode == 128 + number
    assert done.stdout.strip() == f"interrupted; go on with: cartwheel resume {tmp_path / 'killed'}"
    run = Run.open("killed", tmp_path)
    assert run.status == "interrupted"
    state = run.checkpoints.read()
    assert state is not None
    assert state["run/generation"] == 2
    cartwheel.resume(run, hooks=[])
    assert run.digest() == whole.digest()


def test_a_signal_breaks_off_a_slow_generation_at_once(tmp_path: Path) -> None:
    program = """
        import sys, time
        import gymnasium, cartwheel

        class Slow(gymnasium.Wrapper):
            def step(self, action):
                time.sleep(0.02)
                return super().step(action)

        try:
            cartwheel.train(lambda: Slow(gymnasium.make("CartPole-v1")), algorithm="genetic", name="slow",
                            runs=sys.argv[1], hooks=[], workers=int(sys.argv[2]), solved_at=475)
        except cartwheel.CartwheelError as error:
            sys.exit(error.exit_status)
    """
    for workers in ("1", "2"):
        folder = tmp_path / workers
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(folder), workers])
        lock = folder / "slow" / "metrics.sqlite"
        deadline = time.monotonic() + 60
        while not lock.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(3.0 if workers == "2" else 0.5)
        os.kill(process.pid, signal.SIGINT)
        started = time.monotonic()
        assert process.wait(timeout=30) == 130
        assert time.monotonic() - started < 10  # a whole generation takes more than a minute


def test_it_learns_cartpole_and_not_from_shuffled_fitness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistical: 5 seeds each; the share of seeds that learn must be 5 of 5, and 0 of 5 with shuffled returns."""
    budget = {"generations": 12, "early_stop": False, "population": 64, "episodes": 5, "finalists": 1}

    def medians(kind: str) -> list[float]:
        results = [train(tmp_path, f"{kind}-{seed}", **{**budget, "seed": seed}) for seed in range(1000, 1005)]
        return [float(run.metrics["return_mean"][-1]) for run in results]

    learnt = medians("plain")
    honest = Trainer.measure

    def shuffled(self: Trainer, request: Request, seeds: Any) -> Experience:
        experience = honest(self, request, seeds)
        order = np.random.default_rng(self.generation).permutation(len(request.parameters))
        return Experience(returns=experience.returns[order], lengths=experience.lengths[order])

    monkeypatch.setattr(Trainer, "measure", shuffled)
    control = medians("shuffled")
    assert min(learnt) > 120
    assert max(control) < 70


def test_solved_is_judged_on_validation_and_reported_on_test_episodes(tmp_path: Path) -> None:
    run = cartwheel.train("CartPole-v1", algorithm="genetic", name="x", runs=tmp_path, hooks=[], seed=0)
    result = run.result
    assert result is not None
    assert result["stop"] == "solved"
    assert float(result["test_mean"]) >= 475
    judged = run.metrics["validation_return"]
    assert judged[-1] >= 475
    assert np.isnan(judged[:-1]).all() or (judged[:-1][~np.isnan(judged[:-1])] < 475).all()
    assert result["validation_steps"] > 0
    assert result["steps"] == run.metrics["steps"][-1]
    evaluation = cartwheel.evaluate(run)
    assert evaluation.mean == result["test_mean"]
    assert evaluation.episodes == result["test_episodes"] == 100
    other = cartwheel.evaluate(run, seed=1)
    assert not np.array_equal(other.lengths, evaluation.lengths) or other.mean == 500.0


def test_test_episodes_are_those_of_other_runs_too() -> None:
    from cartwheel.seeds import Purpose, episode_seeds

    one, other = (episode_seeds(seed, Purpose.TEST, count=100) for seed in (0, 1))
    np.testing.assert_array_equal(one, other)
    kinds = [set(episode_seeds(3, purpose, count=100)) for purpose in Purpose]
    assert len(set.union(*kinds)) == sum(len(kind) for kind in kinds)


def test_the_policy_kept_is_one_that_was_measured(tmp_path: Path) -> None:
    measured: list[tuple[Request, Experience]] = []
    honest = Trainer.measure

    class Watch(Trainer):
        def measure(self, request: Request, seeds: Any) -> Experience:
            measured.append((request, honest(self, request, seeds)))
            return measured[-1][1]

    patch = pytest.MonkeyPatch()
    patch.setattr("cartwheel.training.build.Trainer", Watch)
    try:
        run = train(tmp_path, "x", finalists=1)
    finally:
        patch.undo()
    request, experience = measured[-2]  # of the last generation; what follows is the test
    best = experience.returns.mean(axis=1).argmax()
    np.testing.assert_array_equal(run.policy.theta, request.parameters[best])
    np.testing.assert_array_equal(measured[-1][0].parameters, request.parameters[[best]])


def test_a_run_that_was_stopped_before_its_test_tests_the_last_generations_best(tmp_path: Path) -> None:
    """It was measured before the stop, and is not measured again: the checkpoint holds it."""

    def broken(row: Any) -> None:
        if row["generation"] == SMALL["generations"]:
            raise EnvironmentFault("CartPole-v1", 1, 2, "step", "told to")

    whole = train(tmp_path, "whole")
    with pytest.raises(EnvironmentFault):
        train(tmp_path, "broken", log=Log(broken))
    log = Log()
    run = cartwheel.resume("broken", runs=tmp_path, hooks=[log])
    assert log.rows == []
    assert run.digest() == whole.digest()
    np.testing.assert_array_equal(run.policy.theta, whole.policy.theta)
    np.testing.assert_array_equal(run.test_episodes[0], whole.test_episodes[0])  # type: ignore[index]


def test_a_signal_while_a_policy_is_judged_leaves_the_generation_untold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path, "whole")
    honest = Trainer._verdict

    def stopped(self: Trainer, latest: Any, after: int) -> Any:
        if self.generation == 2:
            raise Stop(signal.SIGINT)
        return honest(self, latest, after)

    monkeypatch.setattr(Trainer, "_verdict", stopped)
    with pytest.raises(Interrupted):
        train(tmp_path, "part")
    monkeypatch.setattr(Trainer, "_verdict", honest)
    part = Run.open("part", tmp_path)
    state = part.checkpoints.read()
    assert state is not None
    assert (state["run/generation"], state["algorithm/generation"]) == (2, 2)
    cartwheel.resume(part, hooks=[])
    assert part.digest() == whole.digest()


@pytest.mark.parametrize("name", ["dqn", "q-learning"])
@pytest.mark.parametrize("fault", [Stop(signal.SIGINT), EnvironmentFault("x", 1, 2, "step", "told to")])
def test_a_signal_or_fault_while_a_learner_is_looked_at_loses_nothing(
    name: str, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stretch before it was collected and not learnt from: it is collected again."""
    options: dict[str, Any] = {"algorithm": name, "steps": 640, "interval": 100, "stretch": 16, "seed": 4, "hooks": []}
    options |= {"early_stop": False, "max_episode_steps": 30, "runs": tmp_path}
    options |= {"learning_starts": 50, "updates": 2, "batch": 4} if name == "dqn" else {}
    environment = "cartwheel/GridWorld-v0"
    whole = cartwheel.train(environment, name="whole", **options)
    honest = Judge.look

    def stopped(self: Judge, best: Any) -> Any:
        if len(looks) == 3:
            raise fault
        looks.append(best)
        return honest(self, best)

    looks: list[Any] = []
    monkeypatch.setattr(Judge, "look", stopped)
    with pytest.raises((Interrupted, EnvironmentFault)):
        cartwheel.train(environment, name="part", **options)
    monkeypatch.setattr(Judge, "look", honest)
    part = Run.open("part", tmp_path)
    cartwheel.resume(part, hooks=[])
    assert part.digest() == whole.digest()


def test_a_second_signal_in_a_change_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a generation is not saved: the run goes on from what was whole."""
    whole = train(tmp_path, "whole")
    honest = Genetic.tell

    def torn(self: Genetic, experience: Any) -> Any:
        figures = honest(self, experience)
        if self.state()["generation"] == 3:
            raise Stop(signal.SIGTERM)
        return figures

    monkeypatch.setattr(trainer_module, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(Genetic, "tell", torn)
    with pytest.raises(Interrupted):
        train(tmp_path, "part")
    monkeypatch.setattr(Genetic, "tell", honest)
    part = Run.open("part", tmp_path)
    cartwheel.resume(part, hooks=[])
    assert part.digest() == whole.digest()


def test_a_candidate_is_not_judged_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that training reaches and validation does not: an elite that stays is not judged again and again."""
    judged: list[bytes] = []
    honest = Judge.judge

    def lenient(self: Judge, best: Any) -> Any:
        validation = honest(self, best)
        if validation is not None:
            judged.append(best.theta.tobytes())
            validation = dataclasses.replace(validation, judged=dataclasses.replace(validation.judged, value=1.0))
        return validation

    monkeypatch.setattr(Judge, "judge", lenient)
    options = {**GENETIC, "population": 4, "mutation_std": 1e-9, "generations": 6, "solved_at": 9.0}
    run = cartwheel.train("CartPole-v1", name="x", runs=tmp_path, hooks=[], max_episode_steps=9, seed=0, **options)
    assert run.result is not None
    assert run.result["generations"] == 6
    assert len(judged) == 1  # mutations of 1e-9 leave the float32 weights as they are


def test_verdicts_survive_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Champion, the last one judged, validation steps: as if the run had never stopped, wherever it stops."""
    options = {**GENETIC, "solved_at": 108.0, "max_episode_steps": 110, "seed": 4}
    whole = cartwheel.train("CartPole-v1", name="whole", runs=tmp_path, hooks=[], generations=6, **options)
    assert whole.metrics["validation_steps"][-1] > 0
    assert len(whole.metrics["generation"]) >= 3
    for generation in range(1, len(whole.metrics["generation"])):
        name = f"part-{generation}"
        part = cartwheel.train("CartPole-v1", name=name, runs=tmp_path, hooks=[], generations=generation, **options)
        cartwheel.resume(part, hooks=[], generations=6)
        assert part.digest() == whole.digest()
        np.testing.assert_array_equal(part.policy.theta, whole.policy.theta)
        assert part.result is not None
        assert part.result["validation_steps"] == whole.result["validation_steps"]  # type: ignore[index]


def test_a_checkpoint_of_other_settings_is_a_readable_error(tmp_path: Path) -> None:
    run = train(tmp_path, "x")
    config = run.config
    config["genetic"]["population"] = 13
    run.write_config(config)
    with pytest.raises(cartwheel.CartwheelError, match="does not fit its settings"):
        cartwheel.resume(run, hooks=[], generations=9)


@pytest.mark.parametrize("problem", [IndexError, KeyError, TypeError, ValueError])
def test_whatever_a_checkpoint_that_does_not_fit_makes_of_it_is_a_readable_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def restore(self: Genetic, state: Any) -> None:
        raise problem("no such place")

    run = train(tmp_path, "x")
    monkeypatch.setattr(Genetic, "restore", restore)
    with pytest.raises(StorageError, match=r"the checkpoint of x does not fit its settings: .*no such place"):
        cartwheel.resume(run, hooks=[], generations=9)


def test_other_versions_are_said_and_the_first_ones_kept(tmp_path: Path) -> None:
    run = train(tmp_path, "x")
    config = run.config
    config["versions"]["numpy"] = "1.0"
    run.write_config(config)
    log = Log()
    cartwheel.resume(run, hooks=[log], generations=6)
    assert any("numpy 1.0 is now" in note for note in log.notes)
    assert run.config["versions"]["numpy"] == "1.0"


def test_what_a_file_names_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's run folder, configuration or policy must not run code, whatever environment it names."""
    monkeypatch.chdir(tmp_path)
    run = train(tmp_path, "x")
    policy = cartwheel.save(run.policy, tmp_path / "stranger.safetensors", about={"environment": "hostile:Thing"})
    (tmp_path / "hostile.py").write_text("raise SystemExit('imported')")
    config = run.config
    for name in ("hostile:Thing", "os:system"):
        run.write_config(
            {**config, "environment": name, "train": {**config["train"], "env_args": {"command": "exit 1"}}}
        )
        for call in (
            lambda: cartwheel.resume(run, hooks=[], generations=9),
            lambda: cartwheel.evaluate(run),
            lambda: cartwheel.render(run, to=tmp_path / "x.webp"),
            lambda: cartwheel.train(config=run.folder / "config.toml", hooks=[], runs=tmp_path),
            lambda: cartwheel.evaluate(policy),
        ):
            with pytest.raises(UsageError, match="give it yourself"):
                call()
    with pytest.raises(UsageError, match="neither registers nor defines"):
        cartwheel.evaluate(policy, environment="os:system")


def test_a_file_knows_the_limit_and_arguments_it_was_trained_under(tmp_path: Path) -> None:
    run = train(tmp_path, "x", max_episode_steps=40, env_args={"sutton_barto_reward": True})
    by_file = cartwheel.evaluate(run.policy_path, episodes=5)
    by_run = cartwheel.evaluate(run, episodes=5)
    np.testing.assert_array_equal(by_file.returns, by_run.returns)
    assert by_file.lengths.max() <= 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 1}, "--population: expected at least 2 and at most 1,000,000, got 1"),
        ({"populaton": 3}, "did you mean 'population'"),
        ({"seed": -1}, "--seed: expected at least 0"),
        ({"preset": "tutoral"}, "did you mean 'tutorial'"),
        ({"activation": "relo"}, "did you mean 'relu'"),
        ({"algorithm": "geneti"}, "did you mean 'genetic'"),
        ({"hidden": (0,)}, "--hidden: expected at least 1"),
        ({"name": "a/b"}, "can't name a run"),
        ({"env_args": {"gravity": 3}}, "unexpected keyword argument"),
    ],
)
def test_bad_settings_are_one_line_and_nothing_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        cartwheel.train("CartPole-v1", runs=tmp_path / "runs", hooks=[], **{"algorithm": "genetic", **options})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_an_existing_name_is_refused_and_left_alone(tmp_path: Path) -> None:
    first = train(tmp_path, "x")
    before = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="'x'"):
        train(tmp_path, "x")
    assert before == {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}


def test_a_finished_run_wants_a_larger_budget(tmp_path: Path) -> None:
    run = train(tmp_path, "x")
    with pytest.raises(UsageError, match="larger budget than 5 generations"):
        cartwheel.resume(run, hooks=[])
    with pytest.raises(UsageError, match="--seed can't change"):
        cartwheel.resume(run, hooks=[], seed=3)


def test_a_second_trainer_in_the_same_folder_is_stopped(tmp_path: Path) -> None:
    def second(row: Any) -> None:
        if row["generation"] == 2:
            with pytest.raises(cartwheel.CartwheelError, match=str(os.getpid())):
                cartwheel.resume("x", runs=tmp_path, hooks=[], generations=9)

    run = train(tmp_path, "x", log=Log(second))
    assert run.result is not None


def test_hooks_are_told_of_everything(tmp_path: Path) -> None:
    log = Log()
    run = train(tmp_path, "x", log=log)
    assert len(log.plans) == len(log.outcomes) == 1
    assert [row["generation"] for row in log.rows] == [1, 2, 3, 4, 5]
    assert log.plans[0].path == "native"
    assert log.plans[0].parameters == 114
    assert log.outcomes[0].files["policy"] == run.policy_path
    steps = [row["steps"] for row in log.rows]
    assert steps == sorted(steps)
    assert [row["best"] for row in log.rows] == list(np.maximum.accumulate([row["return_best"] for row in log.rows]))


def test_a_default_budget_is_always_there(tmp_path: Path) -> None:
    log = Log()
    cartwheel.train("CartPole-v1", algorithm="genetic", name="x", runs=tmp_path, hooks=[log], seed=0)
    assert log.plans[0].budget.steps == 20_000_000


def test_an_environment_that_ignores_its_seed_is_warned_of(tmp_path: Path) -> None:
    import gymnasium

    class Deaf(gymnasium.Wrapper[Any, Any, Any, Any]):
        count = 0

        def reset(self, **arguments: Any) -> Any:
            Deaf.count += 1
            return super().reset(seed=Deaf.count)

    log = Log()
    train(tmp_path, "x", environment=lambda: Deaf(gymnasium.make("CartPole-v1")), log=log, generations=1)
    assert any("another episode for the same seed" in note for note in log.notes)


def test_a_policy_of_other_spaces_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, "x", generations=1)
    with pytest.raises(UsageError, match="this policy is for another observation space"):
        cartwheel.evaluate(run.policy_path, environment="MountainCarContinuous-v0")


def test_sampled_evaluation_draws_and_repeats(tmp_path: Path) -> None:
    run = train(tmp_path, "x", generations=1)
    one, two = (cartwheel.evaluate(run, episodes=5, sample=True) for _ in range(2))
    np.testing.assert_array_equal(one.returns, two.returns)
    assert not np.array_equal(one.returns, cartwheel.evaluate(run, episodes=5).returns)


def test_evaluation_by_either_path_is_the_same(tmp_path: Path) -> None:
    run = train(tmp_path, "x", native=False)
    general = cartwheel.evaluate(run, episodes=8)
    native = cartwheel.evaluate(run.policy_path, episodes=8)
    np.testing.assert_array_equal(general.returns, native.returns)
    assert api.evaluate(run, episodes=8).length_mean == general.lengths.mean()


def test_each_generation_meets_fresh_episodes_the_same_for_all_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[int, ...]] = []
    honest = Trainer.measure

    def watched(self: Trainer, request: Request, seeds: Any) -> Experience:
        met.append(tuple(seeds))
        return honest(self, request, seeds)

    monkeypatch.setattr(Trainer, "measure", watched)
    train(tmp_path, "x", finalists=1)
    generations, test = met[:-1], met[-1]
    assert [len(seeds) for seeds in generations] == [2] * 5
    assert len({seed for seeds in met for seed in seeds}) == 10 + len(test)


def test_rows_that_are_newer_than_the_checkpoint_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of generation 3 beside rows up to 5, as a kill between the two writes may leave them."""
    monkeypatch.setattr(trainer_module, "_CHECKPOINT_SECONDS", 0.0)

    def keep(row: Any) -> None:
        if row["generation"] == 4:  # its own checkpoint is still to come
            shutil.copytree(tmp_path / "torn" / "checkpoint", tmp_path / "older")

    torn = train(tmp_path, "torn", log=Log(keep))
    whole = torn.digest()
    shutil.rmtree(torn.folder / "checkpoint")
    shutil.copytree(tmp_path / "older", torn.folder / "checkpoint")
    delete_result(torn.metrics_path)

    class Rows(Log):
        def start(self, plan: Plan) -> None:
            super().start(plan)
            assert plan.generation == 3
            assert list(torn.metrics["generation"]) == [1, 2, 3]

    cartwheel.resume(torn, hooks=[Rows()])
    assert torn.digest() == whole


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "_CHECKPOINT_SECONDS", 0.0)
    whole, damaged = train(tmp_path, "whole", generations=6), train(tmp_path, "damaged")
    (damaged.folder / "checkpoint" / "last.safetensors").write_bytes(b"torn")
    log = Log()
    cartwheel.resume(damaged, hooks=[log], generations=6)
    assert "damaged" in log.notes[0]
    assert log.plans[0].generation == 4
    assert damaged.digest() == whole.digest()


def test_the_best_on_validation_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates that are judged and fail: the policy is the one that did best, not the last."""
    kept: list[tuple[float, bytes]] = []
    honest = Judge.note

    def noted(self: Judge, validation: Any) -> None:
        kept.append((validation.judged.value, validation.judged.theta.tobytes()))
        honest(self, validation)

    monkeypatch.setattr(Judge, "note", noted)
    options = {**GENETIC, "generations": 6, "solved_at": 108.0, "max_episode_steps": 110}
    run = cartwheel.train("CartPole-v1", name="x", runs=tmp_path, hooks=[], seed=4, finalists=1, **options)
    figures = [value for value, _ in kept]
    assert len(kept) >= 2
    assert figures != sorted(figures), "the last one judged is not the best, or this shows nothing"
    assert run.policy.theta.tobytes() == max(kept)[1]


def test_a_budget_that_is_used_up_at_once_still_has_a_generation(tmp_path: Path) -> None:
    run = cartwheel.train("CartPole-v1", name="x", runs=tmp_path, hooks=[], seconds=1e-6, **GENETIC)
    assert run.result is not None
    assert run.result["generations"] == 1


def test_a_resumed_run_wants_a_budget_that_leaves_something_to_do(tmp_path: Path) -> None:
    child(tmp_path, signal.SIGKILL, 4, "often")
    run = Run.open("killed", tmp_path)
    before = run.config
    with pytest.raises(UsageError, match="larger budget"):
        cartwheel.resume(run, hooks=[], generations=2)
    assert run.config == before
    cartwheel.resume(run, hooks=[])
    assert run.result is not None


@pytest.mark.parametrize(
    ("what", "large"),
    [
        ("a network of 4,295,491,586 parameters takes 137 GB", {"hidden": (65_536,) * 2}),
        ("not enough memory", {"hidden": (65_536,), "population": 10**6}),
    ],
)
def test_what_does_not_fit_the_memory_is_one_line_and_nothing_is_written(
    what: str, large: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 100 * 10**9)
    with pytest.raises(UsageError, match=what):
        cartwheel.train("CartPole-v1", runs=tmp_path / "runs", hooks=[], **{**GENETIC, **large})
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("seconds", "saves"), [(0.0, 5), (0.4, 5), (0.6, 3)])
def test_checkpoints_that_take_long_are_written_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, saves: int
) -> None:
    """One each two seconds, and after ten times what the last one took: five generations of 5.5 s by this clock."""
    now, saved = [0.0], []

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now[0]

    def write(self: Any, state: Any) -> None:
        saved.append(state["run/generation"])
        now[0] += seconds

    class Slow(Log):
        def row(self, row: Any) -> None:
            now[0] += 5.5

    monkeypatch.setattr(trainer_module, "time", Clock)
    monkeypatch.setattr("cartwheel.storage.checkpoint.Checkpoints.write", write)
    train(tmp_path, "x", log=Slow())
    assert len(saved) == saves
    assert saved[-1] == 5


STEPS: dict[str, Any] = {
    "algorithm": "q-learning",
    "early_stop": False,
    "seed": 4,
    "interval": 40,
    "epsilon_steps": 200,
}


def test_a_learner_that_the_clock_ended_is_repeated_by_its_generations(tmp_path: Path) -> None:
    """The end of a budget has a row, between two others too."""
    world = "cartwheel/GridWorld-v0"
    first = cartwheel.train(world, name="first", runs=tmp_path, hooks=[], seconds=0.2, **STEPS)
    assert first.result is not None
    steps = first.metrics["steps"]
    assert steps[-1] == first.result["steps"] == 16 * first.result["generations"]
    assert (np.diff(steps[:-1]) >= 32).all()
    again = cartwheel.train(config=first.folder / "config.toml", name="again", runs=tmp_path, hooks=[])
    assert again.digest() == first.digest()


def test_a_learner_s_plan_and_outcome_say_what_it_is(tmp_path: Path) -> None:
    log, other = Log(), Log()
    options = {**STEPS, "algorithm": "dqn", "capacity": 500, "generations": 2, "max_episode_steps": 9}
    del options["epsilon_steps"]
    cartwheel.train("cartwheel/GridWorld-v0", name="x", runs=tmp_path, hooks=[log], **options)
    cartwheel.resume("x", runs=tmp_path, hooks=[log], generations=3)
    train(tmp_path, "other", log=other)
    first, second = log.plans
    assert (first.by_steps, first.generation, first.steps) == (True, 0, 0)
    assert (second.by_steps, second.generation, second.steps) == (True, 2, log.rows[1]["steps"])
    assert 500 * 2 * 12 * 4 < first.room == second.room < 500 * 2 * 12 * 4 * 1.5  # twelve floats, twice at most
    assert all(outcome.by_steps for outcome in log.outcomes)
    assert (other.plans[0].by_steps, other.plans[0].room, other.outcomes[0].by_steps) == (False, 0, False)

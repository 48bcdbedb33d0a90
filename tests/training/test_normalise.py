"""Runs with normalised observations and with memory: what they see, what is stored, and that they resume to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.envs.environment import find_environment
from cartwheel.experience.moments import Moments
from cartwheel.experience.play import play
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.policy import Policy
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.storage.run import Run
from cartwheel.training.judging import Judge
from cartwheel.training.trainer import Trainer

NAME = "MountainCarContinuous-v0"
SMALL: dict[str, Any] = {
    "algorithm": "genetic",
    "population": 10,
    "episodes": 2,
    "generations": 4,
    "early_stop": False,
    "seed": 4,
    "max_episode_steps": 50,
    "normalise": True,
    "hidden": (5,),
}


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have tests of their own."""
    from cartwheel.reports import page

    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def train(folder: Path, name: str, environment: Any = NAME, **options: Any) -> Run:
    return cartwheel.train(environment, name=name, runs=folder, hooks=[], **{**SMALL, **options})


def test_a_generation_sees_through_what_was_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[tuple[Request, Experience]] = []
    honest = Trainer.measure

    def watched(self: Trainer, request: Request, seeds: Any) -> Experience:
        met.append((request, honest(self, request, seeds)))
        return met[-1][1]

    monkeypatch.setattr(Trainer, "measure", watched)
    run = train(tmp_path, "x", finalists=2)
    moments = Moments.none(2)
    for request, experience in met[:4]:
        through = moments.normalisation
        np.testing.assert_array_equal(request.normalisation.shift, through.shift)  # type: ignore[union-attr]
        np.testing.assert_array_equal(request.normalisation.scale, through.scale)  # type: ignore[union-attr]
        assert experience.seen is not None
        before, moments = moments, moments.merged(experience.lengths, experience.seen)
    first = met[0][0].normalisation
    assert first is not None
    assert (first.shift.tolist(), first.scale.tolist()) == ([0.0, 0.0], [1.0, 1.0])  # nothing has been seen
    for request, experience in met[4:]:  # validation and test: as the last generation saw
        np.testing.assert_array_equal(request.normalisation.shift, before.normalisation.shift)  # type: ignore[union-attr]
        assert experience.seen is None
    state = run.checkpoints.read()
    assert state is not None
    assert state["run/moments_count"] == moments.count == run.metrics["steps"][-1]
    np.testing.assert_array_equal(state["run/moments_mean"], moments.mean)
    np.testing.assert_array_equal(state["run/moments_squares"], moments.squares)


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_the_policy_in_the_file_sees_as_it_was_trained(tmp_path: Path, memory: str) -> None:
    run = train(tmp_path, "x", memory=memory)
    assert run.result is not None
    policy = cartwheel.load(run.policy_path)
    assert policy.normalisation is not None
    scale = policy.normalisation.scale
    assert scale[1] > 10 * scale[0] > 10  # velocities are small numbers, positions not so small
    for subject in (run, run.policy_path):
        evaluation = cartwheel.evaluate(subject)
        assert evaluation.mean == run.result["test_mean"]
    seeds = episode_seeds(0, Purpose.TEST, count=3)
    environment = find_environment(NAME, max_episode_steps=50)
    stripped = Policy(policy.specification, policy.observation_space, policy.action_space, policy.theta)
    for number, seed in enumerate(seeds):
        episode = play(environment, policy, int(seed))
        np.testing.assert_allclose(episode.return_, evaluation.returns[number], rtol=1e-4)
        assert abs(play(environment, stripped, int(seed)).return_ - episode.return_) > 1e-3


def test_without_it_nothing_is_stored(tmp_path: Path) -> None:
    run = train(tmp_path, "x", normalise=False)
    assert run.policy.normalisation is None
    state = run.checkpoints.read()
    assert state is not None
    assert not any("moments" in name for name in state)


@pytest.mark.parametrize("memory", ["none", "lstm"])
def test_the_digest_is_the_same_for_any_number_of_workers_and_both_paths(tmp_path: Path, memory: str) -> None:
    digests = {
        train(tmp_path, f"{native}-{workers}", native=native, workers=workers, memory=memory).digest()
        for native, counts in ((True, (1, 3)), (False, (1, 2)))
        for workers in counts
    }
    assert len(digests) == 1
    others = {"memory": "gru"}, {"memory": memory, "normalise": False}
    assert all(train(tmp_path, f"other-{k}", **other).digest() not in digests for k, other in enumerate(others))


@pytest.mark.parametrize("memory", ["none", "rnn"])
def test_a_resumed_run_equals_one_that_went_through(tmp_path: Path, memory: str) -> None:
    whole = train(tmp_path, "whole", memory=memory)
    for generations in (1, 3):
        part = train(tmp_path, f"part-{generations}", generations=generations, memory=memory)
        assert part.digest() != whole.digest()
        cartwheel.resume(part, hooks=[], generations=4)
        assert part.digest() == whole.digest()
        assert (part.folder / "policy.safetensors").stat().st_size > 0
        for array in ("shift", "scale"):
            first, second = (getattr(run.policy.normalisation, array) for run in (whole, part))
            np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(part.policy.theta, whole.policy.theta)


CHILD = """
    import os, signal, sys
    import cartwheel
    from cartwheel.reports import page
    from cartwheel.training import trainer
    from cartwheel.training.hooks import Hook

    folder, name, options, generation = sys.argv[1], sys.argv[2], eval(sys.argv[3]), int(sys.argv[4])
    page.write_report = lambda run, environment: page.Report(run.report_path, None)
    trainer._CHECKPOINT_SECONDS = 0.0

    class Killer(Hook):
        def row(self, row):
            if row["generation"] == generation:
                os.kill(os.getpid(), signal.SIGKILL)

    cartwheel.train(name, name="killed", runs=folder, hooks=[Killer()], **options)
"""


def test_a_killed_run_resumes_to_the_same_digest(tmp_path: Path) -> None:
    options = {**SMALL, "memory": "lstm"}
    whole = train(tmp_path, "whole", **options)
    words = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path), NAME, repr(options), "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = Run.open("killed", tmp_path)
    assert run.checkpoints.read() is not None
    cartwheel.resume(run, hooks=[])
    assert run.digest() == whole.digest()
    np.testing.assert_array_equal(run.policy.theta, whole.policy.theta)


def test_a_champion_keeps_what_it_saw_through(tmp_path: Path) -> None:
    """Judged in an early generation, kept to the end, and across a resume: not with the moments of later ones."""
    options = {"population": 12, "episodes": 1, "solved_at": 108.0, "max_episode_steps": 110, "seed": 4}
    options |= {"early_stop": True, "hidden": (16,), "finalists": 1}
    whole = train(tmp_path, "whole", "CartPole-v1", generations=6, **options)
    state = whole.checkpoints.read()
    assert state is not None
    assert state["run/champion"] is not None, "nobody was judged, and this shows nothing"
    assert whole.policy.normalisation is not None
    np.testing.assert_array_equal(whole.policy.normalisation.shift, state["run/champion_shift"][0:4])
    np.testing.assert_array_equal(whole.policy.theta, state["run/champion"][0])
    value = state["run/champion_value"][0]
    seeds = episode_seeds(4, Purpose.VALIDATION, count=100)
    environment = find_environment("CartPole-v1", max_episode_steps=110)
    returns = [play(environment, whole.policy, int(seed)).return_ for seed in seeds]
    assert np.mean(returns) == value
    for generation in range(1, len(whole.metrics["generation"])):
        part = train(tmp_path, f"part-{generation}", "CartPole-v1", generations=generation, **options)
        cartwheel.resume(part, hooks=[], generations=6)
        assert part.digest() == whole.digest()


def test_an_elite_that_sees_otherwise_is_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same vector behind another normalisation is another policy."""
    judged = []
    honest = Judge.validate

    def counted(self: Trainer, best: Any) -> Any:
        judged.append(best.normalisation.shift.tolist())
        return honest(self, best)

    monkeypatch.setattr(Judge, "validate", counted)
    options = {"population": 4, "episodes": 1, "mutation_std": 1e-9, "solved_at": 9.0, "early_stop": True}
    monkeypatch.setattr(Judge, "note", lambda self, validation: setattr(self, "_judged", validation.judged.theta))
    train(tmp_path, "x", "CartPole-v1", max_episode_steps=9, **{**options, "finalists": 1})
    assert len(judged) == 4
    assert len({tuple(shift) for shift in judged}) == 4


def test_a_discrete_world_can_be_normalised(tmp_path: Path) -> None:
    """Ones and zeros, most of them always zero: no place is blown up beyond ten deviations."""
    run = train(tmp_path, "x", "FrozenLake-v1", memory="rnn")
    assert run.policy.normalisation is not None
    assert run.policy.normalisation.size == 16
    assert np.abs(run.policy.normalisation.apply(np.eye(16, dtype=np.float32))).max() <= 10.0
    assert 0 <= cartwheel.evaluate(run, episodes=20).mean <= 1

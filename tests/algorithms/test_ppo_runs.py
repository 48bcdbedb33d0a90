"""Whole runs of PPO: it learns, on both paths alike, and what is in its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.experience.records import Experience, Request
from cartwheel.reports import page
from cartwheel.storage.arrays import unpack
from cartwheel.training.trainer import Trainer


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have tests of their own."""
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def trained(folder: Path, environment: str, name: str = "one", **options: Any) -> Any:
    return cartwheel.train(
        environment, algorithm="ppo", name=name, runs=folder, hooks=[], **{"early_stop": False, "seed": 1000, **options}
    )


def test_a_pole_is_kept_up_within_50_000_steps(tmp_path: Path) -> None:
    run = trained(tmp_path, "CartPole-v1", steps=50_000)
    assert run.result["test_mean"] >= 475.0
    assert run.metrics["explained_variance"].max() > 0.5
    assert 0.0 < run.metrics["approx_kl"].max() < 0.2
    assert run.metrics["entropy"][0] > 0.6 > run.metrics["entropy"][-1]  # log 2 is 0.69


def test_a_pendulum_is_swung_up_within_60_000_steps(tmp_path: Path) -> None:
    run = trained(tmp_path, "Pendulum-v1", steps=60_000)
    assert run.result["test_mean"] > -400.0
    assert run.metrics["entropy"][-1] < run.metrics["entropy"][0]


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
def test_both_paths_give_the_same(name: str, tmp_path: Path) -> None:
    one, other = (trained(tmp_path, name, f"{native}", steps=2048, native=native) for native in (True, False))
    assert (one.result["path"], other.result["path"]) == ("native", "general")
    assert one.digest() == other.digest()


def test_the_policy_sees_as_it_did_when_it_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Normalised by what was seen before the stretch, and by that for ever: in validation, the test and the file."""
    met: list[tuple[Request, Experience]] = []
    honest = Trainer.measure

    def watched(self: Trainer, request: Request, seeds: Any) -> Experience:
        met.append((request, honest(self, request, seeds)))
        return met[-1][1]

    monkeypatch.setattr(Trainer, "measure", watched)
    run = trained(tmp_path, "Pendulum-v1", generations=3, interval=100_000, max_episode_steps=50)
    stretches = [request for request, _ in met if request.stretch is not None]
    (through,) = {id(request.normalisation): request.normalisation for request, _ in met[3:]}.values()
    assert len(stretches) == 3
    assert stretches[0].normalisation is not None
    assert (stretches[0].normalisation.scale == 1.0).all()
    assert through is not None
    assert through is stretches[2].normalisation
    assert not any(request.moments for request, _ in met[3:])
    np.testing.assert_array_equal(run.policy.normalisation.shift, through.shift)
    np.testing.assert_array_equal(run.policy.normalisation.scale, through.scale)
    assert cartwheel.evaluate(run.policy_path).mean == run.result["test_mean"]
    returns = met[-1][1].returns
    assert run.result["test_mean"] == returns.mean() < -100.0  # as the environment has them: 50 steps of up to -16


def test_the_scale_of_rewards_is_in_the_checkpoint_alone(tmp_path: Path) -> None:
    run = trained(tmp_path, "Pendulum-v1", generations=2, hidden=(4,))
    state = run.checkpoints.read()
    assert state is not None
    assert state["algorithm/scale/count"] == 2048
    assert state["algorithm/scale/sums"].shape == (8,)
    assert state["algorithm/scale/squares"] > 0.0
    arrays, _ = unpack(run.policy_path.read_bytes(), "policy")
    assert {name: array.shape for name, array in arrays.items()} == {"theta": (22,), "shift": (3,), "scale": (3,)}


def test_a_run_that_goes_on_is_one_that_never_stopped(tmp_path: Path) -> None:
    """With noise that remembers, rates that fall and scaled rewards, from the middle of episodes."""
    options: dict[str, Any] = {"noise_memory": 0.5, "anneal_steps": 8192, "hidden": (8,), "interval": 1000}
    whole = trained(tmp_path, "Pendulum-v1", "whole", steps=6144, **options)
    parts = trained(tmp_path, "Pendulum-v1", "parts", steps=2048, **options)
    parts = cartwheel.resume(parts.folder, steps=6144, hooks=[])
    assert whole.digest() == parts.digest()

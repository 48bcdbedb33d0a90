"""SIGKILL in each of 20 generations, on the compiled path and the general: the digest is that of a run in peace."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cartwheel
from cartwheel.storage.run import Run

GENERATIONS = 20
OPTIONS = {
    "algorithm": "genetic",
    "population": 10,
    "episodes": 2,
    "generations": GENERATIONS,
    "early_stop": False,
    "seed": 11,
    "max_episode_steps": 60,
}

CHILD = """
    import os, signal, sys
    import cartwheel
    from cartwheel.reports import page
    from cartwheel.training import trainer

    folder, name, options, generation, when, how = sys.argv[1], sys.argv[2], eval(sys.argv[3]), *sys.argv[4:]
    page.write_report = lambda run, environment: page.Report(run.report_path, None)
    trainer._CHECKPOINT_SECONDS = 0.0 if how == "often" else 1e9
    honest = trainer.Trainer.measure

    def measure(self, request, seeds):
        doomed = self.generation + 1 == int(generation) and len(request.parameters) > 1
        if doomed and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        experience = honest(self, request, seeds)
        if doomed and when == "within":
            os.kill(os.getpid(), signal.SIGKILL)
        return experience

    trainer.Trainer.measure = measure
    if os.path.exists(os.path.join(folder, name)):
        cartwheel.resume(name, runs=folder, hooks=[])
    else:
        cartwheel.train("CartPole-v1", name=name, runs=folder, hooks=[], **options)
"""


def child(folder: Path, name: str, options: dict[str, object], generation: int, how: str) -> int:
    when = "before" if generation % 2 else "within"
    arguments = [str(folder), name, repr(options), str(generation), when, how]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), *arguments], capture_output=True, check=False
    ).returncode


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False], ids=["native", "general"])
def test_a_kill_in_any_generation(tmp_path: Path, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 runs, each killed once; every third never wrote a checkpoint before."""
    from cartwheel.reports import page

    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))
    options = {**OPTIONS, "native": native}
    whole = cartwheel.train("CartPole-v1", name="whole", runs=tmp_path, hooks=[], **options)
    unsaved = 0
    for generation in range(1, GENERATIONS + 1):
        name = f"killed-{generation}"
        how = "never" if generation % 3 == 0 else "often"
        assert child(tmp_path, name, options, generation, how) == -signal.SIGKILL
        run = Run.open(name, tmp_path)
        unsaved += run.checkpoints.read() is None
        assert run.status == "interrupted"
        cartwheel.resume(run, hooks=[])
        assert run.digest() == whole.digest(), generation
        assert (run.policy.theta == whole.policy.theta).all()
    assert unsaved >= 6


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False], ids=["native", "general"])
def test_a_kill_in_each_generation_of_one_run(tmp_path: Path, native: bool) -> None:
    """One run that is killed in generation 1, resumed, killed in generation 2, and so on to the end."""
    options = {**OPTIONS, "native": native}
    assert child(tmp_path, "whole", options, 0, "often") == 0
    for generation in range(1, GENERATIONS + 1):
        assert child(tmp_path, "killed", options, generation, "often") == -signal.SIGKILL
    assert child(tmp_path, "killed", options, 0, "often") == 0
    assert Run.open("killed", tmp_path).digest() == Run.open("whole", tmp_path).digest()

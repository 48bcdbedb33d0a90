"""SIGKILL at 20 moments of runs that learn values, with a replay memory and open episodes: the digest of peace."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.reports import page
from cartwheel.storage.run import Run
from cartwheel.training import trainer
from cartwheel.training.trainer import Trainer

KILLS, GENERATIONS = 20, 50
WHEN = ("before", "within", "after")  # a generation's steps are taken, they are learnt from, it is saved

#: 14 steps a generation, episodes of up to 30, rows each 50 steps: a stop is in the middle of all of them.
DEEP = {
    "steps": 14 * GENERATIONS,
    "max_episode_steps": 30,
    "lanes": 2,
    "stretch": 7,
    "interval": 50,
    "hidden": (6,),
    "learning_starts": 40,
    "batch": 8,
    "updates": 3,
    "capacity": 200,
    "target_interval": 60,
    "epsilon_steps": 400,
}
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "dqn": ("dqn", "CartPole-v1", DEEP),
    "prioritised dqn": ("dqn", "CartPole-v1", {**DEEP, "priority": 0.6, "n_step": 3, "tau": 0.01}),
    "dueling dqn": ("dqn", "CartPole-v1", {**DEEP, "dueling": True}),
    "recurrent dqn": ("dqn", "CartPole-v1", {**DEEP, "memory": "gru", "burn_in": 3, "sequence": 5}),
}
KINDS |= {
    name: (name, "cartwheel/GridWorld-v0", {"steps": 700, "interval": 50, "max_episode_steps": 30})
    for name, entry in ALGORITHMS.items()
    if entry.by_steps and name != "dqn"
}
GENERAL = ("dqn", "recurrent dqn", "q-learning", "monte-carlo")
CASES = [(kind, True) for kind in KINDS] + [(kind, False) for kind in GENERAL if kind in KINDS]


def die(trainer: Trainer, moment: str, generation: int, when: str) -> None:
    if trainer.generation + (moment != "after") == generation and moment == when:
        os.kill(os.getpid(), signal.SIGKILL)


def doomed(
    folder: Path, name: str, kind: str, options: dict[str, Any], generation: int, when: str, often: float
) -> None:
    """In a process of its own: a run that ends in this generation, and saves whenever so many seconds are over."""
    one, measure = Trainer._generation, Trainer.measure

    def measured(self: Trainer, request: Any, seeds: Any) -> Any:
        if request.stretch is None:  # validation
            return measure(self, request, seeds)
        die(self, "before", generation, when)
        experience = measure(self, request, seeds)
        die(self, "within", generation, when)
        return experience

    def whole(self: Trainer, metrics: Any) -> None:
        one(self, metrics)
        die(self, "after", generation, when)

    trainer._CHECKPOINT_SECONDS = often
    Trainer._generation, Trainer.measure = whole, measured  # type: ignore[method-assign]
    algorithm, environment, _ = KINDS[kind]
    cartwheel.train(environment, algorithm=algorithm, name=name, runs=folder, hooks=[], **options)


def killed(folder: Path, name: str, kind: str, options: dict[str, Any], generation: int, number: int) -> Run:
    """A run that a signal has ended; a third of them save each generation, the others now and then."""
    often = (0.0, 0.01, 0.04)[number // len(WHEN) % 3]
    context = multiprocessing.get_context("forkserver")  # which has loaded all that a child needs
    context.set_forkserver_preload([__name__, "cartwheel.training.build"])
    child = context.Process(target=doomed, args=(folder, name, kind, options, generation, WHEN[number % 3], often))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    return Run.open(name, folder)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "native"), CASES, ids=[f"{kind} {'native' if n else 'general'}" for kind, n in CASES])
def test_a_kill_at_any_moment(kind: str, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 runs, each killed once at a moment drawn at random, and resumed."""
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))
    algorithm, environment, own = KINDS[kind]
    options = {**own, "early_stop": False, "seed": 11, "native": native}
    whole = cartwheel.train(environment, algorithm=algorithm, name="whole", runs=tmp_path, hooks=[], **options)
    assert whole.result is not None
    last = int(whole.result["generations"])
    rng = np.random.default_rng(list(KINDS).index(kind))
    moments, opened = rng.choice(np.arange(2, last + 1), KILLS, replace=last <= KILLS), 0
    for number, generation in enumerate(moments.tolist()):
        run = killed(tmp_path, f"killed-{number}", kind, options, generation, number)
        state = run.checkpoints.read()
        opened += state is not None and int(state["lanes/open"].sum()) > 0
        assert run.status == "interrupted"
        cartwheel.resume(run, hooks=[])
        assert run.digest() == whole.digest(), (generation, number)
        assert run.policy.theta.tobytes() == whole.policy.theta.tobytes()
    assert opened > KILLS // 4, "no episode was open, and this shows too little"

"""Runs of algorithms by steps that are killed at a moment that is named, in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

import cartwheel
from cartwheel.storage.run import Run
from cartwheel.training import trainer
from cartwheel.training.trainer import Trainer

WHEN = ("before", "within", "after")  # a generation's steps are taken, they are learnt from, it is saved

#: What a child needs, and would load by itself only for a run.
PRELOADED = (
    "cartwheel.training.build",
    "cartwheel.algorithms.gradients.episodes",
    "cartwheel.algorithms.gradients.windows",
    "cartwheel.experience.returns",
)


class Kind(NamedTuple):
    """What is trained, where and how."""

    algorithm: str
    environment: str
    options: dict[str, Any]

    def train(self, folder: Path, name: str) -> Run:
        return cartwheel.train(
            self.environment, algorithm=self.algorithm, name=name, runs=folder, hooks=[], **self.options
        )


def die(trainer: Trainer, moment: str, generation: int, when: str) -> None:
    if trainer.generation + (moment != "after") == generation and moment == when:
        os.kill(os.getpid(), signal.SIGKILL)


def doomed(folder: Path, name: str, kind: Kind, generation: int, when: str, often: float) -> None:
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
    kind.train(folder, name)


def killed(folder: Path, name: str, kind: Kind, generation: int, number: int) -> Run:
    """A run that a signal has ended; a third of them save each generation, the others now and then."""
    often = (0.0, 0.01, 0.04)[number // len(WHEN) % 3]
    context = multiprocessing.get_context("forkserver")  # which has loaded all that a child needs
    context.set_forkserver_preload([__name__, *PRELOADED])
    child = context.Process(target=doomed, args=(folder, name, kind, generation, WHEN[number % 3], often))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    return Run.open(name, folder)


def killed_and_resumed(folder: Path, name: str, kind: Kind, whole: Run, generation: int, number: int) -> bool:
    """Have a run killed and go on, and see that it comes to what the one in peace did; whether an episode was open."""
    run = killed(folder, name, kind, generation, number)
    state = run.checkpoints.read()
    assert run.status == "interrupted"
    cartwheel.resume(run, hooks=[])
    assert run.digest() == whole.digest(), (generation, number)
    assert run.policy.theta.tobytes() == whole.policy.theta.tobytes()
    return state is not None and int(state["lanes/open"].sum()) > 0

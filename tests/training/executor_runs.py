"""Runs for the tests of executors: a CartPole that kills its process when it is told to, and what has to come out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cartwheel
from cartwheel.training.hooks import Hook, Plan

GENERATIONS = 20
OPTIONS: dict[str, Any] = {
    "algorithm": "genetic",
    "population": 12,
    "episodes": 2,
    "early_stop": False,
    "seed": 5,
    "max_episode_steps": 60,
}


def doomed_cartpole(marker: Path | None) -> Any:
    """A class, known to nobody by name: the first of its environments to find the marker kills the process it is in."""
    from gymnasium.envs.classic_control import CartPoleEnv

    class Doomed(CartPoleEnv):
        def step(self, action: Any) -> Any:
            if marker is not None and marker.exists():
                try:
                    marker.unlink()
                except FileNotFoundError:
                    return super().step(action)  # another was faster
                os.kill(os.getpid(), signal.SIGKILL)
            return super().step(action)

    return Doomed


class EachGeneration(Hook):
    """Does something before the first generation (0) and after each."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self.act = act

    def start(self, plan: Plan) -> None:
        self.act(plan.generation)

    def row(self, row: Mapping[str, float]) -> None:
        self.act(int(row["generation"]))


def digest(folder: Path, name: str, environment: Any = "CartPole-v1", hooks: Any = (), **options: Any) -> str:
    """What a run learnt."""
    run = cartwheel.train(environment, name=name, runs=folder, hooks=list(hooks), **{**OPTIONS, **options})
    return run.digest()

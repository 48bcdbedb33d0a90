"""How a peer is trained: off the clock while its policy is judged, by the rule of our own runs.

Models are those of stable-baselines3 and what is made like them: `learn`, `predict`, a `policy` of PyTorch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from learning.peers.episodes import Act, Champion, Memory, reported

_EVERY = 5000  # steps from one look at the policy to the next


@dataclass(frozen=True)
class Job:
    """A package's learner in an environment, for `budget` environment steps.

    `begin`: a seed to a model that has learnt nothing yet.
    """

    package: str
    algorithm: str
    environment: str
    budget: int
    begin: Callable[[int], Any]

    @property
    def learner(self) -> str:
        """What it is called in the table."""
        return f"{self.package} {self.algorithm}"

    @property
    def name(self) -> str:
        """What it is called together with its environment."""
        return f"{self.learner} on {self.environment}"


@dataclass(frozen=True)
class Spent:
    """CPU and wall seconds of training alone."""

    cpu: float
    wall: float


def greedy(model: Any, statistics: Any = None) -> Act:
    """The model's policy without exploration; it draws no random number.

    `statistics`: the `VecNormalize` through which it sees, as it is when the policy acts, and which stays as it is. A
    recurrent model's memory `(B, 2, layers, units)` is the output and the cell of its LSTM.
    """

    def act(seen: Any, memory: Memory) -> tuple[Any, Memory]:
        seen = seen if statistics is None else statistics.normalize_obs(seen)
        state = {} if memory is None else {"state": tuple(np.moveaxis(memory, 0, 2))}
        actions, after = model.predict(seen, deterministic=True, **state)
        return actions, None if after is None else np.moveaxis(np.stack(after), 2, 0)

    return act


def learn(model: Any, steps: int, every: int, check: Callable[[int], bool]) -> Spent:
    """Train for so many steps; `check` is called, off the clock, with the steps taken at or next after each `every`.

    Training ends where it answers False.
    """
    off, passed = Spent(0.0, 0.0), 0

    def after_step(*_: Any) -> bool:
        nonlocal off, passed
        if model.num_timesteps // every == passed:
            return True
        passed = model.num_timesteps // every
        begun = _now()
        goes_on = check(model.num_timesteps)
        off = Spent(off.cpu + _now().cpu - begun.cpu, off.wall + _now().wall - begun.wall)
        return goes_on

    begun = _now()
    model.learn(steps, callback=after_step)
    ended = _now()
    return Spent(ended.cpu - begun.cpu - off.cpu, ended.wall - begun.wall - off.wall)


def _now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def run(job: Job, seed: int) -> dict[str, Any]:
    """Train with this seed; the figures of the final policy and of the best on validation, each over the test episodes.

    Policies are validated every 5,000 steps, the final one in place of that of the last of these.
    """
    model = job.begin(seed)
    statistics = model.get_vec_normalize_env()
    champion, act, kept = Champion(job.environment, seed), greedy(model, statistics), {}

    def validate(steps: int) -> bool:
        if steps < job.budget and champion.beaten_by(act):
            kept.update(deepcopy({"policy": model.policy.state_dict(), "seen": getattr(statistics, "obs_rms", None)}))
        return True

    spent = learn(model, job.budget, _EVERY, validate)
    final = best = reported(job.environment, act)
    if not champion.beaten_by(act):
        model.policy.load_state_dict(kept["policy"])
        if statistics is not None:
            statistics.obs_rms = kept["seen"]
        best = reported(job.environment, act)
    return {
        "environment": job.environment,
        "algorithm": job.learner,
        "seed": seed,
        "steps": model.num_timesteps,
        "validation_steps": champion.steps,
        "final_mean": final,
        "best_mean": best,
        "cpu_seconds": spent.cpu,
        "versions": versions(job.package),
    }


def versions(package: str = "stable-baselines3") -> str:
    """The versions of what a peer's figures rest on, `package` and what it stands on."""
    names = dict.fromkeys((package, "stable-baselines3", "torch", "gymnasium", "numpy"))
    return ", ".join(f"{name} {version(name)}" for name in names)

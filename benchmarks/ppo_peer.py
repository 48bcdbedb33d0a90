"""stable-baselines3's PPO and A2C for the benchmarks `ppo`, `a2c` and `ppo-475`: `python -m benchmarks.ppo_peer`.

The settings of a job are written as rl-baselines3-zoo writes them (`learning/peers/policies.py`).
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from benchmarks.dqn_peer import ENVIRONMENT, Answer, reaches
from benchmarks.ppo_process import Job, due, serve
from benchmarks.records import Sample, timed
from learning.peers.policies import ZOO, policy_gradient
from learning.peers.training import greedy


def train(job: Job) -> Answer:
    """Do a job. The policy that is looked at, off the clock, has learnt from all steps that were taken."""
    model = policy_gradient(job.algorithm.upper(), ENVIRONMENT, job.seed, job.settings)
    update, off, steps, reached = model.train, Sample(0.0, 0.0), 0, False

    def look() -> float:
        nonlocal reached
        reached = job.reach is not None and reaches(greedy(model), job.reach, job.seed, model.num_timesteps)
        return 0.0

    def then_look() -> None:
        nonlocal off, steps
        update()
        before, steps = steps, model.num_timesteps
        if job.reach is not None and due(before, steps):
            spent = _spent(look)
            off = Sample(off.cpu + spent.cpu, off.wall + spent.wall)

    model.train = then_look
    spent = _spent(lambda: model.learn(job.steps, callback=lambda *_: not reached).num_timesteps)
    return Answer(spent.cpu - off.cpu, spent.wall - off.wall, steps, reached)


_spent = partial(timed, whose=(resource.RUSAGE_SELF,))


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a job, both as data."""
    return asdict(train(Job(**question)))


if __name__ == "__main__":
    for name in ("ppo", "a2c"):  # what PyTorch does once is done before
        train(Job(seed=0, steps=256, algorithm=name, settings=ZOO[name.upper(), ENVIRONMENT]))
    serve(answer)

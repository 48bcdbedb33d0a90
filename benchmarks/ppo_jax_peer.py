"""The PPO in JAX for the benchmarks `ppo` and `ppo-475`, on one core: `python -m benchmarks.ppo_jax_peer`.

The settings of a job are Cartwheel's (`ppo_jax.Plan`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, partial
from math import ceil
from typing import Any

from benchmarks.dqn_peer import Answer, reaches
from benchmarks.peers import peer
from benchmarks.ppo_jax import Plan, State, Whole
from benchmarks.ppo_process import EVERY, Job, in_pieces, serve


def train(job: Job) -> Answer:
    """Do a job: all its updates in one call, or so many a call as come between two looks at the policy."""
    plan = Plan.of(job.settings)
    begin = cache(partial(_begin, json.dumps({**job.settings}), job.seed))
    if job.anew:
        _program.cache_clear()
        peer("jax").clear_caches()
    else:
        begin()
    updates = ceil((job.steps if job.reach is None else EVERY) / plan.size)
    state: State | None = None

    def piece() -> float:
        nonlocal state
        program, first = begin()
        state = peer("jax").block_until_ready(program.advance(first if state is None else state, updates))
        return float(updates * plan.size)

    def look(steps: int) -> bool:
        assert job.reach is not None
        assert state is not None
        act = begin()[0].greedy(state)
        return reaches(lambda seen, memory: (act(seen), memory), job.reach, job.seed, steps)

    return in_pieces(job, piece, look)


def _begin(settings: str, seed: int) -> tuple[Whole, State]:
    program = _program(settings)
    return program, program.first(seed)


@cache
def _program(settings: str) -> Whole:
    """A program that has been compiled, by a call that does no update."""
    program = Whole(Plan.of(json.loads(settings)))
    program.advance(program.first(0), 0)
    return program


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a job, both as data."""
    return asdict(train(Job(**question)))


def one_core() -> None:
    """Keep to one core, so that CPU time is that of one thread; before JAX is loaded."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"


if __name__ == "__main__":
    one_core()
    serve(answer)

"""Actions by JAX and by stable-baselines3 for the benchmark `act`, in processes: `python -m benchmarks.act_process`.

JAX keeps to one core, as with two its calls cost twice the time.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np

from benchmarks.dqn_peer import ENVIRONMENT
from benchmarks.ppo_process import serve
from benchmarks.records import Sample, timed


def many(act: Callable[[Any], Any], seen: Sequence[Any], times: int) -> Sample:
    """An action for each observation, so many times; the work is what one took, in microseconds of CPU time."""

    def job() -> float:
        for _ in range(times):
            for one in seen:
                act(one)
        return float(times * len(seen))

    sample = timed(job, whose=(resource.RUSAGE_SELF,))
    return Sample(sample.cpu, sample.wall, 1e6 * sample.cpu / sample.work)


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen for each of `observations`, and the turn."""
    act, seen = _MAKERS[question["who"]](), [np.asarray(one, np.float32) for one in question["observations"]]
    return {"chosen": [int(act(one)) for one in seen], "turn": asdict(many(act, seen, question["times"]))}


@cache
def _jax() -> Callable[[Any], Any]:
    """With our policy's weights."""
    from benchmarks.ppo_jax_peer import one_core

    one_core()
    from benchmarks import act, act_peers

    return act_peers.jax(act.layers(act.policy()))


@cache
def _stable_baselines() -> Callable[[Any], Any]:
    """A PPO that has learnt nothing; its units are tanh, 64-64."""
    from learning.peers.policies import policy_gradient

    model = policy_gradient("PPO", ENVIRONMENT, 0, {"n_envs": 1})
    return lambda seen: model.predict(seen, deterministic=True)[0]


_MAKERS: dict[str, Callable[[], Callable[[Any], Any]]] = {"jax": _jax, "stable-baselines3": _stable_baselines}

if __name__ == "__main__":
    serve(answer)

"""How a peer's policy is judged: the episodes that ours are judged in, and the same choice of the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from cartwheel.seeds import Purpose, episode_seeds

#: What a policy remembers of each lane `(B, ...)`; None before an episode's first step, and where there is no memory.
Memory: TypeAlias = NDArray[Any] | None

#: Observations `(B, d)` and memories to the greedy actions, `(B,)` or `(B, a)`, and the memories after them.
Act: TypeAlias = Callable[[NDArray[Any], Memory], tuple[NDArray[Any], Memory]]

#: Episodes that a policy is looked at, that it is then judged over, and that the reported figure comes from.
LOOK, VALIDATION, TEST = 10, 100, 100


def play(environment: str, act: Act, seeds: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """The undiscounted returns `(E,)` of an episode for each of `seeds (E,)`, and the steps that they took together.

    All go on side by side, so that one call of `act` serves those that are still running.
    """
    made = [gymnasium.make(environment) for _ in seeds]
    discrete = isinstance(made[0].action_space, gymnasium.spaces.Discrete)
    seen = np.stack([env.reset(seed=int(seed))[0] for env, seed in zip(made, seeds, strict=True)])
    returns, steps, running = np.zeros(len(seeds)), 0, np.arange(len(seeds))
    memory: Memory = None
    while len(running):
        over = np.zeros(len(running), bool)
        actions, memory = act(seen[running], memory)
        for place, (lane, action) in enumerate(zip(running, actions, strict=True)):
            seen[lane], reward, terminated, truncated, _ = made[lane].step(int(action) if discrete else action)
            returns[lane] += float(reward)
            over[place] = terminated or truncated
        steps += len(running)
        running = running[~over]
        memory = None if memory is None else memory[~over]
    for env in made:
        env.close()
    return returns, steps


def reported(environment: str, act: Act) -> float:
    """The mean return over the test episodes, which are the same for all runs."""
    return float(play(environment, act, episode_seeds(0, Purpose.TEST, count=TEST))[0].mean())


class Champion:
    """The best policy so far by its mean return over a run's validation episodes, and the `steps` that judging took.

    A policy plays the first ten of them; the others only if their mean beats the best one's.
    """

    def __init__(self, environment: str, seed: int) -> None:
        self.environment, self.mean, self.steps = environment, -np.inf, 0
        self._seeds = episode_seeds(seed, Purpose.VALIDATION, count=VALIDATION)

    def beaten_by(self, act: Act) -> bool:
        """Whether this policy is the best one now."""
        look = self._returns(act, self._seeds[:LOOK])
        if look.mean() <= self.mean:
            return False
        mean = float(np.concatenate([look, self._returns(act, self._seeds[LOOK:])]).mean())
        beaten, self.mean = mean > self.mean, max(mean, self.mean)
        return beaten

    def _returns(self, act: Act, seeds: NDArray[np.int64]) -> NDArray[np.float64]:
        returns, steps = play(self.environment, act, seeds)
        self.steps += steps
        return returns

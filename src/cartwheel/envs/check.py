"""Checks of an environment at the start of a run, so that its faults are found before hours are spent."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.envs.environment import Environment
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import EnvironmentFault, UsageError
from cartwheel.seeds import Purpose, episode_seeds

_STEPS = 30


def check_environment(environment: Environment) -> list[str]:
    """Step the environment a little: its values must belong to its spaces (UsageError says what did not).

    Returns warnings, a line each: for one that gives another episode for the same seed, what then no longer holds.
    """
    seed = int(episode_seeds(0, Purpose.CHECK, count=1)[0])
    first, second = environment.make(), environment.make()
    try:
        try:
            actions = _actions(first, seed)
            episodes = [_episode(environment, made, seed, actions) for made in (first, first, second)]
        except EnvironmentFault as fault:
            raise UsageError(str(fault)) from fault
    finally:
        first.close()
        second.close()
    if episodes[0] != episodes[1] or episodes[0] != episodes[2]:
        return [
            f"{environment.name} gives another episode for the same seed: this run can't be repeated or resumed "
            "to the bit, its result depends on the number of workers, and candidates meet different episodes"
        ]
    return []


def _actions(made: Any, seed: int) -> list[Any]:
    made.action_space.seed(seed)
    return [made.action_space.sample() for _ in range(_STEPS)]


def _episode(environment: Environment, made: Any, seed: int, actions: list[Any]) -> list[bytes]:
    """Everything that an episode gave, as bytes to be compared."""
    observation = checked_reset(environment, made, seed)
    trace = [flat_observation(environment, observation, seed, 0).tobytes()]
    for step, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated = checked_step(environment, made, action, seed, step)
        trace.append(flat_observation(environment, observation, seed, step).tobytes())
        trace.append(np.array([reward, terminated, truncated], np.float64).tobytes())
        if terminated or truncated:
            break
    return trace

"""Checks of an environment at the start of a run, so that its faults are found before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np

from cartwheel.envs.environment import Environment, close
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import EnvironmentFault, UsageError
from cartwheel.seeds import Purpose, episode_seeds

_STEPS = 30


def check_environment(environment: Environment) -> list[str]:
    """Step the environment a little: its values must belong to its spaces (UsageError says what did not).

    Returns warnings, a line each: for one that gives another episode for the same seed, what then no longer holds.
    """
    first, second = environment.make(), environment.make()
    try:
        if first is second:
            raise UsageError(f"{environment.name} gives the same environment again; a new one is needed each time")
        try:
            repeats = _repeats(environment, first, second)
        except EnvironmentFault as fault:
            raise UsageError(str(fault)) from fault
    finally:
        close(first)
        close(second)
    if repeats:
        return []
    return [
        f"{environment.name} gives another episode for the same seed: this run can't be repeated or resumed "
        "to the bit, its result depends on the number of workers, and candidates meet different episodes"
    ]


def _repeats(environment: Environment, first: Any, second: Any) -> bool:
    """Whether an episode is the same again: in the same environment, in another, and beside one with another seed."""
    seed, other = (int(seed) for seed in episode_seeds(0, Purpose.CHECK, count=2))
    first.action_space.seed(seed)
    actions = [first.action_space.sample() for _ in range(_STEPS)]
    alone = list(_episode(environment, first, seed, actions))
    if alone != list(_episode(environment, second, seed, actions)):
        return False
    beside = _episode(environment, second, other, actions)
    again = []
    for part in _episode(environment, first, seed, actions):
        again.append(part)
        next(beside, None)
    return alone == again


def _episode(environment: Environment, made: Any, seed: int, actions: list[Any]) -> Iterator[bytes]:
    """What an episode gives, step by step, as checksums to be compared: an image is a large thing to keep."""
    observation = checked_reset(environment, made, seed)
    yield sha256(flat_observation(environment, observation, seed, 0).tobytes()).digest()
    for step, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated = checked_step(environment, made, action, seed, step)
        seen = sha256(flat_observation(environment, observation, seed, step).tobytes())
        seen.update(np.array([reward, terminated, truncated], np.float64).tobytes())
        yield seen.digest()
        if terminated or truncated:
            return

"""One reset or step of a Gymnasium environment, checked: a fault names the episode's seed, the step and the field."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import spaces
from cartwheel.envs.environment import Environment
from cartwheel.errors import EnvironmentFault, one_line

_LARGEST_REWARD = 1e100


def checked_reset(environment: Environment, made: Any, seed: int) -> Any:
    """The first observation of the episode `seed`."""
    try:
        observation, _ = made.reset(seed=seed)
    except (Exception, SystemExit) as problem:
        raise EnvironmentFault(environment.name, seed, 0, "reset", _raised(problem)) from problem
    return observation


def checked_step(environment: Environment, made: Any, action: Any, seed: int, step: int) -> tuple[Any, float, Any, Any]:
    """One step: (observation, reward, terminated, truncated), the observation as it came.

    The reward is a float, of 1e100 at most: so sums and squares of returns stay finite, whatever is made of them.
    """
    try:
        observation, reward, terminated, truncated, _ = made.step(action)
    except (Exception, SystemExit) as problem:
        raise EnvironmentFault(environment.name, seed, step, "step", _raised(problem)) from problem
    if reward.__class__ is not float:
        reward = _number(environment, reward, seed, step)
    if not -_LARGEST_REWARD <= reward <= _LARGEST_REWARD:
        fault = f"larger than {_LARGEST_REWARD:g}" if isfinite(reward) else "not finite"
        raise EnvironmentFault(environment.name, seed, step, "reward", f"{fault}: {reward}")
    if terminated.__class__ is not bool or truncated.__class__ is not bool:
        terminated = _flag(environment, terminated, seed, step, "terminated")
        truncated = _flag(environment, truncated, seed, step, "truncated")
    return observation, reward, terminated, truncated


def flat_observation(environment: Environment, observation: Any, seed: int, step: int) -> NDArray[np.float32]:
    """An observation as one vector `(d,)`; a fault where it does not belong to its space or is not finite."""
    try:
        flat = spaces.flatten(environment.observation_space, observation)
    except (ValueError, TypeError, OverflowError) as problem:
        raise EnvironmentFault(environment.name, seed, step, "observation", str(problem)) from None
    if not np.isfinite(flat).all():
        raise EnvironmentFault(environment.name, seed, step, "observation", f"not finite: {flat.tolist()}")
    return flat


def _number(environment: Environment, value: Any, seed: int, step: int) -> float:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size != 1:
        raise EnvironmentFault(environment.name, seed, step, "reward", f"expected a number, got {value!r}")
    return float(array.item())


def _flag(environment: Environment, value: Any, seed: int, step: int, field: str) -> bool:
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1)):
        return bool(value)
    raise EnvironmentFault(environment.name, seed, step, field, f"expected true or false, got {value!r}")


def _raised(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {one_line(problem)}"

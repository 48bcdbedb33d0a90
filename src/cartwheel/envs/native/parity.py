"""Does a native environment equal Gymnasium's to the bit? Asked by the tests, and briefly before each run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import spaces
from cartwheel.envs.environment import Environment, close
from cartwheel.envs.native.registry import NativeEnvironment
from cartwheel.kernels.random import generators


def find_difference(native: NativeEnvironment, environment: Environment, steps: int, seed: int = 0) -> str | None:
    """Step both side by side under random actions, for `steps` steps; the first difference in words, or None.

    Every second episode begins without a seed, going on with the generator as it stands.
    Compared to the bit: observations, rewards, terminations, and the state where `native.state_of` tells it.
    """
    rng = np.random.default_rng(seed)
    reference = environment.make()
    reference.action_space.seed(seed)
    lane, space = _Lane(native, environment), environment.observation_space
    try:
        done, episode, length = True, 0, 0
        for count in range(steps):
            if done:
                fresh = episode % 2 == 0
                episode_seed = int(rng.integers(2**31))
                expected, _ = reference.reset(seed=episode_seed if fresh else None)
                lane.reset(episode_seed if fresh else None)
                episode, length = episode + 1, 0
                if _differ(space, expected, lane.observation[:, 0]):
                    return f"reset {episode}: expected {expected}, got {lane.observation[:, 0]}"
            action = reference.action_space.sample()
            observation, reward, terminated, truncated, _ = reference.step(action)
            lane.step(action_from_space(environment.action_space, action))
            length += 1
            if _differ(space, observation, lane.observation[:, 0]):
                return f"step {count}: expected observation {observation}, got {lane.observation[:, 0]}"
            if native.state_of is not None:
                state = np.asarray(native.state_of(reference), np.float64)
                if state.tobytes() != lane.state[: len(state), 0].tobytes():
                    return f"step {count}: expected state {state}, got {lane.state[: len(state), 0]}"
            if float(reward) != lane.reward[0] or bool(terminated) != lane.terminated[0]:
                return f"step {count}: expected reward {reward}, got {lane.reward[0]}, or terminations differ"
            done = bool(terminated or truncated) or length >= environment.limit
        return None
    finally:
        close(reference)


def _differ(space: spaces.Space, expected: Any, got: NDArray[np.float32]) -> bool:
    """Whether an observation is another than the flat one `got (d,)`; one that does not belong to its space is."""
    try:
        return spaces.flatten(space, expected).tobytes() != got.tobytes()
    except (ValueError, TypeError, OverflowError):
        return True


def action_from_space(space: spaces.Space, action: Any) -> NDArray[np.float32]:
    """An environment's action as the column `(a,)` that kernels use: indices from 0, or the Box's numbers."""
    numbers = np.atleast_1d(np.asarray(action)).ravel()
    match space:
        case spaces.Discrete():
            numbers = numbers - space.start
        case spaces.MultiDiscrete():
            numbers = numbers - np.asarray(space.start)
    return numbers.astype(np.float32)


class _Lane:
    """One lane of a native environment, driven from Python."""

    def __init__(self, native: NativeEnvironment, environment: Environment) -> None:
        self.native = native
        self.state = np.zeros((native.state_size, 1))
        self.random = np.zeros((1, 4), np.uint64)
        self.observation = np.zeros((environment.observation_size, 1), np.float32)
        self.reward = np.zeros(1)
        self.terminated = np.zeros(1, np.bool_)

    def reset(self, seed: int | None) -> None:
        if seed is not None:
            self.random[:] = generators([seed])
        self.native.reset(0, self.state, self.random)
        self.native.observe(1, self.state, self.observation)

    def step(self, column: NDArray[np.float32]) -> None:
        action = np.ascontiguousarray(column[:, None])
        self.native.step(1, self.state, action, self.random, self.reward, self.terminated)
        self.native.observe(1, self.state, self.observation)

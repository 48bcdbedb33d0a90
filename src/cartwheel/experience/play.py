"""One episode for the eye: a policy at work in a Gymnasium environment, with pictures."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment, close
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import UsageError
from cartwheel.policies.policy import Policy


@dataclass(frozen=True)
class Episode:
    """What was seen: the undiscounted return, the length in steps, and pictures (h, w, 3), if they were asked for.

    `over` is whether the episode came to its end, rather than to the caller's limit. Where pictures were asked for and
    there are none, `unseen` says why.
    """

    return_: float
    length: int
    frames: list[NDArray[np.uint8]]
    over: bool
    unseen: str = ""


def play(
    environment: Environment,
    policy: Policy,
    seed: int,
    *,
    frames: bool = False,
    limit: int | None = None,
    rng: np.random.Generator | None = None,
    every: int = 1,
    watch: bool = False,
) -> Episode:
    """The episode `seed` (of `env.reset`), for `limit` steps at most, and never beyond the environment's own limit.

    The policy acts greedily, or draws its actions from `rng`. With `frames`, pictures are taken before the first step,
    after each `every` steps, and after the last; there are none where the environment can't draw them. With `watch`
    in place of `frames`, the environment opens a window of its own and keeps to its own pace.
    Raises EnvironmentFault where the environment raises, or gives what is no observation or reward.
    """
    if every < 1 or (limit is not None and limit < 1):
        raise UsageError(f"expected limit and every to be at least 1, got {limit} and {every}")
    if frames and watch:
        raise UsageError("an episode is either watched in a window or taken in pictures, not both")
    if watch:
        _check_screen(environment)
    made, camera = _drawing(environment, every) if frames else _plain(environment, watch)
    try:
        return _Stage(environment, made, camera).play(policy, seed, limit or environment.limit, rng)
    finally:
        close(made)


def _check_screen(environment: Environment) -> None:
    """UsageError where a window of Gymnasium's own environments would be on no screen, and nobody would hear of it."""
    asked = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    own = str(getattr(environment.spec, "entry_point", "")).startswith("gymnasium.envs.")
    if sys.platform == "linux" and own and not asked:
        raise UsageError("no window can be opened: there is no screen (DISPLAY is not set); --to writes a picture")


@dataclass
class _Camera:
    """Takes pictures of an environment, until one fails: then it says why, and has none."""

    every: int
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    unseen: str = ""
    on: bool = True

    def take(self, made: Any, step: int, last: bool = False) -> None:
        """A picture, if it is the time for one."""
        if not self.on or not (last or step % self.every == 0):
            return
        try:
            self.frames.append(_picture(made.render()))
        except Exception as problem:  # a picture is worth having, but not worth a run
            self.frames.clear()
            self.unseen, self.on = f"its render() failed: {' '.join(str(problem).split()) or repr(problem)}", False


def _plain(environment: Environment, watch: bool) -> tuple[Any, _Camera]:
    """The environment, with a window or without, and no film in the camera."""
    return environment.make("human" if watch else None), _Camera(1, on=False)


def _drawing(environment: Environment, every: int) -> tuple[Any, _Camera]:
    """The environment, drawing if it can, and the camera for it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Gymnasium warns of a mode that is not declared; the camera will tell
            return environment.make("rgb_array"), _Camera(every)
    except UsageError as problem:
        return environment.make(), _Camera(every, unseen=str(problem), on=False)


def _picture(drawn: Any) -> NDArray[np.uint8]:
    """What `render` gave, as a picture of its own (some environments draw into the same array again)."""
    if not isinstance(drawn, np.ndarray) or drawn.dtype != np.uint8 or drawn.ndim != 3 or drawn.shape[2] != 3:
        what = f"{drawn.dtype} {drawn.shape}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
        raise ValueError(f"expected a picture, uint8 (height, width, 3), got {what}")
    return drawn.copy()


@dataclass
class _Stage:
    """An environment that was made for one episode, and the camera before it."""

    environment: Environment
    made: Any
    camera: _Camera

    def play(self, policy: Policy, seed: int, limit: int, rng: np.random.Generator | None) -> Episode:
        last = min(limit, self.environment.limit)
        observation = checked_reset(self.environment, self.made, seed)
        flat_observation(self.environment, observation, seed, 0)
        self.camera.take(self.made, 0)
        total, step, over, memory = 0.0, 0, False, None
        while not over and step < last:
            action, memory = policy.act(observation, memory, rng)
            step += 1
            observation, reward, terminated, truncated = checked_step(self.environment, self.made, action, seed, step)
            flat_observation(self.environment, observation, seed, step)
            total += reward
            over = terminated or truncated or step == self.environment.limit
            self.camera.take(self.made, step, last=over or step == last)
        return Episode(total, step, self.camera.frames, over, self.camera.unseen)

"""An environment of one's own, trained through the Python interface: hold a leaking tank at a wanted level.

Run it with `python examples/own_environment.py`; it writes its run into `runs/` below the working folder. Two worker
processes play the episodes. There is no `if __name__ == "__main__"` and none is needed: workers get the class by
itself, and never run this file.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import cartwheel


class Tank(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Water runs in through a valve (the action, 0 closed to 1 open) and out through a leak, the faster the fuller."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's own form)
    observation_space = gymnasium.spaces.Box(0.0, 2.0, (2,), np.float32)  # level and wanted level, m
    action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)

    def __init__(self, leak: float = 0.05, render_mode: str | None = None) -> None:
        self.leak, self.render_mode = leak, render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """A random level and a wanted one. All that is random comes from self.np_random, and so from the seed."""
        super().reset(seed=seed)
        self.level, self.wanted = self.np_random.uniform(0.0, 1.0), self.np_random.uniform(0.2, 0.8)
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One time step; the reward is the distance from the wanted level, and 50 more is lost by an overflow."""
        self.level += 0.1 * float(action[0]) - self.leak * math.sqrt(self.level)
        self.level = max(self.level, 0.0)
        overflow = self.level > 1.5
        reward = -abs(self.level - self.wanted) - (50.0 if overflow else 0.0)
        return self._observation(), reward, overflow, False, {}

    def render(self) -> NDArray[np.uint8]:
        """The tank, for the animation only: a class that can't draw itself is trained all the same."""
        picture = np.full((160, 120, 3), 250, np.uint8)
        picture[160 - round(100 * self.level) :, 20:100] = (70, 130, 200)
        picture[160 - round(100 * self.wanted) - 1 :][:2] = (200, 60, 60)
        return picture

    def _observation(self) -> NDArray[np.float32]:
        return np.array([self.level, self.wanted], np.float32)


run = cartwheel.train(
    Tank,
    env_args={"leak": 0.04},  # keyword arguments of the class
    max_episode_steps=100,
    solved_at=-2.5,  # the class names no threshold of its own
    steps=200_000,
    workers=2,
)
test = cartwheel.evaluate(run, environment=Tank)  # the figure that the run ended with, measured again
print(f"test return {test.mean:.2f} over {test.episodes} episodes (95 % interval {test.low:.2f} to {test.high:.2f})")
for level, wanted in ((0.1, 0.6), (0.6, 0.6), (0.9, 0.3)):
    (valve,), _ = run.policy.act(np.array([level, wanted], np.float32))
    print(f"level {level} m, wanted {wanted} m: valve {valve:.0%} open")
print("at work beside an untrained policy:", run.folder / "animation.webp")

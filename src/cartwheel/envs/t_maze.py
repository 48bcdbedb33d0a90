"""The T-maze: a sign at the start of a corridor tells which way to turn at its end.

Source: B. Bakker, "Reinforcement Learning with Long Short-Term Memory", NIPS 2001, section 4.1. A corridor of length N:
the sign stands at place 0, the junction is N steps to the east. Left open there, and settled here: 011 at the start
means north, and it is shown again to who comes back; east at the junction is standing still.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

NORTH, EAST, SOUTH, WEST = range(4)
RIGHT_TURN = 4.0
WRONG_TURN = -0.1
STANDING_STILL = -0.1

_SIGN_NORTH, _SIGN_SOUTH, _CORRIDOR, _JUNCTION = (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0)
_WALL, _FLOOR, _GOAL, _AGENT = (40, 40, 40), (230, 230, 230), (70, 160, 90), (200, 80, 40)
_TILE = 24  # pixels


class TMaze(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A corridor of `length` steps, and a turn north or south at its end, as the sign at its start said.

    Observation: three numbers, 0 or 1. Actions: north, east, south, west. Reward: 4 for the right turn and -0.1 for the
    wrong one, which both end the episode; -0.1 for standing still, against a wall; 0 for a step along the corridor.
    ValueError for a length that is no whole number of at least 1. The registered time limits are five times the
    corridor; whoever asks for a longer one has to give a longer limit too.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0.0, 1.0, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(self, length: int = 10, render_mode: str | None = None) -> None:
        if not isinstance(length, int) or length < 1:
            raise ValueError(f"expected length to be a whole number of at least 1, got {length!r}")
        self.length, self.render_mode = length, render_mode
        self.place, self.goal_is_north = 0, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """To the sign; the goal is north or south with the same chance."""
        super().reset(seed=seed)
        self.place, self.goal_is_north = 0, self.np_random.uniform(0.0, 1.0) < 0.5
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One step along the corridor or against a wall, or the turn that ends the episode."""
        if self.place == self.length and action in (NORTH, SOUTH):
            right = (action == NORTH) == self.goal_is_north
            return self._observation(), RIGHT_TURN if right else WRONG_TURN, True, False, {}
        before = self.place
        self.place = min(max(before + (action == EAST) - (action == WEST), 0), self.length)
        return self._observation(), STANDING_STILL if self.place == before else 0.0, False, False, {}

    def render(self) -> Any:
        """The maze with the goal and the agent: lines of text, or a picture `(height, width, 3)` of uint8."""
        if self.render_mode == "ansi":
            return "\n".join(self._rows())
        if self.render_mode != "rgb_array":
            return None
        colours = {" ": _WALL, ".": _FLOOR, "G": _GOAL, "@": _AGENT}
        tiles = np.array([[colours[letter] for letter in row] for row in self._rows()], np.uint8)
        return tiles.repeat(_TILE, axis=0).repeat(_TILE, axis=1)

    def _observation(self) -> NDArray[np.float32]:
        if self.place == 0:
            return np.array(_SIGN_NORTH if self.goal_is_north else _SIGN_SOUTH, np.float32)
        return np.array(_JUNCTION if self.place == self.length else _CORRIDOR, np.float32)

    def _rows(self) -> list[str]:
        """Three rows of `length + 1` letters; a space is a wall."""
        corridor = "." * self.place + "@" + "." * (self.length - self.place)
        north, south = ("G", ".") if self.goal_is_north else (".", "G")
        return [" " * self.length + north, corridor, " " * self.length + south]


class TMaze50(TMaze):
    """The T-maze with a corridor of 50 steps, under an id of its own: compiled physics are found by id."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(50, render_mode)

"""A grid world from a map in letters: walls, goals, bombs, and a start.

Source: K. Saito, "Deep Learning from Scratch 4", 2022, section 4.2, whose 3 x 4 map is the default. As there, a cell's
reward is that of whoever arrives, staying included, and a bomb does not end the episode. Slips are as in Gymnasium's
FrozenLake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np

UP, DOWN, LEFT, RIGHT = range(4)
GOAL_REWARD = 1.0
BOMB_REWARD = -1.0
FREE, WALL, GOAL, BOMB, START = ".#GBS"

BOOK = ("...G", ".#.B", "S...")

_MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))  # x and y, which grows downwards
_ASIDE = ((LEFT, RIGHT), (LEFT, RIGHT), (UP, DOWN), (UP, DOWN))
_COLOURS = {FREE: (230, 230, 230), WALL: (40, 40, 40), GOAL: (70, 160, 90), BOMB: (190, 60, 70), START: (205, 215, 235)}
_AGENT = (235, 130, 40)
_TILE, _RIM = 24, 5  # pixels; so many of its cell are left around the agent


@dataclass(frozen=True)
class GridMap:
    """The cells of a grid world as `rows` of letters: `.` free, `#` wall, `G` goal, `B` bomb, `S` the start.

    A cell's state is y * width + x, from the upper left, walls included.
    ValueError, in one line, for what is no such map: rows of different lengths, other letters, no goal, another number
    of starts.
    """

    rows: tuple[str, ...]

    def __post_init__(self) -> None:
        letters = "".join(self.rows)
        lengths = {len(row) for row in self.rows}
        if len(lengths) != 1 or not letters:
            raise ValueError(f"expected a map whose rows have one length of at least 1, got lengths {sorted(lengths)}")
        if unknown := sorted(set(letters) - set(_COLOURS)):
            raise ValueError(f"expected a map of the letters {' '.join(_COLOURS)}, got {unknown[0]!r}")
        if GOAL not in letters:
            raise ValueError("expected a map with at least one goal G, got none")
        if letters.count(START) != 1:
            raise ValueError(f"expected a map with one start S, got {letters.count(START)}")

    @classmethod
    def of(cls, rows: str | Sequence[str]) -> GridMap:
        """A map from its rows, or from one text in which they stand on lines of their own or between slashes."""
        if isinstance(rows, str):
            rows = rows.strip().replace("\n", "/").split("/")
        if not (isinstance(rows, Sequence) and all(isinstance(row, str) for row in rows)):
            raise ValueError(f"expected a map as rows of letters, or as one text, got {rows!r}")
        return cls(tuple(rows))

    @property
    def width(self) -> int:
        """Cells in a row."""
        return len(self.rows[0])

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.rows)

    @cached_property
    def cells(self) -> str:
        """The letter of each state."""
        return "".join(self.rows)

    @property
    def start(self) -> int:
        """The state that episodes begin in."""
        return self.cells.index(START)

    def neighbour(self, state: int, direction: int) -> int:
        """Where a move leads: to the next cell, or nowhere at a wall and at the border."""
        (y, x), (right, down) = divmod(state, self.width), _MOVES[direction]
        x, y = min(max(x + right, 0), self.width - 1), min(max(y + down, 0), self.height - 1)
        there = y * self.width + x
        return state if self.cells[there] == WALL else there


class GridWorld(gymnasium.Env[np.int64, np.int64]):
    """From the start to a goal, past walls and bombs.

    Observation: the number of the cell, y * width + x. Actions: up, down, left, right. Reward: 1 for reaching a goal,
    which ends the episode, -1 for arriving or staying at a bomb, `step_reward` else. With the chance `slip` a move goes
    aside, to either hand alike.
    `P` and `initial_state_distrib` are the chances of all this, in the form of Gymnasium's own tables; in goals and
    walls, where nobody acts, nothing happens and the episode is over.
    ValueError for a bad map (see `GridMap`), a slip that is no chance and a step reward that is not finite.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012
    action_space = gymnasium.spaces.Discrete(4)

    def __init__(
        self,
        rows: str | Sequence[str] = BOOK,
        step_reward: float = 0.0,
        slip: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        if not 0 <= slip <= 1:
            raise ValueError(f"expected slip to be a chance from 0 to 1, got {slip!r}")
        if not np.isfinite(step_reward):
            raise ValueError(f"expected a finite step_reward, got {step_reward!r}")
        self.grid, self.step_reward, self.slip, self.render_mode = GridMap.of(rows), step_reward, slip, render_mode
        states = range(len(self.grid.cells))
        self.observation_space = gymnasium.spaces.Discrete(len(states))
        self.P = {state: {action: self._outcomes(state, action) for action in range(4)} for state in states}
        self.initial_state_distrib = (np.array(states) == self.grid.start).astype(np.float64)
        self.place = self.grid.start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """To the start."""
        super().reset(seed=seed)
        self.place = self.grid.start
        return np.int64(self.place), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """One move, or one aside; nothing is drawn where there is no choice."""
        if self.grid.cells[self.place] == GOAL:
            raise gymnasium.error.ResetNeeded("the goal was reached; call reset() first")
        outcomes = self.P[self.place][int(action)]
        draw = self.np_random.uniform(0.0, 1.0) if len(outcomes) > 1 else 0.0
        for chance, place, reward, ended in outcomes:  # noqa: B007 (the last stands where rounding leaves a rest)
            draw -= chance
            if draw < 0:
                break
        self.place = place
        return np.int64(place), reward, ended, False, {}

    def render(self) -> Any:
        """The map with the agent: lines of text with an @, or a picture `(height, width, 3)` of uint8."""
        y, x = divmod(self.place, self.grid.width)
        if self.render_mode == "ansi":
            rows = list(self.grid.rows)
            rows[y] = f"{rows[y][:x]}@{rows[y][x + 1 :]}"
            return "\n".join(rows)
        if self.render_mode != "rgb_array":
            return None
        tiles = np.array([[_COLOURS[letter] for letter in row] for row in self.grid.rows], np.uint8)
        picture = tiles.repeat(_TILE, axis=0).repeat(_TILE, axis=1)
        picture[::_TILE] = picture[:, ::_TILE] = _COLOURS[WALL]  # lines between the cells
        inside = slice(_RIM + 1, _TILE - _RIM)
        picture[y * _TILE : (y + 1) * _TILE, x * _TILE : (x + 1) * _TILE][inside, inside] = _AGENT
        return picture

    def _outcomes(self, state: int, action: int) -> list[tuple[float, int, float, bool]]:
        """What an action can lead to: chance, next state, reward, whether the episode is over."""
        if self.grid.cells[state] in (GOAL, WALL):
            return [(1.0, state, 0.0, True)]
        moves = [(1 - self.slip, action), *((self.slip / 2, aside) for aside in _ASIDE[action])]
        return [(chance, *self._arrival(self.grid.neighbour(state, move))) for chance, move in moves if chance > 0]

    def _arrival(self, state: int) -> tuple[int, float, bool]:
        letter = self.grid.cells[state]
        reward = {GOAL: GOAL_REWARD, BOMB: BOMB_REWARD}.get(letter, self.step_reward)
        return state, reward, letter == GOAL

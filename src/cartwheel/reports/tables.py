"""What a table of values learnt, drawn where its rows are the cells of a grid world."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment
from cartwheel.envs.gridworld import GridMap, GridWorld
from cartwheel.errors import CartwheelError
from cartwheel.policies.policy import Policy
from cartwheel.policies.table import TableNetwork
from cartwheel.reports.grid import draw_action_values, draw_values


@dataclass(frozen=True)
class Drawing:
    """A picture as WebP, its width and height in pixels, and words for it."""

    picture: bytes
    size: tuple[int, int]
    words: str


def grid_drawings(policy: Policy | None, environment: Environment | None) -> list[Drawing]:
    """The values of a policy that is a table, for each cell and for each direction; none where that can't be drawn.

    The arrows are the policy's: the direction with the highest value of a cell, the first at ties.
    """
    if policy is None or environment is None or not isinstance(policy.network, TableNetwork):
        return []
    grid = _map_of(environment)
    q = policy.network.layout.unpack(policy.theta)["Q"].astype(np.float64)
    if grid is None or q.shape != (len(grid.cells), 4) or not np.isfinite(q).all():
        return []
    return _drawn(grid, q)


def _map_of(environment: Environment) -> GridMap | None:
    """The map of a grid world, None of what is none."""
    try:
        made = environment.make()
    except CartwheelError:
        return None
    try:
        world = made.unwrapped
        return world.grid if isinstance(world, GridWorld) else None
    finally:
        made.close()


def _drawn(grid: GridMap, q: NDArray[np.float64]) -> list[Drawing]:
    greedy = np.eye(4)[q.argmax(axis=1)]
    with TemporaryDirectory() as folder:
        values = draw_values(grid, q.max(axis=1), Path(folder, "values.png"), policy=greedy)
        directions = draw_action_values(grid, q, Path(folder, "directions.png"))
        return [
            _drawing(values, "What each cell is worth, and where the policy goes from it."),
            _drawing(directions, "What each direction is worth; the highest of a cell stand in bold."),
        ]


def _drawing(file: Path, words: str) -> Drawing:
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGB").save(stream, "webp", lossless=True)
        return Drawing(stream.getvalue(), picture.size, words)

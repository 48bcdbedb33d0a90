"""Pictures of a grid world: what its cells are worth, what each direction is worth in each, and where a policy goes.

Blue is worth more than nothing and orange less, the stronger the farther from 0; the scale is one for a picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cartwheel.envs.gridworld import BOMB, DOWN, GOAL, LEFT, RIGHT, START, UP, WALL, GridMap
from cartwheel.errors import UsageError
from cartwheel.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_INK, _RULE, _WALL = "#202020", "#b0b0b0", "#404040"
_MARKS = {GOAL: ("goal", "#2f7d32"), BOMB: ("bomb", "#b3261e"), START: ("start", "#606060")}
_LESS, _MORE = np.array((0xC8, 0x50, 0x1E)) / 255, np.array((0x1F, 0x6F, 0xB2)) / 255
_STRONGEST = 0.75  # how much of a colour the farthest value has: letters stay legible on it
_CELL, _LARGEST = 1.15, 16.0  # inches: a cell, and a picture, whose cells shrink where there are many
_DPI = 150
_CENTRE = np.array((0.5, 0.5))
_OUTWARDS = 0.46  # where the value of a direction stands, from the middle of the cell to that of its side
_HUB = 0.2  # where arrows that share a cell begin, of their reach from its middle: room between them
# A direction's two corners of the cell, and where its arrow points; y grows downwards.
_CORNERS = {
    UP: ((0.0, 0.0), (1.0, 0.0)),
    DOWN: ((0.0, 1.0), (1.0, 1.0)),
    LEFT: ((0.0, 0.0), (0.0, 1.0)),
    RIGHT: ((1.0, 0.0), (1.0, 1.0)),
}
_ARROWS = {UP: (0.0, -1.0), DOWN: (0.0, 1.0), LEFT: (-1.0, 0.0), RIGHT: (1.0, 0.0)}


def draw_values(
    grid: GridMap, values: ArrayLike, path: str | PathLike[str], *, policy: ArrayLike | None = None
) -> Path:
    """Write a picture of the `values (S,)` of all cells to the file `path` (.png, .svg or .pdf), and return the path.

    With a `policy (S, A)`, arrows show it below the values.
    UsageError for numbers of another shape or not finite and for another ending; StorageError where nothing can be
    written.
    """
    worth = _numbers("values", values, (len(grid.cells),))
    arrows = None if policy is None else _numbers("policy", policy, (len(grid.cells), 4))

    def paint(axes: Axes) -> None:
        scale = _scale(worth[_acted(grid)])
        for state in _acted(grid):
            x, y = _corner(grid, state)
            _fill(axes, [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)], _colour(worth[state], scale))
            _write(axes, x + 0.5, y + (0.5 if arrows is None else 0.28), _text(worth[state]), 14, grid)
            if arrows is not None:
                _paint_arrows(axes, (x + 0.5, y + 0.66), 0.27, arrows[state], grid)

    return _picture(grid, path, paint)


def draw_action_values(grid: GridMap, q: ArrayLike, path: str | PathLike[str]) -> Path:
    """Write a picture of `q (S, A)`, a triangle for each direction of a cell; the highest of a cell stand in bold.

    File and errors are those of `draw_values`.
    """
    worth = _numbers("action values", q, (len(grid.cells), 4))

    def paint(axes: Axes) -> None:
        scale = _scale(worth[_acted(grid)])
        for state in _acted(grid):
            x, y = _corner(grid, state)
            for action, corners in _CORNERS.items():
                points = [(x + right, y + down) for right, down in (*corners, _CENTRE)]
                _fill(axes, points, _colour(worth[state, action], scale))
                right, down = (_CENTRE + _OUTWARDS * (np.mean(corners, axis=0) - _CENTRE)).tolist()
                best = bool(np.isclose(worth[state, action], worth[state].max(), rtol=0.0, atol=1e-9 * scale))
                _write(axes, x + right, y + down, _text(worth[state, action]), 10, grid, bold=best)

    return _picture(grid, path, paint)


def draw_policy(grid: GridMap, policy: ArrayLike, path: str | PathLike[str]) -> Path:
    """Write a picture of a `policy (S, A)`: an arrow for each action, the longer the greater its chance.

    File and errors are those of `draw_values`.
    """
    chances = _numbers("policy", policy, (len(grid.cells), 4))

    def paint(axes: Axes) -> None:
        for state in _acted(grid):
            x, y = _corner(grid, state)
            _paint_arrows(axes, (x + 0.5, y + 0.5), 0.36, chances[state], grid)

    return _picture(grid, path, paint)


# --- a picture and its cells ------------------------------------------------------------------------------------------


def _picture(grid: GridMap, path: str | PathLike[str], paint: Callable[[Axes], None]) -> Path:
    """What `paint` draws on axes of a unit a cell, y downwards, with walls, names and lines, as a file."""
    file = Path(path)
    if file.suffix not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{file}: expected a file that ends in .png, .svg or .pdf")
    from matplotlib.figure import Figure

    with _style():
        side = _side(grid)
        figure = Figure((side * grid.width + 0.1, side * grid.height + 0.1))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        rim = 0.05 / side
        axes.set_xlim(-rim, grid.width + rim)
        axes.set_ylim(grid.height + rim, -rim)
        paint(axes)
        _paint_map(axes, grid)
        stream = io.BytesIO()
        figure.savefig(stream, format=file.suffix[1:], dpi=_DPI)
    write_atomically(file, stream.getvalue())
    return file


@contextmanager
def _style() -> Iterator[None]:
    """matplotlib's own style, whatever the user's settings are, which stand again afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "grid", "svg.fonttype": "none"})
        yield


def _paint_map(axes: Axes, grid: GridMap) -> None:
    """Walls and goals as they are, small names in corners, and the lines between cells over all."""
    for state, letter in enumerate(grid.cells):
        x, y = _corner(grid, state)
        if letter == WALL:
            _fill(axes, [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)], _WALL)
        if letter == GOAL:
            _write(axes, x + 0.5, y + 0.5, "goal", 14, grid, bold=True, colour=_MARKS[GOAL][1])
        elif letter in _MARKS:
            name, colour = _MARKS[letter]
            _write(axes, x + 0.05, y + 0.1, name, 8, grid, colour=colour, side="left")
    for x in range(grid.width + 1):
        axes.plot([x, x], [0, grid.height], color=_RULE, linewidth=1.0, solid_capstyle="projecting")
    for y in range(grid.height + 1):
        axes.plot([0, grid.width], [y, y], color=_RULE, linewidth=1.0, solid_capstyle="projecting")


def _paint_arrows(axes: Axes, place: tuple[float, float], reach: float, chances: Numbers, grid: GridMap) -> None:
    """Arrows away from `place`, the longer and stronger the greater the chance; a sure one stands around its place."""
    sure = float(chances.max()) > 1 - 1e-9
    for action, (right, down) in _ARROWS.items():
        chance = float(chances[action])
        if chance < 1e-9:
            continue
        begin, end = (-0.75 * reach, 0.75 * reach) if sure else (_HUB * reach, reach * (0.5 + 0.5 * chance))
        tail, tip = ((place[0] + far * right, place[1] + far * down) for far in (begin, end))
        size = (0.4 + 0.6 * chance) * _side(grid) / _CELL
        style: Any = {"arrowstyle": "-|>,head_width=0.3,head_length=0.55", "color": _INK, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", tip, tail, arrowprops={**style, "linewidth": 2.2 * size, "mutation_scale": 13 * size})


def _fill(axes: Axes, points: list[tuple[float, float]], colour: Any) -> None:
    axes.fill(*zip(*points, strict=True), color=colour, linewidth=0.4, edgecolor=_RULE)


def _write(
    axes: Axes, x: float, y: float, words: str, size: float, grid: GridMap, *,
    bold: bool = False, colour: str = _INK, side: str = "center",
) -> None:  # fmt: skip
    """Words at a place of the grid, of a size in points in a cell of full size."""
    size *= _side(grid) / _CELL
    weight = "bold" if bold else "normal"
    axes.text(x, y, words, ha=side, va="center_baseline", fontsize=size, fontweight=weight, color=colour)


def _side(grid: GridMap) -> float:
    """The side of a cell in inches."""
    return min(_CELL, _LARGEST / max(grid.width, grid.height))


# --- numbers ----------------------------------------------------------------------------------------------------------


def _acted(grid: GridMap) -> list[int]:
    """The states in which somebody acts: all but walls and goals."""
    return [state for state, letter in enumerate(grid.cells) if letter not in (WALL, GOAL)]


def _corner(grid: GridMap, state: int) -> tuple[int, int]:
    """A cell's upper left corner: x and y."""
    return state % grid.width, state // grid.width


def _numbers(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Numbers:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != shape:
        raise UsageError(f"expected {name} of shape {shape}, as the map has cells, got {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise UsageError(f"expected finite {name} to draw; some are NaN or infinite")
    return numbers


def _scale(values: Numbers) -> float:
    """The value with the strongest colour."""
    return float(np.abs(values).max(initial=0.0)) or 1.0


def _colour(value: float, scale: float) -> tuple[float, ...]:
    """From white at 0 to blue at `scale`, to orange at its opposite."""
    strength = _STRONGEST * min(abs(value) / scale, 1.0)
    return tuple(1 - strength * (1 - (_MORE if value > 0 else _LESS)))


def _text(value: float) -> str:
    """A value in three figures, with two decimals at most and a true minus sign."""
    size = abs(value)
    text = f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:.3g}"
    return ("0.00" if text == "-0.00" else text).replace("-", "\N{MINUS SIGN}")

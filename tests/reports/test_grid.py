"""Pictures of a grid world: colours and words where they belong, files whole or absent, mistakes in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from cartwheel.envs.gridworld import BOOK, GridMap
from cartwheel.errors import StorageError, UsageError
from cartwheel.reports.grid import draw_action_values, draw_policy, draw_values

GRID = GridMap(BOOK)
VALUES = np.array([0.81, 0.9, 1.0, 9.0, -0.5, 9.0, 0.9, -2.0, 0.0, -0.001, 0.25, 0.75])  # 9: wall and goal, not shown
Q = np.arange(48.0).reshape(12, 4) - 23.5
RIGHT = np.tile([0.0, 0.0, 0.0, 1.0], (12, 1))
ANY = np.full((12, 4), 0.25)


def words(file: Path) -> list[str]:
    """The texts of an SVG file, in the order in which they were drawn."""
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.parse(file).iter()
        if element.tag.endswith("}text")
    ]


def colour(file: Path, x: float, y: float) -> Any:
    """The pixel of a PNG file at a place of the grid, in cells."""
    with Image.open(file) as picture:
        side = (picture.width - 15) / 4
        return picture.convert("RGB").getpixel((round(7.5 + x * side), round(7.5 + y * side)))


def arrows(file: Path) -> list[tuple[float, float]]:
    """Of each arrow of an SVG file, across and down how far it goes: its line is the first of its two paths."""
    found = []
    for group in ElementTree.parse(file).iter():
        lines = [part.get("d", "") for part in group if part.tag.endswith("}path")]
        if re.fullmatch(r"patch_\d+", group.get("id", "")) and len(lines) == 2:
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", lines[0])]
            found.append((numbers[-2] - numbers[0], numbers[-1] - numbers[1]))
    return found


def test_values_stand_in_their_cells(tmp_path: Path) -> None:
    file = draw_values(GRID, VALUES, tmp_path / "values.svg")
    told = words(file)
    assert [told.count(word) for word in ("goal", "bomb", "start")] == [1, 1, 1]
    minus = "\N{MINUS SIGN}"
    assert told[:10] == f"0.81 0.90 1.00 {minus}0.50 0.90 {minus}2.00 0.00 0.00 0.25 0.75".split()


def test_colours_say_sign_and_size(tmp_path: Path) -> None:
    file = draw_values(GRID, VALUES, tmp_path / "values.png")
    at = {state: colour(file, state % 4 + 0.85, state // 4 + 0.85) for state in range(12)}
    assert at[5] == (0x40, 0x40, 0x40)  # the wall
    assert at[3] == at[8] == (255, 255, 255)  # the goal, and 0
    red, green, blue = at[2]
    assert blue > green > red
    red, green, blue = at[7]
    assert red > green > blue
    assert sum(at[7]) < sum(at[2]) < sum(at[0]) < sum(at[10]) < 3 * 255
    assert at[1] == at[6]


def test_a_triangle_for_each_direction(tmp_path: Path) -> None:
    """In state 4, up 1, down -1, left 0.5, right 0; elsewhere 0."""
    q = np.zeros((12, 4))
    q[4] = [1.0, -1.0, 0.5, 0.0]
    file = draw_action_values(GRID, q, tmp_path / "q.png")
    up, down, left, right = (colour(file, x, 1 + y) for x, y in ((0.5, 0.08), (0.5, 0.92), (0.04, 0.5), (0.96, 0.5)))
    assert up[2] > up[0]
    assert down[0] > down[2]
    assert sum(up) < sum(left) < sum(right) == 3 * 255
    assert colour(file, 2.5, 2.1) == (255, 255, 255)


def test_action_values_in_words(tmp_path: Path) -> None:
    file = draw_action_values(GRID, Q, tmp_path / "q.svg")
    told = words(file)
    assert len([word for word in told if re.search(r"\d", word)]) == 40
    assert told[:4] == [f"\N{MINUS SIGN}{number}" for number in ("23.5", "22.5", "21.5", "20.5")]
    assert len(re.findall(r"font: (?:bold|700)|font-weight: (?:bold|700)", file.read_text())) == 10 + 1  # and the goal


def test_arrows_point_where_the_policy_goes(tmp_path: Path) -> None:
    one = arrows(draw_policy(GRID, RIGHT, tmp_path / "right.svg"))
    assert len(one) == 10
    assert all(across > 20 and abs(down) < 0.01 for across, down in one)
    all_four = arrows(draw_policy(GRID, ANY, tmp_path / "any.svg"))
    assert len(all_four) == 40
    up, down, left, right = all_four[:4]
    assert up[1] < 0 < down[1]
    assert left[0] < 0 < right[0]
    assert right[0] < one[0][0]  # less sure
    assert len(arrows(draw_values(GRID, VALUES, tmp_path / "both.svg", policy=RIGHT))) == 10
    assert arrows(draw_values(GRID, VALUES, tmp_path / "alone.svg")) == []


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files_of_all_kinds(tmp_path: Path, ending: str) -> None:
    file = draw_policy(GRID, ANY, str(tmp_path / f"policy.{ending}"))
    assert file.stat().st_size > 2000
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    if ending == "png":
        with Image.open(file) as picture:
            assert picture.size == (705, 532)


def test_a_large_map_has_small_cells(tmp_path: Path) -> None:
    large = GridMap(("S" + "." * 38 + "G", *["." * 40] * 9))
    file = draw_values(large, np.linspace(-1, 1, 400), tmp_path / "large.png")
    with Image.open(file) as picture:
        assert picture.size == (2415, 615)


Draw = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("draw", "problem"),
    [
        (
            lambda file: draw_values(GRID, VALUES[:9], file),
            r"values of shape \(12,\), as the map has .*, got \(9,\)",
        ),
        (lambda file: draw_action_values(GRID, VALUES, file), r"action values of shape \(12, 4\)"),
        (lambda file: draw_policy(GRID, Q[:, :3], file), r"policy of shape \(12, 4\), .* got \(12, 3\)"),
        (lambda file: draw_values(GRID, VALUES / 0.0, file), "expected finite values to draw"),
        (lambda file: draw_policy(GRID, ANY, file.with_suffix(".gif")), r"ends in \.png, \.svg or \.pdf"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in divide")
def test_what_can_not_be_drawn(tmp_path: Path, draw: Draw, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        draw(tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be written"):
        draw_policy(GRID, ANY, tmp_path / "nowhere" / "policy.png")


def test_the_users_own_style_neither_shows_nor_changes(tmp_path: Path) -> None:
    import matplotlib

    plain = draw_values(GRID, VALUES, tmp_path / "plain.png").read_bytes()
    with matplotlib.rc_context({"text.color": "red", "savefig.facecolor": "red", "lines.linestyle": ":"}):
        assert draw_values(GRID, VALUES, tmp_path / "styled.png").read_bytes() == plain
        assert matplotlib.rcParams["lines.linestyle"] == ":"

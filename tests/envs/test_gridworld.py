"""The grid world: the book's map by hand, other maps, bad ones, slips, pictures, the compiled form, the page."""

from __future__ import annotations

import contextlib
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.environment import find_environment, is_plain
from cartwheel.envs.gridworld import BOOK, DOWN, LEFT, RIGHT, UP, GridMap, GridWorld
from cartwheel.envs.native import gridworld as native
from cartwheel.envs.native.registry import find_native
from cartwheel.errors import UsageError

ID = "cartwheel/GridWorld-v0"
PAGE = Path(__file__).parent.parent.parent / "docs" / "grid-world.md"


def walked(made: GridWorld, moves: list[int]) -> list[tuple[int, float, bool]]:
    made.reset(seed=0)
    steps = [made.step(np.int64(move)) for move in moves]
    assert not any(cut for _, _, _, cut, _ in steps)
    return [(int(place), reward, ended) for place, reward, ended, _, _ in steps]


def test_the_shortest_way() -> None:
    made = GridWorld()
    assert made.reset(seed=0)[0] == 8
    way = walked(made, [UP, UP, RIGHT, RIGHT, RIGHT])
    assert way == [(4, 0.0, False), (0, 0.0, False), (1, 0.0, False), (2, 0.0, False), (3, 1.0, True)]


def test_walls_borders_and_a_bomb() -> None:
    """A bomb costs as often as one arrives or stays, and ends nothing."""
    moves = [LEFT, DOWN, RIGHT, UP, RIGHT, RIGHT, UP, RIGHT, LEFT, DOWN, UP, UP]
    places = [8, 8, 9, 9, 10, 11, 7, 7, 6, 10, 6, 2]
    rewards = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    assert walked(GridWorld(), moves) == [(place, reward, False) for place, reward in zip(places, rewards, strict=True)]
    assert walked(GridWorld(), [RIGHT, RIGHT, RIGHT, UP, UP])[-2:] == [(7, -1.0, False), (3, 1.0, True)]


def test_nothing_is_done_after_the_goal() -> None:
    made = GridWorld("SG")
    walked(made, [RIGHT])
    with pytest.raises(gymnasium.error.ResetNeeded):
        made.step(np.int64(LEFT))


def test_what_gymnasium_knows_of_it() -> None:
    found = find_environment(ID)
    assert (found.limit, found.threshold, found.observation_size) == (100, 1.0, 12)
    own = find_native(ID)
    assert own is not None
    assert is_plain(found, own.entry_point)
    assert not is_plain(find_environment(ID, {"slip": 0.1}), own.entry_point)


# --- maps -------------------------------------------------------------------------------------------------------------


def test_a_map_in_three_ways() -> None:
    expected = GridMap(("S.G", "#B."))
    assert GridMap.of(["S.G", "#B."]) == GridMap.of("S.G/#B.") == GridMap.of("\nS.G\n#B.\n") == expected
    assert (expected.width, expected.height, expected.start, expected.cells) == (3, 2, 0, "S.G#B.")


def test_a_map_of_ones_own() -> None:
    made = find_environment(ID, {"rows": "SB/.G", "step_reward": -0.25}).make().unwrapped
    assert made.observation_space.n == 4
    assert walked(made, [RIGHT, LEFT, LEFT, DOWN, RIGHT]) == [
        (1, -1.0, False),
        (0, -0.25, False),
        (0, -0.25, False),
        (2, -0.25, False),
        (3, 1.0, True),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rows": ["S.G", ".."]}, r"rows have one length of at least 1, got lengths \[2, 3\]"),
        ({"rows": []}, "rows have one length of at least 1"),
        ({"rows": ""}, "rows have one length of at least 1"),
        ({"rows": "S.G/..X"}, "the letters . # G B S, got 'X'"),
        ({"rows": "S.."}, "at least one goal G, got none"),
        ({"rows": "S.G/S.."}, "one start S, got 2"),
        ({"rows": "..G"}, "one start S, got 0"),
        ({"rows": 5}, "a map as rows of letters, or as one text, got 5"),
        ({"rows": ["SG", 5]}, "a map as rows of letters"),
        ({"slip": 1.5}, "slip to be a chance from 0 to 1, got 1.5"),
        ({"step_reward": float("nan")}, "a finite step_reward, got nan"),
    ],
)
def test_bad_worlds_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        find_environment(ID, arguments)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=words):
        GridWorld(**arguments)


# --- chances ----------------------------------------------------------------------------------------------------------


def test_the_table_by_hand() -> None:
    made = GridWorld(slip=0.2)
    assert made.P[2][RIGHT] == [(0.8, 3, 1.0, True), (0.1, 2, 0.0, False), (0.1, 6, 0.0, False)]
    assert made.P[11][UP] == [(0.8, 7, -1.0, False), (0.1, 10, 0.0, False), (0.1, 11, 0.0, False)]
    assert made.P[3][LEFT] == [(1.0, 3, 0.0, True)]  # the goal
    assert GridWorld().P[8][RIGHT] == [(1.0, 9, 0.0, False)]
    assert np.flatnonzero(made.initial_state_distrib).tolist() == [8]


@pytest.mark.parametrize(("action", "aside"), [(UP, (3, 5)), (DOWN, (3, 5)), (LEFT, (1, 7)), (RIGHT, (1, 7))])
def test_slips_go_to_either_hand(action: int, aside: tuple[int, int]) -> None:
    """From the middle of 3 x 3, 3,000 times; the margin is five standard deviations and more."""
    made = GridWorld("G../.S./...", slip=0.3)
    made.reset(seed=action)
    counts: Counter[int] = Counter()
    for _ in range(3000):
        made.place = 4
        counts[int(made.step(np.int64(action))[0])] += 1
    straight = {UP: 1, DOWN: 7, LEFT: 3, RIGHT: 5}[action]
    assert counts[straight] / 3000 == pytest.approx(0.7, abs=0.045)
    assert [counts[place] / 3000 for place in aside] == pytest.approx([0.15, 0.15], abs=0.035)
    assert sum(counts.values()) == 3000


def test_the_same_seed_slips_the_same_way() -> None:
    made = GridWorld("G../.S./...", slip=0.5)
    first, second = (walked(made, [DOWN, RIGHT] * 10) for _ in range(2))
    assert first == second


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_the_world_drawn() -> None:
    text, picture = GridWorld(render_mode="ansi"), GridWorld(render_mode="rgb_array")
    walked(text, [UP])
    assert text.render() == "...G\n@#.B\nS..."
    drawn = picture.render()
    assert drawn.shape == (72, 96, 3)
    assert drawn.dtype == np.uint8
    middles = drawn[12::24, 12::24].tolist()
    assert middles[2][0] == [235, 130, 40]  # the agent
    assert middles[1][1] == [40, 40, 40]
    assert middles[0][3] == [70, 160, 90]
    assert middles[1][3] == [190, 60, 70]
    assert middles[0][0] == middles[2][3] == [230, 230, 230]
    assert drawn[50, 2].tolist() == [205, 215, 235]  # the start shows around the agent
    assert GridWorld().render() is None


# --- the compiled form ------------------------------------------------------------------------------------------------


def test_the_compiled_world_in_every_cell_and_direction() -> None:
    made = GridWorld()
    for state, letter in enumerate("".join(BOOK)):
        if letter in "G#":
            continue
        for action in range(4):
            ((_, place, reward, ended),) = made.P[state][action]
            lane = np.array([[state % 4], [state // 4]], np.float64)
            got, over = np.full(1, np.nan), np.zeros(1, np.bool_)
            native.step(1, lane, np.full((1, 1), action, np.float32), np.zeros((1, 4), np.uint64), got, over)
            seen = np.zeros((12, 1), np.float32)
            native.observe(1, lane, seen)
            assert (lane[0, 0], lane[1, 0], got[0], over[0]) == (place % 4, place // 4, reward, ended)
            assert seen[:, 0].tolist() == [float(cell == place) for cell in range(12)]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_programs_of_the_page_print_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 4
    for program, told in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, {})
        assert printed.getvalue() == told
    assert {file.name for file in tmp_path.iterdir()} == {"values.png", "action-values.png", "policy.svg"}


def test_the_page_names_the_arguments() -> None:
    text = PAGE.read_text(encoding="utf-8")
    arguments = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\|$", text, re.MULTILINE)
    assert {*arguments} >= {"rows", "step_reward", "slip"}

from __future__ import annotations

import io
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartwheel.errors import StorageError, UsageError
from cartwheel.reports.animation import encode, side_by_side, write_animation

RED, GREEN, BLUE = (200, 30, 30), (20, 160, 60), (30, 60, 200)


def plain(colour: tuple[int, int, int], width: int = 240, height: int = 120) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def moving(count: int) -> list[np.ndarray]:
    """Frames that all differ: a bar goes to the right, and its colour changes."""
    frames = []
    for k in range(count):
        frame = plain((255, 255, 255))
        frame[:, 10 * k : 10 * k + 10] = (25 * k, 80, 250 - 25 * k)
        frames.append(frame)
    return frames


def decoded(source: Path | bytes) -> tuple[list[np.ndarray], list[int], int]:
    """Frames, their durations in milliseconds, and how often it plays (0: for ever)."""
    frames, durations = [], []
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
            durations.append(int(image.info["duration"]))
        return frames, durations, image.info["loop"]


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.WEBP"])
def test_an_animation_is_what_went_in(tmp_path: Path, name: str) -> None:
    frames = moving(8)
    write_animation(tmp_path / name, frames, fps=12.5)
    seen, durations, loop = decoded(tmp_path / name)
    assert loop == 0
    assert durations == [80] * 7 + [1080]
    assert len(seen) == 8
    for ours, theirs in zip(frames, seen, strict=True):
        assert theirs.shape == (120, 240, 3)
        assert np.abs(ours - theirs).mean() < 6  # lossy, and 256 colours
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("fps", "total"), [(30.0, 300), (7.0, 1290), (4.0, 2250), (125.0, 180)])
def test_rounding_does_not_add_up(fps: float, total: int) -> None:
    _, durations, _ = decoded(encode(moving(9), fps, "webp"))
    assert sum(durations) - 1000 == pytest.approx(total, abs=5)
    assert max(durations[:-1]) - min(durations[:-1]) <= 10


def test_colours_that_come_late_are_kept_in_a_gif() -> None:
    frames = [plain(RED)] * 5 + [plain(GREEN)] * 5 + [plain(BLUE)]
    seen, _, _ = decoded(encode(frames, 10.0, "gif"))
    assert np.abs(seen[-1][0, 0] - BLUE).max() <= 8


def test_one_frame_is_a_still_picture() -> None:
    with Image.open(io.BytesIO(encode([plain(GREEN)], 10.0))) as image:
        assert (image.n_frames, image.size, image.format) == (1, (240, 120), "WEBP")


@pytest.mark.parametrize("name", ["a.png", "a", "webp", "a.mp4"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.webp or \.gif"):
        write_animation(tmp_path / name, moving(2), 10.0)
    assert not list(tmp_path.iterdir())


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write_animation(tmp_path / "a.webp", [], 10.0)
    for fps in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="frames per second"):
            write_animation(tmp_path / "a.webp", moving(2), fps)
    with pytest.raises(StorageError):
        write_animation(tmp_path / "no" / "folder.webp", moving(2), 10.0)


def test_the_shorter_episode_holds_its_last_frame_dimmed() -> None:
    frames = side_by_side([plain(RED), plain(GREEN)], [plain(BLUE)] * 5, ("untrained", "trained"))
    assert len(frames) == 5
    assert {frame.shape for frame in frames} == {(36 + 120, 240 + 4 + 240, 3)}
    left, right = [tuple(frame[90, 120]) for frame in frames], [tuple(frame[90, 364]) for frame in frames]
    assert right == [BLUE] * 5
    assert left[:2] == [RED, GREEN]
    assert len(set(left[2:])) == 1
    assert sum(left[2]) < sum(GREEN)
    assert left[2][1] > left[2][0]  # green still


def test_captions_stand_above_their_own_panels() -> None:
    def words(captions: tuple[str, str]) -> tuple[int, int]:
        band = side_by_side([plain(RED)], [plain(BLUE)], captions)[0][:36].max(axis=2) > 150
        return int(band[:, :240].sum()), int(band[:, 244:].sum())

    assert words(("", "")) == (0, 0)
    assert words(("untrained: 23 steps", ""))[0] > 100
    assert words(("untrained: 23 steps", ""))[1] == 0
    assert words(("", "trained: 500 steps"))[0] == 0
    assert words(("", "trained: 500 steps"))[1] > 100


@pytest.mark.parametrize(
    ("size", "panel"),
    [((600, 400), (300, 200)), ((401, 100), (201, 50)), ((64, 64), (256, 256)), ((400, 300), (400, 300))],
)
def test_panels_are_of_a_size_for_a_page(size: tuple[int, int], panel: tuple[int, int]) -> None:
    frame = side_by_side([plain(RED, *size)], [plain(BLUE, *size)], ("a", "b"))[0]
    assert frame.shape == (36 + panel[1], 2 * panel[0] + 4, 3)


def test_a_long_caption_is_made_small_rather_than_cut() -> None:
    band = side_by_side([plain(RED, 200)], [plain(BLUE, 200)], ("untrained: first 600 steps", ""))[0][:36]
    columns = np.flatnonzero((band.max(axis=2) > 150).any(axis=0))
    assert columns[0] >= 4
    assert columns[-1] < 196


def test_frames_given_are_left_as_they_are() -> None:
    frames = moving(3)
    before = [frame.copy() for frame in frames]
    encode(side_by_side(frames, frames[:1], ("a", "b")), 10.0, "gif")
    assert all(np.array_equal(*pair) for pair in zip(frames, before, strict=True))
    assert all(not np.array_equal(*pair) for pair in pairwise(frames))

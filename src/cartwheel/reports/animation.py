"""Frames to an animated picture, GIF or WebP; and two episodes beside each other, a line of words above each."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.storage.atomic import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

Frame = NDArray[np.uint8]  # (h, w, 3)

# 120 frames of two panels of 300 pixels take 0.1 s so, of two of 600 pixels 0.35 s; method 4 takes five times as long.
_WEBP: dict[str, Any] = {"method": 0, "quality": 70}
_REST = 1.0  # seconds that the last frame stays before all begins again
_SHORTEST = 0.02  # seconds; browsers show anything shorter for a tenth of a second
_LARGEST_SIDE, _NARROWEST = 400, 200  # pixels of a panel
_BAND, _LETTERS, _GAP = 36, 20, 4  # pixels: the height of the band, of its letters, and between the panels
_INK, _PAPER = (249, 250, 251), (31, 41, 55)
_DIM = 0.6  # how much of the paper covers an episode that is over


def check_suffix(path: Path) -> None:
    """UsageError unless `path` names a kind of animation that `write_animation` can write."""
    if path.suffix.lower() not in (".webp", ".gif"):
        raise UsageError(f"can't write an animation to {path}: expected a name that ends in .webp or .gif")


def write_animation(path: Path, frames: Sequence[Frame], fps: float) -> None:
    """Write `frames`, all of one shape (h, w, 3), to `path` as a GIF or a WebP by its suffix; it plays for ever.

    `fps` is in frames per second, 50 at most being shown; the last frame stays a second longer. The file appears
    whole or not at all. UsageError for another suffix or no frame, StorageError where the file can't be written.
    """
    check_suffix(path)
    write_atomically(path, encode(frames, fps, path.suffix.lower()[1:]))


def encode(frames: Sequence[Frame], fps: float, kind: str = "webp") -> bytes:
    """`frames` as the bytes of an animation of this `kind`, "webp" or "gif"; a single frame is a still picture."""
    from PIL import Image

    if not frames:
        raise UsageError("expected at least one frame for an animation, got none")
    if not 0.0 < fps < math.inf:
        raise UsageError(f"expected a positive number of frames per second, got {fps}")
    pictures = [Image.fromarray(frame) for frame in frames]
    options: dict[str, Any] = _WEBP if kind == "webp" else {}
    if len(pictures) > 1:
        options = {**options, "save_all": True, "loop": 0, "duration": _durations(len(pictures), fps)}
        pictures = _with_one_palette(pictures) if kind == "gif" else pictures
        options["append_images"] = pictures[1:]
    stream = io.BytesIO()
    pictures[0].save(stream, kind, **options)
    return stream.getvalue()


def _durations(count: int, fps: float) -> list[int]:
    """Milliseconds of each frame, in whole hundredths of a second (a GIF knows no less), without drift."""
    ends = np.rint(np.arange(count + 1) * 100.0 * max(1.0 / fps, _SHORTEST))
    durations = 10 * np.diff(ends).astype(int)
    durations[-1] += int(1000 * _REST)
    return [int(duration) for duration in durations]


def _with_one_palette(pictures: list[Picture]) -> list[Picture]:
    """The pictures in the 256 colours that suit eight of them: four times as fast as a palette for each."""
    from PIL import Image

    sample = np.concatenate([np.asarray(picture) for picture in pictures[:: math.ceil(len(pictures) / 8)]])
    palette = Image.fromarray(sample).quantize(256)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]


def side_by_side(left: Sequence[Frame], right: Sequence[Frame], captions: tuple[str, str]) -> list[Frame]:
    """Two episodes' frames as one, a caption above each; the shorter holds its last frame, dimmed, to the end.

    Frames are brought to a size fit for a page: a longer side of 400 pixels at most, 200 or more in width.
    """
    panels = [[_fitted(frame) for frame in frames] for frames in (left, right)]
    count = max(len(frames) for frames in panels)
    ground = _ground(panels[0][0].size, panels[1][0].size, captions)
    offset = panels[0][0].width + _GAP
    lanes = [_held(frames, count) for frames in panels]
    return [_composed(ground, pair, offset) for pair in zip(*lanes, strict=True)]


def _fitted(frame: Frame) -> Picture:
    """A frame made smaller, or larger, by a whole factor: faster than any other, and as sharp."""
    from PIL import Image

    picture = Image.fromarray(frame)
    if max(picture.size) > _LARGEST_SIDE:
        return picture.reduce(math.ceil(max(picture.size) / _LARGEST_SIDE))
    factor = math.ceil(_NARROWEST / picture.width)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _held(frames: list[Picture], count: int) -> list[Picture]:
    """`count` frames: the episode's, then its last one dimmed."""
    from PIL import Image

    last = frames[-1]
    dimmed = Image.blend(last, Image.new("RGB", last.size, _PAPER), _DIM)
    return frames + [dimmed] * (count - len(frames))


def _ground(left: tuple[int, int], right: tuple[int, int], captions: tuple[str, str]) -> Picture:
    """What all frames share: the paper, and the captions above where the panels of these sizes (w, h) will be."""
    from PIL import Image, ImageDraw

    height = max(left[1], right[1])
    ground = Image.new("RGB", (left[0] + _GAP + right[0], _BAND + height), _PAPER)
    pen = ImageDraw.Draw(ground)
    for caption, start, width in ((captions[0], 0, left[0]), (captions[1], left[0] + _GAP, right[0])):
        _write(pen, caption, start, width)
    return ground


def _write(pen: Pen, text: str, start: int, width: int) -> None:
    """`text` in the middle of the band over `width` pixels from `start`, as large as it fits."""
    from PIL import ImageFont

    for size in range(min(_LETTERS, width // 15), 7, -1):
        font = ImageFont.load_default(size)
        if pen.textlength(text, font) <= width - 8:
            break
    pen.text((start + width / 2, _BAND / 2), text, _INK, font, anchor="mm")


def _composed(ground: Picture, pair: tuple[Picture, Picture], offset: int) -> Frame:
    canvas = ground.copy()
    canvas.paste(pair[0], (0, _BAND))
    canvas.paste(pair[1], (offset, _BAND))
    return np.asarray(canvas)

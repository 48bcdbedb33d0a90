"""The text of a file as a data set of characters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.datasets.dataset import Dataset, Transform


class CharText(Dataset):
    """The characters of a text file (UTF-8), as numbers in the order in which they first occur: `data[i]`, and as label
    the character after it.

    The last `held_out` of the text is kept for testing. `char_to_id` and `id_to_char` translate. ValueError for a text
    that is too short to give both parts an example.
    """

    def __init__(
        self,
        file: str | Path,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        held_out: float = 0.1,
    ) -> None:
        if not 0.0 <= held_out < 1.0:
            raise ValueError(f"expected the part held out in [0, 1), got {held_out}")
        self.file, self.held_out = Path(file), held_out
        super().__init__(train, transform, target_transform)

    def prepare(self) -> None:
        """Read the file."""
        text = self.file.read_text(encoding="utf-8")
        self.char_to_id = {char: number for number, char in enumerate(dict.fromkeys(text))}
        self.id_to_char = {number: char for char, number in self.char_to_id.items()}
        cut = len(text) - int(len(text) * self.held_out)
        part = text[:cut] if self.train else text[cut:]
        if len(part) < 2:
            raise ValueError(
                f"expected at least 2 characters for {'training' if self.train else 'testing'}, got {len(part)} of the "
                f"{len(text)} in {self.file} with held_out={self.held_out}"
            )
        numbers = self.encode(part)
        self.data, self.label = numbers[:-1], numbers[1:]

    def encode(self, text: str) -> Array:
        """Characters as their numbers (T,). ValueError for one that the file does not have."""
        unknown = sorted(set(text) - set(self.char_to_id))
        if unknown:
            raise ValueError(f"{self.file} has no {', '.join(map(repr, unknown))}")
        return np.array([self.char_to_id[char] for char in text], np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """Numbers as the characters they stand for."""
        return "".join(self.id_to_char[int(number)] for number in numbers)

"""Data sets that are drawn or computed; a function `get_...` gives all data and labels at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.datasets.dataset import Dataset, Transform


class _Drawn(Dataset):
    """Drawn from `rng`."""

    def __init__(
        self, train: bool = True, transform: Transform = None, target_transform: Transform = None, rng: Any = None
    ) -> None:
        self.rng = rng
        super().__init__(train, transform, target_transform)


class _Sequences(Dataset):
    """`size` sequences drawn from `rng`, each of a `length`."""

    def __init__(
        self,
        size: int,
        length: int,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        rng: Any = None,
    ) -> None:
        self.size, self.length, self.rng = size, length, rng
        super().__init__(train, transform, target_transform)

    def prepare(self) -> None:
        self.data, self.label = self.draw(self.size, self.length, _drawing(self.rng, self.train))

    def draw(self, size: int, length: int, rng: Any) -> tuple[Array, Array]:
        """The data and labels."""
        raise NotImplementedError


def _drawing(rng: Any, train: bool) -> Any:
    return rng if rng is not None else np.random.default_rng(0 if train else 1)


def _at_least(value: int, low: int, what: str) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
        raise ValueError(f"expected {what} of at least {low}, got {value!r}")


# --- points and curves -----------------------------------------------------------------------------------------------


def get_spiral(train: bool = True, rng: Any = None) -> tuple[Array, Array]:
    """Three arms of a spiral, 100 points each: x (300, 2) float32 inside the unit circle or near, t (300,) from 0 to 2.

    Drawn by default as in the book "Deep Learning from Scratch 3", by its generator, with the seed 1984, or 2020 for
    testing.
    """
    rng = np.random.RandomState(1984 if train else 2020) if rng is None else rng
    arms, points = 3, 100
    radius = np.tile(np.arange(points) / points, arms)
    t = np.repeat(np.arange(arms), points)
    angle = t * 4.0 + 4.0 * radius + 0.2 * rng.standard_normal(arms * points)
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).astype(np.float32)
    order = rng.permutation(arms * points)
    return x[order], t[order]


class Spiral(_Drawn):
    """The three arms of `get_spiral`."""

    def prepare(self) -> None:
        """Draw the points."""
        self.data, self.label = get_spiral(self.train, self.rng)


class SinCurve(_Drawn):
    """One period of a sine at 1,000 places, with uniform noise of at most 0.05; a clean cosine for testing.

    data (999, 1) float64, and as label (999, 1) the next value: the curve is to be continued.
    """

    def prepare(self) -> None:
        """Draw the curve."""
        x = np.linspace(0.0, 2.0 * math.pi, 1000)
        noise = _drawing(self.rng, self.train).uniform(-0.05, 0.05, size=x.shape) if self.train else 0.0
        y = (np.sin(x) + noise if self.train else np.cos(x))[:, np.newaxis]
        self.data, self.label = y[:-1], y[1:]


# --- logic -----------------------------------------------------------------------------------------------------------


class XOR(Dataset):
    """The four rows of exclusive or: data (4, 2), label (4, 1), both float32; with `sequence` data (4, 2, 1).

    The same for testing.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        sequence: bool = False,
    ) -> None:
        self.sequence = sequence
        super().__init__(train, transform, target_transform)

    def prepare(self) -> None:
        """Write the table."""
        rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        self.data = rows[:, :, np.newaxis] if self.sequence else rows
        self.label = (rows[:, :1] != rows[:, 1:]).astype(np.float32)


def get_parity(size: int, length: int, rng: Any) -> tuple[Array, Array]:
    """Random bits x (size, length, 1) float32, and whether the number of ones is odd: t (size,), 0 or 1."""
    _at_least(size, 1, "a number of sequences")
    _at_least(length, 1, "a length")
    bits = (rng.uniform(size=(size, length)) < 0.5).astype(np.int64)
    return bits[:, :, np.newaxis].astype(np.float32), bits.sum(axis=1) % 2


class Parity(_Sequences):
    """The parity of random bits, by `get_parity`."""

    def draw(self, size: int, length: int, rng: Any) -> tuple[Array, Array]:
        """Bits and parities."""
        return get_parity(size, length, rng)


# --- memory ----------------------------------------------------------------------------------------------------------


def get_adding(size: int, length: int, rng: Any) -> tuple[Array, Array]:
    """The adding problem: x (size, length, 2) float32, t (size, 1) float32.

    At each step a number drawn from [0, 1) and a marker, which is 1 at one step of the first half and one of the
    second; t is the sum of the two marked numbers. Answering 1 has a mean squared error of 1/6. (Hochreiter and
    Schmidhuber 1997, experiment 4, in the form of Le, Jaitly and Hinton 2015.)
    """
    _at_least(size, 1, "a number of sequences")
    _at_least(length, 2, "a length")
    x = np.zeros((size, length, 2), np.float32)
    x[:, :, 0] = rng.uniform(size=(size, length))
    half, rows = length // 2, np.arange(size)
    first = (rng.uniform(size=size) * half).astype(np.int64)
    second = half + (rng.uniform(size=size) * (length - half)).astype(np.int64)
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    return x, (x[rows, first, :1] + x[rows, second, :1])


class Adding(_Sequences):
    """The adding problem, by `get_adding`."""

    def draw(self, size: int, length: int, rng: Any) -> tuple[Array, Array]:
        """Sequences and sums."""
        return get_adding(size, length, rng)


def get_copy(size: int, length: int, delay: int, rng: Any, symbols: int = 8) -> tuple[Array, Array]:
    """The copy task: x and t (size, 2 length + delay), whole numbers from 0 to symbols + 1.

    x: `length` symbols drawn from 1 to `symbols`; then blanks (0) for `delay` steps, the last of which is the sign to
    begin (symbols + 1), and blanks again. t: blanks, and at the end the symbols. (Hochreiter and Schmidhuber 1997, in
    the form of Arjovsky, Shah and Bengio 2016.)
    """
    _at_least(size, 1, "a number of sequences")
    _at_least(length, 1, "a length")
    _at_least(delay, 1, "a delay")
    _at_least(symbols, 2, "a number of symbols")
    drawn = 1 + (rng.uniform(size=(size, length)) * symbols).astype(np.int64)
    x = np.zeros((size, 2 * length + delay), np.int64)
    t = np.zeros_like(x)
    x[:, :length] = t[:, length + delay :] = drawn
    x[:, length + delay - 1] = symbols + 1
    return x, t


class Copy(_Sequences):
    """The copy task, by `get_copy`."""

    def __init__(
        self,
        size: int,
        length: int,
        delay: int,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        rng: Any = None,
        symbols: int = 8,
    ) -> None:
        self.delay, self.symbols = delay, symbols
        super().__init__(size, length, train, transform, target_transform, rng)

    def draw(self, size: int, length: int, rng: Any) -> tuple[Array, Array]:
        """Symbols to remember, and symbols to give back."""
        return get_copy(size, length, self.delay, rng, self.symbols)

"""Schedules: rates that change with the number of updates made so far, accepted wherever a rate is.

`SGD(lr=CosineRate(0.1, 0.0, 1000))` makes its first update with 0.1. A schedule is a callable of the step, written with
operations of arrays, so that it also takes a Variable; any other callable that gives a number will do as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cartwheel.nn.functions.elementwise import clip, cos
from cartwheel.nn.optimizers.settings import number


def _is_count(value: Any, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected {what} to be a whole number of at least 1, got {value!r}")


@dataclass(frozen=True)
class ConstantRate:
    """Always `rate`."""

    rate: float

    def __post_init__(self) -> None:
        number(self.rate, "rate")

    def __call__(self, step: Any) -> Any:
        """The rate after `step` updates."""
        return self.rate


@dataclass(frozen=True)
class LinearRate:
    """From `begin` to `end` in equal steps over `steps` updates, `end` from then on."""

    begin: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        number(self.begin, "begin")
        number(self.end, "end")
        _is_count(self.steps, "steps")

    def __call__(self, step: Any) -> Any:
        """The rate after `step` updates."""
        done = clip(step / self.steps, 0.0, 1.0)
        return self.begin * (1.0 - done) + self.end * done


@dataclass(frozen=True)
class CosineRate:
    """From `begin` to `end` along half a cosine over `steps` updates, `end` from then on.

    end + (begin - end) (1 + cos(pi step / steps)) / 2 (Loshchilov and Hutter 2017, equation 5, without restarts).
    """

    begin: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        number(self.begin, "begin")
        number(self.end, "end")
        _is_count(self.steps, "steps")

    def __call__(self, step: Any) -> Any:
        """The rate after `step` updates."""
        left = 0.5 * (1.0 + cos(math.pi * clip(step / self.steps, 0.0, 1.0)))
        return self.begin * left + self.end * (1.0 - left)


@dataclass(frozen=True)
class ExponentialRate:
    """begin factor^(step / every): multiplied by `factor` once in `every` updates, smoothly."""

    begin: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        number(self.begin, "begin")
        number(self.factor, "factor")
        _is_count(self.every, "every")

    def __call__(self, step: Any) -> Any:
        """The rate after `step` updates."""
        return self.begin * self.factor ** (step / self.every)


@dataclass(frozen=True)
class PiecewiseRate:
    """`pieces[0]` before the update number `boundaries[0]`, `pieces[1]` from there to `boundaries[1]`, and so on.

    A piece is a rate, or a schedule that begins where its piece begins. A warm-up over 100 updates, then a decay:
    `PiecewiseRate((100,), (LinearRate(0.0, 0.1, 100), CosineRate(0.1, 0.0, 900)))`.
    """

    boundaries: Sequence[int]
    pieces: Sequence[Any]

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.boundaries) + 1:
            raise ValueError(
                f"expected one piece more than boundaries, got {len(self.pieces)} pieces, "
                f"{len(self.boundaries)} boundaries"
            )
        for boundary in self.boundaries:
            _is_count(boundary, "a boundary")
        if any(late <= early for early, late in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"expected boundaries that increase, got {self.boundaries}")
        for piece in self.pieces:
            if not callable(piece):
                number(piece, "a piece")

    def __call__(self, step: Any) -> Any:
        """The rate after `step` updates."""
        begins = (0, *self.boundaries)
        begun = [1.0, *(clip(step - boundary + 1.0, 0.0, 1.0) for boundary in self.boundaries), 0.0]  # 1 or 0 each
        rates = [
            piece(step - begin) if callable(piece) else piece for begin, piece in zip(begins, self.pieces, strict=True)
        ]
        total = 0.0
        for number_of, rate in enumerate(rates):
            total = total + rate * (begun[number_of] - begun[number_of + 1])  # all but one are rate * 0
        return total

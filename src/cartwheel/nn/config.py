"""What holds for all operations of a thread: whether graphs are recorded, training or testing, and the generator.

`no_grad`, `test_mode` and `debug` change one of them for the length of a `with` block.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class _Config(threading.local):
    """Each thread has its own, so that one may evaluate under `no_grad` while another trains."""

    enable_backprop: bool = True
    train: bool = True
    debug: bool = False
    #: What notes the operations of a step that is being recorded (`nn.capture`).
    tape: Any = None
    _rng: Any = None

    @property
    def rng(self) -> Any:
        """What initial weights and dropout are drawn from by default. In each thread it is at first one of seed 0."""
        if self._rng is None:
            self._rng = np.random.default_rng(0)
        return self._rng

    @rng.setter
    def rng(self, generator: Any) -> None:
        self._rng = generator


Config = _Config()


@contextmanager
def using_config(name: str, value: Any) -> Iterator[None]:
    """Set `Config.name` to a value for the length of a `with` block. AttributeError for a name that is none."""
    old = getattr(Config, name)
    setattr(Config, name, value)
    try:
        yield
    finally:
        setattr(Config, name, old)


def no_grad() -> Any:
    """A `with` block in which no graph is recorded."""
    return using_config("enable_backprop", False)


def test_mode() -> Any:
    """A `with` block in which dropout passes all and batch normalisation uses its averages."""
    return using_config("train", False)


test_mode.__test__ = False  # type: ignore[attr-defined]  # not one of pytest's


@contextmanager
def debug() -> Iterator[None]:
    """A `with` block that stops at the first NaN or infinity: FloatingPointError names operation, line and inputs."""
    with using_config("debug", True), np.errstate(all="ignore"):  # NumPy's warnings would say less, and come first
        yield


def seed(number: int) -> None:
    """Begin this thread's default generator anew: initial weights and dropout are then the same again."""
    Config.rng = np.random.default_rng(number)

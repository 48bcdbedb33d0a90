"""What a distribution of actions can do, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from cartwheel.errors import UsageError
from cartwheel.nn import Variable


class Distribution(ABC):
    """One distribution for each row of a batch, (...) of them, which may be (B,), (T, N) or ().

    Draws have a shape `event` of their own behind that: () for `Categorical`, (a,) for all others. Logarithms of
    chances, entropies and divergences are natural ones, one number a row, the sum over the event. UsageError where a
    shape is not what it has to be.
    """

    @abstractmethod
    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """A draw (..., event) for each row, which counts as a constant, as PyTorch's `sample`.

        By `rng`, or by `Config.rng` where None is given, as a recorded step has to.
        """

    @abstractmethod
    def mode(self) -> Variable:
        """The deterministic action (..., event): what a policy does when it does not explore."""

    @abstractmethod
    def log_prob(self, draw: Any) -> Variable:
        """The logarithm of the chance, or of the density, of draws (..., event): (...)."""

    @abstractmethod
    def entropy(self) -> Variable:
        """The expectation of -log_prob: (...)."""

    @abstractmethod
    def kl(self, other: Self) -> Variable:
        """The Kullback-Leibler divergence of this one from another, the expectation of log(p / q) under p: (...)."""

    def action(self, draw: Any) -> Any:
        """The action that a draw stands for: the draw itself, unless the distribution says otherwise."""
        return draw


def check_shape(what: str, got: Any, expected: tuple[int, ...]) -> None:
    """UsageError where an array or a Variable has another shape: stretched silently, it would make wrong numbers."""
    if tuple(got.shape) != expected:
        raise UsageError(f"expected {what} of shape {expected}, got shape {tuple(got.shape)}: reshape before")

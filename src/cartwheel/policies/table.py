"""A table of values as a network: a row for each observation, a column for each action, and the vector is the table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.errors import UsageError
from cartwheel.nn.flat import Array, Layout
from cartwheel.policies.networks import Network
from cartwheel.spaces import Discrete, Space


@dataclass(frozen=True)
class TableNetwork(Network):
    """Q (S, A) for S observations, which come one-hot, and A actions; the outputs are the observation's row."""

    @cached_property
    def layout(self) -> Layout:
        """Q (S, A)."""
        return Layout(("Q",), ((self.inputs, self.outputs),))

    @property
    def memory_size(self) -> int:
        """0."""
        return 0

    @property
    def described(self) -> str:
        """Its rows and columns: 12x4 table."""
        return f"{self.inputs}x{self.outputs} table"

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """`count` random tables `(count, n)`, whose values are from N(0, deviation**2)."""
        return rng.standard_normal((count, self.size), np.float32) * np.float32(deviation)

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The rows `(B, A)` of observations `(B, S)`, each sum from the first one on, and the memory as it came."""
        products = x[:, :, None] * self.layout.unpack(theta)["Q"]  # (B, S, A)
        return np.add.accumulate(products, axis=1)[:, -1, :], memory

    def step(self, theta: Any, x: Any, memory: Any = None) -> Any:
        """The rows, in the framework's functions, for a program to be recorded."""
        with nn.no_grad():
            return nn.functions.matmul(x, nn.functions.reshape(theta, (self.inputs, self.outputs)))

    def check(self, theta: Array) -> None:
        """Any numbers are values."""


def check_spaces(observation_space: Space, action_space: Space) -> None:
    """UsageError where a table has no row for each observation, or no column for each action."""
    spaces = observation_space, action_space
    if not all(isinstance(space, Discrete) for space in spaces):
        came = " and ".join(type(space).__name__ for space in spaces)
        raise UsageError(
            f"a table of values wants observations and actions that are Discrete, got {came}; "
            "take an algorithm whose policies are networks"
        )

"""Frame stacking: a network without a memory of its own sees the last observations side by side.

Source: V. Mnih et al., "Human-level control through deep reinforcement learning", 2015, methods. With K frames and o_t
what is seen at step t of an episode, the network gets

    x_t = (o_{t-K+1}, ..., o_t),    o_t = 0 for t < 0

so that the memory before a step is the K - 1 observations before it, oldest first, and zeros when an episode begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.nn.flat import Array, Layout
from cartwheel.policies.networks import Network


@dataclass(frozen=True)
class StackedNetwork(Network):
    """The last `count` observations `(d,)` as the one input `(count d,)` of a network, whose vector is its own too."""

    count: int
    network: Any  # a Network of count d inputs, which remembers nothing

    @property
    def frames(self) -> int:
        """The observations that are seen at once."""
        return self.count

    @property
    def inner(self) -> Network:
        """The network that sees them."""
        network: Network = self.network
        return network

    @property
    def layout(self) -> Layout:
        """That of the inner network."""
        return self.inner.layout

    @property
    def memory_size(self) -> int:
        """The numbers of all frames but the last."""
        return (self.frames - 1) * self.inputs

    @property
    def described(self) -> str:
        """Frames by inputs, and the other unit counts: 4x3-64-2."""
        return f"{self.frames}x{self.inputs}{self.inner.described.removeprefix(str(self.inner.inputs))}"

    def log_std(self, theta: Array) -> Array:
        """The inner network's."""
        return self.inner.log_std(theta)

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The inner network's outputs for all frames, and the last of them as the next memory."""
        frames = np.concatenate([memory, x], axis=-1)
        y, _ = self.inner.advance(theta, frames, memory[..., :0])
        return y, frames[..., self.inputs :]

    def step(self, theta: Any, x: Any, memory: Any) -> Any:
        """The same in the framework's functions, for a program to be recorded."""
        frames = nn.functions.concat([memory, x], axis=1)
        return self.network.step(theta, frames), frames[:, self.inputs :]

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[np.float32]:
        """The inner network's."""
        return self.inner.initial(rng, count, deviation)

    def check(self, theta: Array) -> None:
        """As the inner network does."""
        self.inner.check(theta)

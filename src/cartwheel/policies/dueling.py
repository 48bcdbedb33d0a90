"""A network of values that tells the state's own apart from what an action adds to it.

Source: Z. Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning", 2016, eq. 9:

    Q(s, a) = V(s) + A(s, a) - mean_a' A(s, a')

Deviation: V and A share all hidden layers; V is the first number of the last layer, the advantages are the others.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from cartwheel import nn
from cartwheel.nn.flat import Array, Layout, dense_forward, dense_layout
from cartwheel.policies.networks import LayeredNetwork, draws, function


class DuelingNetwork(LayeredNetwork):
    """A multi-layer perceptron with V and A (a,) as its last layer, and Q (a,) as its outputs."""

    @cached_property
    def layout(self) -> Layout:
        """W1 (d, h), b1 (h,), ..., and the last ones (h, 1 + a) and (1 + a,)."""
        return dense_layout((self.inputs, *self.hidden, 1 + self.outputs))

    @property
    def memory_size(self) -> int:
        """0."""
        return 0

    @property
    def described(self) -> str:
        """Its unit counts: 4-64-1+2."""
        return "-".join(map(str, (self.inputs, *self.hidden, f"1+{self.outputs}")))

    @cached_property
    def model(self) -> nn.Model:
        """The same in layers."""
        return _Dueling(self)

    def advance(self, theta: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """The outputs, each sum in order, and the memory as it came."""
        y = dense_forward(theta, x, self.layout, self.activation)
        advantages = y[..., 1:]
        mean = np.add.accumulate(advantages, axis=-1)[..., -1:] / np.float32(self.outputs)
        return y[..., :1] + advantages - mean, memory

    def step(self, theta: Any, x: Any, memory: Any = None) -> Any:
        """The outputs."""
        with nn.no_grad(), self.model.bound_to(theta):
            return self.model(x)


class _Dueling(nn.Model):
    """A `DuelingNetwork` in layers."""

    def __init__(self, network: DuelingNetwork) -> None:
        sizes = (*network.hidden, 1 + network.outputs)
        self.body = nn.MLP(sizes, function(network.activation), in_size=network.inputs, rng=draws())

    def forward(self, x: Any) -> Any:
        """x (B, d) to Q (B, a)."""
        y = self.body(x)
        advantages = y[:, 1:]
        return y[:, :1] + advantages - nn.functions.mean(advantages, axis=1, keepdims=True)

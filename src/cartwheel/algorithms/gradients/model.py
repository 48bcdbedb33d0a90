"""A policy and its value as one model: one vector, of which the policy's is the beginning."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.policies.networks import draws, function


class ActorCritic(nn.Model):
    """A perceptron and a value, with hidden layers like its own or, `shared`, upon its last hidden layer."""

    def __init__(self, network: Any, shared: bool) -> None:
        self.policy, self.shared = replace(network).model, shared  # nobody else's
        sizes, activation = (*network.hidden, 1), function(network.activation)
        self.value: Any
        if shared:
            self.value = nn.layers.Linear(1, in_size=(network.inputs, *network.hidden)[-1], rng=draws())
        else:
            self.value = nn.MLP(sizes, activation, in_size=network.inputs, rng=draws())

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Outputs (B, o) and values (B,) for observations x (B, d)."""
        *hidden, last = self.policy.layers
        h = x
        for layer in hidden:
            h = self.policy.activation(layer(h))
        return last(h), self.value(h if self.shared else x)[:, 0]

    def values(self, x: Any) -> Any:
        """Values (B,) alone."""
        return self.forward(x)[1] if self.shared else self.value(x)[:, 0]


class RecurrentActorCritic(nn.Model):
    """A recurrent network and a value, which reads what its cells give."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.policy = replace(network).model  # nobody else's
        self.value = nn.layers.Linear(1, in_size=network.hidden[-1], rng=draws())

    def forward(self, xs: Any, memory: Any, begins: Any = None) -> tuple[Any, Any]:
        """Outputs (T B, o) and values (T B,) for xs (T, B, d), from the memory (B, m) before them.

        Where an episode `begins` (T, B), all that was before is forgotten.
        """
        hs, _ = self.network.features(dict(self.policy.named_params()), xs, memory, begins)
        h = nn.functions.reshape(hs, (hs.shape[0] * hs.shape[1], hs.shape[2]))
        return self.policy.out(h), self.value(h)[:, 0]


def first_weights(model: nn.Model, rng: np.random.Generator, log_std: float) -> NDArray[np.float32]:
    """A vector `(n,)` to begin with: orthogonal weights, 0 for biases, and this for logarithms of deviations.

    Source: A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", 2014; the factors, sqrt(2) within, 0.01 for the policy's last layer and 1 for the value's, are
    those of OpenAI's baselines (P. Dhariwal et al., 2017).
    """
    theta = np.zeros(model.layout.size, np.float32)
    arrays = model.layout.unpack(theta)
    matrices = [name for name, array in arrays.items() if array.ndim == 2]
    last_of_policy = [name for name in matrices if name.startswith("policy/")][-1]
    for name in matrices:
        gain = 0.01 if name == last_of_policy else 1.0 if name == matrices[-1] else math.sqrt(2.0)
        arrays[name][...] = gain * _orthogonal(rng, arrays[name].shape)
    for name, array in arrays.items():
        if name.endswith("log_std"):
            array[...] = log_std
    return theta


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A matrix whose rows or columns, whichever are fewer, are orthonormal."""
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q *= np.sign(np.diag(r))  # or the distribution would not be uniform
    found: NDArray[np.float64] = q if rows >= columns else q.T
    return found

"""The table of compiled kernels: each with its plain twin, inputs to compare them on, and the level of agreement.

EXACT is equal to the bit. ULP is what follows from a tanh whose last places differ: 2e-6, or 17 units of a float32.
`tests/kernels/test_twins.py` iterates the table, once compiled and once with compilation off; a kernel that is not in
it fails `test_every_entry_point_has_a_twin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.kernels.perceptron import act
from cartwheel.kernels.random import generators, next_word, uniform
from cartwheel.kernels.trigonometry import sine_cosine
from cartwheel.kernels.vector import BLOCK
from cartwheel.nn.flat import ACTIVATIONS
from cartwheel.policies.actions import ActionHead, action_head
from cartwheel.policies.specification import MLP
from cartwheel.spaces import Box, Discrete, MultiDiscrete

EXACT, ULP = "EXACT", "ULP"


@dataclass(frozen=True)
class Twin:
    """A kernel's public name, its twin as a call on the same inputs, and how closely they agree."""

    kernel: str
    case: str
    level: str
    run_kernel: Callable[[], Any]
    run_twin: Callable[[], Any]


def _perceptron(head: ActionHead, hidden: tuple[int, ...], activation: str, lanes: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    network = MLP(hidden, activation).build(5, head.outputs)
    theta = rng.normal(size=(lanes, network.size)).astype(np.float32)
    obs = rng.normal(size=(lanes, 5)).astype(np.float32)

    def kernel() -> Any:
        width = -(-lanes // BLOCK) * BLOCK
        action = np.zeros((head.size, width), np.float32)
        weights = np.zeros((network.size, width), np.float32)
        layers = np.full((2, max(network.sizes), width), np.nan, np.float32)  # lanes that are not in use do not matter
        weights[:, :lanes], layers[0, :5, :lanes] = theta.T, obs.T
        act(
            lanes,
            weights,
            np.array(network.sizes, np.int64),
            list(ACTIVATIONS).index(activation),
            np.array(head.groups, np.int64),
            np.array(head.low, np.float64),
            np.array(head.high, np.float64),
            layers,
            action,
        )
        return action[:, :lanes].T

    def twin() -> Any:
        return head.decide(network.forward(theta, obs[:, None, :])[:, 0])

    return kernel, twin


def twins() -> Iterator[Twin]:
    """Every pair of the table."""
    heads = {
        "discrete": action_head(Discrete(3)),
        "multi-discrete": action_head(MultiDiscrete((2,), (2, 4), (0, 0))),
        "box": action_head(Box((2,), (-1.0, 0.5), (1.0, 3.0))),
    }
    for name, head in heads.items():
        for hidden in ((), (7,), (16, 5)):
            for activation in ("relu", "tanh", "identity"):
                exact = name != "box" and (activation != "tanh" or not hidden)
                for lanes in (1, 13, 32):
                    kernel, twin = _perceptron(head, hidden, activation, lanes, seed=lanes)
                    case = f"{name}, hidden {hidden}, {activation}, {lanes} lanes"
                    yield Twin("perceptron.act", case, EXACT if exact else ULP, kernel, twin)

    def words() -> Any:
        row = generators([12345])[0]
        return np.array([next_word(row) for _ in range(1000)], np.uint64)

    yield Twin("random.next_word", "1000 words", EXACT, words, lambda: np.random.PCG64(12345).random_raw(1000))

    def numbers() -> Any:
        row = generators([7])[0]
        return np.array([uniform(row, -0.6, -0.4) for _ in range(1000)])

    yield Twin(
        "random.uniform",
        "1000 numbers",
        EXACT,
        numbers,
        lambda: np.array([np.random.Generator(np.random.PCG64(7)).uniform(-0.6, -0.4, 1000)])[0],
    )

    for scale in (1e-9, 1e-3, 0.05, 0.13, 0.21, 0.3, 10.0):
        angles = np.random.default_rng(8).uniform(-scale, scale, 20_000)
        angles[:6] = (0.0, -0.0, 0.125, -0.125, 0.25, 5e-324)

        def both(angles: Any = angles) -> Any:
            rows = np.stack([angles, np.zeros_like(angles), np.zeros_like(angles)])
            sine_cosine(len(angles), rows, 0, 1, 2)
            return rows[1:]

        def library(angles: Any = angles) -> Any:
            return np.stack([np.sin(angles), np.cos(angles)])

        yield Twin("trigonometry.sine_cosine", f"angles up to {scale}", EXACT, both, library)

"""Graphs for tests: vectors that tell networks of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.policies.graph import GraphNetwork


def random_vector(network: GraphNetwork, seed: int) -> Any:
    """A vector (n,) with all its hidden nodes in a random order, each of which reads three of what may be read."""
    rng, theta = np.random.default_rng(seed), np.zeros(network.size)
    arrays, first = network.layout.unpack(theta), 0
    arrays["count"][:] = network.room
    outputs = network.outputs
    slots = network.inputs + np.append(rng.permutation(range(outputs, network.room)), rng.permutation(outputs))
    for k, slot in enumerate(slots):
        readable = [*range(network.inputs), *slots[:k], *range(network.inputs + network.room, network.slots)]
        sources = rng.choice(readable, min(3, len(readable)), replace=False)
        arrays["links"][first : first + len(sources), 0] = sources
        arrays["nodes"][k] = slot, rng.normal(), first + len(sources)
        first += len(sources)
    arrays["links"][:, 1] = rng.normal(size=network.links)
    return theta

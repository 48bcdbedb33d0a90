"""What the contract tests of algorithms share: a network, and a problem that needs no environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.algorithms.base import Algorithm, Best, Entry, layered
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import MLP
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

NETWORK = MLP((3,)).build(2, 2)


def network_of(entry: Entry, inputs: int = 2, **options: Any) -> Network:
    """What the algorithm searches: NETWORK, or one with other inputs; unless it has a network of its own."""
    general = TrainSettings(hidden=NETWORK.hidden) if entry.specify is layered else TrainSettings()
    return entry.specify(general, resolve(entry.settings, options)).build(inputs, 2)


def make(entry: Entry, seed: int = 5, **options: Any) -> Algorithm:
    return entry.algorithm(resolve(entry.settings, options), network_of(entry, **options), seed)


def sphere(request: Request, shift: float = 0.5) -> Experience:
    """Returns that fall with the distance from a point, an episode each with an offset of its own."""
    distance = ((request.parameters.astype(np.float64) - shift) ** 2).sum(axis=1)
    offsets = np.arange(request.episodes) * 0.1
    lengths = np.full((len(distance), request.episodes), 7)
    return Experience(returns=-distance[:, None] + offsets, lengths=lengths)


def run(algorithm: Algorithm, generations: int) -> list[dict[str, float]]:
    return [algorithm.tell(sphere(algorithm.ask())) for _ in range(generations)]


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def same(one: Best, other: Best) -> bool:
    return one.value == other.value and one.theta.tobytes() == other.theta.tobytes()

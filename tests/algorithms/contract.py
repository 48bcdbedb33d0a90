"""What the contract tests of algorithms share: a network, and problems that need no environment."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from cartwheel.algorithms.base import Algorithm, Best, Entry, layered
from cartwheel.experience.records import Experience, Request, Stretch, Transitions
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import MLP
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

NETWORK = MLP((3,)).build(2, 2)


def network_of(entry: Entry, inputs: int = 2, **options: Any) -> Network:
    """What the algorithm searches: NETWORK, or one with other inputs; unless it has a network of its own."""
    general = TrainSettings(hidden=NETWORK.hidden) if entry.specify is layered else TrainSettings()
    return entry.specify(general, settings_of(entry, **options)).build(inputs, 2)


# Where an algorithm learns from single steps: short stretches, from which it learns from the first on.
SMALL = {
    "lanes": 2,
    "stretch": 8,
    "learning_starts": 0,
    "updates": 2,
    "batch": 4,
    "capacity": 64,
    "target_interval": 32,
    "minibatches": 2,
}


def settings_of(entry: Entry, **options: Any) -> Any:
    known = {field.name for field in fields(entry.settings)}
    small = {name: value for name, value in SMALL.items() if name in known} if entry.by_steps else {}
    return resolve(entry.settings, {**small, **options})


def make(entry: Entry, seed: int = 5, inputs: int = 2, **options: Any) -> Algorithm:
    return entry.algorithm(settings_of(entry, **options), network_of(entry, inputs, **options), seed)


def measured(algorithm: Algorithm, shift: float = 0.5) -> Experience:
    """What comes of the algorithm's request: it follows from that, from the seed and from how far it is."""
    request = algorithm.ask()
    if request.stretch is None:
        return sphere(request, shift)
    return walk(request.stretch, np.random.default_rng([algorithm.seed, algorithm.state()["generation"]]), shift)


def sphere(request: Request, shift: float = 0.5) -> Experience:
    """Returns that fall with the distance from a point, an episode each with an offset of its own."""
    distance = ((request.parameters.astype(np.float64) - shift) ** 2).sum(axis=1)
    offsets = np.arange(request.episodes) * 0.1
    lengths = np.full((len(distance), request.episodes), 7)
    return Experience(returns=-distance[:, None] + offsets, lengths=lengths)


def walk(stretch: Stretch, rng: np.random.Generator, shift: float = 0.5) -> Experience:
    """Steps between two states at random, whatever acts. Each stretch begins and ends in state 0: the next goes on.

    To the end, each lane is one episode.
    """
    shape = (stretch.steps, stretch.lanes)
    state, after = rng.integers(0, 2, shape), rng.integers(0, 2, shape)
    state[0], after[-1] = 0, 0
    boundary = rng.random(shape) < 0.3
    boundary[-1], boundary[-2, 0] = False, True  # one episode ends at least, and all go on to the next stretch
    if stretch.to_end:
        boundary[:-1], boundary[-1] = False, True
    after[:-1] = np.where(boundary[:-1], after[:-1], state[1:])
    action = rng.integers(0, 2, shape)
    reward = shift + state - 0.5 * action
    ended = int(boundary.sum())
    return Experience(
        returns=reward[boundary][None],
        lengths=np.full((1, ended), 3),
        transitions=Transitions(
            obs=np.eye(2, dtype=np.float32)[state],
            action=action[:, :, None].astype(np.float32),
            reward=reward,
            discount=np.where(boundary & (after == 0), 0.0, 1.0),
            boundary=boundary,
            next_obs=np.eye(2, dtype=np.float32)[after],
            taken=np.full(stretch.lanes, stretch.steps),
            draw=None if stretch.noise is None else action[:, :, None].astype(np.float32),
        ),
    )


def run(algorithm: Algorithm, generations: int) -> list[dict[str, float]]:
    return [algorithm.tell(measured(algorithm)) for _ in range(generations)]


def told_alike(one: list[dict[str, float]], other: list[dict[str, float]]) -> bool:
    """Whether two runs told the same, what is NaN in both included."""
    return all(
        row.keys() == twin.keys() and np.array_equal(list(row.values()), list(twin.values()), equal_nan=True)
        for row, twin in zip(one, other, strict=True)
    )


def arrays_of(experience: Experience) -> list[Any]:
    """All that is in an experience, as copies."""
    transitions = experience.transitions
    parts = [experience.returns, experience.lengths, *(vars(transitions).values() if transitions else ())]
    return [np.copy(part) for part in parts if part is not None]


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def same(one: Best, other: Best) -> bool:
    return one.value == other.value and one.theta.tobytes() == other.theta.tobytes()

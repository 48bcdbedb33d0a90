"""The neuroevolution tutorial's program, in the plain way its reader would write it: the peer of `evolution`.

A network is a list of weight matrices; every time step of every episode is one forward pass of one observation and one
`env.step`. It is the tutorial's job in its correct form: the return is the sum of the rewards, an episode that outlasts
the limit counts, nothing stands on the output layer, and the network that is kept was measured.

It imports nothing of Cartwheel. What is random can be given: the first population, the episodes' seeds and the
mutants, so that another program can walk the same evolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

UNITS = (4, 16, 2)
POPULATION = 64
EPISODES = 15
GENERATIONS = 5
LIMIT = 10_000

Array = NDArray[Any]


@dataclass
class NeuralNetwork:
    """Weight matrices `(inputs, outputs)` and biases `(outputs,)`, one of each per layer."""

    weights: list[Array]
    biases: list[Array]

    @classmethod
    def random(cls, units: Sequence[int], rng: np.random.Generator) -> NeuralNetwork:
        """Weights from N(0, 1), biases 0."""
        weights = [rng.normal(size=shape) for shape in pairwise(units)]
        return cls(weights, [np.zeros(outputs) for outputs in units[1:]])

    def predict(self, x: Array) -> Array:
        """The outputs `(o,)` for one observation `x (d,)`: ReLU between the layers, none after the last."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0)
        outputs: Array = x @ self.weights[-1] + self.biases[-1]
        return outputs

    def mutant(self, deviation: float, rng: np.random.Generator) -> NeuralNetwork:
        """A copy with noise from N(0, deviation**2) on every weight and bias."""
        return NeuralNetwork(
            [weight + rng.normal(0, deviation, weight.shape) for weight in self.weights],
            [bias + rng.normal(0, deviation, bias.shape) for bias in self.biases],
        )


def make_environment(limit: int = LIMIT) -> gymnasium.Env[Any, Any]:
    """CartPole, with the wrappers that Gymnasium puts around it and the tutorial's limit on an episode's steps."""
    return gymnasium.make("CartPole-v1", max_episode_steps=limit)


def play(env: gymnasium.Env[Any, Any], network: NeuralNetwork, seed: int) -> float:
    """One episode: its return."""
    observation, _ = env.reset(seed=seed)
    total = 0.0
    while True:
        action = np.argmax(network.predict(observation))
        observation, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        if terminated or truncated:
            return total


def evaluate(env: gymnasium.Env[Any, Any], network: NeuralNetwork, seeds: Sequence[int]) -> list[float]:
    """The returns of one episode per seed."""
    return [play(env, network, seed) for seed in seeds]


def mutants_of(deviation: float, rng: np.random.Generator) -> Callable[[NeuralNetwork, int], list[NeuralNetwork]]:
    """The tutorial's way from one generation to the next: the best network, and mutants of it."""

    def successors(best: NeuralNetwork, generation: int) -> list[NeuralNetwork]:
        return [best, *(best.mutant(deviation, rng) for _ in range(POPULATION - 1))]

    return successors


def evolve(
    population: list[NeuralNetwork],
    seeds: Sequence[Sequence[int]],
    successors: Callable[[NeuralNetwork, int], list[NeuralNetwork]],
    limit: int = LIMIT,
) -> list[Array]:
    """Evolves for as many generations as `seeds` has rows (a row: the episodes that all its networks meet).

    `successors(best, generation)` makes the population of the generations 1, 2, ...
    Returns each generation's returns, `(P, E)`; with CartPole's reward of 1 they are the steps, too.
    """
    env = make_environment(limit)
    history: list[Array] = []
    for generation, row in enumerate(seeds):
        if generation > 0:
            best = population[int(np.argmax(history[-1].mean(axis=1)))]
            population = successors(best, generation)
        history.append(np.array([evaluate(env, network, row) for network in population]))
    env.close()
    return history

"""NEAT on exclusive or: networks begin without a hidden node, with which XOR can't be had, and evolve their own.

Run it with `python examples/neat_xor.py`. The four rows of XOR are a data set, not an environment: so the algorithm is
asked what to measure and told what came of it, in a loop of a few lines. `Neat.ask()` gives a population of 150
vectors, each of which tells a network; its fitness is 4 less the squared errors of its four answers. The search ends
when one has each answer on its side of 0.5, and its picture goes to `neat_xor.png`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cartwheel import Policy
from cartwheel.algorithms.neat import Neat, NeatSettings
from cartwheel.experience.records import Experience
from cartwheel.policies.graph import GraphNetwork
from cartwheel.spaces import Box

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
WANTED = np.array([0.0, 1.0, 1.0, 0.0])


def answers(network: GraphNetwork, theta: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a network says to the four inputs, from 0 to 1."""
    sums, _ = network.advance(theta, INPUTS, np.zeros((4, network.memory_size), np.float32))
    return 1.0 / (1.0 + np.exp(-4.9 * sums[:, 0].astype(np.float64).clip(-20, 20)))


def solve(seed: int, generations: int = 100, report: bool = False) -> tuple[int | None, Neat, NDArray[np.float32]]:
    """The generation that solved it, None if none did; the search, and its best network."""
    settings = NeatSettings(population=150, episodes=1)
    algorithm = Neat(settings, settings.specification().build(inputs=2, outputs=1), seed)
    for generation in range(1, generations + 1):
        candidates = algorithm.ask().parameters
        said = np.array([answers(algorithm.network, theta) for theta in candidates])  # (150, 4)
        fitness = 4.0 - ((said - WANTED) ** 2).sum(axis=1)
        right = ((said > 0.5) == (WANTED > 0.5)).all(axis=1)
        best = int(np.argmax(fitness + 4.0 * right))
        lengths = np.ones((len(candidates), 1), np.int64)
        metrics = algorithm.tell(Experience(returns=fitness[:, None], lengths=lengths))
        if report:
            print(f"generation {generation:3d}   best {fitness.max():.4f}   species {metrics['species']:.0f}")
        if right[best]:
            return generation, algorithm, candidates[best]
    return None, algorithm, candidates[best]


def save_picture(algorithm: Neat, theta: NDArray[np.float32], path: str) -> None:
    """The network's nodes and links."""
    bits, answer = Box((2,), (0.0, 0.0), (1.0, 1.0)), Box((1,), (0.0,), (1.0,))
    policy = Policy(algorithm.settings.specification(), bits, answer, theta)
    try:
        from cartwheel.reports.graphs import draw_graph

        draw_graph(policy, path)
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    print("the network:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Evolve; print the answers; draw the network."""
    parser = argparse.ArgumentParser(description="NEAT evolves a network for exclusive or.")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--generations", type=int, default=100, help="when to give up")
    options = parser.parse_args(words)
    solved, algorithm, theta = solve(options.seed, options.generations, report=True)
    print(f"solved in generation {solved}" if solved else "not solved")
    for bits, said in zip(INPUTS, answers(algorithm.network, theta), strict=True):
        print(f"{bits[0]:.0f}, {bits[1]:.0f}   {said:.3f}")
    hidden = len(list(algorithm.network.read(theta))) - 1
    print(f"hidden nodes: {hidden}")
    save_picture(algorithm, theta, "neat_xor.png")


if __name__ == "__main__":
    main()

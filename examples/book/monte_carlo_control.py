"""Chapter 5 (5.4): the best policy that still explores, from returns alone.

Run it with `python examples/book/monte_carlo_control.py`. The player takes the best move by Q, and with the chance
epsilon = 0.3 any; after each episode Q of each step moves to the return G that followed it, by a fraction that falls as
n^-0.8 with the visits n. What Q comes to is known: the values of the best policy among those that draw three moves in
ten, which are below the best of all, since such a player loses time and sometimes walks on the bomb. (The book's
epsilon is 0.1, and its fraction 0.1 throughout, which follows the changing policy as well, but never settles.)

What is easily got wrong: without epsilon the first way to the goal is the only one ever tried, or the player stands at
a wall for ever; with a fraction of 1/n, returns of the first poor policies count as much as those of the good ones; and
what is found is compared with the best values of all, which this player can't reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld
from cartwheel.envs.transitions import transition_table
from cartwheel.tabular.planning import epsilon_soft_optimum

GAMMA, EPSILON = 0.9, 0.3


def choose(Q: Any, square: int, rng: np.random.Generator) -> int:
    """A move at random with the chance epsilon, else the best by Q (S, A)."""
    return int(rng.integers(4) if rng.random() < EPSILON else Q[square].argmax())


def episode(world: Any, Q: Any, rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Square, move and reward of each step until the goal."""
    (square, _), end, steps = world.reset(), False, []
    while not end:
        move = choose(Q, int(square), rng)
        following, reward, end, _, _ = world.step(move)
        steps.append((int(square), move, reward))
        square = following
    return steps


def learn(world: Any, rng: np.random.Generator, episodes: int) -> Any:
    """Q (S, A) after so many episodes."""
    Q, visits = np.zeros((12, 4)), np.zeros((12, 4))
    for _ in range(episodes):
        G = 0.0
        for square, move, reward in reversed(episode(world, Q, rng)):
            G = reward + GAMMA * G
            visits[square, move] += 1
            Q[square, move] += (G - Q[square, move]) / visits[square, move] ** 0.8
    return Q


def main(words: Sequence[str] | None = None) -> None:
    """The values of the best moves found, and the exact ones for this epsilon."""
    parser = argparse.ArgumentParser(description="Chapter 5: Monte Carlo control.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=20_000)
    options = parser.parse_args(words)
    world = GridWorld()
    Q = learn(world, np.random.default_rng(options.seed), options.episodes)
    exact = epsilon_soft_optimum(transition_table(world), GAMMA, EPSILON).action_values
    print("best move's value, found          exact for epsilon 0.3")
    for found, known in zip(Q.max(axis=1).reshape(3, 4), exact.max(axis=1).reshape(3, 4), strict=True):
        print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))
    square, path = world.grid.start, ""
    while world.grid.cells[square] != "G" and len(path) < 12:
        path += "^v<>"[Q[square].argmax()]
        square = world.grid.neighbour(square, Q[square].argmax())
    print(f"from the start: {path} (5 moves are the fewest)")


if __name__ == "__main__":
    main()

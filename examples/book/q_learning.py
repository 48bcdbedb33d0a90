"""Chapter 6 (6.4): Q-learning, which plays one policy and learns of the best one, without any weights.

Run it with `python examples/book/q_learning.py`. Q(s, a) moves to r + gamma max_a' Q(s', a'): which move is made next
does not enter, so nothing has to be weighted. The player draws one move in ten; the fraction is 0.8, as in the book.
Where moves lead is not left to chance here, so Q of each move that is made often enough comes to the best value known
exactly, however large the fraction. The picture goes to `q_learning.png`.

What is easily got wrong: the maximum at the goal, after which nothing follows; and the return of what the player gets,
which is less than Q says: Q is about the greedy policy.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld
from cartwheel.reports.grid import draw_action_values

GAMMA, EPSILON, ALPHA = 0.9, 0.1, 0.8
BEST = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]


def choose(Q: Any, square: int, rng: np.random.Generator) -> int:
    """A move at random with the chance epsilon, else the best by Q (S, A)."""
    return int(rng.integers(4) if rng.random() < EPSILON else Q[square].argmax())


def learn(world: Any, rng: np.random.Generator, episodes: int) -> Any:
    """Q (S, A) after so many episodes."""
    Q = np.zeros((12, 4))
    for _ in range(episodes):
        (square, _), end = world.reset(), False
        while not end:
            move = choose(Q, square, rng)
            following, reward, end, _, _ = world.step(move)
            target = reward + (0.0 if end else GAMMA * Q[following].max())
            Q[square, move] += ALPHA * (target - Q[square, move])
            square = following
    return Q


def main(words: Sequence[str] | None = None) -> None:
    """The values of the best moves, beside the best values; Q of all moves as a picture."""
    parser = argparse.ArgumentParser(description="Chapter 6: Q-learning.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=10_000)
    options = parser.parse_args(words)
    world = GridWorld()
    Q = learn(world, np.random.default_rng(options.seed), options.episodes)
    print("best move's value, found          exact")
    for found, known in zip(Q.max(axis=1).reshape(3, 4), BEST, strict=True):
        print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))
    print("Q of all moves:", draw_action_values(world.grid, Q, "q_learning.png"))


if __name__ == "__main__":
    main()

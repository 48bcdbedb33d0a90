"""Chapter 5 (5.5) and its appendix: the best policy of all, from returns of one that explores.

Run it with `python examples/book/off_policy_monte_carlo.py`. The player b draws one move in three; what is learnt is
the greedy policy pi. Going through an episode from its end, each return counts W times, W = the product of pi / b over
the moves that came after; where b made a move that pi never would, W is 0, and what lies before teaches nothing. Q is
the weighted mean of the returns. What it comes to is known: the best values, 0.6561 at the start. (Sutton & Barto, 2nd
edition, section 5.7.)

What is easily got wrong: W for the move itself, which must not be weighted when Q(s, a) is learnt, only those after it;
b and pi taken from a Q that has changed since the episode was played; and W multiplied before the update.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld

GAMMA, EPSILON = 0.9, 1 / 3
BEST = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]


def episode(world: Any, Q: Any, rng: np.random.Generator) -> list[tuple[int, int, float, float]]:
    """Square, move, reward, and the chance that b had for the move, of each step until the goal."""
    (square, _), end, steps = world.reset(), False, []
    while not end:
        b = np.full(4, EPSILON / 4)
        b[Q[square].argmax()] += 1 - EPSILON
        move = int(rng.choice(4, p=b))
        following, reward, end, _, _ = world.step(move)
        steps.append((int(square), move, reward, float(b[move])))
        square = following
    return steps


def learn(world: Any, rng: np.random.Generator, episodes: int) -> Any:
    """Q (S, A) after so many episodes."""
    Q, C = np.zeros((12, 4)), np.zeros((12, 4))
    for _ in range(episodes):
        G, W = 0.0, 1.0
        for square, move, reward, chance in reversed(episode(world, Q, rng)):
            G = reward + GAMMA * G
            C[square, move] += W
            Q[square, move] += W / C[square, move] * (G - Q[square, move])
            if move != Q[square].argmax():
                break  # pi / b is 0 from here on
            W *= 1 / chance  # pi is 1
    return Q


def main(words: Sequence[str] | None = None) -> None:
    """The values of the best moves found, and the best values."""
    parser = argparse.ArgumentParser(description="Chapter 5: off-policy Monte Carlo control.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=10_000)
    options = parser.parse_args(words)
    Q = learn(GridWorld(), np.random.default_rng(options.seed), options.episodes)
    print("best move's value, found          exact")
    for found, known in zip(Q.max(axis=1).reshape(3, 4), BEST, strict=True):
        print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))


if __name__ == "__main__":
    main()

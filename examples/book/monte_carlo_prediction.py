"""Chapter 5 (5.2 and 5.3): what a policy is worth, from what its episodes returned, without knowing any chances.

Run it with `python examples/book/monte_carlo_prediction.py`. A player walks the 3 x 4 grid world at random until the
goal. Then the episode is gone through from its end, G = r + gamma G, and V of each square that was visited moves to the
mean of its G. The exact values, which the player does not know, stand beside.

What is easily got wrong: the order, since from the front each return would be a sum of its own; a time limit, which
cuts the returns short (there is none here: a walk has 45 steps in the mean, and some have hundreds); and n counted per
episode, where a square can be visited many times in one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld
from cartwheel.envs.transitions import transition_table
from cartwheel.tabular.planning import exact_values

GAMMA = 0.9


def episode(world: Any, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Each square that a random walk leaves, and the reward of leaving it."""
    (square, _), end, steps = world.reset(), False, []
    while not end:
        following, reward, end, _, _ = world.step(rng.integers(4))
        steps.append((int(square), reward))
        square = following
    return steps


def learn(world: Any, rng: np.random.Generator, episodes: int) -> tuple[Any, Any]:
    """V (S,) as means of returns, and how many visits of each square they are of (S,)."""
    V, visits = np.zeros(12), np.zeros(12, int)
    for _ in range(episodes):
        G = 0.0
        for square, reward in reversed(episode(world, rng)):
            G = reward + GAMMA * G
            visits[square] += 1
            V[square] += (G - V[square]) / visits[square]
    return V, visits


def main(words: Sequence[str] | None = None) -> None:
    """The values found, and the exact ones."""
    parser = argparse.ArgumentParser(description="Chapter 5: Monte Carlo prediction.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=5000)
    options = parser.parse_args(words)
    world = GridWorld()
    V, visits = learn(world, np.random.default_rng(options.seed), options.episodes)
    exact = exact_values(transition_table(world), np.full((12, 4), 0.25), GAMMA)
    print(f"found, by {visits.sum():,} steps          exact")
    for found, known in zip(V.reshape(3, 4), exact.reshape(3, 4), strict=True):
        print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))
    print(f"at most {abs(V - exact).max():.3f} apart")


if __name__ == "__main__":
    main()

"""Chapter 6 (6.1): what a policy is worth, learnt at each step, from the value of the next square.

Run it with `python examples/book/td_prediction.py`. The random walk of chapter 5 again. V(s) moves to r + gamma V(s')
as soon as the step is made: no episode has to end first, and what is learnt of one square serves the next at once. The
fraction falls as n^-0.8 with the visits n, so that V settles; the book's is 0.01 throughout.

What is easily got wrong: V of the goal, which is 0 because nothing follows, not because it happened to stay at what the
array began with; and an episode that a time limit cuts, which has a next square whose value counts.
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


def learn(world: Any, rng: np.random.Generator, episodes: int) -> tuple[Any, Any]:
    """V (S,) after so many episodes, and how often each square was left (S,)."""
    V, visits = np.zeros(12), np.zeros(12, int)
    for _ in range(episodes):
        (square, _), end = world.reset(), False
        while not end:
            following, reward, end, _, _ = world.step(rng.integers(4))
            target = reward + (0.0 if end else GAMMA * V[following])
            visits[square] += 1
            V[square] += (target - V[square]) / visits[square] ** 0.8
            square = following
    return V, visits


def main(words: Sequence[str] | None = None) -> None:
    """The values found, and the exact ones."""
    parser = argparse.ArgumentParser(description="Chapter 6: TD prediction.")
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

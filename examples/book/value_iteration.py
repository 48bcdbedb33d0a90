"""Chapter 4 (4.5): the best values straight away, by sweeps that take the best action instead of a policy's.

Run it with `python examples/book/value_iteration.py`. V(s) becomes max_a of r + gamma V(s'), again and again: policy
iteration whose evaluations are one sweep long. On the 3 x 4 grid world the values known come out exactly after as many
sweeps as the goal is far, where a policy's values only come near. The picture goes to `value_iteration.png`.

What is easily got wrong: the maximum taken over next states' values without their rewards; and a bomb that ends the
episode, where here it only costs 1, each time it is arrived at or stayed on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld
from cartwheel.reports.grid import draw_values

GAMMA = 0.9
BEST = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]


def action_values(P: Any, s: int, V: Any) -> list[float]:
    """What each action in s is worth (A,), by V (S,)."""
    return [sum(chance * (r + (0.0 if end else GAMMA * V[s2])) for chance, s2, r, end in P[s][a]) for a in P[s]]


def iterate(P: Any, threshold: float = 1e-12) -> tuple[Any, int]:
    """The best values (S,), and how many sweeps it took, the last of which changes nothing."""
    V, sweeps, change = np.zeros(len(P)), 0, 1.0
    while change >= threshold:
        old, sweeps = V.copy(), sweeps + 1
        for s in P:
            V[s] = max(action_values(P, s, old))
        change = abs(V - old).max()
    return V, sweeps


def greedy(P: Any, V: Any) -> Any:
    """The policy (S, A) that takes the best action; of several as good, each with the same chance."""
    q = np.array([action_values(P, s, V) for s in P])
    best = np.isclose(q, q.max(axis=1, keepdims=True), rtol=0, atol=1e-10)
    return best / best.sum(axis=1, keepdims=True)


def main(words: Sequence[str] | None = None) -> None:
    """The best values, and the policy they tell, as a picture."""
    argparse.ArgumentParser(description="Chapter 4: value iteration.").parse_args(words)
    world = GridWorld()
    V, sweeps = iterate(world.P)
    print(V.reshape(3, 4).round(4))
    print(f"{sweeps} sweeps, at most {abs(V.reshape(3, 4) - BEST).max():.1e} from the values known")
    print("the values and the policy:", draw_values(world.grid, V, "value_iteration.png", policy=greedy(world.P, V)))


if __name__ == "__main__":
    main()

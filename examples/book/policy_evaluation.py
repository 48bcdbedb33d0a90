"""Chapter 4 (4.1 and 4.2): what a policy is worth, by sweeps over all states, where all chances are known.

Run it with `python examples/book/policy_evaluation.py`. Two squares first: a step from the left one, L1, to the right
one, L2, picks an apple (+1), a step against a wall hurts (-1), the way back gives nothing. For a policy that goes left
or right with the same chance, the two Bellman equations at gamma 0.9 can be solved by hand: -2.25 and -2.75. Then the
3 x 4 grid world, where each of four moves has a chance of 1/4. Both are swept until nothing changes by 0.0001, by two
arrays, where a sweep sees the values before it, and in place, where it sees new ones at once and so needs fewer sweeps.

What is easily got wrong: V of the state *after* the goal counted (an episode that ended has no future); a threshold
taken for the error, which is up to gamma / (1 - gamma) = 9 times as large; and with one array for both, `old = V`
without a copy, which finds no change at all after the first sweep.
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
LEFT, RIGHT = 0, 1
#: P[state][action] is a list of (chance, next state, reward, whether the episode ends), as Gymnasium has it.
TWO_SQUARES = {
    0: {LEFT: [(1.0, 0, -1.0, False)], RIGHT: [(1.0, 1, 1.0, False)]},
    1: {LEFT: [(1.0, 0, 0.0, False)], RIGHT: [(1.0, 1, -1.0, False)]},
}


def evaluate(P: Any, policy: Any, in_place: bool, threshold: float = 1e-4) -> tuple[Any, int]:
    """V (S,) of a policy (S, A), and how many sweeps it took."""
    V, sweeps = np.zeros(len(P)), 0
    while True:
        old, sweeps = V.copy(), sweeps + 1
        seen = V if in_place else old
        for s in P:
            V[s] = sum(
                policy[s, a] * chance * (reward + (0.0 if end else GAMMA * seen[following]))
                for a in P[s]
                for chance, following, reward, end in P[s][a]
            )
        if abs(V - old).max() < threshold:
            return V, sweeps


def main(words: Sequence[str] | None = None) -> None:
    """Both worlds, both ways."""
    argparse.ArgumentParser(description="Chapter 4: policy evaluation.").parse_args(words)
    for way, in_place in (("two arrays", False), ("in place", True)):
        V, sweeps = evaluate(TWO_SQUARES, np.full((2, 2), 0.5), in_place)
        print(f"two squares, {way}: {V.round(4)} in {sweeps} sweeps, exact -2.25 -2.75")
    world = GridWorld()
    policy = np.full((12, 4), 0.25)
    exact = exact_values(transition_table(world), policy, GAMMA)
    for way, in_place in (("two arrays", False), ("in place", True)):
        V, sweeps = evaluate(world.P, policy, in_place)
        print(f"grid, {way}: {sweeps} sweeps, at most {abs(V - exact).max():.6f} from the exact values")
    print(V.reshape(3, 4).round(3))


if __name__ == "__main__":
    main()

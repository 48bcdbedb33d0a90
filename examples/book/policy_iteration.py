"""Chapter 4 (4.3 and 4.4): the best policy, by evaluating one and becoming greedy about its values, in turn.

Run it with `python examples/book/policy_iteration.py`. On the 3 x 4 grid world it begins with moves drawn at random. A
greedy policy is better than the one whose values it looks at, or as good; when it stays the same it is the best, and
its values are known: 0.81, 0.9, 1 along the upper row, and so on down to 0.6561 at the start.

What is easily got wrong: to stop when the policy stays the same is right only if equal moves are told apart the same
way each time (here: the first of them, after rounding to ten digits); and there is no move at the goal, where a greedy
policy over undefined values is one too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.envs.gridworld import GridWorld

GAMMA = 0.9
BEST = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]


def worth(P: Any, s: int, a: int, V: Any) -> float:
    """What an action gets, and what follows is worth, by V (S,)."""
    return float(sum(chance * (reward + (0.0 if end else GAMMA * V[s2])) for chance, s2, reward, end in P[s][a]))


def evaluate(P: Any, policy: Any, threshold: float = 1e-12) -> Any:
    """V (S,) of a policy (S, A), by sweeps in place."""
    V, change = np.zeros(len(P)), 1.0
    while change >= threshold:
        old = V.copy()
        for s in P:
            V[s] = sum(policy[s, a] * worth(P, s, a, V) for a in P[s])
        change = abs(V - old).max()
    return V


def improve(P: Any, V: Any) -> Any:
    """The policy (S, A) that takes the best action by V."""
    best = [int(np.argmax([round(worth(P, s, a, V), 10) for a in P[s]])) for s in P]
    return np.eye(len(P[0]))[best]


def iterate(P: Any) -> tuple[Any, Any, int]:
    """The best policy (S, A), its values (S,), and how many policies were evaluated on the way."""
    policy, rounds = np.full((len(P), len(P[0])), 1 / len(P[0])), 0
    while True:
        V, rounds = evaluate(P, policy), rounds + 1
        better = improve(P, V)
        if (better == policy).all():
            return policy, V, rounds
        policy = better


def main(words: Sequence[str] | None = None) -> None:
    """The best policy in arrows, and its values."""
    argparse.ArgumentParser(description="Chapter 4: policy iteration.").parse_args(words)
    world = GridWorld()
    policy, V, rounds = iterate(world.P)
    arrows = np.array(list("^v<>"))[policy.argmax(axis=1)]
    for state, letter in enumerate(world.grid.cells):
        arrows[state] = letter if letter in "#G" else arrows[state]
    print(f"{rounds} policies evaluated")
    print("\n".join(" ".join(row) for row in arrows.reshape(3, 4)))
    print(V.reshape(3, 4).round(4))
    print(f"at most {abs(V.reshape(3, 4) - BEST).max():.1e} from the values known")


if __name__ == "__main__":
    main()

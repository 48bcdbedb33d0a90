"""Chapter 6 (6.2 and 6.3): SARSA, which learns of the policy that plays, and its form that learns of another one.

Run it with `python examples/book/sarsa.py`. Q(s, a) moves to r + gamma Q(s', a'), where a' is the move that is made
next: so Q becomes that of the player, who draws three moves in ten, and the values known are those of the best such
policy. With `pi` greedy instead, and the next move weighted by rho = pi(a'|s') / b(a'|s'), which is 0 for a move that
pi would not make, Q becomes that of the best policy of all, whose values are known too. The fraction falls as n^-0.8
with the visits n. The book draws one move in ten, and its fraction is 0.8 throughout, so that Q never settles; in 6.3
it weights r along with what follows, which is the same in the mean, but r came before a' and needs no weight.

What is easily got wrong: rho forgotten in the second form, which then is the first; rho of the move a itself, whose
chance has no part in Q(s, a); a' drawn for the target and drawn anew for the step, so that what is learnt of was never
done; and the last step, which has no a' at all.
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
BEST = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]


def choose(Q: Any, square: int, rng: np.random.Generator) -> int:
    """A move at random with the chance epsilon, else the best by Q (S, A)."""
    return int(rng.integers(4) if rng.random() < EPSILON else Q[square].argmax())


def ratio(Q: Any, square: int, move: int) -> float:
    """rho = pi / b of a move: pi is 1 or 0, b is 1 - epsilon + epsilon / 4 for the best, epsilon / 4 for others."""
    return 1 / (1 - EPSILON + EPSILON / 4) if move == Q[square].argmax() else 0.0


def learn(world: Any, rng: np.random.Generator, episodes: int, off_policy: bool) -> Any:
    """Q (S, A) after so many episodes, of the player, or `off_policy` of the greedy policy."""
    Q, visits = np.zeros((12, 4)), np.zeros((12, 4))
    for _ in range(episodes):
        (square, _), end = world.reset(), False
        move = choose(Q, square, rng)
        while not end:
            following, reward, end, _, _ = world.step(move)
            next_q, next_move = 0.0, 0  # at the end there is no next move
            if not end:
                next_move = choose(Q, following, rng)
                rho = ratio(Q, following, next_move) if off_policy else 1.0
                next_q = rho * Q[following, next_move]
            visits[square, move] += 1
            Q[square, move] += (reward + GAMMA * next_q - Q[square, move]) / visits[square, move] ** 0.8
            square, move = following, next_move
    return Q


def main(words: Sequence[str] | None = None) -> None:
    """Both forms, each beside what it comes to."""
    parser = argparse.ArgumentParser(description="Chapter 6: SARSA.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=20_000)
    options = parser.parse_args(words)
    world = GridWorld()
    soft = epsilon_soft_optimum(transition_table(world), GAMMA, EPSILON).action_values.max(axis=1).reshape(3, 4)
    for off_policy, exact in ((False, soft), (True, BEST)):
        Q = learn(world, np.random.default_rng(options.seed), options.episodes, off_policy)
        print(f"{'off policy' if off_policy else 'on policy'}: best move's value, found   exact")
        for found, known in zip(Q.max(axis=1).reshape(3, 4), exact, strict=True):
            print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))


if __name__ == "__main__":
    main()

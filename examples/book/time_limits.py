"""Chapter 8 and before: an episode that a time limit cuts has not ended, and its last step still has a future.

Run it with `python examples/book/time_limits.py`. There is one state, one action, and a reward of 1 at each step, for
ever: at gamma 0.9 its value is 1 / (1 - 0.9) = 10. A time limit of 10 steps cuts the episodes. TD(0) that goes on from
V at a cut finds 10. Taken for the end, one target in ten lacks its future, and V = 1 + 0.9 (9/10) V gives
1 / (1 - 0.81) = 5.263: the value is wrong, however long is learnt.

What is easily got wrong: `done = terminated or truncated` in the target. The end of the loop is asked of both, the
target of `terminated` alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

GAMMA, LIMIT = 0.9, 10


def learn(episodes: int, limit_is_the_end: bool) -> float:
    """V by TD(0), with a step that falls as 1 / n^0.6."""
    V, n = 0.0, 0
    for _ in range(episodes):
        for step in range(1, LIMIT + 1):
            terminated, truncated = False, step == LIMIT
            ended = terminated or (truncated and limit_is_the_end)
            target = 1.0 + (0.0 if ended else GAMMA * V)
            n += 1
            V += (target - V) / n**0.6
    return V


def main(words: Sequence[str] | None = None) -> None:
    """Both ways, beside what they come to."""
    parser = argparse.ArgumentParser(description="Chapter 8: what a time limit means.")
    parser.add_argument("--episodes", type=int, default=10_000)
    options = parser.parse_args(words)
    print(f"what follows a cut counts:    V {learn(options.episodes, False):7.3f}   exact {1 / (1 - GAMMA):7.3f}")
    wrong = 1 / (1 - GAMMA * (1 - 1 / LIMIT))
    print(f"the limit taken for the end:  V {learn(options.episodes, True):7.3f}   exact {wrong:7.3f}   (wrong)")


if __name__ == "__main__":
    main()

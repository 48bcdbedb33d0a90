"""Neuroevolution: networks that learn to balance a pole by mutation and selection alone, without a gradient.

Run it with `python examples/neuroevolution.py`, with `--watch` to see the best network in a window at the end. It is
what `cartwheel train CartPole-v1 --preset tutorial` does: 64 networks 4-16-2 with weights from N(0, 1) and biases 0;
each plays the same 15 episodes of CartPole, of 10,000 steps at most; the best is kept, and the other 63 become mutants
of it; 5 generations.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import cartwheel
from cartwheel.training.hooks import Hook, Outcome


class Table(Hook):
    """Prints a line for each generation; a hook is told of whatever happens in a run."""

    def row(self, row: Mapping[str, float]) -> None:
        """The best candidate's mean return over its 15 episodes, and the mean of all candidates."""
        print(f"generation {row['generation']}   best {row['return_best']:8.1f}   mean {row['return_mean']:8.1f}")

    def end(self, outcome: Outcome) -> None:
        """The best of the last generation, in 100 episodes that had no part in choosing it."""
        low, mean, high = (float(outcome.result[f"test_{name}"]) for name in ("low", "mean", "high"))
        print(f"test: {mean:,.1f} (95 % interval {low:,.1f} to {high:,.1f})")


run = cartwheel.train("CartPole-v1", preset="tutorial", seed=0, hooks=[Table()])

action, _ = run.policy.act([0.0, 0.0, 0.05, 0.0])
print(f"{run.policy} pushes {'right' if action else 'left'} when the pole leans to the right")
print("the best network beside a random one:", run.folder / "animation.webp")

if "--watch" in sys.argv:
    cartwheel.render(run.policy, environment="CartPole-v1", watch=True)

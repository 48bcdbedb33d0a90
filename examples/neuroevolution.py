"""Neuroevolution: networks that learn to balance a pole by mutation and selection alone, without a gradient.

Run it with `python examples/neuroevolution.py`, with `--watch` to see both networks in a window at the end. It is what
`cartwheel train CartPole-v1 --algorithm genetic --preset tutorial` does: 64 networks 4-16-2 with weights from N(0, 1)
and biases 0; each plays the same 15 episodes of CartPole, of 10,000 steps at most; the best is kept, and the other 63
become mutants of it; 5 generations. The best one's episode goes to `best.webp` in the run's folder, and beside that of
a random network to `animation.webp`.

The best network's mean return in each generation, the one in the 100 test episodes, and the seconds of the training:

    the tutorial       309.5     360.9     648.2     616.6    2060.1      not tested    35.6 s
    seed 3 (here)     2718.6    5587.7   10000.0   10000.0   10000.0         9,901.5     0.2 s
    seed 0             515.5    2742.5    4033.3    1387.3    4036.9         2,843.1     0.1 s

Seed 3 is the fourth of the seeds 0 to 7, and seed 0 the last: in the test they end at 10,000.0 (seeds 1, 5 and 7),
9,901.5, 8,710.9, 5,787.4, 4,708.9 and 2,843.1. A best of 15 episodes flatters, and falls where the next generation's 15
are harder. A random network holds out for 10 steps.

What is easily got wrong: a perfect network's episode, which only the limit ends, has to count; each network has to play
the same episodes; and the network that is handed over has to be one that was measured, not a fresh mutant of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import cartwheel
from cartwheel.reports.pictures import untrained
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


run = cartwheel.train("CartPole-v1", algorithm="genetic", preset="tutorial", seed=3, hooks=[Table()])

# A network of the same kind with random weights, for contrast, in the same 100 episodes.
random = untrained(run.policy, seed=0)
chance = cartwheel.evaluate(random, environment="CartPole-v1")
print(f"a random network: {chance.mean:,.1f} (95 % interval {chance.low:,.1f} to {chance.high:,.1f})")

right = np.array([0.0, 0.0, 0.05, 0.5])  # place, speed, angle, angular speed
action, _ = run.policy.act(right)
print(f"{run.policy} pushes {'right' if action else 'left'} when the pole leans to the right and falls")
actions, _ = run.policy.predict(np.stack([-right, right]))  # a batch of two
print("actions when it falls to the left and to the right:", actions)
print("the best network beside a random one:", run.folder / "animation.webp")
print("the best network alone:", cartwheel.render(run, to=run.folder / "best.webp"))

if "--watch" in sys.argv:
    cartwheel.render(run.policy, environment="CartPole-v1", watch=True)
    cartwheel.render(random, environment="CartPole-v1", watch=True)

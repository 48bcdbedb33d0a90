"""Chapter 1 (1.3 to 1.5): slot machines whose rates are not known, and means that are kept step by step.

Run it with `python examples/book/bandits.py`. Ten machines pay 1 with a chance of their own, drawn from U(0, 1), else
0. The player keeps a mean Q of what each has paid, plays the best one, and with the chance epsilon any. What the rates
come to is known: the best of ten is 10/11 in the mean, any one 1/2, so in the long run a player that knows the best
gets (1 - epsilon) 10/11 + epsilon / 2. In the second part (1.5) the rates drift: then a fixed step alpha, which forgets
the old, is better than the mean of all. 2,000 players play side by side, each at machines of its own.

What is easily got wrong: `Q += (reward - Q) / n` with n of all plays, in place of those of this machine; an epsilon of
0, which stays with whatever paid first; and the mean of all plays where the rates change.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

MACHINES, DRIFT = 10, 0.1


def play(
    rng: np.random.Generator, runs: int, plays: int, epsilon: float, alpha: float | None = None, drift: float = 0.0
) -> Any:
    """The mean reward of all runs at each play (plays,); `alpha` None is the mean of all that was paid."""
    rates = rng.random((runs, MACHINES))
    Q, counts = np.zeros((runs, MACHINES)), np.zeros((runs, MACHINES))
    each, means = np.arange(runs), np.zeros(plays)
    for n in range(plays):
        explores = rng.random(runs) < epsilon
        action = np.where(explores, rng.integers(MACHINES, size=runs), Q.argmax(axis=1))  # (runs,)
        reward = (rng.random(runs) < rates[each, action]).astype(float)
        rates += drift * rng.standard_normal((runs, MACHINES))
        counts[each, action] += 1
        step = 1 / counts[each, action] if alpha is None else alpha
        Q[each, action] += step * (reward - Q[each, action])  # Q_n = Q_n-1 + (R_n - Q_n-1) / n
        means[n] = reward.mean()
    return means


def weights(plays: int, alpha: float | None) -> Any:
    """How much each of so many rewards weighs in Q (plays,), measured: Q is linear in them, so by ones and zeros."""
    Q, rewards = np.zeros(plays), np.eye(plays)  # one Q for each reward that is 1 while the others are 0
    for n, reward in enumerate(rewards, start=1):
        Q += (1 / n if alpha is None else alpha) * (reward - Q)
    return Q


def main(words: Sequence[str] | None = None) -> None:
    """Play with three epsilons, then on rates that drift; draw the curves."""
    parser = argparse.ArgumentParser(description="Chapter 1: bandits.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=2000, help="players side by side")
    options = parser.parse_args(words)
    print("weights of 4 rewards, mean:     ", weights(4, None), " exact: 1/4 each")
    print("weights of 4 rewards, alpha 0.8:", weights(4, 0.8).round(4), " exact: 0.8 * 0.2^(4 - n)")
    curves = {}
    print("\nepsilon   paid in plays 901 to 1,000   in the long run, the best machine known")
    for epsilon in (0.01, 0.1, 0.3):
        curves[f"epsilon {epsilon}"] = paid = play(np.random.default_rng(options.seed), options.runs, 1000, epsilon)
        limit = (1 - epsilon) * MACHINES / (MACHINES + 1) + epsilon / 2
        print(f"{epsilon:<10}{paid[-100:].mean():.3f}{limit:26.3f}")
    print("\nrates drift   paid in plays 901 to 1,000")
    for name, alpha in (("mean of all", None), ("alpha 0.8", 0.8)):
        paid = play(np.random.default_rng(options.seed), options.runs, 1000, 0.1, alpha, DRIFT)
        curves[f"rates drift, {name}"] = paid
        print(f"{name:14}{paid[-100:].mean():.3f}")
    save_picture(curves, "bandits.png")


def save_picture(curves: dict[str, Any], path: str) -> None:
    """What was paid at each play."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, paid in curves.items():
        axes.plot(paid, label=name, linewidth=1)
    axes.axhline(MACHINES / (MACHINES + 1), color="0.6", linestyle="--", label="the best machine, 10/11")
    axes.set(xlabel="play", ylabel="paid", ylim=(0.4, 1))
    axes.legend(fontsize="small")
    figure.savefig(path)
    print("what was paid at each play:", path)


if __name__ == "__main__":
    main()

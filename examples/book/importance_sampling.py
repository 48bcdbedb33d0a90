"""Chapter 5 (5.5): the mean under one distribution from samples of another, and what that costs in variance.

Run it with `python examples/book/importance_sampling.py`. x is 1, 2 or 3 with the chances pi = 0.1, 0.1, 0.8, so its
mean is 2.7. Drawn from b instead, a sample counts rho = pi(x) / b(x) times: the mean of rho x is 2.7 too, but its
variance, which is known as well, is larger the less b is like pi. The weighted estimate, sum(rho x) / sum(rho), is a
little off in few samples, and much steadier. 2,000 estimates of 100 samples each show it.

What is easily got wrong: rho left out, which gives the mean under b; rho upside down, b / pi; and a b that never draws
what pi does, for which no rho can make up.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

X, PI = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.1, 0.8])
DRAWN_FROM = {"pi itself": PI, "1/3 1/3 1/3": np.full(3, 1 / 3), ".2 .2 .6": np.array([0.2, 0.2, 0.6])}
SAMPLES = 100


def exact(b: Any) -> tuple[float, float]:
    """The mean and the variance of rho x for x ~ b: sum of b (pi / b x), and of b (pi / b x)^2 less its square."""
    rho = PI / b
    mean = float(b @ (rho * X))
    return mean, float(b @ (rho * X) ** 2) - mean**2


def estimates(rng: np.random.Generator, b: Any, runs: int) -> tuple[Any, Any, Any]:
    """For each run (runs,) of 100 samples of b: their plain mean, the mean of rho x, and the weighted one."""
    drawn = rng.choice(3, size=(runs, SAMPLES), p=b)
    x, rho = X[drawn], (PI / b)[drawn]
    return x.mean(axis=1), (rho * x).mean(axis=1), (rho * x).sum(axis=1) / rho.sum(axis=1)


def main(words: Sequence[str] | None = None) -> None:
    """A table: for each b the three estimates, their deviation, and the exact ones."""
    parser = argparse.ArgumentParser(description="Chapter 5: importance sampling.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=2000, help="estimates of 100 samples each")
    options = parser.parse_args(words)
    print("mean and deviation of estimates of 2.7 from 100 samples each")
    print(f"{'drawn from':14}{'rho left out':>16}{'with rho':>16}{'exact':>16}{'weighted':>16}")
    for name, b in DRAWN_FROM.items():
        plain, ordinary, weighted = estimates(np.random.default_rng(options.seed), b, options.runs)
        mean, variance = exact(b)
        cells = [(one.mean(), one.std()) for one in (plain, ordinary)]
        cells += [(mean, math.sqrt(variance / SAMPLES)), (weighted.mean(), weighted.std())]
        print(f"{name:14}" + "".join(f"{centre:8.3f} +-{deviation:5.3f}" for centre, deviation in cells))


if __name__ == "__main__":
    main()

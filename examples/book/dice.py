"""Chapter 5 (5.1): an expectation by Monte Carlo, which needs throws only, and none of their chances.

Run it with `python examples/book/dice.py`. The sum of two dice is 7 in the mean, and 35/6 in the variance, as its
distribution says. The mean of n throws comes near to it as sqrt(35/6 / n): a hundred times as many for a digit more.

What is easily got wrong: a mean is off by about its standard error, and so a test that wants more of it fails by
chance; and the mean kept step by step, V += (x - V) / n, counts n from 1.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import product

import numpy as np


def exact() -> tuple[float, float]:
    """Mean and variance of the sum of two dice, from all 36 ways in which they can fall."""
    sums = [a + b for a, b in product(range(1, 7), repeat=2)]
    return float(np.mean(sums)), float(np.var(sums))


def by_throws(rng: np.random.Generator, throws: int) -> float:
    """The mean of so many throws, kept one by one."""
    V = 0.0
    for n, x in enumerate(rng.integers(1, 7, size=(throws, 2)).sum(axis=1), start=1):
        V += (x - V) / n
    return V


def main(words: Sequence[str] | None = None) -> None:
    """Throw 100, 10,000 and a million times."""
    parser = argparse.ArgumentParser(description="Chapter 5: the sum of two dice.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    mean, variance = exact()
    print("   throws    mean   exact   standard error")
    for throws in (100, 10_000, 1_000_000):
        found = by_throws(np.random.default_rng(options.seed), throws)
        print(f"{throws:9,}{found:8.4f}{mean:8.1f}{math.sqrt(variance / throws):17.4f}")


if __name__ == "__main__":
    main()

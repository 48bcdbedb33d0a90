"""Mutations: `(rng, rows (P, n), std, probability) -> (P, n)`, in which each weight is changed with a probability.

`std` is the standard deviation of the steps, one for all rows. What is given is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.registry import Registry

Array: TypeAlias = NDArray[Any]
Mutation: TypeAlias = Callable[[np.random.Generator, Array, float, float], Array]

#: A deviation that adapts itself stays between these: never 0, from which there is no way back, nor infinite.
SMALLEST_STD, LARGEST_STD = 1e-10, 1e6
# Weights that are multiplied again and again stay below this, as infinities would become NaN.
_LARGEST_WEIGHT = 1e30


def additive(rng: np.random.Generator, rows: Array, std: float, probability: float) -> Array:
    """w + std * eps,  eps ~ N(0, 1).

    F. Such et al., "Deep Neuroevolution", 2017, algorithm 1, which changes all weights; BIASED-MUTATE-WEIGHTS of
    D. Montana and L. Davis, "Training Feedforward Neural Networks Using Genetic Algorithms", IJCAI 1989, which changes
    each with probability 0.1.
    """
    return _some(rng, rows, rows + _noise(rng, rows, std), probability)


def multiplicative(rng: np.random.Generator, rows: Array, std: float, probability: float) -> Array:
    """w * (1 + std * eps),  eps ~ N(0, 1): steps in proportion to the weight; a weight of 0 stays.

    S. Khadka and K. Tumer, "Evolution-Guided Policy Gradient in Reinforcement Learning", NeurIPS 2018, whose program
    draws a step of a deviation in proportion to the weight.
    """
    changed = (rows + _noise(rng, rows, std) * rows).clip(-_LARGEST_WEIGHT, _LARGEST_WEIGHT)
    return _some(rng, rows, changed, probability)


def replacement(rng: np.random.Generator, rows: Array, std: float, probability: float) -> Array:
    """A new weight from N(0, std**2) in place of the old.

    UNBIASED-MUTATE-WEIGHTS of D. Montana and L. Davis, "Training Feedforward Neural Networks Using Genetic Algorithms",
    IJCAI 1989, with probability 0.1 and the deviation of the first weights.
    """
    return _some(rng, rows, _noise(rng, rows, std), probability)


def swap(rng: np.random.Generator, rows: Array, std: float, probability: float) -> Array:
    """The weights that are chosen change places in random pairs, within their row; of an odd number one stays.

    It takes no step, so that `std` is without effect. After swap mutation, A. Eiben and J. Smith, "Introduction to
    Evolutionary Computing", 2003, section 3.4.4, which swaps one pair.
    """
    draws = rng.random(rows.shape)
    order = draws.argsort(axis=1)  # (P, n): the chosen first, in random order
    left, right = order[:, 0:-1:2], order[:, 1::2]  # (P, n // 2)
    row, pair = np.nonzero(np.take_along_axis(draws, right, axis=1) < probability)
    left, right = left[row, pair], right[row, pair]
    swapped = rows.copy()
    swapped[row, left], swapped[row, right] = rows[row, right], rows[row, left]
    return swapped


def sign(rng: np.random.Generator, rows: Array, std: float, probability: float) -> Array:
    """-w. It takes no step, so that `std` is without effect.

    Bit-flip mutation (A. Eiben and J. Smith, "Introduction to Evolutionary Computing", 2003, section 3.4.1), of the
    sign's bit alone.
    """
    return _some(rng, rows, -rows, probability)


def adapted(rng: np.random.Generator, std: float, size: int) -> float:
    """A deviation that evolves with the `size` weights that it is for: std * exp(tau * N(0, 1)),  tau = 1 / sqrt(size).

    It is changed before it is used, so that a good one is known by the child that it makes. Log-normal self-adaptation
    with one step size: H.-G. Beyer and H.-P. Schwefel, "Evolution strategies: a comprehensive introduction", 2002;
    A. Eiben and J. Smith, "Introduction to Evolutionary Computing", 2003, section 4.4.
    """
    changed = std * exp(rng.standard_normal() / sqrt(size))
    return min(max(changed, SMALLEST_STD), LARGEST_STD)


def _noise(rng: np.random.Generator, rows: Array, std: float) -> Array:
    """Draws `(P, n)` from N(0, std**2), in the type of the rows."""
    noise: Array = rng.standard_normal(rows.shape, rows.dtype)
    noise *= rows.dtype.type(std)
    return noise


def _some(rng: np.random.Generator, rows: Array, changed: Array, probability: float) -> Array:
    """Each number from `changed` with a probability, else from `rows`; a certainty takes no draws."""
    if probability >= 1.0:
        return changed
    return np.where(rng.random(rows.shape) < probability, changed, rows)


MUTATIONS: Registry[Mutation] = Registry("mutation")
for _function in (additive, multiplicative, replacement, swap, sign):
    MUTATIONS.register(_function.__name__, _function)
#: Those that take no step: `std` is without effect on them.
WITHOUT_STD = ("swap", "sign")

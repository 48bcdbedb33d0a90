"""Crossovers: `(rng, one (P, n), other (P, n), ...) -> (P, n)`, a child of two parents in each row.

Each child is as near to one parent as to the other, on average, but for one-point's, whose first weight is always that
of the first. What one takes besides, it takes by name; what is given is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.nn.flat import Layout
from cartwheel.registry import Registry

Array: TypeAlias = NDArray[Any]


def uniform(rng: np.random.Generator, one: Array, other: Array) -> Array:
    """Each weight from either parent, with equal chance.

    G. Syswerda, "Uniform crossover in genetic algorithms", ICGA 1989; CROSSOVER-WEIGHTS of D. Montana and L. Davis,
    "Training Feedforward Neural Networks Using Genetic Algorithms", IJCAI 1989.
    """
    return np.where(rng.random(one.shape) < 0.5, other, one)


def one_point(rng: np.random.Generator, one: Array, other: Array) -> Array:
    """One parent up to a random place between two weights, the other from there; a single weight is the first's.

    J. Holland, "Adaptation in Natural and Artificial Systems", 1975, chapter 6.
    """
    P, n = one.shape
    cut = rng.integers(1, max(n, 2), size=(P, 1))
    return np.where(np.arange(n) < cut, one, other)


def two_point(rng: np.random.Generator, one: Array, other: Array) -> Array:
    """One parent but for a stretch between two random places, on the ring that the ends of the vector make together.

    K. De Jong, "An Analysis of the Behavior of a Class of Genetic Adaptive Systems", 1975. The stretch is never empty
    and never everything, but for a single weight, which is the first parent's.
    """
    P, n = one.shape
    start = rng.integers(n, size=(P, 1))
    length = rng.integers(min(1, n - 1), max(n, 1), size=(P, 1))
    return np.where((np.arange(n) - start) % n < length, other, one)


def by_layer(rng: np.random.Generator, one: Array, other: Array, *, layers: NDArray[np.intp]) -> Array:
    """Each layer whole, weights and biases, from either parent with equal chance.

    `layers (layers,)` are the ends of the layers, as `layer_ends` gives them. This is the coarser form of
    CROSSOVER-NODES, which keeps the weights into a unit together: D. Montana and L. Davis, "Training Feedforward Neural
    Networks Using Genetic Algorithms", IJCAI 1989.
    """
    choice = rng.random((len(one), len(layers))) < 0.5  # (P, layers)
    return np.where(choice.repeat(np.diff(layers, prepend=0), axis=1), other, one)


def arithmetic(rng: np.random.Generator, one: Array, other: Array) -> Array:
    """A point between the parents: one + a * (other - one),  a ~ U(0, 1), the same for all weights of a child.

    Z. Michalewicz, "Genetic Algorithms + Data Structures = Evolution Programs", 1992: whole arithmetical crossover.
    """
    a = rng.random((len(one), 1)).astype(one.dtype)
    between: Array = one + a * (other - one)
    return between


def layer_ends(layout: Layout) -> NDArray[np.intp]:
    """Where each layer of a vector ends `(layers,)`.

    Arrays that follow each other are of one layer if their names say so: by the number in `W1` and `b1`, by what stands
    before the last stroke in `dense/0/W` and `dense/0/b`.
    """
    ends = zip(layout.names, layout.offsets[1:], strict=True)
    layers = [list(arrays)[-1] for _, arrays in groupby(ends, key=lambda array: _layer(array[0]))]
    return np.array([end for _, end in layers], np.intp)


def _layer(name: str) -> str:
    path, stroke, last = name.rpartition("/")
    return path if stroke else re.sub(r"^\D+(?=\d)", "", last)


CROSSOVERS: Registry[Callable[..., Array]] = Registry("crossover")
for _function in (uniform, one_point, two_point, by_layer, arithmetic):
    CROSSOVERS.register(_function.__name__.replace("_", "-"), _function)

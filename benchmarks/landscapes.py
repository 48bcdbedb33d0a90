"""Functions whose least value, 0, is known, with the starts and step sizes that their figures are measured from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

#: The value that a search has to reach.
TARGET = 1e-8


def sphere(x: Vector) -> float:
    """The same curvature everywhere."""
    return float(x @ x)


def ellipsoid(x: Vector) -> float:
    """Its axes differ by a million in curvature."""
    return float(np.sum(10.0 ** (6 * np.arange(len(x)) / (len(x) - 1)) * x**2))


def rosenbrock(x: Vector) -> float:
    """A bent valley; from four dimensions on it has a second, worse hollow."""
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def ackley(x: Vector) -> float:
    """A funnel full of small hollows."""
    waves, bowl = np.cos(2 * np.pi * x).mean(), np.sqrt((x**2).mean())
    return float(20 + np.e - 20 * np.exp(-0.2 * bowl) - np.exp(waves))


def rastrigin(x: Vector) -> float:
    """A bowl full of deep hollows."""
    return float(10 * len(x) + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


@dataclass(frozen=True)
class Landscape:
    """A function, where each number of a search for its least value begins, and with what deviation."""

    f: Callable[[Vector], float]
    start: float
    sigma: float

    def x0(self, n: int) -> Vector:
        """The start in n dimensions."""
        return np.full(n, self.start)

    def options(self, seed: int) -> dict[str, Any]:
        """What `cartwheel.minimize` is told besides."""
        return {"sigma": self.sigma, "target": TARGET, "seed": seed}


LANDSCAPES = {
    "sphere": Landscape(sphere, 3.0, 2.0),
    "ellipsoid": Landscape(ellipsoid, 3.0, 2.0),
    "rosenbrock": Landscape(rosenbrock, 0.0, 0.5),
    "ackley": Landscape(ackley, 10.0, 6.0),
}

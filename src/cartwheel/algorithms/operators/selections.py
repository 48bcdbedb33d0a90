"""Selections: `(rng, fitness (N,), places, ...) -> (places,)`, where the parents stand in the population.

They come in random order. What a selection takes besides, it takes by name. Fitness may be infinite, not NaN. Of
equals, truncation and tournament take the first for the better one; the others give them equal chances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.strategy import finite, ranks
from cartwheel.registry import Registry

Places: TypeAlias = NDArray[np.intp]
Fitness: TypeAlias = NDArray[np.float64]


def truncation(rng: np.random.Generator, fitness: Fitness, places: int, *, parents: float) -> Places:
    """Any of the best `parents` share of the population, at least one, with equal chance.

    H. Muehlenbein and D. Schlierkamp-Voosen, "Predictive Models for the Breeder Genetic Algorithm", 1993; F. Such et
    al., "Deep Neuroevolution", 2017, algorithm 1.
    """
    return _best_first(fitness)[rng.integers(max(1, round(parents * len(fitness))), size=places)]


def tournament(rng: np.random.Generator, fitness: Fitness, places: int, *, tournament: int) -> Places:
    """The best of `tournament` candidates, drawn with replacement.

    D. Goldberg and K. Deb, "A Comparative Analysis of Selection Schemes Used in Genetic Algorithms", 1991; A. Eiben and
    J. Smith, "Introduction to Evolutionary Computing", 2003, section 3.7.
    """
    ranks_from_best: Places = rng.integers(len(fitness), size=(places, tournament)).min(axis=1)
    return _best_first(fitness)[ranks_from_best]


def rank(rng: np.random.Generator, fitness: Fitness, places: int, *, selection_pressure: float) -> Places:
    """With a chance that falls linearly with the rank, from s / N for the best to (2 - s) / N for the worst.

    s is the selection pressure, 1 to 2: how often the best is expected among N places. Equals share their ranks' mean.
    J. Baker, "Adaptive Selection Methods for Genetic Algorithms", ICGA 1985.
    """
    N, s = len(fitness), selection_pressure
    chances = 2 - s + 2 * (s - 1) * ranks(fitness) / max(N - 1, 1) if N > 1 else np.ones(1)
    return rng.choice(N, size=places, p=chances / chances.sum())


def roulette(rng: np.random.Generator, fitness: Fitness, places: int) -> Places:
    """With a chance in proportion to the fitness above the worst one, which has none; where all are equal, equal ones.

    J. Holland, "Adaptation in Natural and Artificial Systems", 1975; the shift is the scaling window (of a generation)
    of J. Grefenstette, "Optimization of Control Parameters for Genetic Algorithms", 1986.
    """
    return rng.choice(len(fitness), size=places, p=_wheel(fitness))


def stochastic_universal(rng: np.random.Generator, fitness: Fitness, places: int) -> Places:
    """As roulette, by one spin of a wheel with as many pointers as places: each is chosen as often as expected, to 1.

    J. Baker, "Reducing Bias and Inefficiency in the Selection Algorithm", ICGA 1987.
    """
    shares = _wheel(fitness)
    pointers = (rng.random() + np.arange(places)) / places  # (places,), equally spaced
    chosen = shares.cumsum().searchsorted(pointers, side="right")
    last = np.flatnonzero(shares)[-1]  # where a rounded sum ends short of 1
    return rng.permutation(np.minimum(chosen, last))


def _best_first(fitness: Fitness) -> Places:
    """The places `(N,)`, those of the best first; equals in their order."""
    return np.argsort(-fitness, kind="stable")


def _wheel(fitness: Fitness) -> Fitness:
    """Chances `(N,)` in proportion to the fitness above the worst.

    Where only infinities differ, all that are not the worst share equally; where nothing differs, all.
    """
    share = finite(fitness)
    share = share - share.min()
    if not share.any():
        share = (fitness > fitness.min()).astype(np.float64)
    if not share.any():
        share = np.ones(len(fitness))
    chances: Fitness = share / share.sum()
    return chances


SELECTIONS: Registry[Callable[..., Places]] = Registry("selection")
for _function in (truncation, tournament, rank, roulette, stochastic_universal):
    SELECTIONS.register(_function.__name__.replace("_", "-"), _function)

"""Species: which genomes are alike, and how many children each kind may have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.neat.genomes import NONE, Genomes
from cartwheel.algorithms.neat.innovations import Integers

Numbers = NDArray[np.float64]

# Below so many genes, the paper does not divide by their number.
_SMALL = 20


@dataclass(frozen=True)
class Measure:
    """The compatibility distance (paper, equation 1): c1 E / N + c2 D / N + c3 W.

    E and D are the genes that one has and the other has not, E those beyond the other's last, W the mean difference of
    the weights of genes that both have, N the number of genes of the larger genome, or 1 if both have fewer than 20.
    """

    c1: float
    c2: float
    c3: float

    def distances(self, genomes: Genomes, other: Genomes, row: int) -> Numbers:
        """The distances `(P,)` of genomes to one row of others."""
        theirs = other.genes[row][other.genes[row] != NONE]  # (k,)
        sizes = genomes.sizes
        mine = genomes.genes[:, : int(sizes.max(initial=1))]  # (P, g)
        at = np.searchsorted(theirs, mine).clip(max=len(theirs) - 1)
        both = theirs[at] == mine
        matching = both.sum(axis=1)
        apart = np.abs(genomes.weights[:, : mine.shape[1]].astype(np.float64) - other.weights[row][at])
        W = np.where(both, apart, 0.0).sum(axis=1) / np.maximum(matching, 1)
        last = np.where(mine == NONE, -1, mine).max(axis=1, initial=-1)
        E = ((mine > theirs[-1]) & (mine != NONE)).sum(axis=1) + (theirs > last[:, None]).sum(axis=1)
        D = sizes + len(theirs) - 2 * matching - E
        N = np.maximum(sizes, len(theirs))
        N = np.where(N < _SMALL, 1, N)
        distances: Numbers = self.c1 * E / N + self.c2 * D / N + self.c3 * W
        return distances


def speciate(genomes: Genomes, representatives: Genomes, measure: Measure, threshold: float) -> Integers:
    """The species of each genome `(P,)`: the first whose representative is nearer than the threshold.

    A genome that is near none founds a new species, whose number follows on those of the representatives'.
    """
    species = np.full(len(genomes), -1)
    number = 0
    while (free := np.flatnonzero(species < 0)).size:
        known = number < len(representatives)
        others, row = (representatives, number) if known else (genomes, int(free[0]))
        species[free[measure.distances(genomes[free], others, row) < threshold]] = number
        if not known:
            species[row] = number  # however low the threshold is
        number += 1
    return species


def shares(fitness: Numbers, species: Integers, count: int) -> Numbers:
    """What each of `count` species `(S,)` earns: the sum of its members' fitness, each divided by the species' size.

    Fitness counts from the generation's worst on, so that it may be negative; an empty species earns 0.
    """
    above = fitness - fitness.min()
    size = np.bincount(species, minlength=count)
    earned: Numbers = np.bincount(species, above, minlength=count) / np.maximum(size, 1)
    return earned


def offspring(earned: Numbers, population: int) -> Integers:
    """How many children each species has `(S,)`: in proportion to what it earns, `population` in all.

    What is left by rounding down goes to the largest remainders, the first at ties. Species that all earn nothing have
    the same.
    """
    total = earned.sum()
    exact: Numbers = population * (earned / total if total > 0 else np.full(len(earned), 1 / len(earned)))
    counts: Integers = np.floor(exact).astype(np.int64)
    left = population - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:left]] += 1
    return counts

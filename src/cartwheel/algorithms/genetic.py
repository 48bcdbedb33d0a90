"""A genetic algorithm on the weights of a network.

Source: F. Such et al., "Deep Neuroevolution: Genetic Algorithms Are a Competitive Alternative for Training Deep Neural
Networks for Reinforcement Learning", 2017, algorithm 1. The operators have sources of their own (`operators/`).

    F_i = mean return of P_i                                     for each of the N candidates
    sort the population by F, descending
    the E best go on as they are                                 (elitism)
    I places: random candidates                                  (random immigrants: J. Grefenstette, 1992)
    each other place: a parent p, chosen by F;  with a second parent, p <- crossover(p, q) with a probability;
                      P_i <- mutation(p), at first  p + sigma * eps,  eps ~ N(0, I)
    where the best F has not risen for R generations, all but the E best are random candidates
                                                                 (restart: K. Krishnakumar, 1989, "Micro-Genetic
                                                                  Algorithms", who keeps the best one)

Deviations: the elites are measured again with everybody else in each generation, on its fresh episodes, so that a lucky
one does not stay; all candidates of a generation meet the same episodes. Each candidate is made with a generator of its
own, known by the generation and the place that it is made for, so that it can be made again alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import (
    Algorithm,
    Best,
    Entry,
    Parameters,
    State,
    best_of,
    fitness_of,
    leaders_of,
    mean_of,
)
from cartwheel.algorithms.operators import (
    CROSSOVERS,
    MUTATIONS,
    SELECTIONS,
    WITHOUT_STD,
    adapted,
    fitted,
    layer_ends,
)
from cartwheel.errors import UsageError
from cartwheel.experience.chains import Chains, Recipe
from cartwheel.experience.records import Experience, Request
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import flag, option

# What a chain of seeds can tell: each link is noise of one deviation on all weights of one parent.
_OF_SEEDS = {"crossover": "none", "mutation": "additive", "mutation_probability": 1.0, "self_adapted": False}


@dataclass(frozen=True)
class GeneticSettings:
    """Settings of the genetic algorithm."""

    population: int = option(64, "candidates in a generation (N)", minimum=2, maximum=1_000_000)
    episodes: int = option(5, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    elites: int = option(1, "the best candidates that go on unchanged", minimum=1)
    immigrants: int = option(0, "random candidates that join each generation", minimum=0)
    selection: str = option("truncation", "how parents are chosen", choices=tuple(SELECTIONS))
    parents: float = option(0.2, "truncation: the share of the population that has children", above=0.0, maximum=1.0)
    tournament: int = option(3, "tournament: how many candidates compete for each place", minimum=1, maximum=10_000)
    selection_pressure: float = option(
        1.5, "rank: how often the best is chosen, to 1 for the average", minimum=1.0, maximum=2.0
    )
    crossover: str = option("none", "how two parents make a child", choices=("none", *CROSSOVERS))
    crossover_probability: float = option(
        0.7, "crossover: the share of the children that have two parents", minimum=0.0, maximum=1.0
    )
    mutation: str = option("additive", "how children are changed", choices=tuple(MUTATIONS))
    mutation_std: float = option(0.3, "standard deviation of the mutations (sigma)", above=0.0, maximum=1e6)
    mutation_probability: float = option(1.0, "the share of a child's weights that mutate", minimum=0.0, maximum=1.0)
    self_adapted: bool = option(False, "a sigma of its own for each candidate, which mutates too")
    restart_after: int = option(
        0, "all but the elites begin anew after so many generations with no better return; 0: never", minimum=0
    )
    initial_std: float = option(
        1.0, "standard deviation of the first weights; biases begin at 0", above=0.0, maximum=1e6
    )
    encoding: str = option(
        "dense",
        "candidates as vectors, or as the seeds of their mutations (for large networks)",
        choices=("dense", "seeds"),
    )

    def __post_init__(self) -> None:
        room = self.population - self.elites
        if room <= 0:
            raise UsageError(f"--elites: expected less than --population ({self.population}), got {self.elites}")
        if self.immigrants >= room:
            raise UsageError(
                f"--immigrants: expected less than --population - --elites ({room}), got {self.immigrants}"
            )
        if self.self_adapted and self.mutation in WITHOUT_STD:
            raise UsageError(f"--self-adapted: expected a mutation with a deviation, got --mutation {self.mutation}")
        for name, wanted in _OF_SEEDS.items() if self.encoding == "seeds" else ():
            if getattr(self, name) != wanted:
                raise UsageError(f"{flag(name)}: expected {wanted} with --encoding seeds, got {getattr(self, name)}")


class Genetic(Algorithm):
    """Selection, elitism, crossover and mutation by the operators that the settings name."""

    settings: GeneticSettings

    def __init__(self, settings: GeneticSettings, network: Parameters, seed: int) -> None:
        super().__init__(settings, network, seed)
        values = {**vars(settings), "layers": layer_ends(network.layout)}
        self._select = fitted(SELECTIONS[settings.selection], values)
        self._mutate = MUTATIONS[settings.mutation]
        self._cross = None if settings.crossover == "none" else fitted(CROSSOVERS[settings.crossover], values)
        self._recipe = Recipe(seed, network, settings.initial_std, settings.mutation_std)
        self._generation = 0
        self._population: Any = self._newcomers(range(settings.population))  # (N, n), or N chains
        self._deviations = np.full(settings.population, settings.mutation_std)  # sigma of each (N,)
        self._record, self._since = -np.inf, 0  # the highest return, and for how many generations it has been

    def ask(self) -> Request:
        """The population, each candidate over `settings.episodes` episodes."""
        return Request(parameters=self._population, episodes=self.settings.episodes)

    def best(self, experience: Experience) -> Best:
        """The candidate of the population with the highest mean return."""
        return best_of(self.ask(), experience)

    def finalists(self, experience: Experience, count: int) -> list[Best]:
        """The candidates with the highest mean returns."""
        return leaders_of(self.ask(), experience, count)

    def tell(self, experience: Experience) -> dict[str, float]:
        """Select, and breed the next generation."""
        fitness = fitness_of(self.ask(), experience)  # F (N,)
        order = np.argsort(-fitness, kind="stable")
        self._generation += 1
        self._succeed(fitness, order[: self.settings.elites], restart=self._stuck(float(fitness.max())))
        figures = {
            "return_best": float(fitness[order[0]]),
            "return_mean": float(mean_of(fitness)),
            "return_worst": float(fitness[order[-1]]),
            "length_mean": float(experience.lengths.mean()),
        }
        return {**figures, "mutation_std": float(self._deviations.mean())} if self.settings.self_adapted else figures

    def _stuck(self, best: float) -> bool:
        """Whether the population has to begin anew, as its best return has not risen for long."""
        self._record, self._since = (best, 0) if best > self._record else (self._record, self._since + 1)
        if not self.settings.restart_after or self._since < self.settings.restart_after:
            return False
        self._record, self._since = -np.inf, 0
        return True

    def _succeed(self, fitness: NDArray[np.float64], elites: NDArray[np.intp], *, restart: bool) -> None:
        """The next population: the elites, children unless all begins anew, and newcomers."""
        N, E = self.settings.population, len(elites)
        first = E if restart else N - self.settings.immigrants  # the first newcomer's place
        parts, deviations = [self._population[elites]], [self._deviations[elites]]
        if not restart:
            children, of_children = self._children(fitness, range(E, first))
            parts, deviations = [*parts, children], [*deviations, of_children]
        parts.append(self._newcomers(range(first, N)))
        deviations.append(np.full(N - first, self.settings.mutation_std))
        self._deviations = np.concatenate(deviations)
        self._population = Chains.joined(parts) if self._chained else _frozen(np.concatenate(parts))

    def _children(self, fitness: NDArray[np.float64], places: Sequence[int]) -> tuple[Any, NDArray[np.float64]]:
        """Candidates for these places of the generation, and their deviations."""
        parents = self._parents(fitness, len(places))
        if self._chained:
            return self._population[parents[0]].mutated(self._generation, places), self._deviations[parents[0]]
        children = np.empty((len(places), self.network.size), self.network.dtype)
        deviations = np.empty(len(places))
        for row, place in enumerate(places):
            children[row], deviations[row] = self._child(place, parents[:, row])
        return children, deviations

    def _parents(self, fitness: NDArray[np.float64], places: int) -> NDArray[np.intp]:
        """Whose children come next: a row of first parents and, for a crossover, one of second ones `(1 or 2, places)`.

        Children of one parent stand together, so that its chain is rebuilt once for all of them.
        """
        rng = generator(self.seed, Purpose.VARIATION, self._generation)
        rows = 1 if self._cross is None else 2
        parents: NDArray[np.intp] = self._select(rng, fitness, rows * places).reshape(rows, places)
        return parents[:, parents[0].argsort(kind="stable")]

    def _child(self, place: int, parents: NDArray[np.intp]) -> tuple[NDArray[Any], float]:
        """A candidate `(n,)` of one parent or two, and its deviation; two deviations are averaged."""
        settings, rng = self.settings, generator(self.seed, Purpose.VARIATION, self._generation, place)
        row, deviation = self._population[parents[:1]], float(self._deviations[parents[0]])
        if self._cross is not None and rng.random() < settings.crossover_probability:
            row = self._cross(rng, row, self._population[parents[1:]])
            deviation = float(self._deviations[parents].mean())
        if settings.self_adapted:
            deviation = adapted(rng, deviation, self.network.size)
        return self._mutate(rng, row, deviation, settings.mutation_probability)[0], deviation

    def _newcomers(self, places: Sequence[int]) -> Any:
        """Random candidates for these places of the generation."""
        if self._chained:
            return Chains.begun(self._recipe, self._generation, places)
        vectors = np.empty((len(places), self.network.size), self.network.dtype)
        for row, place in enumerate(places):
            vectors[row] = self._recipe.first(self._generation, place)
        return _frozen(vectors)

    @property
    def _chained(self) -> bool:
        return self.settings.encoding == "seeds"

    def state(self) -> State:
        """The generation's number, the population to be measured next, its deviations, and what a restart waits for."""
        population = self._population
        if self._chained:
            own: State = {"links": population.links.copy(), "lengths": population.lengths.copy()}
        else:
            own = {"population": population.copy()}
        common = {"generation": self._generation, "size": self.network.size, "deviations": self._deviations.copy()}
        return {**own, **common, "record": self._record, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        expected = (self.settings.population, self.network.size)
        if self._chained:
            population: Any = Chains(state["links"], state["lengths"], self._recipe)
            shape = (len(population), int(state["size"]))
        else:
            population = _frozen(np.array(state["population"], self.network.dtype))
            shape = population.shape
        deviations = np.array(state["deviations"], np.float64)
        if shape != expected or deviations.shape != expected[:1]:
            raise ValueError(f"expected a population {expected} and its deviations, got {shape} and {deviations.shape}")
        self._generation, self._population, self._deviations = int(state["generation"]), population, deviations
        self._record, self._since = float(state["record"]), int(state["since"])


def _frozen(matrix: NDArray[Any]) -> NDArray[Any]:
    matrix.flags.writeable = False
    return matrix


ENTRY = Entry(
    name="genetic",
    summary="genetic algorithm: selection, elitism, crossover, mutation",
    algorithm=Genetic,
    settings=GeneticSettings,
    presets={
        # The neuroevolution tutorial's job: the best of 64 and 63 mutants of it, an episode of up to 10,000 steps.
        "tutorial": {
            "population": 64,
            "episodes": 15,
            "elites": 1,
            "selection": "truncation",
            "parents": 1 / 64,
            "mutation_std": 0.5,
            "initial_std": 1.0,
            "hidden": (16,),
            "activation": "relu",
            "generations": 5,
            "max_episode_steps": 10_000,
            "early_stop": False,
        },
    },
)

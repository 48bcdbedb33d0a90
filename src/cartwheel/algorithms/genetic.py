"""A genetic algorithm on the weights of a network.

Source: F. Such et al., "Deep Neuroevolution: Genetic Algorithms Are a Competitive Alternative for Training Deep Neural
Networks for Reinforcement Learning", 2017, algorithm 1; tournament selection after A. Eiben and J. Smith, "Introduction
to Evolutionary Computing", 2003, section 5.2.2.

    F_i = mean return of P_i                                     for each of the N candidates
    sort the population by F, descending
    the E best go on as they are                                 (elitism)
    each other place: a parent p, chosen by truncation or tournament;  P_i <- p + sigma * eps,  eps ~ N(0, I)

Deviations: the elites are measured again with everybody else in each generation, on its fresh episodes, so that a lucky
one does not stay; all candidates of a generation meet the same episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best, Entry, Parameters, State, best_of, fitness_of
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import option


@dataclass(frozen=True)
class GeneticSettings:
    """Settings of the genetic algorithm."""

    population: int = option(64, "candidates in a generation (N)", minimum=2, maximum=1_000_000)
    episodes: int = option(5, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    elites: int = option(1, "the best candidates that go on unchanged", minimum=1)
    selection: str = option("truncation", "how parents are chosen", choices=("truncation", "tournament"))
    parents: float = option(0.2, "truncation: the share of the population that has children", above=0.0, maximum=1.0)
    tournament: int = option(3, "tournament: how many candidates compete for each place", minimum=1, maximum=10_000)
    mutation_std: float = option(0.3, "standard deviation of the mutations (sigma)", above=0.0, maximum=1e6)
    initial_std: float = option(
        1.0, "standard deviation of the first weights; biases begin at 0", above=0.0, maximum=1e6
    )

    def __post_init__(self) -> None:
        if self.elites >= self.population:
            raise UsageError(f"--elites: expected less than --population ({self.population}), got {self.elites}")


class Genetic(Algorithm):
    """Truncation or tournament selection, elitism and Gaussian mutation."""

    settings: GeneticSettings

    def __init__(self, settings: GeneticSettings, network: Parameters, seed: int) -> None:
        super().__init__(settings, network, seed)
        rng = generator(seed, Purpose.INITIAL)
        self._population = network.initial(rng, settings.population, settings.initial_std)  # (N, n)
        self._generation = 0

    def ask(self) -> Request:
        """The population, each candidate over `settings.episodes` episodes."""
        parameters = self._population.view()
        parameters.flags.writeable = False
        return Request(parameters=parameters, episodes=self.settings.episodes)

    def best(self, experience: Experience) -> Best:
        """The candidate of the population with the highest mean return."""
        return best_of(self.ask(), experience)

    def tell(self, experience: Experience) -> dict[str, float]:
        """Select, and breed the next generation."""
        fitness = fitness_of(self.ask(), experience)  # F (N,)
        order = np.argsort(-fitness, kind="stable")
        self._population = self._offspring(order)
        self._generation += 1
        return {
            "return_best": float(fitness[order[0]]),
            "return_mean": float(fitness.mean()),
            "return_worst": float(fitness[order[-1]]),
            "length_mean": float(experience.lengths.mean()),
        }

    def _offspring(self, order: NDArray[np.intp]) -> NDArray[np.float32]:
        """The next population `(N, n)`: the elites, then mutants of chosen parents."""
        settings = self.settings
        rng = generator(self.seed, Purpose.VARIATION, self._generation)
        places = settings.population - settings.elites
        if settings.selection == "truncation":
            ranks = truncation(rng, places, settings.population, settings.parents)
        else:
            ranks = tournament(rng, places, settings.population, settings.tournament)
        parents = self._population[order[ranks]]  # (N - E, n)
        noise = rng.standard_normal(parents.shape, np.float32)  # eps ~ N(0, I)
        children = parents + np.float32(settings.mutation_std) * noise
        return np.concatenate([self._population[order[: settings.elites]], children])

    def state(self) -> State:
        """The generation's number, and the population to be measured next."""
        return {"generation": self._generation, "population": self._population.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        population = np.array(state["population"], np.float32)
        if population.shape != self._population.shape:
            raise ValueError(f"expected a population of shape {self._population.shape}, got {population.shape}")
        self._generation, self._population = int(state["generation"]), population


def truncation(rng: np.random.Generator, places: int, population: int, share: float) -> NDArray[np.intp]:
    """Ranks `(places,)` of parents, 0 the best: each among the best `share` of the population, with equal chance."""
    return rng.integers(max(1, round(share * population)), size=places)


def tournament(rng: np.random.Generator, places: int, population: int, size: int) -> NDArray[np.intp]:
    """Ranks `(places,)` of parents, each the best of `size` candidates drawn with replacement."""
    ranks: NDArray[np.intp] = rng.integers(population, size=(places, size)).min(axis=1)
    return ranks


ENTRY = Entry(
    name="genetic",
    summary="genetic algorithm: selection, elitism, Gaussian mutation",
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

"""NEAT, neuroevolution of augmenting topologies.

Source: K. Stanley and R. Miikkulainen, "Evolving Neural Networks through Augmenting Topologies", Evolutionary
Computation 10(2), 2002; in doubt the authors' C++ program.

    genomes without hidden nodes, all inputs linked to all outputs
    each generation:
      f_i = mean return of genome i
      f'_i = f_i / size of i's species                                           (fitness sharing, section 3.3)
      a species has children in proportion to the sum of its f'; none if its best has not risen for 15 generations
      its champion goes on as it is, if it has more than 5 members; of the others the best fifth have children:
        three quarters by crossover, matching genes at random, the rest from the fitter parent;  all mutated:
        weights perturbed or replaced,  a link split by a node,  a link added     (innovation numbers: `innovations.py`)
      a genome belongs to the first species of which a random member of the last generation is near (`species.py`)

Deviations: fitness counts from the generation's worst on, since returns may be negative. Innovation numbers are kept
for the whole run, not for one generation. The champion of all always goes on, and its species is never stagnant. At
equal fitness the smaller genome gives the structure (as in the C++ program), not both at random. Nodes have biases, in
place of an input that is always 1. Outputs are sums, without the sigmoid, as of all networks here: an action is the
largest output or a squashed one, where the sigmoid would make equals of all that is large. The threshold of species may
move so that there are about as many as wanted (as in the C++ program).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

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
from cartwheel.algorithms.neat.genomes import Genomes, check, compiled, minimal
from cartwheel.algorithms.neat.innovations import Innovations, Integers
from cartwheel.algorithms.neat.settings import NeatSettings
from cartwheel.algorithms.neat.species import Measure, Numbers, offspring, shares, speciate
from cartwheel.algorithms.neat.variation import crossed, mutate_structure, mutate_weights
from cartwheel.algorithms.strategy import finite
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.specification import Graph
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import flag

# The threshold of species moves by so much in a generation, and not below that.
_MOVE = 0.3


@dataclass(frozen=True)
class Species:
    """The species of a generation: which one each genome is of `(P,)`; their best returns so far, and since when."""

    of: Integers
    best: Numbers  # (S,)
    since: Integers  # (S,), generations


class Neat(Algorithm):
    """Genomes in species; the request's candidates are the networks that they tell."""

    settings: NeatSettings
    network: GraphNetwork

    def __init__(self, settings: NeatSettings, network: Parameters, seed: int) -> None:
        super().__init__(settings, network, seed)
        if not isinstance(network, GraphNetwork):
            raise UsageError("neat evolves networks of any shape, not vectors; take another algorithm")
        self._measure = Measure(settings.excess, settings.disjoint, settings.difference)
        self._innovations = Innovations(network.inputs, network.outputs)
        self._generation, self._threshold = 0, settings.threshold
        rng = generator(seed, Purpose.INITIAL)
        first = minimal(network, settings.population, settings.initial_std, rng)
        of = speciate(first, first[:0], self._measure, self._threshold)
        self._enter(first, Species(of, np.full(of.max() + 1, -np.inf), np.zeros(of.max() + 1, np.int64)))

    def _enter(self, genomes: Genomes, species: Species) -> None:
        self._genomes, self._species = genomes, species
        parameters = compiled(genomes, self._innovations, self.network)
        parameters.flags.writeable = False
        self._request = Request(parameters=parameters, episodes=self.settings.episodes)

    def ask(self) -> Request:
        """The networks, each over `settings.episodes` episodes."""
        return self._request

    def best(self, experience: Experience) -> Best:
        """The network with the highest mean return."""
        return best_of(self._request, experience)

    def finalists(self, experience: Experience, count: int) -> list[Best]:
        """The networks with the highest mean returns."""
        return leaders_of(self._request, experience, count)

    def tell(self, experience: Experience) -> dict[str, float]:
        """Judge the species, and breed and sort the next generation."""
        told = fitness_of(self._request, experience)
        figures = {
            "return_best": float(told.max()),
            "return_mean": float(mean_of(told)),
            "return_worst": float(told.min()),
            "length_mean": float(experience.lengths.mean()),
            "species": float(len(self._species.best)),
            "nodes_mean": float(self._genomes.hidden.mean()),
            "links_mean": float(self._genomes.enabled.sum(axis=1).mean()),
        }
        self._generation += 1
        rng = generator(self.seed, Purpose.VARIATION, self._generation)
        self._succeed(told, rng)
        return figures

    def _succeed(self, told: Numbers, rng: np.random.Generator) -> None:
        """The next generation, after these returns, some of which may be infinite."""
        fitness = finite(told)
        best, since = self._records(np.where(np.isneginf(told), told, fitness))  # what has failed sets no record
        counts = self._counts(fitness, since)
        living = np.flatnonzero(counts)
        members = [np.flatnonzero(self._species.of == one) for one in living]
        representatives = self._genomes[np.array([rng.choice(group) for group in members])]
        children = self._children(fitness, members, counts[living], rng)
        of = speciate(children, representatives, self._measure, self._threshold)
        self._enter(children, self._settled(of, best[living], since[living]))

    def _records(self, fitness: Numbers) -> tuple[Numbers, Integers]:
        """The best return of each species so far `(S,)`, and for how many generations it has been."""
        best = np.full(len(self._species.best), -np.inf)
        np.maximum.at(best, self._species.of, fitness)
        risen = best > self._species.best
        return np.where(risen, best, self._species.best), np.where(risen, 0, self._species.since + 1)

    def _counts(self, fitness: Numbers, since: Integers) -> Integers:
        """How many children each species has `(S,)`: none if it is stagnant, and has not the best genome."""
        alive = since < self.settings.stagnation
        alive[self._species.of[fitness.argmax()]] = True
        earned = shares(fitness, self._species.of, len(since))
        counts = np.zeros(len(since), np.int64)
        counts[alive] = offspring(earned[alive], self.settings.population)
        return counts

    def _children(
        self, fitness: Numbers, members: list[Integers], counts: Integers, rng: np.random.Generator
    ) -> Genomes:
        """The champions that go on as they are, then the children of each species."""
        s = self.settings
        ranked = [group[np.argsort(-fitness[group], kind="stable")] for group in members]
        kept = [len(group) > s.champions_above or group[0] == fitness.argmax() for group in ranked]
        pools = [group[: int(np.ceil(s.survival * len(group)))] for group in ranked]
        everybody = np.concatenate(pools)
        first, second = [], []
        for pool, count in zip(pools, counts - kept, strict=True):
            first.append(rng.choice(pool, count))
            foreign = rng.random(count) < s.interspecies
            second.append(np.where(foreign, rng.choice(everybody, count), rng.choice(pool, count)))
        mothers, fathers = np.concatenate(first), np.concatenate(second)
        children = self._genomes[mothers]
        two = np.flatnonzero(rng.random(len(mothers)) < s.crossover_probability)
        mixed = crossed(self._genomes, fitness, mothers[two], fathers[two], s.stay_disabled, rng)
        for field in fields(Genomes):
            getattr(children, field.name)[two] = getattr(mixed, field.name)
        mutate_weights(children, s, rng)
        mutate_structure(children, s, self._innovations, self.network, rng)
        champions = [group[0] for group, own in zip(ranked, kept, strict=True) if own]
        return Genomes.joined([self._genomes[np.array(champions, np.int64)], children])

    def _settled(self, of: Integers, best: Numbers, since: Integers) -> Species:
        """The species without those that nobody is of, and the threshold moved if their number is to be another."""
        numbers, of = np.unique(of, return_inverse=True)
        new = max(0, int(numbers[-1]) + 1 - len(best))
        best, since = np.append(best, np.full(new, -np.inf)), np.append(since, np.zeros(new, np.int64))
        if self.settings.species:
            move = _MOVE * np.sign(len(numbers) - self.settings.species)
            self._threshold = max(_MOVE, self._threshold + float(move))
        return Species(of, best[numbers], since[numbers])

    def state(self) -> State:
        """The genomes, the species and the innovations."""
        genomes = {field.name: getattr(self._genomes, field.name).copy() for field in fields(Genomes)}
        species = {f"species_{field.name}": getattr(self._species, field.name).copy() for field in fields(Species)}
        numbers = {"generation": self._generation, "threshold": self._threshold}
        return {**numbers, **genomes, **species, **self._innovations.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; ValueError where it does not fit, and all stays as it is."""
        values = {}
        for field in fields(Genomes):
            own, came = getattr(self._genomes, field.name), np.array(state[field.name])
            if came.shape != own.shape:
                raise ValueError(f"expected {field.name} of shape {own.shape}, got {came.shape}")
            values[field.name] = came.astype(own.dtype)
        genomes, innovations, species = Genomes(**values), self._innovations.restored(state), _species_in(state)
        check(genomes, innovations)
        if species.of.shape != (len(genomes),):
            raise ValueError(f"expected species_of of shape {(len(genomes),)}, got {species.of.shape}")
        self._generation, self._threshold = int(state["generation"]), float(state["threshold"])
        self._innovations = innovations
        self._enter(genomes, species)


def _species_in(state: Mapping[str, Any]) -> Species:
    """The species of a state; ValueError where its arrays don't belong together."""
    of = np.array(state["species_of"])
    best, since = np.array(state["species_best"], np.float64), np.array(state["species_since"], np.int64)
    if of.dtype.kind not in "iu" or not np.array_equal(np.unique(of), np.arange(of.max(initial=-1) + 1)):
        raise ValueError("expected species_of numbered from 0 on, each with members, got others")
    for name, values in (("species_best", best), ("species_since", since)):
        if values.shape != (of.max(initial=-1) + 1,):
            raise ValueError(f"expected {name} for {of.max(initial=-1) + 1} species, got shape {values.shape}")
    return Species(of.astype(np.int64), best, since)


def _specify(general: Any, own: NeatSettings) -> Graph:
    """NEAT grows its networks: what the general settings say of layers can't be had with it."""
    for field in fields(general):
        if field.name in ("hidden", "memory", "frames", "activation") and getattr(general, field.name) != field.default:
            raise UsageError(
                f"{flag(field.name)}: neat grows its networks; see --max-nodes, --recurrent and --node-activation"
            )
    return own.specification()


ENTRY = Entry(
    name="neat",
    summary="NEAT: networks whose shape evolves with their weights",
    algorithm=Neat,
    settings=NeatSettings,
    presets={},
    specify=_specify,
)

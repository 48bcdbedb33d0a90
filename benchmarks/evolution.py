"""The tutorial's job, by its own loop and by Cartwheel's two paths: the same evolution to the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks import tutorial
from benchmarks.records import Comparison, Contestant, Setting, benchmark, timed
from cartwheel.algorithms.genetic import ENTRY, Genetic, GeneticSettings
from cartwheel.envs.environment import Environment, find_environment
from cartwheel.errors import CartwheelError
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import GeneralRollout, make_rollout
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import MLP
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.settings import resolve

Measure: TypeAlias = Callable[[Request, NDArray[np.int64]], Experience]

_PRESET = ENTRY.presets["tutorial"]
_PORT, _NATIVE, _GENERAL = "the tutorial's port", "native", "general"
_BARE = "Gymnasium's step alone"


@dataclass(frozen=True)
class Generation:
    """What was measured, `parameters (P, n)` over the episodes `seeds (E,)`, and what came of it."""

    parameters: NDArray[np.float32]
    seeds: NDArray[np.int64]
    experience: Experience


@dataclass(frozen=True)
class Job:
    """The preset `tutorial`, if need be with another population, or fewer generations."""

    population: int = _PRESET["population"]
    generations: int = _PRESET["generations"]
    seed: int = 0

    @cached_property
    def environment(self) -> Environment:
        """CartPole-v1 with the tutorial's limit."""
        return find_environment("CartPole-v1", max_episode_steps=_PRESET["max_episode_steps"])

    @property
    def specification(self) -> MLP:
        """The tutorial's network."""
        return MLP(_PRESET["hidden"], _PRESET["activation"])

    def algorithm(self, network: Network) -> Genetic:
        """The tutorial's algorithm, before its first generation."""
        names = {field.name for field in fields(GeneticSettings)}
        preset = {name: value for name, value in _PRESET.items() if name in names}
        return Genetic(resolve(GeneticSettings, {"population": self.population}, preset), network, self.seed)

    def walk(self, network: Network, measure: Measure) -> Iterator[Generation]:
        """The evolution, each generation when it has been measured and told: mutation is part of it."""
        algorithm = self.algorithm(network)
        for number in range(self.generations):
            request = algorithm.ask()
            seeds = episode_seeds(self.seed, Purpose.TRAINING, number, count=request.episodes)
            experience = measure(request, seeds)
            algorithm.tell(experience)
            yield Generation(np.asarray(request.parameters), seeds, experience)

    def steps(self, network: Network, measure: Measure) -> float:
        """Does the job; the environment steps that it took."""
        return float(sum(generation.experience.steps for generation in self.walk(network, measure)))


@benchmark(
    "evolution",
    "The tutorial's job (`--preset tutorial --seed 0`: 64 networks 4-16-2, 15 episodes of CartPole-v1 of 10,000 steps "
    "at most, 5 generations) on one core. Its own loop, as ported in `benchmarks/tutorial.py`, is given the same "
    "networks and episodes, so that all take the same steps; Cartwheel's figures include drawing the mutants. "
    "Compilation is left out. Useful steps are those of episodes that were still running. Gymnasium's step alone, "
    "without wrappers and without a policy, is what the general path could reach at most.",
    (
        Comparison("native over the port", "per CPU second", "ratio", _NATIVE, _PORT, at_least=200),
        Comparison("general over the port", "per CPU second", "ratio", _GENERAL, _PORT, at_least=2.2),
        Comparison("Gymnasium's step alone over the port", "per CPU second", "ratio", _BARE, _PORT),
    ),
    unit="useful steps",
    rate="per CPU second",
)
def evolution(setting: Setting) -> Iterator[Contestant]:
    """The port, the native path and the general path; under `quick` a sixteenth of the job."""
    job = Job(population=16, generations=2) if setting.quick else Job()
    native, _ = make_rollout(job.environment, job.specification)
    general = GeneralRollout(job.environment, job.specification)
    history = list(job.walk(native.network, native))  # compiles the native path
    first = Request(parameters=history[0].parameters[:1], episodes=1)
    general(first, history[0].seeds[:1])  # compiles the general path
    wanted = sum(generation.experience.steps for generation in history)
    contestants: tuple[tuple[str, Callable[[], float]], ...] = (
        (_PORT, partial(port_steps, history, native.network, job.environment.limit)),
        (_NATIVE, partial(job.steps, native.network, native)),
        (_GENERAL, partial(job.steps, general.network, general)),
    )
    for name, steps in contestants:
        yield Contestant(name, partial(timed, partial(checked, name, steps, wanted)))
    yield Contestant(_BARE, partial(timed, partial(bare_steps, job.environment, wanted // 4)))


def port_steps(history: list[Generation], network: Network, limit: int) -> float:
    """The port's walk through the same generations: the steps it took."""
    populations = [as_networks(generation.parameters, network) for generation in history]
    returns = tutorial.evolve(
        populations[0],
        [generation.seeds.tolist() for generation in history],
        successors=lambda best, generation: populations[generation],
        limit=limit,
    )
    return float(sum(generation.sum() for generation in returns))


def bare_steps(environment: Environment, count: int) -> float:
    """Steps the environment `count` times, pushing left and right by turns: no policy, no wrapper, no check."""
    made = environment.make()
    actions = (np.int64(0), np.int64(1))
    made.reset(seed=0)
    for number in range(count):
        _, _, terminated, _, _ = made.step(actions[number & 1])
        if terminated:
            made.reset()
    made.close()
    return float(count)


def as_networks(parameters: NDArray[np.float32], network: Network) -> list[tutorial.NeuralNetwork]:
    """Candidates `(P, n)` in the tutorial's form: matrices of float64, as its own draws are."""
    networks = []
    for theta in parameters.astype(np.float64):
        arrays = network.layout.unpack(theta)
        weights = [array for name, array in arrays.items() if name.startswith("W")]
        biases = [array for name, array in arrays.items() if name.startswith("b")]
        networks.append(tutorial.NeuralNetwork(weights, biases))
    return networks


def checked(name: str, job: Callable[[], float], wanted: int) -> float:
    """Does the job; CartwheelError if it took other steps than the others did: its speed would compare nothing.

    The port multiplies in another order and precision; where two outputs are equal but for that, it may go another way.
    """
    steps = job()
    tolerance = 0.01 * wanted if name == _PORT else 0
    if abs(steps - wanted) > tolerance:
        raise CartwheelError(f"{name} took {steps:,.0f} steps where {wanted:,} were expected: not the same evolution")
    return steps

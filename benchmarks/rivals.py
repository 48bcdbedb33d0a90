"""The tutorial's job by other programs that evolve networks, for the benchmark `evolution-peers`.

Each evolves its own way: networks of the same size, as many candidates, episodes and generations, the best kept and
mutated by the same deviation. All episodes are CartPole's of at most 500 steps. A job is a function of a seed and gives
the steps of episodes that were still running, `play` one turn of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium
import numpy as np

from benchmarks.neat import _configured, _settings
from benchmarks.peers import peer
from benchmarks.records import UnavailableError
from benchmarks.tutorial import NeuralNetwork
from cartwheel.errors import UsageError

ENVIRONMENT, LIMIT, INPUTS, CHOICES = "CartPole-v1", 500, 4, 2


@dataclass(frozen=True)
class Task:
    """The job's size: hidden units, and what the preset `tutorial` says of the rest."""

    hidden: tuple[int, ...]
    population: int
    episodes: int
    generations: int
    deviation: float

    @property
    def units(self) -> tuple[int, ...]:
        """The unit counts of all layers."""
        return (INPUTS, *self.hidden, CHOICES)


#: A seed's job: its steps.
Job: TypeAlias = Callable[[int], float]


def optional(name: str) -> Any:
    """A peer's package. UnavailableError where it is not installed."""
    try:
        return peer(name)
    except UsageError:
        raise UnavailableError("not installed") from None


# --- EvoTorch --------------------------------------------------------------------------------------------------------


def evotorch(task: Task, actors: int) -> Job:
    """EvoTorch's genetic algorithm on its GymNE, in this process or by so many of its actors."""
    optional("evotorch")
    algorithms, operators = optional("evotorch.algorithms"), optional("evotorch.operators")
    problems, torch = optional("evotorch.neuroevolution"), optional("torch")
    torch.set_num_threads(1)
    ray = optional("ray")
    if actors and not ray.is_initialized():  # EvoTorch itself would join whatever cluster it finds on this machine
        own = {"address": "local", "num_cpus": actors, "include_dashboard": False}
        ray.init(**own, log_to_driver=False, logging_level="CRITICAL")
    logging.getLogger("evotorch").setLevel(logging.WARNING)
    layers = [f"Linear({inputs}, {outputs})" for inputs, outputs in pairwise(task.units)]
    problem = problems.GymNE(
        ENVIRONMENT,
        " >> ReLU() >> ".join(layers),
        num_episodes=task.episodes,
        num_actors=actors,
        initial_bounds=(-1.7, 1.7),  # a deviation of 1
    )
    problem.evaluate(problem.generate_batch(2))  # begins the actors

    def job(seed: int) -> float:
        torch.manual_seed(seed)
        before = problem.status.get("total_interaction_count", 0)
        mutation = operators.GaussianMutation(problem, stdev=task.deviation)
        searcher = algorithms.GeneticAlgorithm(
            problem, operators=[mutation], popsize=task.population, re_evaluate=False
        )
        searcher.run(task.generations - 1)  # the first step measures two populations
        return float(problem.status["total_interaction_count"] - before)

    return job


# --- PyGAD -----------------------------------------------------------------------------------------------------------


def pygad(task: Task) -> Job:
    """PyGAD's genetic algorithm with a fitness that steps Gymnasium's environment, its networks in NumPy."""
    package = optional("pygad")
    sizes = [(inputs * outputs, outputs) for inputs, outputs in pairwise(task.units)]
    ends = np.cumsum([count for pair in sizes for count in pair])
    environment = gymnasium.make(ENVIRONMENT)

    def network(genes: Any) -> NeuralNetwork:
        arrays = np.split(genes, ends[:-1])
        weights = [array.reshape(pair) for array, pair in zip(arrays[::2], pairwise(task.units), strict=True)]
        return NeuralNetwork(weights, arrays[1::2])

    def job(seed: int) -> float:
        steps = 0

        def fitness(algorithm: Any, genes: Any, place: int) -> float:
            nonlocal steps
            policy = network(genes)
            lengths = [episode(environment, policy.predict, 1000 * seed + k) for k in range(task.episodes)]
            steps += sum(lengths)
            return sum(lengths) / task.episodes

        package.GA(
            num_generations=task.generations - 1,
            sol_per_pop=task.population,
            num_parents_mating=1,
            num_genes=int(ends[-1]),
            init_range_low=-1.7,
            init_range_high=1.7,  # a deviation of 1
            fitness_func=fitness,
            keep_elitism=1,
            crossover_type=None,
            mutation_type="random",
            mutation_probability=1.0,
            random_mutation_min_val=-1.7 * task.deviation,
            random_mutation_max_val=1.7 * task.deviation,
            random_seed=seed,
            suppress_warnings=True,
        ).run()
        return float(steps)

    return job


def episode(environment: Any, predict: Callable[[Any], Any], seed: int) -> int:
    """One episode's steps with the action of the largest output."""
    seen, _ = environment.reset(seed=seed)
    steps, over = 0, False
    while not over:
        seen, _, terminated, truncated, _ = environment.step(int(np.argmax(predict(seen))))
        steps, over = steps + 1, terminated or truncated
    return steps


# --- neat-python -----------------------------------------------------------------------------------------------------


def neat_python(task: Task, folder: Path) -> Job:
    """neat-python's own loop on networks whose shape stays. UnavailableError for more than one hidden layer."""
    neat = optional("neat")
    if len(task.hidden) > 1:
        raise UnavailableError("it makes no layers")
    settings = _configured(_settings(folder, INPUTS, CHOICES))
    settings.pop_size = task.population
    settings.species_set_config.compatibility_threshold = 1e9  # the shape is the same for all
    genome = settings.genome_config
    genome.num_hidden, genome.initial_connection = task.hidden[0], "full_nodirect"
    genome.activation_default, genome.activation_options = "relu", ["relu"]
    for change in ("conn_add_prob", "conn_delete_prob", "node_add_prob", "node_delete_prob"):
        setattr(genome, change, 0.0)
    environment = gymnasium.make(ENVIRONMENT)

    def job(seed: int) -> float:
        steps, generation = 0, 0

        def measure(genomes: Any, config: Any) -> None:
            nonlocal steps, generation
            generation += 1
            for _, genome in genomes:
                network = neat.nn.FeedForwardNetwork.create(genome, config)
                firsts = range(1000 * generation, 1000 * generation + task.episodes)
                lengths = [episode(environment, network.activate, first) for first in firsts]
                genome.fitness = sum(lengths) / task.episodes
                steps += sum(lengths)

        neat.Population(settings, seed=seed).run(measure, task.generations)
        return float(steps)

    return job

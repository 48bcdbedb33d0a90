"""NEAT beside neat-python: networks that learn XOR, and steps of CartPole in a second."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from benchmarks.peers import peer
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.algorithms.neat import Neat, NeatSettings
from cartwheel.envs.environment import find_environment
from cartwheel.experience.records import Experience
from cartwheel.experience.rollouts import Rollout, make_rollout
from cartwheel.seeds import Purpose, episode_seeds

_OURS, _THEIRS = "Cartwheel", "neat-python"
_XOR = "seeds of 20 that learn XOR"
_POLE = "steps of CartPole"
_POPULATION, _SEEDS, _GENERATIONS = 150, 20, 100
_EPISODES, _POLE_GENERATIONS = 5, 10
_SEEN = 30_000  # steps a second of neat-python, where it was first measured
_ENVIRONMENT = "CartPole-v1"

_INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
_ANSWERS = np.array([0.0, 1.0, 1.0, 0.0])


@benchmark(
    "neat",
    f"Networks of any shape, {_POPULATION} in a generation. XOR: how many of {_SEEDS} seeds have a network with each "
    f"answer on its side of 0.5 within {_GENERATIONS} generations, other seeds in each turn; fitness is 4 less the "
    f"squared errors. {_ENVIRONMENT}: {_POLE_GENERATIONS} generations of {_EPISODES} episodes of up to 500 steps each, "
    "evolution included, compilation left out; 100 times neat-python is wanted, here and where it was first measured "
    f"({_SEEN:,} a second). neat-python at the settings of its own XOR example, stepping "
    "Gymnasium's environment; each evolves its own networks, so that the steps differ.",
    (
        Comparison(f"{_XOR}: {_OURS}", "work", "value", f"{_XOR}: {_OURS}", at_least=19),
        Comparison(f"{_XOR}: {_OURS} - {_THEIRS}", "work", "difference", f"{_XOR}: {_OURS}", f"{_XOR}: {_THEIRS}"),
        Comparison(
            f"{_POLE}: {_OURS} / {_THEIRS}",
            "per CPU second",
            "ratio",
            f"{_POLE}: {_OURS}",
            f"{_POLE}: {_THEIRS}",
            at_least=100,
        ),
        Comparison(f"{_POLE}: {_OURS}", "per CPU second", "value", f"{_POLE}: {_OURS}", at_least=100 * _SEEN),
    ),
    unit="(see the name)",
    rate="per CPU second",
)
def neat_benchmark(setting: Setting) -> Iterator[Contestant]:
    """XOR and CartPole by both programs; under `quick` three seeds and a generation."""
    peer("neat")
    seeds, generations = (3, 1) if setting.quick else (_SEEDS, _POLE_GENERATIONS)
    rollout, _ = make_rollout(find_environment(_ENVIRONMENT), NeatSettings().specification())
    poles(rollout, 0, 1)  # compiles
    jobs: dict[str, Callable[[int], float]] = {
        f"{_XOR}: {_OURS}": partial(_solved, xor, seeds),
        f"{_XOR}: {_THEIRS}": partial(_solved, partial(their_xor, _settings(setting.folder, 2, 1)), seeds),
        f"{_POLE}: {_OURS}": lambda turn: poles(rollout, turn, generations),
        f"{_POLE}: {_THEIRS}": partial(their_poles, _settings(setting.folder, 4, 2), generations),
    }
    for name, job in jobs.items():
        yield Contestant(name, partial(_turn, job, count()))


def _turn(job: Callable[[int], float], turns: Iterator[int]) -> Sample:
    """A turn of a job, which is told which one it is."""
    return timed(partial(job, next(turns)))


def _solved(solve: Callable[[int], bool], seeds: int, turn: int) -> float:
    """How many of a turn's seeds are solved."""
    return float(sum(solve(seed) for seed in range(seeds * turn, seeds * (turn + 1))))


# --- ours ------------------------------------------------------------------------------------------------------------


def xor(seed: int) -> bool:
    """Whether a network learns XOR in time."""
    settings = NeatSettings(population=_POPULATION, episodes=1)
    algorithm = Neat(settings, settings.specification().build(2, 1), seed)
    for _ in range(_GENERATIONS):
        found = [algorithm.network.advance(theta, _INPUTS, np.zeros((4, 0)))[0] for theta in algorithm.ask().parameters]
        answers = 1 / (1 + np.exp(-4.9 * np.array(found, np.float64)[..., 0].clip(-20, 20)))  # (P, 4)
        if ((answers > 0.5) == (_ANSWERS > 0.5)).all(axis=1).any():
            return True
        fitness = 4 - ((answers - _ANSWERS) ** 2).sum(axis=1)
        algorithm.tell(Experience(returns=fitness[:, None], lengths=np.ones((len(fitness), 1), np.int64)))
    return False


def poles(rollout: Rollout, seed: int, generations: int) -> float:
    """The steps that so many generations took."""
    settings = NeatSettings(population=_POPULATION, episodes=_EPISODES)
    algorithm, steps = Neat(settings, rollout.network, seed), 0
    for generation in range(generations):
        experience = rollout(algorithm.ask(), episode_seeds(seed, Purpose.TRAINING, generation, count=_EPISODES))
        steps += experience.steps
        algorithm.tell(experience)
    return float(steps)


# --- theirs ----------------------------------------------------------------------------------------------------------


def their_xor(settings: Path, seed: int) -> bool:
    """The same by neat-python."""
    neat, config = peer("neat"), _configured(settings)
    solved = False

    def measure(genomes: Any, config: Any) -> None:
        nonlocal solved
        for _, genome in genomes:
            network = neat.nn.FeedForwardNetwork.create(genome, config)
            answers = np.array([network.activate(row)[0] for row in _INPUTS.tolist()])
            genome.fitness = 4 - float(((answers - _ANSWERS) ** 2).sum())
            solved |= bool(((answers > 0.5) == (_ANSWERS > 0.5)).all())
        if solved:
            raise StopIteration

    with suppress(StopIteration):
        neat.Population(config, seed=seed).run(measure, _GENERATIONS)
    return solved


def their_poles(settings: Path, generations: int, seed: int) -> float:
    """The steps that neat-python's own loop took: network by network, episode by episode."""
    neat, config = peer("neat"), _configured(settings)
    environment, steps = gymnasium.make(_ENVIRONMENT), 0

    def measure(genomes: Any, config: Any) -> None:
        nonlocal steps
        episodes = [random.randrange(1 << 31) for _ in range(_EPISODES)]
        for _, genome in genomes:
            network, total = neat.nn.FeedForwardNetwork.create(genome, config), 0
            for episode in episodes:
                seen, _ = environment.reset(seed=episode)
                over = False
                while not over:
                    outputs = network.activate(seen)
                    seen, _, terminated, truncated, _ = environment.step(0 if outputs[0] >= outputs[1] else 1)
                    total, over = total + 1, terminated or truncated
            genome.fitness, steps = total / _EPISODES, steps + total

    neat.Population(config, seed=seed).run(measure, generations)
    environment.close()
    return float(steps)


def _configured(settings: Path) -> Any:
    neat = peer("neat")
    kinds = (neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation)
    return neat.Config(*kinds, str(settings))


# What neat-python's example of XOR says, as sections of a file; `_settings` adds what follows from the network.
_SECTIONS = {
    "NEAT": f"fitness_criterion=max fitness_threshold=1e9 no_fitness_termination=False pop_size={_POPULATION} "
    "reset_on_extinction=False",
    "DefaultSpeciesSet": "compatibility_threshold=3.0",
    "DefaultStagnation": "species_fitness_func=max max_stagnation=20 species_elitism=2",
    "DefaultReproduction": "elitism=2 survival_threshold=0.2 min_species_size=2",
    "DefaultGenome": "num_hidden=0 feed_forward=True initial_connection=full "
    "compatibility_disjoint_coefficient=1.0 compatibility_weight_coefficient=0.5 "
    "conn_add_prob=0.5 conn_delete_prob=0.5 node_add_prob=0.2 node_delete_prob=0.2 "
    "single_structural_mutation=False structural_mutation_surer=default "
    "enabled_default=True enabled_mutate_rate=0.01 enabled_rate_to_true_add=0.0 enabled_rate_to_false_add=0.0 "
    "activation_default=sigmoid activation_options=sigmoid activation_mutate_rate=0.0 "
    "aggregation_default=sum aggregation_options=sum aggregation_mutate_rate=0.0",
}
# The mean and deviation of first numbers, how far they are moved, and how often they are moved and replaced.
_NUMBERS = {
    "bias": (0.0, 1.0, 0.5, 0.7, 0.1),
    "weight": (0.0, 1.0, 0.5, 0.8, 0.1),
    "response": (1.0, 0.0, 0.0, 0.0, 0.0),
}
_PARTS = ("init_mean", "init_stdev", "mutate_power", "mutate_rate", "replace_rate")


def _settings(folder: Path, inputs: int, outputs: int) -> Path:
    """A file for neat-python, for so many inputs and outputs."""
    own = [f"num_inputs={inputs}", f"num_outputs={outputs}"]
    for name, values in _NUMBERS.items():
        own += [f"{name}_{part}={value}" for part, value in zip(_PARTS, values, strict=True)]
        own += [f"{name}_init_type=gaussian", f"{name}_max_value=30.0", f"{name}_min_value=-30.0"]
    lines = []
    for name, words in _SECTIONS.items():
        lines += [f"[{name}]", *words.split(), *(own if name == "DefaultGenome" else [])]
    file = folder / f"neat-{inputs}-{outputs}.ini"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file

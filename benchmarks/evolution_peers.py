"""The tutorial's job by Cartwheel, by peers, and by a loop that is made for nothing else, side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import rivals
from benchmarks.evolution import Generation, Job, port_steps
from benchmarks.evosax_peer import Evosax
from benchmarks.fused import fused, fused_steps
from benchmarks.records import Comparison, Contestant, Sample, Setting, UnavailableError, benchmark, timed
from benchmarks.rivals import LIMIT, Task
from cartwheel.algorithms.genetic import ENTRY
from cartwheel.envs.environment import Environment, find_environment
from cartwheel.experience.parts import Workers
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import Rollout, make_rollout
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import MLP
from cartwheel.training.executors import make_executor

_NETWORKS = ((16,), (64, 64))
_PRESET = ENTRY.presets["tutorial"]

_ONE, _TWO = "Cartwheel, one thread", "Cartwheel, two threads"
_WARM, _COLD = "Cartwheel, a new process", "Cartwheel, a new process, empty cache"
_FUSED, _LOOSE = "a loop for this job alone", "the same with fastmath"
_PORT = "the tutorial's port"
_CORES = {1: "one core", 2: "two cores"}


def _name(hidden: tuple[int, ...], who: str) -> str:
    return f"4-{'-'.join(map(str, hidden))}-2: {who}"


def _evosax(cores: int, documented: bool = False, compiled: bool = True) -> str:
    """What a form of evosax is called."""
    parts = ("evosax", _CORES[cores], "GymnaxProblem" if documented else "", "" if compiled else "compilation in")
    return ", ".join(part for part in parts if part)


def _comparisons() -> Iterator[Comparison]:
    """What is wanted, and what of the machine's limit is reached."""
    for hidden in _NETWORKS:
        name = partial(_name, hidden)
        for documented in (False, True):
            peer = _evosax(1, documented)
            yield _over(hidden, _ONE, peer, "per CPU second", 1)
            yield _over(hidden, _TWO, peer, "per wall second", 2)
        yield _over(hidden, _TWO, _evosax(2), "per wall second")
        yield _over(hidden, _TWO, _evosax(2, documented=True), "per wall second")
        yield _over(hidden, _WARM, _evosax(1, compiled=False), "per wall second", 5)
        yield _over(hidden, _WARM, _evosax(2, compiled=False), "per wall second", 5)
        yield _over(hidden, _ONE, _PORT, "per CPU second")
        yield _over(hidden, _ONE, _FUSED, "per CPU second")
        yield Comparison(f"{name(_COLD)}: seconds", "wall seconds", "value", name(_COLD))


def _over(hidden: tuple[int, ...], first: str, second: str, figure: Any, at_least: float | None = None) -> Comparison:
    return Comparison(
        f"{_name(hidden, first)} / {second}", figure, "ratio", _name(hidden, first), _name(hidden, second), at_least
    )


@dataclass(frozen=True)
class Capped(Job):
    """The tutorial's job with episodes of gymnax's length, and other networks."""

    hidden: tuple[int, ...] = (16,)

    @cached_property
    def environment(self) -> Environment:
        """CartPole-v1 with its own limit."""
        return find_environment(rivals.ENVIRONMENT, max_episode_steps=LIMIT)

    @property
    def specification(self) -> MLP:
        """The tutorial's network with other hidden units."""
        return MLP(self.hidden, _PRESET["activation"])

    @property
    def task(self) -> Task:
        """The same for peers."""
        return Task(self.hidden, self.population, _PRESET["episodes"], self.generations, _PRESET["mutation_std"])


@benchmark(
    "evolution-peers",
    "The tutorial's job (64 networks, 15 episodes of CartPole-v1, 5 generations, the best kept and mutated by a "
    f"deviation of 0.5) with episodes of {LIMIT} steps at most, as gymnax's are, for 16 and for 64-64 hidden units. "
    "Steps count that episodes took before they ended. Each program evolves its own networks, drawing them included, "
    "other seeds in each turn; the port and the loop are given Cartwheel's networks and episodes. evosax: its SimpleGA "
    "on gymnax's CartPole, whose physics are float32, the whole evolution one compiled call of JAX; once with its own "
    "GymnaxProblem, which takes all 500 steps of each episode whenever it ends, and once in a loop that ends with the "
    "last episode; in a process that may use one core or two, compilation left out except where the name says "
    "otherwise. With it in, JAX compiles and does one job, and Cartwheel in a new process loads its own modules and "
    "kernels, which were compiled once for this machine and kept, and does one job; what each stands on is loaded "
    "before. With an empty cache Cartwheel compiles them all. EvoTorch (its GymNE, with actors by Ray, whose CPU time "
    "is not counted), PyGAD and neat-python, which step Gymnasium's environment, do two generations; the first two "
    "draw uniform numbers where others draw normal ones. The loop for this job alone is scalar code, compiled "
    "by Numba with the network's sizes as constants and the C library's sine and cosine, and takes the same steps to "
    "the bit; with fastmath it need not.",
    tuple(_comparisons()),
    unit="useful steps",
    rate="per wall second",
)
def evolution_peers(setting: Setting) -> Iterator[Contestant]:
    """All contestants for both networks; under `quick` a sixteenth of the job."""
    for hidden in _NETWORKS:
        job = Capped(population=16, generations=2, hidden=hidden) if setting.quick else Capped(hidden=hidden)
        seeds = 2 if setting.quick else 5
        for who, play in (_ours(job, seeds, setting.folder) | _theirs(job, seeds)).items():
            yield Contestant(_name(hidden, who), partial(_numbered, play, count()))
        yield from _gymnasiums(replace(job, generations=2), setting.folder)


def _numbered(play: Callable[[int], Sample], turns: Iterator[int]) -> Sample:
    """A turn that is told its number."""
    return play(next(turns))


def _several(steps: Callable[[int], float], seeds: int, turn: int) -> Sample:
    """A turn of so many jobs, each with a seed of its own."""
    return timed(lambda: sum(steps(seed) for seed in range(seeds * turn, seeds * (turn + 1))))


# --- Cartwheel, and the loop for this job alone ----------------------------------------------------------------------


def _ours(job: Capped, seeds: int, folder: Path) -> dict[str, Callable[[int], Sample]]:
    """Turns of Cartwheel, the port and the loop, by name; what compiles is compiled."""
    rollout, _ = make_rollout(job.environment, job.specification)
    turns: dict[str, Callable[[int], Sample]] = {}
    for name, threads in ((_ONE, 1), (_TWO, 2)):
        steps = partial(job_steps, job, rollout, make_executor(threads, rollout.path))
        steps(0)
        turns[name] = partial(_several, steps, seeds)
    turns[_WARM] = partial(_new_process, job, None)
    turns[_COLD] = partial(_new_process, job, folder)
    turns[_PORT] = lambda turn: _given(job, rollout, [seeds * turn], partial(_ported, rollout.network))
    for name, fast in ((_FUSED, False), (_LOOSE, True)):
        loop = fused(job.hidden, LIMIT, fast)
        fused_steps(loop, history(job, rollout, 0))
        turns[name] = partial(_fused_turn, job, rollout, loop, seeds)
    return turns


def job_steps(job: Capped, rollout: Rollout, workers: Workers, seed: int) -> float:
    """The steps of the job with a seed, by these workers."""

    def measure(request: Request, seeds: Any) -> Experience:
        return rollout.spread(request, seeds, workers)

    return replace(job, seed=seed).steps(rollout.network, measure)


def history(job: Capped, rollout: Rollout, seed: int) -> list[Generation]:
    """What the job with a seed measures."""
    return list(replace(job, seed=seed).walk(rollout.network, rollout))


def _ported(network: Network, given: list[Generation]) -> float:
    return port_steps(given, network, LIMIT)


def _given(job: Capped, rollout: Rollout, seeds: list[int], steps: Callable[[list[Generation]], float]) -> Sample:
    """A turn on networks and episodes that are made before it begins."""
    histories = [history(job, rollout, seed) for seed in seeds]
    return timed(lambda: sum(steps(given) for given in histories))


def _fused_turn(job: Capped, rollout: Rollout, loop: Any, seeds: int, turn: int) -> Sample:
    own = list(range(seeds * turn, seeds * (turn + 1)))
    return _given(job, rollout, own, partial(fused_steps, loop))


# What Cartwheel stands on is loaded before, as what evosax stands on is; then the library, its kernels, and a job.
_PROCESS = """
import sys, numba, gymnasium, scipy.linalg
from benchmarks.records import timed
def job():
    from benchmarks.evolution_peers import Capped, make_rollout
    population, generations, seed, *hidden = map(int, sys.argv[1:])
    made = Capped(population, generations, seed, tuple(hidden))
    rollout, _ = make_rollout(made.environment, made.specification)
    return made.steps(rollout.network, rollout)
sample = timed(job)
print(sample.cpu, sample.wall, sample.work)
"""


def _new_process(job: Capped, cache: Path | None, turn: int) -> Sample:
    """One job in a new process, which begins with an empty cache if it is given a folder."""
    words = [str(number) for number in (job.population, job.generations, turn, *job.hidden)]
    own = {} if cache is None else {"CARTWHEEL_CACHE_DIR": str(cache / f"{job.hidden}-{turn}")}
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *words],
        env={**os.environ, **own},
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    cpu, wall, work = map(float, done.stdout.split())
    return Sample(cpu, wall, work)


# --- peers -----------------------------------------------------------------------------------------------------------


def _theirs(job: Capped, seeds: int) -> dict[str, Callable[[int], Sample]]:
    """Turns of evosax, by name."""
    turns: dict[str, Callable[[int], Sample]] = {}
    for cores in _CORES:
        for documented in (False, True):
            evosax = Evosax(job.task, cores, documented)
            turns[_evosax(cores, documented)] = partial(_evosax_turn, evosax, seeds, True)
            if not documented:
                turns[_evosax(cores, compiled=False)] = partial(_evosax_turn, evosax, 1, False)
    return turns


def _evosax_turn(evosax: Evosax, seeds: int, compiled: bool, turn: int) -> Sample:
    return evosax.play(range(seeds * turn, seeds * (turn + 1)), compiled)


def _gymnasiums(job: Capped, folder: Path) -> Iterator[Contestant]:
    """Peers that step Gymnasium's environment; those that are not installed have no turns."""
    makers: dict[str, Callable[[], rivals.Job]] = {
        "EvoTorch": partial(rivals.evotorch, job.task, 0),
        "EvoTorch, two actors": partial(rivals.evotorch, job.task, 2),
        "PyGAD": partial(rivals.pygad, job.task),
        "neat-python": partial(rivals.neat_python, job.task, folder),
    }
    for who, make in makers.items():
        name = _name(job.hidden, who)
        try:
            steps = make()
        except UnavailableError as why:
            yield Contestant(f"{name} ({why})", None)
        else:
            yield Contestant(name, partial(_numbered, partial(_several, steps, 1), count()))

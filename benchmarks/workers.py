"""What a second worker brings: two threads of one training against two trainings that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.evolution import Job
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.errors import CartwheelError
from cartwheel.experience.rollouts import Rollout, make_rollout
from cartwheel.storage.run import Run
from cartwheel.training.executors import make_executor
from cartwheel.training.hooks import Budget
from cartwheel.training.trainer import Trainer

_ONE, _TWO, _APART = "1 worker", "2 workers", "2 independent processes"


@benchmark(
    "workers",
    "The tutorial's job with a population of 512, native, by one training with one and with two workers (threads), and "
    "by two processes with one worker each that do the whole job at the same time, each for itself: their rates are "
    "added. Selection and mutation, which one thread does, are counted in; starting and compiling are left out.",
    (
        Comparison("2 workers over 2 processes", "per wall second", "ratio", _TWO, _APART, at_least=0.9),
        Comparison("2 workers over 1", "per wall second", "ratio", _TWO, _ONE),
    ),
    unit="useful steps",
    rate="per wall second",
)
def workers(setting: Setting) -> Iterator[Contestant]:
    """One worker, two, and two processes; under `quick` one generation."""
    job = Job(population=512, generations=1 if setting.quick else 5)
    rollout = warm_rollout(job)
    yield Contestant(_ONE, partial(evolve, job, rollout, 1, setting.folder))
    yield Contestant(_TWO, partial(evolve, job, rollout, 2, setting.folder))
    yield Contestant(_APART, partial(evolve_apart, job, setting.folder))


def warm_rollout(job: Job) -> Rollout:
    """The native rollout, compiled."""
    rollout, _ = make_rollout(job.environment, job.specification)
    Job(population=2, generations=1).steps(rollout.network, rollout)
    return rollout


def evolve(job: Job, rollout: Rollout, workers: int, folder: Path) -> Sample:
    """The job, shared out among the workers as the trainer does it; nothing is written into the folder."""
    executor = make_executor(workers, rollout.path)
    algorithm = job.algorithm(rollout.network)
    trainer = Trainer(Run(folder), job.environment, algorithm, rollout, executor, budget=Budget(), threshold=None)
    try:
        return timed(partial(job.steps, rollout.network, trainer.measure))
    finally:
        executor.close()


def evolve_apart(job: Job, folder: Path) -> Sample:
    """Two processes that do the job at the same time, each all of it."""
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [context.Process(target=_evolve_when_told, args=(theirs, job, folder)) for _, theirs in pipes]
    for process, (_, theirs) in zip(processes, pipes, strict=True):
        process.start()
        theirs.close()
    try:
        for ours, _ in pipes:
            ours.recv()  # compiled, and ready
        for ours, _ in pipes:
            ours.send(None)
        return together([ours.recv() for ours, _ in pipes])
    except EOFError:
        raise CartwheelError("a process that was to evolve by itself died") from None
    finally:
        for process in processes:
            process.join()


def _evolve_when_told(connection: Connection, job: Job, folder: Path) -> None:
    rollout = warm_rollout(job)
    connection.send(None)
    connection.recv()
    connection.send(evolve(job, rollout, 1, folder))


def together(samples: Sequence[Sample]) -> Sample:
    """What processes reached side by side: work and CPU time added, and the wall time at which their rates add up."""
    work = sum(sample.work for sample in samples)
    rate = sum(sample.work / sample.wall for sample in samples)
    return Sample(sum(sample.cpu for sample in samples), work / rate, work)

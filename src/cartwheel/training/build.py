"""From settings to a `Trainer`: the environment found and checked, its rollout, algorithm and workers chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from cartwheel.algorithms.base import Algorithm, Entry
from cartwheel.envs.check import check_environment
from cartwheel.envs.environment import Environment, Factory, find_environment
from cartwheel.errors import UsageError
from cartwheel.experience.collectors import Collector, Here, Station, Stations, make_collector
from cartwheel.experience.rollouts import Rollout, make_rollout
from cartwheel.storage.run import Run
from cartwheel.training.blas import one_thread
from cartwheel.training.executors import Executor, make_crew, make_executor, packed
from cartwheel.training.general import check_general
from cartwheel.training.hooks import Hook
from cartwheel.training.interrupt import Interrupted, Interrupts
from cartwheel.training.memory import FEWEST, check_observations, check_parameters, check_room
from cartwheel.training.settings import TrainSettings
from cartwheel.training.trainer import Trainer


@dataclass(frozen=True)
class Job:
    """All that a run is made of before it has a folder; nothing has been written when this stands."""

    environment: Environment
    entry: Entry
    settings: TrainSettings
    algorithm: Algorithm
    rollout: Rollout
    executor: Executor
    collector: Collector | None
    warnings: tuple[str, ...]

    @property
    def threshold(self) -> float | None:
        """The return that counts as solved."""
        return self.environment.threshold if self.settings.solved_at is None else self.settings.solved_at


def prepare(entry: Entry, environment: str | Factory, settings: TrainSettings, algorithm_settings: Any) -> Job:
    """Find the environment, check it and choose how its episodes are run; UsageError for what can't be handled."""
    check_general(entry, settings)
    found = find_environment(environment, settings.env_args, settings.max_episode_steps)
    entry.check(found.observation_space, found.action_space)
    check_observations(found.name, found.observation_size, FEWEST)
    specification = entry.specify(settings, algorithm_settings)
    rollout, warnings = make_rollout(found, specification, settings.native)
    if rollout.path != "native":
        warnings = [*warnings, *check_environment(found)]
    if found.limit_is_default:
        warnings = [
            *warnings,
            f"{found.name} names no time limit: episodes are cut at {found.limit:,} steps (--max-episode-steps)",
        ]
    check_parameters(rollout.network.size)
    try:
        algorithm = entry.algorithm(algorithm_settings, rollout.network, settings.seed)
    except MemoryError:
        raise UsageError(
            f"not enough memory for {entry.name} on a network of {rollout.network.size:,} parameters; "
            "take a smaller network or population"
        ) from None
    check_room(entry.name, algorithm.room)
    warnings = [*warnings, *_annealed(settings, algorithm_settings)]
    whole = getattr(algorithm, "to_end", False)  # its stretches may be shorter
    if algorithm.lanes and not whole:
        check_observations(found.name, found.observation_size, 2 * algorithm.lanes * algorithm.settings.stretch)
    if (
        settings.steps is not None
        and entry.by_steps
        and not whole
        and algorithm.lanes * algorithm.settings.stretch > settings.steps
    ):
        raise UsageError(
            f"--steps: expected a budget of a stretch at least, {algorithm.lanes:,} lanes times "
            f"{algorithm.settings.stretch:,} steps, got {settings.steps:,}; shorten --stretch"
        )
    executor = make_executor(settings.workers, rollout.path, settings.executor, settings.address, settings.patience)
    if not executor.shared:
        packed(rollout)  # better said now than with the run's folder made
    collector = _collector(rollout, settings, algorithm.lanes) if algorithm.lanes else None
    return Job(found, entry, settings, algorithm, rollout, executor, collector, tuple(warnings))


def _collector(rollout: Rollout, settings: TrainSettings, lanes: int) -> Collector:
    """The collector of an algorithm that learns from single steps; no worker is without a lane."""

    def hire(station: Station) -> Stations:
        workers = min(settings.workers, lanes)
        return make_crew(station, workers, settings.executor, settings.patience) or Here(station)

    return make_collector(rollout, settings.seed, lanes, hire)


def _annealed(settings: TrainSettings, own: Any) -> list[str]:
    """A warning where a budget goes on after the step size has fallen to 0."""
    last = getattr(own, "anneal_steps", 0)
    if not last or settings.steps is None or settings.steps <= last:
        return []
    return [f"the step size is 0 after {last:,} steps (--anneal-steps): the rest of {settings.steps:,} teaches nothing"]


@contextmanager
def trainer(job: Job, run: Run, hooks: Sequence[Hook]) -> Iterator[Trainer]:
    """The trainer of a job in a run's folder, which is locked meanwhile; workers and environments end with it."""
    interrupts = Interrupts()
    try:
        alone = one_thread() if job.entry.by_steps else nullcontext()
        with run.lock(), interrupts.listening(), alone:
            for hook in hooks:
                for warning in job.warnings:
                    hook.note(f"warning: {warning}")
            yield Trainer(
                run,
                job.environment,
                job.algorithm,
                job.rollout,
                job.executor,
                job.collector,
                budget=job.settings.budget,
                threshold=job.threshold,
                interrupts=interrupts,
                early_stop=job.settings.early_stop,
                normalise=job.settings.normalise,
                finalists=job.settings.finalists,
                interval=job.settings.interval,
                hooks=hooks,
            )
            if interrupts.pending is not None:  # it came when the run was over, and its report being written
                raise Interrupted(interrupts.pending, f"the run {run.name} is finished")
    finally:
        job.executor.close()
        job.rollout.close()
        if job.collector is not None:
            job.collector.close()

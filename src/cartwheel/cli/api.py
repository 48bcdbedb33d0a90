"""The same as the commands, in Python: `cartwheel.train`, `resume`, `evaluate`, `render` and `report`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.choice import DEFAULT_ALGORITHM, NOTE
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli.arguments import checked_arguments
from cartwheel.cli.layers import Layers, config_of, resolved_settings
from cartwheel.cli.subject import beside, environment_of, sampled, subject, trusted
from cartwheel.cli.unfinished import check_unfinished, kept_versions, warn_of_lost_rows
from cartwheel.errors import UsageError
from cartwheel.experience.statistics import Summary, summarise
from cartwheel.settings import FromFile, flag

if TYPE_CHECKING:
    from cartwheel.envs.environment import Factory
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.run import Run
    from cartwheel.training.build import Job
    from cartwheel.training.hooks import Hook

_BUDGET = ("generations", "steps", "seconds")
_WORKERS = ("workers", "executor", "address", "patience")


@dataclass(frozen=True)
class Evaluation(Summary):
    """What a policy is worth: the figures of its episodes' returns `(E,)`, and their lengths `(E,)` in steps."""

    length_mean: float
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]

    @property
    def episodes(self) -> int:
        """How many episodes there were."""
        return self.count


@checked_arguments
def train(
    environment: str | Factory | None = None,
    *,
    algorithm: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    name: str | None = None,
    runs: str | Path = "runs",
    hooks: Sequence[Hook] | None = None,
    **options: Any,
) -> Run:
    """Train a controller until it has solved the environment or the budget ends; returns the run.

    `environment` is a Gymnasium id (`module:Id` too), or a class or factory of your own; `config` is the path of a
    run's config.toml, to repeat it. Where neither names an algorithm, ppo is taken, and a note says so. `options` are
    the fields of `TrainSettings` and of the algorithm's settings (`cartwheel train --help` lists them); what is given
    here goes before the configuration file, that before the preset, that before the defaults. A run's own file is
    complete and takes no preset. The folder `runs/name` holds everything; without a name a free one is made. `hooks`
    are told of the run's events; by default its progress is shown.

    Raises UsageError for what can't be done, before anything is written; EnvironmentFault if the environment fails;
    Interrupted after Ctrl-C, the state saved.
    """
    layers = Layers.read(config)
    named = layers.chosen(algorithm)
    entry = ALGORITHMS[named or DEFAULT_ALGORITHM]
    if environment is None:
        environment = trusted(layers.environment, config or "the call")
    settings, algorithm_settings = resolved_settings(entry, options, layers, preset)
    from cartwheel.storage.run import Run
    from cartwheel.training.build import prepare

    with _default(hooks) as watching:
        job = prepare(entry, environment, settings, algorithm_settings)
        run = Run.create(Path(runs), name, config_of(job))
        if named is None and preset is None:
            for hook in watching:
                hook.note(NOTE)
        return _train(job, run, watching)


@checked_arguments
def resume(
    run: str | Path | Run,
    *,
    runs: str | Path = "runs",
    environment: str | Factory | None = None,
    hooks: Sequence[Hook] | None = None,
    **options: Any,
) -> Run:
    """Go on with a run: to the end of its budget if it was interrupted, or of a larger one.

    `generations`, `steps` and `seconds` are the larger budget, what is done counted in, and replace the old one whole;
    `workers`, `executor`, `address` and `patience` may differ too: the result is the same to the bit as if the run had
    never stopped. A run on an environment of one's own wants it again, as `environment`: what a file names is not
    imported.
    """
    from cartwheel.storage.run import Run
    from cartwheel.training.build import prepare

    run = run if isinstance(run, Run) else Run.open(run, Path(runs))
    unknown = [option for option in options if option not in (*_BUDGET, *_WORKERS)]
    if unknown:
        raise UsageError(
            f"{flag(unknown[0])} can't change when a run goes on; {', '.join(map(flag, (*_BUDGET, *_WORKERS)))} can"
        )
    layers = Layers.of(run.config, str(run.config_path))
    named = layers.chosen()
    if named is None:
        raise UsageError(f"{run.config_path} names no algorithm: the file of a run does")
    entry = ALGORITHMS[named]
    larger = any(part in options for part in _BUDGET)
    if larger:  # a new budget replaces the old one whole
        old: Mapping[str, Any] = layers.tables.get("train", {})
        kept = FromFile({name: value for name, value in old.items() if name not in _BUDGET}, run.config_path)
        layers = dataclasses.replace(layers, tables={**layers.tables, "train": kept})
    settings, algorithm_settings = resolved_settings(entry, options, layers)
    check_unfinished(run, settings)
    with _default(hooks) as watching:
        job = prepare(entry, environment or trusted(layers.environment, run.config_path), settings, algorithm_settings)
        return _train(job, run, watching, kept_versions(run, config_of(job), watching), larger)


@checked_arguments
def evaluate(
    run_or_file: str | Path | Run | Policy,
    *,
    runs: str | Path = "runs",
    episodes: int = 100,
    sample: bool = False,
    seed: int | None = None,
    environment: str | Factory | None = None,
) -> Evaluation:
    """Measure a policy over `episodes` episodes: by default the test episodes, with `seed` others.

    Actions are greedy, or drawn from the policy's distribution with `sample`. The environment is the run's, or the one
    that a policy file names, unless another is given; its spaces have to be the policy's.
    """
    from cartwheel.experience.records import Request
    from cartwheel.experience.rollouts import make_rollout
    from cartwheel.seeds import Purpose, episode_seeds

    policy, made, native = subject(run_or_file, Path(runs), environment)
    purpose = Purpose.TEST if seed is None else Purpose.DISPLAY
    seeds = episode_seeds(seed or 0, purpose, count=episodes)
    if sample:
        returns, lengths = sampled(policy, made, seeds)
    else:
        rollout, _ = make_rollout(made, policy.specification, native)
        try:
            request = Request(parameters=policy.theta[None], episodes=episodes, normalisation=policy.normalisation)
            experience = rollout(request, seeds)
        finally:
            rollout.close()
        returns, lengths = experience.returns[0], experience.lengths[0]
    return Evaluation(**vars(summarise(returns)), length_mean=float(lengths.mean()), returns=returns, lengths=lengths)


@checked_arguments
def render(
    run_or_file: str | Path | Run | Policy,
    *,
    to: str | Path | None = None,
    watch: bool = False,
    seed: int = 0,
    runs: str | Path = "runs",
    environment: str | Factory | None = None,
) -> Path | None:
    """A moving picture of one episode in the file `to` (.webp or .gif); returns its path.

    With `watch`, the episode is shown in a window instead; without either, the picture goes beside the policy.
    """
    from cartwheel.experience.play import play
    from cartwheel.reports.animation import check_suffix, write_animation
    from cartwheel.reports.pictures import pace
    from cartwheel.seeds import Purpose, episode_seeds

    target = None if to is None else Path(to)
    if target is not None:
        check_suffix(target)
    policy, made, _ = subject(run_or_file, Path(runs), environment)
    episode_seed = int(episode_seeds(seed, Purpose.DISPLAY, count=1)[0])
    if watch:
        play(made, policy, episode_seed, watch=True)
        if target is None:
            return None
    # Pictures of each step of a long episode would fill the memory: a fast one is shown, and its beginning if need be.
    shown = pace(made.frames_per_second, play(made, policy, episode_seed).length)
    episode = play(made, policy, episode_seed, frames=True, limit=shown.limit, every=shown.every)
    if not episode.frames:
        raise UsageError(f"{made.name} can't be drawn: {episode.unseen}")
    target = target or beside(run_or_file, Path(runs))
    write_animation(target, episode.frames, shown.fps)
    return target


@checked_arguments
def report(run: str | Path | Run, *, runs: str | Path = "runs", environment: str | Factory | None = None) -> Path:
    """Write a run's page again; returns its path."""
    from cartwheel.reports.page import write_report
    from cartwheel.storage.run import Run

    run = run if isinstance(run, Run) else Run.open(run, Path(runs))
    try:
        found = environment_of(run, environment)
    except UsageError:
        found = None  # the page says that it has no picture
    return write_report(run, found).page


def _train(
    job: Job, run: Run, hooks: Sequence[Hook], config: Mapping[str, Any] | None = None, larger: bool = False
) -> Run:
    """Train in the run's folder, write the report and tell the hooks.

    `config` replaces the folder's own, once the checkpoint is found to fit it; `larger` says that its budget is a new
    one, which has to leave something to do.
    """
    from cartwheel.reports.page import write_report
    from cartwheel.training.build import trainer
    from cartwheel.training.hooks import Outcome

    with trainer(job, run, hooks) as training:
        if config is not None:
            training.load()
            warn_of_lost_rows(run, training, hooks)
            if larger and job.settings.budget.fraction(training.generation, training.steps, training.seconds) >= 1.0:
                done = f"{training.generation} generations, {training.steps:,} steps"
                raise UsageError(f"{run.name} has done {done}; give it a larger budget")
            run.write_config(config)
        result = training.train()
        page = write_report(run, job.environment)
    files = {"policy": run.policy_path, "report": page.page}
    if page.animation is not None:
        files["animation"] = page.animation
    outcome = Outcome(str(result["stop"]), result, run.folder, files, job.entry.by_steps)
    for hook in hooks:
        hook.end(outcome)
    return run


@contextmanager
def _default(hooks: Sequence[Hook] | None) -> Iterator[Sequence[Hook]]:
    """The hooks to tell: those given, or the progress view for where this runs."""
    if hooks is not None:
        yield hooks
        return
    from cartwheel.cli.progress import default_hook

    with default_hook() as view:
        yield [view]

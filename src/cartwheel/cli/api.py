"""The same as the commands, in Python: `cartwheel.train`, `resume`, `evaluate`, `render` and `report`."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.registry import ALGORITHMS, DEFAULT_ALGORITHM
from cartwheel.errors import UsageError, did_you_mean
from cartwheel.settings import as_dict, flag, resolve
from cartwheel.training.settings import TrainSettings

if TYPE_CHECKING:
    from cartwheel.algorithms.base import Entry
    from cartwheel.envs.environment import Environment, Factory
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.run import Run
    from cartwheel.training.build import Job
    from cartwheel.training.hooks import Hook

_BUDGET = ("generations", "steps", "seconds")


@dataclass(frozen=True)
class Evaluation:
    """What a policy is worth: its mean return, the 95 % interval of that (Student's t), spread and lengths."""

    mean: float
    std: float
    low: float
    high: float
    minimum: float
    maximum: float
    length_mean: float
    episodes: int
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]


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
    run's config.toml, to repeat it. `options` are the fields of `TrainSettings` and of the algorithm's settings
    (`cartwheel train --help` lists them); what is given here goes before the configuration file, that before the
    preset, that before the defaults. The folder `runs/name` holds everything; without a name a free one is made.
    `hooks` are told of the run's events; by default its progress is shown.

    Raises UsageError for what can't be done, before anything is written; EnvironmentFault if the environment fails;
    Interrupted after Ctrl-C, the state saved.
    """
    layers = _Layers.read(config)
    entry = ALGORITHMS[algorithm or layers.algorithm or DEFAULT_ALGORITHM]
    environment = environment if environment is not None else layers.environment
    if environment is None:
        raise UsageError("expected an environment, such as 'CartPole-v1'")
    settings, algorithm_settings = _settings(entry, options, layers, preset)
    from cartwheel.storage.run import Run
    from cartwheel.training.build import prepare

    with _default(hooks) as watching:
        job = prepare(entry, environment, settings, algorithm_settings)
        run = Run.create(Path(runs), name, _config(job))
        return _train(job, run, watching)


def resume(
    run: str | Path | Run,
    *,
    runs: str | Path = "runs",
    environment: Factory | None = None,
    hooks: Sequence[Hook] | None = None,
    **options: Any,
) -> Run:
    """Go on with a run: to the end of its budget if it was interrupted, or of a larger one.

    `generations`, `steps` and `seconds` are the larger budget, what is done counted in, and replace the old one whole;
    `workers` may differ too: the result is the same to the bit as if the run had never stopped. A run on a class of a
    script or notebook wants it again as `environment`; one of a module is found by its name.
    """
    from cartwheel.storage.run import Run
    from cartwheel.training.build import prepare

    run = run if isinstance(run, Run) else Run.open(run, Path(runs))
    unknown = [option for option in options if option not in (*_BUDGET, "workers")]
    if unknown:
        raise UsageError(
            f"{flag(unknown[0])} can't change when a run goes on; {', '.join(map(flag, (*_BUDGET, 'workers')))} can"
        )
    layers = _Layers.of(run.config, str(run.folder))
    entry = ALGORITHMS[layers.algorithm or DEFAULT_ALGORITHM]
    old = layers.tables.get("train", {})
    if any(part in options for part in _BUDGET):  # a new budget replaces the old one whole
        old = {option: value for option, value in old.items() if option not in _BUDGET}
    settings, algorithm_settings = _settings(
        entry, options, dataclasses.replace(layers, tables={**layers.tables, "train": old})
    )
    _check_unfinished(run, settings)
    with _default(hooks) as watching:
        job = prepare(entry, environment or str(layers.environment), settings, algorithm_settings)
        return _train(job, run, watching, config=_config(job))


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
    from cartwheel.experience.rollouts import make_rollout
    from cartwheel.experience.statistics import summarise
    from cartwheel.seeds import Purpose, episode_seeds

    if episodes < 1:
        raise UsageError(f"--episodes: expected at least 1, got {episodes}")
    policy, made, native = _subject(run_or_file, Path(runs), environment)
    purpose = Purpose.TEST if seed is None else Purpose.DISPLAY
    seeds = episode_seeds(seed or 0, purpose, count=episodes)
    if sample:
        returns, lengths = _sampled(policy, made, seeds)
    else:
        rollout, _ = make_rollout(made, policy.specification, native)
        try:
            experience = rollout(policy.theta[None], seeds)
        finally:
            rollout.close()
        returns, lengths = experience.returns[0], experience.lengths[0]
    figures = summarise(returns)
    return Evaluation(
        figures.mean,
        figures.std,
        figures.low,
        figures.high,
        figures.minimum,
        figures.maximum,
        float(lengths.mean()),
        episodes,
        returns,
        lengths,
    )


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
    policy, made, _ = _subject(run_or_file, Path(runs), environment)
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
    target = target or _beside(run_or_file, Path(runs))
    write_animation(target, episode.frames, shown.fps)
    return target


def report(run: str | Path | Run, *, runs: str | Path = "runs", environment: Factory | None = None) -> Path:
    """Write a run's page again; returns its path."""
    from cartwheel.reports.page import write_report
    from cartwheel.storage.run import Run

    run = run if isinstance(run, Run) else Run.open(run, Path(runs))
    try:
        found = _environment_of(run.config, environment)
    except UsageError:
        found = None  # the page says that it has no picture
    return write_report(run, found).page


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layers:
    """What a configuration file says: the environment, the algorithm, and tables of settings."""

    environment: str | None
    algorithm: str | None
    tables: Mapping[str, Mapping[str, Any]]

    @staticmethod
    def read(config: str | Path | None) -> _Layers:
        """The layers of a configuration file, if there is one."""
        if config is None:
            return _Layers(None, None, {})
        from cartwheel.storage.config import loads

        try:
            text = Path(config).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise UsageError(f"--config: {config} can't be read: {problem}") from None
        return _Layers.of(loads(text, str(config)), str(config))

    @staticmethod
    def of(data: Mapping[str, Any], what: str) -> _Layers:
        """The layers in a configuration's data, checked."""
        known = ("environment", "algorithm", "train", "versions", *ALGORITHMS)
        for name, value in data.items():
            if name not in known:
                raise UsageError(f"{what}: unknown entry {name!r}; {did_you_mean(name, known)}")
            expected = str if name in ("environment", "algorithm") else dict
            if not isinstance(value, expected):
                raise UsageError(f"{what}: {name} has to be a {'text' if expected is str else 'table'}")
        tables = {name: value for name, value in data.items() if isinstance(value, dict)}
        return _Layers(data.get("environment"), data.get("algorithm"), tables)


def _settings(
    entry: Entry, options: Mapping[str, Any], layers: _Layers, preset: str | None = None
) -> tuple[TrainSettings, Any]:
    """General and algorithm settings: what was given, then the file, then the preset, then the defaults."""
    general, own = (
        {field.name for field in dataclasses.fields(settings)} for settings in (TrainSettings, entry.settings)
    )
    for name in options:
        if name not in general | own:
            raise UsageError(f"unknown option {name!r} of {entry.name}; {did_you_mean(name, general | own)}")
    named: Mapping[str, Any] = {}
    if preset is not None:
        if preset not in entry.presets:
            raise UsageError(f"unknown preset {preset!r} of {entry.name}; {did_you_mean(preset, entry.presets)}")
        named = entry.presets[preset]

    def part(names: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in names}

    return (
        resolve(TrainSettings, part(general, options), layers.tables.get("train", {}), part(general, named)),
        resolve(entry.settings, part(own, options), layers.tables.get(entry.name, {}), part(own, named)),
    )


def _config(job: Job) -> dict[str, Any]:
    """Every resolved setting and the versions: enough to repeat the run."""
    settings = as_dict(job.settings)
    settings |= {name: value for name, value in vars(job.settings.budget).items() if value is not None}
    return {
        "environment": job.environment.name,
        "algorithm": job.entry.name,
        "train": settings,
        job.entry.name: as_dict(job.algorithm_settings),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("cartwheel", "numpy", "numba", "gymnasium")},
        },
    }


# --- runs ------------------------------------------------------------------------------------------------------------


def _train(job: Job, run: Run, hooks: Sequence[Hook], config: Mapping[str, Any] | None = None) -> Run:
    """Train in the run's folder, write the report and tell the hooks; `config` replaces the folder's own."""
    from cartwheel.reports.page import write_report
    from cartwheel.training.build import trainer
    from cartwheel.training.hooks import Outcome

    with trainer(job, run, hooks) as training:
        if config is not None:
            run.write_config(config)
        result = training.train()
        if result["stop"] == "budget" and job.settings.seconds is not None:
            _note_generations(job, run, int(result["generations"]))
        page = write_report(run, job.environment)
    files = {"policy": run.policy_path, "report": page.page}
    if page.animation is not None:
        files["animation"] = page.animation
    for hook in hooks:
        hook.end(Outcome(str(result["stop"]), result, run.folder, files))
    return run


def _note_generations(job: Job, run: Run, generations: int) -> None:
    """A run that ended by the clock is repeated by its generations: the clock won't stop at the same one again."""
    config = _config(job)
    del config["train"]["seconds"]
    config["train"]["generations"] = generations
    run.write_config(config)


def _check_unfinished(run: Run, settings: TrainSettings) -> None:
    """UsageError if there is nothing to go on with."""
    result = run.result
    if result is None:
        return
    if result["stop"] == "solved":
        raise UsageError(f"{run.name} is finished: it was solved after {result['generations']} generations")
    used = settings.budget.fraction(int(result["generations"]), int(result["steps"]), float(result["seconds"]))
    if used >= 1.0:
        raise UsageError(f"{run.name} is finished; to go on, give it a larger budget than {settings.budget}")


@contextmanager
def _default(hooks: Sequence[Hook] | None) -> Iterator[Sequence[Hook]]:
    """The hooks to tell: those given, or the progress view for where this runs."""
    if hooks is not None:
        yield hooks
        return
    from cartwheel.cli.progress import default_hook

    with default_hook() as view:
        yield [view]


# --- policies --------------------------------------------------------------------------------------------------------


def _environment_of(config: Mapping[str, Any], environment: str | Factory | None) -> Environment:
    """The environment of a run's configuration, or another one under its arguments and limit."""
    from cartwheel.envs.environment import find_environment

    settings = resolve(TrainSettings, config.get("train", {}))
    return find_environment(environment or config["environment"], settings.env_args, settings.max_episode_steps)


def _subject(
    what: str | Path | Run | Policy, runs: Path, environment: str | Factory | None
) -> tuple[Policy, Environment, bool]:
    """The policy, the environment that it is for, and whether native physics may be used."""
    from cartwheel.envs.environment import find_environment
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.policy_file import load, read_about
    from cartwheel.storage.run import Run

    if isinstance(what, Policy):
        if environment is None:
            raise UsageError("a policy alone names no environment; give one")
        policy, found, native = what, find_environment(environment), True
    elif not isinstance(what, Run) and Path(what).is_file():
        about = str(read_about(what).get("environment", ""))
        policy = load(what)
        if environment is None and (not about or ":" in about):
            # A file may come from a stranger: that it names a module is no reason to import it.
            raise UsageError(
                f"{what} names {'the environment ' + about if about else 'no environment'}; give it yourself"
            )
        found, native = find_environment(environment or about), True
    else:
        run = what if isinstance(what, Run) else Run.open(what, runs)
        policy, found = run.policy, _environment_of(run.config, environment)
        native = bool(run.config.get("train", {}).get("native", True))
    for role in ("observation_space", "action_space"):
        if getattr(policy, role) != getattr(found, role):
            raise UsageError(
                f"this policy is for another {role.replace('_', ' ')} than that of {found.name}: "
                f"expected {getattr(policy, role)}, got {getattr(found, role)}"
            )
    return policy, found, native


def _sampled(
    policy: Policy, environment: Environment, seeds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns and lengths `(E,)` with actions drawn, each episode from a generator of its own."""
    from cartwheel.experience.play import play
    from cartwheel.seeds import Purpose, generator

    episodes = [play(environment, policy, int(seed), rng=generator(int(seed), Purpose.ACTION)) for seed in seeds]
    return np.array([episode.return_ for episode in episodes]), np.array([episode.length for episode in episodes])


def _beside(what: str | Path | Run | Policy, runs: Path) -> Path:
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.run import Run

    if isinstance(what, Policy):
        return Path("policy.webp")
    if isinstance(what, Run):
        return what.folder / "policy.webp"
    return Path(what).with_suffix(".webp") if Path(what).is_file() else Run.open(what, runs).folder / "policy.webp"

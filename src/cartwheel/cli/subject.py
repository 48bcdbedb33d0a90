"""What a command is about: the policy of a run, of a file or of the caller, and the environment that it is for.

A name such as `module:Id` is imported only if the caller gives it. In a file, which may be a stranger's, it is no more
than a text: reading and trying out what others made must not run their code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError, one_line
from cartwheel.settings import FromFile, resolve
from cartwheel.training.settings import TrainSettings

if TYPE_CHECKING:
    from cartwheel.envs.environment import Environment, Factory
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.run import Run


def trusted(name: Any, where: object) -> str:
    """The environment that a file names, if that is an id of Gymnasium's own; UsageError for the name of a module.

    `where` is the file, which errors begin with; `name` is what stands in it, of any type.
    """
    from cartwheel.envs.environment import look_up

    if name is None or name == "":
        raise UsageError(f"{where} names no environment; give one")
    if not isinstance(name, str):
        raise UsageError(f"{where}: environment: expected an id, got {one_line(repr(name))}; give it yourself")
    if ":" in name:
        raise UsageError(
            f"{where} names the environment {name}; what a file names is not imported: give it yourself (environment)"
        )
    if name.startswith("GymV2"):  # these import what their arguments name
        raise UsageError(f"{where}: environment: {name} stands for another one; give it yourself")
    try:
        look_up(name)
    except UsageError as problem:
        raise UsageError(f"{where}: {problem}") from None
    return name


def environment_of(run: Run, environment: str | Factory | None) -> Environment:
    """The environment of a run's configuration, or another one under its arguments and limit."""
    from cartwheel.envs.environment import find_environment

    config = run.config
    settings = resolve(TrainSettings, FromFile(config.get("train", {}), run.config_path))
    environment = environment or trusted(config.get("environment"), run.config_path)
    return find_environment(environment, settings.env_args, settings.max_episode_steps)


def subject(
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
    elif isinstance(what, (str, Path)) and Path(what).is_file():
        policy, about = load(what), read_about(what)
        if environment is None:
            name = trusted(about.get("environment"), what)
            told: dict[str, Any] = {key: about[key] for key in ("env_args", "max_episode_steps") if key in about}
            settings = resolve(TrainSettings, FromFile(told, what))
            found = find_environment(name, settings.env_args, settings.max_episode_steps)
        else:
            found = find_environment(environment)
        native = True
    else:
        run = what if isinstance(what, Run) else Run.open(what, runs)
        policy, found = run.policy, environment_of(run, environment)
        native = bool(run.config.get("train", {}).get("native", True))
    for role in ("observation_space", "action_space"):
        if getattr(policy, role) != getattr(found, role):
            raise UsageError(
                f"this policy is for another {role.replace('_', ' ')} than that of {found.name}: "
                f"expected {getattr(policy, role)}, got {getattr(found, role)}"
            )
    return policy, found, native


def sampled(
    policy: Policy, environment: Environment, seeds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns and lengths `(E,)` with actions drawn, each episode from a generator of its own."""
    from cartwheel.experience.play import play
    from cartwheel.seeds import Purpose, generator

    episodes = [play(environment, policy, int(seed), rng=generator(int(seed), Purpose.ACTION)) for seed in seeds]
    return np.array([episode.return_ for episode in episodes]), np.array([episode.length for episode in episodes])


def beside(what: str | Path | Run | Policy, runs: Path) -> Path:
    """Where a picture of a policy goes if nobody says: into its run's folder, or beside its file."""
    from cartwheel.policies.policy import Policy
    from cartwheel.storage.run import Run

    if isinstance(what, Policy):
        return Path("policy.webp")
    if isinstance(what, Run):
        return what.folder / "policy.webp"
    return Path(what).with_suffix(".webp") if Path(what).is_file() else Run.open(what, runs).folder / "policy.webp"

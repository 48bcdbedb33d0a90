"""An environment as it is named, made and limited: a Gymnasium id, or a user's own class or factory."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

import gymnasium
from gymnasium.envs.registration import EnvSpec

from cartwheel import spaces
from cartwheel.envs.adapter import describe_space
from cartwheel.errors import CartwheelError, UsageError, did_you_mean, one_line

Factory: TypeAlias = Callable[..., Any]

#: The limit, in steps, for an environment that has none: an episode that never ends would never be judged.
DEFAULT_LIMIT = 10_000

_EXTRAS = {"box2d": "box2d", "mujoco": "mujoco"}


@dataclass(frozen=True)
class Environment:
    """How to make an environment, as often as needed and in other processes, and what it is like.

    `name` is the Gymnasium id, or `module:Name` of a user's class or factory, which then stands in `factory` (a name
    to be shown: that of a partial or a lambda can't be imported);
    `limit` is the time limit of an episode in steps, and `limit_is_default` says that nobody gave one;
    `threshold` is the return from which it counts as solved, where it has one.
    """

    name: str
    factory: Factory | None
    arguments: Mapping[str, Any]
    limit: int
    limit_is_default: bool
    threshold: float | None
    observation_space: spaces.Space
    action_space: spaces.Space
    spec: Any = field(default=None, repr=False)  # Gymnasium's, kept for processes that never saw its registration
    frames_per_second: float = 30.0

    @property
    def observation_size(self) -> int:
        """d, the length of a flat observation."""
        return spaces.flat_size(self.observation_space)

    def make(self, render_mode: str | None = None) -> Any:
        """A new Gymnasium environment, without a time limit of Gymnasium's: whoever steps it holds to `limit`."""
        arguments = copy.deepcopy(dict(self.arguments))  # what an environment does to them stays its own
        if render_mode is not None:
            arguments["render_mode"] = render_mode
            if render_mode != "human":
                os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        return _make(self.name, self.factory or self.spec, arguments)


def find_environment(
    environment: str | Factory, arguments: Mapping[str, Any] | None = None, max_episode_steps: int | None = None
) -> Environment:
    """The environment for a Gymnasium id, for `module:Id` or `module:Class`, or for a class or factory.

    It is made once, for its spaces. UsageError for an unknown id, arguments that it does not take, a missing extra, or
    a space that can't be handled.
    """
    arguments = dict(arguments or {})
    name: str
    factory: Factory | None = None
    spec: Any = None
    if isinstance(environment, str):
        name = environment
        spec = look_up(environment)
        if not isinstance(spec, EnvSpec):
            factory, spec = spec, None
    elif callable(environment):
        name, factory = _name_of(environment), environment
    else:
        raise UsageError(
            f"expected a Gymnasium id, or a class or factory of environments, got an instance of "
            f"{type(environment).__name__}; many are needed, so pass what makes them"
        )
    if "max_episode_steps" in arguments:
        raise UsageError("max_episode_steps is no argument of the environment; give --max-episode-steps")
    if "render_mode" in arguments:
        raise UsageError(
            "render_mode is no argument of the environment: training draws nothing, `cartwheel render` does"
        )
    if max_episode_steps is not None and max_episode_steps < 1:
        raise UsageError(f"--max-episode-steps: expected at least 1, got {max_episode_steps}")
    made = _make(name, factory or spec, arguments)
    _check_interface(name, made)
    try:
        facts = spec or getattr(made, "spec", None)
        own_limit = getattr(facts, "max_episode_steps", None)
        observation_space = describe_space(made.observation_space, "observation")
        if not spaces.flat_size(observation_space):
            raise UsageError(f"{name} shows nothing: its observation space {one_line(made.observation_space)} is empty")
        return Environment(
            name=name,
            factory=factory,
            arguments=arguments,
            limit=max_episode_steps or own_limit or DEFAULT_LIMIT,
            limit_is_default=not (max_episode_steps or own_limit),
            threshold=getattr(facts, "reward_threshold", None),
            observation_space=observation_space,
            action_space=describe_space(made.action_space, "action"),
            spec=spec,
            frames_per_second=float((getattr(made, "metadata", None) or {}).get("render_fps") or 30.0),
        )
    finally:
        close(made)


def close(made: Any) -> None:
    """Close an environment; one that fails at that has done its work all the same."""
    with contextlib.suppress(Exception):
        made.close()


def make_more(environment: Environment, made: list[Any], count: int) -> None:
    """Make environments until there are `count` of them; UsageError where a factory gives the same one again."""
    while len(made) < count:
        new = environment.make()
        if any(new is other for other in made):
            raise UsageError(f"{environment.name} gives the same environment again; a new one is needed each time")
        made.append(new)


def is_plain(environment: Environment, entry_point: str | Callable[..., Any]) -> bool:
    """Whether this is the environment that Gymnasium itself makes from `entry_point`, with no arguments."""
    spec = environment.spec
    if spec is None or environment.arguments:
        return False
    return bool(spec.entry_point == entry_point and not spec.kwargs and not spec.additional_wrappers)


def environment_ids() -> list[str]:
    """All Gymnasium ids that are registered."""
    return sorted(gymnasium.registry)


def _make(name: str, maker: Any, arguments: Mapping[str, Any]) -> Any:
    """An environment from a factory or from Gymnasium's specification."""
    try:
        if not isinstance(maker, EnvSpec):
            return maker(**arguments)
        spec = copy.deepcopy(maker)
        # The limit is ours to hold, and the other two cost a tenth of a CartPole step each.
        spec.max_episode_steps, spec.order_enforce, spec.disable_env_checker = None, False, True
        with warnings.catch_warnings():
            # CartPole-v0 is asked for by name; that there is a v1 need not be said sixteen times.
            warnings.filterwarnings("ignore", message=".*out of date.*")
            return gymnasium.make(spec, **arguments)
    except gymnasium.error.DependencyNotInstalled as problem:
        raise UsageError(_missing(name, problem)) from None
    except CartwheelError:
        raise
    except (Exception, SystemExit) as problem:
        raise UsageError(f"environment {name} can't be made: {one_line(problem)}") from problem


def look_up(name: str) -> Any:
    """Gymnasium's specification for an id; for `module:Name`, that, or a class that the module defines.

    UsageError for an unknown id, with the nearest, and for a module that can't be imported.
    """
    module, _, own = name.rpartition(":")
    if module:
        imported = _import(module, name)
        if own not in gymnasium.registry and _is_environment_class(defined := _defined(imported, own)):
            return defined
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gymnasium.spec(own)
    except gymnasium.error.Error:
        if module == "__main__":
            raise UsageError(f"the environment {own} is a script's own; give it again, as `environment=`") from None
        if module:
            raise UsageError(
                f"the module {module} neither registers nor defines an environment {own!r}; {_nearest(own)}"
            ) from None
        raise UsageError(f"unknown environment {name!r}; {_nearest(own)}") from None


def _nearest(name: str) -> str:
    """A suggestion, the latest version of it; where none is near, a pointer to the list instead of a thousand names."""
    versions: dict[str, list[tuple[int, str]]] = {}
    for known in gymnasium.registry:
        base, _, version = known.rpartition("-v")
        versions.setdefault(base or known, []).append((int(version) if version.isdigit() else 0, known))
    suggestion = did_you_mean(name, [max(entries)[1] for entries in versions.values()])
    return suggestion if suggestion.startswith("did") else "`cartwheel list environments` shows the known ones"


def _is_environment_class(thing: Any) -> bool:
    """A class to be named in a text has to look like one of environments: any function would be called otherwise."""
    return isinstance(thing, type) and hasattr(thing, "reset") and hasattr(thing, "step")


def _defined(module: Any, name: str) -> Any:
    """What stands under a name, dotted for a class in a class, in a module; None if nothing does."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def _import(module: str, name: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        # An installed command does not look into the working folder, where a user's module usually lies.
        folder = os.getcwd()  # noqa: PTH109 (sys.path holds texts)
        if folder not in sys.path:
            sys.path.append(folder)
        try:
            return import_module(module)
        except Exception as problem:
            raise _unimportable(name, problem) from None
    except Exception as problem:
        raise _unimportable(name, problem) from None


def _unimportable(name: str, problem: Exception) -> UsageError:
    return UsageError(
        f"environment {name!r}: the module can't be imported: {type(problem).__name__}: {one_line(problem)}"
    )


def _missing(name: str, problem: Exception) -> str:
    text = one_line(problem)
    for extra, word in _EXTRAS.items():
        if word in text.lower():
            return f"environment {name} needs an extra: pip install 'cartwheel[{extra}]'"
    return f"environment {name} needs something that is not installed: {text}"


def _check_interface(name: str, made: Any) -> None:
    missing = [
        part for part in ("reset", "step", "close", "observation_space", "action_space") if not hasattr(made, part)
    ]
    if missing:
        raise UsageError(
            f"{name} makes {type(made).__name__}, which is no Gymnasium environment: it lacks {', '.join(missing)}"
        )


def _name_of(factory: Factory) -> str:
    if isinstance(factory, functools.partial):  # not by the name of what it makes: that has other arguments
        return f"functools.partial({_name_of(factory.func)})"
    name = getattr(factory, "__qualname__", None) or type(factory).__name__
    return f"{getattr(factory, '__module__', '?')}:{name}"

"""What every algorithm is: ask what to measure, be told what came of it, and a state that can be kept and restored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.experience.records import Experience, Request
from cartwheel.nn.flat import Layout
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.specification import Specification, specification, stacked
from cartwheel.spaces import Space

State: TypeAlias = dict[str, Any]


class Parameters(Protocol):
    """What is searched: vectors `(n,)` of floats, and where to begin. A network is one, a plain point another."""

    @property
    def layout(self) -> Layout:
        """Which part of a vector is what."""

    @property
    def size(self) -> int:
        """n."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of floats that a request's candidates have."""

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> NDArray[Any]:
        """`count` random vectors `(count, n)` to begin with, which stray by `deviation`."""


@dataclass(frozen=True)
class Best:
    """A policy that was measured: its vector `theta (n,)` and its mean return then.

    `normalisation` is what it saw observations through, where it did. `theta` is taken as a copy and handed out
    read-only.
    """

    theta: NDArray[Any]
    value: float
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        vector = np.array(self.theta)
        vector.flags.writeable = False
        object.__setattr__(self, "theta", vector)


class Algorithm(ABC):
    """Maximises the mean return of a vector `(n,)` by asking and being told, in turn.

    `ask` changes nothing: asked twice, it answers the same. All randomness follows from `seed` and the generation's
    number, so that `state` holds no generator. One that asks for single steps says of how many lanes, in `lanes`.
    """

    lanes: int = 0

    def __init__(self, settings: Any, network: Parameters, seed: int) -> None:
        self.settings, self.network, self.seed = settings, network, seed

    @abstractmethod
    def ask(self) -> Request:
        """What to measure next."""

    @abstractmethod
    def best(self, experience: Experience) -> Best:
        """The policy to hand over, as things stand when this experience of the last request has come.

        It is one of the request's candidates: the best of a population (`best_of`), or the one that an algorithm with
        a policy of its own has measured. To be asked before `tell`; changes nothing. ValueError as of `tell`.
        """

    def finalists(self, experience: Experience, count: int) -> list[Best]:
        """The policies, at most `count`, that fresh episodes should choose from, the best first; changes nothing.

        A maximum over noisy means flatters: the best of a population is the better chosen among its best few measured
        again (`leaders_of`). An algorithm with a policy of its own names that.
        """
        return [self.best(experience)]

    @abstractmethod
    def tell(self, experience: Experience) -> dict[str, float]:
        """Learn from what came of the last request; returns metrics. ValueError if it does not fit the request."""

    @property
    def stopped(self) -> str | None:
        """Why the search has ended by itself (it has converged, say), in a few words; None while it goes on."""
        return None

    @property
    def room(self) -> int:
        """The bytes that it keeps of what it was told, at most, such as a replay memory; 0 where that is little."""
        return 0

    @abstractmethod
    def state(self) -> State:
        """Everything that `restore` needs, as a flat dict of arrays and scalars."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; ValueError if it does not fit the settings and the network."""


def layered(general: Any, own: Any) -> Specification:
    """The layers that the general settings of a run describe: for an algorithm that has no network of its own."""
    return stacked(general.frames, specification(general.memory, general.hidden, general.activation))


def anywhere(observation_space: Space, action_space: Space) -> None:
    """Between any spaces that a network can serve."""


@dataclass(frozen=True)
class Entry:
    """An algorithm as the registry knows it: a line about it, its settings class, presets, and what it searches.

    A preset is a set of settings by name, general ones of a run among them. `specify` makes the specification of a
    policy from the general settings and the algorithm's own. `check` is given the spaces of an environment, its
    observations' and its actions', and raises UsageError where the algorithm can't learn between them. `general` are
    defaults of the general settings that suit it better than those of all.
    """

    name: str
    summary: str
    algorithm: type[Algorithm]
    settings: type[Any]
    presets: Mapping[str, Mapping[str, Any]]
    specify: Callable[[Any, Any], Specification] = layered
    check: Callable[[Space, Space], None] = anywhere
    general: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_steps(self) -> bool:
        """Whether it learns from single steps, and not from the returns of episodes or the values of a function."""
        return self.algorithm.lanes > 0


def fitness_of(request: Request, experience: Experience) -> NDArray[np.float64]:
    """Mean returns `(P,)` of the request's candidates; what is NaN counts as the worst there is."""
    expected = (len(request.parameters), request.episodes)
    if experience.returns.shape != expected:
        raise ValueError(f"expected returns of shape {expected}, as asked for; got {experience.returns.shape}")
    fitness = mean_of(experience.returns, axis=1)
    return np.where(np.isnan(fitness), -np.inf, fitness)


def mean_of(returns: NDArray[np.float64], axis: int | None = None) -> Any:
    """The mean of returns, of all or along an axis; finite where they are, even if their sum is not. Never warns."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = returns.mean(axis=axis)
        if np.isfinite(means).all():
            return means
        count = returns.size if axis is None else returns.shape[axis]
        return np.where(np.isfinite(means), means, (returns / count).sum(axis=axis))


def leaders_of(request: Request, experience: Experience, count: int) -> list[Best]:
    """At most `count` candidates of a population, those with the highest mean returns, the first at ties."""
    fitness = fitness_of(request, experience)
    places = np.argsort(-fitness, kind="stable")[:count]
    return [Best(request.parameters[place], float(fitness[place])) for place in places]


def best_of(request: Request, experience: Experience) -> Best:
    """The candidate of a population with the highest mean return, the first at ties."""
    return leaders_of(request, experience, 1)[0]

"""What the evolution strategies share: samples around a state of the search, and how returns become weights.

A strategy is three pure steps, which each algorithm's file gives in its paper's symbols: the search's first state, the
samples of a state, and the state that follows from their returns. All is computed in float64; the request's candidates
are rounded to the type that the network has.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best, Parameters, State, fitness_of, leaders_of, mean_of
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.seeds import Purpose, generator

Array: TypeAlias = NDArray[np.float64]
S = TypeVar("S")
N = TypeVar("N")

#: The metadata of a field of a search's state whose length differs from one generation to the next.
GROWS = {"grows": True}
#: Steps are held between these, so that no search ends in zeros, infinities or NaN when it is driven on for ever.
SMALLEST, LARGEST = 1e-100, 1e100


class Strategy(Algorithm, Generic[S, N]):
    """A search by samples around its state `S`, a frozen dataclass of float64 arrays, numbers and texts.

    `N` is the noise of one generation, as `_learned` needs it. A strategy that `measures_mean` has a field `mean (n,)`
    in its state, which is the last candidate of each request and the policy that it stands for.
    """

    measures_mean: ClassVar[bool] = False

    def __init__(self, settings: Any, network: Parameters, seed: int) -> None:
        super().__init__(settings, network, seed)
        self._generation = 0
        self._search: S = self._begin(self._start())
        self._drawn: tuple[N, Request] | None = None

    @abstractmethod
    def _begin(self, start: Array) -> S:
        """The search's first state, from the point `(n,)` where it is to begin."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> tuple[N, Array]:
        """A generation's noise, and the samples `(P, n)` that it makes of the state."""

    @abstractmethod
    def _learned(self, noise: N, fitness: Array) -> S:
        """The state that follows when the samples that `noise` made have these mean returns `(P,)`."""

    def _figures(self) -> dict[str, float]:
        """What this strategy adds to a generation's metrics."""
        return {}

    def ask(self) -> Request:
        """The samples, and the mean where it is measured, over `settings.episodes` episodes."""
        return self._asked()[1]

    def best(self, experience: Experience) -> Best:
        """The mean where it is measured, else the sample with the highest mean return."""
        request = self.ask()
        if self.measures_mean:
            return Best(request.parameters[-1], float(fitness_of(request, experience)[-1]))
        return leaders_of(request, experience, 1)[0]

    def finalists(self, experience: Experience, count: int) -> list[Best]:
        """The mean where it is measured, else the samples with the highest mean returns."""
        return [self.best(experience)] if self.measures_mean else leaders_of(self.ask(), experience, count)

    def tell(self, experience: Experience) -> dict[str, float]:
        """Take the returns into the state."""
        noise, request = self._asked()
        fitness = fitness_of(request, experience)
        self._enter(self._generation + 1, self._learned(noise, fitness[:-1] if self.measures_mean else fitness))
        return {
            "return_best": float(fitness.max()),
            "return_mean": float(mean_of(fitness)),
            "return_worst": float(fitness.min()),
            "length_mean": float(experience.lengths.mean()),
            **self._figures(),
        }

    def state(self) -> State:
        """The generation's number and the fields of the search's state."""
        return {"generation": self._generation, **{name: _copied(value) for name, value in self._values().items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        grows = {field.name for field in fields(self._search) if "grows" in field.metadata}  # type: ignore[arg-type]
        values = {
            name: _like(name, state[name], value, any_length=name in grows) for name, value in self._values().items()
        }
        self._enter(int(state["generation"]), type(self._search)(**values))

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self._search, field.name) for field in fields(self._search)}  # type: ignore[arg-type]

    def _enter(self, generation: int, search: S) -> None:
        self._generation, self._search, self._drawn = generation, search, None

    def _asked(self) -> tuple[N, Request]:
        """The generation's noise and request: drawn once, and anew after `restore`."""
        if self._drawn is None:
            noise, samples = self._draw(generator(self.seed, Purpose.VARIATION, self._generation))
            if self.measures_mean:
                samples = np.concatenate([samples, self._search.mean[None]])  # type: ignore[attr-defined]
            limit = np.finfo(self.network.dtype).max
            parameters = samples.clip(-limit, limit).astype(self.network.dtype)
            parameters.flags.writeable = False
            self._drawn = noise, Request(parameters=parameters, episodes=self.settings.episodes)
        return self._drawn

    def _start(self, *path: int) -> Array:
        """Where a search begins `(n,)`: a random vector that strays by `settings.initial_std`."""
        rng = generator(self.seed, Purpose.INITIAL, *path)
        start: Array = self.network.initial(rng, 1, self.settings.initial_std)[0].astype(np.float64)
        return start


def check_size(name: str, n: int, limit: int, instead: str) -> None:
    """UsageError where a vector is too long for an algorithm that holds n x n numbers."""
    if n > limit:
        raise UsageError(
            f"{name} holds {n:,} x {n:,} numbers for {n:,} parameters and is made for {limit:,} at most; take {instead}"
        )


def default_population(n: int) -> int:
    """The number of samples for n parameters that the literature settles on: 4 + floor(3 ln n)."""
    return 4 + int(3 * np.log(n))


# --- from returns to weights ------------------------------------------------------------------------------------------


def ranks(fitness: Array) -> Array:
    """The rank of each `(P,)`, 0 the worst; equals share the mean of their ranks."""
    _, place, count = np.unique(fitness, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Array = (last - (count + 1) / 2)[place]
    return shared


def centred_ranks(fitness: Array) -> Array:
    """Ranks as weights `(P,)` from -0.5 (the worst) to 0.5 (the best), 0 for all where all are equal."""
    return ranks(fitness) / (len(fitness) - 1) - 0.5


def utilities(fitness: Array) -> Array:
    """The weights `(P,)` of natural evolution strategies (Wierstra et al. 2014, section 3.1); they sum to 0.

        u_k = max(0, ln(P/2 + 1) - ln k) / sum_j max(0, ln(P/2 + 1) - ln j) - 1/P      for the k-th best

    Equals share the mean of their weights, so that flat returns move nothing.
    """
    P = len(fitness)
    raw = np.maximum(0.0, np.log(P / 2 + 1) - np.log(np.arange(1, P + 1)))
    ordered = raw / raw.sum() - 1 / P  # (P,), the best first
    _, place, count = np.unique(-fitness, return_inverse=True, return_counts=True)
    shared: Array = (np.add.reduceat(ordered, np.cumsum(count) - count) / count)[place]
    return shared


def finite(fitness: Array) -> Array:
    """Returns `(P,)` to calculate with, within `LARGEST`: infinite ones become the highest or lowest of the others."""
    known = fitness[np.isfinite(fitness)]
    if not len(known):
        return np.sign(fitness)
    clipped: Array = fitness.clip(known.min(), known.max()).clip(-LARGEST, LARGEST)
    return clipped


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _like(name: str, value: Any, current: Any, *, any_length: bool) -> Any:
    """A value of a state as the type that its place has; ValueError for an array of another shape."""
    if not isinstance(current, np.ndarray):
        return type(current)(value)
    array = np.array(value, np.float64, order="C")
    if array.shape != current.shape and not (any_length and array.ndim == current.ndim):
        raise ValueError(f"expected {name} of shape {current.shape}, got {array.shape}")
    return array

"""The least value of a plain function of a vector, by any of the algorithms: `cartwheel.minimize`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Entry, mean_of
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError, one_line
from cartwheel.experience.records import Experience, Request
from cartwheel.nn.flat import Layout
from cartwheel.settings import checked, resolve

Vector = NDArray[np.float64]

#: The reasons to stop that are not the algorithm's own.
TARGET, BUDGET = "target", "max_evaluations"


@dataclass(frozen=True, eq=False)
class Point:
    """A plain vector `x0 (n,)` as what is searched, in float64; taken as a copy, read-only."""

    x0: Vector

    def __post_init__(self) -> None:
        vector = np.array(self.x0, np.float64)
        vector.flags.writeable = False
        object.__setattr__(self, "x0", vector)

    @property
    def layout(self) -> Layout:
        """One array, `x (n,)`."""
        return Layout(("x",), (self.x0.shape,))

    @property
    def size(self) -> int:
        """n."""
        return len(self.x0)

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """float64."""
        return np.dtype(np.float64)

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> Vector:
        """`count` vectors `(count, n)` from N(x0, deviation**2)."""
        return self.x0 + deviation * rng.standard_normal((count, self.size))


@dataclass(frozen=True, eq=False)
class Minimum:
    """The best vector that was found, `x (n,)`, and its `value`; `evaluations` of the function were used.

    `stop` says why the search ended: "target", "max_evaluations", or the algorithm's own reason.
    """

    x: Vector
    value: float
    evaluations: int
    stop: str


def minimize(
    f: Callable[[Vector], Any],
    x0: Any,
    *,
    algorithm: str = "cma-es",
    sigma: float,
    target: float | None = None,
    max_evaluations: int = 100_000,
    seed: int = 0,
    batched: bool = False,
    **settings: Any,
) -> Minimum:
    """The least value of `f` that `algorithm` finds around `x0 (n,)`, in steps that begin with deviation `sigma`.

    `f` gets a fresh vector `(n,)` of float64 and returns a number; NaN counts as the worst there is. Nothing is
    bounded. The search ends with the first value that is `target` or less, when `f` has been called `max_evaluations`
    times, never more often, or when the algorithm has converged; `stop` says which. `settings` are the algorithm's,
    `restarts="ipop"` say; with `episodes=k` each candidate's value is the mean of k calls, for an `f` that is noisy.
    The same `seed` gives the same search.

    With `batched`, `f` gets a generation at once, a fresh matrix `(P, n)`, and returns its values `(P,)`. Each row is
    an evaluation: the last matrix has only as many rows as are left, and where one row is the target, the others were
    evaluated all the same. The candidates are those of the search without.

    Raises UsageError for what can't be done: an `x0` that is not one finite vector, an unknown algorithm, a setting
    out of its range, an `f` that returns no number, or not one for each row. What `f` itself raises, KeyboardInterrupt
    included, goes through.
    """
    if not callable(f):
        raise UsageError(f"f: expected a function of a vector, got {one_line(repr(f))}")
    entry = ALGORITHMS[checked("algorithm", algorithm, str)]
    if entry.by_steps:
        raise UsageError(f"{algorithm} learns from the steps of an environment; a function wants a search, cma-es say")
    limit: int = checked("max_evaluations", max_evaluations, int, {"minimum": 1})
    wanted: float | None = checked("target", target, float | None)
    steps = _steps(entry, checked("sigma", sigma, float, {"above": 0.0, "maximum": 1e6}))
    point = Point(_vector(x0))
    chosen = resolve(entry.settings, settings, steps, {"episodes": 1})
    searching = entry.algorithm(chosen, point, checked("seed", seed, int, {"minimum": 0}))
    measuring = _Batches if checked("batched", batched, bool) else _Evaluations
    return _search(measuring(f, point.x0, limit, wanted), searching)


class _Evaluations:
    """Calls the function, counts, and remembers the best vector and why to stop."""

    def __init__(self, f: Callable[[Vector], Any], x0: Vector, limit: int, target: float | None) -> None:
        self.f, self.limit, self.target = f, limit, target
        self.used, self.x, self.value = 0, x0.copy(), np.inf
        self.stop: str | None = None

    def measured(self, request: Request) -> Experience | None:
        """What comes of a request, or None where the search has ended before all was measured."""
        returns = np.empty((len(request.parameters), request.episodes))
        for place, candidate in enumerate(request.parameters):
            for episode in range(request.episodes):
                if self.used == self.limit:
                    self.stop = BUDGET
                    return None
                returns[place, episode] = -self._call(candidate)
            if self._reached(candidate, -float(mean_of(returns[place]))):
                self.stop = TARGET
                return None
        return Experience(returns=returns, lengths=np.ones(returns.shape, np.int64))

    def _call(self, candidate: Vector) -> float:
        self.used += 1
        value = self.f(candidate.astype(np.float64))  # a copy: f may do with it what it likes
        if isinstance(value, (Real, np.bool_)) or (
            isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "fiub"
        ):
            return float(value)
        raise UsageError(f"the function has to return a number; got {one_line(repr(value))}")

    def _reached(self, candidate: Vector, value: float) -> bool:
        """Remember the candidate if it is the best so far; whether its value is the target."""
        if value < self.value:
            self.x, self.value = candidate.astype(np.float64), value + 0.0  # 0, where it is -0
        return self.target is not None and value <= self.target


class _Batches(_Evaluations):
    """The same for a function of matrices, which measures a request in one call."""

    def measured(self, request: Request) -> Experience | None:
        """What comes of a request, or None where the search has ended with it."""
        candidates, episodes = request.parameters, request.episodes
        rows = np.repeat(np.array([*candidates], np.float64), episodes, axis=0)[: self.limit - self.used]
        values = self._values(rows) if len(rows) else np.zeros(0)
        known = values[: len(rows) // episodes * episodes].reshape(-1, episodes)  # (K, E), of K whole candidates
        reached = [self._reached(candidates[place], float(mean_of(row))) for place, row in enumerate(known)]
        if any(reached):
            self.stop = TARGET
        elif len(rows) < len(candidates) * episodes:
            self.stop = BUDGET
        else:
            return Experience(returns=-known, lengths=np.ones(known.shape, np.int64))
        return None

    def _values(self, rows: Vector) -> Vector:
        self.used += len(rows)
        values = np.asarray(self.f(rows))
        if values.shape != rows.shape[:1] or values.dtype.kind not in "fiub":
            got = f"{values.dtype} {values.shape}" if values.ndim else one_line(repr(values.item()))
            raise UsageError(f"the function has to return a number for each of {len(rows)} rows; got {got}")
        return values.astype(np.float64)


def _search(evaluations: _Evaluations, algorithm: Algorithm) -> Minimum:
    """Ask, measure and tell until something says that it is over."""
    while evaluations.stop is None:
        experience = evaluations.measured(algorithm.ask())
        if experience is not None:
            algorithm.tell(experience)
            evaluations.stop = algorithm.stopped
    return Minimum(evaluations.x, evaluations.value, evaluations.used, evaluations.stop)


def _steps(entry: Entry, sigma: float) -> dict[str, float]:
    """`sigma` under the names that an algorithm's settings have for it.

    One that takes steps begins at x0 itself; a population without a centre begins scattered about it.
    """
    names = {field.name for field in fields(entry.settings)}
    values = {"sigma": sigma, "initial_std": 0.0} if "sigma" in names else {"mutation_std": sigma, "initial_std": sigma}
    return {name: value for name, value in values.items() if name in names}


def _vector(x0: Any) -> Vector:
    """`x0` as one finite vector of float64."""
    try:
        vector = np.array(x0, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"x0: expected a vector of numbers, got {one_line(repr(x0))}") from None
    if vector.ndim != 1 or not len(vector):
        raise UsageError(f"x0: expected one vector of at least one number, got an array of shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise UsageError(
            f"x0: expected finite numbers, got {vector[~np.isfinite(vector)][0]} at place "
            f"{int(np.flatnonzero(~np.isfinite(vector))[0])}"
        )
    return vector

"""CMA-ES beside its author's program: evaluations to 1e-8, and what a generation costs in 500 dimensions."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from benchmarks.landscapes import LANDSCAPES, TARGET, Landscape, Vector, ellipsoid
from benchmarks.peers import peer
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.algorithms.cma_es import CmaEs, CmaEsSettings
from cartwheel.experience.records import Experience
from cartwheel.training.minimize import Point, minimize

_OURS, _THEIRS = "Cartwheel", "pycma"
_SIZES = (2, 10, 20)
_SEEDS = 21
_MET = "searches that met the target"
_LARGE, _BUDGET = 500, 200_000
_GENERATIONS = f"60 generations, n = {_LARGE}"


def _jobs() -> Iterator[tuple[str, Landscape, int]]:
    for name, landscape in LANDSCAPES.items():
        for n in _SIZES:
            yield f"{name}, n = {n}", landscape, n


def _comparisons() -> Iterator[Comparison]:
    for job, _, _ in _jobs():
        first, second = f"{job}: {_OURS}", f"{job}: {_THEIRS}"
        yield Comparison(first, "work", "value", first)
        yield Comparison(second, "work", "value", second)
        yield Comparison(f"{job}: {_OURS} / {_THEIRS}", "work", "ratio", first, second, at_most=1.15)
    first, second = f"{_MET}: {_OURS}", f"{_MET}: {_THEIRS}"
    yield Comparison(first, "work", "value", first)
    yield Comparison(f"{first} - {_THEIRS}", "work", "difference", first, second, at_least=-4)
    first, second = f"{_GENERATIONS}: {_OURS}", f"{_GENERATIONS}: {_THEIRS}"
    yield Comparison(f"{first} / {_THEIRS}", "CPU seconds", "ratio", first, second, at_most=1.0)


@benchmark(
    "minimize",
    "CMA-ES to 1e-8, from the same starts and first deviations (sphere and ellipsoid 1e6 from 3 with 2, Rosenbrock "
    f"from 0 with 0.5, Ackley from 10 with 6). Work is the median of the evaluations that {_SEEDS} searches took, "
    "others in each turn; those that end elsewhere are left out, and told in sum. Then the cost of generations on the "
    "ellipsoid in many dimensions, evaluations included.",
    tuple(_comparisons()),
)
def minimize_benchmark(setting: Setting) -> Iterator[Contestant]:
    """Both programs' searches, each turn with seeds of its own, and both programs' generations."""
    peer("cma")
    seeds = 3 if setting.quick else _SEEDS
    met: Counter[str] = Counter()
    for job, landscape, n in _jobs():
        for who, search in ((_OURS, our_search), (_THEIRS, their_search)):
            yield Contestant(f"{job}: {who}", _turn(met, who, partial(search, landscape, n), seeds))
    for who in (_OURS, _THEIRS):
        yield Contestant(f"{_MET}: {who}", partial(timed, partial(met.pop, who)))
    times = 6 if setting.quick else 60
    for who, make in ((_OURS, our_generation), (_THEIRS, their_generation)):
        yield Contestant(f"{_GENERATIONS}: {who}", partial(timed, partial(_repeated, make(), times)))


def _turn(met: Counter[str], who: str, search: Callable[[int], int | None], seeds: int) -> Callable[[], Sample]:
    """A turn of so many searches, each from a seed to its evaluations, or to None if it did not meet the target.

    Work is the median of the evaluations of those that met it, which are counted.
    """
    turns = count()

    def job() -> float:
        first = next(turns) * seeds
        searches = [search(seed) for seed in range(first, first + seeds)]
        used = [number for number in searches if number is not None]
        met[who] += len(used)
        return float(np.median(used)) if used else float("inf")

    return lambda: timed(job)


def our_search(landscape: Landscape, n: int, seed: int) -> int | None:
    """By `cartwheel.minimize`."""
    result = minimize(landscape.f, landscape.x0(n), max_evaluations=_BUDGET, **landscape.options(seed))
    return result.evaluations if result.stop == "target" else None


def their_search(landscape: Landscape, n: int, seed: int) -> int | None:
    """By `cma.fmin2`, up to the evaluation that met the target: it goes on to the generation's end."""
    used, met = 0, None

    def f(x: Vector) -> float:
        nonlocal used, met
        used += 1
        value = landscape.f(x)
        met = used if met is None and value <= TARGET else met
        return value

    options = {"ftarget": TARGET, "seed": seed + 1, "maxfevals": _BUDGET, "verbose": -9}  # 0 would be the clock's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer("cma").fmin2(f, landscape.x0(n), landscape.sigma, options)
    return met


def our_generation() -> Callable[[], None]:
    """A generation on the ellipsoid in many dimensions."""
    algorithm = CmaEs(CmaEsSettings(sigma=2.0, episodes=1), Point(np.full(_LARGE, 3.0)), 0)

    def generation() -> None:
        parameters = algorithm.ask().parameters
        returns = np.array([[-ellipsoid(x)] for x in parameters])
        algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))

    return generation


def their_generation() -> Callable[[], None]:
    """The same by pycma."""
    search: Any = peer("cma").CMAEvolutionStrategy(np.full(_LARGE, 3.0), 2.0, {"seed": 1, "verbose": -9})

    def generation() -> None:
        candidates = search.ask()
        search.tell(candidates, [ellipsoid(x) for x in candidates])

    return generation


def _repeated(generation: Callable[[], None], times: int) -> float:
    for _ in range(times):
        generation()
    return float(times)

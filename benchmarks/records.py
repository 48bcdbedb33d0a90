"""The words of a benchmark: contestants that take turns, what one turn took, and what is compared.

A benchmark is one file in this folder with a function under `@benchmark(...)`, which gets a `Setting`, prepares what is
not to be measured (compilation, caches) and yields a `Contestant` for each thing to be timed. The runner lets them take
turns, A B C A B C, so that a machine that slows down slows down all of them, and compares turn by turn.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from cartwheel.errors import CartwheelError
from cartwheel.registry import Registry


@dataclass(frozen=True)
class Sample:
    """One turn of one contestant: the CPU and wall seconds that it took, and how much `work` it did in them."""

    cpu: float
    wall: float
    work: float = 1.0


Figure = Literal["CPU seconds", "wall seconds", "work", "per CPU second", "per wall second"]

FIGURES: dict[Figure, Callable[[Sample], float]] = {
    "CPU seconds": lambda sample: sample.cpu,
    "wall seconds": lambda sample: sample.wall,
    "work": lambda sample: sample.work,
    "per CPU second": lambda sample: sample.work / sample.cpu,
    "per wall second": lambda sample: sample.work / sample.wall,
}


@dataclass(frozen=True)
class Contestant:
    """Something to be timed; `turn` does its job once and says what that took (see `timed`).

    None for what can't run on this machine: its name says why, and nothing is compared with it.
    """

    name: str
    turn: Callable[[], Sample] | None


class UnavailableError(CartwheelError):
    """A contestant can't run on this machine; the words say why."""


@dataclass(frozen=True)
class Spread:
    """Several values of one thing, in three numbers."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Comparison:
    """A figure of the contestant `first`, as it is or held against that of `second`: their ratio or difference.

    `at_least` and `at_most` say what is wanted of the median.
    """

    name: str
    figure: Figure
    kind: Literal["value", "ratio", "difference"]
    first: str
    second: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def values(self, samples: Samples) -> list[float]:
        """The compared figure, one for each turn: the k-th of `first` against the k-th of `second`, never across."""
        figure = FIGURES[self.figure]
        ours = [figure(sample) for sample in samples[self.first]]
        if self.kind == "value":
            return ours
        theirs = [figure(sample) for sample in samples[self.second]]
        pairs = zip(ours, theirs, strict=True)
        return [a / b if self.kind == "ratio" else a - b for a, b in pairs]

    def met(self, median: float) -> bool:
        """Whether this median is what was wanted."""
        return (self.at_least is None or median >= self.at_least) and (self.at_most is None or median <= self.at_most)


Samples: TypeAlias = dict[str, list[Sample]]
"""Every contestant's turns, in order; none of one that can't run."""


@dataclass(frozen=True)
class Setting:
    """What a benchmark is given: whether only a glance is wanted (`quick`), and a folder that goes when it is over."""

    quick: bool
    folder: Path


@dataclass(frozen=True)
class Benchmark:
    """A named measurement: its contestants, what `unit` their work is counted in, and what is compared.

    `text` explains it in the documentation; `rate` is the figure shown for each contestant beside the seconds it took
    (None where the seconds are the result).
    """

    name: str
    text: str
    unit: str
    rate: Figure | None
    comparisons: tuple[Comparison, ...]
    contestants: Callable[[Setting], Iterator[Contestant]]


BENCHMARKS: Registry[Benchmark] = Registry("benchmark")


def benchmark(
    name: str, text: str, comparisons: Sequence[Comparison], *, unit: str = "", rate: Figure | None = None
) -> Callable[[Callable[[Setting], Iterator[Contestant]]], Callable[[Setting], Iterator[Contestant]]]:
    """Registers the function below it as the benchmark `name`."""

    def register(function: Callable[[Setting], Iterator[Contestant]]) -> Callable[[Setting], Iterator[Contestant]]:
        BENCHMARKS.register(name, Benchmark(name, text, unit, rate, tuple(comparisons), function))
        return function

    return register


THIS_PROCESS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
ITS_CHILDREN = (resource.RUSAGE_CHILDREN,)


def timed(job: Callable[[], float], whose: Sequence[int] = THIS_PROCESS) -> Sample:
    """Does the job, which returns how much it did; CPU time is that of all threads and of all children that ended."""
    cpu, wall = cpu_seconds(whose), time.perf_counter()
    work = job()
    return Sample(cpu_seconds(whose) - cpu, time.perf_counter() - wall, work)


def cpu_seconds(whose: Sequence[int] = THIS_PROCESS) -> float:
    """CPU time so far, user and system."""
    usages = [resource.getrusage(who) for who in whose]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)

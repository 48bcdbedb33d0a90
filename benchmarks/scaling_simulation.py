"""A thousand workers, simulated from what was measured with a few: what each of them is worth, and when no more.

`python -m benchmarks.scaling_simulation` prints the tables, `--measure` measures anew first (minutes; Ray where it is
installed) and keeps the figures in docs/scaling.json, and `--write` puts the tables into docs/scaling.md.

The coordinator is a single thread that does what `training.executors.pool` does: it greets all workers, hands an item
to each that is idle, looks who has something to say, hears them, and begins again. Each of these takes it as long as
was measured, and so do the way to a worker and its work; workers don't disturb each other. The only chance is which
measured candidate's episodes each one has, and is drawn from a seed.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import table, write_section
from cartwheel.errors import CartwheelError
from cartwheel.experience.parts import shares

FOLDER = Path(__file__).parent.parent / "docs"
FIGURES, PAGE = FOLDER / "scaling.json", FOLDER / "scaling.md"
WORKERS = (1, 10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Costs:
    """What an executor costs, in seconds of the coordinator; `travel` passes between giving and hearing, work apart.

    A look at who has something to say costs `look`, and `look_each` for each worker that is waited for.
    """

    begin: float
    greet: float
    give: float
    hear: float
    look: float
    look_each: float
    travel: float


@dataclass(frozen=True)
class Job:
    """A generation to be measured: `lengths (P, E)` in steps of `step` seconds, and a vector in `make` seconds.

    `alone` is what the coordinator does by itself, `ask` and `tell`; of `chained` candidates each item makes a parent.
    """

    lengths: NDArray[np.int64]
    step: float
    alone: float
    make: float = 0.0
    chained: bool = False

    def items(self, workers: int) -> list[float]:
        """The seconds of work of each item, as so many workers get them."""
        P, E = self.lengths.shape
        parts = (self.lengths[place] for place in shares(P, E, workers, self.chained))
        return [self.step * int(part.sum()) + self.make * (len(part) + self.chained) for part in parts]

    @property
    def seconds(self) -> float:
        """How long a generation takes the coordinator alone, which sends nothing."""
        return self.alone + sum(self.items(1))


@dataclass(frozen=True)
class Outcome:
    """A generation: the seconds that it took, those of them in which the coordinator was not idle, and its items."""

    seconds: float
    busy: float
    items: int


def simulate(job: Job, costs: Costs, workers: int) -> Outcome:
    """One generation, by workers that are there."""
    waiting = job.items(workers)[::-1]
    items, done, idle, slept = len(waiting), 0, 0, 0.0
    now = job.alone + costs.begin
    arrivals: list[tuple[float, bool]] = []  # when the coordinator could hear of it, and whether it is an item
    for _ in range(workers):
        now += costs.greet
        heapq.heappush(arrivals, (now + costs.travel, False))
    while done < items:
        while idle and waiting:
            now, idle = now + costs.give, idle - 1
            heapq.heappush(arrivals, (now + costs.travel + waiting.pop(), True))
        slept += max(0.0, arrivals[0][0] - now)
        now = max(now, arrivals[0][0]) + costs.look + costs.look_each * len(arrivals)
        for item in list(_heard(arrivals, now)):
            now, idle, done = now + costs.hear, idle + 1, done + item
    return Outcome(now, now - slept, items)


def _heard(arrivals: list[tuple[float, bool]], now: float) -> Iterator[bool]:
    """What has arrived by now, which is taken off the heap: of each whether it is an item."""
    while arrivals and arrivals[0][0] <= now:
        yield heapq.heappop(arrivals)[1]


def drawn(measured: Sequence[Sequence[int]], candidates: int, seed: int = 0) -> NDArray[np.int64]:
    """Lengths `(candidates, E)`: each candidate has all the episodes of one that was measured."""
    rows = np.array(measured, np.int64)
    return rows[np.random.default_rng(seed).integers(len(rows), size=candidates)]


def speed_up(job: Job, costs: Costs, workers: int) -> float:
    """How many times as fast a generation is as by the coordinator alone."""
    return job.seconds / simulate(job, costs, workers).seconds


# --- the tables -------------------------------------------------------------------------------------------------------


def jobs(figures: Mapping[str, Any]) -> dict[str, Job]:
    """The jobs of the table, of 10,000 candidates each."""
    early, late = (drawn(figures["lengths"][name], 10_000) for name in ("early", "late"))
    step, alone = figures["step"], figures["alone"]
    return {
        "CartPole of Python, first generation": Job(early, step["general"], alone["dense"]),
        "CartPole of Python, later": Job(late, step["general"], alone["dense"]),
        "CartPole that waits 5 ms a step, later": Job(late, step["waiting"], alone["dense"]),
        "4 million weights as seeds, first generation": Job(
            early, step["large"], alone["seeds"], figures["make"], chained=True
        ),
    }


def scaling_table(figures: Mapping[str, Any]) -> str:
    """The efficiency for each job, executor and number of workers, and the last one's generation and coordinator."""
    header = ["job", "executor", "one core", *(f"{workers:,}" for workers in WORKERS), "a generation", "coordinator"]
    rows = []
    for name, job in jobs(figures).items():
        for executor, values in figures["executors"].items():
            costs = Costs(**values)
            worth = [f"{speed_up(job, costs, workers) / workers:.0%}" for workers in WORKERS]
            last = simulate(job, costs, WORKERS[-1])
            ends = [_seconds(last.seconds), f"{last.busy / last.seconds:.0%}"]
            rows.append([name, executor, _seconds(job.seconds), *worth, *ends])
    return table(header, rows)


def validation_table(figures: Mapping[str, Any]) -> str:
    """Generations that were run with a few workers, and what the simulation says of them."""
    rows = []
    for executor, seconds in figures["runs"].items():
        for workers, measured in seconds.items():
            job = Job(np.array(figures["run_lengths"]), figures["step"]["waiting"], 0.0)
            predicted = simulate(job, Costs(**figures["executors"][executor]), int(workers)).seconds
            rows.append(
                [executor, workers, _seconds(measured), _seconds(predicted), f"{predicted / measured - 1:+.1%}"]
            )
    return table(["executor", "workers", "measured", "predicted", "off by"], rows)


def costs_table(figures: Mapping[str, Any]) -> str:
    """What the coordinator's motions take."""
    names = {
        "begin": "begin a map", "greet": "greet a worker", "give": "give an item", "hear": "hear an answer",
        "look": "look who speaks", "look_each": "the same, for each that is waited for", "travel": "way there and back",
    }  # fmt: skip
    executors = figures["executors"]
    rows = [[text, *(_seconds(costs[name]) for costs in executors.values())] for name, text in names.items()]
    return table(["", *executors], rows)


def _seconds(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f} s"
    unit, scale = ("s", 1.0) if value >= 1 else ("ms", 1e3) if value >= 1e-3 else ("µs", 1e6)
    return f"{value * scale:.3g} {unit}"


def tables(figures: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page, by the names of their markers."""
    return {
        "scaling costs": costs_table(figures),
        "scaling validation": validation_table(figures),
        "scaling simulation": scaling_table(figures),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of the simulation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling_simulation", description=main.__doc__)
    parser.add_argument("--measure", action="store_true", help="measure what it rests on, which takes minutes")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scaling.md")
    given = parser.parse_args(arguments)
    if given.measure:
        from benchmarks.scaling_figures import measure

        FIGURES.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    if not FIGURES.exists():
        raise CartwheelError(f"expected {FIGURES}: give --measure")
    for name, text in tables(json.loads(FIGURES.read_text(encoding="utf-8"))).items():
        print(f"{name}\n\n{text}\n")
        if given.write:
            write_section(PAGE, name, text)


if __name__ == "__main__":
    main()

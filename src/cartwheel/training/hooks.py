"""What a training run tells those who watch it: a progress view, a log, a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Budget:
    """When a run ends at the latest, each part None where it does not limit; counts include what a resumed run did."""

    generations: int | None = None
    steps: int | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        parts = []
        if self.generations is not None:
            parts.append(f"{self.generations:,} generation{'s' if self.generations != 1 else ''}")
        if self.steps is not None:
            parts.append(f"{self.steps:,} environment step{'s' if self.steps != 1 else ''}")
        if self.seconds is not None:
            parts.append(f"{self.seconds:g} s")
        return " or ".join(parts)

    def fraction(self, generations: int, steps: int, seconds: float) -> float:
        """How much of the budget is used, 0 to 1 and beyond: the largest of its parts."""
        used = [
            count / limit
            for count, limit in (
                (generations, self.generations),
                (steps, self.steps),
                (seconds, self.seconds),
            )
            if limit is not None
        ]
        return max(used, default=0.0)


@dataclass(frozen=True)
class Plan:
    """What is about to run: known before the first generation."""

    name: str
    folder: Path
    environment: str
    algorithm: str
    path: str  # "native" or "general"
    workers: int
    parameters: int  # n, of one network
    budget: Budget
    threshold: float | None  # the return that counts as solved; None: run to the end of the budget
    generation: int  # how many generations are done already (a resumed run)
    steps: int = 0  # and how many environment steps
    by_steps: bool = False  # whether it learns from single steps, a generation being a stretch of them
    room: int = 0  # bytes that the algorithm keeps of its steps, at most
    blas: int | None = None  # threads that BLAS works with, None where nobody has set them


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `stop` is "solved", "budget", or why the search ended by itself.

    `result` holds the figures that are reported.

    `files` are what was made of it, by what they are: "policy", "report", "animation". `by_steps` is the plan's.
    """

    stop: str
    result: Mapping[str, float | int | str]
    folder: Path
    files: Mapping[str, Path]
    by_steps: bool = False


class Hook:
    """Told of each event of a run; every method may be left as it is."""

    def start(self, plan: Plan) -> None:
        """The run begins (or goes on)."""

    def row(self, row: Mapping[str, float]) -> None:
        """A generation is over, or several that share a row: their row of metrics."""

    def note(self, text: str) -> None:
        """Something that the user should know, in a line."""

    def end(self, outcome: Outcome) -> None:
        """The run is over, its result stored, its report written."""

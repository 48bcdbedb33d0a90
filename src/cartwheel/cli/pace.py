"""How fast a run goes and how long it may still take, from the rows of its metrics."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from cartwheel.training.hooks import Plan

_POINTS = 40  # the speed is an average over so many rows that were drawn: four seconds of a live bar


class Pace:
    """Takes the rows that are drawn, in order; gives figures, None as long as they cannot be known."""

    def __init__(self, plan: Plan) -> None:
        self._budget = plan.budget
        self.by_steps = plan.by_steps
        self._points: deque[tuple[float, float]] = deque(maxlen=_POINTS)  # seconds, steps
        self._first: tuple[float, float] | None = None  # seconds, part of the budget
        self.fraction = 0.0
        if plan.generation == 0:  # a resumed run's counts are known with its first row
            self.add({"generation": 0, "steps": 0, "seconds": 0.0})

    def add(self, row: Mapping[str, float]) -> None:
        """Take a row; needs its `generation`, `steps` and `seconds`, all counted from the run's first start."""
        self.fraction = self._budget.fraction(int(row["generation"]), int(row["steps"]), row["seconds"])
        self._points.append((row["seconds"], row["steps"]))
        self._first = self._first or (row["seconds"], self.fraction)

    @property
    def steps_per_second(self) -> float | None:
        """Environment steps per second, lately."""
        if len(self._points) < 2 or self._points[-1][0] <= self._points[0][0]:
            return None
        first, last = self._points[0], self._points[-1]
        return (last[1] - first[1]) / (last[0] - first[0])

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the budget ends, if it is used up as evenly as so far."""
        if self._first is None:
            return None
        before, used_before = self._first
        now, used = self._points[-1][0], self.fraction
        return None if used <= used_before else max(0.0, (1.0 - used) * (now - before) / (used - used_before))

"""What is seen of a run while it trains: a live bar on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from time import monotonic
from typing import Any, Self, TextIO

from cartwheel.cli.machine import json_line
from cartwheel.cli.pace import Pace
from cartwheel.cli.wording import outcome_text, plan_text, row_text
from cartwheel.errors import CartwheelError
from cartwheel.training.hooks import Hook, Outcome, Plan


def default_hook() -> View:
    """The view that suits where this process writes to: the live bar on a terminal that can draw it, else lines."""
    if sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        from cartwheel.cli.live import LiveBar  # loads rich, which lines do without

        return LiveBar()
    return Lines()


@contextmanager
def watching(*, quiet: bool, json: bool) -> Iterator[View]:
    """The view of a command, closed at the end; CartwheelError if it could not show all: the run is over by then."""
    with view(quiet=quiet, json=json) as shown:
        yield shown
    if shown.problem is not None:
        what = shown.problem.strerror or shown.problem
        raise CartwheelError(f"standard output: {what}; the run itself went on to its end")


def view(*, quiet: bool, json: bool) -> View:
    """The view that the flags `--quiet` and `--json` ask for; without either, the default one."""
    if json:
        return JsonLines()
    return Result() if quiet else default_hook()


class View(Hook):
    """A hook that shows rows now and then: the first, then one each `interval` seconds, and the last.

    A row that is not shown costs a look at the clock. Once the output can't be written any more, the view falls silent:
    no training is lost for a closed pipe or a full disk. `problem` says why, unless it is that nobody reads any more.
    `close` (or a `with` block) gives the screen back, however the run ended.
    """

    interval = 3.0

    def __init__(self) -> None:
        self._due = -math.inf
        self._kept: Mapping[str, float] | None = None
        self.problem: OSError | None = None
        self._silent = False
        self._output: TextIO | None = None  # None: standard output, as it is then

    def start(self, plan: Plan) -> None:
        """Show the plan."""
        self.pace = Pace(plan)
        self.show_plan(plan)

    def row(self, row: Mapping[str, float]) -> None:
        """Show the row, or keep it."""
        self._kept = row
        if monotonic() >= self._due:
            self._show_kept()

    def note(self, text: str) -> None:
        """Show the note."""
        self.write(text)

    def end(self, outcome: Outcome) -> None:
        """Show the last row if it was kept, and the outcome."""
        if self._kept is not None:
            self._show_kept()
        self.close()
        self.show_outcome(outcome)

    def close(self) -> None:
        """Give the screen back; may be called twice."""

    def show_plan(self, plan: Plan) -> None:
        """Say what is about to run."""
        self.write(plan_text(plan))

    def show_row(self, row: Mapping[str, float]) -> None:
        """Say how a generation went."""

    def show_outcome(self, outcome: Outcome) -> None:
        """Say how the run ended."""
        self.write(outcome_text(outcome))

    def write(self, text: str) -> None:
        """Print lines, at once."""
        with self.tolerant():
            if not self._silent:
                print(text, flush=True, file=self._output)

    @contextmanager
    def tolerant(self) -> Iterator[None]:
        """A block whose output may fail."""
        try:
            yield
        except OSError as problem:
            self._silent = True
            if not isinstance(problem, BrokenPipeError):
                self.problem = problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def _show_kept(self) -> None:
        row, self._kept = self._kept, None
        if row is not None:
            self.pace.add(row)
            if not self._silent:
                self.show_row(row)
            self._due = monotonic() + self.interval


class Lines(View):
    """A plain line every few seconds: for files, pipes, notebooks and simple terminals."""

    def show_row(self, row: Mapping[str, float]) -> None:
        """Print the row."""
        self.write(row_text(row, self.pace))


class Result(View):
    """Nothing but the result."""

    interval = math.inf

    def show_plan(self, plan: Plan) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


class JsonLines(View):
    """One JSON object a line: `start`, a `row` every few seconds, `note` and `end`; what is not finite is null.

    Within a `with` block, what others print, an environment for instance, goes to standard error.
    """

    def __init__(self) -> None:
        super().__init__()
        self._aside = redirect_stdout(sys.stderr)

    def __enter__(self) -> Self:
        self._output = sys.stdout
        self._aside.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self._aside.__exit__(*problem)
        self.close()

    def show_plan(self, plan: Plan) -> None:
        """Print the event `start`."""
        self._event("start", {**vars(plan), "budget": vars(plan.budget)})

    def show_row(self, row: Mapping[str, float]) -> None:
        """Print the event `row`."""
        self._event("row", row)

    def note(self, text: str) -> None:
        """Print the event `note`."""
        self._event("note", {"text": text})

    def show_outcome(self, outcome: Outcome) -> None:
        """Print the event `end`."""
        self._event("end", vars(outcome))

    def _event(self, event: str, fields: Mapping[str, Any]) -> None:
        self.write(json_line({"event": event, **fields}))

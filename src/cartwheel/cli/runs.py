"""`cartwheel runs`: what was trained so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cartwheel.cli.parsing import Runs, Switch, run_command
from cartwheel.cli.tables import table
from cartwheel.cli.wording import number
from cartwheel.errors import CartwheelError, UsageError
from cartwheel.storage.run import CONFIG_FILE, REPORT_FILE, Run

_EXAMPLES = """\
  cartwheel runs
  cartwheel runs first
  cartwheel runs first --digest"""

_HEADING = "NAME ENVIRONMENT ALGORITHM STATUS GENERATIONS STEPS BEST TEST CHANGED".split()


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `runs`."""
    run_command(show, "runs [RUN] [OPTIONS]", _EXAMPLES, arguments)


def show(
    run: Annotated[str | None, Parameter(name="RUN", help="Name or folder of a run, to see more of it.")] = None,
    /,
    *,
    digest: Annotated[
        Switch,
        Parameter(help="Print a SHA-256 over what the run learnt, times left out: runs that are alike share it."),
    ] = False,
    runs: Runs = "runs",
) -> None:
    """Show all runs in a table, or the figures, settings and files of one.

    BEST is the best return of a generation's best candidate, or the best mean of 100 episodes of an algorithm that
    learns from single steps, whose generations are stretches of them; TEST is the mean return over the test episodes.
    """
    if digest:
        if run is None:
            raise UsageError("--digest wants a run: cartwheel runs RUN --digest")
        print(Run.open(run, Path(runs)).digest())
    elif run is not None:
        print(details(Run.open(run, Path(runs))))
    else:
        print(overview(Path(runs)))


def overview(runs: Path) -> str:
    """All runs below a folder, a line each; one that is damaged does not hide the others."""
    lines = [_line(run) for run in Run.list(runs)]
    if not lines:
        return f"no runs in {runs} yet; `cartwheel train CartPole-v1` makes one"
    return table([_HEADING, *lines], right=range(4, 8))


def details(run: Run) -> str:
    """A run's figures, settings and files."""
    config = run.config
    facts = {"run": run.name, "folder": run.folder, "status": run.status}
    facts |= {name: value for name, value in config.items() if not isinstance(value, dict)}
    parts = [_block(facts), _block(_figures(run))]
    parts += [f"[{name}]\n{_block(values)}" for name, values in config.items() if isinstance(values, dict)]
    files = [path for path in (run.policy_path, run.folder / REPORT_FILE) if path.exists()]
    return "\n\n".join([part for part in parts if part] + ["\n".join(map(str, files))] * bool(files))


def _line(run: Run) -> list[str]:
    try:
        config, figures = run.config, _figures(run)
        texts = [str(config.get("environment", "?")), str(config.get("algorithm", "?")), run.status]
    except CartwheelError:
        return [run.name, "?", "?", "damaged", "", "", "", "", _changed(run)]
    counts = [f"{figures[name]:,}" if name in figures else "" for name in ("generations", "steps")]
    returns = [_return(figures.get(name)) for name in ("best", "test_mean")]
    return [run.name, *texts, *counts, *returns, _changed(run)]


def _return(value: float | None) -> str:
    """A return, where there is one: there is none before the first episode has ended."""
    return number(value) if value is not None and math.isfinite(value) else ""


def _figures(run: Run) -> Mapping[str, Any]:
    """The result of a finished run; of another one, what its last generation tells."""
    result = run.result
    if result is not None:
        return result
    last = {name: column[-1].item() for name, column in run.metrics.items() if len(column)}
    generation = {"generations": last.pop("generation")} if last else {}
    return generation | last


def _changed(run: Run) -> str:
    """When the run was last written to, in local time."""
    files = [path for path in (run.metrics_path, run.folder / CONFIG_FILE) if path.exists()]
    return f"{datetime.fromtimestamp(max(path.stat().st_mtime for path in files)):%Y-%m-%d %H:%M}" if files else ""


def _block(values: Mapping[str, Any]) -> str:
    rows = [[name, f"{value:.6g}" if isinstance(value, float) else str(value)] for name, value in values.items()]
    return table(rows) if rows else ""

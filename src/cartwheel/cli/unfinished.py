"""What is looked at before a run goes on: whether something is left to do, and what is no longer as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cartwheel.cli.wording import counted
from cartwheel.errors import UsageError
from cartwheel.training.settings import TrainSettings

if TYPE_CHECKING:
    from cartwheel.storage.run import Run
    from cartwheel.training.hooks import Hook
    from cartwheel.training.trainer import Trainer


def check_unfinished(run: Run, settings: TrainSettings) -> None:
    """UsageError if there is nothing to go on with."""
    result = run.result
    if result is None:
        return
    page = "" if run.report_path.exists() else f"; `cartwheel report {run.name}` writes its page"
    if result["stop"] == "solved":
        raise UsageError(
            f"{run.name} is finished: it was solved after {result['generations']} generations; train another one with "
            f"--no-early-stop to go beyond that{page}"
        )
    if result["stop"] != "budget":
        raise UsageError(f"{run.name} is finished: the search ended by itself, {result['stop']}{page}")
    used = settings.budget.fraction(int(result["generations"]), int(result["steps"]), float(result["seconds"]))
    if used >= 1.0:
        raise UsageError(f"{run.name} is finished; to go on, give it a larger budget than {settings.budget}{page}")


def kept_versions(run: Run, config: dict[str, Any], hooks: Sequence[Hook]) -> dict[str, Any]:
    """The configuration with the versions that the run began under; a warning where they are others now."""
    before, now = run.config.get("versions", {}), config["versions"]
    others = [f"{name} {before[name]} is now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
    for hook in hooks if others else ():
        hook.note(f"warning: {', '.join(others)}: what follows may differ from an uninterrupted run")
    return {**config, "versions": before or now}


def warn_of_lost_rows(run: Run, trainer: Trainer, hooks: Sequence[Hook]) -> None:
    """A warning where the metrics are not those that the checkpoint goes on from.

    Rows are written before the checkpoint, so that only somebody else can have taken or changed them.
    """
    columns, wanted = run.metrics, trainer.rows
    found = sum(generation <= trainer.generation for generation in columns.get("generation", ()))
    if found < wanted:
        lost = f"{counted(wanted - found, 'row')} of {wanted:,} are gone; the run's curves and digest lack them"
    elif wanted and ("best" not in columns or columns["best"][wanted - 1] != trainer.best_return):
        lost = "these are not the rows of this run; its curves and digest are not, either"
    else:
        return
    for hook in hooks:
        hook.note(f"warning: {run.metrics_path}: {lost}")

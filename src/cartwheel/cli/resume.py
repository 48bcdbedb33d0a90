"""`cartwheel resume`: a run goes on where its last checkpoint stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from cartwheel.cli import api
from cartwheel.cli.options import options_of, with_options
from cartwheel.cli.parsing import OtherEnvironment, Runs, Switch, run_command
from cartwheel.cli.progress import watching
from cartwheel.training.settings import TrainSettings

_EXAMPLES = """\
  cartwheel resume first                      finish what was interrupted
  cartwheel resume first --generations 500    go on with a larger budget"""

_MAY_DIFFER = ("generations", "steps", "seconds", "workers", "executor", "address", "patience")


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `resume`."""
    command = with_options(resume, options_of(TrainSettings, "What may differ from the first time", _MAY_DIFFER))
    run_command(command, "resume RUN [OPTIONS]", _EXAMPLES, arguments)


def resume(
    run: Annotated[str, Parameter(name="RUN", help="Name or folder of the run.")],
    /,
    *,
    environment: OtherEnvironment = None,
    runs: Runs = "runs",
    quiet: Annotated[Switch, Parameter(help="Print the result only.")] = False,
    json: Annotated[Switch, Parameter(help="Print JSON lines for machines: start, row, note and end.")] = False,
    **options: Any,
) -> None:
    """Go on with a run: to the end of its budget if it was interrupted, or to that of a larger one.

    The result is the same to the bit as if it had never stopped.
    """
    with watching(quiet=quiet, json=json) as hook:
        api.resume(run, environment=environment, runs=runs, hooks=[hook], **options)

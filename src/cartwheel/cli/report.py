"""`cartwheel report`: a run's page, written again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from cartwheel.cli import api
from cartwheel.cli.parsing import OtherEnvironment, Runs, run_command

_EXAMPLES = "  cartwheel report first"


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `report`."""
    run_command(report, "report RUN [--runs FOLDER]", _EXAMPLES, arguments)


def report(
    run: Annotated[str, Parameter(name="RUN", help="Name or folder of the run.")],
    /,
    *,
    environment: OtherEnvironment = None,
    runs: Runs = "runs",
) -> None:
    """Write a run's report, one file that opens without a network, and print its path."""
    print(api.report(run, environment=environment, runs=runs))

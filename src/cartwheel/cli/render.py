"""`cartwheel render`: what a policy looks like at work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from cartwheel.cli import api
from cartwheel.cli.parsing import OtherEnvironment, Runs, Switch, run_command

_EXAMPLES = """\
  cartwheel render first --to first.webp
  cartwheel render runs/first/policy.safetensors --watch"""


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `render`."""
    run_command(render, "render RUN|FILE [OPTIONS]", _EXAMPLES, arguments)


def render(
    run: Annotated[str, Parameter(name="RUN|FILE", help="Name or folder of a run, or a policy file.")],
    /,
    *,
    to: Annotated[
        str | None,
        Parameter(metavar="FILE", help="Where the picture goes, .webp or .gif; beside the policy by default."),
    ] = None,
    watch: Annotated[Switch, Parameter(help="Open a window and watch.")] = False,
    environment: OtherEnvironment = None,
    runs: Runs = "runs",
) -> None:
    """Make a moving picture of one episode of a policy, which needs no screen, or watch it in a window."""
    path = api.render(run, to=to, watch=watch, runs=runs, environment=environment)
    if path is not None:
        print(path)

"""`cartwheel evaluate`: what a policy is worth, over fresh episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cartwheel.cli import api
from cartwheel.cli.machine import json_line
from cartwheel.cli.parsing import OtherEnvironment, Runs, Switch, run_command, whole_number

if TYPE_CHECKING:
    from cartwheel.cli.api import Evaluation

_EXAMPLES = """\
  cartwheel evaluate first
  cartwheel evaluate first --seed 1             other episodes than those of the test
  cartwheel evaluate runs/first/policy.safetensors --episodes 1000 --json"""


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `evaluate`."""
    run_command(evaluate, "evaluate RUN|FILE [OPTIONS]", _EXAMPLES, arguments)


def evaluate(
    run: Annotated[str, Parameter(name="RUN|FILE", help="Name or folder of a run, or a policy file.")],
    /,
    *,
    episodes: Annotated[int, Parameter(metavar="N", converter=whole_number, help="How many episodes.")] = 100,
    sample: Annotated[Switch, Parameter(help="Draw actions from the policy's distribution.")] = False,
    seed: Annotated[
        int | None,
        Parameter(
            metavar="N", converter=whole_number, help="Draw the episodes from this number; test episodes otherwise."
        ),
    ] = None,
    environment: OtherEnvironment = None,
    runs: Runs = "runs",
    json: Annotated[Switch, Parameter(help="Print one JSON object for machines.")] = False,
) -> None:
    """Measure a policy: mean return with its 95 % interval, spread, range and lengths of episodes."""
    result = api.evaluate(run, runs=runs, episodes=episodes, sample=sample, seed=seed, environment=environment)
    print(json_line(as_data(result)) if json else as_text(result))


def as_data(result: Evaluation) -> dict[str, object]:
    """An evaluation as fields for machines; its count is that of the episodes."""
    return {"episodes" if name == "count" else name: value for name, value in vars(result).items()}


def as_text(result: Evaluation) -> str:
    """An evaluation as lines for people."""
    lengths = result.lengths
    if result.episodes == 1:
        return f"return              {result.mean:,.2f}  (1 episode, of {lengths[0]:,} steps)"
    return "\n".join(
        [
            f"mean return         {result.mean:,.2f}  ({result.episodes:,} episodes)",
            f"95 % interval       {result.low:,.2f} to {result.high:,.2f}",
            f"standard deviation  {result.std:,.2f}",
            f"range               {result.minimum:,.2f} to {result.maximum:,.2f}",
            f"episode length      {result.length_mean:,.1f} steps ({lengths.min():,} to {lengths.max():,})",
        ]
    )

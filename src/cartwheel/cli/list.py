"""`cartwheel list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from cartwheel.cli.parsing import run_command
from cartwheel.cli.tables import table
from cartwheel.errors import UsageError, did_you_mean

_EXAMPLES = """\
  cartwheel list algorithms
  cartwheel list environments"""


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `list`."""
    run_command(show, "list algorithms|environments", _EXAMPLES, arguments)


def show(
    what: Annotated[str, Parameter(name="WHAT", help="algorithms or environments.")],
    /,
) -> None:
    """List the algorithms with their presets, or the environments that are installed and how they are run.

    Native environments have compiled physics; all others are stepped by Gymnasium.
    """
    listings = {"algorithms": _algorithms, "environments": _environments}
    if what not in listings:
        raise UsageError(f"there is no list of {what!r}; {did_you_mean(what, listings)}")
    print(listings[what]())


def _algorithms() -> str:
    from cartwheel.algorithms.choice import RULE
    from cartwheel.algorithms.registry import ALGORITHMS

    heading = ["NAME", "WHAT IT IS", "PRESETS"]
    rows = [heading, *([entry.name, entry.summary, ", ".join(entry.presets)] for entry in ALGORITHMS.values())]
    return f"{table(rows)}\n\n{RULE}"


def _environments() -> str:
    from cartwheel.envs.environment import environment_ids
    from cartwheel.envs.native.registry import native_ids

    native = native_ids()
    return table([["ID", "PATH"], *([name, "native" if name in native else "general"] for name in environment_ids())])

"""`cartwheel train`: one run, from nothing to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Annotated, Any

from cyclopts import Parameter

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.choice import DEFAULT_ALGORITHM, RULE
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli import api
from cartwheel.cli.layers import Layers, who_has
from cartwheel.cli.options import env_args, options_of, with_options
from cartwheel.cli.parsing import Runs, Switch, run_command
from cartwheel.cli.progress import watching
from cartwheel.errors import UsageError
from cartwheel.training.general import unused
from cartwheel.training.settings import TrainSettings

_EXAMPLES = """\
  cartwheel train CartPole-v1 --seed 1 --name first
  cartwheel train CartPole-v1 --algorithm genetic --preset tutorial
  cartwheel train CartPole-v1 --algorithm dqn --steps 50000
  cartwheel train MountainCarContinuous-v0 --hidden 16,16 --seconds 60
  cartwheel train some_package:Their-v0 --env-arg wind=0.5
  cartwheel train --config runs/first/config.toml"""


def main(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow `train`."""
    name = _algorithm(arguments)
    entry = ALGORITHMS[name]
    title = f"Options of {name} (`--algorithm X --help` shows those of another)"
    _check_names(arguments, entry)
    general = options_of(TrainSettings, "Options of every training", hide=unused(entry), defaults=entry.general)
    command = with_options(train, general, options_of(entry.settings, title))
    run_command(command, "train ENV [OPTIONS]", _EXAMPLES, arguments)


def train(
    environment: Annotated[
        str | None,
        Parameter(name="ENV", help="A Gymnasium id, or module:Id; may be left out if --config names one."),
    ] = None,
    /,
    *,
    algorithm: Annotated[
        str | None, Parameter(metavar="NAME", help=f"How to learn; see `cartwheel list algorithms`. {RULE}")
    ] = None,
    preset: Annotated[
        str | None, Parameter(metavar="NAME", help="Settings that go by a name; see `cartwheel list algorithms`.")
    ] = None,
    config: Annotated[str | None, Parameter(metavar="FILE", help="Settings from a file, such as a run's own.")] = None,
    name: Annotated[
        str | None, Parameter(metavar="NAME", help="Name of the run; a free one is made up otherwise.")
    ] = None,
    runs: Runs = "runs",
    env_arg: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            show_default=False,
            metavar="KEY=VALUE",
            help="A keyword argument for the environment: a number, true or false, or text. May be repeated.",
        ),
    ] = (),
    quiet: Annotated[Switch, Parameter(help="Print the result only.")] = False,
    json: Annotated[Switch, Parameter(help="Print JSON lines for machines: start, row, note and end.")] = False,
    **options: Any,
) -> None:
    """Train a controller until it has solved the environment, or until the budget ends.

    What is given here goes before the configuration file, that before the preset, that before the defaults. A run's own
    file is complete and takes no preset.
    """
    if environment is None and config is None:
        raise UsageError("train wants an environment, such as CartPole-v1, or --config FILE; see 'cartwheel list'")
    if env_arg:
        options["env_args"] = env_args(env_arg)
    with watching(quiet=quiet, json=json) as hook:
        api.train(
            environment,
            algorithm=algorithm,
            preset=preset,
            config=config,
            name=name,
            runs=runs,
            hooks=[hook],
            **options,
        )


def _algorithm(arguments: Sequence[str]) -> str:
    """The algorithm that the words are about, which has to be known before they can be parsed."""
    named, file = _last(arguments, "--algorithm"), _last(arguments, "--config")
    if named is None and file is not None:
        named = Layers.read(file).chosen()
    return named or DEFAULT_ALGORITHM


def _check_names(arguments: Sequence[str], entry: Entry) -> None:
    """UsageError for an option of other algorithms: to name these helps more than an option that is spelled alike."""
    known = {field.name for settings in (TrainSettings, entry.settings) for field in fields(settings)}
    for word in arguments:
        option = word.partition("=")[0]
        name = option.removeprefix("--no-").removeprefix("--").replace("-", "_")
        if option.startswith("--") and name not in known and (others := who_has(name)):
            raise UsageError(f"unknown option {option!r} of {entry.name}; {others}")


def _last(arguments: Sequence[str], option: str) -> str | None:
    """The value of the last `option value` or `option=value` among the words."""
    found = None
    for word, following in pairwise([*arguments, "-"]):
        name, equals, value = word.partition("=")
        if name == option and (equals or not following.startswith("-")):
            found = value if equals else following
    return found

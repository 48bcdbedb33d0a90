"""From words to a call: cyclopts parses them, and what it finds wrong becomes a line in this program's own voice."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Annotated

from cyclopts import (
    App,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
)

from cartwheel.errors import UsageError

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
"""A flag that is off unless it is given."""

Runs = Annotated[str, Parameter(metavar="FOLDER", help="The folder that holds the runs.")]
"""The option `--runs`, which most commands have."""

OtherEnvironment = Annotated[
    str | None, Parameter(metavar="ID", help="The environment, where the policy names none or another is wanted.")
]
"""The option `--environment` of commands that take a run or a policy file."""


def run_command(command: Callable[..., None], usage: str, examples: str, arguments: Sequence[str]) -> None:
    """Call `command` with `arguments`, as its signature says; its docstring and `examples` make its help page.

    `usage` starts with the command's name: "runs [RUN] [OPTIONS]". Raises UsageError for what does not fit.
    """
    app = App(
        name=usage.split()[0],
        usage=f"Usage: cartwheel {usage}",
        help_format="plaintext",
        help_epilogue=f"Examples:\n{examples}",
        group_parameters=Group("Options", sort_key=1),
        version_flags=(),
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    app["--help"].show = False
    app.default(command)
    try:
        app(arguments)
    except CycloptsError as problem:
        raise _in_our_words(problem, app.name[0]) from None
    except SystemExit as problem:
        if isinstance(problem.__context__, BrokenPipeError):  # rich's way to say that nobody reads the help page
            raise problem.__context__ from None
        raise


def whole_number(_type: object, tokens: Sequence[Token]) -> int:
    """A converter for whole numbers: cyclopts' own rounds 2.7 to 3."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected a whole number, got {text!r}") from None


def _in_our_words(problem: CycloptsError, command: str) -> UsageError:
    see = f"see 'cartwheel {command} --help'"
    if isinstance(problem, UnknownOptionError):
        name = problem.token.keyword or problem.token.value
        options = [option for argument in problem.argument_collection for option in argument.names]
        near = difflib.get_close_matches(name, [*options, "--help"], n=1)
        return UsageError(f"unknown option {name!r}; " + (f"did you mean {near[0]!r}?" if near else see))
    if isinstance(problem, UnusedCliTokensError):
        return UsageError(f"unexpected argument {(problem.unused_tokens or ['?'])[0]!r}; {see}")
    if isinstance(problem, MissingArgumentError) and problem.argument is not None:
        name = problem.argument.name
        return UsageError(f"{name}: expected a value; {see}" if name.startswith("-") else f"{name} is missing; {see}")
    text = str(problem).rstrip(".")
    return UsageError(f"{text[:1].lower()}{text[1:]}; {see}")

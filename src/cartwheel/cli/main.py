"""The `cartwheel` program: which command was asked for, and how whatever goes wrong is told.

Nothing but the command that was asked for is imported, so that `cartwheel --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from cartwheel import __version__
from cartwheel.errors import CartwheelError, UsageError, did_you_mean

COMMANDS = {
    "train": "Train a controller on an environment.",
    "resume": "Go on with a run that was interrupted, or with a larger budget.",
    "evaluate": "Measure a policy over fresh episodes.",
    "render": "Make a moving picture of a policy at work.",
    "runs": "Show all runs, or one of them.",
    "report": "Write a run's report again.",
    "list": "List the algorithms or the environments.",
}

_OVERVIEW = """\
Usage: cartwheel COMMAND [OPTIONS]

Trains small neural-network controllers on Gymnasium environments, on ordinary CPUs.

Commands:
{commands}

Options:
  --help, -h  Show this text; `cartwheel COMMAND --help` shows a command's own.
  --version   Show the version.

Examples:
  cartwheel train CartPole-v1                 train until solved, or until the budget ends
  cartwheel train CartPole-v1 --algorithm genetic --seed 1 --name first
  cartwheel runs                              what was trained so far
  cartwheel evaluate first --episodes 1000    how good it is
  cartwheel render first --to first.webp      what it looks like
  cartwheel resume first --generations 500    go on with a larger budget
"""

_BUG = 70  # EX_SOFTWARE of sysexits.h
_SIGINT = 2
_NOBODY_READS = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (without the program's name; None: those of the process).

    Returns the exit status, and never raises: 0; 2 for a wrong use; 1 for an environment at fault, or a run whose
    progress could not be printed; 130 and 143 after SIGINT and SIGTERM; 141 when nobody reads the output any more; 70
    for a bug, whose traceback is shown if the variable CARTWHEEL_TRACEBACK is set.
    """
    _tolerate_any_encoding()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as problem:  # the outermost frame: whatever arrives here is told in a line
        status = _tell(problem)
        _settle_output()
        return status
    return 0


def _dispatch(arguments: list[str]) -> None:
    command = arguments[0] if arguments else "--help"
    if command in ("--help", "-h"):
        print(overview(), end="")
    elif command == "--version":
        print(f"cartwheel {__version__}")
    elif command in COMMANDS:
        import_module(f"cartwheel.cli.{command}").main(arguments[1:])
    else:
        kind = "option" if command.startswith("-") else "command"
        known = ("--help", "--version") if kind == "option" else COMMANDS
        raise UsageError(f"unknown {kind} {command!r}; {did_you_mean(command, known)}")


def overview() -> str:
    """What `cartwheel --help` prints."""
    return _OVERVIEW.format(commands="\n".join(f"  {name:10}  {summary}" for name, summary in COMMANDS.items()))


def _tell(problem: BaseException) -> int:
    """Say in one line what went wrong; returns the exit status that goes with it."""
    if isinstance(problem, BrokenPipeError):
        return _NOBODY_READS
    if isinstance(problem, KeyboardInterrupt):
        return _say("interrupted", 128 + getattr(problem, "signal", _SIGINT))
    if isinstance(problem, MemoryError):
        return _say("error: not enough memory for this; take smaller numbers", 2)
    if isinstance(problem, CartwheelError):
        signal = getattr(problem, "signal", None)  # an interrupted run has been stored: that is no error
        return _say(str(problem) if signal else f"error: {problem}", problem.exit_status)
    if isinstance(problem, OSError):
        place = f"{problem.filename}: " if problem.filename is not None else ""
        return _say(f"error: {place}{problem.strerror or problem}", UsageError.exit_status)
    return _tell_bug(problem)


def _tell_bug(problem: BaseException) -> int:
    if os.environ.get("CARTWHEEL_TRACEBACK"):
        traceback.print_exception(problem)
    what = f"{type(problem).__name__}: {problem}"
    return _say(f"error: this is a bug in Cartwheel: {what} (CARTWHEEL_TRACEBACK=1 shows where)", _BUG)


def _say(text: str, status: int) -> int:
    print("cartwheel:", " ".join(text.split()), file=sys.stderr)
    return status


def _show_warning(message: Warning | str, *_place: Any, **_more: Any) -> None:
    _say(f"warning: {message}", 0)


def _tolerate_any_encoding() -> None:
    """Let a terminal that cannot show a character show its code in place of it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _settle_output() -> None:
    """Print what waits to be printed; if that is impossible, let it go, lest the interpreter try again at its end."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())

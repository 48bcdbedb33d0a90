"""What can go wrong, as the user meets it: one readable line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: How many names an error lists.
_MOST_NAMES = 30


class CartwheelError(Exception):
    """Base of every error that Cartwheel raises on purpose. Its text is one line, fit to be shown as it is."""

    exit_status = 1


class UsageError(CartwheelError, ValueError):
    """What was asked for cannot be done: a name, an option, a space or a file is not what it has to be."""

    exit_status = 2


class StorageError(UsageError):
    """A file or a run folder is damaged, foreign, in use or cannot be written."""


class EnvironmentFault(CartwheelError):  # noqa: N818 (the environment is at fault, and its name says so)
    """An environment raised, or gave something that is no observation or reward.

    `environment` names it; `seed` and `step` say which episode and which of its steps (0 is the reset);
    `field` is what was wrong: "reset", "step", "observation", "reward", "terminated" or "truncated".
    """

    def __init__(self, environment: str, seed: int, step: int, field: str, problem: str) -> None:
        super().__init__(environment, seed, step, field, problem)
        self.environment, self.seed, self.step, self.field = environment, seed, step, field
        self.problem = one_line(problem)

    def __str__(self) -> str:
        return (
            f"environment {self.environment} failed in its {self.field} "
            f"(episode seed {self.seed}, step {self.step}): {self.problem}"
        )


def one_line(problem: object) -> str:
    """A text or an exception as one line of bearable length; an exception without words becomes its type's name."""
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not near:  # a difference of case alone should not matter
        near = [other for other in names if other.lower() == name.lower()]
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"known are: {', '.join(names[:_MOST_NAMES])}{more}" if names else "none is known"

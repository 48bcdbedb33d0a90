"""Which algorithm is taken where none is named: by the specification of the environment alone."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.spaces import Box, Space

#: Known before there is an environment, so that a command line can be read.
DEFAULT_ALGORITHM = "ppo"

#: The rule, for those who read a help page.
RULE = "Where none is named: ppo; for continuous actions, with --preset continuous."


@dataclass(frozen=True)
class Choice:
    """A preset of the default algorithm, None for its defaults, and why so, in a line."""

    preset: str | None
    why: str


def choose(action_space: Space) -> Choice:
    """The rule. Its evidence is the general setting's rows in docs/learning/policies.md.

    Nobody is given a memory, a table or a population by guess: these are for who asks for them.
    """
    if isinstance(action_space, Box):
        return Choice("continuous", "for continuous actions, ppo with --preset continuous")
    return Choice(None, "for discrete actions, ppo")

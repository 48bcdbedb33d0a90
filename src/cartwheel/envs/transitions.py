"""Transition tables of environments that say what their actions can lead to, as Gymnasium's toy texts do.

Such an environment has `P[state][action]`, a list of (chance, next state, reward, whether the episode is over), and the
chances of its first state in `initial_state_distrib`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from cartwheel.envs.environment import close, find_environment
from cartwheel.errors import UsageError, one_line
from cartwheel.tabular.model import Outcomes, TransitionTable


def transition_table(environment: str | Any, arguments: Mapping[str, Any] | None = None) -> TransitionTable:
    """The table of a Gymnasium id with `arguments`, or of an environment that was made; without any time limit.

    It is that of the environment itself: wrappers that change rewards or observations are not in it.
    UsageError for an environment that has no table, or whose table leaves something out, and as `find_environment`.
    """
    if not isinstance(environment, str):
        return _table(getattr(environment, "unwrapped", environment))
    made = find_environment(environment, arguments).make()
    try:
        return _table(made.unwrapped)
    finally:
        close(made)


def _table(bare: Any) -> TransitionTable:
    name = type(bare).__name__
    chances = getattr(bare, "P", None)
    spaces: list[Any] = [getattr(bare, part, None) for part in ("observation_space", "action_space")]
    if not isinstance(chances, Mapping) or not all(isinstance(space, gymnasium.spaces.Discrete) for space in spaces):
        raise UsageError(
            f"{name} has no transition table: expected P[state][action], a list of (chance, next state, reward, "
            "ended), as FrozenLake-v1 and cartwheel/GridWorld-v0 have it"
        )
    if getattr(bare, "fickle_passenger", False):
        raise UsageError(
            f"{name} with a fickle passenger changes its mind outside its transition table: leave that out"
        )
    try:
        outcomes = _outcomes(chances)
    except (TypeError, ValueError, KeyError) as problem:
        raise UsageError(f"the transition table of {name} can't be read: {one_line(problem)}") from None
    states, actions = (int(space.n) for space in spaces)
    return TransitionTable.from_outcomes(outcomes, states, actions, getattr(bare, "initial_state_distrib", None))


def _outcomes(chances: Mapping[Any, Mapping[Any, Any]]) -> Outcomes:
    """All outcomes, one after the other."""
    listed = [
        (int(state), int(action), float(chance), int(successor), float(reward), bool(ended))
        for state, actions in chances.items()
        for action, outcomes in actions.items()
        for chance, successor, reward, ended in outcomes
    ]
    return Outcomes(*(list(column) for column in zip(*listed, strict=True)))

"""An environment of which every chance is known: what is planned on.

Source: R. Sutton & A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, section 3.1. What an action
does is p(s', r | s, a) (3.2); to plan, its expected reward r(s, a) (3.5) and the chances of s' are enough. The ends of
episodes are no states here: what may follow counts only along `onward`, as `discount` has it in `experience.records`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cartwheel.errors import UsageError

Numbers = NDArray[np.float64]

#: How far a sum of chances may be from 1: that of a dozen rounded ones is nearer.
NEAR = 1e-9


@dataclass(frozen=True)
class Outcomes:
    """What actions can lead to, an outcome a place: in `state`, `action` leads to `successor` with `chance`.

    Lists of one length K: whole numbers from 0, chances from 0 to 1, finite rewards, and in `ended` whether the episode
    is over then. The chances of a state's action sum to 1; the same successor may stand there several times.
    """

    state: Sequence[int]
    action: Sequence[int]
    chance: Sequence[float]
    successor: Sequence[int]
    reward: Sequence[float]
    ended: Sequence[bool]


@dataclass(frozen=True, eq=False)
class TransitionTable:
    """S states and A actions: `onward (S, A, S)`, `ending (S, A)`, `reward (S, A)`, and `start (S,)` where it is known.

    `onward[s, a, t]` is the chance that action a in state s leads to state t and the episode goes on there, `ending`
    the chance that it is over. A state may be reached both ways. `reward` is the expected one of that step, `start` the
    chances of the first state. All are taken as copies and handed out read-only.
    UsageError for shapes that do not fit, for numbers that are not finite, and for chances that are negative or do not
    sum to 1.
    """

    onward: Numbers
    ending: Numbers
    reward: Numbers
    start: Numbers | None = None

    def __post_init__(self) -> None:
        for name in ("onward", "ending", "reward", "start"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _frozen(getattr(self, name), name))
        if self.onward.ndim != 3 or self.onward.shape[0] != self.onward.shape[2] or not self.onward.size:
            raise UsageError(f"expected onward chances of shape (S, A, S), got {self.onward.shape}")
        for name in ("ending", "reward"):
            _check_shape(name, getattr(self, name), self.onward.shape[:2])
        chances = np.concatenate([self.onward, self.ending[:, :, None]], axis=2)
        _check_chances(chances, "the outcomes of state {} and action {}")
        if self.start is not None:
            _check_shape("start", self.start, self.onward.shape[:1])
            _check_chances(self.start, "the first states")

    @property
    def states(self) -> int:
        """S."""
        return len(self.onward)

    @property
    def actions(self) -> int:
        """A."""
        return len(self.reward[0])

    @classmethod
    def from_outcomes(
        cls, outcomes: Outcomes, states: int, actions: int, start: ArrayLike | None = None
    ) -> TransitionTable:
        """The table of `states` and `actions` in which exactly these outcomes are possible.

        UsageError as for the table, and for lists of different lengths and states or actions that there are not.
        """
        lengths = {len(column) for column in vars(outcomes).values()}
        if len(lengths) != 1:
            raise UsageError(f"expected lists of outcomes of one length, got lengths {sorted(lengths)}")
        state = _indices("state", outcomes.state, states)
        action = _indices("action", outcomes.action, actions)
        successor = _indices("successor", outcomes.successor, states)
        chance, reward = np.array(outcomes.chance, np.float64), np.array(outcomes.reward, np.float64)
        ended = np.array(outcomes.ended, np.bool_)
        onward, ending = np.zeros((states, actions, states)), np.zeros((states, actions))
        expected = np.zeros((states, actions))
        np.add.at(onward, (state[~ended], action[~ended], successor[~ended]), chance[~ended])
        np.add.at(ending, (state[ended], action[ended]), chance[ended])
        np.add.at(expected, (state, action), chance * reward)
        return cls(onward, ending, expected, None if start is None else np.asarray(start, np.float64))


def _frozen(values: ArrayLike, name: str) -> Numbers:
    array = np.array(values, np.float64)
    if not np.isfinite(array).all():
        raise UsageError(f"expected finite numbers in {name} of a transition table; some are NaN or infinite")
    array.flags.writeable = False
    return array


def _check_shape(name: str, array: Numbers, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise UsageError(f"expected {name} of shape {shape}, as the onward chances have it, got {array.shape}")


def _check_chances(chances: Numbers, whose: str) -> None:
    """Each row along the last axis must be a distribution; `whose` has a place for each index before."""
    if (chances < 0).any():
        place = np.argwhere(chances < 0)[0]
        raise UsageError(f"{whose.format(*place)}: expected chances of at least 0, got {chances[tuple(place)]:g}")
    sums = chances.sum(axis=-1)
    wrong = np.argwhere(np.abs(sums - 1) > NEAR)
    if len(wrong):
        place = wrong[0]
        raise UsageError(f"{whose.format(*place)}: expected chances that sum to 1, got {sums[tuple(place)]:.12g}")


def _indices(name: str, values: Sequence[int], count: int) -> NDArray[np.int64]:
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "iu" and numbers.size:
        raise UsageError(f"expected whole numbers as each outcome's {name}, got {numbers.dtype}")
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if wrong.size:
        raise UsageError(f"expected each outcome's {name} to be from 0 to {count - 1}, got {wrong[0]}")
    return numbers.astype(np.int64)

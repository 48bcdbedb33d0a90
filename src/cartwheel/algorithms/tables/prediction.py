"""The value of a policy that is given, learnt from steps: TD(0) and Monte Carlo, on and off policy.

Source: S&B sections 5.1, 5.5 and 6.1. For programs and not for the command line: there is no policy to be found.

    TD(0):         V(S) <- V(S) + alpha [R + gamma V(S') - V(S)]                                              (eq. 6.2)
    Monte Carlo:   V(S) <- V(S) + alpha [G - V(S)],  every visit, from the episode's end on                   (eq. 6.1)
    off policy:    weights  rho = pi(A|S) / b(A|S), of TD(0) that of its own step, of Monte Carlo the product of those
                   from its own step to the end (eq. 5.3); weighted (eq. 5.6) or ordinary (eq. 5.5) averages

A time limit is no end: the value of the state that followed stands for the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.tables.table import Steps, steps_of
from cartwheel.algorithms.tables.waiting import waiting, with_room
from cartwheel.errors import UsageError
from cartwheel.experience.records import Transitions

Array = NDArray[np.float64]


class Prediction(ABC):
    """V (S,) of the policy `policy (S, A)`, whose rows are the chances of actions.

    What it learns from was done by `behaviour (S, A)`, by itself where that is left out. A step's size is `rate` / n of
    its state **`power`. `importance` is "weighted" or "ordinary". UsageError for chances that are none, and where the
    policy does what the behaviour never does.
    """

    def __init__(
        self,
        policy: Array,
        gamma: float,
        *,
        behaviour: Array | None = None,
        importance: str = "weighted",
        rate: float = 1.0,
        power: float = 1.0,
    ) -> None:
        policy = _chances("policy", policy)
        behaviour = policy if behaviour is None else _chances("behaviour", behaviour)
        if behaviour.shape != policy.shape or (policy[behaviour == 0.0] > 0.0).any():
            raise UsageError("behaviour: expected a policy that may do all that the policy does, got another")
        if importance not in ("weighted", "ordinary"):
            raise UsageError(f"importance: expected weighted or ordinary, got {importance!r}")
        self._ratios = np.divide(policy, behaviour, out=np.zeros_like(policy), where=behaviour > 0.0)
        self._ordinary, self._sizes = importance == "ordinary", (float(gamma), float(rate), float(power))
        self._values, self._visits = np.zeros((len(policy), 1)), np.zeros((len(policy), 1))

    @property
    def values(self) -> Array:
        """V (S,), a copy."""
        return self._values[:, 0].copy()

    def learn(self, transitions: Transitions) -> float:
        """Learn from the steps of a stretch, which follows the one before; the mean absolute error, NaN of none.

        All stretches have the same lanes, and each lane took all steps.
        """
        steps = steps_of(transitions)
        total, targets = self._update(steps, self._ratios[steps.state, steps.action])
        return total / targets if targets else np.nan

    @abstractmethod
    def _update(self, steps: Steps, ratio: Array) -> tuple[float, float]:
        """Learn; the sum of the absolute errors and the number of targets."""


class TDPrediction(Prediction):
    """TD(0)."""

    def _update(self, steps: Steps, ratio: Array) -> tuple[float, float]:
        from cartwheel.kernels.tables.prediction import td0

        return td0(*steps, self._values, self._visits, ratio, self._ordinary, *self._sizes)


class MonteCarloPrediction(Prediction):
    """Every-visit Monte Carlo."""

    _waiting = None

    def _update(self, steps: Steps, ratio: Array) -> tuple[float, float]:
        from cartwheel.kernels.tables.prediction import returns

        held = self._waiting or waiting(0, steps.state.shape[1])
        needed = int(held.counts.max()) + len(steps.state)
        self._waiting = held if needed <= len(held.places) else with_room(held, 2 * needed)
        return returns(*steps, self._values, self._visits, *self._waiting, ratio, self._ordinary, *self._sizes)


def _chances(name: str, policy: Array) -> Array:
    chances = np.array(policy, np.float64)
    if chances.ndim != 2 or not ((chances >= 0.0).all() and np.allclose(chances.sum(axis=1), 1.0)):
        raise UsageError(f"{name}: expected chances (states, actions) whose rows sum to 1, got shape {chances.shape}")
    return chances

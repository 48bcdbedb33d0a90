"""Bandits: one state, k arms, and the question which of them to pull next.

Source: R. Sutton & A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, chapter 2; the slot machines
are those of K. Saito, "Deep Learning from Scratch 4", 2022, chapter 1. In the former's symbols: Q estimates, N counts,
H preferences, pi chances.

All works on R runs at once, a row each, that have nothing to do with each other. Equal estimates are told apart by
chance, as the former does; the latter takes the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError

Numbers = NDArray[np.float64]
Arms = NDArray[np.int64]  # (R,), the arm of each run


class Agent(Protocol):
    """Who chooses among k arms in R runs, and learns from what came."""

    def choose(self, rng: np.random.Generator) -> Arms:
        """The arm to pull in each run."""

    def learn(self, arms: Arms, rewards: Numbers) -> None:
        """Take note of the rewards (R,) of the arms that were pulled."""


class Testbed:
    """R runs of k arms; `worth (R, k)` is the mean reward of each, which moves by `drift` ~ N(0, drift^2) a step.

    Rewards are the worth and noise ~ N(0, 1), or of `coins` 1 with the worth as the chance, else 0.
    `normal` and `slot_machines` make the books' testbeds.
    """

    def __init__(self, worth: Numbers, *, drift: float = 0.0, coins: bool = False) -> None:
        self.worth = np.array(worth, np.float64)
        if self.worth.ndim != 2 or not np.isfinite(self.worth).all():
            raise UsageError(f"expected finite worths of shape (runs, arms), got shape {self.worth.shape}")
        self.drift, self.coins = drift, coins

    @classmethod
    def normal(cls, rng: np.random.Generator, runs: int, arms: int = 10, *, drift: float = 0.0) -> Testbed:
        """The 10-armed testbed of section 2.3, worths ~ N(0, 1); if they drift, all begin at 0, as in exercise 2.5."""
        return cls(np.zeros((runs, arms)) if drift else rng.standard_normal((runs, arms)), drift=drift)

    @classmethod
    def slot_machines(cls, rng: np.random.Generator, runs: int, arms: int = 10, *, drift: float = 0.0) -> Testbed:
        """Machines that pay 1 with a chance ~ U(0, 1) of their own, else nothing."""
        return cls(rng.random((runs, arms)), drift=drift, coins=True)

    def pull(self, arms: Arms, rng: np.random.Generator) -> tuple[Numbers, NDArray[np.bool_]]:
        """The rewards (R,) of an arm in each run, and whether it was the best (R,); afterwards the worths drift."""
        worth = self.worth[np.arange(len(arms)), arms]
        best: NDArray[np.bool_] = worth == self.worth.max(axis=1)
        rewards: Numbers
        if self.coins:
            rewards = (rng.random(len(arms)) < worth).astype(np.float64)
        else:
            rewards = worth + rng.standard_normal(len(arms))
        if self.drift:
            self.worth += self.drift * rng.standard_normal(self.worth.shape)
        return rewards, best


class _Estimating:
    """Estimates Q (R, k) of the arms: means of their rewards, or with `step_size` means that forget (2.5)."""

    def __init__(self, runs: int, arms: int, step_size: float | None, initial: float) -> None:
        if step_size is not None and not 0 < step_size <= 1:
            raise UsageError(f"expected a step size above 0 and up to 1, got {step_size}")
        self.step_size, self._rows = step_size, np.arange(runs)
        self.Q, self.N = np.full((runs, arms), initial), np.zeros((runs, arms))

    def learn(self, arms: Arms, rewards: Numbers) -> None:
        """Q <- Q + (R - Q) / N (2.3), or by the step size in place of 1 / N (2.5)."""
        pulled = self._rows, arms
        self.N[pulled] += 1
        step = 1 / self.N[pulled] if self.step_size is None else self.step_size
        self.Q[pulled] += step * (rewards - self.Q[pulled])


class EpsilonGreedy(_Estimating):
    """Pulls the arm with the highest estimate, or with the chance `epsilon` any (sections 2.4 to 2.6).

    `step_size` None makes estimates the means of all rewards; with a number, later rewards count more, which drifting
    worths ask for. `initial` estimates above all rewards have each arm tried at first.
    UsageError for an epsilon beyond 0 to 1 and a step size beyond 0 to 1.
    """

    def __init__(
        self, runs: int, arms: int, epsilon: float, *, step_size: float | None = None, initial: float = 0.0
    ) -> None:
        if not 0 <= epsilon <= 1:
            raise UsageError(f"expected epsilon from 0 to 1, got {epsilon}")
        super().__init__(runs, arms, step_size, initial)
        self.epsilon = epsilon

    def choose(self, rng: np.random.Generator) -> Arms:
        """Draws: the order among equals (R, k), who explores (R,), and where to (R,)."""
        greedy = _highest(self.Q, rng)
        explores = rng.random(len(greedy)) < self.epsilon
        return np.where(explores, rng.integers(self.Q.shape[1], size=len(greedy)), greedy)


class UpperConfidence(_Estimating):
    """Pulls the arm with the highest Q + c sqrt(ln t / N), one that was never pulled before all others (2.10)."""

    def __init__(self, runs: int, arms: int, c: float, *, step_size: float | None = None) -> None:
        if not c >= 0:
            raise UsageError(f"expected c of at least 0, got {c}")
        super().__init__(runs, arms, step_size, 0.0)
        self.c = c

    def choose(self, rng: np.random.Generator) -> Arms:
        """Draws the order among equals (R, k)."""
        t = self.N.sum(axis=1, keepdims=True) + 1
        bound = self.Q + self.c * np.sqrt(np.log(t) / np.maximum(self.N, 1))
        return _highest(np.where(self.N == 0, np.inf, bound), rng)


class GradientBandit:
    """Pulls an arm with a chance that grows with its preference H, and prefers what pays more than the mean (2.12).

    The mean is that of all rewards before, of the first reward itself at first (as the second edition's errata have
    it); without `baseline`, 0 stands in its place.
    """

    def __init__(self, runs: int, arms: int, step_size: float, *, baseline: bool = True) -> None:
        if not step_size > 0:
            raise UsageError(f"expected a step size above 0, got {step_size}")
        self.step_size, self.baseline, self._rows = step_size, baseline, np.arange(runs)
        self.H, self.mean, self.steps = np.zeros((runs, arms)), np.zeros(runs), 0

    def chances(self) -> Numbers:
        """pi (R, k) (2.11)."""
        weights = np.exp(self.H - self.H.max(axis=1, keepdims=True))
        shares: Numbers = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def choose(self, rng: np.random.Generator) -> Arms:
        """Draws a place (R,) in the sum of the chances."""
        sums = self.chances().cumsum(axis=1)
        places = rng.random((len(sums), 1)) * sums[:, -1:]  # the sum may be 1 but for rounding
        arms: Arms = (places >= sums).sum(axis=1)
        return arms

    def learn(self, arms: Arms, rewards: Numbers) -> None:
        """H <- H + alpha (R - mean) (1[arm] - pi)."""
        mean = rewards if self.baseline and self.steps == 0 else self.mean
        pulled = np.arange(self.H.shape[1]) == arms[:, None]
        self.H += self.step_size * (rewards - mean)[:, None] * (pulled - self.chances())
        self.steps += 1
        if self.baseline:
            self.mean = self.mean + (rewards - self.mean) / self.steps


@dataclass(frozen=True, eq=False)
class History:
    """What came of R runs over T steps: the `rewards (T, R)`, and whether the `best (T, R)` arm was pulled."""

    rewards: Numbers
    best: NDArray[np.bool_]


def play(testbed: Testbed, agent: Agent, steps: int, rng: np.random.Generator) -> History:
    """Have the agent choose, get its rewards and learn, so many times; both change. Draws: its own, then the testbed's.

    UsageError for an agent of another number of runs.
    """
    rewards = np.zeros((steps, len(testbed.worth)))
    best = np.zeros(rewards.shape, np.bool_)
    for t in range(steps):
        arms = agent.choose(rng)
        if arms.shape != rewards.shape[1:]:
            raise UsageError(f"expected an agent of {rewards.shape[1]} runs, as the testbed has, got {len(arms)}")
        rewards[t], best[t] = testbed.pull(arms, rng)
        agent.learn(arms, rewards[t])
    return History(rewards, best)


def _highest(scores: Numbers, rng: np.random.Generator) -> Arms:
    """The place of the highest of each row (R, k), one of equal ones by chance."""
    equal = scores == scores.max(axis=1, keepdims=True)
    arms: Arms = np.where(equal, rng.random(scores.shape), -1.0).argmax(axis=1)
    return arms

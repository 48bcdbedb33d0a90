"""What algorithms share that learn from single steps: they ask for stretches, explore, and count.

The vector that acts is epsilon-greedy: the share of random actions falls in a straight line, from the first step on,

    epsilon_k = start + (end - start) min(1, k / steps)                at the k-th step of all lanes together
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best, Parameters, State, mean_of
from cartwheel.experience.records import Experience, Request, Stretch, Transitions
from cartwheel.settings import option

#: The policy that learns is as good as the mean return of so many episodes that ended last.
RECENT = 100


@dataclass(frozen=True)
class LearnerSettings:
    """Settings of all that learn from stretches; an algorithm's own begin with these, with defaults of its own."""

    gamma: float = option(0.99, "discount of what comes a step later (gamma)", minimum=0.0, maximum=1.0)
    lanes: int = option(1, "episodes that run side by side", minimum=1, maximum=100_000)
    stretch: int = option(
        16, "steps of each lane between two updates of the policy that acts", minimum=1, maximum=1_000_000
    )
    epsilon_start: float = option(1.0, "share of random actions at first", minimum=0.0, maximum=1.0)
    epsilon_end: float = option(0.05, "share of random actions in the end", minimum=0.0, maximum=1.0)
    epsilon_steps: int = option(10_000, "environment steps until the share of random actions is the last", minimum=0)


class Learner(Algorithm):
    """Asks for a stretch of one vector, learns from its transitions, and hands over the vector that acted.

    That vector's value is the mean return of the last `RECENT` episodes that ended, and -inf before any has.
    """

    lanes = 1
    settings: Any  # a LearnerSettings

    def __init__(self, settings: Any, network: Parameters, seed: int) -> None:
        super().__init__(settings, network, seed)
        self.lanes = settings.lanes
        self._generation = self._steps = 0
        self._recent = np.zeros(0)  # returns, the last one at the end
        self._asked: Request | None = None  # what `ask` answers until something is learnt

    @property
    def remembers(self) -> bool:
        """Whether what the network remembered is wanted back with each step."""
        return False

    @abstractmethod
    def _acting(self) -> NDArray[np.float32]:
        """The vector `(n,)` that acts now."""

    @abstractmethod
    def _learn(self, request: Request, transitions: Transitions) -> dict[str, float]:
        """Learn from the transitions that came of this request; the figures to be shown."""

    @abstractmethod
    def _own_state(self) -> State:
        """What `_take` needs, by names that are none of `generation`, `steps` and `recent`."""

    @abstractmethod
    def _take(self, state: Mapping[str, Any]) -> None:
        """Go on from what `_own_state` gave; ValueError where it does not fit, and all stays as it is."""

    def ask(self) -> Request:
        """A stretch of `settings.lanes` and `settings.stretch` steps, with epsilon as it falls from step to step."""
        if self._asked is None:
            settings, parameters = self.settings, self._acting()[None].copy()
            parameters.flags.writeable = False
            epsilon = epsilons(settings, self._steps + settings.lanes * np.arange(settings.stretch))
            stretch = Stretch(lanes=settings.lanes, epsilon=epsilon, memory=self.remembers)
            self._asked = Request(parameters=parameters, stretch=stretch)
        return self._asked

    def best(self, experience: Experience) -> Best:
        """The vector that acted, at the mean return of the last episodes."""
        request = self.ask()
        transitions_of(request, experience)
        recent = self._after(experience)
        value = float(mean_of(recent)) if len(recent) else -np.inf
        return Best(request.parameters[0], -np.inf if np.isnan(value) else value)

    def tell(self, experience: Experience) -> dict[str, float]:
        """Learn from the transitions, and count; figures of episodes are NaN where none has ended."""
        request = self.ask()
        figures = self._learn(request, transitions_of(request, experience))
        self._recent = self._after(experience)
        self._steps += experience.steps
        self._generation += 1
        self._asked = None
        assert request.stretch is not None
        return {**ended(experience), "epsilon": float(request.stretch.epsilon[-1]), **figures}

    def state(self) -> State:
        """The counts, the last returns, and what is the algorithm's own."""
        own = {"generation": self._generation, "steps": self._steps, "recent": self._recent.copy()}
        return {**own, **self._own_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        recent = np.array(state["recent"], np.float64)
        if recent.ndim != 1 or len(recent) > RECENT:
            raise ValueError(f"expected recent of at most {RECENT} returns, got shape {recent.shape}")
        generation, steps = int(state["generation"]), int(state["steps"])
        self._take(state)
        self._generation, self._steps, self._recent, self._asked = generation, steps, recent, None

    def _after(self, experience: Experience) -> NDArray[np.float64]:
        """The last returns, when the episodes that ended in this experience are among them."""
        return np.concatenate([self._recent, experience.returns.ravel()])[-RECENT:]


def epsilons(settings: Any, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of random actions `(T,)` at these steps of a run."""
    start, end = settings.epsilon_start, settings.epsilon_end
    share: NDArray[np.float64] = start + (end - start) * np.minimum(1.0, steps / max(1, settings.epsilon_steps))
    return share if settings.epsilon_steps else np.full(len(steps), end)


def transitions_of(request: Request, experience: Experience) -> Transitions:
    """The transitions of a stretch whose lanes went all the way; ValueError where they do not fit the request."""
    stretch, transitions = request.stretch, experience.transitions
    assert stretch is not None
    shape = (stretch.steps, stretch.lanes)
    if transitions is None or transitions.reward.shape != shape or (transitions.taken != stretch.steps).any():
        came = "none" if transitions is None else f"{transitions.reward.shape}, {transitions.taken} taken"
        raise ValueError(f"expected transitions of shape {shape}, as asked for; got {came}")
    return transitions


def ended(experience: Experience) -> dict[str, float]:
    """Figures of the episodes that ended in a stretch, NaN where none did."""
    returns = experience.returns
    if not returns.size:
        return dict.fromkeys(("return_best", "return_mean", "return_worst", "length_mean"), np.nan)
    return {
        "return_best": float(returns.max()),
        "return_mean": float(mean_of(returns)),
        "return_worst": float(returns.min()),
        "length_mean": float(experience.lengths.mean()),
    }

"""What algorithms share that learn from single steps: they ask for stretches, and count."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best, State, mean_of
from cartwheel.experience.records import Experience, Request, Stretch, Transitions
from cartwheel.policies.networks import Network
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


class Learner(Algorithm):
    """Asks for a stretch of one vector, learns from its transitions, and hands over the vector that acted.

    That vector's value is the mean return of the last `RECENT` episodes that ended, and -inf before any has.
    Of a network that sees several observations at once it learns the inner one, to which these are a single one.
    """

    lanes = 1
    settings: Any  # a LearnerSettings

    def __init__(self, settings: Any, network: Network, seed: int) -> None:
        super().__init__(settings, network.inner, seed)
        self.lanes, self._frames = settings.lanes, network.frames
        self._generation = self._steps = 0
        self._recent = np.zeros(0)  # returns, the last one at the end
        self._asked: Request | None = None  # what `ask` answers until something is learnt

    @abstractmethod
    def _stretch(self) -> Stretch:
        """The steps to ask for, and how to act in them."""

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
        """A stretch of `settings.lanes` and `settings.stretch` steps."""
        if self._asked is None:
            parameters = self._acting()[None].copy()
            parameters.flags.writeable = False
            stretch = self._stretch()
            if self._frames > 1:
                stretch = replace(stretch, memory=True)
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
        transitions = transitions_of(request, experience)
        figures = self._learn(request, transitions if self._frames == 1 else with_frames(transitions))
        self._recent = self._after(experience)
        self._steps += experience.steps
        self._generation += 1
        self._asked = None
        return {**ended(experience), **figures}

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


def transitions_of(request: Request, experience: Experience) -> Transitions:
    """The transitions of a stretch; ValueError where they do not fit the request, or lanes did not go all the way."""
    stretch, transitions = request.stretch, experience.transitions
    assert stretch is not None
    shape = (stretch.steps, stretch.lanes)
    if transitions is None or transitions.reward.shape != shape or not _whole(stretch, transitions):
        came = "none" if transitions is None else f"{transitions.reward.shape}, {transitions.taken} taken"
        raise ValueError(f"expected transitions of shape {shape}, as asked for; got {came}")
    return transitions


def with_frames(transitions: Transitions) -> Transitions:
    """The transitions of a network that remembers earlier observations, as one sees them that gets all at once.

    From `obs (T, N, d)` and `memory (T, N, (K - 1) d)` to observations `(T, N, K d)`.
    """
    t = transitions
    assert t.memory is not None
    obs = np.concatenate([t.memory, t.obs], axis=2)
    next_obs = np.concatenate([obs[:, :, t.obs.shape[2] :], t.next_obs], axis=2)
    return replace(t, obs=obs, next_obs=next_obs, memory=None)


def _whole(stretch: Stretch, transitions: Transitions) -> bool:
    """Whether each lane took all steps, or, to the end, as many as ended its episode."""
    if not stretch.to_end:
        return bool((transitions.taken == stretch.steps).all())
    last = transitions.taken - 1
    return bool((last >= 0).all() and transitions.boundary[last, np.arange(stretch.lanes)].all())


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

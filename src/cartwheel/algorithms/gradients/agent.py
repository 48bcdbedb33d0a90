"""What policy gradients do alike: they draw actions by noise, and learn from what came by advantages.

With noise z_t of a Box's numbers, and the share rho of it that stays (`noise_memory`; C. Hollenstein et al., "Colored
Noise in PPO: Improved Exploration and Performance through Correlated Action Sampling", 2024, for why),

    z_t = rho z_{t-1} + sqrt(1 - rho^2) e_t,    e_t ~ N(0, 1)

which is standard normal at each step by itself; log-probabilities are those of single steps.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import State
from cartwheel.algorithms.learner import Learner
from cartwheel.errors import UsageError
from cartwheel.experience.records import Request, Stretch, Transitions
from cartwheel.seeds import Purpose, generator

Floats: TypeAlias = NDArray[np.float64]

if TYPE_CHECKING:  # what loads compiled code is only loaded for a run
    from cartwheel.algorithms.gradients.phase import Look, Phase


class PolicyGradient(Learner):
    """A stochastic network, and stretches in which actions are drawn. `name` is for messages."""

    name: str
    to_end: bool  # whether a stretch is one whole episode of each lane
    network: Any  # a LayeredNetwork of a Stochastic specification
    settings: Any  # a GradientSettings

    def __init__(self, settings: Any, network: Any, seed: int) -> None:
        from cartwheel.algorithms.gradients.model import first_weights
        from cartwheel.experience.returns import RewardScale

        super().__init__(settings, network, seed)
        if self.network.groups and settings.noise_memory:
            raise UsageError("--noise-memory: expected 0 where actions are choices: these are drawn one by one")
        self._phase = self._made_phase()
        rng = generator(seed, Purpose.INITIAL)
        self._phase.model.theta = first_weights(self._phase.model, rng, float(np.log(settings.first_deviation)))
        self._scale = RewardScale.none(settings.lanes, settings.gamma)
        self._noise = np.zeros((settings.lanes, self.network.deviations))  # the last of each lane
        self._rng = rng  # of a generation: noise first, then minibatches

    @abstractmethod
    def _made_phase(self) -> Phase:
        """The model and the programs, which make `loss` small."""

    @abstractmethod
    def loss(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        """What is made small, of a `Batch`, and the figures to be shown."""

    def _with_entropy(self, loss: Any, entropy: Any) -> Any:
        """The loss, made smaller by entropy; where that has no weight, nothing is differentiated for its sake."""
        weight = self.settings.entropy
        return loss - weight * entropy if weight > 0.0 else loss

    @abstractmethod
    def _weighed(self, transitions: Transitions, reward: Any, before: Look) -> tuple[Floats, Floats]:
        """Advantages and the value's targets (T, N), of rewards that may be scaled."""

    @abstractmethod
    def _update(self, run: Any) -> dict[str, NDArray[np.float32]]:
        """All updates by `run` of `Phase.updates`; the figures of each."""

    @abstractmethod
    def _shown(self, transitions: Transitions, before: Look, target: Floats) -> dict[str, float]:
        """Figures of what was known before the updates."""

    def _acting(self) -> NDArray[np.float32]:
        return self._phase.theta[: self.network.size]

    def _stretch(self) -> Stretch:
        self._rng = generator(self.seed, Purpose.LEARNING, self._generation)
        noise, remembers = self._drawn_noise(), self.network.memory_size > 0
        return Stretch(lanes=self.settings.lanes, noise=noise, to_end=self.to_end, memory=remembers)

    def _drawn_noise(self) -> NDArray[np.float64]:
        """Noise (T, N, a) for the next stretch."""
        settings, groups = self.settings, self.network.groups
        if groups:
            return self._rng.random((settings.stretch, settings.lanes, len(groups)))
        shape = (settings.lanes, self.network.deviations)
        noise = self._rng.standard_normal((settings.stretch, *shape))
        stays = settings.noise_memory
        if stays > 0.0:
            goes, before = np.sqrt(1.0 - stays**2), self._noise
            if self._generation == 0:
                before = self._rng.standard_normal(shape)
            for t in range(len(noise)):
                noise[t] = before = stays * before + goes * noise[t]
        return noise

    def _learn(self, request: Request, transitions: Transitions) -> dict[str, float]:
        t, settings, reward = transitions, self.settings, transitions.reward
        if settings.scale_rewards:
            self._scale = self._scale.merged(reward, t.boundary, t.taken)
            reward = self._scale.apply(reward)
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of that is looked for
            before = self._phase.before(t)
            advantage, target = self._weighed(t, reward, before)
            self._phase.rate[...] = settings.learning_rate * self._left
            found = self._update(self._phase.updates(t, before, advantage, target, self._rng))
        figures = {name: float(one[0] if len(one) == 1 else one.mean()) for name, one in found.items()}
        check_finite(self.name, figures)
        assert request.stretch is not None
        assert request.stretch.noise is not None
        if not self.network.groups:
            self._noise = request.stretch.noise[-1].copy()
        return {**figures, **self._shown(t, before, target)}

    @property
    def _left(self) -> float:
        """The share of the first step size that is left."""
        steps = self.settings.anneal_steps
        return max(0.0, 1.0 - self._steps / steps) if steps else 1.0

    def _own_state(self) -> State:
        return {
            "noise": self._noise.copy(),
            **{f"model/{name}": value for name, value in self._phase.state().items()},
            **{f"scale/{name}": value for name, value in self._scale.state().items()},
        }

    def _take(self, state: Mapping[str, Any]) -> None:
        parts: dict[str, dict[str, Any]] = {"model": {}, "scale": {}}
        for name, value in state.items():
            whose, _, what = name.partition("/")
            if whose in parts:
                parts[whose][what] = value
        from cartwheel.experience.returns import RewardScale

        noise, scale = np.array(state["noise"]), RewardScale.restored(parts["scale"], self.settings.gamma)
        if noise.shape != self._noise.shape or scale.sums.shape != self._scale.sums.shape:
            raise ValueError(f"expected noise of shape {self._noise.shape}, got {noise.shape}")
        self._phase.check(parts["model"])
        self._phase.restore(parts["model"])
        self._noise, self._scale = noise, scale


class ActorCriticLearner(PolicyGradient):
    """With a value, which stands for what comes after a stretch: episodes go on from one to the next."""

    to_end = False
    ratio: bool  # whether the loss compares the policy with the one that acted
    settings: Any  # an ActorCriticSettings

    def _made_phase(self) -> Phase:
        from cartwheel.algorithms.gradients.rows import RowPhase
        from cartwheel.algorithms.gradients.windows import WindowPhase

        kind = WindowPhase if self.network.memory_size else RowPhase
        return kind(self.settings, self.network, self.loss, ratio=self.ratio)

    def _weighed(self, transitions: Transitions, reward: Any, before: Look) -> tuple[Floats, Floats]:
        """By GAE(lambda)."""
        from cartwheel.experience.returns import advantages

        t, s, value = transitions, self.settings, before.value
        advantage = advantages(reward, t.discount, t.boundary, value, before.following, s.gamma, s.gae_lambda)
        return advantage, advantage + value

    def _shown(self, transitions: Transitions, before: Look, target: Floats) -> dict[str, float]:
        return {"explained_variance": explained(before.value, target)}


def steps_taken(transitions: Transitions) -> NDArray[np.bool_]:
    """Which rows (T, N) are steps."""
    return np.arange(len(transitions.reward))[:, None] < transitions.taken


def explained(value: NDArray[np.float32], target: Floats) -> float:
    """1 - var(target - value) / var(target): 1 for a value that knows all, 0 for one that knows the mean alone."""
    spread = _squares(target)
    return 1.0 - _squares(target - value) / spread if spread > 0.0 else np.nan


def _squares(x: Floats) -> float:
    """The sum of the squared deviations from the mean."""
    away = x.ravel() - x.sum() / x.size
    return float(away.dot(away))


def check_finite(name: str, figures: Mapping[str, float]) -> None:
    """UsageError where updates have led to what is no number any more; `figures` are means of theirs."""
    if not all(map(math.isfinite, figures.values())):
        raise UsageError(
            f"{name}: expected finite losses and gradients, got infinite ones or NaN; lower --learning-rate, "
            "normalise observations (--normalise) or scale rewards (--scale-rewards)"
        )

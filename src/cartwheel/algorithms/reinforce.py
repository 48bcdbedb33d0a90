"""REINFORCE: an update from whole episodes.

Source: R. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", 1992;
R. Sutton and A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, sections 13.3 and 13.4.

    for each batch:  act by pi, in N episodes; G_t = r_t + gamma G_{t+1}, and G = 0 after an episode's last step
        A_t = G_t - b,  b = 0, mean(G) or V(s_t);  or (G_t - mean(G)) / std(G), over all steps of the batch
        theta <- Adam down  1/N sum over episodes and t of  -log pi(a_t | s_t) A_t + c1 (V(s_t) - G_t)^2 - c2 H(s_t)

With gamma 1 and b = 0 or V this is the gradient of the expected return, free of bias (the policy gradient theorem,
eq. 13.5 and 13.10). What bends it: gamma below 1, as the factor gamma^t of the box of section 13.3 is left out; a mean,
and more so a deviation, of the very episodes that are learnt from; the entropy; a gradient that is shortened. Each is
told of in docs/algorithms/reinforce.md.

Deviations: Adam in place of plain steps; one update for all steps of a batch in place of one for each step. A time
limit is no end: where it cut an episode, V of what followed stands for the rest, and where there is no V the episode is
taken to go on as it went, for ever: G = (its mean reward) / (1 - gamma). With gamma 1, where that would be infinite,
and without V it is an end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.gradients.agent import Floats, PolicyGradient, explained, steps_taken
from cartwheel.algorithms.gradients.settings import GradientSettings
from cartwheel.errors import UsageError
from cartwheel.experience.records import Transitions
from cartwheel.policies.specification import Specification, Stochastic, stacked
from cartwheel.settings import option

if TYPE_CHECKING:  # what loads compiled code is only loaded for a run
    from cartwheel.algorithms.gradients.phase import Look, Phase

#: What becomes of the returns (n,) of a batch; `learnt` takes off the value of each step.
BASELINES: dict[str, Callable[[Floats, NDArray[Any]], Floats]] = {
    "none": lambda returns, values: returns,
    "mean": lambda returns, values: returns - returns.mean(),
    "normalised": lambda returns, values: (returns - returns.mean()) / (returns.std() + 1e-6),
    "learnt": lambda returns, values: returns - values,
}


@dataclass(frozen=True)
class ReinforceSettings(GradientSettings):
    """Settings of REINFORCE."""

    lanes: int = option(8, "episodes of a batch, which makes an update", minimum=1, maximum=100_000)
    stretch: int = option(
        1000, "the most steps of an episode; what lasts longer is broken off", minimum=1, maximum=1_000_000
    )
    learning_rate: float = option(1e-3, "step size of Adam (alpha)", above=0.0, maximum=1e3)
    baseline: str = option(
        "normalised",
        "what is taken off returns: nothing; their mean; their mean, and what is left is divided by their deviation; a "
        "value that is learnt",
        choices=tuple(BASELINES),
    )


class Reinforce(PolicyGradient):
    """A policy that follows the gradient of each batch of whole episodes once."""

    name, to_end = "reinforce", True
    settings: ReinforceSettings

    @property
    def _learnt(self) -> bool:
        """Whether there is a value."""
        return self.settings.baseline == "learnt"

    def _made_phase(self) -> Phase:
        from cartwheel.algorithms.gradients.episodes import EpisodePhase

        return EpisodePhase(self.settings, self.network, self.loss, learnt=self._learnt)

    def loss(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        """Minus what the policy gradient follows, the value's error and the entropy; sums of each episode's steps."""
        s, mean, length = self.settings, batch.mean, batch.mean(1.0)
        policy, entropy = -mean(batch.log_prob * batch.advantage), mean(batch.entropy)
        loss = self._with_entropy(policy, entropy)
        figures = {"policy_loss": policy / length, "entropy": entropy / length}
        if not self._learnt:
            return loss, figures
        error = batch.value - batch.target
        value = mean(error * error)
        return loss + s.value_weight * value, {**figures, "value_loss": value / length}

    def _weighed(self, transitions: Transitions, reward: Any, before: Look) -> tuple[Floats, Floats]:
        from cartwheel.experience.returns import discounted

        t, s = transitions, self.settings
        rest: NDArray[Any] = before.following if self._learnt else as_it_went(reward, t.taken, s.gamma)
        returns = discounted(reward, t.discount, t.boundary, s.gamma, rest)
        taken, advantage = steps_taken(t), np.zeros_like(returns)
        advantage[taken] = BASELINES[s.baseline](returns[taken], before.value[taken])
        return advantage, returns

    def _shown(self, transitions: Transitions, before: Look, target: Floats) -> dict[str, float]:
        taken = steps_taken(transitions)
        return {"explained_variance": explained(before.value[taken], target[taken])} if self._learnt else {}

    def _update(self, run: Any) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = run(1, 1)
        return found


def as_it_went(reward: Floats, taken: NDArray[np.int64], gamma: float) -> Floats:
    """What would come after each step (T, N) if its lane went on with its mean reward for ever: that / (1 - gamma).

    0 with gamma 1. `reward (T, N)` is 0 after the first `taken (N,)` of each lane.
    """
    mean = reward.sum(axis=0) / np.maximum(taken, 1)
    rest = mean / (1.0 - gamma) if gamma < 1.0 else np.zeros_like(mean)
    return np.broadcast_to(rest, reward.shape)


def specify(general: Any, own: ReinforceSettings) -> Specification:
    """A stochastic network of the layers of the general settings, which remembers nothing."""
    network = stacked(general.frames, Stochastic(general.hidden, general.activation, general.memory))
    if general.memory != "none":
        raise UsageError(
            f"--memory: reinforce learns networks without a memory; take ppo with --memory {general.memory}"
        )
    return network


#: The program of a Keras tutorial: an update for each of 1,000 episodes of CartPole-v1; its own step size is 0.01.
PRESETS: dict[str, dict[str, Any]] = {
    "tutorial": {
        "hidden": (24, 24),
        "activation": "relu",
        "lanes": 1,
        "stretch": 500,
        "baseline": "normalised",
        "learning_rate": 3e-3,
        "generations": 1000,
        "early_stop": False,
    }
}

ENTRY = Entry(
    name="reinforce",
    summary="REINFORCE: the policy gradient of whole episodes",
    algorithm=Reinforce,
    settings=ReinforceSettings,
    presets=PRESETS,
    specify=specify,
    general={"hidden": (64, 64), "activation": "tanh"},
)

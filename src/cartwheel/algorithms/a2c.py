"""A2C: advantage actor-critic, one update for each stretch.

Source: V. Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016, algorithm S3, with lanes side by
side in place of threads (OpenAI's baselines, 2017).

    for each stretch:  act by pi, in N lanes for T steps; A_t by GAE(lambda), R_t = A_t + V(s_t)
        theta <- Adam down the mean of  -log pi(a_t | s_t) A_t + c1 (V(s_t) - R_t)^2 - c2 H(pi(. | s_t))

With lambda 1, A_t is the return of as many steps as the stretch has left, less the value. With one lane, stretches of
one step and lambda 0 (`--preset one-step`) it is the one-step actor-critic of R. Sutton and A. Barto, "Reinforcement
Learning", 2018, section 13.5, but for the factor gamma^t, which is left out as usual.

Deviation: Adam in place of RMSprop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.gradients.agent import ActorCriticLearner
from cartwheel.algorithms.gradients.settings import ActorCriticSettings
from cartwheel.algorithms.ppo import specify
from cartwheel.settings import option


@dataclass(frozen=True)
class A2CSettings(ActorCriticSettings):
    """Settings of A2C."""

    lanes: int = option(8, "episodes that run side by side", minimum=1, maximum=100_000)
    stretch: int = option(5, "steps of each lane between two updates", minimum=1, maximum=1_000_000)
    gae_lambda: float = option(
        1.0, "weight of what comes a step later in an advantage (lambda)", minimum=0.0, maximum=1.0
    )
    learning_rate: float = option(7e-4, "step size of Adam (alpha)", above=0.0, maximum=1e3)
    scale_rewards: bool = option(True, "divide rewards by the running deviation of their discounted sums")


class A2C(ActorCriticLearner):
    """A policy that follows the gradient of each stretch once."""

    name, ratio = "a2c", False
    settings: A2CSettings

    def loss(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        """The policy gradient's, the value's error and the entropy."""
        s, mean = self.settings, batch.mean
        error = batch.value - batch.target
        policy, value, entropy = -mean(batch.log_prob * batch.advantage), mean(error * error), mean(batch.entropy)
        figures = {"policy_loss": policy, "value_loss": value, "entropy": entropy}
        return self._with_entropy(policy + s.value_weight * value, entropy), figures

    def _update(self, run: Any) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = run(1, 1)
        return found


ENTRY = Entry(
    name="a2c",
    summary="A2C: advantage actor-critic",
    algorithm=A2C,
    settings=A2CSettings,
    presets={"one-step": {"lanes": 1, "stretch": 1, "gae_lambda": 0.0}},
    specify=specify,
    general={"hidden": (64, 64), "activation": "tanh", "normalise": True},
)

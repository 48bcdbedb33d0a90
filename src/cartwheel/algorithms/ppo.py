"""PPO: proximal policy optimization, with its clipped objective.

Source: J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017, algorithm 1 and eq. 7, 9; advantages as in
J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016, eq. 16. What it
takes beside these, each with its source, stands in docs/algorithms/ppo.md.

    for each stretch:  act by pi_old, in N lanes for T steps; A_t by GAE(lambda), R_t = A_t + V_old(s_t)
        for each of `epochs`, for each of `minibatches` of the steps:
            r = pi(a | s) / pi_old(a | s),  A <- (A - mean(A)) / std(A)
            theta <- Adam down the mean of  -min(r A, clip(r, 1 - eps, 1 + eps) A) + c1 (V(s) - R)^2 - c2 H(pi(. | s))

Deviations: with `target_kl` the epochs end after the first one whose mean divergence is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.gradients.agent import ActorCriticLearner
from cartwheel.algorithms.gradients.settings import ActorCriticSettings
from cartwheel.errors import UsageError
from cartwheel.nn import as_variable
from cartwheel.nn import functions as F
from cartwheel.policies.specification import Specification, Stochastic, stacked
from cartwheel.settings import option


@dataclass(frozen=True)
class PPOSettings(ActorCriticSettings):
    """Settings of PPO."""

    lanes: int = option(8, "episodes that run side by side", minimum=1, maximum=100_000)
    stretch: int = option(
        128, "steps of each lane between two updates of the policy that acts", minimum=1, maximum=1_000_000
    )
    learning_rate: float = option(1e-3, "step size of Adam (alpha)", above=0.0, maximum=1e3)
    scale_rewards: bool = option(True, "divide rewards by the running deviation of their discounted sums")
    epochs: int = option(10, "how often each step is learnt from", minimum=1, maximum=10_000)
    minibatches: int = option(8, "parts of a stretch, each of which makes an update", minimum=1, maximum=1_000_000)
    clip: float = option(0.2, "how far the chance of an action may move, as a share (epsilon)", above=0.0, maximum=1e3)
    anneal_clip: bool = option(False, "let the clip fall along with the step size, over --anneal-steps")
    clip_value: float = option(0.0, "how far a value may move (0: as far as it likes)", minimum=0.0, maximum=1e9)
    target_kl: float = option(
        0.0, "divergence from the policy that acted after which a stretch's epochs end (0: never)", minimum=0.0
    )
    normalise_advantages: bool = option(True, "shift and scale the advantages of a minibatch to mean 0, deviation 1")

    def __post_init__(self) -> None:
        if self.lanes * self.stretch % self.minibatches:
            raise UsageError(
                f"--minibatches: expected a number that divides the {self.lanes * self.stretch:,} steps of a stretch, "
                f"got {self.minibatches:,}"
            )
        if self.anneal_clip and not self.anneal_steps:
            raise UsageError("--anneal-clip: expected --anneal-steps with it, over which it falls")


class PPO(ActorCriticLearner):
    """A policy that is moved, epoch after epoch, no farther than the clipped objective rewards."""

    name, ratio = "ppo", True
    settings: PPOSettings

    def __init__(self, settings: PPOSettings, network: Any, seed: int) -> None:
        super().__init__(settings, network, seed)
        self._clip = np.array(settings.clip, np.float32)

    def loss(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        """Eq. 7 and 9."""
        s, mean, advantage = self.settings, batch.mean, batch.advantage
        if s.normalise_advantages and advantage.shape[0] > 1:  # one has no spread
            centred = advantage - mean(advantage)
            advantage = centred / (F.sqrt(mean(centred * centred)) + 1e-8)
        step = batch.log_prob - batch.old_log_prob
        ratio = F.exp(step)  # eq. 6
        clip: Any = s.clip
        near = F.clip(ratio, 1.0 - clip, 1.0 + clip)
        if s.anneal_clip:  # F.clip takes no bounds that change
            clip = as_variable(self._clip)
            near = F.minimum(F.maximum(ratio, 1.0 - clip), 1.0 + clip)
        policy = -mean(F.minimum(ratio * advantage, near * advantage))  # eq. 7
        error = batch.value - batch.target
        squares = error * error
        if s.clip_value > 0.0:
            moved = batch.old_value + F.clip(batch.value - batch.old_value, -s.clip_value, s.clip_value)
            squares = F.maximum(squares, (moved - batch.target) ** 2)
        value, entropy = mean(squares), mean(batch.entropy)
        figures = {
            "policy_loss": policy,
            "value_loss": value,
            "entropy": entropy,
            "approx_kl": mean(F.expm1(step) - step),
            "clip_fraction": mean(F.where(F.abs(ratio - 1.0) > clip, 1.0, 0.0 * ratio)),
        }
        return self._with_entropy(policy + s.value_weight * value, entropy), figures  # eq. 9

    def _update(self, run: Any) -> dict[str, NDArray[np.float32]]:
        s = self.settings
        if s.anneal_clip:
            self._clip[...] = s.clip * self._left
        if s.target_kl == 0.0:
            found: dict[str, NDArray[np.float32]] = run(s.epochs, s.minibatches)
            return found
        epochs = []
        for _ in range(s.epochs):
            epochs.append(run(1, s.minibatches))
            if epochs[-1]["approx_kl"].mean() > s.target_kl:
                break
        return {name: np.concatenate([one[name] for one in epochs]) for name in epochs[0]}


def specify(general: Any, own: Any) -> Specification:
    """A stochastic network of the layers of the general settings."""
    return stacked(general.frames, Stochastic(general.hidden, general.activation, general.memory))


#: Tuned for the environments that they are called after.
PRESETS: dict[str, dict[str, Any]] = {
    "cartpole-no-velocity": {
        "steps": 100_000,
        "memory": "lstm",
        "stretch": 32,
        "sequence": 32,
        "epochs": 20,
        "minibatches": 2,
        "scale_rewards": False,
        "gamma": 0.98,
        "gae_lambda": 0.8,
        "learning_rate": 1e-3,
        "anneal_steps": 100_000,
    },
    "pendulum-no-velocity": {
        "steps": 100_000,
        "memory": "gru",
        "sequence": 32,
        "scale_rewards": True,
        "gamma": 0.95,
        "gae_lambda": 0.9,
        "noise_memory": 0.5,
        "learning_rate": 1e-3,
        "anneal_steps": 100_000,
    },
    "pendulum": {"steps": 100_000, "anneal_steps": 100_000},
    "mountain-car-continuous": {
        "lanes": 1,
        "stretch": 256,
        "minibatches": 4,
        "gamma": 0.999,
        "gae_lambda": 0.9,
        "noise_memory": 0.9,
    },
    "lunar-lander": {
        "steps": 1_000_000,
        "lanes": 16,
        "stretch": 256,
        "minibatches": 32,
        "epochs": 4,
        "gamma": 0.999,
        "gae_lambda": 0.98,
        "entropy": 0.01,
        "anneal_steps": 1_000_000,
    },
}

ENTRY = Entry(
    name="ppo",
    summary="PPO: proximal policy optimization",
    algorithm=PPO,
    settings=PPOSettings,
    presets=PRESETS,
    specify=specify,
    general={"hidden": (64, 64), "activation": "tanh", "normalise": True},
)

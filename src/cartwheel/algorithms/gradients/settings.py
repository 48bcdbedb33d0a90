"""Settings of policy gradients."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.algorithms.learner import LearnerSettings
from cartwheel.settings import option


@dataclass(frozen=True)
class GradientSettings(LearnerSettings):
    """Settings of all that follow a policy gradient; an algorithm's own come with its defaults."""

    learning_rate: float = option(3e-4, "step size of Adam (alpha)", above=0.0, maximum=1e3)
    entropy: float = option(0.0, "weight of the entropy in the loss", minimum=0.0, maximum=1e3)
    value_weight: float = option(0.5, "weight of the value's error in the loss", minimum=0.0, maximum=1e3)
    max_gradient: float = option(0.5, "longest gradient; longer ones are shortened", above=0.0, maximum=1e9)
    anneal_steps: int = option(
        0, "environment steps over which the step size falls to 0 in a straight line (0: it stays)", minimum=0
    )
    scale_rewards: bool = option(False, "divide rewards by the running deviation of their discounted sums")
    first_deviation: float = option(
        1.0, "deviation of a Box's numbers at first, in halves of their range", minimum=1e-6, maximum=1e3
    )
    noise_memory: float = option(
        0.0,
        "share of a Box's noise that stays from step to step (correlation of its noise)",
        minimum=0.0,
        maximum=0.999,
    )
    shared: bool = option(False, "let the value read the policy's last hidden layer, instead of layers of its own")


@dataclass(frozen=True)
class ActorCriticSettings(GradientSettings):
    """Settings of all whose stretches end anywhere in an episode, and have a value for what comes after."""

    gae_lambda: float = option(
        0.95, "weight of what comes a step later in an advantage (lambda)", minimum=0.0, maximum=1.0
    )
    sequence: int = option(16, "networks with a memory: longest sequence that gradients go through", minimum=1)

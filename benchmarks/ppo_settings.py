"""Settings of the benchmarks of policy gradients, in Cartwheel's words, and as their peers are told them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from benchmarks.dqn_peer import ENVIRONMENT
from benchmarks.ppo_process import BUDGET
from cartwheel.errors import CartwheelError
from learning.peers.policies import ZOO

Settings: TypeAlias = Mapping[str, Any]

#: What rl-baselines3-zoo publishes for stable-baselines3's PPO, but for the range of the clip, which falls to 0 there.
SAME: Settings = {
    "hidden": (64, 64),
    "lanes": 8,
    "stretch": 32,
    "epochs": 20,
    "minibatches": 1,
    "gamma": 0.98,
    "gae_lambda": 0.8,
    "learning_rate": 1e-3,
    "anneal_steps": BUDGET,
    "clip": 0.2,
    "clip_value": 0.0,
    "entropy": 0.0,
    "value_weight": 0.5,
    "max_gradient": 0.5,
}

#: PureJaxRL's for CartPole-v1. It takes half of half the value's squared error.
PUREJAX: Settings = {
    **SAME,
    "lanes": 4,
    "stretch": 128,
    "epochs": 4,
    "minibatches": 4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "learning_rate": 2.5e-4,
    "anneal_steps": 500_000,
    "clip_value": 0.2,
    "entropy": 0.01,
    "value_weight": 0.25,
}

#: Ours, chosen on seeds 1000 and up.
BEST: Settings = {
    **PUREJAX,
    "stretch": 64,
    "learning_rate": 2e-3,
    "anneal_steps": 0,
    "clip_value": 0.0,
}

#: Those of A2C, stable-baselines3's and ours.
A2C: Settings = {
    "hidden": (64, 64),
    "lanes": 8,
    "stretch": 5,
    "gamma": 0.99,
    "gae_lambda": 1.0,
    "learning_rate": 7e-4,
    "entropy": 0.0,
    "value_weight": 0.5,
    "max_gradient": 0.5,
}

#: What rl-baselines3-zoo publishes, in its words.
PUBLISHED: Mapping[str, Settings] = {
    name: {key: value for key, value in ZOO[name.upper(), ENVIRONMENT].items() if key != "n_timesteps"}
    for name in ("ppo", "a2c")
}

_WORDS = {
    "lanes": "n_envs",
    "stretch": "n_steps",
    "epochs": "n_epochs",
    "gamma": "gamma",
    "gae_lambda": "gae_lambda",
    "clip": "clip_range",
    "entropy": "ent_coef",
    "value_weight": "vf_coef",
    "max_gradient": "max_grad_norm",
}


def theirs(settings: Settings, steps: int) -> dict[str, Any]:
    """Our settings as stable-baselines3's PPO is told them, in rl-baselines3-zoo's words, for a run of so many steps.

    CartwheelError for what is not known how to say, a step size that falls over other steps than the run's among it.
    """
    said = {"hidden", "minibatches", "learning_rate", "anneal_steps", "clip_value"}
    unknown = settings.keys() - said - _WORDS.keys()
    if unknown:
        raise CartwheelError(f"stable-baselines3's PPO is not told {', '.join(sorted(unknown))}: put it in words")
    if settings["anneal_steps"] not in (0, steps):
        raise CartwheelError(f"expected a step size that falls over {steps:,} steps, got {settings['anneal_steps']:,}")
    rate = settings["learning_rate"]
    return {
        **{_WORDS[name]: value for name, value in settings.items() if name not in said},
        "batch_size": settings["lanes"] * settings["stretch"] // settings["minibatches"],
        "learning_rate": f"lin_{rate}" if settings["anneal_steps"] else rate,
        "clip_range_vf": settings["clip_value"] or None,
        "policy_kwargs": {"net_arch": [*settings["hidden"]]},
    }

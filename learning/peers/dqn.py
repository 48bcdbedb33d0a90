"""stable-baselines3's DQN at the settings that rl-baselines3-zoo publishes for it.

Settings: `hyperparams/dqn.yml` of DLR-RM/rl-baselines3-zoo at commit ce95481b041fe5314c1b2f1a53940d169b9253fc. What is
not named there is stable-baselines3's own default: Adam with eps 1e-8, ReLU, Huber loss, gradients clipped at norm 10,
`gradient_steps` -1 for as many updates as steps were taken. It collects `train_freq` steps whole before it updates, so
that a run may take a few more than its budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from importlib import import_module
from typing import Any

from learning.peers.training import Job

_WIDE = {"net_arch": [256, 256]}

#: Keywords of stable-baselines3's DQN, and `n_timesteps`, the budget in environment steps.
ZOO: Mapping[str, Mapping[str, Any]] = {
    "CartPole-v1": {
        "n_timesteps": 50_000,
        "learning_rate": 2.3e-3,
        "batch_size": 64,
        "buffer_size": 100_000,
        "learning_starts": 1000,
        "gamma": 0.99,
        "target_update_interval": 10,
        "train_freq": 256,
        "gradient_steps": 128,
        "exploration_fraction": 0.16,
        "exploration_final_eps": 0.04,
        "policy_kwargs": _WIDE,
    },
    "MountainCar-v0": {
        "n_timesteps": 120_000,
        "learning_rate": 4e-3,
        "batch_size": 128,
        "buffer_size": 10_000,
        "learning_starts": 1000,
        "gamma": 0.98,
        "target_update_interval": 600,
        "train_freq": 16,
        "gradient_steps": 8,
        "exploration_fraction": 0.2,
        "exploration_final_eps": 0.07,
        "policy_kwargs": _WIDE,
    },
    "Acrobot-v1": {
        "n_timesteps": 100_000,
        "learning_rate": 6.3e-4,
        "batch_size": 128,
        "buffer_size": 50_000,
        "learning_starts": 0,
        "gamma": 0.99,
        "target_update_interval": 250,
        "train_freq": 4,
        "gradient_steps": -1,
        "exploration_fraction": 0.12,
        "exploration_final_eps": 0.1,
        "policy_kwargs": _WIDE,
    },
}


def dqn(environment: str, seed: int, settings: Mapping[str, Any]) -> Any:
    """A model that has learnt nothing yet, on one thread; `settings` as in `ZOO`."""
    import_module("torch").set_num_threads(1)
    own = {name: deepcopy(value) for name, value in settings.items() if name != "n_timesteps"}
    return import_module("stable_baselines3").DQN("MlpPolicy", environment, seed=seed, device="cpu", **own)


JOBS = tuple(
    Job("stable-baselines3", "DQN", environment, settings["n_timesteps"], partial(dqn, environment, settings=settings))
    for environment, settings in ZOO.items()
)

"""stable-baselines3's DQN at the settings that rl-baselines3-zoo publishes for it.

Settings: `hyperparams/dqn.yml` of DLR-RM/rl-baselines3-zoo at commit ce95481b041fe5314c1b2f1a53940d169b9253fc. What is
not named there is stable-baselines3's own default: Adam with eps 1e-8, ReLU, Huber loss, gradients clipped at norm 10,
`gradient_steps` -1 for as many updates as steps were taken. It collects `train_freq` steps whole before it updates, so
that a run may take a few more than its budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

from learning.peers.episodes import Act, Champion, reported

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

_EVERY = 5000  # steps from one look at the policy to the next


@dataclass(frozen=True)
class Spent:
    """CPU and wall seconds of training alone."""

    cpu: float
    wall: float


def dqn(environment: str, seed: int, settings: Mapping[str, Any]) -> Any:
    """A model that has learnt nothing yet, on one thread; `settings` as in `ZOO`."""
    import_module("torch").set_num_threads(1)
    own = {name: deepcopy(value) for name, value in settings.items() if name != "n_timesteps"}
    return import_module("stable_baselines3").DQN("MlpPolicy", environment, seed=seed, device="cpu", **own)


def greedy(model: Any) -> Act:
    """The model's policy without exploration; it draws no random number."""
    return lambda seen: model.predict(seen, deterministic=True)[0]


def learn(model: Any, steps: int, every: int, check: Callable[[int], bool]) -> Spent:
    """Train for so many steps; `check` is called with the steps taken after each `every`, but off the clock.

    Training ends where it answers False.
    """
    off = Spent(0.0, 0.0)

    def after_step(*_: Any) -> bool:
        nonlocal off
        if model.num_timesteps % every:
            return True
        begun = _now()
        goes_on = check(model.num_timesteps)
        off = Spent(off.cpu + _now().cpu - begun.cpu, off.wall + _now().wall - begun.wall)
        return goes_on

    begun = _now()
    model.learn(steps, callback=after_step)
    ended = _now()
    return Spent(ended.cpu - begun.cpu - off.cpu, ended.wall - begun.wall - off.wall)


def _now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def run(environment: str, seed: int) -> dict[str, Any]:
    """Train with this seed; the figures of the final policy and of the best on validation, each over the test episodes.

    Policies are validated every 5,000 steps, the final one in place of that of the last of these.
    """
    budget = ZOO[environment]["n_timesteps"]
    model, champion = dqn(environment, seed, ZOO[environment]), Champion(environment, seed)
    act, kept = greedy(model), {}

    def validate(steps: int) -> bool:
        if steps < budget and champion.beaten_by(act):
            kept.update(deepcopy(model.policy.state_dict()))
        return True

    spent = learn(model, budget, _EVERY, validate)
    final = best = reported(environment, act)
    if not champion.beaten_by(act):
        model.policy.load_state_dict(kept)
        best = reported(environment, act)
    return {
        "environment": environment,
        "algorithm": "stable-baselines3 DQN",
        "seed": seed,
        "steps": model.num_timesteps,
        "validation_steps": champion.steps,
        "final_mean": final,
        "best_mean": best,
        "cpu_seconds": spent.cpu,
        "versions": versions(),
    }


def versions() -> str:
    """The versions of what a peer's figures rest on."""
    return ", ".join(f"{name} {version(name)}" for name in ("stable-baselines3", "torch", "gymnasium", "numpy"))

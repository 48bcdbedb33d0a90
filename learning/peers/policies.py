"""stable-baselines3's PPO and A2C and sb3-contrib's RecurrentPPO at the settings that rl-baselines3-zoo publishes.

Settings: `hyperparams/ppo.yml`, `a2c.yml` and `ppo_lstm.yml` of DLR-RM/rl-baselines3-zoo, at commits
208b6fdf3a9aa24de44b2e068c6e5f6a07d97fcc, c6c209e7d487635f0b835fb916ec4468142b28ff and
c94924e5b31bce36920f29d3eb18b975231bdec4; what is made of them, as in its `rl_zoo3/exp_manager.py`. What is not named
there is the libraries' own default. They collect `n_envs` times `n_steps` steps whole before they update, so that a run
may take a few more than its budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import cartwheel.envs  # noqa: F401  # which registers its environments
from learning.peers.training import Job

_BALANCE = {
    "n_timesteps": 100_000,
    "n_envs": 8,
    "n_steps": 32,
    "batch_size": 256,
    "gae_lambda": 0.8,
    "gamma": 0.98,
    "n_epochs": 20,
    "ent_coef": 0.0,
    "learning_rate": "lin_0.001",
    "clip_range": "lin_0.2",
}
_SWING = {
    "n_timesteps": 100_000,
    "n_envs": 4,
    "n_steps": 1024,
    "gae_lambda": 0.95,
    "gamma": 0.9,
    "n_epochs": 10,
    "ent_coef": 0.0,
    "learning_rate": 1e-3,
    "clip_range": 0.2,
    "use_sde": True,
    "sde_sample_freq": 4,
}
_MEMORY = {
    "normalize": True,
    "policy": "MlpLstmPolicy",
    "policy_kwargs": {
        "ortho_init": False,
        "activation_fn": "ReLU",
        "lstm_hidden_size": 64,
        "enable_critic_lstm": True,
        "net_arch": {"pi": [64], "vf": [64]},
    },
}

#: The settings of each algorithm in each environment, as they are written there; in the order in which they are run.
ZOO: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("A2C", "CartPole-v1"): {"n_timesteps": 500_000, "n_envs": 8, "ent_coef": 0.0},
    ("PPO", "CartPole-v1"): _BALANCE,
    ("PPO", "Pendulum-v1"): _SWING,
    ("PPO", "MountainCarContinuous-v0"): {
        "n_timesteps": 20_000,
        "normalize": True,
        "n_envs": 1,
        "batch_size": 256,
        "n_steps": 8,
        "gamma": 0.9999,
        "learning_rate": 7.77e-5,
        "ent_coef": 0.00429,
        "clip_range": 0.1,
        "n_epochs": 10,
        "gae_lambda": 0.9,
        "max_grad_norm": 5,
        "vf_coef": 0.19,
        "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.29, "ortho_init": False},
    },
    ("RecurrentPPO", "cartwheel/CartPoleNoVelocity-v0"): {**_BALANCE, **_MEMORY},
    ("PPO", "MountainCar-v0"): {
        "n_timesteps": 1_000_000,
        "normalize": True,
        "n_envs": 16,
        "n_steps": 16,
        "gae_lambda": 0.98,
        "gamma": 0.99,
        "n_epochs": 4,
        "ent_coef": 0.0,
    },
    ("A2C", "Acrobot-v1"): {"n_timesteps": 500_000, "normalize": True, "n_envs": 16, "ent_coef": 0.0},
    ("PPO", "Acrobot-v1"): {
        "n_timesteps": 1_000_000,
        "normalize": True,
        "n_envs": 16,
        "n_steps": 256,
        "gae_lambda": 0.94,
        "gamma": 0.99,
        "n_epochs": 4,
        "ent_coef": 0.0,
    },
    ("RecurrentPPO", "cartwheel/PendulumNoVelocity-v0"): {**_SWING, **_MEMORY},
}

#: Where each algorithm comes from: the package's name, and the module's.
_HOMES = {
    "PPO": ("stable-baselines3", "stable_baselines3"),
    "A2C": ("stable-baselines3", "stable_baselines3"),
    "RecurrentPPO": ("sb3-contrib", "sb3_contrib"),
}

#: What is not given to the algorithm itself.
_OUTER = ("n_timesteps", "n_envs", "normalize", "policy")


def policy_gradient(algorithm: str, environment: str, seed: int, settings: Mapping[str, Any]) -> Any:
    """A model that has learnt nothing yet, on one thread; `settings` as in `ZOO`."""
    import_module("torch").set_num_threads(1)
    make_vec_env = import_module("stable_baselines3.common.env_util").make_vec_env
    lanes = make_vec_env(environment, n_envs=settings["n_envs"], seed=seed)
    if settings.get("normalize"):
        lanes = _normalised(lanes, settings)
    own = {name: _meant(value) for name, value in settings.items() if name not in _OUTER}
    made = getattr(import_module(_HOMES[algorithm][1]), algorithm)
    return made(settings.get("policy", "MlpPolicy"), lanes, seed=seed, device="cpu", **own)


def _normalised(lanes: Any, settings: Mapping[str, Any]) -> Any:
    """Observations, and rewards by the deviation of their return, which is discounted as the algorithm discounts."""
    discount = {"gamma": settings["gamma"]} if "gamma" in settings else {}
    return import_module("stable_baselines3.common.vec_env").VecNormalize(lanes, **discount)


def _meant(value: Any) -> Any:
    """What a setting stands for: `lin_A` for a fall from A to 0, and a function of PyTorch's by its name."""
    if isinstance(value, str):
        return linear(float(value.removeprefix("lin_")))
    if not isinstance(value, Mapping):
        return value
    own = dict(value)
    if "activation_fn" in own:
        own["activation_fn"] = getattr(import_module("torch").nn, own["activation_fn"])
    return own


def linear(start: float) -> Callable[[float], float]:
    """From `start` to 0, by the share of the training that is left."""
    return lambda left: left * start


JOBS = tuple(
    Job(
        _HOMES[algorithm][0],
        algorithm,
        environment,
        settings["n_timesteps"],
        partial(policy_gradient, algorithm, environment, settings=settings),
    )
    for (algorithm, environment), settings in ZOO.items()
)

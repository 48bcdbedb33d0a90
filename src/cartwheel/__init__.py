"""Cartwheel trains small neural-network controllers on any Gymnasium environment, on ordinary CPUs.

    import cartwheel

    run = cartwheel.train("CartPole-v1", seed=0)
    action, _ = run.policy.act(observation)

The names below are loaded when they are first used; importing the package itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cartwheel.cli.api import evaluate as evaluate
    from cartwheel.cli.api import render as render
    from cartwheel.cli.api import report as report
    from cartwheel.cli.api import resume as resume
    from cartwheel.cli.api import train as train
    from cartwheel.errors import CartwheelError as CartwheelError
    from cartwheel.errors import EnvironmentFault as EnvironmentFault
    from cartwheel.errors import UsageError as UsageError
    from cartwheel.policies.policy import Policy as Policy
    from cartwheel.policies.specification import MLP as MLP
    from cartwheel.storage.policy_file import load as load
    from cartwheel.storage.policy_file import save as save
    from cartwheel.storage.run import Run as Run
    from cartwheel.training.minimize import Minimum as Minimum
    from cartwheel.training.minimize import minimize as minimize

_HOMES = {
    "train": "cartwheel.cli.api",
    "resume": "cartwheel.cli.api",
    "evaluate": "cartwheel.cli.api",
    "render": "cartwheel.cli.api",
    "report": "cartwheel.cli.api",
    "load": "cartwheel.storage.policy_file",
    "save": "cartwheel.storage.policy_file",
    "minimize": "cartwheel.training.minimize",
    "Minimum": "cartwheel.training.minimize",
    "Run": "cartwheel.storage.run",
    "Policy": "cartwheel.policies.policy",
    "MLP": "cartwheel.policies.specification",
    "CartwheelError": "cartwheel.errors",
    "EnvironmentFault": "cartwheel.errors",
    "UsageError": "cartwheel.errors",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'cartwheel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))

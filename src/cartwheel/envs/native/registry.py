"""Which environments have native physics, and whether those can be trusted here.

A file of this folder defines `NATIVE`; `_FILES` names the files by environment id, so that nothing is compiled or
loaded that is not used. Users register their own with `register`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_FILES = {
    "Acrobot-v1": "cartwheel.envs.native.acrobot",
    "CartPole-v0": "cartwheel.envs.native.cartpole",
    "CartPole-v1": "cartwheel.envs.native.cartpole",
    "MountainCarContinuous-v0": "cartwheel.envs.native.mountain_car_continuous",
    "MountainCar-v0": "cartwheel.envs.native.mountain_car",
    "Pendulum-v1": "cartwheel.envs.native.pendulum",
    "cartwheel/CartPoleNoVelocity-v0": "cartwheel.envs.native.cartpole_no_velocity",
    "cartwheel/GridWorld-v0": "cartwheel.envs.native.gridworld",
    "cartwheel/PendulumNoVelocity-v0": "cartwheel.envs.native.pendulum_no_velocity",
    "cartwheel/RepeatPrevious-v0": "cartwheel.envs.native.repeat_previous",
    "cartwheel/TMaze-50-v0": "cartwheel.envs.native.t_maze_50",
    "cartwheel/TMaze-v0": "cartwheel.envs.native.t_maze",
}
_REGISTERED: dict[str, NativeEnvironment] = {}


@dataclass(frozen=True)
class NativeEnvironment:
    """An environment as three compiled functions over lanes (`kernels.RESET`, `STEP`, `OBSERVE`).

    `ids` are the Gymnasium ids whose physics these are, in their plain form (no arguments); `entry_point` is the class
    that Gymnasium must hold under such an id; `state_size` is the number of rows of the state `(state_size, L)`.
    `state_of` gives the state of one of Gymnasium's environments, which the first rows have to equal: observations
    are rounded, and would hide a drift for long.
    """

    ids: tuple[str, ...]
    entry_point: str | Callable[..., Any]
    state_size: int
    reset: Callable[..., None]
    step: Callable[..., None]
    observe: Callable[..., None]
    state_of: Callable[[Any], Any] | None = None


def register(native: NativeEnvironment) -> None:
    """Have these physics used for their ids from now on, in this process."""
    for name in native.ids:
        _REGISTERED[name] = native


def native_ids() -> list[str]:
    """The ids that have native physics."""
    return sorted({*_FILES, *_REGISTERED})


def find_native(name: str) -> NativeEnvironment | None:
    """The native physics for a Gymnasium id, or None."""
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name in _FILES:
        native: NativeEnvironment = import_module(_FILES[name]).NATIVE
        return native
    return None

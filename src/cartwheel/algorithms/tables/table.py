"""What the methods on tables share: Q (S, A) in double precision, the size of steps, figures, and the table that acts.

    Q(s, a) <- Q(s, a) + alpha (target - Q(s, a)),   alpha = rate / n(s, a)**power           (S&B eqs. 2.5 and 6.1)

S&B is R. Sutton and A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018. A method says what the
target is. Deviation: steps come in stretches, during which the table that acts stays as it was; with `lanes` 1 and
`stretch` 1 it is the book's. The table that acts is rounded to single precision, as all policies are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import State
from cartwheel.algorithms.explorer import Explorer, ExplorerSettings
from cartwheel.errors import UsageError
from cartwheel.experience.records import Request, Transitions
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import Table
from cartwheel.policies.table import TableNetwork
from cartwheel.settings import flag, option


@dataclass(frozen=True)
class TableSettings(ExplorerSettings):
    """Settings of a method on a table."""

    learning_rate: float = option(
        0.1, "size of a step toward a target, as a share of the way (alpha)", above=0.0, maximum=1.0
    )
    learning_rate_power: float = option(
        0.0,
        "how that size falls with the number n of steps of a state and action: as 1 / n**power; 1 makes averages",
        minimum=0.0,
        maximum=1.0,
    )
    initial_value: float = option(0.0, "all values at first; high ones make it explore", minimum=-1e6, maximum=1e6)


class Steps(NamedTuple):
    """A stretch as the kernels read it, `(T, N)` each; states and actions by number."""

    state: NDArray[np.int64]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    boundary: NDArray[np.bool_]
    following: NDArray[np.int64]


class TableLearner(Explorer):
    """A learner of `tables` tables, of which the mean acts."""

    tables: ClassVar[int] = 1
    network: TableNetwork

    def __init__(self, settings: Any, network: Network, seed: int) -> None:
        super().__init__(settings, network, seed)
        if not isinstance(network, TableNetwork):
            raise UsageError("this method learns a table of values; take another algorithm for a network")
        shape = (self.tables, network.inputs, network.outputs)
        self._values = np.full(shape, float(settings.initial_value))
        self._visits = np.zeros(shape)

    @abstractmethod
    def _update(self, request: Request, steps: Steps) -> tuple[float, float]:
        """Learn; the sum of the absolute errors and the number of targets."""

    @property
    def _sizes(self) -> tuple[float, float, float]:
        """What ends the arguments of every kernel: gamma, and the size of a step."""
        return self.settings.gamma, self.settings.learning_rate, self.settings.learning_rate_power

    def _acting(self) -> NDArray[np.float32]:
        limit = np.finfo(np.float32).max
        acting: NDArray[np.float32] = self._values.mean(axis=0).ravel().clip(-limit, limit).astype(np.float32)
        return acting

    def _learn(self, request: Request, transitions: Transitions) -> dict[str, float]:
        before = self._values.copy()
        total, targets = self._update(request, steps_of(transitions))
        return {
            "q_mean": float(self._values.mean()),
            "td_error": total / targets if targets else np.nan,
            "table_change": float(np.abs(self._values - before).max()),
        }

    def _own_state(self) -> State:
        return {"values": self._values.copy(), "visits": self._visits.copy()}

    def _take(self, state: Mapping[str, Any]) -> None:
        values, visits = (np.array(state[name], np.float64, order="C") for name in ("values", "visits"))
        for name, array in (("values", values), ("visits", visits)):
            if array.shape != self._values.shape:
                raise ValueError(f"expected {name} of shape {self._values.shape}, got {array.shape}")
        self._values, self._visits = values, visits


def steps_of(transitions: Transitions) -> Steps:
    """Transitions of Discrete observations, which come one-hot, and Discrete actions, by number."""
    return Steps(
        transitions.obs.argmax(axis=-1),
        transitions.action[:, :, 0].astype(np.int64),
        np.ascontiguousarray(transitions.reward, np.float64),
        np.ascontiguousarray(transitions.discount, np.float64),
        np.ascontiguousarray(transitions.boundary, np.bool_),
        transitions.next_obs.argmax(axis=-1),
    )


def specify(general: Any, own: TableSettings) -> Table:
    """A table; what the general settings say of layers and of normalisation can't be had with it."""
    for field in fields(general):
        mine = field.name in ("hidden", "memory", "frames", "activation", "normalise")
        if mine and getattr(general, field.name) != field.default:
            raise UsageError(f"{flag(field.name)}: this algorithm learns a table of values, which has no such thing")
    return Table()

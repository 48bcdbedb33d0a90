"""Steps that wait for what comes after them, from one stretch to the next, and the methods that need it so."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import State
from cartwheel.algorithms.tables.table import Steps, TableLearner
from cartwheel.experience.records import Request
from cartwheel.policies.networks import Network


class Waiting(NamedTuple):
    """The first `counts (N,)` steps of each lane: (state, action) in `places (C, N, 2)`, (reward, the chance with which
    the action was taken) in `numbers (C, N, 2)`.
    """

    places: NDArray[np.int64]
    numbers: NDArray[np.float64]
    counts: NDArray[np.int64]


def waiting(room: int, lanes: int) -> Waiting:
    """Nothing that waits, and room for so many steps of each lane."""
    return Waiting(np.zeros((room, lanes, 2), np.int64), np.zeros((room, lanes, 2)), np.zeros(lanes, np.int64))


def with_room(held: Waiting, room: int) -> Waiting:
    """The same with room for so many steps at least; what was beyond `counts` is 0."""
    most, lanes = int(held.counts.max(initial=0)), len(held.counts)
    larger = waiting(max(room, most), lanes)
    kept = (np.arange(most)[:, None] < held.counts)[:, :, None]
    larger.places[:most], larger.numbers[:most] = held.places[:most] * kept, held.numbers[:most] * kept
    larger.counts[:] = held.counts
    return larger


class WaitingLearner(TableLearner):
    """A method whose steps wait: `n` of them at most, or those of an episode where n is 0.

    What is learnt about is the policy that acts; with a `target_epsilon` in the settings that with this share of random
    actions, by importance sampling.
    """

    def __init__(self, settings: Any, network: Network, seed: int) -> None:
        super().__init__(settings, network, seed)
        self._waiting = waiting(self.n, settings.lanes)

    @property
    @abstractmethod
    def n(self) -> int:
        """How many steps wait, 0 for all of an episode."""

    @property
    def _about(self) -> tuple[Any, ...]:
        """The policy that is learnt about, as the kernel wants it."""
        return (float(getattr(self.settings, "target_epsilon", -1.0)),)

    @abstractmethod
    def _kernel(self) -> Callable[..., tuple[float, float]]:
        """The compiled method, imported when it is first needed."""

    def _update(self, request: Request, steps: Steps) -> tuple[float, float]:
        assert request.stretch is not None
        if self.n == 0:
            self._make_room(request.stretch.steps)
        acted = request.parameters[0].reshape(self.network.inputs, self.network.outputs).argmax(axis=1)
        return self._kernel()(
            *steps,
            self._values[0],
            self._visits[0],
            *self._waiting,
            acted,
            request.stretch.epsilon,
            *self._about,
            *self._sizes,
        )

    def _make_room(self, steps: int) -> None:
        """Room for so many steps more, twice what is needed where it is too small."""
        needed = int(self._waiting.counts.max()) + steps
        if needed > len(self._waiting.places):
            self._waiting = with_room(self._waiting, 2 * needed)

    def _own_state(self) -> State:
        held = with_room(self._waiting, 0)
        return {**super()._own_state(), **{f"waiting_{name}": array for name, array in held._asdict().items()}}

    def _take(self, state: Mapping[str, Any]) -> None:
        held = Waiting(*(np.array(state[f"waiting_{name}"], order="C") for name in Waiting._fields))
        lanes, most = self.settings.lanes, int(held.counts.max(initial=0))
        if held.counts.shape != (lanes,) or (self.n and most > self.n):
            raise ValueError(f"expected waiting steps of {lanes} lanes, {self.n or 'any number'} of each at most")
        for array in (held.places, held.numbers):
            if array.shape != (most, lanes, 2):
                raise ValueError(f"expected waiting steps of shape {(most, lanes, 2)}, got {array.shape}")
        super()._take(state)
        self._waiting = with_room(held, self.n)

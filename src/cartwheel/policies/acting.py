"""Greedy actions by compiled code: a network's step as a recorded program, and a policy that acts by it.

A `Policy` loads this file when it first acts on an array, and does without where there is no Numba; see
`kernels/single.py` for what runs. Here alone `policies` calls kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel.kernels.network import AFTER, BEFORE, MEMORY, OUTPUT, SEEN, THETA, Lanes
from cartwheel.policies.actions import ActionHead
from cartwheel.policies.graph import ACTIVATIONS, GraphNetwork
from cartwheel.policies.networks import Network
from cartwheel.policies.normalisation import Normalisation
from cartwheel.spaces import Discrete


class Step(NamedTuple):
    """A network's step for one lane: targets (R,) and rows (R, ROW), the program's two buffers as they begin, and
    places in the first of them, as `kernels.network` names them. Not to be written to: policies share it.
    """

    targets: Any
    rows: NDArray[np.int64]
    numbers: NDArray[np.float32]
    integers: NDArray[np.int64]
    places: NDArray[np.int64]


@lru_cache(maxsize=16)
def step_of(network: Network) -> Step:
    """The step of a network, recorded once for all policies that have it. Other processes can't use its addresses."""
    return _told(network) if isinstance(network, GraphNetwork) else _recorded(network)


def _recorded(network: Any) -> Step:
    """The program of any other network: its step in the framework's functions, recorded."""
    from cartwheel.nn.capture import capture

    inputs = [np.zeros(n, np.float32) for n in ((network.size,), (1, network.inputs), (1, network.memory_size))]
    program = capture(network.step).program(*inputs[: 3 if network.memory_size else 2])
    targets, rows = program.alone()
    places = np.zeros(9, np.int64)
    places[[THETA, SEEN, BEFORE][: len(program.given)]] = [place.offset for place in program.given]
    places[[OUTPUT, AFTER][: len(program.asked)]] = [place.offset for place in program.asked]
    places[MEMORY - 3 :] = network.size, network.inputs, network.outputs, network.memory_size
    return Step(targets, rows, program.buffer, program.integers, places)


def _told(network: GraphNetwork) -> Step:
    """The program of a graph: one row, whose vector tells all the rest. Inputs, outputs and memory are its values."""
    from cartwheel.kernels.opcodes import OPCODES, ROW, target

    values = network.size
    nodes, after = values + network.inputs, values + network.slots
    rows, places = np.zeros((1, ROW), np.int64), np.zeros(9, np.int64)
    rows[0, :5] = OPCODES["graph"].number, network.inputs, network.outputs, network.room, network.links
    rows[0, 5:7] = list(ACTIVATIONS).index(network.activation), network.recurrent
    rows[0, 7:10] = 0, values, after
    places[[THETA, SEEN, OUTPUT, BEFORE, AFTER]] = 0, values, nodes, nodes + network.room, after
    places[MEMORY - 3 :] = network.size, network.inputs, network.outputs, network.memory_size
    code = target("graph", "float32")
    targets = [code] if callable(code) else np.array([code], np.int64)
    return Step(targets, rows, np.zeros(after + network.memory_size, np.float32), np.zeros(2, np.int64), places)


@dataclass(frozen=True)
class _Room:
    """What one call acts in: `act_on(observation (d,))`, and the memory (m,) and the action (a,) that it works on."""

    act_on: Callable[[NDArray[np.float32]], int]
    memory: NDArray[np.float32]
    action: NDArray[np.float32]


class CompiledActor:
    """A network with its vector `theta (n,)`, an action head and a normalisation, compiled: greedy actions, and fast.

    The numbers are those of rollouts, to the bit. Calls may come from several threads at once: each takes a room out of
    a list, and a new one is made where there is none left. (A list's own operations are whole; a lock would cost more,
    and stand still where a signal's handler acts too.)
    """

    def __init__(
        self, network: Network, head: ActionHead, theta: NDArray[np.float32], normalisation: Normalisation | None
    ) -> None:
        self._network, self._head, self._theta, self._normalisation = network, head, theta, normalisation
        self._step, self._remembers = step_of(network), network.memory_size > 0
        space = head.space
        self._choices = space.start + np.arange(space.n, dtype=np.int64) if isinstance(space, Discrete) else None
        self._rooms = [self._room()]

    def act(self, observation: NDArray[np.float32], memory: NDArray[np.float32] | None) -> tuple[Any, Any] | None:
        """What `Policy.act` gives for an observation (d,), in float32, and a memory (m,), None for an empty one.

        None where the observation is not finite.
        """
        try:
            room = self._rooms.pop()
        except IndexError:
            room = self._room()
        if self._remembers:
            room.memory[:] = 0.0 if memory is None else memory
        choice = room.act_on(observation)
        found = None
        if choice >= 0:
            action = self._head.to_action(room.action) if self._choices is None else self._choices[choice]
            found = action, room.memory.copy() if self._remembers else None
        self._rooms.append(room)
        return found

    def _room(self) -> _Room:
        """Room for one lane, which has the vector in it."""
        from cartwheel.kernels.single import act_on  # which compiles it: rollouts do without

        step, head, seen = self._step, self._head, self._normalisation
        none, no_floats = np.zeros(0, np.int64), np.zeros(0, np.float32)
        numbers = step.numbers[None].copy()
        numbers[0, step.places[THETA] :][: self._theta.size] = self._theta
        lanes = Lanes(
            sizes=none,
            activation=0,
            weights=np.zeros((0, 0), np.float32),
            targets=step.targets,
            rows=step.rows,
            numbers=numbers,
            integers=step.integers.copy(),
            places=step.places,
            shift=no_floats if seen is None else seen.shift.copy(),
            scale=no_floats if seen is None else seen.scale.copy(),
            groups=np.array(head.groups, np.int64),
            squashed=head.squashed,
            low=np.array(head.low, np.float64),
            high=np.array(head.high, np.float64),
            layers=np.zeros((2, max(self._network.inputs, self._network.outputs), 1), np.float32),
            action=np.zeros((head.size, 1), np.float32),
        )
        memory = numbers[0, step.places[BEFORE] :][: self._network.memory_size]
        return _Room(partial(act_on, *lanes), memory, lanes.action[:, 0])

"""A network at work in lanes, as rollouts use it: the Python side of `kernels.network`."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.kernels.network import BEFORE, MEMORY, PARAMETERS, SEEN, THETA, Lanes
from cartwheel.kernels.vector import BLOCK, TOGETHER, WIDTHS
from cartwheel.nn.flat import ACTIVATIONS
from cartwheel.policies.acting import step_of
from cartwheel.policies.actions import ActionHead
from cartwheel.policies.networks import Network, Perceptron
from cartwheel.policies.normalisation import Normalisation

# Sixteen lanes together are the fastest way for a perceptron while it has few parameters. Beyond so many, units
# together are: what a lane costs that takes up a candidate grows with them. See `python -m benchmarks acting`.
_FEW = 1024

# So many bytes of parameters in all lanes together: where units go together, what the second cache keeps; each lane of
# a program has a copy of its buffer.
_LANE_BYTES = {"units": 512 << 10, "program": 64 << 20}


class Actor:
    """A network and an action head; `lanes` gives them room to act in.

    `engine` is "perceptron" or "units", both for perceptrons, or "program"; all make the same numbers.
    """

    def __init__(self, network: Network, head: ActionHead, engine: str | None = None) -> None:
        self.network, self.head = network, head
        self.engine = engine or _fastest(network)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_program"}  # which holds addresses

    @cached_property
    def _program(self) -> Any:
        """The network's step for one lane: targets, rows, a buffer as it begins, integers, and places in it."""
        return step_of(self.network)

    def most(self, count: int) -> int:
        """At most so many lanes, fewer where each holds a large network."""
        if self.engine == "perceptron":
            return count
        return max(1, min(count, _LANE_BYTES[self.engine] // (4 * self.network.size)))

    def lanes(self, count: int, normalisation: Normalisation | None = None) -> Lanes:
        """Room for so many lanes; for a perceptron for a multiple of `BLOCK` of them, by units of `TOGETHER`."""
        network, head = self.network, self.head
        together = {"perceptron": BLOCK, "units": TOGETHER, "program": 1}[self.engine]
        count = -(-count // together) * together
        none, none2, no_floats = np.zeros(0, np.int64), np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
        sizes, activation, weights, numbers = none, 0, none2, none2
        targets, rows, integers, places = none, np.zeros((0, 0), np.int64), none, none
        widest = max(network.inputs, network.outputs)
        if isinstance(network, Perceptron) and self.engine != "program":
            sizes, activation = np.array(network.sizes, np.int64), list(ACTIVATIONS).index(network.activation)
        if self.engine == "perceptron":
            widest, weights = int(sizes.max()), _aligned((network.size, count))
        elif self.engine == "units":
            places, room = _behind(network.size, sizes)
            numbers = _aligned((count, room))
        else:
            targets, rows, buffer, integers, places = self._program
            numbers, integers = np.tile(buffer, (count, 1)), integers.copy()
        return Lanes(
            sizes=sizes,
            activation=activation,
            weights=weights,
            targets=targets,
            rows=rows,
            numbers=numbers,
            integers=integers,
            places=places,
            shift=no_floats if normalisation is None else normalisation.shift.copy(),
            scale=no_floats if normalisation is None else normalisation.scale.copy(),
            groups=np.array(head.groups, np.int64),
            squashed=head.squashed,
            low=np.array(head.low, np.float64),
            high=np.array(head.high, np.float64),
            layers=_aligned((2, widest, count)),
            action=_aligned((head.size, count)),
        )


def _fastest(network: Network) -> str:
    """The engine that is chosen where none is named."""
    if not isinstance(network, Perceptron):
        return "program"
    return "perceptron" if network.size <= _FEW else "units"


def _behind(size: int, sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Places in a row that begins with so many parameters and goes on with room for two layers; the row's length."""
    lines = -(-size // BLOCK), -(-(int(sizes.max()) + max(WIDTHS) - 1) // BLOCK)
    places = np.zeros(9, np.int64)
    places[[SEEN, PARAMETERS]] = BLOCK * lines[0], size
    return places, BLOCK * (lines[0] + 2 * lines[1])


def _aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros that begin where a line of the cache does, so that a vector of sixteen is never read from two."""
    room = np.zeros(math.prod(shape) + BLOCK, np.float32)
    start = -(room.ctypes.data // room.itemsize) % BLOCK
    return room[start : start + math.prod(shape)].reshape(shape)


def load(lanes: Lanes, which: int | slice, theta: NDArray[np.float32]) -> None:
    """Give a lane, or several, the weights theta (n,), and an empty memory."""
    if len(lanes.places) == 0:
        first = 0
        for inputs, outputs in pairwise(lanes.sizes.tolist()):  # as kernels.perceptron.load lays them
            last = first + (inputs + 1) * outputs
            lanes.weights.T[which, first:last] = theta[first:last].reshape(inputs + 1, outputs).T.ravel()
            first = last
        return
    numbers, places = lanes.numbers, lanes.places
    numbers[which, places[THETA] : places[THETA] + theta.size] = theta
    numbers[which, places[BEFORE] : places[BEFORE] + places[MEMORY]] = 0.0

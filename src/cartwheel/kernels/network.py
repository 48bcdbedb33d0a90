"""Networks at work in lanes: each lane has its own weights, memory and observation, and gets its own action.

Three engines make the same numbers. A perceptron of control size runs in all lanes together, sixteen to a vector; a
larger one in a few lanes at a time, sixteen units to a vector (both in `perceptron.py`); every other network as a
program that was recorded for one lane and is run lane after lane, each on its own copy of the program's buffer. What
one lane gets never depends on the others.
Level of agreement with `Network.advance` and `ActionHead.decide`: that of the program's opcodes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from cartwheel.kernels import perceptron
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import pointer, shifted
from cartwheel.kernels.opcodes.registry import run_rows

#: Observations that are normalised are clipped to so many deviations.
LARGEST = 10.0


class Lanes(NamedTuple):
    """A network, an action head, and the room that L lanes need.

    A perceptron has `sizes`, the unit counts (k,), and the place of its activation. In lanes together it has weights
    (n, L); by units a buffer for each lane, numbers (L, S), and `places` in a buffer. A recorded program has these two
    as well, targets (R,), rows (R, ROW), and its integers.
    Observations are (x - shift) * scale where these have numbers (d,). Outputs become actions by groups, squashed, low
    and high, as `ActionHead` says. Row k of `layers[0]` (2, h, L) is the k-th number of each lane's observation; the
    actions come into `action` (a, L).
    """

    sizes: Any
    activation: int
    weights: Any
    targets: Any
    rows: Any
    numbers: Any
    integers: Any
    places: Any
    shift: Any
    scale: Any
    groups: Any
    squashed: bool
    low: Any
    high: Any
    layers: Any
    action: Any


# What `places` says: where in a lane's buffer theta begins, and the observation, the outputs, the memory before and the
# memory after; then how many numbers of each there are.
THETA, SEEN, OUTPUT, BEFORE, AFTER, PARAMETERS, INPUTS, OUTPUTS, MEMORY = range(9)

_F4_1, _F4_2, _F4_3 = (types.Array(types.float32, axes, "C") for axes in (1, 2, 3))
_I8_1, _I8_2 = (types.Array(types.int64, axes, "C") for axes in (1, 2))
_F8_1 = types.Array(types.float64, 1, "C")

#: The types of the parts of `Lanes`. Kernels get them one by one: what is taken out of a tuple is counted as a
#: reference each time, which costs as much as a lane.
LANES: tuple[Any, ...] = (
    *(_I8_1, types.int64, _F4_2),
    *(_I8_1, _I8_2, _F4_2, _I8_1, _I8_1),
    *(_F4_1, _F4_1),
    *(_I8_1, types.boolean, _F8_1, _F8_1),
    *(_F4_3, _F4_2),
)


@compiled()
def load(lane: int, theta: Any, candidate: int, sizes: Any, weights: Any, numbers: Any, places: Any) -> None:
    """Give a lane the weights of a candidate of theta (P, n), and an empty memory."""
    if len(places) == 0:
        perceptron.load(lane, theta, candidate, sizes, weights)
        return
    at = places[THETA]
    for k in range(theta.shape[1]):
        numbers[lane, at + k] = theta[candidate, k]
    at = places[BEFORE]
    for k in range(places[MEMORY]):
        numbers[lane, at + k] = np.float32(0.0)


@compiled()
def move(source: int, target: int, weights: Any, numbers: Any) -> None:
    """Let a lane go on as another."""
    for k in range(weights.shape[0]):
        weights[k, target] = weights[k, source]
    for k in range(numbers.shape[1]):
        numbers[target, k] = numbers[source, k]


@compiled()
def _normalise(lanes: int, shift: Any, scale: Any, layers: Any) -> None:
    """Shift and scale the observations."""
    most = np.float32(LARGEST)
    for k in range(shift.shape[0]):
        for lane in range(lanes):
            x = (layers[0, k, lane] - shift[k]) * scale[k]
            x = most if x > most else x
            layers[0, k, lane] = -most if x < -most else x


@compiled()
def _replay(lanes: int, targets: Any, rows: Any, numbers: Any, integers: Any, places: Any, layers: Any) -> None:
    """layers[1] from layers[0] by the program, lane after lane."""
    seen, output, before, after = places[SEEN], places[OUTPUT], places[BEFORE], places[AFTER]
    floats, stride = pointer(numbers), numbers.shape[1]
    for lane in range(lanes):
        for k in range(places[INPUTS]):
            numbers[lane, seen + k] = layers[0, k, lane]
        run_rows(targets, rows, shifted(floats, lane * stride), integers)
        for k in range(places[MEMORY]):
            numbers[lane, before + k] = numbers[lane, after + k]
        for k in range(places[OUTPUTS]):
            layers[1, k, lane] = numbers[lane, output + k]


@compiled()
def _choose(lanes: int, layers: Any, source: int, groups: Any, action: Any) -> None:
    """action (a, L): the place of the largest output of each group, the first at ties; NaN counts as largest."""
    start = 0
    for k in range(groups.shape[0]):
        for lane in range(lanes):
            best, choice = layers[source, start, lane], 0
            for other in range(1, groups[k]):
                output = layers[source, start + other, lane]
                if output > best or (math.isnan(output) and not math.isnan(best)):
                    best, choice = output, other
            action[k, lane] = np.float32(choice)
        start += groups[k]


@compiled()
def bounded(x: Any, squashed: bool, low: float, high: float) -> Any:
    """A number of an action by an output, or by what was drawn about it: squashed to its bounds, or clipped to them."""
    if squashed:
        return np.float32(low + (high - low) * (0.5 * (math.tanh(np.float64(x)) + 1.0)))
    y: Any = np.float64(x)
    if math.isfinite(low) and math.isfinite(high):
        y = low + (high - low) * (0.5 * (y + 1.0))
    y = high if y > high else y
    return np.float32(low if y < low else y)


@compiled(merged=True)
def forward(
    lanes: int,
    sizes: Any,
    activation: int,
    weights: Any,
    targets: Any,
    rows: Any,
    numbers: Any,
    integers: Any,
    places: Any,
    shift: Any,
    scale: Any,
    layers: Any,
) -> int:
    """Outputs of the first `lanes` lanes for their observations, which are used up; memories go on by a step.

    Gives the layer that the outputs stand in. The other arguments are parts of `Lanes`.
    """
    _normalise(lanes, shift, scale, layers)
    if len(places) == 0:
        return perceptron.forward(lanes, weights, sizes, activation, layers)
    if len(targets) == 0:
        perceptron.forward_by_units(lanes, sizes, activation, numbers, places[SEEN], layers)
    else:
        _replay(lanes, targets, rows, numbers, integers, places, layers)
    return 1


@compiled(merged=True)
def decide(lanes: int, layers: Any, source: int, groups: Any, squashed: bool, low: Any, high: Any, action: Any) -> None:
    """Greedy actions (a, L) for the outputs layers[source] of the first `lanes` lanes."""
    if groups.shape[0] > 0:
        _choose(lanes, layers, source, groups, action)
        return
    for k in range(low.shape[0]):
        for lane in range(lanes):
            action[k, lane] = bounded(layers[source, k, lane], squashed, low[k], high[k])


@compiled(merged=True)
def act(
    lanes: int,
    sizes: Any,
    activation: int,
    weights: Any,
    targets: Any,
    rows: Any,
    numbers: Any,
    integers: Any,
    places: Any,
    shift: Any,
    scale: Any,
    groups: Any,
    squashed: bool,
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> None:
    """Greedy actions of the first `lanes` lanes for their observations, which are used up; memories go on by a step.

    The other arguments are the parts of `Lanes`.
    """
    source = forward(lanes, sizes, activation, weights, targets, rows, numbers, integers, places, shift, scale, layers)
    decide(lanes, layers, source, groups, squashed, low, high, action)

"""The multi-layer perceptron over lanes: each lane has its own weights and inputs.

`forward` makes one unit of sixteen lanes at once, whose weights lie side by side: the fastest way while these are few.
`forward_by_units` makes up to 64 units of a lane at once, whose weights lie as in theta: a lane that takes up another
candidate only copies them, where the other way must put them down one by one.
Level of agreement with `nn.flat.dense_forward`: EXACT with relu, ULP where a tanh is in it; with the same network as a
recorded program: EXACT. What one lane gets never depends on the others.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels import elementary
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part, pointer
from cartwheel.kernels.vector import BLOCK, TOGETHER, WIDTHS, affine, units

IDENTITY, RELU, TANH = 0, 1, 2  # places in nn.flat.ACTIVATIONS


# Rows of an array are not made views of here: each view would be counted as a reference, which costs as much as a lane.


@compiled(merged=True)
def _layer(
    lanes: int, weights: Any, offset: int, layers: Any, source: int, inputs: int, outputs: int, activation: int
) -> None:
    """layers[1 - source] = activation(W layers[source] + b), for weights from row `offset` on, as `load` laid them.

    The sum runs over the inputs in order and the bias comes last.
    """
    target = 1 - source
    for lane in range(0, lanes, BLOCK):
        for o in range(outputs):
            affine(weights, offset + o * (inputs + 1), layers, source, inputs, lane, target, o, activation == RELU)
    if activation == TANH:
        for o in range(outputs):
            for lane in range(lanes):
                layers[target, o, lane] = elementary.tanh(layers[target, o, lane])


@compiled()
def load(lane: int, theta: Any, candidate: int, sizes: Any, weights: Any) -> None:
    """Lay the weights of a candidate of theta (P, n) into a lane: unit by unit, those by its inputs and then the bias.

    So what a unit needs lies in neighbouring rows. By the order of theta, in which W (d, h) lies row by row, each
    would be h rows from the next, and where h is a power of two they would push each other out of the cache.
    """
    row, first = 0, 0
    for k in range(sizes.shape[0] - 1):
        inputs, outputs = sizes[k], sizes[k + 1]
        for o in range(outputs):
            for i in range(inputs + 1):
                weights[row, lane] = theta[candidate, first + i * outputs + o]
                row += 1
        first += (inputs + 1) * outputs


@compiled(merged=True)
def forward(lanes: int, weights: Any, sizes: Any, activation: int, layers: Any) -> int:
    """The outputs of the first `lanes` lanes, for weights (n, L) as `load` laid them, and inputs in layers[0, :d].

    Returned is in which half of `layers` the outputs stand. `layers` (2, h, L) is used up: the network's layers stand
    in its halves by turns. L is a multiple of BLOCK: lanes are computed by the block, those that are not in use along
    with the others.
    """
    offset = 0
    last = sizes.shape[0] - 2
    for k in range(last + 1):
        inputs, outputs = sizes[k], sizes[k + 1]
        _layer(lanes, weights, offset, layers, k % 2, inputs, outputs, activation if k < last else IDENTITY)
        offset += (inputs + 1) * outputs
    return (last + 1) % 2  # type: ignore[no-any-return]


# --- by units --------------------------------------------------------------------------------------------------------


@compiled()
def _width(rest: int) -> int:
    """How many units to make next, for so many that are left: some more than these, if need be, for nothing."""
    width = WIDTHS[0]
    while width // 2 >= rest and width > WIDTHS[-1]:
        width //= 2
    return width


@compiled()
def _bend(x: Any) -> None:
    """The hyperbolic tangent of x (k,), in its place: an array by itself, which goes by whole vectors."""
    for k in range(len(x)):
        x[k] = elementary.tanh(x[k])


@compiled(merged=True)
def _layer_by_units(
    lane: int, numbers: Any, offset: int, source: int, inputs: int, target: int, outputs: int, activation: int
) -> None:
    """A layer of the TOGETHER lanes from `lane` on; its places in each of their rows are those of `units`."""
    o = 0
    while o < outputs:
        width = _width(outputs - o)
        units(numbers, lane, width, offset + o, outputs, source, inputs, target + o, activation == RELU)
        o += width
    if activation == TANH:
        for row in range(lane, lane + TOGETHER):
            _bend(part(pointer(numbers), row * numbers.shape[1] + target, outputs))


# No part of its caller, as `forward` is: that would slow the other way down, and its own calls take microseconds.
@compiled()
def forward_by_units(lanes: int, sizes: Any, activation: int, numbers: Any, seen: int, layers: Any) -> None:
    """layers[1, :o] from layers[0, :d], for `lanes` lanes; a lane's row of numbers (L, S) begins with its theta.

    From `seen` on it has room for two layers, each with 63 numbers to spare. L is a multiple of TOGETHER: lanes are
    computed by so many, those that are not in use along with the others.
    """
    half = (numbers.shape[1] - seen) // 2
    last = sizes.shape[0] - 2
    for lane in range(0, lanes, TOGETHER):
        offset, source, target = 0, seen, seen + half
        for row in range(lane, lane + TOGETHER):
            for k in range(sizes[0]):
                numbers[row, source + k] = layers[0, k, row]
        for k in range(last + 1):
            inputs, outputs = sizes[k], sizes[k + 1]
            chosen = activation if k < last else IDENTITY
            _layer_by_units(lane, numbers, offset, source, inputs, target, outputs, chosen)
            offset += (inputs + 1) * outputs
            source, target = target, source
        for row in range(lane, lane + TOGETHER):
            for k in range(sizes[last + 1]):
                layers[1, k, row] = numbers[row, source + k]

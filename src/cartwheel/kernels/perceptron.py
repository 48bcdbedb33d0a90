"""The multi-layer perceptron over lanes: each column has its own weights and inputs.

Level of agreement with `nn.flat.dense_forward`: EXACT with relu, ULP where a tanh is in it; with the same network as a
recorded program: EXACT. What one lane gets never depends on the others.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels import elementary
from cartwheel.kernels.compile import compiled, merged
from cartwheel.kernels.vector import BLOCK, affine

IDENTITY, RELU, TANH = 0, 1, 2  # places in nn.flat.ACTIVATIONS


# Rows of an array are not made views of here: each view would be counted as a reference, which costs as much as a lane.


@merged
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


@merged
def forward(lanes: int, weights: Any, sizes: Any, activation: int, layers: Any) -> int:
    """The outputs of the first `lanes` lanes, for weights (n, L) as `load` laid them, and inputs in layers[0, :d]; in which half they stand.

    `layers` (2, h, L) is used up: the network's layers stand in its halves by turns. L is a multiple of BLOCK: lanes
    are computed by the block, those that are not in use along with the others.
    """
    offset = 0
    last = sizes.shape[0] - 2
    for k in range(last + 1):
        inputs, outputs = sizes[k], sizes[k + 1]
        _layer(lanes, weights, offset, layers, k % 2, inputs, outputs, activation if k < last else IDENTITY)
        offset += (inputs + 1) * outputs
    return (last + 1) % 2  # type: ignore[no-any-return]

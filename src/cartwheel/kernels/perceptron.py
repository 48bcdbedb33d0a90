"""The multi-layer perceptron over lanes: each column has its own weights, observation and action.

Level of agreement with `nn.flat.dense_forward` and `ActionHead.decide`: EXACT with relu and discrete actions, ULP where
a tanh is in it. What one lane gets never depends on the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.vector import BLOCK, affine

IDENTITY, RELU, TANH = 0, 1, 2  # places in nn.flat.ACTIVATIONS

_F4 = types.Array(types.float32, 2, "C")
_F4_3 = types.Array(types.float32, 3, "C")
_F8_1 = types.Array(types.float64, 1, "C")
_I8_1 = types.Array(types.int64, 1, "C")


# Rows of an array are not made views of here: each view would be counted as a reference, which costs as much as a lane.


@compiled()
def _layer(
    lanes: int, weights: Any, offset: int, layers: Any, source: int, inputs: int, outputs: int, activation: int
) -> None:
    """layers[1 - source] = activation(W layers[source] + b); row offset + i * outputs + o of the weights is W[i, o].

    The sum runs over the inputs in order and the bias comes last.
    """
    target = 1 - source
    for lane in range(0, lanes, BLOCK):
        for o in range(outputs):
            affine(weights, offset + o, outputs, layers, source, inputs, lane, target, o, activation == RELU)
    if activation == TANH:
        for o in range(outputs):
            for lane in range(lanes):
                layers[target, o, lane] = math.tanh(layers[target, o, lane])


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
def _squash(lanes: int, layers: Any, source: int, low: Any, high: Any, action: Any) -> None:
    """action (a, L): each output squashed to its bounds."""
    for k in range(low.shape[0]):
        for lane in range(lanes):
            squashed = 0.5 * (math.tanh(np.float64(layers[source, k, lane])) + 1.0)
            action[k, lane] = np.float32(low[k] + (high[k] - low[k]) * squashed)


_ACT: object = types.void(types.intp, _F4, _I8_1, types.intp, _I8_1, _F8_1, _F8_1, _F4_3, _F4)


@compiled(_ACT)
def act(
    lanes: int,
    weights: Any,
    sizes: Any,
    activation: int,
    groups: Any,
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> None:
    """Greedy actions (a, L) of the first `lanes` lanes, for weights (n, L) and observations in layers[0, :d].

    `layers` (2, h, L) is used up: the network's layers stand in its halves by turns. L is a multiple of BLOCK: lanes
    are computed by the block, those that are not in use along with the others.
    """
    offset = 0
    last = sizes.shape[0] - 2
    for k in range(last + 1):
        inputs, outputs = sizes[k], sizes[k + 1]
        _layer(lanes, weights, offset, layers, k % 2, inputs, outputs, activation if k < last else IDENTITY)
        offset += (inputs + 1) * outputs
    if groups.shape[0] > 0:
        _choose(lanes, layers, (last + 1) % 2, groups, action)
    else:
        _squash(lanes, layers, (last + 1) % 2, low, high, action)

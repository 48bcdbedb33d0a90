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

IDENTITY, RELU, TANH = 0, 1, 2  # places in nn.flat.ACTIVATIONS

_F4 = types.Array(types.float32, 2, "C")
_F4_3 = types.Array(types.float32, 3, "C")
_F8_1 = types.Array(types.float64, 1, "C")
_I8_1 = types.Array(types.int64, 1, "C")


@compiled()
def _layer(lanes: int, weights: Any, offset: int, x: Any, inputs: int, y: Any, outputs: int, activation: int) -> None:
    """Y (outputs, L) = activation(W x + b); W stands in rows `offset` and on, row i * outputs + o its element (i, o).

    The sum runs over the inputs in order and the bias comes last. Four inputs a pass: the lanes' loop is what
    vectorises, and its cost is that of loading and storing y.
    """
    for o in range(outputs):
        yo = y[o, :lanes]
        for lane in range(lanes):
            yo[lane] = np.float32(0.0)
        i = 0
        while i + 4 <= inputs:
            w0 = weights[offset + i * outputs + o]
            w1 = weights[offset + (i + 1) * outputs + o]
            w2 = weights[offset + (i + 2) * outputs + o]
            w3 = weights[offset + (i + 3) * outputs + o]
            x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
            for lane in range(lanes):
                yo[lane] = (
                    yo[lane] + w0[lane] * x0[lane] + w1[lane] * x1[lane] + w2[lane] * x2[lane] + w3[lane] * x3[lane]
                )
            i += 4
        while i < inputs:
            w0, x0 = weights[offset + i * outputs + o], x[i]
            for lane in range(lanes):
                yo[lane] += w0[lane] * x0[lane]
            i += 1
        bias = weights[offset + inputs * outputs + o]
        if activation == RELU:
            for lane in range(lanes):
                yo[lane] = max(yo[lane] + bias[lane], np.float32(0.0))
        elif activation == TANH:
            for lane in range(lanes):
                yo[lane] = math.tanh(yo[lane] + bias[lane])
        else:
            for lane in range(lanes):
                yo[lane] += bias[lane]


@compiled()
def _decide(lanes: int, outputs: Any, groups: Any, low: Any, high: Any, action: Any) -> None:
    """Action (a, L) from outputs (o, L): the largest of each group, or each output squashed to its bounds."""
    if groups.shape[0] == 0:
        for k in range(low.shape[0]):
            for lane in range(lanes):
                squashed = 0.5 * (math.tanh(np.float64(outputs[k, lane])) + 1.0)
                action[k, lane] = np.float32(low[k] + (high[k] - low[k]) * squashed)
        return
    start = 0
    for k in range(groups.shape[0]):
        row = action[k, :lanes]
        first = outputs[start]
        for lane in range(lanes):
            row[lane] = np.float32(0.0)
        for choice in range(1, groups[k]):
            other = outputs[start + choice]
            for lane in range(lanes):
                if other[lane] > first[lane]:
                    first[lane] = other[lane]
                    row[lane] = np.float32(choice)
        start += groups[k]


_ACT: object = types.void(types.intp, _F4, _I8_1, types.intp, _I8_1, _F8_1, _F8_1, _F4, _F4_3, _F4)


@compiled(_ACT)
def act(
    lanes: int,
    weights: Any,
    sizes: Any,
    activation: int,
    groups: Any,
    low: Any,
    high: Any,
    observation: Any,
    scratch: Any,
    action: Any,
) -> None:
    """Greedy actions (a, L) of the first `lanes` lanes: weights (n, L), observation (d, L), scratch (2, h, L)."""
    x = observation
    offset = 0
    layers = sizes.shape[0] - 1
    for k in range(layers):
        inputs, outputs = sizes[k], sizes[k + 1]
        y = scratch[k % 2]
        _layer(lanes, weights, offset, x, inputs, y, outputs, activation if k < layers - 1 else IDENTITY)
        offset += (inputs + 1) * outputs
        x = y
    _decide(lanes, x, groups, low, high, action)

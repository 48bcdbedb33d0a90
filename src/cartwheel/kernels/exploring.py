"""How lanes explore: actions that are drawn by noise, and greedy ones of which some become any.

They are compiled into `collect`, and by themselves in `acting`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.network import bounded
from cartwheel.kernels.random import uniform


@compiled()
def _choice(noise: float, layers: Any, source: int, first: int, count: int, lane: int) -> int:
    """One of so many choices by their logits, rows of layers[source] from `first` on, and a number from [0, 1)."""
    most = layers[source, first, lane]
    for k in range(1, count):
        most = max(most, layers[source, first + k, lane])
    total = 0.0
    for k in range(count):
        total += math.exp(np.float64(layers[source, first + k, lane]) - np.float64(most))
    left = noise * total
    for k in range(count - 1):
        left -= math.exp(np.float64(layers[source, first + k, lane]) - np.float64(most))
        if left < 0.0:
            return k
    return count - 1


@compiled()
def draw(
    open_: Any,
    noise: Any,
    deviation: Any,
    layers: Any,
    source: int,
    drawn: Any,
    action: Any,
    groups: Any,
    squashed: bool,
    low: Any,
    high: Any,
) -> None:
    """By noise (N, a), what the outputs layers[source] (o, L) are the distribution of: drawn (N, a), action (a, L)."""
    for lane in range(open_.shape[0]):
        if not open_[lane]:
            continue
        first = 0
        for k in range(action.shape[0]):
            if groups.shape[0] > 0:
                chosen = _choice(noise[lane, k], layers, source, first, groups[k], lane)
                drawn[lane, k] = action[k, lane] = np.float32(chosen)
                first += groups[k]
            else:
                drawn[lane, k] = np.float32(layers[source, k, lane] + deviation[k] * noise[lane, k])
                action[k, lane] = bounded(drawn[lane, k], squashed, low[k], high[k])


@compiled()
def explore(epsilon: float, open_: Any, acting: Any, groups: Any, low: Any, high: Any, action: Any) -> None:
    """With the chance epsilon, the action (a, L) of an open lane becomes one drawn from all there are.

    The lane's generator, acting (N, 4), draws one number to decide, and one more for each number of such an action.
    """
    for lane in range(open_.shape[0]):
        if not open_[lane] or uniform(acting[lane], 0.0, 1.0) >= epsilon:
            continue
        for k in range(action.shape[0]):
            if groups.shape[0] > 0:
                action[k, lane] = np.float32(np.floor(uniform(acting[lane], 0.0, np.float64(groups[k]))))
            else:
                action[k, lane] = np.float32(uniform(acting[lane], low[k], high[k]))

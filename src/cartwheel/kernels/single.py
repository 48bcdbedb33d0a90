"""One greedy action for one observation, as `Policy.act` wants it: a lane of `network`, called from Python.

Level of agreement with `network.act`: EXACT, since it is what acts.
"""

from __future__ import annotations

import math
from typing import Any

from numba import types

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.network import LANES, act

# Whoever gives it may keep it read-only, or as a part of something larger.
_OBSERVATION = types.Array(types.float32, 1, "A", readonly=True, aligned=False)


@compiled(types.int64(*LANES, _OBSERVATION))
def act_on(
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
    observation: Any,
) -> int:
    """Let the first lane act on an observation (d,), which stays as it is; its memory goes on by a step.

    Returned is the choice from the first group, 0 where there are none; or -1 for an observation that is not finite,
    and then nothing is done. The other arguments are the parts of `network.Lanes`; the observation comes last so that
    they can be bound beforehand.
    """
    for k in range(observation.shape[0]):
        if not math.isfinite(observation[k]):
            return -1
        layers[0, k, 0] = observation[k]
    act(
        1,
        sizes,
        activation,
        weights,
        targets,
        rows,
        numbers,
        integers,
        places,
        shift,
        scale,
        groups,
        squashed,
        low,
        high,
        layers,
        action,
    )
    return int(action[0, 0]) if groups.shape[0] > 0 else 0

"""What is done in a step, by the functions of `network` and `exploring`, for callers in Python.

They stand apart since each is compiled by itself, which is only worth it where one of these callers is.
Level of agreement with `Network.advance` and `ActionHead`: that of what they call.
"""

from __future__ import annotations

from typing import Any

from numba import types

from cartwheel.kernels import exploring, network
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.network import LANES

_F4_2, _F4_3 = (types.Array(types.float32, axes, "C") for axes in (2, 3))
_F8_1, _F8_2 = (types.Array(types.float64, axes, "C") for axes in (1, 2))
_I8_1, _U8_2 = types.Array(types.int64, 1, "C"), types.Array(types.uint64, 2, "C")
_B1_1 = types.Array(types.boolean, 1, "C")


@compiled(types.void(types.int64, *LANES))
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
    """`network.act`."""
    network.act(
        lanes,
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


@compiled(types.int64(types.int64, LANES[-2], *LANES[:10]))
def outputs(
    lanes: int,
    layers: Any,
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
) -> int:
    """`network.forward`."""
    return network.forward(
        lanes, sizes, activation, weights, targets, rows, numbers, integers, places, shift, scale, layers
    )


@compiled(types.void(*(_B1_1, _F8_2, _F8_1, _F4_3, types.int64, _F4_2, _F4_2, _I8_1, types.boolean, _F8_1, _F8_1)))
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
    """`exploring.draw`."""
    exploring.draw(open_, noise, deviation, layers, source, drawn, action, groups, squashed, low, high)


@compiled(types.void(types.float64, _B1_1, _U8_2, _I8_1, _F8_1, _F8_1, _F4_2))
def explore(epsilon: float, open_: Any, acting: Any, groups: Any, low: Any, high: Any, action: Any) -> None:
    """`exploring.explore`."""
    exploring.explore(epsilon, open_, acting, groups, low, high, action)

"""Pictures of a network that evolved its shape: nodes in layers from inputs to outputs, and the links between them.

A link is the wider the larger its weight; its colour says the sign, and it is dashed where it reads what was a step
ago. What counts for no output is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.policy import Policy
from cartwheel.reports.curves import Canvas, drawing
from cartwheel.reports.svg import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDEST, _LARGEST = 4.0, 3.0  # of lines, in points, and the weight from which on they are so wide
_NAMED = 24  # inputs or outputs at most whose names have room
_INK = {"ink": "#202020", "rule": "#b0b0b0", "mean": "#1f6fb2", "best": "#c8501e", "mark": "#2f7d32"}


@dataclass(frozen=True)
class Link:
    """A link of a graph, by the slots of its ends; `delayed` if it reads what was a step ago."""

    source: int
    target: int
    weight: float
    delayed: bool


@dataclass(frozen=True)
class Shape:
    """What there is to draw of a policy's network: its inputs, its nodes and the links that some output depends on."""

    inputs: int
    outputs: int
    links: tuple[Link, ...]

    @cached_property
    def layers(self) -> Mapping[int, int]:
        """The layer of each slot: 0 for inputs, the longest way from there for nodes, the same for all outputs."""
        layer = dict.fromkeys(range(self.inputs), 0)
        for link in self.links:  # in the order of computation
            layer.setdefault(link.source, 1)
            if not link.delayed:
                layer[link.target] = max(layer.get(link.target, 1), layer[link.source] + 1)
            layer.setdefault(link.target, 1)
        outputs = range(self.inputs, self.inputs + self.outputs)
        last = max([1, *(layer[slot] + 1 for slot in layer if slot >= outputs.stop)])
        return layer | dict.fromkeys(outputs, max(last, *(layer.get(slot, 1) for slot in outputs)))

    @cached_property
    def places(self) -> Mapping[int, tuple[float, float]]:
        """Where each slot stands, from 0 to 1: across by its layer, down evenly within it, every other aside."""
        ranks = sorted(set(self.layers.values()))
        found: dict[int, tuple[float, float]] = {}
        for rank, layer in enumerate(ranks):
            column = [slot for slot in sorted(self.layers) if self.layers[slot] == layer]
            inner = 0 < rank < len(ranks) - 1  # where no link may be hidden behind a node that it passes by
            for row, slot in enumerate(column):
                x, y = rank / (len(ranks) - 1), 1 - (row + 0.5) / len(column)
                found[slot] = (x + 0.04 * (row % 2), y + 0.06 * (-1) ** rank) if inner else (x, y)
        return found


def shape_of(network: GraphNetwork, theta: Any) -> Shape:
    """The shape that a vector tells."""
    behind = network.inputs + network.room
    links = [
        Link(source - network.room if source >= behind else source, node.slot, weight, source >= behind)
        for node in network.read(theta)
        for source, weight in zip(node.sources.tolist(), node.weights.tolist(), strict=True)
    ]
    needed = set(range(network.inputs, network.inputs + network.outputs))
    while more := {link.source for link in links if link.target in needed} - needed:
        needed |= more
    return Shape(network.inputs, network.outputs, tuple(link for link in links if link.target in needed))


def draw_graph(policy: Policy, path: str | PathLike[str]) -> Path:
    """Write a picture of an evolved policy's network to the file `path` (.png, .svg or .pdf), and return the path.

    UsageError for a policy of another kind and for another ending, StorageError where the file can't be written.
    """
    from matplotlib.figure import Figure

    shape, file = shape_of(_graph(policy), policy.theta), Path(path)
    if file.suffix not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{file}: expected a file that ends in .png, .svg or .pdf")
    axes = Figure((7.0, 4.0), layout="constrained").add_subplot()
    _paint(axes, shape, _INK)
    figure = axes.get_figure(root=True)
    assert figure is not None
    try:
        figure.savefig(file, dpi=150)
    except OSError as problem:
        raise StorageError(f"can't write {file}: {problem.strerror}") from None
    return file


def graph_drawing(policy: Policy, canvas: Canvas, title: str) -> str:
    """The same picture as SVG text for a page."""
    shape = shape_of(_graph(policy), policy.theta)
    return drawing(canvas, title, lambda axes: _paint(axes, shape, COLOURS))


def _graph(policy: Policy) -> GraphNetwork:
    if not isinstance(policy.network, GraphNetwork):
        raise UsageError(f"expected a policy whose network is a graph, got {policy}")
    return policy.network


def _paint(axes: Axes, shape: Shape, colours: Mapping[str, str]) -> None:
    """Draw links, then nodes over them."""
    axes.set_axis_off()
    for link in shape.links:
        _paint_link(axes, shape, link, colours)
    outputs = range(shape.inputs, shape.inputs + shape.outputs)
    for slot, (x, y) in shape.places.items():
        kind = "mark" if slot in outputs else "ink" if slot < shape.inputs else "rule"
        axes.plot([x], [y], "o", markersize=13, color=colours[kind], zorder=3)
        if slot < outputs.stop and max(shape.inputs, shape.outputs) <= _NAMED:
            words = f"input {slot + 1}" if slot < shape.inputs else f"output {slot - shape.inputs + 1}"
            side = -1 if slot < shape.inputs else 1
            axes.annotate(
                words, (x, y), (12 * side, 0), textcoords="offset points", va="center",
                ha="right" if side < 0 else "left", color=colours["ink"],
            )  # fmt: skip
    axes.set_xlim(-0.25, 1.25)
    axes.set_ylim(-0.05, 1.05)


def _paint_link(axes: Axes, shape: Shape, link: Link, colours: Mapping[str, str]) -> None:
    """A link: straight, or an arc where it is delayed; a small loop from a node to itself."""
    strength = min(abs(link.weight), _LARGEST) / _LARGEST
    style: dict[str, Any] = {
        "color": colours["mean" if link.weight >= 0 else "best"],
        "linewidth": 0.4 + _WIDEST * strength,
        "linestyle": (0, (3, 2)) if link.delayed else "-",
        "zorder": 1,
    }
    (x0, y0), (x1, y1) = shape.places[link.source], shape.places[link.target]
    if link.source == link.target:
        turn = np.linspace(0, 2 * np.pi, 40)
        axes.plot(x0 + 0.03 * np.sin(turn), y0 + 0.06 * (1 - np.cos(turn)), **style)
    elif link.delayed:
        t = np.linspace(0, 1, 40)
        axes.plot(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t + 0.6 * t * (1 - t), **style)
    else:
        axes.plot([x0, x1], [y0, y1], **style)

"""A table of what is in a network."""

from __future__ import annotations

from collections.abc import Sequence

from cartwheel.nn.layers.layer import Contents, Layer
from cartwheel.nn.variable import Parameter
from cartwheel.nn.vector import Named


def summary(layer: Layer) -> str:
    """A table of the layers inside, their parameters' shapes (? if not known yet) and how many numbers these hold."""
    inside = Contents(layer)
    layers = [("", layer), *inside.layers]
    own: dict[str, list[tuple[str, Parameter]]] = {name: [] for name, _ in layers}
    for name, p in inside.params:
        holder = name
        while (holder := holder.rpartition("/")[0]) not in own:  # a list or dict lies between
            pass
        own[holder].append((name.removeprefix(holder).removeprefix("/"), p))
    rows = [(name or "(itself)", type(one).__name__, *_cells(own[name])) for name, one in layers]
    return _table([("layer", "kind", "parameters", "numbers"), *rows, ("all", "", "", _cells(inside.params)[1])])


def _cells(params: Named) -> tuple[str, str]:
    """The shapes, and how many numbers."""
    shapes = ", ".join(f"{name} {'?' if p.data is None else p.shape}" for name, p in params)
    known = all(p.data is not None for _, p in params)
    return shapes, "?" if not known else f"{sum(p.size for _, p in params):,}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])]) for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

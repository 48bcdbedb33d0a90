"""What is in a network, for the eye: a table, and the lines of `repr`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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


def described(layer: Layer, indent: str = "") -> str:
    """The layer's settings and parameters in a line, and one for each layer inside."""
    told = [f"{name}={value!r}" for name, value in vars(layer).items() if name[0] != "_" and _is_setting(value)]
    inside = Contents(layer)
    inner = [(name, one) for name, one in inside.layers if not _within(name, inside.layers)]
    own = [(name, p) for name, p in inside.averages + inside.params if not _within(name, inside.layers)]
    told += [f"{name} {'?' if p._data is None else tuple(p._data.shape)}" for name, p in own]
    lines = [f"\n{indent}  {name}: {described(one, indent + '  ')}" for name, one in inner]
    return f"{type(layer).__name__}({', '.join(told)}{''.join(lines)})"


def _within(name: str, layers: Iterable[tuple[str, Any]]) -> bool:
    return any(name.startswith(f"{other}/") for other, _ in layers)


def _is_setting(value: Any) -> bool:
    return isinstance(value, int | float | str) or (type(value) is tuple and all(map(_is_setting, value)))

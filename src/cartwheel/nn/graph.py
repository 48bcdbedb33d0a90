"""Pictures of what was computed: Variables and functions as a graph in Graphviz's language, and drawn by its `dot`."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cartwheel.nn.variable import Variable


def get_dot_graph(output: Any, verbose: bool = True) -> str:
    """The graph behind a Variable, or several in a list, as text for Graphviz: orange Variables, blue functions.

    A Variable shows its name, and with `verbose` its shape and type. TypeError for anything else.
    """
    outputs = list(output) if isinstance(output, list | tuple) else [output]
    for one in outputs:
        if not isinstance(one, Variable):
            raise TypeError(f"expected a Variable, or several in a list, got {type(one).__name__}")
    lines: dict[str, None] = {}  # each once, in order
    waiting, seen = list(reversed(outputs)), set()
    for one in outputs:
        lines[_variable(one, verbose)] = None
    while waiting:
        node = waiting.pop().creator
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        lines.update(dict.fromkeys(_function(node, verbose)))
        waiting.extend(x for x in reversed(node.inputs) if isinstance(x, Variable))
    return "\n".join(["digraph g {", *lines, "}"])


def _function(node: Any, verbose: bool) -> Iterator[str]:
    """A function, its inputs, and the edges to and from it."""
    yield f'{id(node)} [label="{_quoted(node.name)}", color=lightblue, style=filled, shape=box]'
    for number, x in enumerate(node.inputs):
        if isinstance(x, Variable):
            yield _variable(x, verbose)
            yield f"{id(x)} -> {id(node)}"
        elif x is not None:  # an array or a number, which nothing is differentiated by
            yield f'"{id(node)}:{number}" [label="{_quoted(_described(x))}", shape=plaintext]'
            yield f'"{id(node)}:{number}" -> {id(node)}'
    for weak in node.outputs:
        y = weak()
        if y is not None:
            yield f"{id(node)} -> {id(y)}"


def _variable(x: Variable, verbose: bool) -> str:
    parts = [x.name] if x.name is not None else []
    if verbose and x.data is not None:
        parts.append(f"{x.shape} {x.dtype}")
    return f'{id(x)} [label="{_quoted(": ".join(parts))}", color=orange, style=filled]'


def _described(x: Any) -> str:
    return f"{x.shape} {x.dtype}" if hasattr(x, "shape") else str(x)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def plot_dot_graph(output: Any, verbose: bool = True, to_file: str | Path = "graph.png") -> Path:
    """Draw the graph behind a Variable, as `get_dot_graph`, into a file of the kind that its ending says (png, svg).

    Returns the file written. Where Graphviz is not installed, that is the text, with the ending `.dot`, and a warning
    says so. ValueError for an ending that Graphviz doesn't know.
    """
    text, target = get_dot_graph(output, verbose), Path(to_file)
    kind = target.suffix.removeprefix(".")
    dot = shutil.which("dot")
    if kind == "dot" or dot is None:
        written = target.with_suffix(".dot")
        written.write_text(text, encoding="utf-8")
        if dot is None and kind != "dot":
            warnings.warn(
                f"Graphviz is not installed (no program `dot`): {target} was not drawn; its text is in {written}",
                stacklevel=2,
            )
        return written
    done = subprocess.run(
        [dot, f"-T{kind}", "-o", str(target)], input=text, text=True, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise ValueError(f"dot could not draw {target}: {done.stderr.strip()}")
    return target

"""The graph as text: its nodes and edges by hand, and what becomes of it with and without Graphviz."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Function, Variable
from cartwheel.nn import functions as F
from cartwheel.nn import graph as module
from cartwheel.nn.graph import get_dot_graph, plot_dot_graph
from cartwheel.nn.models import MLP


def parsed(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Labels by node, and edges between labels."""
    assert text.startswith("digraph g {\n")
    assert text.endswith("}")
    labels = dict(re.findall(r'^("?[\d:]+"?) \[label="((?:[^"\\]|\\.)*)"', text, re.M))
    edges = re.findall(r'^("?[\d:]+"?) -> ("?[\d:]+"?)$', text, re.M)
    return labels, {(labels[a], labels[b]) for a, b in edges}


def test_a_small_graph_by_hand() -> None:
    x, w = Variable(np.ones((2, 3)), name="x"), Variable(np.ones(3, np.float32))
    y = F.exp(x) * w
    labels, edges = parsed(get_dot_graph(y))
    assert sorted(labels.values()) == [
        "(2, 3) float64",
        "(2, 3) float64",
        "(3,) float32",
        "exp",
        "mul",
        "x: (2, 3) float64",
    ]
    assert edges == {
        ("x: (2, 3) float64", "exp"),
        ("exp", "(2, 3) float64"),
        ("(2, 3) float64", "mul"),
        ("(3,) float32", "mul"),
        ("mul", "(2, 3) float64"),
    }
    assert sorted(parsed(get_dot_graph(y, verbose=False))[0].values()) == ["", "", "", "exp", "mul", "x"]


def test_colours_are_dezeros() -> None:
    x = Variable(np.array(1.0), name="x")
    y = F.exp(x)
    lines = get_dot_graph(y).splitlines()
    assert f'{id(x)} [label="x: () float64", color=orange, style=filled]' in lines
    assert f'{id(y.creator)} [label="exp", color=lightblue, style=filled, shape=box]' in lines


def test_each_node_once_however_often_it_is_used() -> None:
    x = Variable(np.array(2.0), name="x")
    y = x * x
    z = y + y
    text = get_dot_graph(z, verbose=False)
    assert text.count('label="x"') == text.count('label="mul"') == text.count('label="add"') == 1
    assert text.count(f"{id(x)} -> {id(y.creator)}") == 1


def test_arrays_numbers_and_users_functions_are_shown() -> None:
    class Square(Function):
        def forward(self, x: Any) -> Any:
            return x * x

    x = Variable(np.ones(2), name='a "b" \\')
    y = Square()(x) * 3.0 + np.ones(2, np.float32)
    _, edges = parsed(get_dot_graph(y))
    assert ("3.0", "mul") in edges
    assert ("(2,) float32", "add") in edges
    assert ('a \\"b\\" \\\\: (2,) float64', "Square") in edges


def test_several_outputs_and_no_graph_at_all() -> None:
    x = Variable(np.ones(2), name="x")
    labels, _ = parsed(get_dot_graph([F.exp(x), F.sin(x)], verbose=False))
    assert sorted(labels.values()) == ["", "", "exp", "sin", "x"]
    assert list(parsed(get_dot_graph(x, verbose=False))[0].values()) == ["x"]
    with pytest.raises(TypeError, match="expected a Variable, or several in a list, got ndarray"):
        get_dot_graph(np.ones(2))


def test_many_ways_through_few_nodes() -> None:
    x = Variable(np.array(1.0))
    for _ in range(40):
        x = x + x
    assert get_dot_graph(x).count('label="add"') == 40


def test_a_long_chain() -> None:
    x = Variable(np.array(0.0))
    for _ in range(5000):
        x = x + 0.0
    assert get_dot_graph(x).count('label="add"') == 5000


def test_a_model_shows_its_parameters(tmp_path: Path) -> None:
    model = MLP((3, 2))
    written = model.plot(np.ones((4, 5), np.float32), to_file=tmp_path / "model.dot")
    labels, edges = parsed(written.read_text(encoding="utf-8"))
    assert {"W: (5, 3) float32", "b: (3,) float32", "W: (3, 2) float32", "b: (2,) float32"} <= set(labels.values())
    assert ("W: (5, 3) float32", "linear") in edges


def test_without_graphviz_the_text_is_written_and_a_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    y = F.exp(Variable(np.ones(2)))
    with pytest.warns(UserWarning, match=r"Graphviz is not installed.*graph.png was not drawn.*graph.dot"):
        written = plot_dot_graph(y, to_file=tmp_path / "graph.png")
    assert written == tmp_path / "graph.dot"
    assert written.read_text(encoding="utf-8") == get_dot_graph(y)


def test_with_graphviz_its_program_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def run(command: Any, **how: Any) -> Any:
        calls.append((command, how["input"]))
        return subprocess.CompletedProcess(command, 1 if command[1] == "-Txyz" else 0, "", "unknown format\n")

    monkeypatch.setattr(module.shutil, "which", lambda _: "/usr/bin/dot")
    monkeypatch.setattr(module.subprocess, "run", run)
    y = F.exp(Variable(np.ones(2)))
    target = tmp_path / "a graph.svg"
    assert plot_dot_graph(y, False, target) == target
    assert calls == [(["/usr/bin/dot", "-Tsvg", "-o", str(target)], get_dot_graph(y, False))]
    with pytest.raises(ValueError, match=r"dot could not draw .*graph.xyz: unknown format"):
        plot_dot_graph(y, to_file=tmp_path / "graph.xyz")

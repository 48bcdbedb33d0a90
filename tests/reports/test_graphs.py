"""The picture of an evolved network: what is drawn, by hand; that all of it is there; what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from cartwheel import MLP, Policy
from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.specification import Graph
from cartwheel.reports.curves import Canvas
from cartwheel.reports.graphs import Link, draw_graph, graph_drawing, shape_of
from cartwheel.reports.page import write_report
from cartwheel.spaces import Box, Discrete

SPECIFICATION = Graph(4, 8, "tanh", True)
NETWORK = SPECIFICATION.build(2, 1)  # slots: inputs 0 and 1, output 2, hidden 3 to 6; a step ago 7 to 11


def vector() -> Any:
    """0 to 3 to 4 to 2, 1 to 2, 4 back to 3, 2 to itself; 1 to 5 to 6 is a way to nowhere."""
    theta = np.zeros(NETWORK.size)
    arrays = NETWORK.layout.unpack(theta)
    arrays["count"][:] = 5
    arrays["nodes"][:5] = [[3, 0, 2], [5, 0, 3], [6, 0, 4], [4, 0, 5], [2, 0, 8]]
    arrays["links"][:8] = [[0, 1], [9, -2], [1, 9], [5, 9], [3, 3], [4, -4], [1, 0.5], [7, 6]]
    return theta


def policy() -> Policy:
    return Policy(SPECIFICATION, Box((2,), (-1.0,) * 2, (1.0,) * 2), Box((1,), (-1.0,), (1.0,)), vector())


LINKS = {
    Link(0, 3, 1, False),
    Link(4, 3, -2, True),
    Link(3, 4, 3, False),
    Link(4, 2, -4, False),
    Link(1, 2, 0.5, False),
    Link(2, 2, 6, True),
}


def test_links_by_hand_and_none_that_counts_for_nothing() -> None:
    shape = shape_of(NETWORK, vector())
    assert (shape.inputs, shape.outputs) == (2, 1)
    assert set(shape.links) == LINKS
    assert shape.layers == {0: 0, 1: 0, 3: 1, 4: 2, 2: 3}


def test_nodes_stand_apart_from_left_to_right() -> None:
    places = shape_of(NETWORK, vector()).places
    across = [places[slot][0] for slot in (0, 3, 4, 2)]
    assert across == sorted(across)
    assert (across[0], across[-1]) == (0, 1)
    assert places[0][0] == places[1][0]
    assert len(set(places.values())) == len(places) == 5


def test_the_drawing_has_each_link_in_its_colour_and_style() -> None:
    drawing = graph_drawing(policy(), Canvas("network", 720, 360), "A network")
    styles = [element.get("style", "") for element in ElementTree.fromstring(drawing).iter("path")]
    lines = [style for style in styles if "fill: none" in style and "stroke: var" in style]
    assert sum("var(--mean)" in style for style in lines) == 4
    assert sum("var(--best)" in style for style in lines) == 2
    assert sum("stroke-dasharray" in style for style in lines) == 2
    widths = {float(re.findall(r"stroke-width: ([\d.]+)", style)[0]) for style in lines}
    assert max(widths) == pytest.approx(4.4)
    assert len(widths) == 4  # 0.5, 1, 2, and from 3 on all the same
    words = "".join(ElementTree.fromstring(drawing).itertext())
    assert all(word in words for word in ("A network", "input 1", "input 2", "output 1"))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_written(tmp_path: Path, ending: str) -> None:
    file = draw_graph(policy(), tmp_path / f"graph.{ending}")
    assert file.stat().st_size > 2000
    if ending == "png":
        with Image.open(file) as picture:
            assert picture.size == (1050, 600)


def test_what_can_not_be_drawn(tmp_path: Path) -> None:
    layered = Policy(MLP(()), Box((1,), (-1.0,), (1.0,)), Discrete(2), np.zeros(4))
    with pytest.raises(UsageError, match="expected a policy whose network is a graph"):
        draw_graph(layered, tmp_path / "graph.png")
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg or \.pdf"):
        draw_graph(policy(), tmp_path / "graph.gif")
    with pytest.raises(StorageError, match="can't write"):
        draw_graph(policy(), tmp_path / "nowhere" / "graph.png")


@pytest.mark.parametrize("algorithm", ["neat", "genetic"])
def test_a_report_shows_the_network_that_evolved(tmp_path: Path, algorithm: str) -> None:
    import cartwheel
    from cartwheel.envs.environment import find_environment

    run = cartwheel.train("CartPole-v1", algorithm=algorithm, generations=1, runs=tmp_path, hooks=[], population=10)
    page = write_report(run, find_environment("CartPole-v1")).page.read_text(encoding="utf-8")
    assert ("The network that evolved for CartPole-v1" in page) == (algorithm == "neat")
    assert ("4 inputs, 2 outputs, 0 hidden nodes and 8 links" in page) == (algorithm == "neat")

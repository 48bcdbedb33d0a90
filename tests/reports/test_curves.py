from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from cartwheel.reports.curves import Canvas, curve_points, histogram, learning_curve
from cartwheel.reports.markup import number

WIDE, NARROW = Canvas("wide", 720, 300), Canvas("narrow", 320, 240)
NAN, INF = np.nan, np.inf


def drawn(mean: list[float], best: list[float], threshold: float | None = None, canvas: Canvas = WIDE) -> str:
    steps = 1000.0 * np.arange(1, len(mean) + 1)
    return learning_curve(curve_points(steps, mean, best), threshold, canvas, "Return of CartPole-v1")


def texts(svg: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter("text"))


def paths(svg: str, colour: str) -> list[str]:
    """What is drawn along a path with a line of this colour."""
    return [
        element.attrib["d"]
        for element in ElementTree.fromstring(svg).iter("path")
        if f"stroke: var(--{colour})" in element.get("style", "") and "clip-path" in element.attrib
    ]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)]


def test_a_line_goes_through_the_returns() -> None:
    svg = drawn([0.0, 50.0, 100.0], [100.0, 100.0, 100.0], threshold=50.0)
    (x0, low), (x1, middle), (x2, high) = points(paths(svg, "mean")[0])
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert low - middle == pytest.approx(middle - high)
    assert low > high  # SVG counts downwards
    assert {y for _, y in points(paths(svg, "best")[0])} == {high}
    (_, left), (_, right) = points(paths(svg, "mark")[0])
    assert left == right == pytest.approx(middle)


def test_without_a_threshold_there_is_no_dashed_line() -> None:
    assert paths(drawn([1.0, 2.0], [2.0, 3.0]), "mark") == []


def test_steps_begin_at_zero_and_say_their_unit() -> None:
    svg = drawn([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    words = [text.text for text in texts(svg)]
    assert "0" in words
    assert "environment steps, thousands" in words
    assert "return (sum of rewards)" in words


CASES = {
    "one": ([9.5], [20.0], 475.0),
    "two": ([9.5, 10.0], [20.0, 500.0], 475.0),
    "five": ([9.0, 10.0, 80.0, 200.0, 450.0], [20.0, 30.0, 500.0, 500.0, 500.0], 475.0),
    "negative": ([-500.0, -499.0, -300.0], [-200.0, -150.0, -90.0], -100.0),
    "gaps": ([NAN, 1.0, INF, 3.0, -INF], [2.0, NAN, 4.0, INF, INF], None),
    "equal": ([5.0] * 8, [5.0] * 8, 5.0),
    "zero": ([0.0] * 8, [0.0] * 8, None),
    "large": ([5e8] * 8, [6e8] * 8, 1e9),
    "close": ([1.00000001] * 4, [1.00000002] * 4, None),
    "huge": ([-1e305, 2.0], [1e299, -1e299], None),
    "many": (list(np.linspace(-1e6, 0.0, 5000)), list(np.linspace(-9e5, 0.0, 5000)), -1.0),
}


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("case", CASES)
def test_labels_differ_and_stand_apart(case: str, canvas: Canvas) -> None:
    svg = drawn(*CASES[case], canvas)
    labels = texts(svg)
    assert len({(text.get("transform"), text.text) for text in labels}) == len(labels)
    across = [
        text
        for text in labels
        if "text-anchor: middle" in text.attrib["style"] and "rotate(-0" in text.attrib["transform"]
    ]
    spans = sorted(span(text) for text in across[:-1])  # the last is the axis's own
    assert len(spans) >= 2
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    upwards = sorted(float(text.attrib["y"]) for text in labels if "text-anchor: end" in text.attrib["style"])
    assert len(upwards) >= 2
    assert all(below - above >= 14 for above, below in pairwise(upwards))
    values = [text.text for text in labels if "text-anchor: end" in text.attrib["style"]]
    assert len(set(values)) == len(values)
    assert spans[-1][1] <= canvas.width + 6


def span(text: ElementTree.Element) -> tuple[float, float]:
    """Where a label that stands around its middle begins and ends: a figure is 0.6 of the letter's height, or less."""
    half = 0.6 * 13.0 * len(text.text or "") / 2
    return float(text.attrib["x"]) - half, float(text.attrib["x"]) + half


def test_gaps_are_left_where_nothing_is_finite() -> None:
    svg = drawn([1.0, 2.0, NAN, 4.0, 5.0], [9.0] * 5)
    assert paths(svg, "mean")[0].count("M ") == 2
    assert paths(svg, "best")[0].count("M ") == 1


def test_lines_go_on_over_what_is_not_finite_where_that_is_wanted() -> None:
    curve = curve_points([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, NAN, NAN, 4.0, 5.0], [9.0] * 5, gaps=False)
    svg = learning_curve(curve, None, WIDE, "Return")
    path = paths(svg, "mean")[0]
    assert path.count("M ") == 1
    (x0, y0), (x1, y1), (x2, y2) = points(path)
    assert x1 - x0 == pytest.approx(3 * (x2 - x1), rel=1e-4)
    assert y1 - y0 == pytest.approx(3 * (y2 - y1), rel=1e-4)


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_finite_is_nothing_to_draw(count: int) -> None:
    assert drawn([NAN] * count, [INF] * count, 3.0) == ""


def test_a_single_generation_is_a_dot() -> None:
    assert drawn([5.0], [6.0]).count("<use") == 2
    assert "<use" not in drawn([5.0] * 31, [6.0] * 31)


def test_many_generations_are_merged() -> None:
    steps = 10.0 * np.arange(1, 602)
    mean, best = np.arange(601.0), np.arange(601.0)
    best[4], mean[3] = NAN, INF
    curve = curve_points(steps, mean, best)
    assert curve.merged == 3
    assert curve.steps.size == 201
    assert curve.steps[:2].tolist() == [30.0, 60.0]
    assert curve.mean[:2].tolist() == [1.0, 4.5]  # the mean of 4 and 5: the infinite one is left out
    assert curve.best[:2].tolist() == [2.0, 5.0]
    assert (curve.steps[-1], curve.mean[-1], curve.best[-1]) == (6010.0, 600.0, 600.0)
    assert len(drawn(list(mean), list(best))) < 25_000


def test_three_hundred_generations_are_a_point_each() -> None:
    curve = curve_points(np.arange(300), np.arange(300), np.arange(300))
    assert (curve.merged, curve.mean.tolist()) == (1, list(range(300)))


def test_what_was_given_stays() -> None:
    given = np.array([1.0, INF, 2.0])
    curve_points(given, given, given)
    assert given[1] == INF


class _Identifiers(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            self.references |= set(re.findall(r"url\(#([^)]*)\)", value or ""))
            if key in ("href", "aria-labelledby"):
                self.references.add((value or "").removeprefix("#"))


def test_two_drawings_of_a_page_keep_apart() -> None:
    page = _Identifiers()
    page.feed(drawn(*CASES["five"]) + drawn(*CASES["five"], NARROW))
    assert len(set(page.ids)) == len(page.ids)
    assert page.references == set(page.ids)


def test_the_text_names_itself_and_holds_no_address_and_no_style() -> None:
    svg = drawn(*CASES["five"])
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] == "0 0 720 300"
    assert root.find("title").text == "Return of CartPole-v1"  # type: ignore[union-attr]
    assert not re.search(r"https?:|xmlns|<style|font-family|#0101|metadata", svg)


def test_a_title_is_text() -> None:
    svg = learning_curve(curve_points([1], [1], [1]), None, WIDE, 'a <script>alert("x")</script> & co')
    assert "<script" not in svg
    assert ElementTree.fromstring(svg).find("title").text == 'a <script>alert("x")</script> & co'  # type: ignore[union-attr]


def test_the_same_figures_make_the_same_text() -> None:
    assert drawn(*CASES["many"]) == drawn(*CASES["many"])


def test_the_users_own_style_neither_shows_nor_changes() -> None:
    import matplotlib

    plain = drawn(*CASES["five"])
    with matplotlib.rc_context(
        {"axes.grid": False, "lines.linestyle": ":", "text.usetex": True, "svg.fonttype": "path"}
    ):
        assert drawn(*CASES["five"]) == plain
        assert matplotlib.rcParams["lines.linestyle"] == ":"


def test_a_histogram_counts_episodes() -> None:
    returns = [0.0] * 10 + [100.0] * 5 + [200.0]
    root = ElementTree.fromstring(histogram(returns, 150.0, WIDE, "h"))
    bars = [element.attrib["d"] for element in root.iter("path") if "fill: var(--mean)" in element.get("style", "")]
    heights = [max(y for _, y in points(bar)) - min(y for _, y in points(bar)) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[10], rel=1e-4)
    assert heights[0] == pytest.approx(10 * heights[-1], rel=1e-3)
    assert sum(height > 0 for height in heights) == 3


@pytest.mark.parametrize("returns", [[], [500.0] * 100, [NAN, INF], [93.42, 93.42 + 1e-14], [0.0] * 3])
def test_no_histogram_of_nothing_or_of_one_value(returns: list[float]) -> None:
    assert histogram(returns, 475.0, WIDE, "h") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(475.0, "475"), (-1250.5, "\N{MINUS SIGN}1,250.5"), (0.0, "0"), (2e8, "2e+08"), (0.1 + 0.2, "0.3")],
)
def test_numbers_as_people_read_them(value: float, text: str) -> None:
    assert number(value) == text

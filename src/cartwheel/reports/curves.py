"""Drawings of a run's figures, as SVG text that stands in a page and takes its colours from the page's style.

The colours are CSS variables (`--ink`, `--rule`, `--mean`, `--best`, `--mark`), so that one drawing serves a light page
and a dark one. matplotlib draws; the text holds no font and no address. One unit of a drawing is one CSS pixel at the
width that it is made for: a phone gets a drawing of its own, whose letters are as large as a desktop's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cartwheel.reports.markup import number
from cartwheel.reports.svg import COLOURS, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_POINTS_PER_INCH = 72  # matplotlib's SVG counts in points
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 13.0,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["rule"],
    "xtick.bottom": False,
    "ytick.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOURS["rule"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_MOST_POINTS = 300
_DOTTED = 30  # up to so many points, each is a dot too: of a single one, a line shows nothing
_LARGEST = 1e300  # beyond, the arithmetic of an axis overflows
_SMALLEST = 1e-6  # a range so small, relative to the values, has no bins that differ in six digits
_BINS = 20


@dataclass(frozen=True)
class Canvas:
    """A drawing's `name`, which its identifiers begin with, and its width and height in CSS pixels."""

    name: str
    width: int
    height: int

    @property
    def ticks(self) -> int:
        """How many labels an axis has room for."""
        return 6 if self.width >= 500 else 4


@dataclass(frozen=True)
class Curve:
    """The points of a learning curve, `(K,)` each: environment steps, and the mean and best return by then.

    `merged` is how many generations a point stands for. A line is broken where a point is NaN, if there are to be
    `gaps`.
    """

    steps: Numbers
    mean: Numbers
    best: Numbers
    merged: int
    gaps: bool = True


def curve_points(steps: ArrayLike, mean: ArrayLike, best: ArrayLike, *, gaps: bool = True) -> Curve:
    """A curve of 300 points at most from a value per generation `(G,)` each; what is not finite becomes NaN, a gap.

    Where generations are merged, a point is the mean of their means and the best of their bests, at their last step.
    """
    columns = [_finite(column) for column in (steps, mean, best)]
    merged = max(1, -(-columns[0].size // _MOST_POINTS))
    rows = [np.pad(column, (0, -column.size % merged), constant_values=np.nan) for column in columns]
    grouped = [row.reshape(-1, merged) for row in rows]
    return Curve(_highest(grouped[0]), _mean(grouped[1]), _highest(grouped[2]), merged, gaps)


def learning_curve(curve: Curve, threshold: float | None, canvas: Canvas, title: str) -> str:
    """The curve as SVG text, with the threshold as a dashed line; "" where no point has anything to show."""
    if not np.isfinite([curve.mean, curve.best]).any():
        return ""
    with _style(canvas):
        axes = _axes(canvas)
        last = float(np.nanmax(curve.steps, initial=1.0))
        unit, word = _unit(last)
        dot: Any = {"marker": "o", "markersize": 4} if curve.steps.size <= _DOTTED else {}
        for line, name, width in ((curve.best, "best", 1.2), (curve.mean, "mean", 2.2)):
            shown = np.isfinite(line) | curve.gaps
            axes.plot(curve.steps[shown] / unit, line[shown], color=COLOURS[name], linewidth=width, **dot)
        if threshold is not None:
            axes.axhline(threshold, color=COLOURS["mark"], linewidth=1.2, linestyle=(0, (5, 4)))
        axes.set_xlim(0.0, 1.02 * last / unit)
        axes.set_ylim(*_limits([*curve.mean, *curve.best, threshold]))
        axes.set_xlabel(f"environment steps{word}")
        axes.set_ylabel("return (sum of rewards)")
        return _text(axes, canvas, title)


def histogram(returns: ArrayLike, threshold: float | None, canvas: Canvas, title: str) -> str:
    """How many episodes had which return, `returns (E,)`, as SVG text.

    It is "" where all returns are equal to six digits, or none is finite.
    """
    values = _finite(returns)
    values = values[np.isfinite(values)]
    if values.size == 0 or np.ptp(values) <= _SMALLEST * np.abs(values).max():
        return ""
    with _style(canvas):
        axes = _axes(canvas, whole="y")
        counts, edges = np.histogram(values, bins=_BINS)
        axes.bar(edges[:-1], counts, np.diff(edges) * 0.92, align="edge", color=COLOURS["mean"])
        if threshold is not None:
            axes.axvline(threshold, color=COLOURS["mark"], linewidth=1.2, linestyle=(0, (5, 4)))
        axes.set_xlabel("return of a test episode (sum of rewards)")
        axes.set_ylabel("episodes")
        return _text(axes, canvas, title)


def drawing(canvas: Canvas, title: str, paint: Callable[[Axes], None]) -> str:
    """What `paint` draws on axes that fill the canvas, as SVG text; its colours have to be those of `svg.COLOURS`."""
    with _style(canvas):
        axes = _axes(canvas)
        paint(axes)
        return _text(axes, canvas, title)


@contextmanager
def _style(canvas: Canvas) -> Iterator[None]:
    """The style of all drawings, whatever the user's own matplotlib settings are, which stand again afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": canvas.name})
        yield


def _axes(canvas: Canvas, whole: str = "") -> Axes:
    """Axes that fill the canvas, with labels as people read numbers; the axis `whole`, "y", counts things."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    size = (canvas.width / _POINTS_PER_INCH, canvas.height / _POINTS_PER_INCH)
    axes = Figure(size, layout="constrained").add_subplot()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(canvas.ticks - 1, steps=[1, 2, 2.5, 5, 10], integer=axis.axis_name == whole))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    return axes


def _text(axes: Axes, canvas: Canvas, title: str) -> str:
    stream = io.StringIO()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(stream, format="svg", transparent=True)
    return inline(stream.getvalue(), canvas.name, title)


def _finite(values: ArrayLike) -> Numbers:
    """A copy in which all that can't be drawn is NaN."""
    column = np.array(values, np.float64)
    column[~(np.abs(column) < _LARGEST)] = np.nan
    return column


def _mean(groups: Numbers) -> Numbers:
    """The mean of each row `(K, merged)` over what is a number, NaN where nothing is."""
    counts = np.isfinite(groups).sum(axis=1)
    sums: Numbers = np.nansum(groups, axis=1)
    means: Numbers = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means


def _highest(groups: Numbers) -> Numbers:
    highest: Numbers = np.fmax.reduce(groups, axis=1)
    return highest


def _unit(largest: float) -> tuple[float, str]:
    """What steps are counted in, and the words that say so."""
    for unit, word in ((1e9, ", billions"), (1e6, ", millions"), (1e3, ", thousands")):
        if largest >= 2 * unit:
            return unit, word
    return 1.0, ""


def _limits(values: list[float | None]) -> tuple[float, float]:
    """The range of an axis: that of the values with a margin, and never too small for its labels to differ."""
    finite = [value for value in values if value is not None and np.isfinite(value)]
    low, high = min(finite), max(finite)
    magnitude = max(abs(low), abs(high))
    span = high - low
    if span < 1e-4 * magnitude or span == 0.0:
        span = 0.1 * magnitude or 1.0
    middle = (low + high) / 2
    return middle - 0.56 * span, middle + 0.56 * span

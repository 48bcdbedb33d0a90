"""What the runs of a row say together, and the table that says it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cartwheel.experience.statistics import summarise
from learning.rows import Row

Lines = Sequence[Mapping[str, str]]


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half; values at its edges count by the part of them that is within."""
    x = np.sort(np.asarray(values, np.float64))
    edges = np.arange(len(x) + 1) / len(x)  # value k covers [k / N, (k + 1) / N) of the distribution
    weight = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return float((weight * x).sum() / weight.sum())


def wilson(successes: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share; E. Wilson, "Probable Inference", 1927."""
    z = 1.959964
    share, denominator = successes / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / denominator
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / denominator
    return max(0.0, middle - half), min(1.0, middle + half)


def table(rows: Sequence[Row], lines: Lines) -> str:
    """The rows that have been run, in Markdown."""
    header = (
        "algorithm, environment | budget, steps | seeds | kept: mean, 95 % interval | interquartile mean | "
        "final: mean | reached | 95 % of the share | wanted | steps used, median | validation, median | "
        "CPU s, median | each seed"
    )
    body = [_cells(row, [line for line in lines if line["row"] == row.name]) for row in rows]
    return markdown(header, [*filter(None, body)])


def markdown(header: str, body: Sequence[Sequence[str]]) -> str:
    """A table of these cells; those of `header` stand in one line, with bars between them."""
    first = header.split(" | ")
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [first, ["---"] * len(first), *body])


def _cells(row: Row, lines: Lines) -> list[str]:
    if not lines:
        return []
    kept = [float(line["test_mean"]) for line in lines]
    figures = summarise(kept)
    reached = sum(value >= row.reach for value in kept)
    low, high = wilson(reached, len(kept))

    def median(name: str) -> float:
        return float(np.median([float(line[name]) for line in lines]))

    return [
        f"{row.name}",
        f"{row.budget:,}",
        f"{len(kept)}",
        f"{told(figures.mean)} ({told(figures.low)} to {told(figures.high)})",
        told(interquartile_mean(kept)),
        told(float(np.mean([float(line["final_mean"]) for line in lines]))),
        f"{reached} of {len(kept)} at {row.reach:g}",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        f"{row.wanted}: {'met' if reached >= row.wanted else 'missed' if len(kept) == row.seeds else 'not all run'}",
        f"{median('steps'):,.0f}",
        f"{median('validation_steps'):,.0f}",
        f"{median('cpu_seconds'):.1f}",
        ", ".join(map(told, kept)),
    ]


def told(value: float) -> str:
    """A return, to four figures."""
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"

"""What ours came to beside a peer's: the final policies and the best on validation of both, and how far they are apart.

Source: B. Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are Involved",
1947: with means x and y of m and n values, and sample variances s and t,

    x - y -+ t(0.975, f) sqrt(s / m + t / n),   f = (s / m + t / n)^2 / ((s / m)^2 / (m - 1) + (t / n)^2 / (n - 1))
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import stdtrit

from cartwheel.experience.statistics import summarise
from learning.rows import Row
from learning.table import Lines, interquartile_mean, markdown, told, wilson

#: Each run's figure, by its seed.
Figures: TypeAlias = Mapping[int, float]
Interval: TypeAlias = tuple[float, float]

_NEAR = 1e-9  # so far from what is wanted is nothing: what is computed exactly is rounded all the same


@dataclass(frozen=True)
class Learner:
    """Whose runs of a row these are.

    `columns`: the policies that they end with, and where the mean return of each stands in a line; `judged` is the
    policy of which the row wants something, none of a peer's.
    """

    name: str
    lines: Lines
    columns: Mapping[str, str]
    judged: str = ""

    def figures(self, policy: str) -> Figures:
        """The mean return of this policy, of each run, in the order of seeds."""
        column = self.columns[policy]
        return dict(sorted((int(line["seed"]), float(line[column])) for line in self.lines))

    def median(self, column: str) -> float:
        """That of a column over the runs."""
        return float(np.median([float(line[column]) for line in self.lines]))


def beside(rows: Sequence[Row], lines: Lines, peers: Lines) -> str:
    """Two tables in Markdown of the rows that have been run: what policies came to, and the differences of means.

    `lines` are our runs; `peers` those of others in the same environments, with the same budgets and test episodes.
    """
    learners = [(row, _ours(row, lines), _theirs(row, lines, peers)) for row in rows]
    known = [(row, ours, theirs) for row, ours, theirs in learners if ours.lines]
    policies = [
        _policy(row, learner, policy)
        for row, ours, theirs in known
        for learner in (ours, *theirs)
        for policy in learner.columns
    ]
    differences = [
        _difference(row, ours, peer, policy)
        for row, ours, theirs in known
        for peer in theirs
        for policy in peer.columns
    ]
    return f"{markdown(_POLICIES, policies)}\n\n{markdown(_DIFFERENCES, differences)}"


def _ours(row: Row, lines: Lines) -> Learner:
    columns, judged = {"final": "final_mean", "best": "test_mean"}, row.judged
    if row.exact:
        judged = "final, computed"
        columns[judged] = "exact"
    own = [line for line in lines if line["row"] == row.name]
    return Learner(f"Cartwheel's {row.label or row.algorithm}", own, columns, judged)


def _theirs(row: Row, lines: Lines, peers: Lines) -> list[Learner]:
    """The row's peer, if it has one that has run with seeds of ours: those runs of it."""
    seeds = {line["seed"] for line in lines if line["row"] == row.name}
    found = [
        line
        for line in peers
        if (line["environment"], line["algorithm"]) == (row.environment, row.peer) and line["seed"] in seeds
    ]
    return [Learner(row.peer, found, {"final": "final_mean", "best": "best_mean"})] if found else []


_POLICIES = (
    "environment | learner | steps, median | seeds | policy | mean, 95 % interval | interquartile mean | reached | "
    "95 % of the share | wanted | validation steps, median | CPU s, median | each seed"
)


def _policy(row: Row, learner: Learner, policy: str) -> list[str]:
    values = list(learner.figures(policy).values())
    figures, count = summarise(values), len(values)
    reached = sum(value >= row.reach - _NEAR for value in values)
    low, high = wilson(reached, count)
    wanted = row.wanted > 0 and policy == learner.judged
    return [
        row.environment,
        learner.name,
        f"{learner.median('steps'):,.0f}",
        f"{count}",
        policy,
        _with_interval(figures.mean, (figures.low, figures.high)),
        told(interquartile_mean(values)),
        f"{reached} of {count} at {row.reach:g}",
        f"{100 * low:.0f} to {100 * high:.0f} %",
        f"{row.wanted}: {_verdict(reached >= row.wanted, count, row)}" if wanted else "",
        f"{learner.median('validation_steps'):,.0f}",
        f"{learner.median('cpu_seconds'):.1f}",
        ", ".join(map(told, values)),
    ]


_DIFFERENCES = (
    "environment | theirs | policy | ours less theirs | 95 %, Welch | 95 %, by pairs of seeds | wanted, above | "
    "published, theirs | CPU s, ours / theirs"
)


def _difference(row: Row, ours: Learner, peer: Learner, policy: str) -> list[str]:
    mine, theirs = ours.figures(policy), peer.figures(policy)
    difference = float(np.mean([*mine.values()]) - np.mean([*theirs.values()]))
    apart = welch([*mine.values()], [*theirs.values()])
    by_pairs = summarise([mine[seed] - theirs[seed] for seed in theirs])
    met = _verdict(row.margin is not None and apart[0] > row.margin, min(len(mine), len(theirs)), row)
    return [
        f"{row.environment}: {row.label}" if row.label else row.environment,
        peer.name,
        policy,
        told(difference),
        _told(apart),
        _told((by_pairs.low, by_pairs.high)),
        "" if row.margin is None else f"{row.margin:g}: {met}",
        row.published,
        f"{ours.median('cpu_seconds') / peer.median('cpu_seconds'):.2f}",
    ]


def welch(first: Sequence[float], second: Sequence[float]) -> Interval:
    """The 95 % interval of the difference of the means that two independent samples are of.

    All numbers there are, where a sample has one value only.
    """
    difference = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return -math.inf, math.inf
    a, b = float(np.var(first, ddof=1)) / len(first), float(np.var(second, ddof=1)) / len(second)
    if a + b == 0.0:
        return difference, difference
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(a + b)
    return difference - half, difference + half


def _verdict(met: bool, count: int, row: Row) -> str:
    """Nothing is said to be met or missed before all seeds have run."""
    return "not all run" if count < row.seeds else "met" if met else "missed"


def _with_interval(mean: float, interval: Interval) -> str:
    return f"{told(mean)} ({_told(interval)})"


def _told(interval: Interval) -> str:
    return " to ".join(map(told, interval))

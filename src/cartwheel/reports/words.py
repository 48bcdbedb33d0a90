"""What a page calls the figures of a run: of generations, and where single steps are learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cartwheel.reports.markup import number

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Lines:
    """What the two lines of a learning curve are: the columns of the metrics, and words.

    `merged` says what a point is that stands for so many rows.
    """

    columns: tuple[str, str]
    title: str
    legend: tuple[str, str]
    point: str
    merged: str
    about: str
    none: str


GENERATIONS = Lines(
    columns=("return_mean", "return_best"),
    title="Mean and best return of each generation",
    legend=("mean of a generation", "its best candidate"),
    point="A point is a generation",
    merged="A point is {} generations, the mean of their means and the best of their bests",
    about="Returns are those of training episodes, which are new in each generation.",
    none="No generation is finished yet, so there is no curve.",
)
STEPS = Lines(
    columns=("return_mean", "validation_return"),
    title="Mean return of training episodes and of the greedy policy",
    legend=("training episodes, which explore", "the greedy policy on validation episodes"),
    point="A point is a row of the metrics",
    merged="A point is {} rows of the metrics, the mean of their means and the best of their looks",
    about=(
        "Training episodes are those that ended since the row before. A look is at a few validation episodes, and at "
        "all of them where these came out better than any policy before, or solved it. Rows are without one where "
        "looks would take far more steps than training."
    ),
    none="There is no row of metrics yet, so there is no curve.",
)


def range_text(low: float, high: float) -> str:
    """From one number to another."""
    return f"{number(low, 5)} to {number(high, 5)}"


def count_text(value: float) -> str:
    """A count: 12,000."""
    return f"{value:,.0f}"


def duration_text(seconds: float) -> str:
    """A length of time: "0.84 s", "12 min 5 s", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.3g}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    parts = (minutes, "min", rest, "s") if minutes < 60 else (minutes // 60, "h", minutes % 60, "min")
    return _SPACE.join(map(str, parts))


# Figures of a result by the names that they are stored under: their labels and forms.
RESULT: dict[str, dict[str, tuple[str, Callable[[Any], str]]]] = {
    "Test": {
        "test_mean": ("mean return", number),
        "test_interval": ("95 % interval of the mean, by Student's t", str),
        "test_std": ("standard deviation of an episode", number),
        "test_length": ("mean length of an episode, steps", number),
        "test_episodes": ("episodes", count_text),
        "final_mean": ("mean return of the last generation's policy in these", number),
        "threshold": ("threshold", number),
    },
    "Training": {
        "stop": ("why it ended", str),
        "generations": ("generations", count_text),
        "steps": ("environment steps", count_text),
        "validation_steps": ("environment steps of validation, counted apart", count_text),
        "best": ("best mean return of a candidate", number),
        "seconds": ("time", duration_text),
        "path": ("physics", str),
    },
}

# What a learner calls by other words: its generations are stretches of steps, and its candidates one policy.
RESULT_BY_STEPS = {
    "Test": {**RESULT["Test"], "final_mean": ("mean return of the final policy in these", number)},
    "Training": {
        **RESULT["Training"],
        "generations": ("stretches of steps", count_text),
        "best": ("best mean return of 100 training episodes", number),
    },
}

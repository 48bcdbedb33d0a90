"""The words in which a run's events are told: lines of text from plans, rows and outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cartwheel.cli.pace import Pace
from cartwheel.training.hooks import Outcome, Plan


def plan_text(plan: Plan) -> str:
    """What is about to run, in two lines."""
    goal = f"at most {plan.budget}"
    if plan.generation:
        goal = f"after generation {plan.generation:,}, {goal}"
    if plan.threshold is not None:
        goal += f"; solved at {number(plan.threshold)}"
    return (
        f"{plan.environment} ({plan.path}), {plan.algorithm}: {plan.parameters:,} parameters, "
        f"{counted(plan.workers, 'worker')}\n"
        f"{goal}; in {plan.folder}"
    )


def row_text(row: Mapping[str, float], pace: Pace) -> str:
    """A generation, as a line."""
    parts = [f"generation {int(row['generation']):,}", *figures(row, pace)]
    return "  ".join(parts)


def figures(row: Mapping[str, float], pace: Pace) -> list[str]:
    """What matters most about a row, most important first."""
    parts = [f"return {number(row['return_mean'])}", f"best {number(row['best'])}"]
    if pace.steps_per_second is not None:
        parts.append(f"{short(pace.steps_per_second)} steps/s")
    if pace.seconds_left is not None:
        parts.append(f"{duration(pace.seconds_left)} left")
    return parts


def number(value: float | str) -> str:
    """A return, in a form short enough for a line: 500, 93.42, -0.0031."""
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def counted(count: float | str, thing: str) -> str:
    """A count of things: 1 worker, 1,200 generations."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def short(count: float) -> str:
    """A large count, in three digits: 950, 12.3 k, 4.56 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def duration(seconds: float) -> str:
    """A length of time: 0:07, 12:40, 3:05:00."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def outcome_text(outcome: Outcome) -> str:
    """How a run ended: its verdict, its figures and its files."""
    result = outcome.result
    verdict = {"solved": "solved", "budget": "the budget is used up"}.get(
        outcome.stop, f"ended by itself, {outcome.stop}"
    )
    interval = f"{number(result['test_low'])} to {number(result['test_high'])}"
    counts = f"{counted(result['generations'], 'generation')}, {result['steps']:,} steps"
    if result["validation_steps"]:
        counts += f" and {result['validation_steps']:,} of validation"
    return "\n".join(
        [
            f"{verdict}: return {number(result['test_mean'])} over {result['test_episodes']:,} test episodes "
            f"(95 % interval {interval})",
            f"{counts}, {result['seconds']:.1f} s",
            *(f"{name:<9}  {path}" for name, path in outcome.files.items()),
        ]
    )

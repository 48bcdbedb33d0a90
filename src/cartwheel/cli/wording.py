"""The words in which a run's events are told: lines of text from plans, rows and outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cartwheel.cli.pace import Pace
from cartwheel.training.hooks import Outcome, Plan
from cartwheel.training.memory import size_text


def plan_text(plan: Plan) -> str:
    """What is about to run, in two lines."""
    goal = f"at most {plan.budget}"
    if plan.generation:
        goal = f"after {f'step {plan.steps:,}' if plan.by_steps else f'generation {plan.generation:,}'}, {goal}"
    if plan.threshold is not None:
        goal += f"; solved at {number(plan.threshold)}"
    parts = [f"{plan.parameters:,} parameters", counted(plan.workers, "worker")]
    if plan.room:
        parts.insert(1, f"up to {size_text(plan.room)} of steps in memory")
    if plan.blas is not None:
        parts.append(f"{counted(plan.blas, 'thread')} for BLAS")
    return f"{plan.environment} ({plan.path}), {plan.algorithm}: {', '.join(parts)}\n{goal}; in {plan.folder}"


def row_text(row: Mapping[str, float], pace: Pace) -> str:
    """A row of metrics, as a line."""
    return "  ".join([place(row, pace), *figures(row, pace)])


def place(row: Mapping[str, float], pace: Pace) -> str:
    """How far a run is: its generation, or its step where a row is about many."""
    return f"step {int(row['steps']):,}" if pace.by_steps else f"generation {int(row['generation']):,}"


def figures(row: Mapping[str, float], pace: Pace) -> list[str]:
    """What matters most about a row, most important first."""
    parts = _learner_figures(row) if pace.by_steps else _returns(row, {"return": "return_mean", "best": "best"})
    if pace.steps_per_second is not None:
        parts.append(f"{short(pace.steps_per_second)} steps/s")
    if pace.seconds_left is not None:
        parts.append(f"{duration(pace.seconds_left)} left")
    if pace.steps_per_second is not None and row.get("updates_per_step", 0.0) > 0.0:  # NaN is not
        parts.append(f"{short(row['updates_per_step'] * pace.steps_per_second)} updates/s")
    return parts


def _learner_figures(row: Mapping[str, float]) -> list[str]:
    """What is known of a policy that learns while it acts: no return, where no episode has ended since the last row."""
    wanted = {"return": "return_mean", "validation": "validation_return"}
    parts = _returns(row, {word: name for word, name in wanted.items() if math.isfinite(row[name])})
    return parts + [f"{name} {number(row[name])}" for name in ("epsilon", "entropy") if name in row]


def _returns(row: Mapping[str, float], words: Mapping[str, str]) -> list[str]:
    return [f"{word} {number(row[name])}" for word, name in words.items()]


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
    counts = f"{result['steps']:,} steps"
    if not outcome.by_steps:
        counts = f"{counted(result['generations'], 'generation')}, {counts}"
    if result["validation_steps"]:
        counts += f" and {result['validation_steps']:,} of validation"
    return "\n".join(
        [
            f"{verdict}: return {number(result['test_mean'])} over {result['test_episodes']:,} test episodes "
            f"(95 % interval {interval})",
            *final_text(result),
            f"{counts}, {result['seconds']:.1f} s",
            *(f"{name:<9}  {path}" for name, path in outcome.files.items()),
        ]
    )


def final_text(result: Mapping[str, float | int | str]) -> list[str]:
    """A line about the policy that came last, where another one was kept."""
    final = result.get("final_mean", result["test_mean"])
    if final == result["test_mean"]:
        return []
    return [f"kept: the best on validation episodes; the final policy: {number(final)}"]

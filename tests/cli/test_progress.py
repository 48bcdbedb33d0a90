"""What is seen of a run: how often, in which words, and at what cost."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cartwheel.cli import progress
from cartwheel.cli.live import BarLine, LiveBar
from cartwheel.cli.machine import json_line
from cartwheel.cli.pace import Pace
from cartwheel.cli.progress import JsonLines, Lines, Result, default_hook, view
from cartwheel.cli.tables import table
from cartwheel.cli.wording import duration, number, outcome_text, plan_text, short
from cartwheel.training.hooks import Budget, Outcome, Plan

RESULT = {
    "generations": 1200,
    "steps": 60_000,
    "validation_steps": 0,
    "seconds": 12.04,
    "test_mean": 487.25,
    "test_low": 480.0,
    "test_high": 494.5,
    "test_episodes": 100,
}


def plan(**changes):
    fields = {
        "name": "first",
        "folder": Path("runs/first"),
        "environment": "CartPole-v1",
        "algorithm": "genetic",
        "path": "native",
        "workers": 2,
        "parameters": 82,
        "budget": Budget(generations=10),
        "threshold": 475.0,
        "generation": 0,
    }
    return Plan(**{**fields, **changes})


def row(generation, **changes):
    return {
        "generation": generation,
        "steps": 5000 * generation,
        "seconds": 2.0 * generation,
        "best": 9.0,
        "return_best": 8.0,
        "return_mean": 7.5,
        **changes,
    }


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def watch(hook, clock, times):
    """Start, a row at each of the times, and the end."""
    hook.start(plan())
    for generation, now in enumerate(times, 1):
        clock[0] = 100.0 + now
        hook.row(row(generation))
    hook.end(Outcome("solved", RESULT, Path("runs/first"), {}))


def generations(out):
    return [int(line.split()[1]) for line in out.splitlines() if line.startswith("generation ")]


def test_lines_first_one_each_three_seconds_and_last(clock, capsys):
    watch(Lines(), clock, [0, 0.1, 2.9, 3.0, 3.1, 6.5, 6.6, 6.7])
    assert generations(capsys.readouterr().out) == [1, 4, 6, 8]


def test_last_line_is_not_printed_twice(clock, capsys):
    watch(Lines(), clock, [0, 5])
    assert generations(capsys.readouterr().out) == [1, 2]


def test_words_of_a_run(clock, capsys):
    hook = Lines()
    watch(hook, clock, [0, 5])
    hook.note("by the way")
    assert capsys.readouterr().out.splitlines() == [
        "CartPole-v1 (native), genetic: 82 parameters, 2 workers",
        "at most 10 generations; solved at 475; in runs/first",
        "generation 1  return 7.5  best 9  2.5 k steps/s  0:18 left",
        "generation 2  return 7.5  best 9  2.5 k steps/s  0:16 left",
        "solved: return 487.2 over 100 test episodes (95 % interval 480 to 494.5)",
        "1,200 generations, 60,000 steps, 12.0 s",
        "by the way",
    ]


def test_words_of_other_runs():
    resumed = plan_text(plan(generation=7, threshold=None, workers=1, path="general"))
    assert resumed == (
        "CartPole-v1 (general), genetic: 82 parameters, 1 worker\n"
        "after generation 7, at most 10 generations; in runs/first"
    )
    paths = {"policy": Path("runs/first/policy.safetensors"), "report": Path("r.html"), "animation": Path("a.webp")}
    text = outcome_text(Outcome("budget", {**RESULT, "validation_steps": 4000}, Path("runs/first"), paths))
    assert text.splitlines() == [
        "the budget is used up: return 487.2 over 100 test episodes (95 % interval 480 to 494.5)",
        "1,200 generations, 60,000 steps and 4,000 of validation, 12.0 s",
        "policy     runs/first/policy.safetensors",
        "report     r.html",
        "animation  a.webp",
    ]


def learner_row(generation, **changes):
    figures = {"steps": 16 * generation, "return_mean": 21.5, "validation_return": 31.97, "epsilon": 0.76}
    return {**row(generation), **figures, "updates_per_step": 0.78125, **changes}


def test_words_of_a_run_by_steps(clock, capsys):
    hook = Lines()
    budget = Budget(steps=80_000)
    hook.start(plan(algorithm="dqn", workers=1, budget=budget, by_steps=True, room=4_900_000, blas=1))
    for generation, changes in ((500, {}), (1000, {"return_mean": math.nan}), (1500, {"updates_per_step": math.nan})):
        clock[0] += 5
        hook.row(learner_row(generation, seconds=generation / 250, **changes))
    hook.end(Outcome("solved", RESULT, Path("runs/first"), {}, by_steps=True))
    assert capsys.readouterr().out.splitlines() == [
        "CartPole-v1 (native), dqn: 82 parameters, up to 4.9 MB of steps in memory, 1 worker, 1 thread for BLAS",
        "at most 80,000 environment steps; solved at 475; in runs/first",
        "step 8,000  return 21.5  validation 31.97  epsilon 0.76  4 k steps/s  0:18 left  3.12 k updates/s",
        "step 16,000  validation 31.97  epsilon 0.76  4 k steps/s  0:16 left  3.12 k updates/s",
        "step 24,000  return 21.5  validation 31.97  epsilon 0.76  4 k steps/s  0:14 left",
        "solved: return 487.2 over 100 test episodes (95 % interval 480 to 494.5)",
        "60,000 steps, 12.0 s",
    ]


def test_words_of_a_resumed_run_by_steps():
    text = plan_text(plan(by_steps=True, generation=7, steps=1120, workers=2, blas=2))
    assert text.splitlines() == [
        "CartPole-v1 (native), genetic: 82 parameters, 2 workers, 2 threads for BLAS",
        "after step 1,120, at most 10 generations; solved at 475; in runs/first",
    ]


@pytest.mark.parametrize(("final", "told"), [(432.1, True), (487.25, False), (None, False)])
def test_the_final_policy_is_told_of_where_another_was_kept(final, told):
    result = RESULT if final is None else {**RESULT, "final_mean": final}
    lines = outcome_text(Outcome("budget", result, Path("runs/first"), {})).splitlines()
    assert len(lines) == 2 + told
    assert not told or lines[1] == "kept: the best on validation episodes; the final policy: 432.1"


def test_quiet_prints_the_result_only(clock, capsys):
    hook = view(quiet=True, json=False)
    watch(hook, clock, [0, 5, 10])
    hook.note("by the way")
    assert isinstance(hook, Result)
    assert capsys.readouterr().out == outcome_text(Outcome("solved", RESULT, Path("runs/first"), {})) + "\n"


def test_json_lines_are_valid_and_complete(clock, capsys):
    hook = view(quiet=False, json=True)
    hook.note("soon")
    watch(hook, clock, [0, 1, 2])
    events = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["note", "start", "row", "row", "end"]
    assert events[0]["text"] == "soon"
    assert events[1]["budget"] == {"generations": 10, "steps": None, "seconds": None}
    assert events[1]["folder"] == "runs/first"
    assert [event["generation"] for event in events[2:4]] == [1, 3]
    assert events[4]["stop"] == "solved"
    assert events[4]["result"] == RESULT


def test_json_of_what_json_has_not():
    fields = {"a": math.nan, "b": [np.float64(1.5), -math.inf], "c": np.arange(2), "d": Path("x"), "e": (True, None)}
    assert json.loads(json_line(fields)) == {"a": None, "b": [1.5, None], "c": [0, 1], "d": "x", "e": [True, None]}


def test_row_that_is_not_drawn_costs_next_to_nothing():
    hook = Lines()
    hook._due = math.inf
    one = row(1)
    start = time.perf_counter()
    for _ in range(20_000):
        hook.row(one)
    assert (time.perf_counter() - start) / 20_000 < 5e-6


def test_reader_that_went_away_does_not_stop_the_training(clock, monkeypatch):
    class Closed(io.StringIO):
        calls = 0

        def write(self, text):
            Closed.calls += 1
            raise BrokenPipeError

    hook = Lines()
    monkeypatch.setattr(sys, "stdout", Closed())
    watch(hook, clock, [0, 5, 10])
    assert Closed.calls == 1


@pytest.mark.parametrize(
    ("terminal", "term", "kind"), [(True, "xterm", LiveBar), (True, "dumb", Lines), (False, "xterm", Lines)]
)
def test_default_view_suits_the_output(monkeypatch, terminal, term, kind):
    output = io.StringIO()
    output.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", term)
    assert type(default_hook()) is kind
    assert type(view(quiet=False, json=False)) is kind
    assert type(view(quiet=False, json=True)) is JsonLines


def test_no_output_at_all(monkeypatch, clock):
    monkeypatch.setattr(sys, "stdout", None)
    watch(default_hook(), clock, [0, 5])


def test_pace_of_a_fresh_run():
    pace = Pace(plan(budget=Budget(steps=100_000, seconds=1000.0)))
    assert (pace.steps_per_second, pace.seconds_left) == (None, None)
    pace.add(row(2))  # 10,000 steps of 100,000 in 4 s
    assert pace.fraction == pytest.approx(0.1)
    assert pace.steps_per_second == pytest.approx(2500.0)
    assert pace.seconds_left == pytest.approx(36.0)


def test_pace_of_a_resumed_run_counts_from_its_first_row():
    pace = Pace(plan(generation=5, budget=Budget(generations=10)))
    pace.add(row(6, seconds=1000.0, steps=600))
    assert (pace.steps_per_second, pace.seconds_left) == (None, None)
    pace.add(row(7, seconds=1003.0, steps=700))
    assert pace.steps_per_second == pytest.approx(100 / 3)
    assert pace.seconds_left == pytest.approx(9.0)  # three more generations


def test_pace_is_of_late_and_never_negative():
    pace = Pace(plan(budget=Budget(generations=60)))
    for generation in range(1, 41):
        pace.add(row(generation, steps=generation, seconds=float(generation)))
    for generation in range(41, 81):
        pace.add(row(generation, steps=10 * generation - 360, seconds=float(generation)))
    assert pace.steps_per_second == pytest.approx(10.0)
    assert pace.seconds_left == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(500.0, "500"), (93.4167, "93.42"), (-0.00312, "-0.00312"), (-1234.5, "-1,234"), (math.nan, "nan")],
)
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (950.4, "950"), (12_345, "12.3 k"), (4.5e6, "4.5 M"), (2e9, "2 G")]
)
def test_large_counts(count, text):
    assert short(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (0.1, "0:01"), (59.5, "1:00"), (61, "1:01"), (3600, "1:00:00"), (11_105, "3:05:05")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_table():
    assert table([["NAME", "N"], ["a", "12"], ["long", "3"]], right=[1]) == "NAME   N\na     12\nlong   3"


# --- the live bar ---------------------------------------------------------------------------------------------------


def drawn(width, parts, fraction=0.5, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width, color_system=None, force_terminal=True).print(BarLine(fraction, parts))
    file.seek(0)
    return file.read()


def test_bar_line_fills_the_width_and_drops_the_last_texts():
    parts = ["return 7.5", "best 9", "2.5 k steps/s", "0:18 left", "generation 1"]
    assert drawn(120, parts, fraction=0.5) == "━" * 11 + "╸" + " " * 13 + "  ".join(parts) + "\n"
    for width in range(1, 121):
        line = drawn(width, parts)
        assert line.count("\n") == 1
        assert len(line.rstrip("\n")) <= width
    assert drawn(30, parts) == "return 7.5  best 9\n"
    assert drawn(6, parts) == "retur\n"


def test_bar_line_in_ascii():
    assert drawn(100, ["return 7.5"], encoding="ascii").isascii()


@contextlib.contextmanager
def terminal(monkeypatch):
    """Standard output as a terminal; it is read at once, lest a writer block, into the list given."""
    import pty

    outer, inner = pty.openpty()
    seen: list[bytes] = []

    def read():
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while data := os.read(outer, 4096):
                seen.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    with open(inner, "w", encoding="utf-8") as output, monkeypatch.context() as patch:  # noqa: PTH123
        patch.setattr(sys, "stdout", output)
        yield seen
    reader.join(timeout=30)
    os.close(outer)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("problem", [None, KeyboardInterrupt])
def test_live_bar_draws_ten_times_a_second_and_gives_the_cursor_back(monkeypatch, clock, problem):
    with terminal(monkeypatch) as output:
        try:
            with default_hook() as hook:
                assert isinstance(hook, LiveBar)
                hook.start(plan())
                for generation in range(1, 202):  # one each 5 ms: a second in all
                    clock[0] = 100.0 + 0.005 * (generation - 1)
                    hook.row(row(generation))
                if problem:
                    raise problem
                hook.end(Outcome("solved", RESULT, Path("runs/first"), {}))
        except KeyboardInterrupt:
            print("stopped", flush=True)
    seen = b"".join(output).decode()
    assert 10 <= seen.count("return 7.5  best 9") <= 13  # the last one is drawn again when the bar goes
    hidden, shown = seen.rindex("\x1b[?25l"), seen.rindex("\x1b[?25h")
    assert hidden < shown < seen.index("stopped" if problem else "solved: return")


def test_a_search_that_ended_by_itself_says_why() -> None:
    text = outcome_text(Outcome("tolx: the steps are too small to matter", RESULT, Path("runs/first"), {}))
    assert text.startswith("ended by itself, tolx: the steps are too small to matter: ")
    assert "budget" not in text

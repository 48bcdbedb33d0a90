"""Results as text: the tables, which are Markdown that reads well on a terminal too, and their place in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.records import FIGURES, Benchmark, Comparison, Samples, Spread
from cartwheel.errors import UsageError

_OPENING = """# Benchmarks

Each section is written by `python -m benchmarks NAME`; what stands outside the markers is left alone. Figures are
medians over the turns, with the smallest and the largest. The contestants of a section take turns in one run, and
ratios and differences are taken turn by turn.
"""


def section(benchmark: Benchmark, samples: Samples, about: Mapping[str, str]) -> str:
    """A benchmark's section: its text, the contestants' table, the comparisons' table, and where it was measured."""
    turns = max(map(len, samples.values()))
    measured = ", ".join(f"{name} {value}" for name, value in about.items())
    parts = [f"## {benchmark.name}", benchmark.text, contestants_table(benchmark, samples)]
    if benchmark.comparisons:
        parts.append(comparisons_table(benchmark, samples))
    return "\n\n".join([*parts, f"{turns} turns; {measured}."])


def contestants_table(benchmark: Benchmark, samples: Samples) -> str:
    """One row a contestant: what it did, the CPU and wall time it took, and its rate; dashes if it can't run here."""
    rate = benchmark.rate
    header = ["contestant", "CPU seconds", "wall seconds"]
    if rate:
        header += [benchmark.unit, f"{benchmark.unit} {rate}"]
    rows = []
    for name, turns in samples.items():
        if not turns:
            rows.append([name, *["-"] * (len(header) - 1)])
            continue
        values = [[turn.cpu for turn in turns], [turn.wall for turn in turns]]
        if rate:
            values += [[turn.work for turn in turns], [FIGURES[rate](turn) for turn in turns]]
        rows.append([name, *(cell(Spread.of(column)) for column in values)])
    return table(header, rows)


def comparisons_table(benchmark: Benchmark, samples: Samples) -> str:
    """One row a comparison, with what was wanted of it."""
    rows = []
    for comparison in benchmark.comparisons:
        spread = Spread.of(comparison.values(samples))
        numbers = [number(value) for value in (spread.median, spread.minimum, spread.maximum)]
        rows.append([comparison.name, comparison.figure, *numbers, _wanted(comparison, spread.median)])
    return table(["compared", "figure", "median", "smallest", "largest", "wanted"], rows)


def _wanted(comparison: Comparison, median: float) -> str:
    if comparison.at_least is not None:
        text = f"at least {comparison.at_least:g}"
    elif comparison.at_most is not None:
        text = f"at most {comparison.at_most:g}"
    else:
        return ""
    return f"{text}: {'met' if comparison.met(median) else 'missed'}"


def cell(spread: Spread) -> str:
    """A spread in one cell; a single number where all values are the same."""
    if spread.minimum == spread.maximum:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.minimum)} to {number(spread.maximum)})"


def number(value: float) -> str:
    """A number to about four digits, at most three of them after the point, with thousands told apart."""
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    decimals = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # adding 0 takes the sign off a zero


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of even width, numbers to the right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(len(entry) for entry in column) for column in columns]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_row(header, widths), _row(rule, widths), *(_row(row, widths) for row in rows)]
    return "\n".join(lines)


def _row(entries: Sequence[str], widths: Sequence[int]) -> str:
    padded = [entries[0].ljust(widths[0]), *(e.rjust(w) for e, w in zip(entries[1:], widths[1:], strict=True))]
    return f"| {' | '.join(padded)} |"


def write_section(page: Path, name: str, text: str) -> None:
    """Puts `text` between the markers of benchmark `name`, at the page's end if it has none yet.

    All else in the page stays to the byte. UsageError if the markers are not one pair, or the page can't be written.
    """
    begin, end = f"<!-- benchmark: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{text}\n{end}"
    try:
        content = page.read_text(encoding="utf-8") if page.exists() else _OPENING
        page.write_text(_placed(content, begin, end, block, page), encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"can't write {page}: {problem.strerror}") from None


def _placed(content: str, begin: str, end: str, block: str, page: Path) -> str:
    marks = content.count(begin), content.count(end)
    if marks == (0, 0):
        return f"{content.rstrip()}\n\n{block}\n"
    before, _, rest = content.partition(begin)
    _, ended, after = rest.partition(end)
    if marks != (1, 1) or not ended:
        raise UsageError(f"{page}: expected one pair of markers {begin} ... {end}; mend the page by hand")
    return before + block + after

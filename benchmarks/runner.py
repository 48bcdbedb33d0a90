"""The runner: lets a benchmark's contestants take turns, and puts the figures on the terminal, the page and a file."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import benchmarks
from benchmarks import machine
from benchmarks.page import number, section, write_section
from benchmarks.records import BENCHMARKS, FIGURES, Benchmark, Contestant, Sample, Samples, Setting
from cartwheel.errors import CartwheelError, UsageError

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


class _Parser(argparse.ArgumentParser):
    """Bad usage is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m benchmarks --help")


def main(arguments: Sequence[str], page: Path = PAGE) -> int:
    """The command: its exit status. One benchmark that fails is a line; the others run all the same."""
    _load()
    try:
        options = _parser().parse_args(arguments)
        chosen = [BENCHMARKS[options.name]] if options.name else list(BENCHMARKS.values())
        if options.list:
            print("\n".join(sorted(BENCHMARKS)))
            return 0
        return _run_all(chosen, options, page)
    except CartwheelError as error:
        return _complain(error)


def _load() -> None:
    """Every file of this folder gets the chance to register its benchmarks."""
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name != "__main__":
            importlib.import_module(f"benchmarks.{module.name}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmarks", description="Measures, and writes docs/benchmarks.md.")
    parser.add_argument("name", nargs="?", help="which benchmark (default: all)")
    parser.add_argument("--list", action="store_true", help="print the benchmarks' names")
    parser.add_argument("--runs", type=_turns, default=5, help="turns of each contestant (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a glance: small jobs, and the page is left as it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every turn's figures to FILE")
    parser.add_argument("--date", default=f"{datetime.now(UTC):%Y-%m-%d}", help="default: today")
    return parser


def _turns(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _run_all(chosen: Sequence[Benchmark], options: argparse.Namespace, page: Path) -> int:
    about = {"measured on": options.date, **machine.describe()}
    results: dict[str, Samples] = {}
    status = 0
    for benchmark in chosen:
        try:
            samples = run(benchmark, turns=options.runs, quick=options.quick)
        except CartwheelError as error:
            status = max(status, _complain(error, benchmark.name))
            continue
        results[benchmark.name] = samples
        text = section(benchmark, samples, about)
        print(text, end="\n\n")
        if not options.quick:
            write_section(page, benchmark.name, text)
    if options.json:
        write_json(options.json, results, about, quick=options.quick)
    return status


def run(benchmark: Benchmark, *, turns: int, quick: bool) -> Samples:
    """Every contestant's samples, taken in turns."""
    with tempfile.TemporaryDirectory(prefix="cartwheel-benchmark-") as folder:
        contestants = list(benchmark.contestants(Setting(quick, Path(folder))))
        samples: Samples = {contestant.name: [] for contestant in contestants}
        for turn in range(turns):
            for contestant in contestants:
                if contestant.turn is None:
                    continue
                sample = contestant.turn()
                samples[contestant.name].append(sample)
                print(_progress(benchmark, contestant, sample, f"{turn + 1}/{turns}"), file=sys.stderr, flush=True)
    return samples


def _progress(benchmark: Benchmark, contestant: Contestant, sample: Sample, turn: str) -> str:
    figure = benchmark.rate or "CPU seconds"
    words = (number(FIGURES[figure](sample)), benchmark.unit, figure)
    return f"{benchmark.name} {turn}: {contestant.name}: {' '.join(word for word in words if word)}"


def write_json(file: Path, results: Mapping[str, Samples], about: Mapping[str, str], *, quick: bool) -> None:
    """Writes the raw figures: every turn of every contestant, and every turn's comparisons."""
    data: dict[str, Any] = {"about": dict(about), "quick": quick, "benchmarks": {}}
    for name, samples in results.items():
        data["benchmarks"][name] = {
            "unit": BENCHMARKS[name].unit,
            "samples": {contestant: [asdict(turn) for turn in turns] for contestant, turns in samples.items()},
            "comparisons": {
                f"{comparison.name} ({comparison.figure})": comparison.values(samples)
                for comparison in BENCHMARKS[name].comparisons
            },
        }
    try:
        file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"can't write {file}: {problem.strerror}") from None


def _complain(error: CartwheelError, name: str = "") -> int:
    print(f"error: {name + ': ' if name else ''}{error}", file=sys.stderr)
    return error.exit_status

"""`PYTHONPATH=src PEER/bin/python -m learning.peers`, where PEER has stable-baselines3, PyTorch and Gymnasium."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learning.peers.dqn import ZOO, run
from learning.runs import read

FILE = Path(__file__).parents[2] / "docs" / "learning" / "values_peer.csv"
FIELDS = "environment algorithm seed steps validation_steps final_mean best_mean cpu_seconds versions".split()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of the peer's table, one run after the other; each is written when it is done."""
    parser = argparse.ArgumentParser(prog="python -m learning.peers", description=main.__doc__)
    parser.add_argument("--only", default="", help="environments whose names hold this text")
    parser.add_argument("--seeds", default="0-9", help="FIRST-LAST")
    parser.add_argument("--csv", type=Path, default=FILE, help="where the runs are kept (default: docs/learning)")
    given = parser.parse_args(arguments)
    first, last = map(int, given.seeds.split("-"))
    known = {(line["environment"], int(line["seed"])) for line in read(given.csv)}
    jobs = [(name, seed) for name in ZOO if given.only in name for seed in range(first, last + 1)]
    for environment, seed in jobs:
        if (environment, seed) not in known:
            append(given.csv, run(environment, seed))


def append(file: Path, line: dict[str, Any]) -> None:
    """One more line of the CSV, with a header if it is the first, and on the terminal."""
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(line)
    print(", ".join(f"{name} {value}" for name, value in line.items() if name != "versions"), flush=True)


if __name__ == "__main__":
    main()

"""`PYTHONPATH=src PEER/bin/python -m learning.peers TABLE`.

PEER has stable-baselines3, PyTorch and Gymnasium, for the table `policies` sb3-contrib as well.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learning.peers import dqn, policies
from learning.peers.training import run
from learning.runs import read

FOLDER = Path(__file__).parents[2] / "docs" / "learning"
FIELDS = "environment algorithm seed steps validation_steps final_mean best_mean cpu_seconds versions".split()
TABLES = {"values": dqn.JOBS, "policies": policies.JOBS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of a table's peers, one run after the other; each is written when it is done."""
    parser = argparse.ArgumentParser(prog="python -m learning.peers", description=main.__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--only", default="", help="jobs whose names (ALGORITHM on ENVIRONMENT) hold this text")
    parser.add_argument("--seeds", default="0-9", help="FIRST-LAST")
    parser.add_argument("--csv", type=Path, default=None, help="where the runs are kept (default: docs/learning)")
    given = parser.parse_args(arguments)
    first, last = map(int, given.seeds.split("-"))
    file = given.csv or FOLDER / f"{given.table}_peer.csv"
    known = {(line["environment"], line["algorithm"], int(line["seed"])) for line in read(file)}
    for job in TABLES[given.table]:
        for seed in range(first, last + 1):
            if given.only in job.name and (job.environment, job.learner, seed) not in known:
                append(file, run(job, seed))


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

"""`python -m learning TABLE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from learning.rows import RULES, TABLES
from learning.runs import baselines, read, run_all
from learning.table import table

FOLDER = Path(__file__).parents[1] / "docs" / "learning"


def main() -> None:
    """Run what is missing of a table, and print it; with --write also into docs/learning/TABLE.md."""
    parser = argparse.ArgumentParser(prog="python -m learning", description=main.__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--only", default="", help="rows whose names hold this text")
    parser.add_argument("--seeds", default="0-9", help="FIRST-LAST; tuning takes 1000 and up, and writes nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path, default=None, help="where the runs are kept (default: docs/learning)")
    parser.add_argument("--write", action="store_true", help="write the table's page")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    file = given.csv or FOLDER / f"{given.table}.csv"
    if first != 0 and given.csv is None:
        parser.error("seeds of the table begin at 0; others want a --csv of their own")
    rows = [row for row in TABLES[given.table]() if given.only in row.name]
    file.parent.mkdir(parents=True, exist_ok=True)
    run_all(rows, range(first, last + 1), file, given.workers)
    text = table(rows, read(file))
    print(text)
    if given.write:
        plain = [
            f"| {name} on {environment} | {mean:.1f} |"
            for environment in dict.fromkeys(row.environment for row in rows)
            for name, mean in baselines(environment, dict(RULES.get(environment, {})))
        ]
        beside = "\n".join(["| without learning | mean return |", "| --- | --- |", *plain])
        page = (FOLDER / f"{given.table}.md").read_text(encoding="utf-8")
        head = page.partition("<!-- table -->")[0]
        (FOLDER / f"{given.table}.md").write_text(f"{head}<!-- table -->\n{text}\n\n{beside}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

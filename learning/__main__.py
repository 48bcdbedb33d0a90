"""`python -m learning TABLE`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from learning.beside import beside
from learning.rows import BESIDE, RULES, TABLES, Row
from learning.runs import baselines, read, run_all
from learning.table import table

FOLDER = Path(__file__).parents[1] / "docs" / "learning"


#: A budget that is a glance only.
QUICK = 1_500


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of a table, and print it; with --write also into docs/learning/TABLE.md."""
    parser = argparse.ArgumentParser(prog="python -m learning", description=main.__doc__)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--only", default="", help="rows whose names hold this text")
    parser.add_argument("--seeds", default="0-9", help="FIRST-LAST; tuning takes 1000 and up, and writes nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--csv", type=Path, default=None, help="where the runs are kept (default: docs/learning)")
    parser.add_argument("--write", action="store_true", help="write the table's page")
    parser.add_argument("--quick", action="store_true", help="a glance: one seed, small budgets; nothing is kept")
    given = parser.parse_args(arguments)
    rows = [row for row in TABLES[given.table]() if given.only in row.name]
    if given.quick:
        if given.write or given.csv:
            parser.error("--quick keeps nothing: leave out --write and --csv")
        _glance(given.table, rows, given.workers)
        return
    if given.write and given.only:
        parser.error("--write writes the whole page: leave out --only")
    first, last = map(int, given.seeds.split("-"))
    file = given.csv or FOLDER / f"{given.table}.csv"
    if first != 0 and given.csv is None:
        parser.error("seeds of the table begin at 0; others want a --csv of their own")
    file.parent.mkdir(parents=True, exist_ok=True)
    run_all(rows, range(first, last + 1), file, given.workers)
    text = _text(given.table, rows, file)
    print(text)
    if given.write:
        ran = {line["row"] for line in read(file)}
        _write(FOLDER / f"{given.table}.md", [row for row in rows if row.name in ran], text)


def _glance(table_: str, rows: Sequence[Row], workers: int) -> None:
    """The table of one seed with small budgets."""
    small = [replace(row, budget=min(row.budget, QUICK)) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.csv"
        run_all(small, [0], file, workers)
        print(_text(table_, small, file))


def _text(table_: str, rows: Sequence[Row], file: Path) -> str:
    """The table, of the runs in this file; beside those of peers where there are any."""
    if table_ in BESIDE:
        return beside(rows, read(file), read(FOLDER / f"{table_}_peer.csv"))
    return table(rows, read(file))


def _write(page: Path, rows: Sequence[Row], text: str) -> None:
    """The table of these rows, and what needs no learning, in place of what stands under the page's mark."""
    plain = [
        f"| {name} on {environment} | {mean:.1f} |"
        for environment in dict.fromkeys(row.environment for row in rows)
        for name, mean in baselines(environment, dict(RULES.get(environment, {})))
    ]
    without = "\n".join(["| without learning | mean return |", "| --- | --- |", *plain])
    head = page.read_text(encoding="utf-8").partition("<!-- table -->")[0]
    page.write_text(f"{head}<!-- table -->\n{text}\n\n{without}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""docs/framework.md: its code runs and prints what it says, and its table has every function."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cartwheel.nn import functions  # noqa: F401  # fills the table
from cartwheel.nn.function import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "framework.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_code_prints_what_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(BLOCKS), encoding="utf-8")
    done = subprocess.run([sys.executable, program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"^ *print\(.*\)  # (.*)$", "\n".join(BLOCKS), re.MULTILINE)
    assert len(told) > 10
    assert done.stdout.splitlines() == told


def test_the_table_has_every_function() -> None:
    (table,) = re.findall(r"^\| kind \| functions \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    names = re.findall(r"`(\w+)`", table)
    assert sorted(names) == sorted(FUNCTIONS)

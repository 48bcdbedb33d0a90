from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from cartwheel.cli.main import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cartwheel(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Answer]:
    """The command line in this process, in an empty folder: words in, status and texts out."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Answer:
        status = main(line.split())
        return Answer(status, *capsys.readouterr())

    return run

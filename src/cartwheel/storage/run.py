"""A run: the folder that holds all of one training, from its settings to its report.

`config.toml`, `metrics.sqlite`, `checkpoint/`, `policy.safetensors`, `report.html`, and while it is trained `lock`.
"""

from __future__ import annotations

import builtins
import errno
import html
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError, did_you_mean, one_line
from cartwheel.policies.policy import Policy
from cartwheel.storage import config as toml
from cartwheel.storage.atomic import make_temporary, read_whole, storage_errors, sync_folder, write_atomically
from cartwheel.storage.checkpoint import Checkpoints, State, state_digest
from cartwheel.storage.lock import hold, is_held
from cartwheel.storage.metrics import read_metrics, read_result, read_test_episodes
from cartwheel.storage.policy_file import POLICY_FILE, load

CONFIG_FILE = "config.toml"
REPORT_FILE = "report.html"
TIMES = frozenset({"seconds"})  # what measures the clock, and so differs between runs that are otherwise the same

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
# 16 and 15 have no common factor: 240 pairs until one returns, with another number behind it
_ADJECTIVES = (
    "brisk calm bright swift bold merry quiet nimble keen lively steady sunny clever gentle proud eager".split()
)
_ANIMALS = "otter heron lynx finch badger marten swallow hare falcon beaver ibex newt robin seal stoat".split()


@dataclass(frozen=True, repr=False)
class Run:
    """The folder of a run. What it holds is read afresh each time it is asked for."""

    folder: Path

    @classmethod
    def create(cls, runs: Path, name: str | None, config: Mapping[str, Any]) -> Run:
        """A new run `runs/<name>` with these settings; without a name it is given a readable, free one.

        The folder appears with its settings in it or not at all. Raises UsageError for a name that is taken or can't be
        one, and StorageError where the folder can't be made or the settings can't be written.
        """
        if name is not None and not _NAME.fullmatch(name):
            raise UsageError(
                f"can't name a run {name!r}: expected up to 100 letters, digits, dots, dashes, underscores"
            )
        text = toml.dumps(config)
        with storage_errors(runs, "can't make a run there"):
            runs.mkdir(parents=True, exist_ok=True)
            return cls(_placed(runs, name, text))

    @classmethod
    def open(cls, path_or_name: str | Path, runs: str | Path = "runs") -> Run:
        """The run of this name below `runs`, or at this path; UsageError, with the nearest name, if there is none."""
        if not isinstance(path_or_name, (str, Path)):
            raise UsageError(f"expected the name or the folder of a run, got {one_line(repr(path_or_name))}")
        runs = Path(runs)
        for folder in (runs / path_or_name, Path(path_or_name)):
            if (folder / CONFIG_FILE).is_file():
                return cls(folder)
        names = [run.name for run in cls.list(runs)]
        raise UsageError(f"no run {str(path_or_name)!r} in {runs}; {did_you_mean(Path(path_or_name).name, names)}")

    @classmethod
    def list(cls, runs: str | Path) -> builtins.list[Run]:
        """All runs below `runs`, by name."""
        return [cls(file.parent) for file in sorted(Path(runs).glob(f"[!.]*/{CONFIG_FILE}"))]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def config_path(self) -> Path:
        """Where the settings are."""
        return self.folder / CONFIG_FILE

    @property
    def config(self) -> dict[str, Any]:
        """The settings, as nested tables; StorageError if the file is damaged."""
        return toml.loads(read_whole(self.config_path), str(self.config_path))

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace the settings."""
        write_atomically(self.config_path, toml.dumps(config).encode())

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The last checkpoint and the one before it."""
        return Checkpoints(self.folder / "checkpoint")

    @property
    def metrics_path(self) -> Path:
        """Where the metrics and the result are."""
        return self.folder / "metrics.sqlite"

    @property
    def policy_path(self) -> Path:
        """Where the best policy so far is."""
        return self.folder / POLICY_FILE

    @property
    def report_path(self) -> Path:
        """Where the report is."""
        return self.folder / REPORT_FILE

    @property
    def metrics(self) -> dict[str, NDArray[Any]]:
        """The metrics, names to columns, one entry a generation; empty if there are none yet."""
        return read_metrics(self.metrics_path) if self.metrics_path.exists() else {}

    @property
    def result(self) -> dict[str, int | float | str] | None:
        """The figures of a finished run; None if it is not finished."""
        return read_result(self.metrics_path) if self.metrics_path.exists() else None

    @property
    def test_episodes(self) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        """Returns `(E,)` and lengths `(E,)` of the test episodes; None if the run is not finished."""
        return read_test_episodes(self.metrics_path) if self.metrics_path.exists() else None

    @property
    def policy(self) -> Policy:
        """The best policy so far; UsageError if there is none yet."""
        if not self.policy_path.exists():
            raise UsageError(
                f"the run {self.name} has no policy yet; train it further with `cartwheel resume {self.name}`"
            )
        return load(self.folder)

    @property
    def status(self) -> str:
        """One of "running" (a live process trains it), "finished" (it has a result) and "interrupted"."""
        if is_held(self.folder / "lock"):
            return "running"
        return "interrupted" if self.result is None else "finished"

    def digest(self) -> str:
        """SHA-256, in hexadecimal, over the last checkpoint's state and all metrics, times (`TIMES`) left out.

        Runs that learnt the same have the same one. UsageError if there is no checkpoint yet.
        """
        state = self.checkpoints.read()
        if state is None:
            raise UsageError(f"the run {self.name} has no checkpoint yet, so it has no digest")
        parts = (("state", state), ("metrics", self.metrics))
        everything: dict[str, State] = {
            f"{part}.{name}": value
            for part, values in parts
            for name, value in values.items()
            if re.split("[./]", name)[-1] not in TIMES
        }
        return state_digest(everything)

    def lock(self) -> AbstractContextManager[None]:
        """Held by the process that trains the run; StorageError, naming the owner, if another one does.

        The lock of a process that died is free.
        """
        return hold(self.folder / "lock")

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        figures = {"run": self.name, "status": self.status, **(self.result or {})}
        rows = (
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(_brief(value))}</td></tr>"
            for name, value in figures.items()
        )
        return f"<table>{''.join(rows)}</table>"


def _placed(runs: Path, name: str | None, text: str) -> Path:
    """Build the folder beside its place and move it there: of two processes that want a name, one can."""
    temporary, _ = make_temporary(runs, Path.mkdir)
    try:
        write_atomically(temporary / CONFIG_FILE, text.encode())
        number = 1 + len(list(runs.glob("[!.]*")))
        while True:
            folder = runs / (name or _readable(number))
            if _moved(temporary, folder):
                sync_folder(runs)
                return folder
            if name is not None:
                raise UsageError(f"there is a run {name!r} in {runs} already; choose another name, or resume that one")
            number += 1
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _moved(temporary: Path, folder: Path) -> bool:
    """Move a folder to a place that is free; False if it is not.

    An empty folder in that place would be replaced, hence the look beforehand. Runs are never empty, so that between
    two of them the move itself decides.
    """
    if folder.exists():
        return False
    try:
        temporary.rename(folder)
    except OSError as problem:
        if problem.errno in _TAKEN:
            return False
        raise
    return True


def _readable(number: int) -> str:
    """The name of the `number`-th run of a folder, such as "brisk-otter-240"."""
    return f"{_ADJECTIVES[number % len(_ADJECTIVES)]}-{_ANIMALS[number % len(_ANIMALS)]}-{number}"


def _brief(value: int | float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

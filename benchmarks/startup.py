"""How long one waits: whole processes, from their start to their end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.records import ITS_CHILDREN, Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.errors import CartwheelError, UsageError

_PASS, _NUMPY, _PACKAGE, _NN = "python -c pass", "import numpy", "import cartwheel", "import cartwheel.nn"
_HELP, _COLD, _WARM = "cartwheel --help", "cartwheel train, cold", "cartwheel train, warm"
_TRAIN = ("train", "CartPole-v1", "--seed", "0", "--quiet", "--name", "benchmark")

_COMPARISONS = (
    Comparison("import cartwheel, beyond Python's own", "CPU seconds", "difference", _PACKAGE, _PASS, at_most=0.05),
    Comparison("import cartwheel, beyond Python's own", "wall seconds", "difference", _PACKAGE, _PASS),
    Comparison("import cartwheel.nn, beyond NumPy's", "CPU seconds", "difference", _NN, _NUMPY, at_most=0.05),
    Comparison("import cartwheel.nn, beyond NumPy's", "wall seconds", "difference", _NN, _NUMPY),
    Comparison("cartwheel --help", "CPU seconds", "value", _HELP, at_most=0.2),
    Comparison("cartwheel --help, beyond Python's own", "CPU seconds", "difference", _HELP, _PASS),
    Comparison("cartwheel train, cold", "wall seconds", "value", _COLD, at_most=20),
    Comparison("cartwheel train, warm", "wall seconds", "value", _WARM, at_most=3),
    Comparison("cartwheel train, what an empty kernel cache costs", "CPU seconds", "difference", _COLD, _WARM),
)


@benchmark(
    "startup",
    "Whole processes. `cartwheel train` trains CartPole-v1 until it is solved and writes its run folder, "
    "`cold` with an empty kernel cache (everything is compiled), `warm` with one that an earlier run has filled.",
    _COMPARISONS,
)
def startup(setting: Setting) -> Iterator[Contestant]:
    """The imports and the command; under `quick` it trains for one generation only."""
    command = _command()
    train = (command, *_TRAIN, *(("--generations", "1") if setting.quick else ()))
    for name, code in ((_PASS, "pass"), (_NUMPY, _NUMPY), (_PACKAGE, _PACKAGE), (_NN, _NN)):
        yield Contestant(name, partial(_process, [sys.executable, "-c", code], setting.folder))
    yield Contestant(_HELP, partial(_process, [command, "--help"], setting.folder))
    kernels = setting.folder / "kernels"
    _train(train, setting.folder, kernels)
    yield Contestant(_COLD, partial(_train, train, setting.folder, None))
    yield Contestant(_WARM, partial(_train, train, setting.folder, kernels))


def _command() -> str:
    """The `cartwheel` that belongs to this Python."""
    command = shutil.which("cartwheel", path=str(Path(sys.executable).parent))
    if command is None:
        raise UsageError("no command cartwheel beside this Python; install the package first (make does it)")
    return command


def _train(command: Sequence[str], folder: Path, cache: Path | None) -> Sample:
    """A training in a folder of its own, with this kernel cache, or with an empty one."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        return _process(command, Path(fresh), cache or Path(fresh) / "kernels")


def _process(command: Sequence[str], folder: Path, cache: Path | None = None) -> Sample:
    """A process from start to end; CartwheelError with the last line it complained with, if it failed."""
    environment = os.environ | ({"CARTWHEEL_CACHE_DIR": str(cache)} if cache else {})

    def job() -> float:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            complaint = (done.stderr.strip() or "no message").splitlines()[-1]
            raise CartwheelError(f"{' '.join(command)} ended with status {done.returncode}: {complaint}")
        return 1.0

    return timed(job, ITS_CHILDREN)

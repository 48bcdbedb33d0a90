"""Recorded programs under the limits: memory that stays flat, compilation off, a kernel cache that can't be written."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.nn import functions as F
from cartwheel.nn import optimizers
from cartwheel.nn.capture import Captured, capture

MIB = 2**20
X, T = np.ones((16, 4), np.float32), np.zeros((16, 2), np.float32)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def training_step() -> Captured:
    model = nn.MLP((16, 16, 2), activation=F.tanh, in_size=4)
    optimizer = optimizers.Adam().setup(model)

    def step(x: nn.Variable, t: nn.Variable) -> nn.Variable:
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return capture(step)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_replays_and_recordings_leave_the_resident_size_flat() -> None:
    step = training_step()
    for _ in range(2000):
        step(X, T)
    before = resident()
    for _ in range(10_000):
        step(X, T)
    assert resident() - before < MIB
    for _ in range(300):
        training_step()(X, T)
    gc.collect()
    before = resident()
    for _ in range(1000):
        training_step()(X, T)
    gc.collect()
    assert resident() - before < MIB


def run(tests: str, **environment: str) -> None:
    """Some of the tests of recorded steps, in a process of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "-m",
        "not slow",
        "-k",
        tests,
    ]
    here = Path(__file__).parent
    done = subprocess.run(
        [*command, str(here / "test_capture.py"), str(here / "test_capture_table.py")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert re.search(r"\d+ passed", done.stdout)


def test_recorded_steps_agree_with_compilation_off() -> None:
    run("Adam or hooks or classes or recurrent or sweep or tanh-matrix or softmax-matrix or sum", NUMBA_DISABLE_JIT="1")


def test_recorded_steps_work_without_a_kernel_cache(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.write_text("a file where a folder is wanted", encoding="utf-8")
    run("several_steps_in_one_call", CARTWHEEL_CACHE_DIR=str(folder))

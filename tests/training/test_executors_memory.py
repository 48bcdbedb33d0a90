"""What a population of large networks costs in memory, in the command that trains it and in its workers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

GiB = 1 << 30


def peaks(process: subprocess.Popen[str]) -> dict[int, int]:
    """The most bytes that a process and each of its children held while it ran."""
    found: dict[int, int] = {}
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for pid in [process.pid, *map(int, children.read_text().split())] if children.exists() else []:
            found[pid] = max(found.get(pid, 0), peak(pid))
        time.sleep(0.1)
    return found


def peak(pid: int) -> int:
    """The most bytes that a process has held so far; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no process's peak in /proc")
@pytest.mark.parametrize("options", [[], ["--executor", "processes", "--workers", "2"]], ids=["alone", "processes"])
def test_a_thousand_networks_of_four_million_weights_in_less_than_a_gibibyte(
    tmp_path: Path, options: list[str]
) -> None:
    """As vectors they would be 16 GB. The episodes are short: that saves time and no memory."""
    words = "train CartPole-v1 --algorithm genetic --hidden 1998,1998 --encoding seeds --population 1000"
    more = [
        "--generations",
        "2",
        "--episodes",
        "1",
        "--max-episode-steps",
        "5",
        "--json",
        "--runs",
        str(tmp_path),
        *options,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "cartwheel", *words.split(), *more], stdout=subprocess.PIPE, text=True
    )
    found = peaks(process)
    assert process.stdout is not None
    events = [json.loads(line) for line in process.stdout]
    process.stdout.close()
    assert process.returncode == 0
    assert events[0]["parameters"] > 4_000_000
    assert sum(event["event"] == "row" for event in events) == 2
    # A Python with Numba and Gymnasium alone takes 100 MiB: who took less is no worker, but looks after semaphores.
    ours = [most for most in found.values() if most > 100 << 20]
    assert len(ours) == 1 + 2 * bool(options)
    assert max(ours) < GiB

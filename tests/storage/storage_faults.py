"""What storage tests share: a flipped bit, and processes to kill or to compete with."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `code` with `sys.argv[1:]`; returns once it has printed a line."""
    child = begin(code, *arguments)
    assert child.stdout is not None
    assert child.stdout.readline(), "the child did not come so far"
    return child


def begin(code: str, *arguments: object) -> subprocess.Popen[str]:
    """The same, without waiting."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(child: subprocess.Popen[str]) -> str:
    """Wait for a child; returns what else it printed."""
    return child.communicate(timeout=60)[0]


def kill(child: subprocess.Popen[str]) -> None:
    """SIGKILL: no handler, no cleaning up."""
    child.kill()
    child.communicate()


def kill_in_the_middle(code: str, folder: Path, check: Callable[[], None], times: int = 6) -> None:
    """Start `code`, kill it after a while of writing, `check`; several times, after different whiles."""
    for number in range(times):
        child = start(code, folder)
        time.sleep(0.003 + 0.0137 * number)
        kill(child)
        check()


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit of it the other way."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

"""Standard output that ends early: a reader that goes away, and a disk that is full."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cartwheel as package
from cartwheel.cli import progress
from cartwheel.cli.live import LiveBar
from cartwheel.cli.progress import Lines, watching
from cartwheel.errors import CartwheelError
from cartwheel.training.hooks import Budget, Outcome, Plan

PROGRAM = [sys.executable, "-m", "cartwheel"]
TINY = "--algorithm genetic --population 8 --episodes 1 --generations 2"

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def environment(unbuffered):
    others = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**others, "PYTHONUNBUFFERED": "1"} if unbuffered else others


def run(line, output, cwd, unbuffered=False):
    words = [*PROGRAM, *line.split()]
    return subprocess.run(
        words, cwd=cwd, stdout=output, stderr=subprocess.PIPE, text=True, env=environment(unbuffered), check=False
    )


@pytest.fixture
def unread():
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("line", ["--help", "--version", "train --help", "runs", "runs --help", "list environments"])
def test_a_reader_that_went_away_ends_it_quietly(tmp_path, unread, line, unbuffered):
    done = run(line, unread, tmp_path, unbuffered)
    assert (done.returncode, done.stderr) == (141, "")


def test_but_not_a_training(tmp_path, unread):
    done = run(f"train CartPole-v1 {TINY} --name first", unread, tmp_path)
    assert (done.returncode, done.stderr) == (141, "")
    assert package.Run.open("first", tmp_path / "runs").status == "finished"


@needs_full
@pytest.mark.parametrize("flags", ["", "--quiet", "--json"])
def test_a_full_disk_does_not_stop_a_training(tmp_path, flags):
    with Path("/dev/full").open("w") as full:
        done = run(f"train CartPole-v1 {TINY} --name first {flags}", full, tmp_path)
    trained = package.Run.open("first", tmp_path / "runs")
    assert trained.status == "finished"
    assert trained.report_path.exists()
    assert (done.returncode, done.stderr) == (
        1,
        "cartwheel: error: standard output: No space left on device; the run itself went on to its end\n",
    )


class Full(io.StringIO):
    """A file on a disk that is full."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def write(self, text):
        self.calls += 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def train(hook):
    """What a trainer tells a hook."""
    folder = Path("runs/first")
    hook.start(Plan("first", folder, "CartPole-v1", "genetic", "native", 2, 82, Budget(generations=3), 475.0, 0))
    for generation in (1, 2, 3):
        figures = {"best": 9.0, "return_best": 8.0, "return_mean": 7.5}
        hook.row({"generation": generation, "steps": 50 * generation, "seconds": 2.0 * generation, **figures})
    hook.note("by the way")
    counts = {"generations": 3, "steps": 150, "validation_steps": 0, "seconds": 6.0, "test_episodes": 100}
    returns = {"test_mean": 487.25, "test_low": 480.0, "test_high": 494.5}
    hook.end(Outcome("solved", {**counts, **returns}, folder, {}))


def test_a_view_falls_silent_and_keeps_the_problem(monkeypatch):
    output, hook = Full(), Lines()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(Lines, "interval", 0.0)
    train(hook)
    assert output.calls == 1
    assert isinstance(hook.problem, OSError)


def command(problem=None):
    """What the commands do that train."""
    with watching(quiet=False, json=False) as hook:
        train(hook)
        if problem is not None:
            raise problem


def test_the_command_says_it_at_the_end_only(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(CartwheelError, match="No space left") as caught:
        command()
    assert caught.value.exit_status == 1
    with pytest.raises(KeyboardInterrupt):  # what went wrong with the run itself goes before
        command(KeyboardInterrupt())


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_a_terminal_that_went_away_does_not_stop_a_training(monkeypatch):
    import pty

    outer, inner = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    output = os.fdopen(inner, "w", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        hook = progress.default_hook()
        assert isinstance(hook, LiveBar)
        with hook:
            hook.interval = 0.0
            os.close(outer)
            train(hook)
        assert isinstance(hook.problem, OSError)
    with contextlib.suppress(OSError):  # what is still to be written can't be
        output.close()

"""The program itself: which command, which exit status, one line for whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

import cartwheel as package
from cartwheel.cli import main as main_module
from cartwheel.cli.main import COMMANDS, main
from cartwheel.errors import CartwheelError, EnvironmentFault, UsageError

PROGRAM = [sys.executable, "-m", "cartwheel.cli.main"]


@pytest.fixture
def failing(monkeypatch, capsys):
    """Runs a command that raises the given problem; gives status, standard output and error."""

    def run(problem):
        def command(arguments):
            raise problem

        monkeypatch.setattr(main_module, "import_module", lambda name: SimpleNamespace(main=command))
        return main(["runs"]), *capsys.readouterr()

    return run


@pytest.mark.parametrize("words", ["", "--help", "-h"])
def test_overview_names_every_command_and_gives_examples(cartwheel, words):
    status, out, err = cartwheel(words)
    assert (status, err) == (0, "")
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert "Examples:\n  cartwheel train CartPole-v1" in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_version(cartwheel):
    assert cartwheel("--version") == (0, f"cartwheel {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("trian", "unknown command 'trian'; did you mean 'train'?"),
        ("TRAIN", "unknown command 'TRAIN'; did you mean 'train'?"),
        ("--versoin", "unknown option '--versoin'; did you mean '--version'?"),
        ("xyzzy", "unknown command 'xyzzy'; known are: " + ", ".join(sorted(COMMANDS))),
    ],
)
def test_unknown_words_are_answered_with_the_nearest(cartwheel, words, error):
    assert cartwheel(words) == (2, "", f"cartwheel: error: {error}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_page_with_examples(cartwheel, command):
    status, out, err = cartwheel(f"{command} --help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: cartwheel {command} ")
    assert f"Examples:\n  cartwheel {command}" in out
    assert "--version" not in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_an_unknown_option(cartwheel, command):
    status, out, err = cartwheel(f"{command} x --halp")
    assert (status, out) == (2, "")
    assert err.startswith("cartwheel: error: unknown option '--halp'; did you mean '--help'?")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("problem", "status", "line"),
    [
        (UsageError("no\nsuch  thing"), 2, "error: no such thing"),
        (CartwheelError("it failed"), 1, "error: it failed"),
        (
            EnvironmentFault("E-v0", 7, 3, "reward", "got nan"),
            1,
            "error: environment E-v0 failed in its reward (episode seed 7, step 3): got nan",
        ),
        (PermissionError(13, "Permission denied", "runs/x"), 2, "error: runs/x: Permission denied"),
        (OSError("the disk is gone"), 2, "error: the disk is gone"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_each_problem_is_one_line_and_a_status(failing, problem, status, line):
    assert failing(problem) == (status, "", f"cartwheel: {line}\n")


def test_interrupted_run_says_how_to_go_on_and_is_no_error(failing):
    from cartwheel.training.interrupt import Interrupted

    assert failing(Interrupted(15, "go on with: cartwheel resume first")) == (
        143,
        "",
        "cartwheel: interrupted; go on with: cartwheel resume first\n",
    )


def test_bug_is_one_line_unless_the_traceback_is_wanted(failing, monkeypatch):
    monkeypatch.delenv("CARTWHEEL_TRACEBACK", raising=False)
    status, out, err = failing(KeyError("theta"))
    assert (status, out) == (70, "")
    assert err == (
        "cartwheel: error: this is a bug in Cartwheel: KeyError: 'theta' (CARTWHEEL_TRACEBACK=1 shows where)\n"
    )
    monkeypatch.setenv("CARTWHEEL_TRACEBACK", "1")
    assert "Traceback" in failing(KeyError("theta"))[2]


def test_warnings_are_lines_too(monkeypatch, capsys):
    def command(arguments):
        warnings.simplefilter("always")
        warnings.warn("the last checkpoint is\ndamaged", stacklevel=1)

    monkeypatch.setattr(main_module, "import_module", lambda name: SimpleNamespace(main=command))
    assert main(["runs"]) == 0
    assert capsys.readouterr().err == "cartwheel: warning: the last checkpoint is damaged\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from cartwheel.cli.main import main; main(['--help']);"
        "print([m for m in ('numpy', 'gymnasium', 'numba', 'rich', 'cyclopts', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("\n[]\n")


def test_the_package_runs_as_the_program_does(tmp_path):
    def answer(*words):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    for line in ("--version", "runs --help", "trian"):
        assert answer(sys.executable, "-m", "cartwheel", *line.split()) == answer(*PROGRAM, *line.split())
    # Worker processes import the main module again; that must not train once more.
    line = "train CartPole-v1 --no-native --workers 2 --algorithm genetic --population 8 --episodes 1 --generations 1"
    status, _, err = answer(sys.executable, "-m", "cartwheel", *line.split(), "--name", "x", "--quiet")
    assert (status, err) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
def test_full_disk_is_one_line():
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([*PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert (done.returncode, done.stderr) == (2, "cartwheel: error: No space left on device\n")


def test_terminal_that_knows_ascii_only():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run([*PROGRAM, "list", "--help"], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout
    done = subprocess.run([*PROGRAM, "runs", "--runs", "n\u00f6"], capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"no runs in n\\x")
    done = subprocess.run([*PROGRAM, "tr\u00e4in"], capture_output=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert b"did you mean 'train'?" in done.stderr

from __future__ import annotations

import math
import os
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from storage_faults import begin, end, kill, start

from cartwheel import spaces
from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP
from cartwheel.storage import run as module
from cartwheel.storage.checkpoint import State
from cartwheel.storage.metrics import MetricsWriter, write_result
from cartwheel.storage.policy_file import save
from cartwheel.storage.run import Run

CONFIG = {"environment": "CartPole-v1", "train": {"seed": 0, "native": True}}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def add_metrics(run: Run, **columns: list[float]) -> None:
    with closing(MetricsWriter(run.metrics_path)) as writer:
        for place in range(len(next(iter(columns.values())))):
            writer.add({"generation": place + 1, **{name: column[place] for name, column in columns.items()}})


def test_a_new_run_has_its_settings_and_nothing_else_yet(runs):
    run = Run.create(runs, "first", CONFIG)
    assert (run.folder, run.name) == (runs / "first", "first")
    assert run.config == CONFIG
    assert names(runs) == ["first"]
    assert names(run.folder) == ["config.toml"]
    assert run.metrics == {}
    assert run.result is None
    assert run.test_episodes is None
    assert run.checkpoints.read() is None
    assert run.status == "interrupted"
    assert names(run.folder) == ["config.toml"]
    for ask in (lambda: run.policy, run.digest):
        with pytest.raises(UsageError, match=r"the run first has no (policy|checkpoint) yet"):
            ask()


def test_settings_are_read_afresh(runs):
    run = Run.create(runs, "first", CONFIG)
    run.write_config({"x": 1})
    assert run.config == Run.open("first", runs).config == {"x": 1}
    (run.folder / "config.toml").write_text("x = ")
    with pytest.raises(StorageError, match=r"config\.toml: not a TOML file"):
        _ = run.config


def test_a_name_that_is_taken_is_refused_and_nothing_changes(runs):
    Run.create(runs, "first", CONFIG)
    (runs / "empty").mkdir()
    (runs / "file").touch()
    for name in ("first", "empty", "file"):
        with pytest.raises(UsageError, match=f"there is a run '{name}' in .*runs already"):
            Run.create(runs, name, {"other": 1})
    assert names(runs) == ["empty", "file", "first"]
    assert Run.open("first", runs).config == CONFIG
    assert names(runs / "empty") == []


def test_a_name_that_is_taken_after_the_look_is_refused_by_the_move(runs, monkeypatch):
    Run.create(runs, "first", CONFIG)
    (runs / "file").touch()
    monkeypatch.setattr(Path, "exists", lambda path: False)
    for name in ("first", "file"):
        with pytest.raises(UsageError, match=f"there is a run '{name}'"):
            Run.create(runs, name, {"other": 1})
    monkeypatch.undo()
    assert names(runs) == ["file", "first"]
    assert Run.open("first", runs).config == CONFIG


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "é", "-x", "x" * 101, "a\0"])
def test_a_bad_name_is_refused_and_nothing_is_written(runs, name):
    with pytest.raises(UsageError, match="can't name a run"):
        Run.create(runs, name, CONFIG)
    assert not runs.exists()


def test_settings_that_cannot_be_written_leave_nothing(runs):
    with pytest.raises(StorageError, match=r"environment\.x"):
        Run.create(runs, "first", {"environment": {"x": None}})
    assert not runs.exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for runs in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(StorageError, match="can't make a run there"):
            Run.create(runs, None, CONFIG)
    assert names(tmp_path) == ["file"]


def test_a_failing_disk_leaves_nothing(runs, monkeypatch):
    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match="No space left on device"):
        Run.create(runs, "first", CONFIG)
    assert names(runs) == []


def test_names_made_up_are_readable_free_and_follow_from_the_folder(runs, tmp_path):
    made = [Run.create(runs, None, CONFIG).name for _ in range(3)]
    assert made == [Run.create(tmp_path / "other", None, CONFIG).name for _ in range(3)]
    assert [name.rsplit("-", 1)[1] for name in made] == ["1", "2", "3"]
    assert all(re.fullmatch(r"[a-z]+-[a-z]+-\d", name) for name in made)
    (runs / made[0] / "config.toml").unlink()
    (runs / made[0]).rmdir()
    assert Run.create(runs, None, CONFIG).name.endswith("-4")  # 3 is taken, though there are only two
    somebodys = runs / module._readable(5)
    somebodys.mkdir()
    assert Run.create(runs, None, CONFIG).name.endswith("-6")
    assert names(somebodys) == []
    assert len({module._readable(number).rsplit("-", 1)[0] for number in range(240)}) == 240


CREATOR = """
import sys
from pathlib import Path
from cartwheel.errors import UsageError
from cartwheel.storage.run import Run
name = None if sys.argv[2] == "none" else sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    try:
        print(Run.create(Path(sys.argv[1]), name, {"by": sys.argv[3]}).name)
    except UsageError:
        print("taken")
"""


@pytest.mark.parametrize("name", ["none", "same"])
def test_processes_that_race_for_a_name_get_one_each(runs, name):
    children = [start(CREATOR, runs, name, number) for number in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    made = [line for child in children for line in end(child).split()]
    wins = [line for line in made if line != "taken"]
    assert len(made) == 40
    assert len(wins) == len(set(wins)) == (40 if name == "none" else 1)
    assert names(runs) == sorted(wins)


AT_CALL = """
import os, pathlib, signal, sys
from cartwheel.storage.run import Run
calls = 0
def dying(function):
    def replacement(*arguments, **keywords):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    return replacement
os.fsync = dying(os.fsync)
for name in ("mkdir", "replace", "rename"):
    setattr(pathlib.Path, name, dying(getattr(pathlib.Path, name)))
Run.create(pathlib.Path(sys.argv[1]) / "runs", "first", {"x": 1})
"""


def test_a_process_that_is_killed_while_it_makes_a_run_leaves_none_or_a_whole_one(tmp_path):
    folders = [tmp_path / str(call) for call in range(1, 9)]
    for folder in folders:
        folder.mkdir()
    children = [begin(AT_CALL, folder, call) for call, folder in enumerate(folders, start=1)]
    for child in children:
        child.communicate()
    found = [[(run.name, run.config) for run in Run.list(folder / "runs")] for folder in folders]
    # make runs/, make the folder, sync the file, give it its name, sync the folder, move it to its place, sync runs/
    assert found == [[]] * 6 + [[("first", {"x": 1})]] * 2
    assert [child.returncode == 0 for child in children] == [False] * 7 + [True]
    Run.create(folders[3] / "runs", "first", CONFIG)  # what is left does not stand in the way


def test_a_run_is_found_by_name_or_path_and_else_the_nearest_is_named(runs, monkeypatch):
    run = Run.create(runs, "brisk-otter-1", CONFIG)
    Run.create(runs, "calm-heron-2", CONFIG)
    for found in (Run.open("brisk-otter-1", runs), Run.open(str(run.folder)), Run.open(run.folder, Path("nowhere"))):
        assert found.folder == run.folder
    monkeypatch.chdir(runs.parent)
    assert Run.open("brisk-otter-1").name == Run.open("runs/brisk-otter-1").name == "brisk-otter-1"
    monkeypatch.chdir(run.folder)
    assert Run.open(".").name == "brisk-otter-1"
    with pytest.raises(UsageError, match=r"no run 'brisk-oter-1' in .*runs; did you mean 'brisk-otter-1'\?"):
        Run.open("brisk-oter-1", runs)
    (runs / "no run").mkdir()
    with pytest.raises(UsageError, match="no run 'no run' in "):
        Run.open("no run", runs)
    with pytest.raises(UsageError, match="no run 'x' in nowhere; none is known"):
        Run.open("x", Path("nowhere"))


def test_a_name_means_the_run_of_that_name_even_beside_a_folder_of_that_name(runs, monkeypatch):
    run = Run.create(runs, "x", CONFIG)
    Run.create(runs.parent, "x", {"another": 1})
    monkeypatch.chdir(runs.parent)
    assert Run.open("x").folder.resolve() == run.folder.resolve()


def test_the_list_holds_runs_only(runs):
    assert Run.list(runs) == []
    for name in ("b", "a"):
        Run.create(runs, name, CONFIG)
    (runs / "no run").mkdir()
    (runs / "file").touch()
    (runs / ".cartwheel-1-0.tmp").mkdir()
    (runs / ".cartwheel-1-0.tmp" / "config.toml").touch()
    assert Run.list(runs) == [Run(runs / "a"), Run(runs / "b")]


def test_policy_metrics_and_result_are_what_was_written(runs):
    run = Run.create(runs, "first", CONFIG)
    box = spaces.Box((1,), (-1.0,), (1.0,))
    policy = Policy(MLP(()), box, spaces.Discrete(2), np.arange(4))
    save(policy, run.policy_path)
    assert run.policy.theta.tolist() == [0, 1, 2, 3]
    add_metrics(run, best=[1.5, 2.5])
    assert run.metrics["best"].tolist() == [1.5, 2.5]
    write_result(run.metrics_path, {"stop": "solved"}, [1.0], [2])
    assert run.result == {"stop": "solved"}
    assert [column.tolist() for column in run.test_episodes] == [[1.0], [2]]
    assert names(run.folder) == ["config.toml", "metrics.sqlite", "policy.safetensors"]


HOLDER = """
import sys
from cartwheel.storage.run import Run
with Run.open(sys.argv[1]).lock():
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_status_follows_the_lock_and_the_result(runs):
    run = Run.create(runs, "first", CONFIG)
    child = start(HOLDER, run.folder)
    assert run.status == "running"
    with pytest.raises(StorageError, match=f"runs/first is in use by process {child.pid} on "), run.lock():
        pass
    kill(child)
    assert run.status == "interrupted"
    with run.lock():
        assert run.status == "running"
        write_result(run.metrics_path, {"stop": "budget"}, [1.0], [2])
        assert run.status == "running"
    assert run.status == "finished"
    assert names(run.folder) == ["config.toml", "metrics.sqlite"]


def digest_of(runs: Path, state: dict[str, State], **columns: list[float]) -> str:
    run = Run.create(runs, None, CONFIG)
    run.checkpoints.write(state)
    if columns:
        add_metrics(run, **columns)
    return run.digest()


def test_the_digest_sees_all_but_the_clock(runs):
    state: dict[str, State] = {"algorithm/theta": np.arange(3.0), "run/seconds": 1.5, "n": 1, "seconds": 2.0}
    columns = {"best": [1.0, math.nan], "seconds": [0.1, 0.2]}
    digest = digest_of(runs, state, **columns)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    clock = {**state, "run/seconds": 9.0, "seconds": 8.0, "part.seconds": 1.0}
    assert digest_of(runs, clock, best=[1.0, math.nan], seconds=[9.0, 9.1]) == digest
    others = [
        digest_of(runs, {**state, "n": 2}, **columns),
        digest_of(runs, {**state, "algorithm/theta": np.arange(3.0) + 1e-15}, **columns),
        digest_of(runs, {**state, "seconds/x": 1.0}, **columns),
        digest_of(runs, {**state, "milliseconds": 1.0}, **columns),
        digest_of(runs, state, **{**columns, "best": [1.0, 2.0]}),
        digest_of(runs, state, best=[1.0], seconds=[0.1]),
        digest_of(runs, state, **columns, extra=[1, 2]),
        digest_of(runs, state),
    ]
    assert len({digest, *others}) == 1 + len(others)


def test_the_digest_is_of_the_last_checkpoint(runs):
    run = Run.create(runs, "first", CONFIG)
    run.checkpoints.write({"n": 1})
    first = run.digest()
    run.checkpoints.write({"n": 2})
    assert run.digest() != first
    run.checkpoints.write({"n": 1})
    assert run.digest() == Run.open("first", runs).digest() == first


def test_how_it_shows_itself(runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    run = Run.create(Path("runs"), "first", CONFIG)
    assert repr(run) == f"Run({str(Path('runs') / 'first')!r})"
    write_result(run.metrics_path, {"stop": "<b>", "mean": 1 / 3}, [1.0], [2])
    shown = run._repr_html_()
    assert "<th>mean</th><td>0.333333</td>" in shown
    assert "<td>&lt;b&gt;</td>" in shown
    assert "<th>status</th><td>finished</td>" in shown
    assert os.fspath(runs.parent) not in shown

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from storage_faults import begin, end, kill, start

from cartwheel.errors import StorageError
from cartwheel.storage import lock
from cartwheel.storage.lock import hold, is_held

HOLDER = """
import sys
from pathlib import Path
from cartwheel.storage.lock import hold
with hold(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_is_there_while_it_is_held_and_gone_after(path):
    assert not is_held(path)
    for _ in range(2):
        with hold(path):
            assert is_held(path)
            assert path.read_text().startswith(f"process {os.getpid()} on ")
        assert not is_held(path)
        assert not path.exists()


def test_it_is_freed_by_an_exception(path, tmp_path):
    def break_off() -> None:
        os.link(path, tmp_path / "second name")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), hold(path):
        break_off()
    assert not path.exists()
    assert not is_held(tmp_path / "second name")


def test_what_a_former_holder_wrote_goes(path):
    path.write_text("a long text " * 100)
    with hold(path):
        assert path.read_text() == f"process {os.getpid()} on {os.uname().nodename}"


def test_a_second_holder_is_told_who_the_first_is(path):
    child = start(HOLDER, path)
    assert is_held(path)
    with pytest.raises(StorageError) as caught, hold(path):
        pass
    assert str(caught.value).startswith(f"{path.parent} is in use by process {child.pid} on ")
    assert os.uname().nodename in str(caught.value)
    end(child)
    with hold(path):
        pass


def test_a_second_holder_in_the_same_process_is_turned_away_too(path):
    with hold(path):
        with pytest.raises(StorageError, match=f"process {os.getpid()} on"), hold(path):
            pass
        assert is_held(path)


def test_the_lock_of_a_killed_process_is_free(path):
    kill(start(HOLDER, path))
    assert path.exists()
    assert not is_held(path)
    with hold(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert not path.exists()


COMPETITOR = """
import sys, time
from pathlib import Path
from cartwheel.errors import StorageError
from cartwheel.storage import lock
from cartwheel.storage.lock import hold
path, count = Path(sys.argv[1]), Path(sys.argv[2])
lock._PATIENCE = 60.0
print("ready", flush=True)
for _ in range(60):
    with hold(path):
        number = int(count.read_text())
        time.sleep(0.0005)
        count.write_text(str(number + 1))
"""


def test_never_two_at_once(path, tmp_path):
    """Each takes the lock, adds one to a number in a file, and lets go: if ever two hold it, an addition is lost."""
    count = tmp_path / "count"
    count.write_text("0")
    children = [begin(COMPETITOR, path, count) for _ in range(4)]
    for child in children:
        end(child)
        assert child.returncode == 0
    assert count.read_text() == "240"


AT_ONCE = """
import sys, time
from pathlib import Path
from cartwheel.errors import StorageError
from cartwheel.storage.lock import hold
print("ready", flush=True)
sys.stdin.readline()
try:
    with hold(Path(sys.argv[1])):
        print("in", flush=True)
        sys.stdin.readline()
except StorageError as problem:
    print(problem)
"""


def test_of_those_that_start_at_the_same_moment_one_gets_it(path):
    children = [start(AT_ONCE, path) for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    lines = [child.stdout.readline() for child in children]
    assert lines.count("in\n") == 1
    owner = children[lines.index("in\n")].pid
    assert sum(f"is in use by process {owner} on " in line for line in lines) == 3
    for child in children:
        end(child)


def test_looking_does_not_turn_a_trainer_away(path):
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_held(path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(200):
            with hold(path):
                pass
    finally:
        over.set()
        watcher.join()


FORKING = """
import os, sys, time
from pathlib import Path
from cartwheel.storage.lock import hold
with hold(Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
        sys.stdin.read()
    else:
        os.close(1)
        time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_worker_that_outlives_its_killed_parent_does_not_hold_the_lock(path):
    parent = begin(FORKING, path)
    worker = int(parent.stdout.readline())
    try:
        assert is_held(path)
        kill(parent)
        os.kill(worker, 0)
        assert not is_held(path)
    finally:
        os.kill(worker, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_worker_that_leaves_the_block_does_not_free_the_lock(path):
    code = FORKING.replace("time.sleep(60)", "pass")
    parent = begin(code, path)
    worker = int(parent.stdout.readline())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}/status").exists() and "Z (zombie)" not in Path(f"/proc/{worker}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert is_held(path)
    end(parent)
    assert parent.returncode == 0
    assert not path.exists()


def test_a_file_removed_between_opening_and_locking_is_no_lock(path, monkeypatch):
    """The last holder removes the file; who had it open already locks a file that nobody else will look at."""
    real, removed = lock._try_lock, []

    def after_a_removal(descriptor: int, exclusive: bool) -> bool:
        if not removed:
            removed.append(path.unlink())
        return real(descriptor, exclusive)

    monkeypatch.setattr(lock, "_try_lock", after_a_removal)
    with hold(path):
        assert path.exists()
        assert is_held(path)


def test_a_place_where_no_lock_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "no" / "lock", tmp_path / "file" / "lock"):
        with pytest.raises(StorageError, match="can't be locked"), hold(path):
            pass
        assert not is_held(path)

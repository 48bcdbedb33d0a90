"""Executors: order, errors, workers that die or hang, Ctrl-C, classes that only the main script knows."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartwheel.errors import CartwheelError, EnvironmentFault
from cartwheel.training.executors import Executor, Processes, Serial, Threads


@pytest.fixture(params=["serial", "threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made: Executor = {"serial": Serial, "threads": lambda: Threads(2), "processes": lambda: Processes(2)}[
        request.param
    ]()
    yield made
    made.close()


def warm(executor: Processes) -> Processes:
    """The same with all its workers there."""
    while not executor.members or not all(member.joined for member in executor.members):
        executor.map(lambda x: time.sleep(0.05), [0])
    return executor


def test_results_come_in_the_order_of_the_items(executor: Executor) -> None:
    def slow_square(x: int) -> int:
        time.sleep(0.05 if x == 0 else 0.0)
        return x * x

    assert executor.map(slow_square, range(9)) == [x * x for x in range(9)]
    assert executor.map(slow_square, []) == []
    assert executor.map(lambda x: -x, [3]) == [-3]


def test_a_fault_arrives_whole(executor: Executor) -> None:
    def fail(x: int) -> int:
        raise EnvironmentFault("mine", 11, 22, "reward", "bad")

    with pytest.raises(EnvironmentFault) as caught:
        executor.map(fail, [1, 2, 3])
    assert (caught.value.seed, caught.value.step, caught.value.field) == (11, 22, "reward")


def test_work_is_shared_between_processes() -> None:
    executor = warm(Processes(2))
    try:
        pids = executor.map(lambda x: (time.sleep(0.1), os.getpid())[1], range(8))
        assert len(set(pids)) == 2
        assert os.getpid() not in pids
    finally:
        executor.close()


def once(marker: Path) -> bool:
    """True for exactly one of all who ask, in whichever process."""
    try:
        marker.unlink()
    except FileNotFoundError:
        return False
    return True


def test_the_item_of_a_worker_that_dies_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "doom").touch()

    def square(x: int) -> int:
        with (tmp_path / f"began-{x}").open("a") as file:
            file.write("x")
        if x == 3 and once(tmp_path / "doom"):
            os.kill(os.getpid(), signal.SIGKILL)
        return x * x

    executor = Processes(2)
    try:
        assert executor.map(square, range(8)) == [x * x for x in range(8)]
        began = {path.name: path.stat().st_size for path in tmp_path.glob("began-*")}
        assert began == {f"began-{x}": 1 + (x == 3) for x in range(8)}
    finally:
        executor.close()


def test_an_item_that_kills_its_workers_is_named(tmp_path: Path) -> None:
    def fatal(x: str) -> None:
        if x == "the culprit":
            with (tmp_path / "tries").open("a") as file:
                file.write("x")
            os._exit(77)

    executor = Processes(2)
    try:
        with pytest.raises(CartwheelError, match=r"3 workers.*item 2 of 3 \(the culprit\).*died \(exit code 77\)"):
            executor.map(fatal, ["one", "the culprit", "three"])
        assert (tmp_path / "tries").read_text() == "xxx"
        assert executor.map(str, [1, 2]) == ["1", "2"]  # and it can be used again
    finally:
        executor.close()


def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "doom").touch()

    def square(x: int) -> int:
        if x == 1 and once(tmp_path / "doom"):
            time.sleep(1000)
        return x * x

    executor = Processes(2, patience=1.0)
    try:
        start = time.monotonic()
        assert executor.map(square, range(4)) == [0, 1, 4, 9]
        assert 1.0 < time.monotonic() - start < 20
    finally:
        executor.close()


def test_who_hangs_each_time_is_named() -> None:
    executor = Processes(1, patience=0.4)
    try:
        with pytest.raises(CartwheelError, match=r"item 1 of 1 \(here\).*made no progress for 0\.4 s"):
            executor.map(lambda x: time.sleep(1000), ["here"])
    finally:
        executor.close()


@dataclass
class Slow:
    """Takes four times the patience below; `tells` of its progress, or not."""

    tells: bool
    progress: int = 0

    def __call__(self, item: int) -> int:
        for _ in range(40):
            time.sleep(0.1)
            self.progress += self.tells
        return os.getpid()


def test_slow_is_not_hanging() -> None:
    executor = Processes(1, patience=1.0)
    try:
        (first,) = executor.map(lambda x: os.getpid(), [0])
        assert executor.map(Slow(tells=True), [0]) == [first]
        with pytest.raises(CartwheelError, match="made no progress for 1 s"):
            executor.map(Slow(tells=False), [0])
    finally:
        executor.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_what_befalls_idle_workers_is_no_items_fault(number: signal.Signals) -> None:
    """All of them at once, more than an item may cost."""
    executor = warm(Processes(4, patience=2.0))
    try:
        pids = {process.pid for process in multiprocessing.active_children() if process.pid is not None}
        assert len(pids) == 4
        for pid in pids:
            os.kill(pid, number)
        assert pids.isdisjoint(executor.map(lambda x: os.getpid(), range(12)))
        assert not any(_alive(pid) for pid in pids)
    finally:
        executor.close()


def test_an_exception_says_where_it_was_raised() -> None:
    def fail(x: int) -> int:
        raise KeyError("some words")

    line = fail.__code__.co_firstlineno + 1
    executor = Processes(1)
    try:
        with pytest.raises(CartwheelError, match="KeyError: 'some words'") as caught:
            executor.map(fail, [1])
        assert str(caught.value).endswith(f"(test_executors.py, line {line})")
        (note,) = caught.value.__notes__
        assert re.search(rf'test_executors.py", line {line}, in fail\n +raise KeyError', note)
    finally:
        executor.close()


def test_the_notes_of_a_fault_have_its_traceback_too() -> None:
    def fail(x: int) -> int:
        raise EnvironmentFault("mine", 11, 22, "reward", "bad")

    executor = Processes(1)
    try:
        with pytest.raises(EnvironmentFault) as caught:
            executor.map(fail, [1])
        assert f"line {fail.__code__.co_firstlineno + 1}, in fail" in caught.value.__notes__[0]
    finally:
        executor.close()


def test_a_result_that_can_not_travel_is_an_error() -> None:
    executor = Processes(1)
    try:
        with pytest.raises(CartwheelError, match="a worker failed: TypeError: cannot pickle"):
            executor.map(lambda x: open(os.devnull), [1])  # noqa: PTH123, SIM115
    finally:
        executor.close()


def test_ctrl_c_ends_the_map_and_the_workers() -> None:
    program = """
        import time
        from multiprocessing import active_children
        from cartwheel.training.executors import Processes
        executor = Processes(2)
        executor.map(abs, range(2))
        print(*(process.pid for process in active_children()), flush=True)
        try:
            executor.map(lambda x: time.sleep(60), range(2))
        except KeyboardInterrupt:
            print("interrupted", len(executor.members), flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the workers too
    assert process.communicate(timeout=15) == ("interrupted 0\n", "")
    assert process.returncode == 0
    assert not any(_alive(pid) for pid in pids)


def test_an_exception_that_can_not_travel_arrives_as_words() -> None:
    class LocalError(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("no")

    def fail(x: int) -> int:
        raise LocalError("some words")

    executor = Processes(1)
    try:
        with pytest.raises(CartwheelError, match="LocalError: some words"):
            executor.map(fail, [1])
    finally:
        executor.close()


def test_after_an_exception_the_answers_are_those_of_the_next_items() -> None:
    """Answers that were still under way must not be taken for the next ones; the first failure in order is told."""

    def fail(x: int) -> int:
        time.sleep(0.1 * (x == 1))
        if x in (1, 2):
            raise EnvironmentFault("mine", x, 0, "reset", "bad")
        return 10 * x

    executor = Processes(2)
    try:
        with pytest.raises(EnvironmentFault) as caught:
            executor.map(fail, [1, 2, 3, 4])
        assert caught.value.seed == 1  # though 2 failed sooner
        assert executor.map(fail, [5, 6, 7]) == [50, 60, 70]
    finally:
        executor.close()


def test_what_workers_hold_open_is_closed(tmp_path: Any) -> None:
    @dataclass
    class Holder:
        folder: Any

        def __call__(self, item: int) -> int:
            (self.folder / f"open-{os.getpid()}").touch()
            time.sleep(0.2)
            return item

        def close(self) -> None:
            (self.folder / f"closed-{os.getpid()}").touch()

    def names() -> list[str]:
        return sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())

    executor = warm(Processes(2))
    executor.map(Holder(tmp_path), range(4))
    assert names() == ["open", "open"]
    executor.map(lambda x: time.sleep(0.2), range(4))  # another function in its place
    assert names() == ["closed", "closed", "open", "open"]
    for path in tmp_path.iterdir():
        path.unlink()
    executor.map(Holder(tmp_path), range(4))
    executor.close()
    assert names() == ["closed", "closed", "open", "open"]


def test_workers_end_when_their_parent_is_killed() -> None:
    program = """
        import time
        from multiprocessing import active_children
        from cartwheel.training.executors import Processes
        executor = Processes(2)
        executor.map(abs, range(4))
        print(*(process.pid for process in active_children()), flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in pids)


def test_a_script_without_a_guard_works_with_workers(tmp_path: Any) -> None:
    """`spawn` alone would run the script again in each worker; and the class is known to the script only."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import gymnasium, numpy as np, cartwheel

        print("once")

        class Mine(gymnasium.Env):
            observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
            action_space = gymnasium.spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.x = self.np_random.uniform(-1, 1, 1).astype(np.float32)
                self.t = 0
                return self.x, {}

            def step(self, action):
                self.t += 1
                return self.x, float(action == (self.x[0] > 0)), self.t == 5, False, {}

        for workers in (1, 2):
            run = cartwheel.train(Mine, algorithm="genetic", name=f"run-{workers}", hooks=[], workers=workers,
                                  population=8, generations=2)
            print(run.digest())
        """)
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    once, first, second = done.stdout.split()
    assert once == "once"
    assert first == second


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().split()[2] != "Z"
    except OSError:
        return False

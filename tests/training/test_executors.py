"""Executors: order, errors, workers that die, classes that only the main script knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
    executor = Processes(2)
    try:
        pids = executor.map(lambda x: (time.sleep(0.05), os.getpid())[1], range(8))
        assert len(set(pids)) == 2
        assert os.getpid() not in pids
    finally:
        executor.close()


def test_a_worker_that_dies_is_an_error_not_a_wait() -> None:
    executor = Processes(2)
    try:
        with pytest.raises(CartwheelError, match="worker process died"):
            executor.map(lambda x: os.kill(os.getpid(), signal.SIGKILL), [1, 2])
    finally:
        executor.close()


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
            time.sleep(0.05)
            return item

        def close(self) -> None:
            (self.folder / f"closed-{os.getpid()}").touch()

    executor = Processes(2)
    executor.map(Holder(tmp_path), range(4))
    executor.close()
    names = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert names == ["closed", "closed", "open", "open"]


def test_workers_end_when_their_parent_is_killed() -> None:
    program = """
        import os, time
        from cartwheel.training.executors import Processes
        executor = Processes(2)
        print(*set(executor.map(lambda x: (time.sleep(0.1), os.getpid())[1], range(4))), flush=True)
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
            run = cartwheel.train(Mine, name=f"run-{workers}", hooks=[], workers=workers, population=8, generations=2)
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

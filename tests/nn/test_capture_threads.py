"""Captured steps in several threads: side by side, but none while another one is recorded."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, get_ident
from typing import Any

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.nn import functions as F
from cartwheel.nn import optimizers
from cartwheel.nn.capture import capture, turns

X = np.random.default_rng(0).normal(size=(8, 4))
T = np.random.default_rng(1).normal(size=(8, 2))


def made(optimizer: Any, pause: float = 0.0, recording: Event | None = None) -> tuple[Any, Any, Callable[..., Any]]:
    """A model, its optimizer, and its training step, which takes a pause where it is recorded, and says so."""
    nn.seed(1)
    model = nn.MLP((6, 2), activation=F.tanh, in_size=4, dtype=np.float64)
    optimizer = optimizer.setup(model)

    def step(x: Any, t: Any) -> Any:
        if recording is not None:
            recording.set()
        time.sleep(pause)
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return model, optimizer, step


@contextmanager
def together(*works: Callable[[], Any]) -> Iterator[list[Thread]]:
    """In threads of their own, beside the block; none may hang."""
    threads = [Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join(60.0)
        assert not thread.is_alive(), "a thread hangs"


def test_calls_of_one_are_made_one_after_the_other() -> None:
    nn.seed(1)
    model = nn.MLP((64, 64, 2), activation=F.tanh, in_size=4)
    optimizer = optimizers.SGD(0.0).setup(model)
    ask, wrong = capture(lambda x: model(x)), []

    def step(x: Any) -> Any:
        loss = F.mean(model(x) ** 2)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    counted = capture(step)
    inputs = [np.full((64, 4), k, np.float32) for k in range(3)]
    wanted = [ask(x).data for x in inputs]

    def go(k: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(300):
                if not np.array_equal(ask(inputs[k]).data, wanted[k]):
                    wrong.append(k)
                counted(inputs[k])

        return work

    with together(*map(go, range(3))):
        pass
    assert not wrong
    assert optimizer.step == 900


def test_programs_rest_while_another_thread_records() -> None:
    recording = Event()
    model, _, step = made(optimizers.SGD(0.1), 0.05, recording)
    ask, found = capture(lambda x: model(x)), []
    wanted = [ask(X).data for _ in range(2)][-1]
    with together(lambda: capture(step).program(X, T)) as (recorder,):
        recording.wait(60.0)
        while True:
            found.append(ask(X).data)
            if not recorder.is_alive():
                break
    assert all(np.array_equal(one, wanted) for one in found)


def test_a_recording_changes_nothing_that_programs_of_other_threads_learn() -> None:
    recording, ended = Event(), Event()
    model, optimizer, step = made(optimizers.SGD(0.01))
    twin, _, again = made(optimizers.SGD(0.01))
    train = capture(step)
    train.program(X, T)

    def learn() -> None:
        while not ended.is_set():
            train.repeat(1000, X, T)

    def another(x: Any) -> Any:
        recording.set()
        time.sleep(0.02)
        return F.sum(model(x))

    with together(learn):
        for _ in range(10):
            capture(another).program(X)
        ended.set()
    assert recording.is_set()
    assert optimizer.step > 0
    capture(again).repeat(optimizer.step, X, T)
    np.testing.assert_array_equal(model.theta, twin.theta)


def test_recordings_at_once_change_nothing() -> None:
    model, optimizer, step = made(optimizers.Adam(0.1))
    model(X)
    before, troubles = model.theta.copy(), []

    def go() -> None:
        for _ in range(5):
            try:
                capture(step).program(X, T)
            except RuntimeError as trouble:
                troubles.append(trouble)

    with together(go, go, go):
        pass
    np.testing.assert_array_equal(model.theta, before)
    assert not troubles
    assert optimizer.step == 0


def test_a_step_is_recorded_while_others_run_without_a_pause() -> None:
    ended = Event()

    def go() -> None:
        model, _, _ = made(optimizers.SGD(0.1))
        ask = capture(lambda x: model(x))
        while not ended.is_set():
            ask(X)

    model, _, _ = made(optimizers.SGD(0.1))
    with together(go, go):
        for rows in range(1, 9):
            found = capture(lambda x: model(x))(X[:rows]).data
            np.testing.assert_allclose(found, model(X[:rows]).data, rtol=1e-12)
        ended.set()


def test_a_profile_is_made_alone() -> None:
    _, _, step = made(optimizers.SGD(0.1))
    program, running, ended = capture(step).program(X, T), Event(), Event()

    def run() -> None:
        running.set()
        ended.wait(60.0)

    with together(lambda: turns.side_by_side(run)):
        running.wait(60.0)
        with together(lambda: program.profile(3)) as (profiler,):
            time.sleep(0.1)
            assert profiler.is_alive()
            ended.set()


def test_a_recording_that_waits_keeps_nobody_waiting_until_its_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    running, ended = Event(), Event()

    def run() -> None:
        running.set()
        ended.wait(60.0)

    monkeypatch.setattr(turns, "_PATIENCE", 60.0)
    with together(lambda: turns.side_by_side(run)):
        running.wait(60.0)
        with together(lambda: turns.alone(lambda: None)) as (recorder,):
            assert turns.side_by_side(lambda: "done") == "done"
            assert recorder.is_alive()
            ended.set()

    running.clear()
    ended.clear()
    monkeypatch.setattr(turns, "_PATIENCE", 0.0)
    with together(lambda: turns.side_by_side(run)):
        running.wait(60.0)
        with together(lambda: turns.alone(lambda: None)):
            while turns._recorder is None:
                time.sleep(1e-3)
            with together(lambda: turns.side_by_side(lambda: "done")) as (late,):
                time.sleep(0.05)
                assert late.is_alive()
                ended.set()


def test_a_program_within_another_one_leaves_it_running() -> None:
    inner, seen = capture(lambda x: F.tanh(x)), []

    class Calls(nn.Function):
        def forward(self, x: Any) -> Any:
            inner.program(X)
            seen.append(get_ident() in turns._running)
            capture(lambda x: F.exp(x)).program(X)
            seen.append(get_ident() in turns._running)
            return x

    ask = capture(lambda x: Calls()(x) * 2.0)
    ask.program(X)
    seen.clear()
    ask(X)
    assert seen == [True, True]
    assert not turns._running


def test_a_step_that_waits_for_another_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST", 0.1)
    ask, troubles = capture(lambda x: F.tanh(x)), []
    ask(X)

    def call() -> None:
        try:
            ask(X)
        except RuntimeError as trouble:
            troubles.append(str(trouble))

    def step(x: Any) -> Any:
        with together(call):
            pass
        return F.tanh(x)

    capture(step).program(X)
    assert len(troubles) == 3
    assert "does that step wait for this thread?" in troubles[0]
    np.testing.assert_allclose(ask(X).data, np.tanh(X), rtol=1e-12)


def alone_in_a_process(program: str) -> str:
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no timers of signals")
def test_signals_at_any_time_leave_nothing_behind() -> None:
    found = alone_in_a_process("""
        import signal, threading, time
        import numpy as np
        from cartwheel.nn import functions as F
        from cartwheel.nn.capture import capture, turns

        ask, record, x = capture(lambda x: F.tanh(x)), lambda: capture(lambda x: F.exp(x)).program(x), np.ones(3)
        ask(x), record()

        class Broken(Exception):
            pass

        def handler(*_):
            raise Broken

        signal.signal(signal.SIGALRM, handler)
        rng, broken, left = np.random.default_rng(0), 0, 0
        until = time.monotonic() + 3.0
        while time.monotonic() < until:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 3e-4))
                while True:
                    ask(x)
                    if broken % 4 == 0:
                        record()
            except Broken:
                broken += 1
            left += bool(turns._running) or turns._recorder is not None
        thread = threading.Thread(target=lambda: (ask(x), record()), daemon=True)
        thread.start()
        thread.join(30.0)
        print(broken > 100, left, thread.is_alive())
    """)
    assert found == "True 0 False\n"


@pytest.mark.skipif(not hasattr(turns.os, "fork"), reason="no fork")
def test_a_forked_process_waits_for_none_of_its_parents_threads() -> None:
    found = alone_in_a_process("""
        import os, threading, time
        import numpy as np
        from cartwheel.nn import functions as F
        from cartwheel.nn.capture import capture

        ask, x, recording = capture(lambda x: F.tanh(x)), np.ones(3), threading.Event()
        ask(x)

        def slow(x):
            recording.set()
            time.sleep(0.5)
            return F.exp(x)

        thread = threading.Thread(target=lambda: capture(slow).program(x))
        thread.start()
        recording.wait()
        child = os.fork()
        if child == 0:
            threading.Timer(20.0, os._exit, (1,)).start()
            ask(x)
            capture(lambda x: F.exp(x))(x)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
    """)
    assert found == "0\n"

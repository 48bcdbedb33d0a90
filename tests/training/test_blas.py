"""One thread for BLAS while a network learns, and as many as before afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.training import blas
from cartwheel.training.blas import one_thread, threads
from cartwheel.training.hooks import Hook, Plan

WHEELS = pytest.mark.skipif(threads() is None, reason="NumPy stands on another BLAS here, which is left as it is")


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """BLAS with two threads, unless it was built for one."""
    for name in blas.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = [(set_, get()) for get, set_ in blas._libraries()]
    for set_, _ in before:
        set_(2)
    yield threads()
    for set_, count in before:
        set_(count)


@WHEELS
def test_one_thread_within_and_as_many_as_before_after(two_threads: int) -> None:
    with one_thread():
        assert threads() == 1
        assert all(get() == 1 for get, _ in blas._libraries())
        np.testing.assert_array_equal(np.ones((300, 300)) @ np.ones((300, 300)), np.full((300, 300), 300.0))
    assert threads() == two_threads
    with pytest.raises(RuntimeError, match="in the middle"), one_thread():
        raise RuntimeError("in the middle")
    assert threads() == two_threads


@WHEELS
@pytest.mark.parametrize("name", blas.VARIABLES)
def test_a_user_s_variable_goes_before(two_threads: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    with one_thread():
        assert threads() == two_threads


def test_another_library_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libopenblas.so").write_bytes(b"no library")
    monkeypatch.setattr(blas, "_files", lambda: [tmp_path / "libopenblas.so"])
    blas._libraries.cache_clear()
    try:
        assert threads() is None
        with one_thread():
            assert threads() is None
    finally:
        blas._libraries.cache_clear()


class Watch(Hook):
    def __init__(self) -> None:
        self.told: list[int | None] = []
        self.seen: list[int | None] = []

    def start(self, plan: Plan) -> None:
        self.told.append(plan.blas)

    def row(self, row: Any) -> None:
        self.seen.append(threads())


@WHEELS
def test_learning_from_steps_is_on_one_thread_and_evolution_as_it_was(two_threads: int, tmp_path: Path) -> None:
    watch = Watch()
    for algorithm in ("q-learning", "random-search"):
        cartwheel.train(
            "cartwheel/GridWorld-v0", algorithm=algorithm, generations=2, name=algorithm, runs=tmp_path, hooks=[watch]
        )
    assert watch.told == [1, None]
    assert watch.seen == [1, two_threads, two_threads]
    assert threads() == two_threads

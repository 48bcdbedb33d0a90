"""The pool's rules on members that follow a script: who gets what, who is replaced, when it gives up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cloudpickle
import pytest

from cartwheel.errors import CartwheelError
from cartwheel.training.executors import pool as pool_module
from cartwheel.training.executors.pool import LostError, Member, Pool, Word

# What a member does: "ok" answers whatever it is asked; "dies" is gone at its first item, "stillborn" before it is
# there, "absent" never comes; "hangs" is silent at its first item; "late" comes when it is asked a second time.


class Scripted(Member):
    def __init__(self, script: str, clock: Clock) -> None:
        super().__init__()
        self.script, self.clock, self.killed = script, clock, False
        self.greetings = 0
        self.words: list[tuple[Word, Any]] = []

    def greet(self) -> None:
        self.greetings += 1
        if self.script == "stillborn":
            raise LostError("fell over")
        if self.script not in ("absent", "late"):
            self.words.append(("here", None))

    def give(self, payload: bytes, item: Any) -> None:
        if self.script == "hangs":
            return
        if self.script == "dies":
            self.words.append(("done", LostError))
            return
        try:
            self.words.append(("done", cloudpickle.loads(payload)(item)))
        except CartwheelError as problem:
            self.words.append(("failed", problem))

    def hear(self) -> tuple[Word, Any]:
        word, value = self.words.pop(0)
        if value is LostError:
            raise LostError("fell over")
        return word, value

    def kill(self) -> None:
        self.killed = True


class Clock:
    now = 0.0


class ScriptedPool(Pool[Scripted]):
    """A tick passes whenever nobody has anything to say."""

    def __init__(self, workers: int, scripts: str, patience: float = 10.0) -> None:
        super().__init__(workers, patience)
        self.clock, self.scripts, self.hired = Clock(), scripts.split(), list[Scripted]()

    def hire(self) -> Scripted:
        script = self.scripts[len(self.hired)] if len(self.hired) < len(self.scripts) else "ok"
        self.hired.append(Scripted(script, self.clock))
        return self.hired[-1]

    def ready(self, members: Sequence[Scripted]) -> list[Scripted]:
        assert not any(member.killed for member in members)
        talking = [member for member in members if member.words]
        if not talking:
            self.clock.now += self.tick
        return talking

    def dismiss(self) -> None:
        self.members = []


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pool's clock is its own; the maps look at the last one made."""
    clocks: list[Clock] = []
    made = Clock.__init__
    monkeypatch.setattr(Clock, "__init__", lambda self: (made(self), clocks.append(self))[0])
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: clocks[-1].now)


def double(x: int) -> int:
    return 2 * x


def fail_from_two(x: int) -> int:
    if x >= 2:
        raise CartwheelError(f"item {x}")
    return x


@pytest.mark.parametrize("scripts", ["ok", "dies", "dies dies", "hangs ok", "ok dies hangs", "stillborn stillborn ok"])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_are_the_same_whatever_befalls(scripts: str, workers: int) -> None:
    pool = ScriptedPool(workers, scripts)
    assert pool.map(double, range(7)) == [0, 2, 4, 6, 8, 10, 12]
    assert len(pool.members) == workers


def test_the_third_loss_in_a_row_of_one_item_is_the_last() -> None:
    pool = ScriptedPool(1, "dies hangs dies")
    with pytest.raises(
        CartwheelError, match=r"3 workers in a row were lost at item 1 of 2 \(7\): the last one fell over"
    ):
        pool.map(double, [7, 8])
    assert len(pool.hired) == 3


def test_losses_of_different_items_are_no_row() -> None:
    pool = ScriptedPool(4, "dies dies dies dies")
    assert pool.map(double, range(4)) == [0, 2, 4, 6]


def test_silence_begins_with_the_item_and_ends_at_patience() -> None:
    pool = ScriptedPool(1, "hangs", patience=10.0)
    assert pool.map(double, [1]) == [2]
    assert pool.hired[0].killed
    assert 10.0 < pool.clock.now <= 12.0  # the tick is 1 s


def test_starts_that_fail_are_counted_in_a_row() -> None:
    pool = ScriptedPool(1, "stillborn stillborn stillborn")
    with pytest.raises(CartwheelError, match="3 workers in a row were lost as they started: the last one fell over"):
        pool.map(double, [1])


def test_who_never_comes_is_not_waited_for_while_others_work() -> None:
    pool = ScriptedPool(3, "absent ok absent")
    assert pool.map(double, range(50)) == list(range(0, 100, 2))
    assert len(pool.hired) == 3
    assert pool.clock.now == 0.0


def test_without_a_single_worker_it_ends() -> None:
    pool = ScriptedPool(2, "absent absent")
    with pytest.raises(CartwheelError, match="no worker has started within 61 s"):
        pool.map(double, [1])


def test_who_was_asked_is_not_asked_again_and_works_when_it_comes() -> None:
    pool = ScriptedPool(2, "ok late")
    pool.map(double, [1])
    late = pool.hired[1]
    late.words.append(("here", None))
    late.script = "ok"
    assert pool.map(double, [1, 2, 3]) == [2, 4, 6]
    assert (late.greetings, late.joined) == (1, True)


def test_the_first_failure_in_order_is_told_though_its_worker_died() -> None:
    """Items 2 and 3 are at work when 3 fails; the worker of 2 is lost, and 2 is done again, to fail as well."""
    pool = ScriptedPool(2, "ok dies")
    with pytest.raises(CartwheelError, match="item 2"):
        pool.map(fail_from_two, [2, 3, 4, 5])


def test_after_a_failure_nothing_new_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    honest = Scripted.give
    monkeypatch.setattr(
        Scripted, "give", lambda self, payload, item: (begun.append(item), honest(self, payload, item))[0]
    )
    with pytest.raises(CartwheelError, match="item 2"):
        ScriptedPool(1, "ok").map(fail_from_two, range(9))
    assert begun == [0, 1, 2]


def test_a_machine_that_slept_has_not_lost_its_workers() -> None:
    """An hour in one look counts for two ticks."""
    pool = ScriptedPool(1, "hangs", patience=10.0)
    slept = False

    def ready(members: Sequence[Scripted]) -> list[Scripted]:
        nonlocal slept
        if not slept and pool.hired[0].joined:
            slept, pool.clock.now = True, pool.clock.now + 3600.0
            pool.hired[0].words.append(("done", 2))
            return []
        return ScriptedPool.ready(pool, members)

    pool.ready = ready  # type: ignore[method-assign]
    assert pool.map(double, [1]) == [2]
    assert len(pool.hired) == 1

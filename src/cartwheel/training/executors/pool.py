"""Workers that may die, hang or never start, and a map that gives the same results all the same.

An item is a pure task: whoever does it, and however often, gets the same. So the item of a worker that is lost goes to
another worker, and a new one takes the lost one's place.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from cartwheel.errors import CartwheelError, one_line
from cartwheel.training.executors.base import R, T
from cartwheel.training.executors.parcels import packed
from cartwheel.training.settings import PATIENCE

# Workers in a row that an item may cost; starts in a row that may fail.
_TRIES = 3
#: Seconds, at least, that the first worker is given to start.
START = 60.0
# Seconds, at most, between two looks at who is silent.
_TICK = 1.0

Word: TypeAlias = Literal["here", "beat", "still", "done", "failed"]
"""What a worker says: it is there; it gets on; it does not; here is a result; here is an exception."""


class LostError(Exception):
    """A worker is gone, or has to be given up; the text says how."""


class Member(ABC):
    """A worker as its pool sees it. `silence` is for how many seconds it has made no progress."""

    def __init__(self) -> None:
        self.joined = False  # it has been there at least once
        self.asked = False  # it was greeted, and has not answered yet
        self.silence = 0.0

    @abstractmethod
    def greet(self) -> None:
        """Ask whether it is there; LostError if it can't be asked."""

    @abstractmethod
    def give(self, payload: bytes, item: Any) -> None:
        """Have it do an item with a packed function; LostError if it is gone."""

    @abstractmethod
    def hear(self) -> tuple[Word, Any]:
        """What it has to say, now that there is something; LostError if it is gone."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, whatever it is at."""


M = TypeVar("M", bound=Member)


class Pool(ABC, Generic[M]):
    """An executor of members that see nothing of this process's memory; started with the first map."""

    shared = False

    def __init__(self, workers: int, patience: float = PATIENCE) -> None:
        self.workers, self.patience = workers, patience
        self.tick = min(_TICK, patience / 4)
        self.members: list[M] = []

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results in order; each worker takes the next item as soon as it is free.

        CartwheelError if an item costs several workers in a row, or none can start. After an exception all workers are
        ended: what they still had to say would be taken for the next answers.
        """
        try:
            return _Map(self, packed(function), items).run() if len(items) else []
        except BaseException:
            self.dismiss()
            raise

    def close(self) -> None:
        """End the workers."""
        self.dismiss()

    def fill(self) -> None:
        """Have as many members as there are workers to be."""
        while len(self.members) < self.workers:
            self.members.append(self.hire())

    @abstractmethod
    def hire(self) -> M:
        """A new member, not yet greeted."""

    @abstractmethod
    def ready(self, members: Sequence[M]) -> list[M]:
        """Those of the members that have something to say, after a tick at most."""

    @abstractmethod
    def dismiss(self) -> None:
        """End all members: the idle ones may close what they hold, the others are stopped."""

    def shortage(self) -> str:
        """Why no member may have come, as the end of an error's line."""
        return "the machine may be overloaded, or out of memory"


class Watch:
    """Counts the seconds for which members are waited for, once in a tick."""

    def __init__(self, tick: float) -> None:
        self._tick, self._looked = tick, time.monotonic()

    def passed(self) -> float:
        """Seconds since the last look that counted; 0 where that is less than a tick ago.

        A look counts for a tick or two at most, so that a machine that slept has not lost all its workers.
        """
        now = time.monotonic()
        if now - self._looked < self._tick:
            return 0.0
        passed, self._looked = min(now - self._looked, 2 * self._tick), now
        return passed


class _Map(Generic[M]):
    """One map: which items wait, which member is at which, what has come of them."""

    def __init__(self, pool: Pool[M], payload: bytes, items: Sequence[Any]) -> None:
        self.pool, self.payload, self.items = pool, payload, items
        self.results: list[Any] = [None] * len(items)
        self.failures: dict[int, CartwheelError] = {}
        self.fresh = deque(range(len(items)))
        self.again: deque[int] = deque()
        self.losses: Counter[int] = Counter()
        self.false_starts = 0
        self.idle: list[M] = []
        self.joining: set[M] = set()
        self.busy: dict[M, int] = {}
        self.watch = Watch(pool.tick)
        self.alone = 0.0  # seconds without a worker that ever started

    def run(self) -> list[Any]:
        """Only who answers now gets an item: what has befallen idle workers is no item's fault."""
        self.pool.fill()
        for member in list(self.pool.members):
            self._greet(member)
        while self.busy or self._waiting():
            self._hand_out()
            for member in self.pool.ready([*self.busy, *self.joining]):
                self._hear(member)
            self._look_for_silence()
        if self.failures:
            raise self.failures[min(self.failures)]
        return self.results

    def _greet(self, member: M) -> None:
        member.silence = 0.0
        self.joining.add(member)
        if member.asked:  # in the map before, which came to its end without it
            return
        member.asked = True
        try:
            member.greet()
        except LostError as loss:
            self._lose(member, loss)

    def _hand_out(self) -> None:
        """Give items to whoever is idle."""
        while self.idle and self._waiting():
            index = (self.again or self.fresh).popleft()
            member = self.idle.pop()
            self.busy[member] = index
            try:
                member.give(self.payload, self.items[index])
            except LostError as loss:
                self._lose(member, loss)

    def _waiting(self) -> bool:
        """Whether an item is to be done. Once one has failed none is begun, but those that were begun are finished.

        So it depends on no clock which failure is told.
        """
        return bool(self.again) or (not self.failures and bool(self.fresh))

    def _hear(self, member: M) -> None:
        try:
            word, value = member.hear()
        except LostError as loss:
            self._lose(member, loss)
            return
        if word != "still":
            member.silence = 0.0
        if word == "here":
            self.joining.discard(member)
            self.idle.append(member)
            member.joined, member.asked = True, False
            self.false_starts = 0
        elif word in ("done", "failed"):
            index = self.busy.pop(member)
            (self.results if word == "done" else self.failures)[index] = value
            self.idle.append(member)

    def _look_for_silence(self) -> None:
        """Give up who is silent for too long; who has never joined may wait for a place, as long as others work."""
        passed = self.watch.passed()
        if not passed:
            return
        for member in [*self.busy, *self.joining]:
            member.silence += passed
            if member.joined and member.silence > self.pool.patience:
                self._lose(member, LostError(f"made no progress for {self.pool.patience:g} s"))
        self.alone = 0.0 if any(member.joined for member in self.pool.members) else self.alone + passed
        if self.alone > max(self.pool.patience, START):
            raise CartwheelError(f"no worker has started within {self.alone:.0f} s; {self.pool.shortage()}")

    def _lose(self, member: M, loss: LostError) -> None:
        """Replace a member, and have its item done again; CartwheelError where that has been tried often enough."""
        member.kill()
        self.pool.members.remove(member)
        self.joining.discard(member)
        index = self.busy.pop(member, None)
        if index is not None:
            self.losses[index] += 1
            if self.losses[index] == _TRIES:
                raise CartwheelError(self._too_many(index, loss))
            self.again.append(index)
        elif not member.joined:
            self.false_starts += 1
            if self.false_starts == _TRIES:
                raise CartwheelError(f"{_TRIES} workers in a row were lost as they started: the last one {loss}")
        new = self.pool.hire()
        self.pool.members.append(new)
        self._greet(new)

    def _too_many(self, index: int, loss: LostError) -> str:
        item = f"item {index + 1} of {len(self.items)} ({one_line(self.items[index])})"
        why = "its environment may crash or block, or memory run out"
        return f"{_TRIES} workers in a row were lost at {item}: the last one {loss}; {why}"

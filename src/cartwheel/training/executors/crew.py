"""Workers that keep what they work on: each has an object of its own, and is told what to do with it, all at a time.

An order is no pure task: it tells of what the object has become. So of a worker that is lost it is said that it is, and
whoever gives the orders brings the new one, in the same place, to where the lost one was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartwheel.errors import CartwheelError
from cartwheel.training.executors.parcels import packed
from cartwheel.training.executors.pool import START, LostError, Member, Pool, Watch


class Crew:
    """The members of a pool, started with the first orders; each gets a copy of `thing`, a function of its orders.

    UsageError for a thing that can't be sent to another process.
    """

    def __init__(self, thing: Any, pool: Pool[Any]) -> None:
        self._payload, self._pool = packed(thing), pool
        self.size = pool.workers

    def exchange(self, orders: Mapping[int, Any]) -> tuple[dict[int, Any], dict[int, str]]:
        """What the workers of these numbers answer to their orders, and how those were lost that do not.

        One that is silent for longer than the pool's patience is given up. In the place of a lost one stands a new one,
        whose thing has done nothing yet. The exception of the first worker, in the order of their numbers, that has one
        is raised; after any exception all workers are ended.
        """
        try:
            self._pool.fill()
            return _Exchange(self._pool, self._payload).run(orders)
        except BaseException:
            self._pool.dismiss()
            raise

    def close(self) -> None:
        """End the workers, who close what they hold."""
        self._pool.close()


class _Exchange:
    """One exchange: who has yet to answer, and what has come."""

    def __init__(self, pool: Pool[Any], payload: bytes) -> None:
        self._pool, self._payload, self._watch = pool, payload, Watch(pool.tick)
        self._asked: dict[Member, int] = {}
        self._answers: dict[int, Any] = {}
        self._failures: dict[int, CartwheelError] = {}
        self._lost: dict[int, str] = {}

    def run(self, orders: Mapping[int, Any]) -> tuple[dict[int, Any], dict[int, str]]:
        for number, order in orders.items():
            member = self._pool.members[number]
            self._asked[member], member.silence = number, 0.0
            try:
                member.give(self._payload, order)
            except LostError as loss:
                self._lose(member, loss)
        while self._asked:
            for member in self._pool.ready(list(self._asked)):
                self._hear(member)
            self._look_for_silence()
        if self._failures:
            raise self._failures[min(self._failures)]
        return self._answers, self._lost

    def _hear(self, member: Member) -> None:
        try:
            word, value = member.hear()
        except LostError as loss:
            self._lose(member, loss)
            return
        member.silence, member.joined = 0.0, True
        if word in ("done", "failed"):
            (self._answers if word == "done" else self._failures)[self._asked.pop(member)] = value

    def _look_for_silence(self) -> None:
        """Give up who has been silent for too long; who has never spoken may still be starting."""
        passed = self._watch.passed()
        if not passed:
            return
        for member in list(self._asked):
            member.silence += passed
            patience = self._pool.patience if member.joined else max(self._pool.patience, START)
            if member.silence > patience:
                self._lose(member, LostError(f"made no progress for {patience:g} s"))

    def _lose(self, member: Member, loss: LostError) -> None:
        """Put a new worker in the place of one that is gone."""
        member.kill()
        number = self._asked.pop(member)
        self._lost[number] = str(loss)
        self._pool.members[number] = self._pool.hire()

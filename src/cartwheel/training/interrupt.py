"""Ctrl-C and SIGTERM while training: the generation's work is dropped, a checkpoint written, nothing else lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cartwheel.errors import CartwheelError


class Interrupted(CartwheelError):  # noqa: N818 (an event more than an error)
    """The run was interrupted after its state was saved; `exit_status` is 130 for Ctrl-C and 143 for SIGTERM.

    `advice` says what to do now.
    """

    def __init__(self, signal_number: int, advice: str) -> None:
        super().__init__(f"interrupted; {advice}")
        self.signal = signal_number
        self.exit_status = 128 + signal_number


class Stop(KeyboardInterrupt):
    """Raised where a generation is being measured. No Exception, so that no environment's wrapper swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal_number


class Interrupts:
    """Turns the first signal into a `Stop`, at once inside `breakable()` and at the next `check()` elsewhere.

    A second signal is raised wherever it comes. Outside the main thread signals can't be listened to; nothing is done.
    """

    def __init__(self) -> None:
        self._pending: int | None = None
        self._breakable = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the signals within."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, self._receive) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Within, nothing is changed that has to be finished: a signal ends it at once."""
        self.check()
        self._breakable = True
        try:
            yield
        except Exception:
            self.check()  # compiled code may turn what a signal raised in it into an error of its own
            raise
        finally:
            self._breakable = False

    @property
    def pending(self) -> int | None:
        """The signal that has come, if one has."""
        return self._pending

    def check(self) -> None:
        """Raise `Stop` if a signal has come."""
        if self._pending is not None:
            raise Stop(self._pending)

    def _receive(self, number: int, frame: FrameType | None) -> Any:
        if self._pending is not None:
            raise Stop(number)
        self._pending = number
        if self._breakable:
            raise Stop(number)

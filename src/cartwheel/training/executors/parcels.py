"""What travels between a process and its workers: functions there, exceptions back, and what a worker does with both.

cloudpickle carries functions, so that classes of a script or notebook travel too; it is never used on files.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import cloudpickle

from cartwheel.errors import CartwheelError, UsageError, one_line


def packed(function: Any) -> bytes:
    """A function as it travels to another process; UsageError for one that can't."""
    try:
        payload: bytes = cloudpickle.dumps(function)
        return payload
    except Exception as problem:
        raise UsageError(
            f"what makes the environment can't be sent to worker processes ({one_line(problem)}); use one worker, or a "
            "class or function that holds nothing of this process"
        ) from None


class Workbench:
    """A worker's end: the function that it was sent last, kept until another comes."""

    def __init__(self) -> None:
        self._function: Any = None

    @property
    def progress(self) -> Any:
        """Something that changes as long as the function gets on with its item; None where it does not tell."""
        return getattr(self._function, "progress", None)

    def take(self, payload: bytes) -> None:
        """Have the packed function in place of the one before, which is closed."""
        self.close()
        self._function = cloudpickle.loads(payload)

    def do(self, item: Any) -> tuple[bool, Any]:
        """Whether all went well with an item, and the result, or an exception fit to travel."""
        try:
            return True, self._function(item)
        except Exception as problem:
            return False, portable(problem)

    def close(self) -> None:
        """Close what the function holds open, such as a rollout's environments."""
        close = getattr(self._function, "close", None)
        self._function = None
        if close is not None:
            close()


def portable(problem: Exception) -> CartwheelError:
    """A worker's exception as it travels: one of ours as it is, of another the words, for it may not survive the way.

    The words say where it was raised; the whole traceback, which does not travel, is added as a note.
    """
    frames = traceback.extract_tb(problem.__traceback__)
    if isinstance(problem, CartwheelError):
        told = problem
    else:
        where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        told = CartwheelError(f"a worker failed: {type(problem).__name__}: {one_line(problem)}{where}")
    told.add_note("In the worker:\n" + "".join(traceback.format_exception(problem)))
    return told

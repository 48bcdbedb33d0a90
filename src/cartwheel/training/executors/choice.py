"""Which executor a run gets."""

from __future__ import annotations

from typing import Any

from cartwheel.errors import UsageError
from cartwheel.training.executors.base import Executor
from cartwheel.training.executors.crew import Crew
from cartwheel.training.executors.processes import Processes
from cartwheel.training.executors.serial import Serial
from cartwheel.training.executors.threads import Threads
from cartwheel.training.settings import PATIENCE


def make_executor(
    workers: int, path: str, kind: str = "auto", address: str | None = None, patience: float = PATIENCE
) -> Executor:
    """The executor of a kind for a rollout's path, "native" (compiled) or "general".

    `auto` is the caller itself for one worker, else threads for a compiled rollout and processes for the other.
    `address` is a Ray cluster's HOST:PORT; `patience` is the number of seconds without progress after which a process
    or an actor is replaced. UsageError for threads where nothing is compiled, and for a cluster that can't be had.
    """
    if kind == "auto":
        kind = "serial" if workers == 1 else "threads" if path == "native" else "processes"
    match kind:
        case "serial":
            return Serial()
        case "threads" if path == "native":
            return Threads(workers)
        case "threads":
            raise UsageError(
                "--executor threads: expected an environment with compiled physics, got one of Python's, which would "
                "take turns; give --executor processes"
            )
        case "processes":
            return Processes(workers, patience)
        case _:
            return _ray(workers, address, patience)


def make_crew(thing: Any, workers: int, kind: str = "auto", patience: float = PATIENCE) -> Crew | None:
    """Processes that keep copies of a thing, for a kind of executor; None where the caller keeps it.

    That is `auto` with one worker, and Ray, a message of which takes longer than most steps of an environment.
    """
    if kind == "processes" or (kind == "auto" and workers > 1):
        return Crew(thing, Processes(workers, patience))
    return None


def _ray(workers: int, address: str | None, patience: float) -> Executor:
    try:
        from cartwheel.training.executors.ray import Ray
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] != "ray":
            raise
        raise UsageError("--executor ray needs an extra: pip install 'cartwheel[ray]'") from None
    return Ray(workers, address, patience)

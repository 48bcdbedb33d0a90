"""Actors of a Ray cluster: one that is started here, or one that runs already. The only file that knows Ray.

Ray tells much on its own account, on the standard output too, which is for what a command has to say; so its messages
are kept off, and what went wrong is told in one line. It authenticates by a token: see docs/scaling.md.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cartwheel.errors import UsageError, one_line
from cartwheel.training.executors.parcels import Workbench, portable
from cartwheel.training.executors.pool import LostError, Member, Pool, Word
from cartwheel.training.settings import PATIENCE

# The messages of Ray's processes would come on the standard output; the variable is read when Ray is imported.
_SKIP = "RAY_DEDUP_LOGS_SKIP_REGEX"
_skipped = os.environ.get(_SKIP)
os.environ[_SKIP] = "."
try:
    import ray
finally:
    os.environ.pop(_SKIP) if _skipped is None else os.environ.update({_SKIP: _skipped})

# Seconds that all actors together are given to close their environments.
_FAREWELL = 2.0

# Seconds within which a cluster's head has to take a connection.
_KNOCK = 10.0
# Bytes of Ray's messages that are looked through.
_LONGEST = 100_000

_PACKAGES = ("cartwheel", "numpy", "numba", "gymnasium")


class Ray(Pool["_Actor"]):
    """Actors, each of which takes one of the cluster's CPUs.

    The packed function is put into the cluster's memory once, fetched once by each actor and kept; a call carries the
    item. The cluster at `address` (HOST:PORT) has to have a node on this machine; without an address one is started,
    which ends with the executor. Ray that this process has begun already is used as it is.
    UsageError for a cluster that can't be reached, for want of a token, or where an actor has other versions.
    """

    def __init__(self, workers: int, address: str | None = None, patience: float = PATIENCE) -> None:
        super().__init__(workers, patience)
        self._leave = weakref.finalize(self, _connect(workers, address))
        self._parcel: tuple[bytes, Any] = (b"", None)

    def hire(self) -> _Actor:
        """Have the cluster make an actor, when it finds a place for it."""
        return _Actor(self._put, self.tick)

    def ready(self, members: Sequence[_Actor]) -> list[_Actor]:
        """Those whose answer has come, or who have been asked how they get on."""
        owners = {reference: member for member in members for reference in member.awaited()}
        first, _ = ray.wait(list(owners), timeout=self.tick)
        done, _ = ray.wait(list(owners), num_returns=len(owners), timeout=0) if first else (first, None)
        return list(dict.fromkeys(owners[reference] for reference in done))

    def dismiss(self) -> None:
        """End the actors: those that are idle close what they hold, the others are stopped."""
        leaving, self.members = self.members, []
        farewells = [member.bid_farewell() for member in leaving if member.joined]
        if farewells:
            ray.wait(farewells, num_returns=len(farewells), timeout=_FAREWELL)
        for member in leaving:
            member.kill()

    def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        self.dismiss()
        self._leave()

    def shortage(self) -> str:
        """How many CPUs the cluster has."""
        total, free = (int(cpus.get("CPU", 0)) for cpus in (ray.cluster_resources(), ray.available_resources()))
        return f"each takes one CPU of the Ray cluster, which has {total}, {free} of them free"

    def _put(self, payload: bytes) -> Any:
        """The reference to a packed function in the cluster's memory."""
        if self._parcel[0] != payload:
            self._parcel = (payload, ray.put(payload))
        return self._parcel[1]


class _Actor(Member):
    """An actor and what it was asked."""

    def __init__(self, put: Callable[[bytes], Any], tick: float) -> None:
        super().__init__()
        self._put, self._tick = put, tick
        self._actor = _SERVANT.remote([path or os.getcwd() for path in sys.path])  # noqa: PTH109 (a text)
        self._answer: Any = None
        self._pulse: Any = None
        self._felt = time.monotonic()
        self._progress: Any = None

    def greet(self) -> None:
        self._answer = self._actor.here.remote()

    def give(self, payload: bytes, item: Any) -> None:
        self._felt = time.monotonic()
        self._answer = self._actor.do.remote([self._put(payload)], item)

    def awaited(self) -> list[Any]:
        """References of what has been asked; how it gets on is asked once in a tick."""
        if self._pulse is None and self.joined and time.monotonic() - self._felt > self._tick:
            self._pulse = self._actor.progress.options(concurrency_group="pulse").remote()
        return [reference for reference in (self._answer, self._pulse) if reference is not None]

    def hear(self) -> tuple[Word, Any]:
        try:
            if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
                answer, self._answer = self._answer, None
                word, value = ray.get(answer)
                return (_welcomed(word, value), None) if word == "here" else (word, value)
            progress, self._pulse, self._felt = ray.get(self._pulse), None, time.monotonic()
        except ray.exceptions.RayError as problem:
            raise LostError(f"died ({one_line(problem)})") from None
        moved, self._progress = progress != self._progress, progress
        return "beat" if moved else "still", None

    def bid_farewell(self) -> Any:
        """Have it close what it holds; the reference says when it has."""
        return self._actor.close.remote()

    def kill(self) -> None:
        with suppress(ray.exceptions.RayError, ValueError):
            ray.kill(self._actor)


class _Servant:
    """The actor: what is done on the cluster's nodes."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Modules are looked for where the caller looks for them, as far as the node has these folders."""
        sys.path.extend(path for path in paths if path not in sys.path and Path(path).exists())
        self._bench = Workbench()
        self._parcel: Any = None

    def here(self) -> tuple[Word, Any]:
        """That it is there, where it is, and the versions of what it works with."""
        return "here", (socket.gethostname(), _versions())

    def do(self, parcel: list[Any], item: Any) -> tuple[Word, Any]:
        """Do an item with the function in the parcel `[reference]`, which is fetched if it is another than before."""
        try:
            if parcel != self._parcel:
                self._bench.take(ray.get(parcel[0]))
                self._parcel = parcel
        except ray.exceptions.RayError:
            raise
        except Exception as problem:
            return "failed", portable(problem)
        good, value = self._bench.do(item)
        return ("done" if good else "failed"), value

    def progress(self) -> Any:
        """Something that changes as long as the work goes on."""
        return self._bench.progress

    def close(self) -> None:
        """Close what it holds."""
        self._bench.close()


# A group of its own for how it gets on, which can be asked while an item is done.
_SERVANT = ray.remote(num_cpus=1, max_restarts=0, concurrency_groups={"pulse": 1})(_Servant)


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES}


def _welcomed(word: Word, introduction: tuple[str, Mapping[str, str]]) -> Word:
    """The word, if the actor works with what this process does: equal results are promised for equal versions only."""
    node, theirs = introduction
    for package, ours in _versions().items():
        if theirs[package] != ours:
            raise UsageError(
                f"{package} is {theirs[package]} on the Ray cluster's {node}, and {ours} here: make it the same"
            )
    return word


def _connect(workers: int, address: str | None) -> Callable[[], None]:
    """Begin Ray; what to call to end it."""
    if ray.is_initialized():
        return _nothing
    about: dict[str, Any] = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    if address is not None:
        about = {"address": address}
    with _hushed() as said:
        try:
            _knock(address)
            ray.init(**about, log_to_driver=False, logging_level="CRITICAL")
        except Exception as problem:
            raise UsageError(_refusal(address, problem, said())) from None
    return _disconnect


def _knock(address: str | None) -> None:
    """OSError if nobody listens at an address; Ray itself would wait for minutes."""
    if address is not None:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK).close()


def _disconnect() -> None:
    with _hushed():
        ray.shutdown()


def _nothing() -> None:
    """Leave to others what others began."""


def _refusal(address: str | None, problem: Exception, said: str) -> str:
    """Why there is no cluster, in a line."""
    if isinstance(problem, ray.exceptions.AuthenticationError) or "AuthToken" in said:
        mode = os.environ.get("RAY_AUTH_MODE", "not set")
        return (
            f"--address {address}: the Ray cluster's token is missing or wrong (RAY_AUTH_MODE is {mode}): set "
            "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what `ray get-auth-token` prints on the cluster's head"
        )
    if address is None:
        return f"no Ray cluster could be started here: {one_line(problem)}"
    return (
        f"--address {address}: can't join the Ray cluster: {one_line(problem)}; it has to run, and this machine has to "
        f"be a node of it (ray start --address {address})"
    )


@contextmanager
def _hushed() -> Iterator[Callable[[], str]]:
    """Within, what is written to the standard error goes elsewhere; what is yielded gives it back.

    Ray's core writes to the descriptor itself. It also takes SIGTERM for its own, which is given back.
    """
    ours = threading.current_thread() is threading.main_thread()
    handler, kept = signal.getsignal(signal.SIGTERM), os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: os.pread(file.fileno(), _LONGEST, 0).decode(errors="replace")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if ours:
                signal.signal(signal.SIGTERM, handler)

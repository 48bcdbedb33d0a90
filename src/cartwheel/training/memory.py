"""Whether what an algorithm keeps has room in this machine's memory: looked at before anything is written."""

from __future__ import annotations

from pathlib import Path

from cartwheel.errors import UsageError

# A checkpoint needs what is kept three times more for a moment: the state is a copy, and so are the file's bytes.
_COPIES = 4

# As long as a network's parameters: the two moments of Adam, the gradient, the best policy, a checkpoint of these.
_VECTORS = 8

#: Observations that are in memory at a time whatever the algorithm: of episodes side by side, and what comes next.
FEWEST = 64

_CGROUP = Path("/sys/fs/cgroup")


def check_room(name: str, room: int) -> None:
    """UsageError where the `room` in bytes that the algorithm `name` wants is more than this machine has free."""
    free = free_memory()
    if free is not None and _COPIES * room > free:
        raise UsageError(
            f"{name} keeps up to {size_text(room)} of steps, and {_COPIES} times that while a checkpoint is written; "
            f"{size_text(free)} of memory are free: lower --capacity"
        )


def check_observations(name: str, numbers: int, kept: int) -> None:
    """UsageError where `kept` observations of the environment `name`, `numbers` each, do not fit."""
    free, one = free_memory(), 4 * numbers
    if free is not None and one * kept > free:
        raise UsageError(
            f"an observation of {name} takes {size_text(one)}, as {numbers:,} numbers, and {kept:,} of them are in "
            f"memory at a time; {size_text(free)} are free: have the environment show less"
        )


def check_parameters(count: int) -> None:
    """UsageError where a network of so many parameters does not fit: its vector, gradients, memories, copies."""
    free, room = free_memory(), 4 * count * _VECTORS
    if free is not None and room > free:
        raise UsageError(
            f"a network of {count:,} parameters takes {size_text(room)} while it learns; {size_text(free)} of memory "
            "are free: take a smaller one, or an environment that shows less"
        )


def free_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int | None:
    """The bytes of memory that a process may still take, None where this system does not say.

    It is what Linux calls available, and what the process's group may have where a limit is set on it (a container).
    """
    available = [_available(meminfo), _left(cgroup)]
    known = [count for count in available if count is not None]
    return min(known) if known else None


def size_text(count: float) -> str:
    """Bytes as people read them: 950 bytes, 5.67 MB, 25.3 GB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def _available(meminfo: Path) -> int | None:
    """The line "MemAvailable: 123 kB"."""
    lines = _lines(meminfo)
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _left(cgroup: Path) -> int | None:
    """What is left of a group's limit; "max", where it has none."""
    limit, used = _lines(cgroup / "memory.max"), _lines(cgroup / "memory.current")
    if not limit or not used or not limit[0].isdecimal():
        return None
    return max(0, int(limit[0]) - int(used[0]) + _reclaimable(cgroup))


def _reclaimable(cgroup: Path) -> int:
    """The bytes of files that are only held in memory because nobody wants their room."""
    lines = _lines(cgroup / "memory.stat")
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []

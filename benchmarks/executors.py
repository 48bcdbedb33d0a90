"""What an executor costs beside the work itself: an item and a map, with nothing to do but to travel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.training.executors import make_executor

_KINDS = {"caller": ("auto", 1), "threads": ("threads", 2), "processes": ("processes", 2), "Ray": ("ray", 2)}
_WAYS = {"one map": 2000, "maps of 8": 8}
# Parameters of the vector that an item carries, as float32: 4 kB.
_PARAMETERS = 1000


@benchmark(
    "executors",
    "Items that are a vector of 1,000 float32 and give back two numbers, with no work between: by the caller itself, "
    "and by two workers of each executor. In one map of 2,000 items the cost is an item's. In 250 maps of 8 items that "
    "of a generation comes to it: the function is packed, and the workers are asked whether they are there. Starting "
    "them is left out. Ray runs where it is installed, as a cluster of this machine.",
    (Comparison("one map over maps of 8", "per wall second", "ratio", "processes, one map", "processes, maps of 8"),),
    unit="items",
    rate="per wall second",
)
def executors(setting: Setting) -> Iterator[Contestant]:
    """Each executor, once with many items and once with many maps; under `quick` a tenth of them."""
    items = 200 if setting.quick else 2000
    for name, (kind, workers) in _KINDS.items():
        for way, size in _WAYS.items():
            if kind == "ray" and find_spec("ray") is None:
                yield Contestant(f"{name}, {way} (not installed)", None)
            else:
                yield Contestant(f"{name}, {way}", partial(carry, kind, workers, items, min(size, items)))


def carry(kind: str, workers: int, items: int, size: int) -> Sample:
    """So many items in maps of so many, by warm workers; the work is the number of items."""
    executor = make_executor(workers, "native", kind)
    batch = list(np.random.default_rng(0).normal(size=(size, _PARAMETERS)).astype(np.float32))

    def maps() -> float:
        for _ in range(items // size):
            executor.map(ends, batch)
        return items // size * size

    try:
        executor.map(ends, batch)
        return timed(maps)
    finally:
        executor.close()


def ends(vector: NDArray[np.float32]) -> tuple[float, float]:
    """The first and the last number of a vector `(n,)`."""
    return float(vector[0]), float(vector[-1])

"""Requests in parts: how rollouts share them out among workers, and put what comes of the parts together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cartwheel.experience.chains import Chains
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.networks import Network

# Slices for each process: more even out long and short ones, fewer cost less.
_SLICES = 4
# Of candidates that come as chains, so many bytes are made vectors at a time.
_DENSE_BYTES = 64 << 20


class Workers(Protocol):
    """What work is spread over: `map` calls a function on each item, `workers` of them at a time.

    `shared` says that they see the caller's memory.
    """

    workers: int
    shared: bool

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """The results, in the order of the items."""


class Measuring(Protocol):
    """A rollout as far as its parts go: what it measures with, and how much it has done (`progress`)."""

    network: Network
    progress: int

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`."""

    def close(self) -> None:
        """Let go of environments."""


class Alone:
    """One worker: the caller."""

    workers = 1
    shared = True

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """The results in order."""
        return [function(item) for item in items]


@dataclass(frozen=True)
class _Part:
    """Some of a request's candidates in some of its episodes; as a text, which ones."""

    request: Request
    seeds: NDArray[np.int64]
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Measure:
    """A rollout as a function of one part, which workers can be sent and can close; `progress` tells of its work."""

    rollout: Measuring

    @property
    def progress(self) -> int:
        return self.rollout.progress

    def __call__(self, part: _Part) -> Experience:
        return self.rollout(part.request, part.seeds)

    def close(self) -> None:
        self.rollout.close()


def check(request: Request, seeds: NDArray[np.int64], network: Network) -> None:
    """ValueError where a request's parameters do not fit the network, or the seeds the request."""
    parameters = request.parameters
    shape = (len(parameters), parameters.size) if isinstance(parameters, Chains) else parameters.shape
    if len(shape) != 2 or shape[1] != network.size:
        raise ValueError(f"expected parameters (P, {network.size}), got shape {shape}")
    if len(seeds) != request.episodes:
        raise ValueError(f"expected a seed for each of the request's {request.episodes} episodes, got {len(seeds)}")


def spread_by_slices(rollout: Measuring, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
    """What comes of a request by workers who get some slices each."""
    check(request, seeds, rollout.network)
    whole, chained = room(request, seeds, rollout.network), isinstance(request.parameters, Chains)
    places = shares(len(request.parameters), len(seeds), workers.workers, chained)
    items = [_part(request, seeds, *place) for place in places]
    for place, part in zip(places, workers.map(_Measure(rollout), items), strict=True):
        _enter(whole, place, part)
    return whole


def shares(candidates: int, episodes: int, workers: int, chained: bool = False) -> list[tuple[slice, slice]]:
    """How `(P, E)` is cut for so many workers: by candidates, and where these are few by episodes as well.

    A slice takes every k-th candidate, since neighbours are alike: the elites, who live long, stand at the front. Of
    chains it takes neighbours: children of one parent, which has to be rebuilt but once for all of them.
    """
    count = 1 if workers == 1 else _SLICES * workers
    columns = max(1, min(episodes, -(-count // max(1, candidates))))
    rows = min(candidates, -(-count // columns))
    cuts = [slice(start, None, rows) for start in range(rows)]
    if chained:
        cuts = [slice(candidates * k // rows, candidates * (k + 1) // rows) for k in range(rows)]
    return [(cut, slice(start, None, columns)) for cut in cuts for start in range(columns)]


def _part(request: Request, seeds: NDArray[np.int64], rows: slice, columns: slice) -> _Part:
    """The same request for some of its candidates in some of its episodes."""
    chosen, candidates = seeds[columns], range(len(request.parameters))[rows]
    part = replace(request, parameters=request.parameters[rows], episodes=len(chosen))
    return _Part(part, chosen, f"candidates {_few(candidates)} in the episodes of seeds {_few(chosen)}")


def _few(numbers: Sequence[int] | NDArray[np.int64]) -> str:
    """Some numbers as a text: the first three of many."""
    first = ", ".join(str(number) for number in numbers[:3])
    return first if len(numbers) <= 3 else f"{first}, ... ({len(numbers)})"


def by_parts(
    request: Request,
    chains: Chains,
    seeds: NDArray[np.int64],
    network: Network,
    measure: Callable[[Request], Experience],
) -> Experience:
    """A request whose candidates are chains, measured some at a time: all together may be more than memory holds."""
    whole, count = room(request, seeds, network), max(1, _DENSE_BYTES // (4 * network.size))
    for start in range(0, len(chains), count):
        rows = slice(start, start + count)
        part = measure(replace(request, parameters=chains[rows].dense()))
        _enter(whole, rows, part)
    return whole


def _enter(whole: Experience, place: Any, part: Experience) -> None:
    """Write down what came of a part, in its place."""
    whole.returns[place], whole.lengths[place] = part.returns, part.lengths
    if whole.seen is not None:
        whole.seen[place] = part.seen


def room(request: Request, seeds: NDArray[np.int64], network: Network) -> Experience:
    """Room for what a request wants."""
    shape = (len(request.parameters), len(seeds))
    seen = np.zeros((*shape, 2, network.inputs)) if request.moments else None
    return Experience(returns=np.zeros(shape), lengths=np.zeros(shape, np.int64), seen=seen)

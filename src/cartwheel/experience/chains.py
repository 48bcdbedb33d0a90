"""Candidates as chains of seeds: a large network is told by what made it, and rebuilt where it is measured.

Source: F. Such et al., "Deep Neuroevolution: Genetic Algorithms Are a Competitive Alternative for Training Deep Neural
Networks for Reinforcement Learning", 2017, section 3.1.

    theta_0 = the first vector, drawn with link 0
    theta_k = theta_(k-1) + sigma * eps_k,  eps_k ~ N(0, I), drawn with link k

Deviation: a link is not a random number but a path, the generation and the place in it that a candidate was made for,
so that a chain is known by where its ancestors stood, and no two draws are ever the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.seeds import Purpose, generator

Array: TypeAlias = NDArray[Any]

#: The most bytes of parents' vectors that a process keeps, so that a long chain need not be rebuilt from its beginning.
CACHE_BYTES = 256 << 20

# A link is generation * 2**20 + place: a generation has fewer places than that.
_PLACE_BITS = 20


class Start(Protocol):
    """What a first vector `(n,)` is drawn by; it can be hashed and sent to other processes."""

    @property
    def size(self) -> int:
        """n."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its floats."""

    def initial(self, rng: np.random.Generator, count: int, deviation: float = 1.0) -> Array:
        """`count` random vectors `(count, n)`, which stray by `deviation`."""


@dataclass(frozen=True)
class Recipe:
    """How the links of one run become vectors: its seed, the network and the two standard deviations."""

    seed: int
    network: Start
    initial_std: float
    mutation_std: float

    def first(self, generation: int, place: int) -> Array:
        """The vector `(n,)` that a chain begins with."""
        rng = generator(self.seed, Purpose.INITIAL, generation, place)
        vector: Array = self.network.initial(rng, 1, self.initial_std)[0]
        return vector

    def child(self, parent: Array, generation: int, place: int) -> Array:
        """A new vector `(n,)`: the parent's, and noise of its own."""
        rng = generator(self.seed, Purpose.VARIATION, generation, place)
        noise: Array = rng.standard_normal(parent.shape, parent.dtype)
        noise *= parent.dtype.type(self.mutation_std)
        noise += parent
        return noise


@dataclass(frozen=True, eq=False)
class Chains:
    """P candidates as chains: `links (P, L)`, of which the first `lengths (P,)` count, and the recipe of all.

    They stand in a request in place of a matrix `(P, n)`: `len` is P, `chains[k]` the vector `(n,)` of a candidate,
    `chains[rows]`, for a slice or an array of places, the chains of some. A candidate costs 8 bytes a generation.
    ValueError if links and lengths are none.
    """

    links: NDArray[np.int64]
    lengths: NDArray[np.int64]
    recipe: Recipe

    def __post_init__(self) -> None:
        lengths = np.array(self.lengths, np.int64)
        links = np.array(self.links, np.int64)
        if links.ndim != 2 or lengths.shape != links.shape[:1]:
            raise ValueError(f"expected links (P, L) and lengths (P,), got shapes {links.shape} and {lengths.shape}")
        if ((lengths < 1) | (lengths > links.shape[1])).any() or (links < 0).any():
            raise ValueError(f"expected links of at least 0 and lengths from 1 to {links.shape[1]}")
        links = np.ascontiguousarray(links[:, : lengths.max(initial=0)])
        for name, array in (("links", links), ("lengths", lengths)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        return Chains, (self.links, self.lengths, self.recipe)  # read-only on the other side too

    @classmethod
    def begun(cls, recipe: Recipe, generation: int, places: Sequence[int]) -> Chains:
        """Chains of one link: first vectors, for these places of a generation."""
        return cls(_links(generation, places)[:, None], np.ones(len(places), np.int64), recipe)

    @classmethod
    def joined(cls, parts: Sequence[Chains]) -> Chains:
        """Chains of one recipe one after the other."""
        links = np.zeros((sum(map(len, parts)), max(part.links.shape[1] for part in parts)), np.int64)
        start = 0
        for part in parts:
            links[start : start + len(part), : part.links.shape[1]] = part.links
            start += len(part)
        return cls(links, np.concatenate([part.lengths for part in parts]), parts[0].recipe)

    def mutated(self, generation: int, places: Sequence[int]) -> Chains:
        """A child of each, for these places of a generation."""
        links = np.pad(self.links, ((0, 0), (0, 1)))
        links[np.arange(len(self)), self.lengths] = _links(generation, places)
        return Chains(links, self.lengths + 1, self.recipe)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Array]:
        return map(self._vector, range(len(self)))

    @property
    def size(self) -> int:
        """n, the length of a candidate's vector."""
        return self.recipe.network.size

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, (int, np.integer)):
            return self._vector(int(rows))
        return Chains(self.links[rows], self.lengths[rows], self.recipe)

    def dense(self) -> Array:
        """The candidates' vectors `(P, n)`, equal to the bit to those that were never put in chains."""
        matrix = np.empty((len(self), self.size), self.recipe.network.dtype)
        for row, vector in enumerate(matrix):
            vector[:] = self._vector(row)
        return matrix

    def _vector(self, row: int) -> Array:
        """One candidate's vector `(n,)`, read-only, from the nearest ancestor that is kept."""
        chain = self.links[row][: self.lengths[row]]
        done, vector = _PARENTS.nearest(self.recipe, chain)
        for depth in range(done, len(chain)):
            path = divmod(int(chain[depth]), 1 << _PLACE_BITS)
            if vector is None:
                vector = self.recipe.first(*path)
            else:
                if depth == len(chain) - 1:
                    _PARENTS.keep(self.recipe, chain[:depth], vector)
                vector = self.recipe.child(vector, *path)
        assert vector is not None  # a chain has at least one link
        vector.flags.writeable = False
        return vector


class _Cache:
    """Vectors by the chain that makes them, those used last, of `limit` bytes together at most."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0
        self._vectors: OrderedDict[tuple[Recipe, bytes], Array] = OrderedDict()
        self._lock = threading.Lock()

    def nearest(self, recipe: Recipe, chain: NDArray[np.int64]) -> tuple[int, Array | None]:
        """The longest beginning of a chain that is kept, the whole included: how many links, and the vector."""
        with self._lock:
            for length in range(len(chain), 0, -1):
                key = recipe, chain[:length].tobytes()
                if key in self._vectors:
                    self._vectors.move_to_end(key)
                    return length, self._vectors[key]
        return 0, None

    def keep(self, recipe: Recipe, chain: NDArray[np.int64], vector: Array) -> None:
        """Keep a vector, and let go of those that were not used for longest; one beyond the limit is not kept."""
        key = recipe, chain.tobytes()
        vector.flags.writeable = False
        with self._lock:
            if vector.nbytes > self.limit or key in self._vectors:
                return
            self._vectors[key] = vector
            self.held += vector.nbytes
            while self.held > self.limit:
                self.held -= self._vectors.popitem(last=False)[1].nbytes


_PARENTS = _Cache(CACHE_BYTES)


def _links(generation: int, places: Sequence[int]) -> NDArray[np.int64]:
    return (np.int64(generation) << _PLACE_BITS) + np.asarray(places, np.int64)

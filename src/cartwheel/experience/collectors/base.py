"""What all collectors do: lanes that have seeds, a network, a memory, and open episodes that can be kept.

Lane j's k-th episode has the same seed in all collectors, and each lane a generator of its own to explore by. An open
episode is kept as its seed and its actions so far: whoever goes on from a checkpoint plays them again, and so comes to
where the episode stood, whatever environment it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import StorageError
from cartwheel.experience.collectors.history import History
from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.records import Experience, Request, Stretch, Transitions
from cartwheel.kernels.network import BEFORE, MEMORY
from cartwheel.kernels.random import words_of
from cartwheel.seeds import Purpose, episode_seeds, generator

#: Episodes of a lane whose seeds are drawn together.
BLOCK = 16


class Collector(ABC):
    """N lanes, each in an episode of its own or between two, and what goes on from one request to the next.

    `begun (N,)` are the episodes that each lane has begun, `open (N,)` says whether the last one goes on, `length (N,)`
    and `total (N,)` are its steps and rewards so far, `acting (N, 4)` the generators to explore by.
    """

    def __init__(self, rollout: Any, seed: int, lanes: int) -> None:
        self.environment, self.network = rollout.environment, rollout.network
        self.actor: Actor = rollout.actor
        self.seed, self.count = seed, lanes
        self.begun, self.length = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
        self.open, self.total = np.zeros(lanes, np.bool_), np.zeros(lanes)
        draws = [generator(seed, Purpose.ACTION, lane).bit_generator.state["state"] for lane in range(lanes)]
        self.acting = np.array([words_of(state) for state in draws])
        self.lanes = self.actor.lanes(lanes)
        self._history = History(lanes, self.actor.head.size)
        self._deviation = np.zeros(0)  # of a Box's numbers, where they are drawn
        self._kept = self._snapshot()
        self._found: Transitions | None = None  # what the last request brought, until it is kept

    def __call__(self, request: Request) -> Experience:
        """What comes of a request for a stretch; ValueError where it does not fit the network and the lanes.

        It is a part of the state when `keep` is called, or with the next request: until then whoever is interrupted
        goes on from where the lanes stood before.
        """
        self.keep()
        stretch, theta = request.stretch, np.asarray(request.parameters[0], np.float32)
        if stretch is None or stretch.lanes != self.count or theta.shape != (self.network.size,):
            raise ValueError(
                f"expected a stretch of {self.count} lanes by one vector of {self.network.size} parameters"
            )
        self._load(theta, request.normalisation)
        T, N, d, a = stretch.steps, self.count, self.network.inputs, self.actor.head.size
        if stretch.noise is not None and stretch.noise.shape != (T, N, a):
            raise ValueError(f"expected noise of shape {(T, N, a)}, got {stretch.noise.shape}")
        if stretch.noise is not None and not self.actor.head.groups and self._deviation.shape != (a,):
            raise ValueError("this network's outputs are no distribution to draw numbers from")
        m = self.network.memory_size if stretch.memory else 0
        action = np.zeros((T, N, a), np.float32)
        found = Transitions(
            obs=np.zeros((T, N, d), np.float32),
            action=action,
            draw=self._room_for_draws(stretch, action),
            reward=np.zeros((T, N)),
            discount=np.zeros((T, N)),
            boundary=np.zeros((T, N), np.bool_),
            next_obs=np.zeros((T, N, d), np.float32),
            taken=np.zeros(N, np.int64),
            memory=np.zeros((T, N, m), np.float32) if m else None,
        )
        returns, lengths = self._collect(stretch, found)
        self._found = found
        seen = _moments(found)[None] if request.moments else None
        through = request.normalisation
        if through is not None:
            found = replace(found, obs=through.apply(found.obs), next_obs=through.apply(found.next_obs))
        return Experience(returns=returns[None], lengths=lengths[None], seen=seen, transitions=found)

    def _room_for_draws(self, stretch: Stretch, action: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Where draws are written: what is drawn of choices is the action itself."""
        if stretch.noise is None:
            return None
        return action if self.actor.head.groups else np.zeros_like(action)

    def keep(self) -> None:
        """Take what the last request brought into the state."""
        if self._found is not None:
            self._history.add(self._found)
            self._kept, self._found = self._snapshot(), None
            if self._history.full:
                self._history.cut(self._kept["length"])

    @abstractmethod
    def _collect(self, stretch: Stretch, found: Transitions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Fill in the transitions; returns and lengths of the episodes that ended, in the order in which they did."""

    @abstractmethod
    def _replay(self, lane: int, seed: int, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a lane to where its episode `seed` was after these actions `(k, a)`; what is seen there `(d,)`."""

    @abstractmethod
    def _seen(self) -> NDArray[np.float32]:
        """What the lanes see now `(N, d)`, as a copy; of those without an open episode it means nothing."""

    @abstractmethod
    def close(self) -> None:
        """Let go of environments."""

    def episode(self, lane: int, number: int) -> int:
        """The seed of a lane's episode of this number."""
        block, place = divmod(number, BLOCK)
        return _block(self.seed, lane, block)[place]

    # --- the network -------------------------------------------------------------------------------------------------

    @property
    def _memory(self) -> NDArray[np.float32]:
        """What the lanes remember `(N, m)`, as it lies in their buffers."""
        places = self.lanes.places
        if len(places) == 0:
            return np.zeros((self.count, 0), np.float32)
        first: int = places[BEFORE]
        memory: NDArray[np.float32] = self.lanes.numbers[: self.count, first : first + places[MEMORY]]
        return memory

    def _load(self, theta: NDArray[np.float32], normalisation: Any) -> None:
        """Give all lanes these weights; they go on remembering."""
        self._deviation = np.exp(self.network.log_std(theta).astype(np.float64))
        if normalisation is not None:
            self.lanes = self.lanes._replace(shift=normalisation.shift.copy(), scale=normalisation.scale.copy())
        memory = self._memory.copy()
        load(self.lanes, slice(self.count), theta)
        self._memory[:] = memory

    # --- open episodes -----------------------------------------------------------------------------------------------

    def _snapshot(self) -> dict[str, NDArray[Any]]:
        """What has to be kept of the lanes as they stand, but for the actions.

        Copies as they are, since there is one for each stretch: `state` makes of them what is stored.
        """
        return {
            "begun": self.begun.copy(),
            "open": self.open.copy(),
            "length": self.length * self.open,
            "acting": self.acting.copy(),
            "memory": self._memory.copy(),
            "seen": self._seen() if self.open.any() else np.zeros((self.count, self.network.inputs), np.float32),
        }

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as a flat dict of arrays: how it stood when a request was last kept.

        So a request that is broken off leaves the state as it was before.
        """
        kept, nothing = self._kept, np.float32(0.0)
        open_ = kept["open"][:, None]
        return {
            "begun": kept["begun"],
            "open": kept["open"].astype(np.int64),
            "acting": kept["acting"],
            "memory": np.where(open_, kept["memory"], nothing),
            "seen": np.where(open_, kept["seen"], nothing),
            "actions": np.concatenate(self._history.cut(kept["length"])),
            "lengths": kept["length"],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: open episodes are played again up to where they stood.

        StorageError where an environment does not come to the same observation; ValueError where the lanes are others.
        """
        if state["begun"].shape != (self.count,) or state["memory"].shape != self._memory.shape:
            raise ValueError(f"expected the state of {self.count} lanes")
        self.begun[:], self.open[:], self.acting[:] = state["begun"], state["open"] != 0, state["acting"]
        self.length[:], self.total[:] = np.where(self.open, state["lengths"], 0), 0.0
        episodes = np.split(np.asarray(state["actions"], np.float32), np.cumsum(state["lengths"])[:-1])
        self._history.begin(episodes)
        for lane, actions in enumerate(episodes):
            if not self.open[lane]:
                continue
            seed = self.episode(lane, int(self.begun[lane]) - 1)
            seen = self._replay(lane, seed, actions)
            if not np.array_equal(seen, state["seen"][lane]):
                raise StorageError(
                    f"{self.environment.name} does not repeat itself: after {len(actions)} steps of the episode "
                    f"{seed}, played again, it shows another observation than when the checkpoint was written"
                )
        self._memory[:] = state["memory"]
        self._kept = self._snapshot()


@lru_cache(maxsize=4096)
def _block(seed: int, lane: int, block: int) -> tuple[int, ...]:
    """The seeds of a block of a lane's episodes."""
    return tuple(episode_seeds(seed, Purpose.TRAINING, lane, block, count=BLOCK).tolist())


def _moments(found: Transitions) -> NDArray[np.float64]:
    """The mean of what each lane saw and the sum of the squared deviations from it (N, 2, d), of steps that it took."""
    counts = (np.arange(len(found.obs))[:, None] < found.taken)[..., None]  # (T, N, 1)
    obs = np.where(counts, found.obs, np.float64(0.0))  # (T, N, d)
    mean = obs.sum(axis=0) / np.maximum(found.taken, 1)[:, None]
    squares = (np.where(counts, obs - mean, 0.0) ** 2).sum(axis=0)
    return np.stack([mean, squares], axis=1)

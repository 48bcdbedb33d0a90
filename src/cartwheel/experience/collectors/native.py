"""Single steps on compiled physics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import EnvironmentFault
from cartwheel.experience.collectors.base import BLOCK, Collector
from cartwheel.experience.records import Stretch, Transitions
from cartwheel.experience.rollouts import NativeRollout
from cartwheel.kernels.collect import collect
from cartwheel.kernels.physics import addresses
from cartwheel.kernels.random import generators
from cartwheel.seeds import Purpose, episode_seeds


class NativeCollector(Collector):
    """Lanes on compiled physics, in one call that holds no lock."""

    def __init__(self, rollout: NativeRollout, seed: int, lanes: int) -> None:
        super().__init__(rollout, seed, lanes)
        self.physics = physics = rollout.physics
        self._physics = addresses(physics.reset, physics.step, physics.observe)
        width = self.lanes.action.shape[1]
        self._state, self._random = np.zeros((self.physics.state_size, width)), np.zeros((width, 4), np.uint64)
        self._layer = np.zeros_like(self.lanes.layers[0])
        self._starts = np.zeros((lanes, 2 * BLOCK, 4), np.uint64)  # generators of episodes to come
        self._used = np.full(lanes, 2 * BLOCK, np.int64)
        self._drawn = np.zeros(lanes, np.int64)  # blocks of episodes whose generators stand there

    def _collect(self, stretch: Stretch, found: Transitions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        T, N = stretch.steps, self.count
        returns, lengths, ended = np.zeros(T * N), np.zeros(T * N, np.int64), np.zeros(1, np.int64)
        memory = np.zeros((0, N, 0), np.float32) if found.memory is None else found.memory
        epsilon = np.zeros(0) if stretch.epsilon is None else stretch.epsilon
        noise = np.zeros((0, 0, 0)) if stretch.noise is None else stretch.noise
        drawn = np.zeros((0, 0, 0), np.float32) if found.draw is None else found.draw
        t = 0
        while t < T:
            self._draw()
            before = self._used.copy()
            t = collect(
                self._physics,
                self.environment.limit,
                t,
                T,
                epsilon,
                noise,
                self._deviation,
                stretch.to_end,
                self._starts,
                self._used,
                self._state,
                self._random,
                self.acting,
                self.open,
                self.length,
                self.total,
                found.obs,
                found.action,
                drawn,
                found.reward,
                found.discount,
                found.boundary,
                found.next_obs,
                memory,
                found.taken,
                returns,
                lengths,
                ended,
                *self.lanes,
            )
            self.begun += self._used - before
        if not np.isfinite(found.reward).all():
            step, lane = np.argwhere(~np.isfinite(found.reward))[0]
            seed = self.episode(lane, int(self.begun[lane]) - 1)
            fault = f"the native environment's reward is {found.reward[step, lane]}"
            raise EnvironmentFault(self.environment.name, seed, int(self.length[lane]), "reward", fault)
        return returns[: ended[0]], lengths[: ended[0]]

    def _draw(self) -> None:
        """Have the generators of the next episodes ready: for each lane more than a block of them."""
        for lane in np.flatnonzero(self._used >= BLOCK).tolist():
            for _ in range(int(self._used[lane]) // BLOCK):
                block = int(self._drawn[lane])
                self._starts[lane, :BLOCK] = self._starts[lane, BLOCK:]
                self._starts[lane, BLOCK:] = self._block(lane, block)
                self._drawn[lane] += 1
                self._used[lane] -= BLOCK

    def _block(self, lane: int, block: int) -> NDArray[np.uint64]:
        return generators(episode_seeds(self.seed, Purpose.TRAINING, lane, block, count=BLOCK))

    def close(self) -> None:
        """Nothing to let go of."""

    def _replay(self, lane: int, seed: int, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Alone, in the first of a few lanes of its own, and taken over from there."""
        physics, width = self.physics, self.lanes.action.shape[1]
        state, random = np.zeros((physics.state_size, width)), np.zeros((width, 4), np.uint64)
        random[0], column = generators([seed])[0], np.zeros_like(self.lanes.action)
        reward, over = np.zeros(width), np.zeros(width, np.bool_)
        physics.reset(0, state, random)
        for action in actions:
            column[:, 0] = action
            physics.step(1, state, column, random, reward, over)
            self.total[lane] += reward[0]
        self._state[:, lane], self._random[lane] = state[:, 0], random[0]
        seen: NDArray[np.float32] = self._seen()[lane]
        return seen

    def restore(self, state: Mapping[str, Any]) -> None:
        """As every collector; the generators of the episodes to come are drawn anew."""
        super().restore(state)
        for lane in range(self.count):
            block, used = divmod(int(self.begun[lane]), BLOCK)
            self._starts[lane, BLOCK:] = self._block(lane, block)
            self._used[lane], self._drawn[lane] = BLOCK + used, block + 1

    def _seen(self) -> NDArray[np.float32]:
        self.physics.observe(self.count, self._state, self._layer)
        seen: NDArray[np.float32] = self._layer[: self.network.inputs, : self.count].T.copy()
        return seen

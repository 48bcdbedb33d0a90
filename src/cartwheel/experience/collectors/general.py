"""Single steps in Gymnasium's own environments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import close, make_more
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.experience.collectors.base import Collector
from cartwheel.experience.records import Stretch, Transitions
from cartwheel.experience.rollouts import GeneralRollout
from cartwheel.kernels.collect import explore
from cartwheel.kernels.network import act


class GeneralCollector(Collector):
    """Lanes on Gymnasium's own environments, one after the other."""

    def __init__(self, rollout: GeneralRollout, seed: int, lanes: int) -> None:
        self._now = np.zeros((lanes, rollout.network.inputs), np.float32)  # what the lanes see
        self._episode = [0] * lanes  # seeds of the episodes that they are in
        self._made: list[Any] = []
        super().__init__(rollout, seed, lanes)

    def _collect(self, stretch: Stretch, found: Transitions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        ended: list[tuple[float, int]] = []
        for lane in range(self.count):
            if not self.open[lane]:
                self._begin(lane)
        for t in range(stretch.steps):
            lanes = [lane for lane in range(self.count) if self.open[lane]]
            if not lanes:
                break
            self._act(t, lanes, stretch, found)
            actions = self.actor.head.to_actions(self.lanes.action[:, : self.count])
            for lane in lanes:
                if self._step(t, lane, actions[lane], found):
                    ended.append((float(self.total[lane]), int(self.length[lane])))
                    self.open[lane] = False
            if not stretch.to_end:
                for lane in np.flatnonzero(~self.open).tolist():
                    self._begin(lane)
        returns, lengths = [one[0] for one in ended], [one[1] for one in ended]
        return np.array(returns, np.float64), np.array(lengths, np.int64)

    def _act(self, t: int, open_: list[int], stretch: Stretch, found: Transitions) -> None:
        """Choose actions for what the lanes see, and write both down."""
        lanes, head = self.lanes, self.lanes
        found.obs[t, open_] = self._now[open_]
        if found.memory is not None:
            found.memory[t, open_] = self._memory[open_]
        lanes.layers[0, : self.network.inputs, : self.count] = self._now.T
        act(self.count, *lanes)
        explore(stretch.epsilon[t], self.open, self.acting, head.groups, head.low, head.high, lanes.action)
        found.action[t, open_] = lanes.action.T[open_]

    def _step(self, t: int, lane: int, action: Any, found: Transitions) -> bool:
        """One step of a lane; whether its episode is over."""
        environment, seed = self.environment, self._episode[lane]
        self.length[lane] += 1
        step = int(self.length[lane])
        observation, reward, terminated, truncated = checked_step(environment, self._made[lane], action, seed, step)
        self._now[lane] = flat_observation(environment, observation, seed, step)
        over = bool(terminated or truncated or step >= environment.limit)
        self.total[lane] += reward
        found.taken[lane] += 1
        found.next_obs[t, lane], found.reward[t, lane] = self._now[lane], reward
        found.discount[t, lane], found.boundary[t, lane] = 0.0 if terminated else 1.0, over
        return over

    def _begin(self, lane: int) -> None:
        """Have a lane take up its next episode, with an empty memory."""
        self._reset(lane, self.episode(lane, int(self.begun[lane])))
        self.begun[lane] += 1
        self.open[lane], self.length[lane], self.total[lane] = True, 0, 0.0
        self._memory[lane] = 0.0

    def _reset(self, lane: int, seed: int) -> None:
        make_more(self.environment, self._made, self.count)
        observation = checked_reset(self.environment, self._made[lane], seed)
        self._episode[lane], self._now[lane] = seed, flat_observation(self.environment, observation, seed, 0)

    def _replay(self, lane: int, seed: int, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        self._reset(lane, seed)
        for step, action in enumerate(actions):
            made = self.actor.head.to_action(action)
            observation, reward, _, _ = checked_step(self.environment, self._made[lane], made, seed, step + 1)
            self._now[lane] = flat_observation(self.environment, observation, seed, step + 1)
            self.total[lane] += reward
        return self._seen(lane)

    def _seen(self, lane: int) -> NDArray[np.float32]:
        seen: NDArray[np.float32] = self._now[lane].copy()
        return seen

    def close(self) -> None:
        """Close the environments."""
        while self._made:
            close(self._made.pop())

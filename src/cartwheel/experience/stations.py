"""Stations: environments of some lanes, each in an episode of its own, that are told what to do a step at a time.

A station is here, or in a worker that keeps it. An order names the episodes by their seeds and holds all that a time
step needs, the seeds of the episodes to come included, so that a step is one message there and one back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment, close, make_more
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.policies.actions import ActionHead


class Play(NamedTuple):
    """Bring a place to where an episode was: begun with its seed, then these actions `(n, a)`."""

    place: int
    seed: int
    actions: NDArray[np.float32]


class Played(NamedTuple):
    """What came of it: the rewards, one after the other, and what is seen in the end `(d,)`."""

    rewards: list[float]
    seen: NDArray[np.float32]


class Step(NamedTuple):
    """One step of each of k places by `actions (a, k)`; where an episode ends by it, one of the seeds `coming` begins.

    `coming` is empty where none is to begin.
    """

    places: list[int]
    actions: NDArray[np.float32]
    coming: list[int]


class Stepped(NamedTuple):
    """What came of it: `following (k, d)`, a reward and two flags for each place.

    `begun` has what is seen `(d,)` where an episode began, for one place after the other.
    """

    following: NDArray[np.float32]
    rewards: list[float]
    terminated: list[bool]
    over: list[bool]
    begun: list[NDArray[np.float32]]


Order: TypeAlias = list[Play] | Step
"""What a station is told: to play episodes up to a point, or one step. It answers with a list of Played, or Stepped."""


class Station:
    """Environments in places 0, 1, ..., made when their first episode begins; `progress` are steps and resets so far.

    EnvironmentFault if an environment raises or gives what it must not: the first in the order of the places.
    """

    def __init__(self, environment: Environment, head: ActionHead) -> None:
        self.environment, self.head = environment, head
        self.progress = 0
        self._made: list[Any] = []
        self._seed: dict[int, int] = {}
        self._length: dict[int, int] = {}

    def __call__(self, order: Order) -> Any:
        """Do as told."""
        return self._step(order) if isinstance(order, Step) else [self._play(play) for play in order]

    def _play(self, play: Play) -> Played:
        seen, rewards = self._begin(play.place, play.seed), []
        for action in play.actions:
            seen, reward, _, _ = self._advance(play.place, self.head.to_action(action))
            rewards.append(reward)
        return Played(rewards, seen)

    def _step(self, step: Step) -> Stepped:
        """Each place steps and begins anew before the next one does, so that it is told of the same fault anywhere."""
        following = np.empty((len(step.places), self.environment.observation_size), np.float32)
        stepped = Stepped(following, [], [], [], [])
        for k, (place, action) in enumerate(zip(step.places, self.head.to_actions(step.actions), strict=True)):
            following[k], reward, terminated, truncated = self._advance(place, action)
            over = terminated or truncated or self._length[place] >= self.environment.limit
            stepped.rewards.append(reward)
            stepped.terminated.append(terminated)
            stepped.over.append(over)
            if over and step.coming:
                stepped.begun.append(self._begin(place, step.coming[k]))
        return stepped

    def _advance(self, place: int, action: Any) -> tuple[NDArray[np.float32], float, bool, bool]:
        """One step of a place: what is seen then, the reward, terminated, truncated."""
        environment, seed = self.environment, self._seed[place]
        self._length[place] = length = self._length[place] + 1
        observation, reward, terminated, truncated = checked_step(environment, self._made[place], action, seed, length)
        self.progress += 1
        return flat_observation(environment, observation, seed, length), reward, terminated, truncated

    def _begin(self, place: int, seed: int) -> NDArray[np.float32]:
        """Have a place take up an episode; what is seen."""
        make_more(self.environment, self._made, place + 1)
        observation = checked_reset(self.environment, self._made[place], seed)
        self._seed[place], self._length[place] = seed, 0
        self.progress += 1
        return flat_observation(self.environment, observation, seed, 0)

    def close(self) -> None:
        """Close the environments."""
        while self._made:
            close(self._made.pop())


class Stations(Protocol):
    """So many equal stations, at work at the same time."""

    size: int

    def exchange(self, orders: Mapping[int, Order]) -> tuple[dict[int, Any], dict[int, str]]:
        """What the stations of these numbers answer to their orders, and how those were lost that do not.

        In the place of one that was lost stands a new one, which has no episodes. The exception of the first station,
        in the order of their numbers, that has one is raised.
        """

    def close(self) -> None:
        """Close the environments, and end who works for them."""


Hire: TypeAlias = Callable[[Station], Stations]
"""Makes stations of a first one that has done nothing yet."""


class Here:
    """One station, in this process."""

    size = 1

    def __init__(self, station: Station) -> None:
        self._station = station

    def exchange(self, orders: Mapping[int, Order]) -> tuple[dict[int, Any], dict[int, str]]:
        """What it answers; it is never lost."""
        return {number: self._station(order) for number, order in orders.items()}, {}

    def close(self) -> None:
        """Close the environments."""
        self._station.close()

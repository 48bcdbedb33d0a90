"""Single steps in Gymnasium's own environments: here, or in worker processes that keep the lanes' environments.

The lanes are shared out among the stations in their order, and act together in this process. A station that is lost is
replaced, and the open episodes of its lanes are played again up to where they stood: so results do not depend on how
many there are, nor on which of them are lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import CartwheelError
from cartwheel.experience.collectors.base import Collector
from cartwheel.experience.records import Stretch, Transitions
from cartwheel.experience.rollouts import GeneralRollout
from cartwheel.experience.stations import Here, Hire, Order, Play, Played, Station, Step, Stepped
from cartwheel.kernels.acting import act, draw, explore, outputs

# Stations in a row that an order may cost.
_TRIES = 3


class _Part(NamedTuple):
    """The open lanes of a station: as an index, as numbers, and as places there."""

    station: int
    index: Any
    lanes: list[int]
    places: list[int]


class GeneralCollector(Collector):
    """Lanes on Gymnasium's own environments, in the stations that `hire` makes.

    Beside what every collector raises, CartwheelError where an order costs several stations in a row, or where an
    environment that is played again in a new one does not repeat itself.
    """

    def __init__(self, rollout: GeneralRollout, seed: int, lanes: int, hire: Hire = Here) -> None:
        self._now = np.zeros((lanes, rollout.network.inputs), np.float32)  # what the lanes see
        self._episode: list[int | None] = [None] * lanes  # seeds of the episodes that they are in
        self._stations = hire(Station(rollout.environment, rollout.actor.head))
        cuts = [lanes * k // self._stations.size for k in range(self._stations.size + 1)]
        self._shares = [range(first, last) for first, last in pairwise(cuts)]
        self._writing: Transitions | None = None  # the stretch that is being collected
        super().__init__(rollout, seed, lanes)

    def _collect(self, stretch: Stretch, found: Transitions) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        self._writing = found
        ended: list[tuple[float, int]] = []
        self._begin_all()
        parts = self._parts()
        for t in range(stretch.steps):
            if not parts:
                break
            self._act(t, stretch, found)
            answers = self._step(t, parts, not stretch.to_end, found)
            cut, before = stretch.to_end and t == stretch.steps - 1, len(ended)
            for part in parts:
                ended += self._enter(t, part, answers[part.station], cut, found)
            if stretch.to_end and len(ended) > before:
                parts = self._parts()
        self._writing = None
        returns, lengths = [one[0] for one in ended], [one[1] for one in ended]
        return np.array(returns, np.float64), np.array(lengths, np.int64)

    def _act(self, t: int, stretch: Stretch, found: Transitions) -> None:
        """Choose actions for what the lanes see, and write both down."""
        lanes, open_ = self.lanes, self._index(0, self.count)
        found.obs[t, open_] = self._now[open_]
        if found.memory is not None:
            found.memory[t, open_] = self._memory[open_]
        lanes.layers[0, : self.network.inputs, : self.count] = self._now.T
        if stretch.noise is not None and found.draw is not None:
            parts: tuple[Any, ...] = lanes
            source = outputs(self.count, lanes.layers, *parts[:10])
            noise, drawn = stretch.noise[t], found.draw[t]
            draw(self.open, noise, self._deviation, lanes.layers, source, drawn, lanes.action, *parts[10:14])
        elif stretch.epsilon is not None:
            act(self.count, *lanes)
            explore(stretch.epsilon[t], self.open, self.acting, lanes.groups, lanes.low, lanes.high, lanes.action)
        found.action[t, open_] = lanes.action[:, : self.count].T[open_]

    def _index(self, first: int, last: int) -> Any:
        """The open ones of some lanes, as an index: a slice, which costs less, where all of them are."""
        lanes = slice(first, last)
        return lanes if self.open[lanes].all() else first + np.flatnonzero(self.open[lanes])

    def _parts(self) -> list[_Part]:
        """The open lanes by stations, in the order of the lanes."""
        parts = []
        for number, share in enumerate(self._shares):
            open_ = [lane for lane in share if self.open[lane]]
            if open_:
                places = [lane - share.start for lane in open_]
                parts.append(_Part(number, self._index(share.start, share.stop), open_, places))
        return parts

    # --- episodes ----------------------------------------------------------------------------------------------------

    def _begin_all(self) -> None:
        """Have the lanes that rest take up their next episodes."""
        none = np.zeros((0, self.actor.head.size), np.float32)
        resting = np.flatnonzero(~self.open).tolist()
        plays = {lane: Play(lane, self.episode(lane, int(self.begun[lane])), none) for lane in resting}
        for lane, played in self._play(plays).items():
            self._begin(lane, plays[lane].seed, played.seen)

    def _begin(self, lane: int, seed: int, seen: NDArray[np.float32]) -> None:
        """Note down that a lane has taken up its next episode, with an empty memory."""
        self._episode[lane], self._now[lane] = seed, seen
        self.begun[lane] += 1
        self.open[lane], self.length[lane], self.total[lane] = True, 0, 0.0
        self._memory[lane] = 0.0

    def _step(self, t: int, parts: Sequence[_Part], go_on: bool, found: Transitions) -> dict[int, Stepped]:
        """One step of the open lanes, and where an episode ends by it the next one if they are to `go_on`."""
        orders: dict[int, Order] = {}
        for part in parts:
            coming = [self.episode(lane, int(self.begun[lane])) for lane in part.lanes] if go_on else []
            orders[part.station] = Step(part.places, found.action[t, part.index].T, coming)
        return self._exchange(orders)

    def _enter(self, t: int, part: _Part, stepped: Stepped, cut: bool, found: Transitions) -> list[tuple[float, int]]:
        """Write down a step of some lanes; the returns and lengths of the episodes that are over, or are `cut`."""
        index = part.index
        found.next_obs[t, index] = self._now[index] = stepped.following
        found.reward[t, index] = stepped.rewards
        found.discount[t, index] = [0.0 if terminated else 1.0 for terminated in stepped.terminated]
        self.total[index] += stepped.rewards
        self.length[index] += 1
        found.taken[index] += 1
        if not cut and True not in stepped.over:
            return []
        ended, begun = [], iter(stepped.begun)
        for lane, over in zip(part.lanes, stepped.over, strict=True):
            if over or cut:
                found.boundary[t, lane], self.open[lane] = True, False
                ended.append((float(self.total[lane]), int(self.length[lane])))
            if over and stepped.begun:
                self._begin(lane, self.episode(lane, int(self.begun[lane])), next(begun))
        return ended

    def _replay(self, lane: int, seed: int, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        played = self._play({lane: Play(lane, seed, actions)})[lane]
        for reward in played.rewards:
            self.total[lane] += reward
        self._episode[lane], self._now[lane] = seed, played.seen
        seen: NDArray[np.float32] = self._seen()[lane]
        return seen

    def _seen(self) -> NDArray[np.float32]:
        return self._now.copy()

    def restore(self, state: Mapping[str, Any]) -> None:
        """As every collector; what the lanes were in before is forgotten."""
        self._episode = [None] * self.count
        super().restore(state)

    def close(self) -> None:
        """Close the environments, and end the workers."""
        self._stations.close()

    # --- stations ----------------------------------------------------------------------------------------------------

    def _play(self, plays: Mapping[int, Play]) -> dict[int, Played]:
        """What comes of playing episodes in these lanes."""
        orders: dict[int, Order] = {}
        held = {number: [lane for lane in share if lane in plays] for number, share in enumerate(self._shares)}
        for number, lanes in held.items():
            first = self._shares[number].start
            if lanes:
                orders[number] = [plays[lane]._replace(place=lane - first) for lane in lanes]
        answers = self._exchange(orders)
        return {lane: played for k in orders for lane, played in zip(held[k], answers[k], strict=True)}

    def _exchange(self, orders: Mapping[int, Order]) -> dict[int, Any]:
        """What the stations answer, each to its order, though some be lost."""
        answers, lost = self._stations.exchange(orders) if orders else ({}, {})
        for number, how in lost.items():
            answers[number] = self._again(number, orders[number], how)
        return answers

    def _again(self, number: int, order: Order, how: str) -> Any:
        """The answer of those that take a lost station's place."""
        for _ in range(_TRIES - 1):
            lanes = [lane for lane in self._shares[number] if self.open[lane] and self._episode[lane] is not None]
            standing = [self._so_far(lane, self._shares[number].start) for lane in lanes]
            answers, lost = self._stations.exchange({number: standing})
            if not lost:
                self._compare(lanes, standing, answers[number])
                answers, lost = self._stations.exchange({number: order})
            if not lost:
                return answers[number]
            how = lost[number]
        raise CartwheelError(self._too_many(number, how))

    def _so_far(self, lane: int, first: int) -> Play:
        """A lane's open episode, up to where it stands."""
        actions, seed = self._history.of(lane), self._episode[lane]
        assert seed is not None
        if self._writing is not None:
            actions = np.concatenate([actions, self._writing.action[: self._writing.taken[lane], lane]])
        return Play(lane - first, seed, actions[len(actions) - int(self.length[lane]) :])

    def _compare(self, lanes: Sequence[int], plays: Sequence[Play], played: Sequence[Played]) -> None:
        """CartwheelError if an episode that was played again does not stand where it stood."""
        for lane, play, again in zip(lanes, plays, played, strict=True):
            if not np.array_equal(again.seen, self._now[lane]):
                raise CartwheelError(
                    f"{self.environment.name} does not repeat itself: after {len(play.actions)} steps of the episode "
                    f"{play.seed}, played again in place of a worker that was lost, it shows another observation"
                )

    def _too_many(self, number: int, how: str) -> str:
        """That an order has cost too many stations, in one line."""
        share = self._shares[number]
        where = [f"{self._episode[lane]} after step {self.length[lane]}" for lane in share if self.open[lane]]
        return (
            f"{_TRIES} workers in a row were lost with lanes {share.start + 1} to {share.stop} "
            f"(episode seeds {', '.join(where[:3])}{', ...' if len(where) > 3 else ''}): the last one {how}; "
            "its environment may crash or block, or memory run out"
        )

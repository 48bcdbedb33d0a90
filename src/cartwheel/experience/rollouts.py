"""Rollouts: episodes of a whole slice of candidates, `(request, seeds (E,)) -> Experience`.

`GeneralRollout` steps Gymnasium's own environments, `NativeRollout` compiled physics. Both act by the
same compiled code, whose sums run in a fixed order: where the physics are equal, so are their results, to the bit.
A rollout can be sent to another process, and carries nothing from one call to the next that a result could depend on.
The kernels of each are loaded when it runs: the first time they are compiled, for seconds.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment, close, is_plain, make_more
from cartwheel.envs.native.parity import find_difference
from cartwheel.envs.native.registry import NativeEnvironment, find_native
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import EnvironmentFault
from cartwheel.experience.chains import Chains
from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.parts import Alone, Workers, by_parts, check, room, spread_by_slices
from cartwheel.experience.records import Experience, Request
from cartwheel.kernels.random import generators
from cartwheel.policies.networks import Network
from cartwheel.policies.policy import build_head, build_network
from cartwheel.policies.specification import Specification
from cartwheel.spaces import Box

_PARITY_STEPS = 300
# Episodes times parameters of one compiled call at most, which bounds its time, and episodes at least.
_LONGEST_CALL, _SHORTEST_CALL = 2_000_000, 96


class Rollout(Protocol):
    """Measures a request's candidates, each in the episodes `seeds (E,)`, as many as the request wants.

    ValueError where the parameters do not fit the network, or the seeds the request.
    """

    path: str
    specification: Specification
    network: Network

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`."""

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same, by several workers."""

    def close(self) -> None:
        """Let go of environments."""


def make_rollout(
    environment: Environment, specification: Specification, native: bool = True
) -> tuple[Rollout, list[str]]:
    """The fastest rollout for an environment, and warnings about it; `native=False` keeps to Gymnasium's own.

    Native physics are compared with Gymnasium's over a few episodes before they are trusted.
    """
    physics = find_native(environment.spec.id) if native and environment.spec is not None else None
    if physics is None or not is_plain(environment, physics.entry_point):
        return GeneralRollout(environment, specification), []
    difference = find_difference(physics, environment, _PARITY_STEPS)
    if difference is not None:
        warning = f"the native {environment.name} differs from the installed Gymnasium's ({difference}); it is not used"
        return GeneralRollout(environment, specification), [warning]
    return NativeRollout(environment, specification, physics), []


class NativeRollout:
    """Episodes on compiled physics, in one call that holds no lock: threads run it side by side."""

    path = "native"

    def __init__(self, environment: Environment, specification: Specification, physics: NativeEnvironment) -> None:
        self.environment, self.specification, self.physics = environment, specification, physics
        self.network = build_network(specification, environment.observation_space, environment.action_space)
        self.actor = Actor(self.network, build_head(specification, environment.action_space))
        self.progress = 0  # compiled calls so far

    def __getstate__(self) -> dict[str, Any]:
        """Our own physics travel by name, so that another process takes them from its cache."""
        own = self.physics.reset.__module__.startswith("cartwheel.")
        return {**self.__dict__, "progress": 0, "physics": None if own else self.physics}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if state["physics"] is None:
            found = find_native(self.environment.spec.id)
            assert found is not None  # where it was made, it was found under this name
            self.physics = found

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`."""
        return self.spread(request, seeds, Alone())

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same by several threads, which take the next candidate and episode from one counter, or by slices.

        A call can't be broken off, so that a long job is several, for the sake of Ctrl-C.
        """
        if not workers.shared:
            return spread_by_slices(self, request, seeds, workers)
        from cartwheel.kernels.rollout import WIDTH

        check(request, seeds, self.network)
        if isinstance(request.parameters, Chains):
            measure = partial(self.spread, seeds=seeds, workers=workers)
            return by_parts(request, request.parameters, seeds, self.network, measure)
        measured, counter = room(request, seeds, self.network), np.zeros(1, np.int64)
        returns, lengths, seen = measured.returns, measured.lengths, measured.seen
        theta, states = np.ascontiguousarray(request.parameters, np.float32), generators(seeds)
        length = max(_SHORTEST_CALL, _LONGEST_CALL // max(1, self.network.size))
        # Made here, one after the other: threads that record the same network at once would disturb each other.
        rooms = [self.actor.lanes(self.actor.most(WIDTH), request.normalisation) for _ in range(workers.workers)]
        for counter[0] in range(0, returns.size, length):
            end = min(int(counter[0]) + length, returns.size)
            job = (theta, states, end, counter, returns, lengths, seen)
            workers.map(self._run, [(room, *job) for room in rooms])
            self.progress += 1
        if not np.isfinite(returns).all():
            candidate, episode = np.argwhere(~np.isfinite(returns))[0]
            raise EnvironmentFault(
                self.environment.name,
                int(seeds[episode]),
                int(lengths[candidate, episode]),
                "reward",
                f"the native environment's return is {returns[candidate, episode]}",
            )
        return measured

    def _run(self, job: tuple[Any, ...]) -> None:
        """One thread's part of a job: `(lanes, theta, states, end, counter, returns, lengths, seen)`."""
        from cartwheel.kernels.rollout import rollout

        lanes, theta, states, end, counter, returns, lengths, seen = job
        physics = self.physics
        rollout(
            physics.reset,
            physics.step,
            physics.observe,
            physics.state_size,
            self.environment.limit,
            theta,
            states,
            end,
            counter,
            returns,
            lengths,
            np.zeros((0, 0, 2, 0)) if seen is None else seen,
            *lanes,
        )

    def close(self) -> None:
        """Nothing to let go of."""


class GeneralRollout:
    """Episodes on Gymnasium's own environments: `lanes` of them, acting together, each taking up the next episode.

    A lane is one candidate in one episode, with its own weights, so that what it does depends on no other lane.
    """

    path = "general"

    def __init__(self, environment: Environment, specification: Specification, lanes: int = 16) -> None:
        self.environment, self.specification = environment, specification
        self.network = build_network(specification, environment.observation_space, environment.action_space)
        self.actor = Actor(self.network, build_head(specification, environment.action_space))
        if lanes < 1:
            raise ValueError(f"expected at least 1 lane, got {lanes}")
        self.lanes = lanes
        self.progress = 0  # steps and resets so far
        self._made: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "progress": 0, "_made": []}  # live environments stay where they are

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`; EnvironmentFault if an environment raises or gives what it must not."""
        check(request, seeds, self.network)
        if isinstance(request.parameters, Chains):
            return by_parts(request, request.parameters, seeds, self.network, partial(self, seeds=seeds))
        return _Episodes(self, request, seeds).run()

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same by several processes, a slice at a time."""
        return spread_by_slices(self, request, seeds, workers)

    def made(self, count: int) -> list[Any]:
        """`count` environments, made when they are first needed."""
        make_more(self.environment, self._made, count)
        return self._made[:count]

    def close(self) -> None:
        """Close the environments."""
        while self._made:
            close(self._made.pop())


class _Episodes:
    """One call of a `GeneralRollout`: its lanes and what they have gathered."""

    def __init__(self, owner: GeneralRollout, request: Request, seeds: NDArray[np.int64]) -> None:
        self.owner, self.environment, self.head = owner, owner.environment, owner.actor.head
        self.parameters, self.seeds = request.parameters, [int(seed) for seed in seeds]
        self.measured = room(request, seeds, owner.network)
        self.jobs = iter(range(self.measured.returns.size))  # job = candidate * E + episode
        self.made = owner.made(min(owner.actor.most(owner.lanes), self.measured.returns.size))
        self.lanes = owner.actor.lanes(len(self.made), request.normalisation)
        L = self.lanes.action.shape[1]
        self.observation = self.lanes.layers[0, : owner.network.inputs]  # (d, L)
        self.moments = np.zeros((2, owner.network.inputs if request.moments else 0, L))
        self.job, self.seed = [0] * L, [0] * L
        self.total, self.length = [0.0] * L, [0] * L
        space = self.environment.observation_space
        self.shape = space.shape if isinstance(space, Box) and len(space.shape) == 1 else None

    def run(self) -> Experience:
        active = [lane for lane in range(len(self.made)) if self._begin(lane)]
        while active:
            if self.measured.seen is not None:
                self._note(active)
            ended = self._step(active, self._act())
            if ended:
                active = [lane for lane in active if lane not in ended or self._go_on(lane)]
        return self.measured

    def _act(self) -> list[Any]:
        from cartwheel.kernels.acting import act

        count = len(self.made)
        act(count, *self.lanes)
        return self.head.to_actions(self.lanes.action[:, :count])

    def _step(self, active: list[int], actions: list[Any]) -> list[int]:
        """Step the active lanes; those whose episode is over."""
        environment, limit = self.environment, self.environment.limit
        observations, ended = [], []
        for lane in active:
            self.length[lane] = step = self.length[lane] + 1
            observation, reward, terminated, truncated = checked_step(
                environment, self.made[lane], actions[lane], self.seed[lane], step
            )
            observations.append(observation)
            self.owner.progress += 1
            self.total[lane] += reward
            if terminated or truncated or step >= limit:
                ended.append(lane)
        self._observe(active, observations)
        return ended

    def _note(self, active: list[int]) -> None:
        """Take the observations into each lane's moments, by the rule of `kernels.rollout`."""
        mean, squares = self.moments[:, :, active]  # (d, lanes) each
        x = self.observation[:, active].astype(np.float64)
        difference = x - mean
        mean = mean + difference / np.array([self.length[lane] + 1.0 for lane in active])
        self.moments[:, :, active] = mean, squares + difference * (x - mean)

    def _begin(self, lane: int) -> bool:
        """Have a lane take up the next job; False if there is none."""
        job = next(self.jobs, None)
        if job is None:
            return False
        candidate, episode = divmod(job, len(self.seeds))
        self.job[lane], self.seed[lane] = job, self.seeds[episode]
        self.total[lane], self.length[lane] = 0.0, 0
        load(self.lanes, lane, self.parameters[candidate])
        self.moments[:, :, lane] = 0.0
        self._observe([lane], [checked_reset(self.environment, self.made[lane], self.seed[lane])])
        self.owner.progress += 1
        return True

    def _go_on(self, lane: int) -> bool:
        """Note down a lane's episode, which is over, and take up the next."""
        candidate, episode = divmod(self.job[lane], len(self.seeds))
        self.measured.returns[candidate, episode] = self.total[lane]
        self.measured.lengths[candidate, episode] = self.length[lane]
        if self.measured.seen is not None:
            self.measured.seen[candidate, episode] = self.moments[:, :, lane]
        return self._begin(lane)

    def _observe(self, lanes: list[int], observations: list[Any]) -> None:
        """Take in what these lanes saw: together if all is as it should be, else one by one, to find the fault."""
        if self.shape is not None and {getattr(seen, "shape", None) for seen in observations} == {self.shape}:
            block = np.array(observations)  # (lanes, d)
            if block.dtype == np.float32 and np.isfinite(block).all():
                self.observation[:, lanes] = block.T
                return
        for lane, seen in zip(lanes, observations, strict=True):
            self.observation[:, lane] = flat_observation(self.environment, seen, self.seed[lane], self.length[lane])

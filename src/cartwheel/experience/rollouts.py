"""Rollouts: episodes of a whole slice of candidates, `(request, seeds (E,)) -> Experience`.

`GeneralRollout` steps Gymnasium's own environments, `NativeRollout` compiled physics. Both act through the same
compiled perceptron, whose sums run in a fixed order: where the physics are equal, so are their results, to the bit.
A rollout can be sent to another process, and carries nothing from one call to the next that a result could depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment, close, is_plain
from cartwheel.envs.native.parity import find_difference
from cartwheel.envs.native.registry import NativeEnvironment, find_native
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import EnvironmentFault, UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.kernels.perceptron import act
from cartwheel.kernels.random import generators
from cartwheel.kernels.rollout import rollout
from cartwheel.kernels.vector import BLOCK
from cartwheel.nn.flat import ACTIVATIONS
from cartwheel.policies.actions import ActionHead, action_head
from cartwheel.policies.policy import build_network
from cartwheel.policies.specification import MLP, Network
from cartwheel.spaces import Box

_PARITY_STEPS = 300
# Slices for each process: more even out long and short ones, fewer cost less.
_SLICES = 4
# Episodes times parameters of one compiled call at most, which bounds its time, and episodes at least.
_LONGEST_CALL, _SHORTEST_CALL = 2_000_000, 96

_Description: TypeAlias = tuple[NDArray[np.int64], int, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


class Workers(Protocol):
    """What work is spread over: `map` calls a function on each item, `workers` of them at a time."""

    workers: int

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """The results, in the order of the items."""


class Rollout(Protocol):
    """Measures a request's candidates, each in the episodes `seeds (E,)`, as many as the request wants.

    ValueError where the parameters do not fit the network, or the seeds the request.
    """

    path: str
    network: Network

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`."""

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same, by several workers."""

    def close(self) -> None:
        """Let go of environments."""


class _Alone:
    """One worker: the caller."""

    workers = 1

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """The results in order."""
        return [function(item) for item in items]


_ALONE = _Alone()


def make_rollout(environment: Environment, specification: MLP, native: bool = True) -> tuple[Rollout, list[str]]:
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

    def __init__(self, environment: Environment, specification: MLP, physics: NativeEnvironment) -> None:
        self.environment, self.physics = environment, physics
        self.head = action_head(environment.action_space)
        self.network = build_network(specification, environment.observation_space, environment.action_space)
        self._description = _kernel_description(self.network, self.head)

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`."""
        return self.spread(request, seeds, _ALONE)

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same by several threads, which take the next candidate and episode from one counter.

        A call can't be broken off, so that a long job is several, for the sake of Ctrl-C.
        """
        _check(request, seeds, self.network)
        shape = (len(request.parameters), len(seeds))
        returns, lengths, counter = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(1, np.int64)
        theta, states = np.ascontiguousarray(request.parameters, np.float32), generators(seeds)
        length = max(_SHORTEST_CALL, _LONGEST_CALL // max(1, self.network.size))
        for counter[0] in range(0, returns.size, length):
            end = min(int(counter[0]) + length, returns.size)
            workers.map(self._run, [(theta, states, end, counter, returns, lengths)] * workers.workers)
        if not np.isfinite(returns).all():
            candidate, episode = np.argwhere(~np.isfinite(returns))[0]
            raise EnvironmentFault(
                self.environment.name,
                int(seeds[episode]),
                int(lengths[candidate, episode]),
                "reward",
                f"the native environment's return is {returns[candidate, episode]}",
            )
        return Experience(returns=returns, lengths=lengths)

    def _run(self, job: tuple[Any, ...]) -> None:
        """One thread's part of a job: `(theta, states, end, counter, returns, lengths)`."""
        theta, *rest = job
        physics = self.physics
        rollout(
            physics.reset,
            physics.step,
            physics.observe,
            physics.state_size,
            self.environment.limit,
            theta,
            *self._description,
            *rest,
        )

    def close(self) -> None:
        """Nothing to let go of."""


class GeneralRollout:
    """Episodes on Gymnasium's own environments: `lanes` of them, acting together, each taking up the next episode.

    A lane is one candidate in one episode, with its own weights, so that what it does depends on no other lane.
    """

    path = "general"

    def __init__(self, environment: Environment, specification: MLP, lanes: int = 16) -> None:
        self.environment = environment
        self.head = action_head(environment.action_space)
        self.network = build_network(specification, environment.observation_space, environment.action_space)
        if lanes < 1:
            raise ValueError(f"expected at least 1 lane, got {lanes}")
        self.lanes = lanes
        self._made: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": []}  # live environments stay where they are

    def __call__(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """The returns and lengths `(P, E)`; EnvironmentFault if an environment raises or gives what it must not."""
        _check(request, seeds, self.network)
        return _Episodes(self, request, seeds).run()

    def spread(self, request: Request, seeds: NDArray[np.int64], workers: Workers) -> Experience:
        """The same by several processes, a slice at a time.

        Many candidates are shared out by candidates, a few over many episodes (a test) by episodes. A slice takes every
        k-th, since neighbours are alike: the elites, who live long, stand at the front.
        """
        _check(request, seeds, self.network)
        parameters, count = request.parameters, 1 if workers.workers == 1 else _SLICES * workers.workers
        returns = np.empty((len(parameters), len(seeds)))
        lengths = np.empty(returns.shape, np.int64)
        if len(parameters) >= count:
            places = [(slice(start, None, count), slice(None)) for start in range(count)]
        else:
            places = [(slice(None), slice(start, None, count)) for start in range(min(count, len(seeds)))]
        items = [_part(request, seeds, *place) for place in places]
        for place, part in zip(places, workers.map(_Measure(self), items), strict=True):
            returns[place], lengths[place] = part.returns, part.lengths
        return Experience(returns=returns, lengths=lengths)

    def made(self, count: int) -> list[Any]:
        """`count` environments, made when they are first needed."""
        while len(self._made) < count:
            made = self.environment.make()
            if any(made is other for other in self._made):
                raise UsageError(
                    f"{self.environment.name} gives the same environment again; a new one is needed each time"
                )
            self._made.append(made)
        return self._made[:count]

    def close(self) -> None:
        """Close the environments."""
        while self._made:
            close(self._made.pop())


@dataclass(frozen=True)
class _Measure:
    """A rollout as a function of one item, which workers can be sent and can close."""

    rollout: GeneralRollout

    def __call__(self, item: tuple[Request, NDArray[np.int64]]) -> Experience:
        return self.rollout(*item)

    def close(self) -> None:
        self.rollout.close()


class _Episodes:
    """One call of a `GeneralRollout`: its lanes and what they have gathered."""

    def __init__(self, owner: GeneralRollout, request: Request, seeds: NDArray[np.int64]) -> None:
        self.environment, self.head = owner.environment, owner.head
        self.parameters, self.seeds = request.parameters, [int(seed) for seed in seeds]
        self.returns = np.zeros((len(self.parameters), len(seeds)))
        self.lengths = np.zeros(self.returns.shape, np.int64)
        self.jobs = iter(range(self.returns.size))  # job = candidate * E + episode
        self.made = owner.made(min(owner.lanes, self.returns.size))
        L = -(-len(self.made) // BLOCK) * BLOCK
        self.description = _kernel_description(owner.network, owner.head)
        self.weights = np.zeros((owner.network.size, L), np.float32)
        self.action = np.zeros((owner.head.size, L), np.float32)
        self.layers = np.zeros((2, max(owner.network.sizes), L), np.float32)
        self.observation = self.layers[0, : owner.network.sizes[0]]
        self.job, self.seed = [0] * L, [0] * L
        self.total, self.length = [0.0] * L, [0] * L
        space = self.environment.observation_space
        self.shape = space.shape if isinstance(space, Box) and len(space.shape) == 1 else None

    def run(self) -> Experience:
        active = [lane for lane in range(len(self.made)) if self._begin(lane)]
        while active:
            ended = self._step(active, self._act())
            if ended:
                active = [lane for lane in active if lane not in ended or self._go_on(lane)]
        return Experience(returns=self.returns, lengths=self.lengths)

    def _act(self) -> list[Any]:
        lanes = len(self.made)
        act(lanes, self.weights, *self.description, self.layers, self.action)
        return self.head.to_actions(self.action[:, :lanes])

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
            self.total[lane] += reward
            if terminated or truncated or step >= limit:
                ended.append(lane)
        self._observe(active, observations)
        return ended

    def _begin(self, lane: int) -> bool:
        """Have a lane take up the next job; False if there is none."""
        job = next(self.jobs, None)
        if job is None:
            return False
        candidate, episode = divmod(job, len(self.seeds))
        self.job[lane], self.seed[lane] = job, self.seeds[episode]
        self.total[lane], self.length[lane] = 0.0, 0
        self.weights[:, lane] = self.parameters[candidate]
        self._observe([lane], [checked_reset(self.environment, self.made[lane], self.seed[lane])])
        return True

    def _go_on(self, lane: int) -> bool:
        """Note down a lane's episode, which is over, and take up the next."""
        candidate, episode = divmod(self.job[lane], len(self.seeds))
        if not isfinite(self.total[lane]):
            raise EnvironmentFault(
                self.environment.name, self.seed[lane], self.length[lane], "reward", "the sum of rewards is not finite"
            )
        self.returns[candidate, episode] = self.total[lane]
        self.lengths[candidate, episode] = self.length[lane]
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


def _check(request: Request, seeds: NDArray[np.int64], network: Network) -> None:
    parameters = request.parameters
    if parameters.ndim != 2 or parameters.shape[1] != network.size:
        raise ValueError(f"expected parameters (P, {network.size}), got shape {parameters.shape}")
    if len(seeds) != request.episodes:
        raise ValueError(f"expected a seed for each of the request's {request.episodes} episodes, got {len(seeds)}")


def _part(request: Request, seeds: NDArray[np.int64], rows: slice, columns: slice) -> tuple[Request, NDArray[np.int64]]:
    """The same request for some of its candidates in some of its episodes, and the seeds of these."""
    chosen = seeds[columns]
    return replace(request, parameters=request.parameters[rows], episodes=len(chosen)), chosen


def _kernel_description(network: Network, head: ActionHead) -> _Description:
    """A network and its action head as kernels take them: sizes, activation, groups, low, high."""
    return (
        np.array(network.sizes, np.int64),
        list(ACTIVATIONS).index(network.specification.activation),
        np.array(head.groups, np.int64),
        np.array(head.low, np.float64),
        np.array(head.high, np.float64),
    )

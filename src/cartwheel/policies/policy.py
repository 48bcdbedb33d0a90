"""A policy: spaces, a network's specification and its vector, and the two ways to ask it for actions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError, one_line
from cartwheel.nn.flat import Array
from cartwheel.policies.actions import ActionHead, action_head
from cartwheel.policies.networks import Network
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.specification import Specification, Stacked, Stochastic, Table, is_stochastic
from cartwheel.policies.table import check_spaces
from cartwheel.spaces import Box, Discrete, Space, flat_size, flatten

if TYPE_CHECKING:
    from cartwheel.policies.acting import CompiledActor

_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Policy:
    """Maps observations of one space to actions of another.

    `theta (n,)` is taken as a copy, in float32, and handed out read-only. With a `normalisation` the network sees
    observations shifted and scaled. UsageError where the vector or the normalisation does not fit the network.
    """

    specification: Specification
    observation_space: Space
    action_space: Space
    theta: NDArray[np.float32]
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        vector = np.array(self.theta, np.float32)
        if vector.shape != (self.network.size,):
            raise UsageError(
                f"expected a vector of {self.network.size} parameters for a network {self.network.described}, "
                f"got shape {vector.shape}"
            )
        if not np.isfinite(vector).all():
            raise UsageError("the parameters of a policy have to be finite; some are NaN or infinite")
        self.network.check(vector)
        vector.flags.writeable = False
        object.__setattr__(self, "theta", vector)
        if self.normalisation is not None and self.normalisation.size != self.network.inputs:
            raise UsageError(
                f"expected a normalisation of {self.network.inputs} numbers, got one of {self.normalisation.size}"
            )

    @cached_property
    def head(self) -> ActionHead:
        """How outputs become actions."""
        return build_head(self.specification, self.action_space)

    @cached_property
    def network(self) -> Network:
        """The network that `theta` belongs to."""
        return build_network(self.specification, self.observation_space, self.action_space)

    @property
    def memory_size(self) -> int:
        """How many numbers the policy remembers from step to step; 0 for a feed-forward one."""
        return self.network.memory_size

    def act(self, obs: Any, memory: Any = None, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """The action for one observation, greedy, or drawn from the policy's distribution if `rng` is given.

        Returns (action, memory): the memory `(m,)` is to be handed in again at the next step, and None at the first
        one of an episode; a feed-forward policy has none, and gives None. Greedy actions on the arrays of a Box come
        from compiled code, and are those of rollouts to the bit; the first one loads it. All others are NumPy's, which
        may differ in the last bits of its outputs, and so are these where there is no Numba.
        Raises UsageError for an observation that does not belong to the policy's space, and for a foreign memory.
        """
        compiled = self._compiled if rng is None and type(obs) is np.ndarray else None
        if compiled is not None:
            direct = obs.shape == self._direct and obs.dtype == _FLOAT32
            found = compiled.act(obs if direct else self._flat(obs), None if memory is None else self._memory(memory))
            if found is not None:
                return found
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise UsageError(f"rng: expected a NumPy Generator, or None, got {one_line(repr(rng))}")
        flat = self._flat(obs)
        if self.normalisation is not None:
            flat = self.normalisation.apply(flat)
        outputs, after = self.network.advance(self.theta, flat[None], self._memory(memory)[None])  # (1, o), (1, m)
        log_std = self.network.log_std(self.theta)
        column = self.head.decide(outputs[0]) if rng is None else self.head.sample(outputs[0], rng, log_std)
        return self.head.to_action(column), after[0] if self.memory_size else None

    @cached_property
    def _compiled(self) -> CompiledActor | None:
        """What acts by compiled code; None for observations of other spaces than a Box, and where there is no Numba."""
        if not isinstance(self.observation_space, Box):
            return None
        try:
            from cartwheel.policies.acting import CompiledActor
        except ImportError:
            return None
        return CompiledActor(self.network, self.head, self.theta, self.normalisation)

    @cached_property
    def _direct(self) -> tuple[int, ...] | None:
        """The shape of an observation that is flat as it comes."""
        shape: tuple[int, ...] = getattr(self.observation_space, "shape", ())
        return shape if len(shape) == 1 else None

    def __getstate__(self) -> dict[str, Any]:
        """What it is made of: what it has worked out stays here, since compiled code has addresses in it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.theta.flags.writeable = False  # which a copy forgets

    def _flat(self, obs: Any) -> NDArray[np.float32]:
        """An observation as the vector (d,) that it is in the network's eyes, all of it finite."""
        try:
            flat = flatten(self.observation_space, obs)
        except ValueError as problem:
            raise UsageError(f"not an observation of this policy's space: {problem}") from None
        if not np.isfinite(flat).all():
            raise UsageError("the observation is not finite")
        return flat

    def _memory(self, memory: Any) -> NDArray[np.float32]:
        """The memory (m,) to act on."""
        if memory is None:
            return np.zeros(self.memory_size, np.float32)
        expected = f"expected a memory ({self.memory_size},), as `act` gave it"
        try:
            given = np.asarray(memory, np.float32)
        except (TypeError, ValueError):
            raise UsageError(f"{expected}, got {one_line(repr(memory))}") from None
        if given.shape != (self.memory_size,):
            raise UsageError(f"{expected}, got shape {given.shape}")
        return given

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """`act` under the signature that evaluation tools of the field expect, for one observation or a batch of them.

        A batch is an array with one axis more than the space has, and so are its actions; a recurrent policy's state is
        then (B, m). Where `episode_start` is true the memory begins anew. Draws are fresh at each call.
        Raises UsageError as `act`, and for states and starts that are not one for each observation.
        """
        rng = None if deterministic else np.random.default_rng()
        shape = () if isinstance(self.observation_space, Discrete) else getattr(self.observation_space, "shape", None)
        if shape is None or np.ndim(observation) != len(shape) + 1:
            anew = episode_start is not None and bool(np.any(episode_start))
            return self.act(observation, None if anew else state, rng)
        if not len(observation):
            raise UsageError("expected at least one observation, got none")
        count, starts = len(observation), np.asarray(False if episode_start is None else episode_start, bool)
        if starts.shape not in ((), (1,), (count,)):
            raise UsageError(f"expected an episode_start for each of {count} observations, got shape {starts.shape}")
        states = [None] * count if state is None else list(state)
        if len(states) != count:
            raise UsageError(f"expected a state for each of {count} observations, got {len(states)}")
        found = [
            self.act(one, None if anew else before, rng)
            for one, before, anew in zip(observation, states, np.broadcast_to(starts, count), strict=True)
        ]
        actions = np.stack([action for action, _ in found])
        return actions, np.stack([after for _, after in found]) if self.memory_size else state

    def __repr__(self) -> str:
        network = self.network
        return f"Policy({network.described}, {network.activation}, {network.size} parameters)"


def build_network(specification: Specification, observation_space: Space, action_space: Space) -> Network:
    """The network that a specification makes between these spaces; UsageError where it can't serve them."""
    if isinstance(specification, Table):
        check_spaces(observation_space, action_space)
    head = build_head(specification, action_space)
    if isinstance(specification, (Stochastic, Stacked)):
        return specification.build(flat_size(observation_space), head.outputs, head.groups)
    return specification.build(flat_size(observation_space), head.outputs)


def build_head(specification: Specification, action_space: Space) -> ActionHead:
    """The head that makes actions of the outputs of such a network; UsageError for spaces that no rule covers."""
    return action_head(action_space, squashed=not is_stochastic(specification))

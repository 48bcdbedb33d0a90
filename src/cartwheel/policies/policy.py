"""A policy: spaces, a network's specification and its vector, and the two ways to ask it for actions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.nn.flat import Array
from cartwheel.policies.actions import ActionHead, action_head
from cartwheel.policies.specification import MLP, Network
from cartwheel.spaces import Discrete, Space, flat_size, flatten


@dataclass(frozen=True, eq=False, repr=False)
class Policy:
    """Maps observations of one space to actions of another.

    `theta (n,)` is taken as a copy, in float32, and handed out read-only. UsageError where it does not fit the network.
    """

    specification: MLP
    observation_space: Space
    action_space: Space
    theta: NDArray[np.float32]

    def __post_init__(self) -> None:
        vector = np.array(self.theta, np.float32)
        if vector.shape != (self.network.size,):
            raise UsageError(
                f"expected a vector of {self.network.size} parameters for the sizes {self.network.sizes}, "
                f"got shape {vector.shape}"
            )
        if not np.isfinite(vector).all():
            raise UsageError("the parameters of a policy have to be finite; some are NaN or infinite")
        vector.flags.writeable = False
        object.__setattr__(self, "theta", vector)

    @cached_property
    def head(self) -> ActionHead:
        """How outputs become actions."""
        return action_head(self.action_space)

    @cached_property
    def network(self) -> Network:
        """The network that `theta` belongs to."""
        return build_network(self.specification, self.observation_space, self.action_space)

    def act(self, obs: Any, memory: None = None, rng: np.random.Generator | None = None) -> tuple[Any, None]:
        """The action for one observation, greedy, or drawn from the policy's distribution if `rng` is given.

        Returns (action, memory); a feed-forward policy has no memory, and passes None on.
        Raises UsageError for an observation that does not belong to the policy's space.
        """
        try:
            flat = flatten(self.observation_space, obs)
        except ValueError as problem:
            raise UsageError(f"not an observation of this policy's space: {problem}") from None
        if not np.isfinite(flat).all():
            raise UsageError("the observation is not finite")
        outputs = self.network.forward(self.theta, flat[None])[0]  # (o,)
        column = self.head.decide(outputs) if rng is None else self.head.sample(outputs, rng)
        return self.head.to_action(column), memory

    def predict(
        self,
        observation: Any,
        state: None = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, None]:
        """`act` under the signature that evaluation tools of the field expect, for one observation or a batch of them.

        A batch is an array with one axis more than the space has, and so are its actions. Draws are fresh at each call.
        """
        rng = None if deterministic else np.random.default_rng()
        shape = () if isinstance(self.observation_space, Discrete) else getattr(self.observation_space, "shape", None)
        if shape is None or np.ndim(observation) != len(shape) + 1:
            return self.act(observation, state, rng)
        return np.stack([self.act(one, state, rng)[0] for one in observation]), state

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.network.sizes))
        return f"Policy({sizes}, {self.specification.activation}, {self.network.size} parameters)"


def build_network(specification: MLP, observation_space: Space, action_space: Space) -> Network:
    """The network that a specification makes between these spaces."""
    return specification.build(flat_size(observation_space), action_head(action_space).outputs)

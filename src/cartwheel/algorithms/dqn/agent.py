"""DQN: Q-learning with a network, learnt from a replay memory with a target network.

Sources: V. Mnih et al., "Human-level control through deep reinforcement learning", 2015, algorithm 1, with what was
added to it: H. van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning", 2016 (`double`); Z. Wang et
al., "Dueling Network Architectures", 2016, eq. 9 (`dueling`); T. Schaul et al., "Prioritized Experience Replay", 2016
(`priority`); R. Sutton and A. Barto, "Reinforcement Learning", 2018, section 7.1 (`n_step`); S. Kapturowski et al.,
"Recurrent Experience Replay in Distributed Reinforcement Learning", 2019, for networks with a memory (`sequences.py`).

    for each stretch:  act epsilon-greedily by Q(s, .; theta), and remember (s, a, r, s')
        `updates` times, for a minibatch of windows of n steps that begin at s and end at s':
            y <- sum_k gamma^k r_k + gamma^n d Q(s', argmax_a Q(s', a; theta); theta^-)            (double; else max_a)
            theta <- Adam down the mean of w huber(y - Q(s, a; theta))
        every `target_interval` steps theta^- <- theta; or after each update theta^- <- (1 - tau) theta^- + tau theta

d is 0 where the rules ended the episode, and 1 at a time limit: what would have followed there counts.

Deviations: the network that acts stays as it is for a stretch; the target network is set anew between stretches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Entry, State
from cartwheel.algorithms.dqn.settings import DQNSettings
from cartwheel.algorithms.explorer import Explorer
from cartwheel.errors import UsageError
from cartwheel.experience.records import Request, Transitions
from cartwheel.policies.specification import Dueling, Specification, specification, stacked
from cartwheel.seeds import Purpose, generator
from cartwheel.spaces import Discrete, Space


class DQN(Explorer):
    """A network of values, its replay memory and its target network."""

    settings: DQNSettings
    network: Any  # a Network

    def __init__(self, settings: DQNSettings, network: Any, seed: int) -> None:
        # What loads compiled code is only loaded for a run.
        from cartwheel.algorithms.dqn.sequences import SequenceUpdate
        from cartwheel.algorithms.dqn.updates import WindowUpdate
        from cartwheel.experience.replay import Replay

        super().__init__(settings, network, seed)
        network = self.network
        if network.memory_size and settings.capacity < settings.sequence * settings.lanes:
            raise UsageError(
                f"--capacity: expected room for a sequence of {settings.sequence:,} steps of each of the "
                f"{settings.lanes:,} lanes, got {settings.capacity:,}"
            )
        self._update: Any = (SequenceUpdate if network.memory_size else WindowUpdate)(settings, network)
        self._update.begin(first_weights(network, generator(seed, Purpose.INITIAL)))
        self._replay = Replay(
            settings.capacity,
            settings.lanes,
            obs=network.inputs,
            action=1,
            memory=network.memory_size,
            alpha=settings.priority,
        )

    @property
    def remembers(self) -> bool:
        """With a network that has a memory."""
        return self._replay.memory_size > 0

    @property
    def room(self) -> int:
        """The replay memory's."""
        settings, network = self.settings, self.network
        return self._replay.bytes(
            settings.capacity,
            settings.lanes,
            obs=network.inputs,
            action=1,
            memory=self._replay.memory_size,
            prioritised=settings.priority > 0.0,
        )

    def _acting(self) -> NDArray[np.float32]:
        theta: NDArray[np.float32] = self._update.theta
        return theta

    def _learn(self, request: Request, transitions: Transitions) -> dict[str, float]:
        settings, before = self.settings, self._steps
        after = before + transitions.reward.size
        self._replay.add(transitions)
        if after < settings.learning_starts or not self._update.ready(self._replay):
            return {**self._update.nothing, "updates_per_step": 0.0}
        if settings.tau == 0.0 and after // settings.target_interval > before // settings.target_interval:
            self._update.set_target()
        rng = generator(self.seed, Purpose.LEARNING, self._generation)
        figures = self._update.learn(self._replay, rng, self._correction(after))
        return {**figures, "updates_per_step": settings.updates / transitions.reward.size}

    def _correction(self, steps: int) -> float:
        """Beta, which grows to 1 in a straight line."""
        first = self.settings.priority_correction
        return first + (1.0 - first) * min(1.0, steps / self.settings.priority_steps)

    def _own_state(self) -> State:
        return {
            **{f"network/{name}": value for name, value in self._update.state().items()},
            **{f"replay/{name}": value for name, value in self._replay.state().items()},
        }

    def _take(self, state: Mapping[str, Any]) -> None:
        parts: dict[str, dict[str, Any]] = {"network": {}, "replay": {}}
        for name, value in state.items():
            whose, _, what = name.partition("/")
            if whose in parts:
                parts[whose][what] = value
        self._update.check(parts["network"])
        self._replay.restore(parts["replay"])
        self._update.restore(parts["network"])


def first_weights(network: Any, rng: np.random.Generator) -> NDArray[np.float32]:
    """A vector `(n,)` to begin with: weights and biases of a layer of d inputs from U(-1/sqrt(d), 1/sqrt(d)).

    As PyTorch's layers begin. In a layout a layer's biases follow its weights.
    """
    theta, inputs = np.zeros(network.size, np.float32), 1
    for array in network.layout.unpack(theta).values():
        inputs = array.shape[0] if array.ndim == 2 else inputs
        array[...] = rng.uniform(-1.0, 1.0, array.shape) / np.sqrt(inputs)
    return theta


def choosing(observation_space: Space, action_space: Space) -> None:
    """UsageError where there is no value for each action."""
    if not isinstance(action_space, Discrete):
        raise UsageError(
            f"dqn learns a value for each action and wants a Discrete action space, got {type(action_space).__name__}; "
            "take an evolutionary algorithm, say cma-es"
        )


def specify(general: Any, own: DQNSettings) -> Specification:
    """The layers of the general settings, dueling ones where this is wanted."""
    if general.normalise:
        raise UsageError("--normalise: dqn learns from observations as they are; scale them in the environment")
    if own.priority > 0.0 and general.memory != "none":
        raise UsageError("--priority: sequences are drawn uniformly; expected 0 with --memory " + general.memory)
    if not own.dueling:
        return stacked(general.frames, specification(general.memory, general.hidden, general.activation))
    if general.memory != "none":
        raise UsageError("--dueling: expected a network without a memory, got --memory " + general.memory)
    return stacked(general.frames, Dueling(general.hidden, general.activation))


#: `online` is Q-learning with a network as the books begin: an update from each step, and then it is forgotten. Those
#: that are called after an environment are tuned for it.
PRESETS: dict[str, dict[str, Any]] = {
    "online": {
        "stretch": 1,
        "updates": 1,
        "batch": 1,
        "capacity": 1,
        "learning_starts": 0,
        "target_interval": 1,
        "double": False,
        "n_step": 1,
    },
    "acrobot": {
        "hidden": (256, 256),
        "stretch": 16,
        "updates": 16,
        "learning_rate": 6.3e-4,
        "n_step": 1,
        "batch": 128,
        "target_interval": 250,
        "epsilon_steps": 12_000,
        "epsilon_end": 0.1,
    },
    "mountain-car": {"updates": 128, "epsilon_steps": 24_000},
    "cartpole-no-velocity": {
        "steps": 300_000,
        "memory": "gru",
        "hidden": (64, 32),
        "batch": 32,
        "burn_in": 4,
        "sequence": 6,
    },
}

ENTRY = Entry(
    name="dqn",
    summary="DQN: Q-learning with a network, a replay memory and a target network",
    algorithm=DQN,
    settings=DQNSettings,
    presets=PRESETS,
    specify=specify,
    check=choosing,
    general={"hidden": (64, 64)},
)

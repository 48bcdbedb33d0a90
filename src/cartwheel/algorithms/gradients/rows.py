"""Updates of a network that remembers nothing: each step is a row by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cartwheel import nn
from cartwheel.algorithms.gradients.model import ActorCritic
from cartwheel.algorithms.gradients.phase import Batch, Floats, Look, Loss, Phase
from cartwheel.experience.records import Transitions
from cartwheel.nn import functions as F


class RowPhase(Phase):
    """Minibatches of single steps."""

    model: ActorCritic

    def __init__(self, settings: Any, network: Any, loss: Loss, *, ratio: bool) -> None:
        super().__init__(settings, network, ActorCritic(network, settings.shared), loss, ratio=ratio)

    def look(self, obs: Any, next_obs: Any, draw: Any = None) -> Any:
        """Values (B,) of obs and of next_obs (B, d), and log-probabilities (B,) of draws (B, a), if there are any."""
        with nn.no_grad():
            following = self.model.values(next_obs)
            if draw is None:
                return self.model.values(obs), following
            outputs, value = self.model(obs)
            return value, following, self.actions(outputs).log_prob(draw)

    def before(self, transitions: Transitions) -> Look:
        """In one call."""
        t, shape = transitions, transitions.reward.shape
        inputs = flat(t.obs), flat(t.next_obs), *([flat(self.drawn(t))] if self.ratio else [])
        found = [one.data.reshape(shape) for one in self._look(*inputs)]
        return Look(found[2] if self.ratio else np.zeros(shape, np.float32), found[0], found[1])

    def step(
        self, obs: Any, draw: Any, old_log_prob: Any, old_value: Any, advantage: Any, target: Any
    ) -> dict[str, Any]:
        """One update by rows: obs (B, d), draw (B, a), the others (B,)."""
        outputs, value = self.model(obs)
        actions = self.actions(outputs)
        log_prob, entropy = actions.log_prob(draw), actions.entropy()
        return self.descend(Batch(log_prob, entropy, value, old_log_prob, old_value, advantage, target, F.mean))

    def updates(
        self, transitions: Transitions, before: Look, advantage: Any, target: Any, rng: np.random.Generator
    ) -> Callable[[int, int], dict[str, Floats]]:
        """Minibatches of equal size; each epoch takes each row once, in an order of its own."""
        t, rows = transitions, advantage.size
        numbers = (before.log_prob, before.value, advantage.astype(np.float32), target.astype(np.float32))
        inputs = [flat(t.obs), flat(self.drawn(t)), *(array.reshape(rows) for array in numbers)]

        def run(epochs: int, minibatches: int) -> dict[str, Floats]:
            if epochs * minibatches == 1:
                return {name: value.data[None] for name, value in self._step(*inputs).items()}
            names = np.tile(np.arange(rows), (epochs, 1))  # (epochs, rows)
            if minibatches > 1:
                names = rng.permuted(names, axis=1)
            found = self._step.over(names.reshape(epochs * minibatches, -1), *inputs)
            return {name: value.data for name, value in found.items()}

        return run


def flat(array: Any) -> Any:
    """(T, N, k) as (T N, k)."""
    return array.reshape(-1, array.shape[2])

"""One update by whole episodes, whose lengths differ: their steps, one after the other, and rows that weigh nothing.

There are as many rows as the next power of two, so that a few recorded programs are enough, and a short episode costs
little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.algorithms.gradients.agent import steps_taken
from cartwheel.algorithms.gradients.model import ActorCritic
from cartwheel.algorithms.gradients.phase import Batch, Floats, Look, Loss, Phase
from cartwheel.experience.records import Transitions
from cartwheel.nn import functions as F

#: The fewest rows, and how often these may be doubled: a step is not recorded for more than 16 numbers of rows.
FEWEST, DOUBLINGS = 64, 12


class PolicyAlone(nn.Model):
    """A perceptron without a value."""

    def __init__(self, network: Any) -> None:
        self.policy = replace(network).model  # nobody else's

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Outputs (B, o) for observations x (B, d); there is no value."""
        return self.policy(x), None


class EpisodePhase(Phase):
    """A batch of episodes, one of each lane, makes one update. The value is there where it is `learnt`."""

    model: Any  # an ActorCritic or a PolicyAlone

    def __init__(self, settings: Any, network: Any, loss: Loss, *, learnt: bool) -> None:
        model = ActorCritic(network, settings.shared) if learnt else PolicyAlone(network)
        super().__init__(settings, network, model, loss, ratio=False)
        self._learnt, self._most = learnt, settings.stretch * settings.lanes

    def look(self, obs: Any, next_obs: Any) -> Any:
        """Values (B,) of obs and of next_obs (B, d)."""
        with nn.no_grad():
            return self.model.values(obs), self.model.values(next_obs)

    def before(self, transitions: Transitions) -> Look:
        """Values of the steps that were taken, in one call; 0 elsewhere, and where there is no value."""
        found = Look(*np.zeros((3, *transitions.reward.shape), np.float32))
        if self._learnt:
            taken = steps_taken(transitions)
            rows = rows_of(int(taken.sum()), self._most)
            inputs = (filled(array[taken], rows) for array in (transitions.obs, transitions.next_obs))
            for array, values in zip(found[1:], self._look(*inputs), strict=True):
                array[taken] = values.data[: taken.sum()]
        return found

    def step(self, obs: Any, draw: Any, advantage: Any, target: Any, weight: Any) -> dict[str, Any]:
        """One update by rows: obs (B, d), draw (B, a), the others (B,).

        `weight` is 1 / N for a step of N episodes, else 0: means are those of the episodes' sums.
        """
        outputs, value = self.model(obs)
        actions = self.actions(outputs)

        def mean(x: Any) -> Any:
            return F.sum(weight * x)

        log_prob, entropy = actions.log_prob(draw), actions.entropy()
        return self.descend(Batch(log_prob, entropy, value, None, None, advantage, target, mean))

    def updates(
        self, transitions: Transitions, before: Look, advantage: Any, target: Any, rng: np.random.Generator
    ) -> Callable[[int, int], dict[str, Floats]]:
        """The one update, by all steps."""
        taken = steps_taken(transitions)
        draw = self.drawn(transitions)[taken]
        weight = np.full(len(draw), 1.0 / taken.shape[1], np.float32)
        floats = (array[taken].astype(np.float32) for array in (advantage, target))
        inputs, rows = (transitions.obs[taken], draw, *floats, weight), rows_of(len(draw), self._most)

        def run(epochs: int, minibatches: int) -> dict[str, Floats]:
            found = self._step(*(filled(array, rows) for array in inputs))
            return {name: value.data[None] for name, value in found.items()}

        return run


def rows_of(steps: int, most: int) -> int:
    """How many rows so many steps are filled up to, of which there are `most` at most: a power of two."""
    fewest = max(FEWEST, 1 << (most - 1).bit_length() >> DOUBLINGS)
    return max(fewest, 1 << (steps - 1).bit_length())


def filled(x: NDArray[Any], rows: int) -> NDArray[Any]:
    """X (B, ...) with zeros after it, up to so many rows."""
    return np.concatenate([x, np.zeros((rows - len(x), *x.shape[1:]), x.dtype)])

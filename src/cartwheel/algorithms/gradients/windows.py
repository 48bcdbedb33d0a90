"""Updates of a network with a memory: windows of steps that follow on each other.

Sources: S. Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning", 2019, section 3
(stored memories); R. Williams and J. Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent
Network Trajectories", 1990 (gradients through so many steps and no more). With f the cells, h_t the memory before step
t as it was when the stretch was acted, and V and pi on top of what the cells give,

    before the updates:  V_old(s_t) = V(f(s_t, h_t)),  V_old(s'_t) = V(f(s'_t, h')),  h' the memory after s_t
    in an update:  h' <- 0 where an episode begins, else the memory after the step before; h_t at a window's first step

So what truly followed a step is valued with the memory advanced, at a time limit too, where h_{t+1} is 0 already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cartwheel import nn
from cartwheel.algorithms.gradients.model import RecurrentActorCritic
from cartwheel.algorithms.gradients.phase import Batch, Floats, Look, Loss, Phase
from cartwheel.algorithms.gradients.rows import flat
from cartwheel.errors import UsageError
from cartwheel.experience.records import Transitions
from cartwheel.experience.windows import Windows, begins
from cartwheel.nn import functions as F


class WindowPhase(Phase):
    """Minibatches of windows of `settings.sequence` steps, each of which begins with the memory that was stored.

    UsageError for more minibatches than there are windows, and for `shared`.
    """

    model: RecurrentActorCritic

    def __init__(self, settings: Any, network: Any, loss: Loss, *, ratio: bool) -> None:
        self._windows = Windows.of(settings.stretch, settings.lanes, settings.sequence)
        parts, most = getattr(settings, "minibatches", 1), len(self._windows.rows)
        if parts > most:
            raise UsageError(
                f"--minibatches: expected at most the {most:,} windows of {settings.sequence:,} steps (--sequence) "
                f"that {settings.stretch:,} steps of {settings.lanes:,} lanes make, got {parts:,}"
            )
        if settings.shared:
            raise UsageError("--shared: with a memory the value always reads what the cells give; leave it out")
        super().__init__(settings, network, RecurrentActorCritic(network), loss, ratio=ratio)

    def look(self, obs: Any, next_obs: Any, memory: Any, draw: Any = None) -> Any:
        """Values (B,) of obs (B, d) and, a step later, of next_obs, from the memory (B, m) before obs.

        And log-probabilities (B,) of draws (B, a), where there are any.
        """
        rows = obs.shape[0]
        with nn.no_grad():
            outputs, value = self.model(F.stack([obs, next_obs]), memory)
            if draw is None:
                return value[:rows], value[rows:]
            return value[:rows], value[rows:], self.actions(outputs[:rows]).log_prob(draw)

    def before(self, transitions: Transitions) -> Look:
        """In one call, all steps side by side: each has its memory."""
        t, shape = transitions, transitions.reward.shape
        assert t.memory is not None
        inputs = flat(t.obs), flat(t.next_obs), flat(t.memory), *([flat(self.drawn(t))] if self.ratio else [])
        found = [one.data.reshape(shape) for one in self._look(*inputs)]
        return Look(found[2] if self.ratio else np.zeros(shape, np.float32), found[0], found[1])

    def step(self, memory: Any, obs: Any, begins: Any, draw: Any, mask: Any, *numbers: Any) -> dict[str, Any]:
        """One update by windows: memory (B, m), obs (B, L, d), draw (B, L, a), the others (B, L)."""
        outputs, value = self.model(F.swapaxes(obs, 0, 1), memory, F.transpose(begins))  # L before B from here on
        actions = self.actions(outputs)
        draw, mask = F.reshape(F.swapaxes(draw, 0, 1), (-1, draw.shape[2])), F.reshape(F.transpose(mask), (-1,))
        count = F.sum(mask)

        def mean(x: Any) -> Any:
            return F.sum(mask * x) / count

        old_log_prob, old_value, advantage, target = (F.reshape(F.transpose(x), (-1,)) for x in numbers)
        log_prob, entropy = actions.log_prob(draw), actions.entropy()
        return self.descend(Batch(log_prob, entropy, value, old_log_prob, old_value, advantage, target, mean))

    def updates(
        self, transitions: Transitions, before: Look, advantage: Any, target: Any, rng: np.random.Generator
    ) -> Callable[[int, int], dict[str, Floats]]:
        """Minibatches of as many windows each, or one fewer; each epoch takes each window once."""
        t, windows = transitions, self._windows
        assert t.memory is not None
        numbers = (before.log_prob, before.value, advantage.astype(np.float32), target.astype(np.float32))
        steps = [windows.cut(array) for array in (t.obs, begins(t.boundary), self.drawn(t))]
        inputs = [windows.first(t.memory), *steps, windows.mask, *map(windows.cut, numbers)]
        inputs = [np.concatenate([array, array[:1]]) for array in inputs]  # a last one for places that stay free,
        inputs[4][-1] = 0.0  # in which nothing counts

        def run(epochs: int, minibatches: int) -> dict[str, Floats]:
            found = self._step.over(windows.minibatches(epochs, minibatches, rng), *inputs)
            return {name: value.data for name, value in found.items()}

        return run

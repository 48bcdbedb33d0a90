"""Updates of a network with a memory, from sequences.

Source: S. Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning", 2019 (R2D2): stored
memories, and burn-in. With Q_t of the sequence's observations up to the t-th, from the stored memory on,

    y_t <- r_t + ... + gamma^(n-1) r_{t+n-1} + gamma^n d_{t+n-1} Q_{t+n}(argmax_a Q_{t+n}(a; theta); theta^-)
    theta <- Adam down the mean of huber(y_t - Q_t(a_t; theta))

over the steps that count. So the value after the last step is taken with the memory advanced over what followed it.

Deviations: gradients go through the burn-in too; a window of n steps ends with its sequence; values are not rescaled;
sequences are drawn uniformly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel import nn
from cartwheel.algorithms.dqn.updates import Update, figures, huber
from cartwheel.experience.replay import Replay
from cartwheel.nn import functions as F


class SequenceUpdate(Update):
    """Updates from sequences, of a network with a memory."""

    def ready(self, replay: Replay) -> bool:
        """There are as many rows as a sequence has steps that count."""
        return len(replay) >= self.settings.sequence * self.settings.lanes

    def step(self, memory: Any, obs: Any, action: Any, reward: Any, discount: Any, mask: Any) -> Any:
        """One update from sequences: memory (1, B, m), obs (1, T + 1, B, d), the others (1, T, B)."""
        memory, obs, action, reward, discount, mask = (x[0] for x in (memory, obs, action, reward, discount, mask))
        q, _ = self.network.unrolled(dict(self.model.named_params()), obs, memory)  # (T + 1, B, A)
        with nn.no_grad():
            following, _ = self.network.unrolled(dict(self.target.named_params()), obs, memory)
            following = following[1:]  # (T, B, A)
            best = q[1:] if self.settings.double else following
            y = self._targets(reward, discount, mask, _of(following, F.argmax(best, axis=2)))
        chosen = _of(q[:-1], action)
        error = mask * (y - chosen)
        count = F.sum(mask)
        loss, mean = F.sum(huber(error)) / count, F.sum(mask * F.mean(q[:-1], axis=2)) / count
        norm = self.descend(loss)
        return error, loss, mean, norm

    def _targets(self, reward: Any, discount: Any, mask: Any, value: Any) -> Any:
        """y (T, B) from rewards, discounts, the mask and the values of what followed each step, all (T, B).

        A window of n steps is one of n - 1 steps from the next step on, with this one before it; it ends with the
        sequence's steps that count, and so with its episode.
        """
        discount = self.settings.gamma * discount
        y, nothing = reward + discount * value, 0.0 * mask[:1]
        goes_on = F.concat([mask[1:], nothing], axis=0)
        for _ in range(self.settings.n_step - 1):
            after = F.concat([y[1:], nothing], axis=0)
            y = reward + discount * (goes_on * after + (1.0 - goes_on) * value)
        return y

    def learn(self, replay: Replay, rng: np.random.Generator, beta: float) -> dict[str, float]:
        """All updates in one call."""
        settings = self.settings
        drawn = replay.sample_sequences(rng, settings.updates, settings.batch, settings.burn_in, settings.sequence)
        inputs = drawn.memory, drawn.obs, drawn.action[..., 0].astype(np.int64)
        names = np.arange(settings.updates)[:, None]
        found = self._step.over(names, *inputs, drawn.reward, drawn.discount, drawn.mask)
        error, loss, q, norm = (one.data for one in found)
        return figures(error[drawn.mask > 0.0], loss, q, norm)


def _of(q: Any, action: Any) -> Any:
    """The values (T, B) of actions (T, B) among q (T, B, A)."""
    return F.take_along_axis(q, F.reshape(action, (*action.shape, 1)), axis=2)[:, :, 0]

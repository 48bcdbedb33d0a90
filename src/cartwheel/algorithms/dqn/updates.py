"""Updates of DQN's network: many in one call of a recorded program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.algorithms.dqn.settings import DQNSettings
from cartwheel.errors import UsageError
from cartwheel.experience.replay import Replay
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture
from cartwheel.nn.optimizers.hooks import ClipGrad
from cartwheel.nn.utils import soft_update

Floats = NDArray[np.float32]


class Update(ABC):
    """The learning network, the target network, and the optimizer; `learn` makes all updates of a stretch."""

    def __init__(self, settings: DQNSettings, network: Any) -> None:
        self.settings, self.network = settings, network
        self.model, self.target = replace(network).model, replace(network).model  # nobody else's
        self.optimizer = nn.optimizers.Adam(settings.learning_rate).setup(self.model)
        self.optimizer.add_hook(ClipGrad(settings.max_gradient))
        self._step = capture(self.step)

    #: The figures that `learn` gives, while there is nothing to learn from.
    nothing = dict.fromkeys(("loss", "q_mean", "td_error", "gradient_norm"), np.nan)

    @property
    def theta(self) -> Floats:
        """The vector `(n,)` that learns, as it is now."""
        theta: Floats = self.model.theta
        return theta

    def begin(self, theta: Floats) -> None:
        """Let both networks be this one."""
        self.model.theta, self.target.theta = theta, theta

    def set_target(self) -> None:
        """Let the target network be as the learning one is now."""
        self.target.theta = self.model.theta

    @abstractmethod
    def ready(self, replay: Replay) -> bool:
        """Whether there is enough to draw from."""

    @abstractmethod
    def step(self, *inputs: Any) -> Any:
        """One update, in the framework's functions; gives TD errors, the loss, the mean value, the gradient's norm."""

    @abstractmethod
    def learn(self, replay: Replay, rng: np.random.Generator, beta: float) -> dict[str, float]:
        """All updates of a stretch, from what `rng` draws; the figures of them."""

    def descend(self, loss: Any) -> Any:
        """A step of Adam down the loss, and of the target network after it; the norm of the gradient."""
        self.model.cleargrads()
        loss.backward()
        norm = F.norm(self.model.grad)
        self.optimizer.update()
        if self.settings.tau > 0.0:
            soft_update(self.target, self.model, self.settings.tau)
        return norm

    def state(self) -> dict[str, Any]:
        """Both networks and the optimizer."""
        optimizer = {f"adam/{name}": value for name, value in self.optimizer.state().items()}
        return {"theta": self.model.theta.copy(), "target": self.target.theta.copy(), **optimizer}

    def check(self, state: Mapping[str, Any]) -> None:
        """ValueError for a state of another network."""
        for name, value in state.items():
            if np.ndim(value) and np.shape(value) != (self.network.size,):
                raise ValueError(f"expected {name} of {self.network.size} numbers, got shape {np.shape(value)}")

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, one that `check` lets pass."""
        self.model.theta, self.target.theta = state["theta"], state["target"]
        names = {name: f"adam/{name}" for name in ("step", *self.optimizer.memory)}  # in order: a file keeps none
        self.optimizer.restore({name: state[entry] for name, entry in names.items() if entry in state})


class WindowUpdate(Update):
    """Updates from windows of n steps, of a network that remembers nothing."""

    def ready(self, replay: Replay) -> bool:
        """A step is enough."""
        return len(replay) > 0

    def step(self, obs: Any, action: Any, reward: Any, discount: Any, next_obs: Any, weight: Any) -> Any:
        """One update from windows: obs and next_obs (B, d), the others (B,)."""
        q = self.model(obs)  # (B, A)
        chosen = F.take_along_axis(q, F.reshape(action, (-1, 1)), axis=1)[:, 0]
        with nn.no_grad():
            following = self.target(next_obs)  # (B, A)
            best = following
            if self.settings.double:
                best = self.model(next_obs)
            value = F.take_along_axis(following, F.reshape(F.argmax(best, axis=1), (-1, 1)), axis=1)[:, 0]
            y = reward + discount * value
        error = y - chosen
        loss = F.mean(weight * huber(error))
        norm = self.descend(loss)
        return error, loss, F.mean(q), norm

    def learn(self, replay: Replay, rng: np.random.Generator, beta: float) -> dict[str, float]:
        """Where all are alike all in one call, else one after the other, as each changes the chances of the next."""
        settings = self.settings
        together = settings.updates if replay.alpha == 0.0 else 1
        found: list[tuple[Any, ...]] = []
        for _ in range(settings.updates // together):
            drawn = replay.sample(rng, together, settings.batch, settings.n_step, settings.gamma, beta)
            inputs = drawn.obs, drawn.action[:, 0].astype(np.int64), drawn.reward, drawn.discount, drawn.next_obs
            names = np.arange(together * settings.batch).reshape(together, settings.batch)
            found.append(tuple(one.data for one in self._step.over(names, *inputs, drawn.weight)))
            if replay.alpha > 0.0:
                check_finite(found[-1][0])
                replay.update(drawn.index, found[-1][0].ravel())
        return figures(*(np.concatenate(one) for one in zip(*found, strict=True)))


def huber(error: Any) -> Any:
    """Half the square of each error up to 1, and as steep a line beyond."""
    bounded = F.clip(error, -1.0, 1.0)
    return bounded * (error - 0.5 * bounded)


def figures(error: Any, loss: Any, q: Any, norm: Any) -> dict[str, float]:
    """The means over updates: of the loss, of Q, of the size of TD errors, and of the gradient's norm."""
    check_finite(error, loss, norm)
    return {
        "loss": float(loss.mean()),
        "q_mean": float(q.mean()),
        "td_error": float(np.abs(error).mean()),
        "gradient_norm": float(norm.mean()),
    }


def check_finite(*arrays: Any) -> None:
    """UsageError where an update has led to what is no number any more."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise UsageError(
            "dqn: expected finite values and gradients, got infinite ones or NaN; "
            "lower --learning-rate, or have the environment give smaller rewards"
        )

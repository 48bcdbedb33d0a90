"""A phase of updates: what is computed of a stretch before them, and the updates themselves, as recorded programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartwheel import nn
from cartwheel.experience.records import Transitions
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture
from cartwheel.nn.optimizers.hooks import ClipGrad
from cartwheel.policies.distributions.outputs import Actions, numbered

Floats = NDArray[np.float32]


class Look(NamedTuple):
    """What the policy and the value say of a stretch before it is learnt from, (T, N) each.

    `log_prob` of what was drawn, where it was wanted, else 0; `value` of what was seen, and `following` of what came
    next.
    """

    log_prob: Floats
    value: Floats
    following: Floats


class Batch(NamedTuple):
    """What a loss is made of, a number for each of B steps, and how their mean is taken.

    `log_prob` and `entropy` of the policy and `value` as they are now; `old_log_prob` and `old_value` as they were
    when the stretch came.
    """

    log_prob: Any
    entropy: Any
    value: Any
    old_log_prob: Any
    old_value: Any
    advantage: Any
    target: Any
    mean: Callable[[Any], Any]


#: A loss gives what is to be made small, and figures to be shown.
Loss = Callable[[Batch], tuple[Any, dict[str, Any]]]


class Phase(ABC):
    """A model, its optimizer, and the two programs. `rate` is the optimizer's step size, a number that may change."""

    def __init__(self, settings: Any, network: Any, model: Any, loss: Loss, *, ratio: bool) -> None:
        """`ratio`: the loss reads `old_log_prob`."""
        self.settings, self.network, self.model, self.loss, self.ratio = settings, network, model, loss, ratio
        self.rate = np.array(settings.learning_rate, np.float32)
        self.optimizer = nn.optimizers.Adam(self._rate, eps=1e-5).setup(model)
        self.optimizer.add_hook(ClipGrad(settings.max_gradient))
        self._look, self._step = capture(self.look), capture(self.step)

    def _rate(self, step: Any) -> Any:
        """The schedule: what stands in `rate`; where the step is recorded, as a formula of the number of updates."""
        return nn.as_variable(self.rate) + 0.0 * step if isinstance(step, nn.Variable) else float(self.rate)

    @property
    def theta(self) -> Floats:
        """The vector of the policy and the value, as it is now."""
        theta: Floats = self.model.theta
        return theta

    @abstractmethod
    def look(self, *inputs: Any) -> Any:
        """Before the updates, in the framework's functions."""

    @abstractmethod
    def step(self, *inputs: Any) -> Any:
        """One update, in the framework's functions; gives the figures."""

    @abstractmethod
    def before(self, transitions: Transitions) -> Look:
        """What is said of a stretch before the updates."""

    @abstractmethod
    def updates(
        self, transitions: Transitions, before: Look, advantage: Any, target: Any, rng: np.random.Generator
    ) -> Callable[[int, int], dict[str, Floats]]:
        """What makes so many epochs of so many minibatches each, in one call; the figures of each update (K,)."""

    def actions(self, outputs: Any) -> Actions:
        """The distributions (B,) of outputs (B, o)."""
        network = self.network
        return Actions(network.groups, outputs, self.model.policy.log_std if network.deviations else None)

    def drawn(self, transitions: Transitions) -> Any:
        """What was drawn (T, N, a), as `Actions` take it."""
        assert transitions.draw is not None
        return numbered(self.network.groups, transitions.draw)

    def descend(self, batch: Batch) -> dict[str, Any]:
        """A step of Adam down the loss; the figures, the norm of the gradient among them."""
        loss, figures = self.loss(batch)
        self.model.cleargrads()
        loss.backward()
        figures["gradient_norm"] = F.norm(self.model.grad)
        self.optimizer.update()
        return figures

    def state(self) -> dict[str, Any]:
        """The vector and the optimizer."""
        optimizer = {f"adam/{name}": value for name, value in self.optimizer.state().items()}
        return {"theta": self.model.theta.copy(), **optimizer}

    def check(self, state: Mapping[str, Any]) -> None:
        """ValueError for a state of another model."""
        size = self.model.theta.size
        for name, value in {"theta": None, **state}.items():
            if name != "adam/step" and np.shape(value) != (size,):
                raise ValueError(f"expected {name} of {size} numbers, got shape {np.shape(value)}")

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, one that `check` lets pass."""
        names = {name: f"adam/{name}" for name in ("step", *self.optimizer.memory)}  # in order: a file keeps none
        self.optimizer.restore({name: state[entry] for name, entry in names.items() if entry in state})  # may refuse
        self.model.theta = state["theta"]

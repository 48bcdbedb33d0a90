"""Hooks: what is done to the gradient before an optimizer uses it, in the order in which they were added.

    optimizer = SGD(0.1).setup(model)
    optimizer.add_hook(ClipGrad(1.0))

They work on the one vector, and leave the parameters' own `.grad` as it is. A function of one's own is a hook as well:
it is called with the list of parameters that have a gradient, and may change `.grad.data`, or set `.grad` to None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.functions.arithmetic import sum_to
from cartwheel.nn.functions.elementwise import clip, minimum
from cartwheel.nn.optimizers.settings import Rate, Setting, at, written
from cartwheel.nn.optimizers.target import Place, selected
from cartwheel.nn.variable import raw


class Hook:
    """A change of the gradient: derive from it, and write `rule`."""

    settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self.settings = {}
        for name, value in settings.items():
            setattr(self, name, value)

    @staticmethod
    def rule(theta: Any, grad: Any, settings: Any) -> Any:
        """The new gradient (n,), a pure function of arrays or Variables: theta (n,), grad (n,), numbers by name."""
        raise NotImplementedError("a hook needs a rule")

    def change(
        self, theta: Array, grad: Array, mask: Array | None, step: int, places: Sequence[Place]
    ) -> tuple[Array, Array | None]:
        """The new gradient, and the new mask of the gradients that are there (None if all are)."""
        changed = raw(self.rule(theta, grad, at(self.settings, step, type(self).__name__)))
        return changed if mask is None else namespace(mask).where(mask, changed, grad), mask

    def __repr__(self) -> str:
        return written(type(self).__name__, self.settings)


class WeightDecay(Hook):
    """Weight decay: grad + rate theta, the gradient of rate |theta|^2 / 2 added to the loss.

    With the adaptive rules it is not the same as AdamW's decay, which is not divided by the gradient's size.
    """

    rate = Rate()

    def __init__(self, rate: Any) -> None:
        super().__init__(rate=rate)

    @staticmethod
    def rule(theta: Any, grad: Any, settings: Any) -> Any:
        """Grad + rate theta."""
        return grad + settings["rate"] * theta


class ClipGrad(Hook):
    """Clipping by the global norm: the whole gradient times max_norm / (|grad| + 1e-6), where that is less than 1.

    Of a population (P, n) each candidate's gradient is clipped by its own norm.
    A NaN in the gradient makes all of it NaN.
    """

    max_norm = Setting()

    def __init__(self, max_norm: float) -> None:
        super().__init__(max_norm=max_norm)

    @staticmethod
    def rule(theta: Any, grad: Any, settings: Any) -> Any:
        """Grad times a number of at most 1."""
        lead = grad.shape[:-1]
        norm = sum_to(grad * grad, (*lead, 1) if lead else ()) ** 0.5
        return grad * minimum(settings["max_norm"] / (norm + 1e-6), 1.0)


class ClipValue(Hook):
    """Clipping by value: each number of the gradient into [-max_value, max_value]."""

    max_value = Setting()

    def __init__(self, max_value: float) -> None:
        super().__init__(max_value=max_value)

    @staticmethod
    def rule(theta: Any, grad: Any, settings: Any) -> Any:
        """Each number into its range."""
        return clip(grad, -settings["max_value"], settings["max_value"])


class FreezeParam(Hook):
    """Leaves parameters as they are: layers, parameters, or names as the model's layout has them (`l1`, or `l1/W`).

    Hooks added after it, such as `ClipGrad`, don't see their gradients. ValueError at the update for what is no part of
    the optimizer's target.
    """

    def __init__(self, *things: Any) -> None:
        super().__init__()
        for thing in things:
            if not isinstance(thing, str) and not hasattr(thing, "params") and not hasattr(thing, "cleargrad"):
                raise TypeError(f"expected layers, parameters or names to freeze, got {type(thing).__name__}")
        self.things = things
        self._found: tuple[Sequence[Place], Array] | None = None

    def __repr__(self) -> str:
        return f"FreezeParam({', '.join(map(repr, self.things))})"

    def change(
        self, theta: Array, grad: Array, mask: Array | None, step: int, places: Sequence[Place]
    ) -> tuple[Array, Array | None]:
        """A gradient of zeros where frozen, and a mask that says that there is none."""
        xp = namespace(grad)
        if self._found is None or self._found[0] is not places:
            self._found = places, xp.asarray(~selected(places, self.things))
        learnt = self._found[1]
        return xp.where(learnt, grad, 0.0), learnt if mask is None else mask & learnt

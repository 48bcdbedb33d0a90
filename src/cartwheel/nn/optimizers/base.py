"""`Optimizer`: what all of them do, whatever their rule: read the one vector, change it, keep the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.optimizers.hooks import Hook
from cartwheel.nn.optimizers.settings import at, written
from cartwheel.nn.optimizers.target import Place, Target, no_gradient, relaid, target_of
from cartwheel.nn.variable import raw


class Optimizer:
    """Changes parameters by their gradients: `setup` says whose, `update` makes one step.

    One of your own derives from it, names its settings and the vectors of its `memory`, and writes `rule`:

        class Sign(Optimizer):
            lr = Rate()

            @staticmethod
            def rule(theta, grad, state, settings):
                return theta - settings["lr"] * sign(grad), {"step": state["step"] + 1}

        optimizer = Sign(lr=0.01).setup(model)

    or writes `update_one(param)`, which changes one parameter; what that remembers is its own affair, and not part of
    `state`. Parameters without a gradient, and their part of the memory, stay as they are; those without data are
    learnt from the update on by which they have some. Gradients that are not finite are used as they come:
    `nn.debug()` finds out from where.
    """

    #: The names of the vectors (n,) that the rule keeps from update to update; they begin at zero.
    memory: tuple[str, ...] = ()

    settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self.target: Any = None
        self.hooks: list[Any] = []
        self.settings = {}
        self._vector: Target | None = None
        self._step = 0
        self._memory: dict[str, Array] = {}
        self._laid: Sequence[Place] = ()  # which parameter each number of the memory belongs to
        for name, value in settings.items():
            setattr(self, name, value)

    @property
    def step(self) -> int:
        """How many updates were made. RuntimeError while a step is recorded, which would go on with the same number."""
        if Config.tape is not None:
            Config.tape.refuse("step of an optimizer was read", "A rate that follows it is a schedule")
        return self._step

    def setup(self, target: Any) -> Self:
        """Say what is learnt: a model, a layer, or a list of parameters. Gives the optimizer itself.

        An optimizer that had another target begins anew. TypeError for what has no parameters.
        """
        _check_unrecorded("setup of an optimizer was called")
        vector = target_of(target)
        if self.target is not None and target is not self.target:
            self._step, self._memory, self._laid = 0, {}, ()
        self.target, self._vector = target, vector
        return self

    def add_hook(self, hook: Callable[..., Any] | Hook) -> None:
        """Have the gradients changed before each update: by a `Hook`, or a function of the list of parameters.

        Hooks are run in the order in which they were added.
        """
        _check_unrecorded("add_hook of an optimizer was called")
        expected = "expected a hook or a function of the list of parameters"
        if isinstance(hook, type):
            raise TypeError(f"{expected}, got the class {hook.__name__}: make one, {hook.__name__}(...)")
        if not isinstance(hook, Hook) and not callable(hook):
            raise TypeError(f"{expected}, got {type(hook).__name__}")
        self.hooks.append(hook)

    @staticmethod
    def rule(
        theta: Any, grad: Any, state: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The new theta (n,) and state, a pure function of arrays or Variables.

        `state` holds the vectors of `memory` and `step`, the number of updates made before; `settings` holds numbers.
        """
        raise NotImplementedError("an optimizer needs a rule, or update_one")

    def update_one(self, param: Any) -> None:
        """Change one parameter by its gradient. Only for optimizers that have no rule on the vector."""
        raise NotImplementedError("this optimizer works on one vector: it has a rule instead of update_one")

    def update(self) -> None:
        """One step: change the parameters by their gradients, which stay as they are.

        RuntimeError before `setup`, and where no parameter has a gradient; ValueError if a schedule gives what is no
        rate, or if the memory restored belongs to another number of parameters.
        """
        vector = self._vector
        if vector is None:
            raise RuntimeError("an optimizer needs to know what to update: call setup(model) before update()")
        if Config.tape is not None:
            Config.tape.update(self)
            return
        theta, grad, mask = vector.read()
        if mask is not None and not bool(namespace(mask).any(mask)):
            raise no_gradient()
        for hook in self.hooks:
            if isinstance(hook, Hook):
                grad, mask = hook.change(theta, grad, mask, self._step, vector.places())
            else:
                theta, grad, mask = _called(hook, vector, grad, mask)
        if type(self).update_one is not Optimizer.update_one:
            self._update_each(vector, grad, mask)
        else:
            self._update_vector(vector, theta, grad, mask)
        self._step += 1

    def _update_vector(self, vector: Target, theta: Array, grad: Array, mask: Array | None) -> None:
        old = self._remembered(theta)
        settings = at(self.settings, self._step, type(self).__name__)
        new, state = self.rule(theta, grad, {"step": self._step, **old}, settings)
        new, kept = raw(new), {name: raw(state[name]) for name in old}
        if mask is not None:
            where = namespace(theta).where
            new = where(mask, new, theta)
            kept = {name: where(mask, kept[name], old[name]) for name in old}
        vector.write(new)
        self._memory = kept

    def _update_each(self, vector: Target, grad: Array, mask: Array | None) -> None:
        _lend(vector, grad, mask)
        for place in vector.places():
            if place.parameter.grad is not None:
                self.update_one(place.parameter)

    def _remembered(self, theta: Array) -> dict[str, Array]:
        if not self._memory and self.memory:
            xp = namespace(theta)
            self._memory = {name: xp.zeros_like(theta) for name in self.memory}
        for vector in self._memory.values():
            if vector.shape != theta.shape:
                self._lay_anew(theta)
                break
        if not self._laid:
            self._laid = self._places()
        return self._memory

    def _lay_anew(self, theta: Array) -> None:
        """Make room in the memory for parameters that have data now. ValueError if it does not fit then either."""
        places = self._places()
        if self._laid and self._laid is not places:
            self._memory = {name: relaid(vector, self._laid, places) for name, vector in self._memory.items()}
            self._laid = places
        for name, vector in self._memory.items():
            if vector.shape != theta.shape:
                raise ValueError(
                    f"{type(self).__name__}: the memory {name} has the shape {vector.shape}, what is learnt "
                    f"{theta.shape}: the state is that of another model, or of a population of another size"
                )

    def _places(self) -> Sequence[Place]:
        return () if self._vector is None else self._vector.places()

    def state(self) -> dict[str, Any]:
        """All that changes from update to update: `step`, and copies of the memory's vectors once there are any.

        Settings (rates, hooks) are not part of it: they are what the optimizer is made with.
        """
        _check_unrecorded("the state of an optimizer was read")
        return {"step": self._step, **{name: _copied(vector) for name, vector in self._memory.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, to the bit. ValueError for the state of another kind, TypeError for no dict."""
        _check_unrecorded("the state of an optimizer was restored")
        if not isinstance(state, Mapping):
            raise TypeError(f"{type(self).__name__}.restore: expected what state() gave, got {type(state).__name__}")
        vectors = {name: value for name, value in state.items() if name != "step"}
        if "step" not in state or (vectors and set(vectors) != set(self.memory)):
            wanted = ", ".join(("step", *self.memory))
            raise ValueError(f"{type(self).__name__}.restore: expected {wanted}; got {', '.join(state) or 'nothing'}")
        step = int(state["step"])
        if step < 0 or (step > 0 and not vectors and self.memory):
            raise ValueError(f"{type(self).__name__}.restore: no memory goes with the step {step}")
        self._step = step
        # In the order of the names: a recorded update goes by it, and what was written to a file comes in another.
        self._memory = {name: _copied(vectors[name]) for name in self.memory if name in vectors}
        self._laid = ()

    def __repr__(self) -> str:
        return written(type(self).__name__, self.settings)


def _called(
    hook: Callable[..., Any], vector: Target, grad: Array, mask: Array | None
) -> tuple[Array, Array, Array | None]:
    """What is there after a user's function has changed parameters and gradients one by one."""
    _lend(vector, grad, mask)
    hook([place.parameter for place in vector.places() if place.parameter.grad is not None])
    return vector.read()


def _lend(vector: Target, grad: Array, mask: Array | None) -> None:
    """Put the gradient so far into the parameters' own."""
    for place in vector.places():
        p = place.parameter
        if mask is not None and place.end > place.start and not bool(mask[place.start]):
            p.grad = None
        elif p.grad is not None:
            p.grad._data[...] = namespace(grad).reshape(grad[..., place.start : place.end], p.shape)


def _check_unrecorded(what: str) -> None:
    """RuntimeError while a step is recorded, in which this would be done once and never again."""
    if Config.tape is not None:
        Config.tape.refuse(what, "Do that before the step, or after it")


def _copied(vector: Array) -> Array:
    return namespace(vector).asarray(vector, copy=True)

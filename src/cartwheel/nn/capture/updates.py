"""How a tape notes an optimizer's update: hooks, schedules and the rule, as a whole where there is an opcode for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.config import using_config
from cartwheel.nn.optimizers import hooks, rules
from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.optimizers.hooks import Hook
from cartwheel.nn.optimizers.target import ModelTarget
from cartwheel.nn.variable import Variable, as_variable, raw

if TYPE_CHECKING:
    from cartwheel.nn.capture.tape import Tape

#: The rules that one row does, and its opcode.
WHOLE_RULES = {
    rules.SGD.rule: "sgd",
    rules.Momentum.rule: "momentum",
    rules.Nesterov.rule: "nesterov",
    rules.AdaGrad.rule: "ada_grad",
    rules.AdaDelta.rule: "ada_delta",
    rules.RMSprop.rule: "rmsprop",
    rules.Adam.rule: "adam",
    rules.AdamW.rule: "adamw",
}

#: The hooks that one row does.
WHOLE_HOOKS = {
    hooks.WeightDecay.rule: "weight_decay",
    hooks.ClipGrad.rule: "clip_norm",
    hooks.ClipValue.rule: "clip_value",
}


@dataclass
class Learnt:
    """An optimizer that a step updates: its state before, and what else it is to be the same with at each replay."""

    optimizer: Optimizer
    vector: Any
    memory: dict[str, Array]
    step: int
    #: Its settings, and its hooks with theirs.
    settings: dict[str, Any]
    hooks: list[tuple[Hook, dict[str, Any]]]
    #: The number of the update, as what schedules are asked with, and how many there are in a step.
    count: Variable
    updates: int = 0

    def restore(self) -> None:
        """Put its state back as it was."""
        self.optimizer._memory, self.optimizer._step = self.memory, self.step


def update(tape: Tape, optimizer: Optimizer) -> None:
    """Note an optimizer's update, and make it."""
    vector = optimizer._vector
    assert vector is not None  # Optimizer.update has looked
    theta, grad, mask = vector.read()
    if not isinstance(vector, ModelTarget) or vector._theta is None:
        raise RuntimeError(
            "can't record an update of parameters that are not the whole of a model's vector: put the layers that "
            "are learnt into one model, and set the optimizer up with it"
        )
    if mask is not None:
        raise RuntimeError("can't record an update in which some parameters have no gradient")
    memory = optimizer._remembered(theta)
    learnt = tape.learners.get(id(optimizer)) or _met(tape, optimizer, theta.dtype)
    for array in (theta, *memory.values(), learnt.count._data):
        tape.last(array)
    x, g = as_variable(theta), as_variable(grad)
    for hook, _ in learnt.hooks:
        g = _hooked(tape, hook, x, g, learnt)
    new, after = _ruled(tape, x, g, {name: as_variable(one) for name, one in memory.items()}, learnt)
    tape.assign(theta, raw(new))
    for name, array in memory.items():
        tape.assign(array, raw(after[name]))
    tape.assign(learnt.count._data, raw(learnt.count + 1.0))
    optimizer._step += 1
    learnt.updates += 1


def _met(tape: Tape, optimizer: Optimizer, dtype: Any) -> Learnt:
    """The optimizer as it is before its first update in this step."""
    for hook in optimizer.hooks:
        if not isinstance(hook, Hook) or type(hook).change is not Hook.change:
            raise RuntimeError(f"can't record the hook {type(hook).__name__}: it is no rule on the vector alone")
    # the same Variable in each recording of a step, in which its array is one that lasts
    count = tape.counters.setdefault(id(optimizer), as_variable(np.array(0, dtype)))
    count._data[...] = optimizer._step
    learnt = tape.learners[id(optimizer)] = Learnt(
        optimizer,
        optimizer._vector,
        dict(optimizer._memory),
        optimizer._step,
        dict(optimizer.settings),
        [(hook, dict(hook.settings)) for hook in optimizer.hooks],
        count,
    )
    return learnt


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Settings:
    """Settings at one update: those of schedules as Variables in `rates`, and all of them as numbers."""

    values: dict[str, Any]
    rates: dict[str, Variable]
    numbers: dict[str, float]

    @property
    def known(self) -> tuple[float | None, ...]:
        """All in order, None for those that are asked anew at each update."""
        return tuple(None if name in self.rates else value for name, value in self.numbers.items())

    def at(self, now: Sequence[Array]) -> dict[str, float]:
        """As numbers, with other rates."""
        return {**self.numbers, **dict(zip(self.rates, map(float, now), strict=True))}


def _settings_of(tape: Tape, owner: Any, learnt: Learnt) -> _Settings:
    """The settings of an optimizer or a hook; schedules are asked with the number of the update as a Variable."""
    values = {
        name: _asked(tape, value, f"{name} of {type(owner).__name__}", learnt) if callable(value) else value
        for name, value in owner.settings.items()
    }
    rates = {name: value for name, value in values.items() if isinstance(value, Variable)}
    return _Settings(values, rates, {name: float(raw(value)) for name, value in values.items()})


def _asked(tape: Tape, schedule: Callable[[Any], Any], what: str, learnt: Learnt) -> Any:
    """What a schedule gives. RuntimeError for one that is no formula of the number of the update."""
    try:
        rate = schedule(learnt.count)
    except (TypeError, ValueError, RuntimeError, OverflowError) as problem:
        tape.refused = RuntimeError(
            f"can't record the schedule {schedule!r}, {what}: {problem}. While a step is recorded a schedule gets the "
            "number of updates as a Variable: write it as a formula with operators and nn.functions (F.exp, F.where, "
            "F.clip), or take one of nn.optimizers, as PiecewiseRate for a rate that falls by steps"
        )
        raise tape.refused from problem
    if not isinstance(rate, Variable):
        tape.schedules.append((schedule, learnt.optimizer, rate))
    return rate


# --- hooks and rules -------------------------------------------------------------------------------------------------


def _hooked(tape: Tape, hook: Hook, theta: Variable, grad: Variable, learnt: Learnt) -> Variable:
    """The gradient as a hook leaves it."""
    settings = _settings_of(tape, hook, learnt)
    if hook.rule not in WHOLE_HOOKS or theta.ndim > 1:  # of a population each candidate has a norm of its own
        return hook.rule(theta, grad, settings.values)  # type: ignore[no-any-return]
    with using_config("tape", None):
        changed = hook.rule(raw(theta), raw(grad), settings.numbers)

    def again(arrays: Sequence[Any]) -> Sequence[Any]:
        x, g, *now = arrays
        return [hook.rule(x, g, settings.at(now))]

    inputs = [theta, grad, *settings.rates.values()]
    tape.add(hook.rule, f"hook {type(hook).__name__}", inputs, {"settings": settings.known}, [changed], again)
    return as_variable(changed)


def _ruled(
    tape: Tape, theta: Variable, grad: Variable, memory: dict[str, Variable], learnt: Learnt
) -> tuple[Any, Mapping[str, Any]]:
    """The new theta and memory by an optimizer's rule."""
    optimizer, count = learnt.optimizer, learnt.count
    settings = _settings_of(tape, optimizer, learnt)
    if optimizer.rule not in WHOLE_RULES:
        return optimizer.rule(theta, grad, {"step": count, **memory}, settings.values)
    state = {"step": optimizer._step, **{name: raw(one) for name, one in memory.items()}}
    with using_config("tape", None):
        new, after = optimizer.rule(raw(theta), raw(grad), state, settings.numbers)

    def again(arrays: Sequence[Any]) -> Sequence[Any]:
        x, g, *others = arrays
        old, (made, *now) = others[: len(memory)], others[len(memory) :]
        given = {"step": int(made), **dict(zip(memory, old, strict=True))}
        new, after = optimizer.rule(x, g, given, settings.at(now))
        return [new, *(after[name] for name in memory)]

    inputs = [theta, grad, *memory.values(), count, *settings.rates.values()]
    outputs = [new, *(after[name] for name in memory)]
    tape.add(
        optimizer.rule, f"rule of {type(optimizer).__name__}", inputs, {"settings": settings.known}, outputs, again
    )
    return new, after

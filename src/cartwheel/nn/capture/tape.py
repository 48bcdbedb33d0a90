"""The tape: what a step computes, operation by operation, while it runs once in ordinary eager code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.structures import as_arrays, but_arrays, fixed, listed, replaced, structured
from cartwheel.nn.config import using_config
from cartwheel.nn.function import Function, Node, Operation
from cartwheel.nn.functions import chance, regularisation
from cartwheel.nn.mistakes import place
from cartwheel.nn.optimizers import hooks, rules
from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.optimizers.hooks import Hook
from cartwheel.nn.optimizers.target import ModelTarget
from cartwheel.nn.variable import Parameter, Variable, as_variable, raw

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

#: What advances `Config.rng`, and so is done even where nothing is made of it.
DRAWS = {
    regularisation._dropout_mask,
    chance._standard_normal,
    chance._standard_uniform,
    chance._categorical,
    chance._bernoulli,
}

#: The hooks that one row does.
WHOLE_HOOKS = {
    hooks.WeightDecay.rule: "weight_decay",
    hooks.ClipGrad.rule: "clip_norm",
    hooks.ClipValue.rule: "clip_value",
}


@dataclass
class Entry:
    """One thing that was computed: `what` (an Operation, a Fused gradient, a rule), from which arrays and numbers.

    `outputs` are its results, those first that the program sees; the others are what it saves for its gradient.
    """

    what: Any
    name: str
    inputs: list[Any]
    attributes: Mapping[str, Any]
    outputs: list[Array]
    place: str
    #: The same again, on other arrays: a list of results. What is run where there is no opcode.
    again: Callable[[Sequence[Any]], Sequence[Any]]


@dataclass
class Before:
    """A learner's state before the step: to be put back after recording."""

    optimizer: Optimizer
    memory: dict[str, Array]
    step: int


@dataclass
class Tape:
    """Notes operations while it is `Config.tape`."""

    #: The inputs of the step.
    given: Sequence[Array] = ()
    entries: list[Entry] = field(default_factory=list)
    #: The vectors in which parameters lie, and optimizers' memories: arrays that outlive the step, by id.
    lasting: dict[int, Array] = field(default_factory=dict)
    before: list[Before] = field(default_factory=list)
    parameters: dict[int, Parameter] = field(default_factory=dict)
    #: What is assigned to, by id, and its numbers before.
    kept: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    #: The number of each optimizer's update, as what schedules are asked with.
    counters: dict[int, Variable] = field(default_factory=dict)

    def note(
        self,
        operation: Operation,
        inputs: Sequence[Any],
        arrays: Sequence[Any],
        attributes: Mapping[str, Any],
        result: Any,
    ) -> Any:
        """Note a call of an operation; its result, as an array where it was a NumPy scalar."""
        for x in inputs:
            if isinstance(x, Parameter):
                self.meet(x)
        if operation.fused is not None:
            seen, saved = as_arrays(result)
            outputs = [*listed(seen), *listed(saved)]
        else:
            seen, saved = as_arrays(result), None
            outputs = listed(seen)

        # arrays among the attributes (indices) can be inputs of the step as well
        places = [x for x in listed(list(attributes.values())) if isinstance(x, np.ndarray)]

        def again(arrays: Sequence[Any]) -> Sequence[Any]:
            operands, others = arrays[: len(arrays) - len(places)], iter(arrays[len(arrays) - len(places) :])
            how = {name: replaced(value, others) for name, value in attributes.items()}
            result = operation.forward(np, *operands, **how)
            return listed(result) if operation.fused is None else [*listed(result[0]), *listed(result[1])]

        self._add(operation, operation.__name__, [*arrays, *places], attributes, outputs, again)
        return seen if operation.fused is None else (seen, saved)

    def note_function(self, function: Function, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        """Note a call of a user's function, which NumPy runs again at every replay."""
        for x in inputs:
            if isinstance(x, Parameter):
                self.meet(x)
        arrays, made = [x._data for x in inputs], [y._data for y in outputs]
        self._add(Function, function.name, arrays, {}, made, lambda given: listed(function.forward(*given)))

    def note_gradient(self, node: Node, gradients: Sequence[Any], outputs: Sequence[Any], found: Sequence[Any]) -> Any:
        """Note a gradient derived by hand."""
        fused, like, saved = node.operation.fused, node.saved, listed(node.saved)
        assert fused is not None
        attributes, first, second = node.attributes, len(gradients), len(gradients) + len(outputs)
        third = second + len(saved)

        def again(arrays: Sequence[Any]) -> Sequence[Any]:
            kept = structured(like, iter(arrays[second:third]))
            return list(fused.gradient(arrays[:first], arrays[first:second], kept, *arrays[third:], **attributes))

        result = [None if g is None else as_arrays(g) for g in found]
        arrays = [*gradients, *outputs, *saved, *map(raw, node.inputs)]
        self._add(fused, f"gradient of {node.name}", arrays, attributes, result, again)
        return result

    def meet(self, parameter: Parameter) -> None:
        """A parameter's data outlive the step, unless they are an input: `bound_to` a vector that the step is given."""
        root = _root(parameter._data)
        if not any(root is x for x in self.given):
            self.parameters[id(parameter)] = parameter
            self.last(root)

    def last(self, array: Array) -> None:
        """Say that an array outlives the step."""
        root = _root(array)
        self.lasting.setdefault(id(root), root)

    def assign(self, target: Array, value: Array) -> None:
        """Note that a lasting array gets new numbers; the caller writes them."""
        self.last(target)
        self.kept.setdefault(id(target), (target, target.copy()))
        self._add("assign", "assign", [target, value], {}, [], lambda arrays: [])

    def update(self, optimizer: Optimizer) -> None:
        """Note an optimizer's update, and make it."""
        vector = optimizer._vector
        assert vector is not None  # update() has looked
        theta, grad, mask = vector.read()
        if not isinstance(vector, ModelTarget) or vector._theta is None:
            raise RuntimeError(
                "can't record an update of parameters that are not the whole of a model's vector: put the layers that "
                "are learnt into one model, and set the optimizer up with it"
            )
        if mask is not None:
            raise RuntimeError("can't record an update in which some parameters have no gradient")
        step, old = optimizer._step, optimizer._remembered(theta)
        self.before.append(Before(optimizer, dict(old), optimizer._step))
        count = self.counters.setdefault(id(optimizer), as_variable(np.array(step, theta.dtype)))
        self.last(count._data)
        x, g = as_variable(theta), as_variable(grad)
        for array in (theta, *old.values()):
            self.last(array)
        for hook in optimizer.hooks:
            g = self._hooked(hook, x, g, count)
        new, after = self._ruled(optimizer, x, g, {name: as_variable(array) for name, array in old.items()}, count)
        self.assign(theta, raw(new))
        vector.write(raw(new))
        for name, array in old.items():
            self.assign(array, raw(after[name]))
        optimizer._memory = {name: raw(after[name]) for name in old}
        self.assign(count._data, raw(count + 1.0))
        optimizer._step += 1

    def _hooked(self, hook: Hook, theta: Variable, grad: Variable, count: Variable) -> Variable:
        """The gradient as a hook leaves it: noted as a whole if there is an opcode for it."""
        if not isinstance(hook, Hook) or type(hook).change is not Hook.change:
            raise RuntimeError(f"can't record the hook {type(hook).__name__}: it is no rule on the vector alone")
        settings = _at(hook.settings, count)
        if hook.rule not in WHOLE_HOOKS:
            return hook.rule(theta, grad, settings)  # type: ignore[no-any-return]
        numbers, rates, known = _told(settings)
        with using_config("tape", None):
            changed = hook.rule(raw(theta), raw(grad), numbers)

        def again(arrays: Sequence[Any]) -> Sequence[Any]:
            x, g, *now = arrays
            return [hook.rule(x, g, {**numbers, **dict(zip(rates, map(float, now), strict=True))})]

        inputs = [raw(theta), raw(grad), *map(raw, rates.values())]
        self._add(hook.rule, f"hook {type(hook).__name__}", inputs, {"settings": known}, [changed], again)
        return as_variable(changed)

    def _ruled(
        self, optimizer: Optimizer, theta: Variable, grad: Variable, memory: dict[str, Variable], count: Variable
    ) -> tuple[Any, Mapping[str, Any]]:
        """The new theta and memory by an optimizer's rule: noted as a whole if there is an opcode for it."""
        settings = _at(optimizer.settings, count)
        if optimizer.rule not in WHOLE_RULES:
            return optimizer.rule(theta, grad, {"step": count, **memory}, settings)
        numbers, rates, known = _told(settings)
        state = {"step": optimizer._step, **{name: raw(one) for name, one in memory.items()}}
        with using_config("tape", None):
            new, after = optimizer.rule(raw(theta), raw(grad), state, numbers)
        inputs = [theta, grad, *memory.values(), count, *rates.values()]
        attributes = {"settings": known}
        outputs = [new, *(after[name] for name in memory)]

        def again(arrays: Sequence[Any]) -> Sequence[Any]:
            x, g, *others = arrays
            old, (count, *now) = others[: len(memory)], others[len(memory) :]
            given = {"step": int(count), **dict(zip(memory, old, strict=True))}
            new, after = optimizer.rule(x, g, given, {**numbers, **dict(zip(rates, map(float, now), strict=True))})
            return [new, *(after[name] for name in memory)]

        name = f"rule of {type(optimizer).__name__}"
        self._add(optimizer.rule, name, list(map(raw, inputs)), attributes, outputs, again)
        return new, after

    def refuse(self, what: str) -> None:
        """Stop at what would be frozen: RuntimeError with the user's line."""
        raise RuntimeError(
            f"can't record a step whose course depends on its numbers: {what} at {place()}. Return what is to be "
            "looked at, and decide after the step; for a choice between numbers there is F.where"
        )

    def form(self, inputs: Sequence[Array]) -> list[tuple[Any, ...]]:
        """What was computed from what, without the numbers that a replay computes anew.

        It is the same for two recordings of one step, unless its course depends on what it is given.
        """
        known: dict[int, Any] = {id(array): ("input", place) for place, array in enumerate(inputs)}
        roots = [*enumerate(self.lasting.values()), *((f"input {place}", x) for place, x in enumerate(inputs))]
        lines = []
        for number, entry in enumerate(self.entries):
            operands = tuple(self._operand(x, known, roots) for x in entry.inputs)
            attributes = tuple((name, but_arrays(value)) for name, value in sorted(entry.attributes.items()))
            shapes = tuple(None if y is None else (y.shape, y.dtype.str) for y in entry.outputs)
            lines.append((entry.name, operands, attributes, shapes))
            known |= {id(y): ("entry", number, place) for place, y in enumerate(entry.outputs)}
        return lines

    def _operand(self, x: Any, known: Mapping[int, Any], roots: Sequence[tuple[Any, Array]]) -> Any:
        if not isinstance(x, np.ndarray):
            return fixed(x)
        if id(x) in known:
            return known[id(x)]
        for name, root in roots:
            start = root.ctypes.data
            if start <= x.ctypes.data < start + max(root.nbytes, 1):
                return ("view", name, x.ctypes.data - start, x.shape, x.strides)
        return fixed(x)

    def needed(self, outputs: Sequence[Array]) -> tuple[list[Entry], set[int]]:
        """The entries that something is made of (outputs, what lasting arrays are set to), and all that draw.

        And the ids of what they are made of.
        """
        wanted = set(map(id, outputs))
        kept = []
        for entry in reversed(self.entries):
            if entry.name == "assign" or entry.what in DRAWS or any(id(y) in wanted for y in entry.outputs):
                kept.append(entry)
                wanted |= set(map(id, entry.inputs))
        return kept[::-1], wanted

    def restore(self) -> None:
        """Put all that the step has changed back as it was."""
        for array, numbers in self.kept.values():
            array[...] = numbers
        for before in reversed(self.before):
            before.optimizer._memory, before.optimizer._step = before.memory, before.step
        for p in self.parameters.values():
            p.grad = None  # it belongs to the recording

    def _add(
        self,
        what: Any,
        name: str,
        arrays: Sequence[Any],
        attributes: Mapping[str, Any],
        outputs: list[Array],
        again: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> None:
        self.entries.append(Entry(what, name, list(arrays), dict(attributes), outputs, place(), again))


def _told(settings: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Variable], tuple[float | None, ...]]:
    """Settings as numbers; those that are asked anew each time; and all in order, None for these."""
    numbers = {name: float(raw(value)) for name, value in settings.items()}
    rates = {name: value for name, value in settings.items() if isinstance(value, Variable)}
    return numbers, rates, tuple(None if name in rates else value for name, value in numbers.items())


def _at(settings: Mapping[str, Any], step: Variable) -> dict[str, Any]:
    return {name: value(step) if callable(value) else value for name, value in settings.items()}


def _root(array: Array) -> Array:
    """The array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array

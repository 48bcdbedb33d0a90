"""The tape: what a step computes, operation by operation, while it runs once in ordinary eager code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cartwheel.nn.array import Array
from cartwheel.nn.capture.memory import Memory, root_of
from cartwheel.nn.capture.structures import as_arrays, listed, replaced, structured
from cartwheel.nn.capture.updates import Learnt, update
from cartwheel.nn.function import Function, Node, Operation
from cartwheel.nn.functions import chance, regularisation
from cartwheel.nn.mistakes import place
from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.variable import Parameter, Variable, raw

#: What advances `Config.rng`, and so is done even where nothing is made of it.
DRAWS = {
    regularisation._dropout_mask,
    chance._standard_normal,
    chance._standard_uniform,
    chance._categorical,
    chance._bernoulli,
}

_LOOK_LATER = "Return what is to be looked at, and decide after the step; for a choice between numbers there is F.where"


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
class Tape:
    """Notes operations while it is `Config.tape`.

    `earlier` is the tape of the recording of the same step before this one, whose counters and gradients go on.
    """

    #: The inputs of the step.
    given: Sequence[Array] = ()
    earlier: Tape | None = None
    entries: list[Entry] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    parameters: dict[int, Parameter] = field(default_factory=dict)
    #: By parameter: the array in which its data lay when it was met.
    homes: dict[int, Array] = field(default_factory=dict)
    #: Variables that nothing was made of yet, and that are no parameters: they may be the user's.
    variables: dict[int, Variable] = field(default_factory=dict)
    learners: dict[int, Learnt] = field(default_factory=dict)
    #: Schedules that gave a plain number, with their optimizers and these numbers.
    schedules: list[tuple[Callable[[Any], Any], Optimizer, Any]] = field(default_factory=list)
    #: Models that were called.
    models: dict[int, Any] = field(default_factory=dict)
    #: Whether a parameter got its first numbers.
    initialised: bool = False
    #: The gradients that parameters had when the step ended, by id.
    left: dict[int, Array] = field(default_factory=dict)
    #: What was refused, for the case that the step went on nevertheless.
    refused: RuntimeError | None = None
    #: Steps of their own that are run as a part of this one.
    running: set[int] = field(default_factory=set)
    #: By optimizer: the number of its update, as what schedules are asked with.
    counters: dict[int, Variable] = field(default_factory=dict)
    #: The gradients that parameters had, and what recurrent layers remembered, before the first recording.
    gradients: dict[int, tuple[Parameter, Any]] = field(default_factory=dict)
    remembered: dict[int, tuple[Any, dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.earlier is not None:
            self.counters, self.gradients = self.earlier.counters, self.earlier.gradients
            self.remembered = self.earlier.remembered

    @property
    def lasting(self) -> dict[int, Array]:
        """The arrays that outlive the step, by id: vectors of models, memories of optimizers."""
        return self.memory.lasting

    # --- operations --------------------------------------------------------------------------------------------------

    def note(
        self,
        operation: Operation,
        inputs: Sequence[Any],
        arrays: Sequence[Any],
        attributes: Mapping[str, Any],
        result: Any,
    ) -> Any:
        """Note a call of an operation; its result, as an array where it was a NumPy scalar."""
        self._see(inputs)
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

        self.add(operation, operation.__name__, [*arrays, *places], attributes, outputs, again)
        return seen if operation.fused is None else (seen, saved)

    def note_function(
        self,
        function: Function,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        before: Mapping[str, Any],
    ) -> None:
        """Note a call of a user's function, which NumPy runs again at every replay.

        `before` are its attributes before forward: the arrays that forward has kept for backward are results as well.
        """
        self._see(inputs)
        arrays, made = [x._data for x in inputs], [y._data for y in outputs]
        known = set(map(id, (*arrays, *made)))
        kept = {name: value for name, value in vars(function).items() if value is not before.get(name)}
        found = [(name, number, x) for name, value in kept.items() for number, x in enumerate(listed(value))]
        for name, _, x in found:
            if isinstance(x, float | bool | np.generic | dict):
                told = f"{function.name}.forward kept {name}, no array, which backward would find unchanged,"
                self.refuse(
                    told, "Keep it as an array, np.asarray(...), or several in a tuple: then it is computed anew"
                )
        saved = [(name, number, x) for name, number, x in found if isinstance(x, np.ndarray) and id(x) not in known]

        def again(given: Sequence[Any]) -> Sequence[Any]:
            result = listed(function.forward(*given))
            return [*result, *(listed(vars(function)[name])[number] for name, number, _ in saved)]

        self.add(Function, function.name, arrays, {}, [*made, *(x for _, _, x in saved)], again)

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
        self.add(
            fused, f"gradient of {node.name}", [*gradients, *outputs, *saved, *node.inputs], attributes, result, again
        )
        return result

    def add(
        self,
        what: Any,
        name: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any],
        outputs: list[Array],
        again: Callable[[Sequence[Any]], Sequence[Any]],
    ) -> None:
        """Note one thing that was computed."""
        self.entries.append(Entry(what, name, list(map(raw, inputs)), dict(attributes), outputs, place(), again))

    # --- what outlives the step --------------------------------------------------------------------------------------

    def _see(self, inputs: Sequence[Any]) -> None:
        for x in inputs:
            if isinstance(x, Parameter):
                self.meet(x)
            elif isinstance(x, Variable) and x.creator is None:
                self.variables[id(x)] = x

    def meet(self, parameter: Parameter) -> None:
        """A parameter's data outlive the step, unless they are an input: `bound_to` a vector that the step is given."""
        if id(parameter) in self.parameters:
            return
        root = root_of(parameter._data)
        if not any(root is x for x in self.given):
            self.parameters[id(parameter)], self.homes[id(parameter)] = parameter, root
            self.last(root)
            self.keep_gradient(parameter)

    def keep_gradient(self, parameter: Parameter) -> None:
        """See to it that a parameter's gradient is put back after the recording, which begins without any."""
        if id(parameter) not in self.gradients:
            self.gradients[id(parameter)] = (parameter, parameter.grad)
            parameter.grad = None

    def keep_memory(self, layer: Any) -> None:
        """See to it that what a recurrent layer remembers is put back after the recording."""
        self.remembered.setdefault(id(layer), (layer, layer._memory()))

    def last(self, array: Array) -> None:
        """Say that an array outlives the step."""
        self.memory.last(array)

    def move(self, average: Parameter, numbers: Array) -> None:
        """Note that an average gets new numbers, and give them to it."""
        self.meet(average)
        self.memory.moved.setdefault(id(average), (average, average._data.copy()))
        self.assign(average._data, numbers)

    def assign(self, target: Array, value: Array) -> None:
        """Note that a lasting array gets new numbers, and write them."""
        self.memory.write(target, value)
        self.add("assign", "assign", [target, value], {}, [], lambda arrays: [])

    def update(self, optimizer: Optimizer) -> None:
        """Note an optimizer's update, and make it."""
        update(self, optimizer)

    def refuse(self, what: str, instead: str = _LOOK_LATER) -> None:
        """Stop at what would be frozen, or be done no more: RuntimeError with the user's line."""
        told = f"can't record a step whose course depends on its numbers: {what} at {place()}. {instead}"
        self.refused = RuntimeError(told)
        raise self.refused

    # --- afterwards --------------------------------------------------------------------------------------------------

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
        """Put all numbers that the step has changed back as they were."""
        self.memory.restore()
        for learnt in self.learners.values():
            learnt.restore()

    def restore_rest(self) -> None:
        """Put gradients and recurrent memories back as they were before the first recording."""
        for p, gradient in self.gradients.values():
            p.grad = gradient
        for layer, memory in self.remembered.values():
            layer._recall(memory)

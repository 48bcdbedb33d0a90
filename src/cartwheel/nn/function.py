"""Functions that can be differentiated, and the table of all that the framework has.

An *operation* is a forward on arrays, and a rule for the gradient by each of its inputs:

    @function(REAL)
    @operation
    def exp(xp, x):
        '''The exponential of each element.'''
        return xp.exp(x)

    exp.rules = (lambda g, y, x: g * y,)

Positional arguments are arrays; keyword arguments say how (an axis, a shape). Called with arrays alone, an operation
gives an array and records nothing; with a Variable among them, it gives a Variable. Rules are written with operations
as well: on arrays they give a gradient, on Variables a gradient that can itself be differentiated. All other functions
are compositions of operations, and pass arrays in the same way; `nn.functions` hands them out so that they give
Variables.

`Function` is the class for what a user writes: `forward` on arrays, `backward` on Variables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import copy as shallow_copy
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar
from weakref import ReferenceType, ref

import numpy as np

from cartwheel.nn.array import as_array, namespace
from cartwheel.nn.config import Config, using_config
from cartwheel.nn.finite import check_finite
from cartwheel.nn.mistakes import mistake, place
from cartwheel.nn.variable import Variable, as_variable, raw, wrapped

_order = count()
_nothing = nullcontext()
_ndarray = np.ndarray


def creation() -> int:
    """The next number in the order in which functions are called."""
    return next(_order)


_P = ParamSpec("_P")


class Function:
    """A function of one's own: derive from it, and write `forward` and `backward`.

    As the `creator` of Variables it has `inputs`, weak references to its `outputs`, and `order`, its number in the
    order of creation. Where one instance is called several times, these and all its attributes are those of the last
    call; the graph keeps a shallow copy of it for each of the others.
    """

    inputs: Sequence[Any] = ()
    outputs: Sequence[ReferenceType[Variable]] = ()
    order: int = -1
    place: str = ""
    released: bool = False
    _likes: Sequence[Any] = ()

    @property
    def name(self) -> str:
        """What messages and graphs call it."""
        return type(self).__name__

    def __call__(self, *inputs: Any) -> Any:
        """The function of Variables or arrays: a Variable, or a list of them if `forward` gives several arrays."""
        variables = [as_variable(as_array(x)) for x in inputs]
        if self.outputs:
            self._leave_earlier_call()
        before = None if Config.tape is None else dict(vars(self))
        results = self.forward(*[x._data for x in variables])
        outputs = [self._output(y, results) for y in (results if isinstance(results, tuple) else (results,))]
        if Config.debug:
            self.place = place()
            check_finite(self.name, variables, outputs)
        if Config.tape is not None:
            Config.tape.note_function(self, variables, outputs, before)
        if Config.enable_backprop:
            self.inputs, self.outputs, self.order = variables, [ref(y) for y in outputs], next(_order)
            self._likes = [(y.shape, y.dtype) for y in outputs]
            for y in outputs:
                y.set_creator(self)
        return outputs if len(outputs) > 1 else outputs[0]

    def _leave_earlier_call(self) -> None:
        """Let a copy stand in the graph for the call before this one: forward may put other things into `self`."""
        earlier = shallow_copy(self)
        for y in (weak() for weak in self.outputs):
            if y is not None and y.creator is self:
                y.set_creator(earlier)

    def _output(self, y: Any, results: Any) -> Variable:
        array = as_array(y)
        if isinstance(array, Variable) or getattr(getattr(array, "dtype", None), "kind", "f") not in "biufc":
            array = None
        if not hasattr(array, "dtype"):
            told = "expected an array, or a tuple of arrays for several outputs"
            raise mistake(f"{self.name}.forward", told, results, kind=TypeError)
        return wrapped(array)

    def forward(self, *arrays: Any) -> Any:
        """The value for these arrays: an array, or a tuple of them."""
        raise NotImplementedError(f"{self.name} has no forward")

    def backward(self, *gradients: Any) -> Any:
        """The gradient by each input (a Variable, or a tuple; None where there is none) from that by each output."""
        raise NotImplementedError(f"{self.name} has no backward")

    def pull(self, gradients: Sequence[Any], variables: bool) -> Sequence[Any]:
        """The gradients by the inputs: arrays, or Variables if they are to be differentiated again."""
        given = [np.zeros(*like) if g is None else g for g, like in zip(gradients, self._likes, strict=True)]
        results = self.backward(*map(as_variable, given))
        results = results if isinstance(results, tuple | list) else (results,)
        if len(results) != len(self.inputs):
            raise mistake(f"{self.name}.backward", f"expected {len(self.inputs)} gradients, got {len(results)}")
        found = [None if g is None else self._copied(number, g) for number, g in enumerate(results)]
        return found if variables else [raw(g) for g in found]

    def _copied(self, number: int, g: Any) -> Variable:
        """A gradient that backward gave, as a copy: it may be handed out twice, or be kept, or an input."""
        from cartwheel.nn.functions.arithmetic import copy

        try:
            g = as_variable(as_array(g))
        except TypeError as problem:
            told = "expected arrays or Variables as gradients"
            raise mistake(f"{self.name}.backward", told, g, kind=TypeError) from problem
        shape = self.inputs[number].shape
        if g.shape != shape:
            told = f"expected the gradient by input {number} in its shape {shape}"
            raise mistake(f"{self.name}.backward", told, g)
        copied: Variable = copy(g)
        return copied


class Node:
    """What is recorded of one call of an operation: the part of the graph between its inputs and its outputs."""

    __slots__ = ("attributes", "inputs", "operation", "order", "outputs", "place", "released", "saved")

    def __init__(
        self,
        operation: Operation,
        inputs: tuple[Any, ...],
        attributes: dict[str, Any],
        outputs: Sequence[Variable],
        saved: Any,
    ) -> None:
        self.operation, self.inputs, self.attributes = operation, inputs, attributes
        self.outputs = [ref(y) for y in outputs]
        self.order = next(_order)
        self.released = False
        self.place = ""
        self.saved = saved

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.__name__

    def pull(self, gradients: Sequence[Any], variables: bool) -> Sequence[Any]:
        """The gradients by the inputs, arrays or Variables; None for those that are no Variables."""
        operation, inputs = self.operation, self.inputs
        if operation.fused is not None:
            return operation.fused.pull(self, gradients, variables)
        y: Any = self.outputs[0]()
        g, attributes = gradients[0], self.attributes
        values: Sequence[Any] = inputs
        if not variables:
            y, values = y._data, [x._data if isinstance(x, Variable) else x for x in inputs]
        elif Config.tape is not None:  # what rules do to constants is to be seen as well
            values = [wrapped(x) if isinstance(x, _ndarray) else x for x in inputs]
        if operation.gradients is not None:
            wanted = [isinstance(x, Variable) for x in inputs]
            return operation.gradients(g, y, wanted, *values, **attributes)
        return [
            rule(g, y, *values, **attributes) if rule is not None and isinstance(x, Variable) else None
            for rule, x in zip(operation.rules, inputs, strict=True)
        ]


@dataclass(frozen=True)
class Fused:
    """A whole gradient derived by hand, for an operation whose forward gives `(outputs, saved)`.

    `gradient(gradients, outputs, saved, *arrays, **attributes)` gives the gradient by each input, from arrays to arrays
    (None in `gradients` for an output that nothing was made of). `reference(*inputs, **attributes)` is the same
    function as a composition of operations; gradients of gradients go through it.
    """

    gradient: Callable[..., Sequence[Any]]
    reference: Callable[..., Any]

    def pull(self, node: Node, gradients: Sequence[Any], variables: bool) -> Sequence[Any]:
        """The gradients by a node's inputs."""
        inputs = node.inputs
        if variables and Config.enable_backprop:
            from cartwheel.nn.backward import through

            return through(self.reference, inputs, node.attributes, gradients)
        outputs = [y if y is None else y._data for y in (weak() for weak in node.outputs)]
        given = [raw(g) for g in gradients]
        with using_config("tape", None) if variables else _nothing:
            found = self.gradient(given, outputs, node.saved, *map(raw, inputs), **node.attributes)
        if variables:
            found = [None if g is None else wrapped(g) for g in Config.tape.note_gradient(node, given, outputs, found)]
        return [g if isinstance(x, Variable) else None for g, x in zip(found, inputs, strict=True)]


class Operation:
    """A forward on arrays `forward(xp, *arrays, **attributes)` and the rules of its gradient.

    `rules` has one rule for each input: `rule(g, y, *inputs, **attributes)` gives the gradient by it, from `g`, that by
    the output y; None for an input that can't be differentiated (an index). For any number of inputs there is
    `gradients(g, y, wanted, *inputs, **attributes)`, a list of all of them at once (None will do where `wanted` is
    false); for a gradient derived whole, `fused`.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward = forward
        self.rules: tuple[Callable[..., Any] | None, ...] = ()
        self.gradients: Callable[..., Sequence[Any]] | None = None
        self.fused: Fused | None = None
        self.__name__ = forward.__name__.strip("_")
        self.__doc__ = forward.__doc__

    def __call__(self, *inputs: Any, **attributes: Any) -> Any:
        """The result: Variables if there is one among the inputs, else arrays."""
        arrays = [x._data if isinstance(x, Variable) else x for x in inputs]
        xp = np if type(arrays[0]) is _ndarray else namespace(*arrays)
        tape = Config.tape
        if tape is not None:
            Config.tape = None  # what a forward computes is one thing to a recorder
        try:
            result = self.forward(xp, *arrays, **attributes)
        except (ValueError, TypeError, IndexError, AttributeError) as problem:
            if " (at " in str(problem):  # said already
                raise
            raise mistake(self.__name__, problem, *inputs, kind=_kind(problem)) from problem
        finally:
            if tape is not None:
                Config.tape = tape
        if Config.debug:
            check_finite(self.__name__, inputs, result)
        if tape is not None:
            result = tape.note(self, inputs, arrays, attributes, result)
        for x in inputs:
            if isinstance(x, Variable):
                return self._recorded(inputs, attributes, result)
        return result if self.fused is None else result[0]

    def _recorded(self, inputs: tuple[Any, ...], attributes: dict[str, Any], result: Any) -> Any:
        saved = None
        if self.fused is not None:
            result, saved = result
        outputs = [wrapped(y) for y in result] if type(result) is tuple else [wrapped(result)]
        if Config.enable_backprop:
            node = Node(self, inputs, attributes, outputs, saved)
            if Config.debug:
                node.place = place()
            for y in outputs:
                y.creator = node
        return tuple(outputs) if type(result) is tuple else outputs[0]

    @property
    def __signature__(self) -> Any:
        import inspect  # for help alone: not worth its time at every import

        signature = inspect.signature(self.forward)
        return signature.replace(parameters=list(signature.parameters.values())[1:])  # less the namespace

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"


def _kind(problem: Exception) -> type[Exception]:
    """The built-in type of a problem: NumPy's own can't all be made of a message."""
    kinds: tuple[type[Exception], ...] = (ValueError, IndexError)
    return next((kind for kind in kinds if isinstance(problem, kind)), TypeError)


class _Typed(Operation, Generic[_P]):
    """An operation for what checks types: it is called as its forward is, less the namespace."""

    if TYPE_CHECKING:

        def __call__(self, *inputs: _P.args, **attributes: _P.kwargs) -> Any: ...


def operation(forward: Callable[Concatenate[Any, _P], Any]) -> _Typed[_P]:
    """Make an operation of its forward; its rules are set beside it."""
    return _Typed(forward)


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Domain:
    """Where a function is smooth, so that its gradient can be checked: numbers in [low, high], not near `avoid`."""

    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = field(default=())


REAL = Domain()
POSITIVE = Domain(0.1, 3.0)
UNIT = Domain(0.05, 0.95)
OPEN_INTERVAL = Domain(-0.95, 0.95)
NOT_ZERO = Domain(avoid=(0.0,))


@dataclass(frozen=True)
class Entry:
    """A function of the table: what it is called, what it does, and the domain of its array arguments."""

    name: str
    call: Callable[..., Any]
    domain: Domain


#: All functions by name: what `nn.functions` hands out, and what the gradient test goes through.
FUNCTIONS: dict[str, Entry] = {}

_Call = TypeVar("_Call", bound=Callable[..., Any])


def function(domain: Domain) -> Callable[[_Call], _Call]:
    """Enter a function in the table. ValueError if its name is there already."""

    def enter(call: _Call) -> _Call:
        name = call.__name__
        if name in FUNCTIONS:
            raise ValueError(f"there are two functions called {name}")
        FUNCTIONS[name] = Entry(name, call, domain)
        return call

    return enter

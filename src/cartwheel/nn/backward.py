"""Back-propagation: gradients from a Variable to all that it was made from, in reverse order of creation.

Nothing here is recursive: a chain of any length is fine. Gradients are arrays on the way, unless they are to be
differentiated again: then they are Variables, and the rules record what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from cartwheel.nn.array import namespace
from cartwheel.nn.config import Config, using_config
from cartwheel.nn.finite import check_finite
from cartwheel.nn.function import creation
from cartwheel.nn.variable import Parameter, Variable, as_variable, raw, wrapped

_creation = attrgetter("order")


def backward(y: Variable, retain_grad: bool = False, create_graph: bool = False) -> None:
    """`Variable.backward`: add the gradient of y to the `grad` of what it was made from."""
    _check_start(y)
    alone = y.grad is None and y._data.size != 1
    flow = _Flow(create_graph, retain_grad)
    flow.run([y], [_seed(y, y.grad, flow.variables)])
    _check_ends(y, flow.leaves.values())
    if alone and any(isinstance(x, Parameter) for x in flow.leaves.values()):
        raise ValueError(
            f"backward began at {y.shape}, several numbers, and reached parameters: a loss is one number. Take its "
            "mean or sum; for a weighted sum set .grad first; for a Jacobian use nn.jacobian"
        )
    y.grad = None
    kept = {**flow.leaves, **flow.between} if retain_grad else flow.leaves
    for x in kept.values():
        if x.grad is not None:
            _check_grad(x)
    for key, x in kept.items():
        _give(x, flow.gradients[key], flow.variables)


def grad(
    y: Variable, inputs: Iterable[Variable], create_graph: bool = False, seed: Any = None
) -> list[Variable | None]:
    """The gradients of y by these Variables, which may lie anywhere in its graph; no `.grad` is changed.

    None where y does not depend on one. Begins at `seed`, an array or Variable of y's shape, or at ones. TypeError
    unless y is one Variable and `inputs` are several, ValueError for a seed of another shape.
    """
    if not isinstance(y, Variable):
        told = f"expected one Variable to differentiate, got {type(y).__name__}"
        raise TypeError(f"{told}; add several up, or call grad for each")
    inputs = _listed(inputs)
    _check_start(y)
    flow = _Flow(create_graph, keep=inputs)
    flow.run([y], [_seed(y, y.grad if seed is None else seed, flow.variables)])
    found = [flow.gradients.get(id(x)) for x in inputs]
    return [g if g is None or isinstance(g, Variable) else wrapped(g) for g in found]


def jacobian(function: Callable[[Variable], Variable], x: Any, batched: bool = False) -> Variable:
    """The derivative of each number of `function(x)` by each number of x: shape `(*y.shape, *x.shape)`.

    `batched`: each row of y depends on the same row of x alone, as a softmax over actions does; then `(B, *y, *x)`, one
    Jacobian for each of the B rows, where the whole would be B times larger and all zeros off its diagonal.
    """
    x = Variable(namespace(raw(x)).asarray(raw(x), copy=True))
    y = function(x)
    lead = 1 if batched else 0
    if batched and (y.ndim == 0 or x.ndim == 0 or y.shape[0] != x.shape[0]):
        raise ValueError(f"expected a row of y for each row of x, got shapes {y.shape} and {x.shape}")
    xp = namespace(y._data)
    rows = []
    for place in np.ndindex(*y.shape[lead:]):
        seed = xp.zeros_like(y._data)
        seed[(slice(None),) * lead + place] = 1
        g = grad(y, [x], seed=seed)[0]
        rows.append(xp.zeros_like(x._data) if g is None else g._data)
    stacked = xp.stack(rows, axis=lead) if rows else xp.zeros((0, *x.shape), dtype=y.dtype)
    return wrapped(xp.reshape(stacked, (*y.shape, *x.shape[lead:])))


def through(
    reference: Callable[..., Any], inputs: Sequence[Any], attributes: Mapping[str, Any], gradients: Sequence[Any]
) -> list[Any]:
    """Gradients by `inputs`, to be differentiated again, of a composition that is recorded for the purpose."""
    outputs = reference(*inputs, **attributes)
    outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    pairs = [(y, g) for y, g in zip(outputs, gradients, strict=True) if g is not None]
    variables = [x for x in inputs if isinstance(x, Variable)]
    flow = _Flow(create_graph=True, stops=variables)
    flow.run([y for y, _ in pairs], [g for _, g in pairs])
    # the gradient by an input that was given twice is that by both together
    return [flow.gradients.pop(id(x), None) if isinstance(x, Variable) else None for x in inputs]


def release(y: Variable) -> None:
    """`Variable.unchain_backward`: cut the graph behind y, without recursion."""
    if y.creator is None:
        return
    y.creator.released = True
    nodes, now = [y.creator], creation()
    while nodes:
        for x in nodes.pop().inputs:
            if isinstance(x, Variable) and x.creator is not None:
                nodes.append(x.creator)
                x.creator, x.cut = None, now


class _Flow:
    """One pass: `gradients` by the id of their Variable, ending at leaves and at `stops`.

    The gradients of Variables on the way are kept for those in `keep`, or for all with `retain_grad`.
    """

    def __init__(
        self,
        create_graph: bool,
        retain_grad: bool = False,
        keep: Sequence[Variable] = (),
        stops: Sequence[Variable] = (),
    ) -> None:
        self.create_graph, self.retain_grad = create_graph, retain_grad
        #: Whether gradients are Variables: to be differentiated again, or to be seen by a recorder.
        self.variables = create_graph or Config.tape is not None
        self.gradients: dict[int, Any] = {}
        self.leaves: dict[int, Variable] = {}
        self.between: dict[int, Variable] = {}
        self._stops, self._keep = frozenset(map(id, stops)), frozenset(map(id, keep))
        self._own: set[int] = set()  # whose gradients are sums made here, which may be added to in place

    def run(self, ys: Sequence[Variable], seeds: Sequence[Any]) -> None:
        """Carry the gradients `seeds` of `ys` back."""
        for y, seed in zip(ys, seeds, strict=True):
            self._add(y, seed, None)
        before = Config.enable_backprop
        Config.enable_backprop = self.create_graph
        try:
            for node in self._nodes(ys):
                self._pass(node)
        finally:
            Config.enable_backprop = before

    def _nodes(self, ys: Sequence[Variable]) -> list[Any]:
        """All functions behind ys, the last created first."""
        waiting = [y.creator for y in ys if y.creator is not None and id(y) not in self._stops]
        seen = set(waiting)
        found = []
        while waiting:
            node = waiting.pop()
            found.append(node)
            for x in node.inputs:
                if isinstance(x, Variable):
                    creator = x.creator
                    if creator is not None and creator not in seen and id(x) not in self._stops:
                        seen.add(creator)
                        waiting.append(creator)
        found.sort(key=_creation, reverse=True)
        return found

    def _pass(self, node: Any) -> None:
        """Carry the gradients of a function's outputs to its inputs."""
        incoming = [self._take(weak()) for weak in node.outputs]
        for g in incoming:
            if g is not None:
                break
        else:
            return
        results = self._checked(node, incoming) if Config.debug else node.pull(incoming, self.variables)
        for x, g in zip(node.inputs, results, strict=True):
            if g is not None and isinstance(x, Variable):
                self._add(x, g, incoming)

    def _checked(self, node: Any, incoming: Sequence[Any]) -> Sequence[Any]:
        """The gradients by a function's inputs, looked at as a whole: what its rule does on the way is its own."""
        with using_config("debug", False):
            results = node.pull(incoming, self.variables)
        where = f"the gradient of {node.name}" + (f" (called at {node.place})" if node.place else "")
        check_finite(where, [*node.inputs, *incoming], [g for g in results if g is not None])
        return results  # type: ignore[no-any-return]

    def _take(self, y: Variable | None) -> Any:
        """The gradient by an output, complete now; None if nothing was made of it, or it is where gradients end."""
        key = id(y)
        if key not in self.gradients or key in self.leaves or key in self._stops:
            return None
        if self.retain_grad or key in self._keep:
            self.between[key] = y  # type: ignore[assignment]  # None has no gradient
            return self.gradients[key]
        return self.gradients.pop(key)

    def _add(self, x: Variable, g: Any, incoming: Iterable[Any] | None) -> None:
        """Add to the gradient by x, in its own type. What stays as some Variable's gradient shares memory with none."""
        dtype = x._data.dtype
        if g.dtype is not dtype and g.dtype != dtype and getattr(dtype, "kind", "f") in "fc":
            g = _cast(g, dtype)
        key = id(x)
        so_far = self.gradients.get(key)
        if so_far is None:
            if x.creator is None:
                self.leaves[key] = x
                g = _apart(g, incoming)
            elif self.retain_grad or key in self._keep or key in self._stops:
                g = _apart(g, incoming)
            self.gradients[key] = g
        elif self.variables or key not in self._own or not isinstance(so_far, np.ndarray):
            self.gradients[key] = so_far + g
            self._own.add(key)
        else:
            so_far += g


def _check_start(y: Variable) -> None:
    if y.creator is None:
        raise RuntimeError(
            "backward has nothing to go through: this Variable was not made by a function, or was made under no_grad, "
            "or its graph was released by unchain"
        )
    if y.creator.released:
        raise RuntimeError("the graph was released by unchain_backward: compute the loss again before backward")


def _check_ends(y: Variable, leaves: Iterable[Variable]) -> None:
    """RuntimeError if all that backward came to was cut off for another loss, after y was made.

    If some of it was not, that is how a memory's past is truncated.
    """
    assert y.creator is not None
    order, x = y.creator.order, None
    for x in leaves:
        if getattr(x, "cut", -1) < order:
            return
    if x is not None:
        raise RuntimeError(
            "all that this was made from was released by unchain_backward of another Variable: go back from both "
            "first, or from their sum"
        )


def _listed(inputs: Any) -> list[Variable]:
    """What a gradient is asked by, as a list. TypeError for what is none."""
    alone = isinstance(inputs, Variable) or hasattr(inputs, "dtype") or not isinstance(inputs, Iterable)
    listed = [] if alone else list(inputs)
    wrong = next((f"{type(x).__name__} among them" for x in listed if not isinstance(x, Variable)), "")
    if alone or wrong:
        told = f"expected a list of Variables to differentiate by, got {wrong or type(inputs).__name__}"
        raise TypeError(f"{told}: nn.grad(y, [x])")
    return listed


def _check_grad(x: Variable) -> None:
    """ValueError for a `grad` that the user has set to what is no gradient of x."""
    shape = getattr(x.grad, "shape", ())
    if shape != x._data.shape:
        told = f"{x.name or 'a Variable'} of shape {x._data.shape} has a gradient of shape {shape}"
        raise ValueError(f"{told}, to which none can be added: set .grad to one of its own shape, or to None")


def _seed(y: Variable, given: Any, variables: bool) -> Any:
    """What the gradient of y begins with: what is given, or ones. That of integers is made of floats."""
    if given is None:
        data = y._data
        xp = namespace(data)
        floats = getattr(data.dtype, "kind", "f") in "fc"
        ones = xp.ones(data.shape, dtype=data.dtype if floats else xp.float64)
        return wrapped(ones) if variables else ones
    given = as_variable(given)
    if given.shape != y._data.shape:
        raise ValueError(f"expected a gradient of shape {y._data.shape} to begin with, got {given.shape}")
    return given if variables else given._data


def _cast(g: Any, dtype: Any) -> Any:
    from cartwheel.nn.functions.arithmetic import cast

    return cast(g, dtype)


def _apart(g: Any, incoming: Iterable[Any] | None) -> Any:
    """A gradient that shares its memory with no other: a copy of one that was handed on, or is a view."""
    array = raw(g)
    if incoming is not None and getattr(array, "base", array) is None:
        for other in incoming:
            if g is other:
                break
        else:
            return g
    from cartwheel.nn.functions.arithmetic import copy

    return copy(g)


def _give(x: Variable, g: Any, variables: bool) -> None:
    """Add a gradient to `x.grad`."""
    if x.grad is None:
        x.grad = g if variables else wrapped(g)
    else:
        x.grad = as_variable(x.grad) + g if variables else wrapped(raw(x.grad) + g)

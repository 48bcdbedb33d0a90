"""Values, first and second gradients of a case, by the framework, by differences and by PyTorch.

With weights w for the outputs y and directions u for the inputs x, the scalar is s = <w, y>. The first gradient is that
of s by x. The second is the gradient by w and by x of <u, ds/dx>: the change of y, and of ds/dx, in the direction u.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cases_arrays  # noqa: F401  # enter their cases
import cases_elements  # noqa: F401
import cases_networks  # noqa: F401
import cases_recurrent  # noqa: F401
import numpy as np
from cases import Case

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.array import namespace
from cartwheel.nn.backward import grad
from cartwheel.nn.function import FUNCTIONS

STEP = 3e-4


@dataclass(frozen=True)
class Result:
    """Values of each output, first gradients by each input, second gradients by each output's weight and each input.

    `recorded` are the first gradients once more, by the rules that record what they do (a gradient derived by hand has
    others).
    """

    values: list[Any]
    first: list[Any]
    recorded: list[Any]
    second: list[Any]

    @property
    def everything(self) -> list[Any]:
        return [*self.values, *self.first, *self.recorded, *self.second]


def as_tuple(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def evaluate(
    one: Case,
    inputs: Sequence[Any],
    call: Callable[..., Any] | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """The outputs of a case: of arrays by default as arrays, recording nothing. `convert` is for its attributes."""
    how = {key: convert(value) if convert else value for key, value in one.how().items()}
    return as_tuple(one.spec.call(call or FUNCTIONS[one.name].call, *inputs, **how))


def plain(one: Case, inputs: Sequence[Any]) -> list[Any]:
    """The outputs by the definition."""
    return as_tuple(one.spec.plain(*inputs, **one.how()))


def weights(one: Case, values: Sequence[Any]) -> list[Any]:
    """A random weight for each number of each output, in its type."""
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 1.5, y.shape).astype(str(y.dtype).rpartition(".")[2]) for y in values]


def directions(arrays: Sequence[Any]) -> list[Any]:
    """A random direction for each input, in its type."""
    rng = np.random.default_rng(2)
    return [np.asarray(rng.uniform(-1, 1, x.shape)).astype(x.dtype) for x in arrays]


def differentiate(one: Case, inputs: Sequence[Any], convert: Callable[[Any], Any] = lambda x: x) -> Result:
    """By the framework. `convert` makes another library's arrays of NumPy's."""
    us = [convert(u) for u in directions(one.arrays(inputs))]
    given = [convert(x) for x in inputs]
    xs = [Variable(x) for x in one.arrays(given)]
    ys = evaluate(one, one.with_arrays(given, xs), getattr(F, one.name), convert)
    ws = [Variable(convert(w)) for w in weights(one, [y.data for y in ys])]
    first = total([grad(y, xs, seed=w) for y, w in zip(ys, ws, strict=True)], xs)
    recorded = total([grad(y, xs, create_graph=True, seed=w) for y, w in zip(ys, ws, strict=True)], xs)
    second = total([grad(g, [*ws, *xs], seed=u) for g, u in zip(recorded, us, strict=True) if g.creator], [*ws, *xs])
    return Result(*([x.data for x in part] for part in (ys, first, recorded, second)))


def total(found: Sequence[Sequence[Variable | None]], by: Sequence[Variable]) -> list[Variable]:
    """Sums of gradients, zeros where there are none."""
    sums = []
    for column, x in zip(zip(*found, strict=True) if found else [()] * len(by), by, strict=True):
        present = [g for g in column if g is not None]
        sums.append(Variable(namespace(x.data).zeros_like(x.data)) if not present else _plus(present))
    return sums


def _plus(terms: Sequence[Variable]) -> Variable:
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def by_torch(one: Case, inputs: Sequence[Any]) -> Result:
    """The same by PyTorch."""
    import torch

    numbers = one.arrays(inputs)
    us = [torch.tensor(u) for u in directions(numbers)]
    given = [torch.tensor(np.ascontiguousarray(x).reshape(x.shape)) if isinstance(x, np.ndarray) else x for x in inputs]
    xs = [x.requires_grad_() for x in one.arrays(given)]
    ys = as_tuple(one.spec.torch(torch, *given, **one.how()))  # type: ignore[operator]
    ws = [torch.tensor(w).requires_grad_() for w in weights(one, [y.numpy(force=True) for y in ys])]
    s = sum((w * y).sum() for w, y in zip(ws, ys, strict=True))
    first = torch.autograd.grad(s, xs, create_graph=True, materialize_grads=True)
    along = sum((u * g).sum() for u, g in zip(us, first, strict=True))
    by = [*ws, *xs]
    second = (
        torch.autograd.grad(along, by, materialize_grads=True)
        if along.requires_grad
        else [torch.zeros_like(x) for x in by]
    )
    return Result(*([x.numpy(force=True) for x in part] for part in (ys, first, first, second)))


# --- central differences ---------------------------------------------------------------------------------------------


def slope(f: Callable[[float], Any]) -> Any:
    """The derivative at 0 by central differences of fourth order."""
    return (f(-2 * STEP) - 8 * f(-STEP) + 8 * f(STEP) - f(2 * STEP)) / (12 * STEP)


def first_by_differences(one: Case, inputs: Sequence[Any]) -> list[Any]:
    """The first gradients, number by number."""
    arrays = one.arrays(inputs)
    ws = weights(one, evaluate(one, inputs))
    gradients = [np.zeros_like(x) for x in arrays]
    for number, x in enumerate(arrays):
        for place in np.ndindex(x.shape):

            def s(step: float, number: int = number, place: tuple[int, ...] = place) -> float:
                moved = [np.array(x) for x in arrays]
                moved[number][place] += step
                ys = evaluate(one, one.with_arrays(inputs, moved))
                return float(sum((w * y).sum() for w, y in zip(ws, ys, strict=True)))

            gradients[number][place] = slope(s)
    return gradients


def second_by_differences(one: Case, inputs: Sequence[Any]) -> list[Any]:
    """The second gradients: how values and first gradients change in the directions."""
    arrays = one.arrays(inputs)
    us = directions(arrays)
    ws = weights(one, evaluate(one, inputs))

    def moved(step: float) -> list[Any]:
        xs = [Variable(np.asarray(x + step * u)) for x, u in zip(arrays, us, strict=True)]
        ys = evaluate(one, one.with_arrays(inputs, xs), getattr(F, one.name))
        first = total([grad(y, xs, seed=w) for y, w in zip(ys, ws, strict=True)], xs)
        return [*(y.data for y in ys), *(g.data for g in first)]

    at = {step: moved(step * STEP) for step in (-2, -1, 1, 2)}
    return [(a - 8 * b + 8 * c - d) / (12 * STEP) for a, b, c, d in zip(at[-2], at[-1], at[1], at[2], strict=True)]

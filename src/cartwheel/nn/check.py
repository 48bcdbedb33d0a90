"""Gradient check: what backward gives, against differences of the function itself, along a random direction.

The outputs are weighted by random numbers and summed, and the inputs moved along one random direction, so that a check
costs four evaluations of the function however many numbers there are; a fault anywhere shows, with probability 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.backward import grad
from cartwheel.nn.config import no_grad
from cartwheel.nn.functions.arithmetic import sum_to
from cartwheel.nn.variable import Variable, raw

#: How far the inputs are moved, together. The difference's own error is then near 1e-12 for smooth functions.
STEP = 3e-4

#: What rounding may add to a difference, for each unit of the sum of what is added up in it.
_ROUNDING = 1e-11


def check_gradient(
    f: Callable[..., Any], *inputs: Any, order: int = 2, rng: Any = None, tolerance: float = 1e-6
) -> None:
    """Compare the gradients of `f(*inputs)` with central differences of fourth order; ValueError where they differ.

    f takes Variables and gives a Variable or several; it must give the same again for the same inputs, and be smooth
    within 2 `STEP` around them. Inputs of floats are checked together, in float64; all else (indices, None) is handed
    to f as it is. `order` 1 checks the gradient: its shapes, its values, and that f leaves its inputs as they are; 2
    also the gradient of the gradient, by the inputs and by what flows in from behind. `tolerance` is the relative error
    allowed; `rng` draws directions and weights (by default always the same ones).
    """
    if order not in (1, 2):
        raise ValueError(f"check_gradient: expected the order 1 or 2, got {order!r}")
    rng = np.random.default_rng(0) if rng is None else rng
    case = _Case(f, inputs, rng)
    case.compare("gradient", case.value, case.gradient, case.inputs, tolerance)
    case.check_untouched()
    if order == 2:
        case.check_recorded(tolerance)
        case.compare("second gradient", case.slope, case.second, [*case.inputs, *case.weights], tolerance)


class _Case:
    """A function at a point. `value` is the sum of its weighted outputs, `slope` the gradient of that along `along`."""

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], rng: Any) -> None:
        self.f, self.rng = f, rng
        self.given = [raw(x) for x in inputs]
        self.places = [place for place, x in enumerate(self.given) if _is_float(x)]
        if not self.places:
            raise ValueError("check_gradient: expected at least one input of floats, to move; got none")
        self.inputs = [np.array(self.given[place], np.float64, order="K") for place in self.places]
        with no_grad():
            outputs = self._outputs([Variable(x) for x in self._copies()])
        self.weights = [np.asarray(rng.standard_normal(y.shape)) for y in outputs]
        self.along = _direction(self.inputs, rng)

    def _copies(self) -> list[Any]:
        return [x.copy(order="K") for x in self.inputs]

    def _outputs(self, variables: Sequence[Variable]) -> list[Variable]:
        arguments = list(self.given)
        for place, x in zip(self.places, variables, strict=True):
            arguments[place] = x
        result = self.f(*arguments)
        results = result if isinstance(result, tuple | list) else [result]
        return [y for y in results if isinstance(y, Variable) and _is_float(y._data)]

    def _weighted(self, point: Sequence[Any]) -> Variable:
        """The weighted sum at a point of inputs and, after them, weights, all Variables."""
        count = len(self.inputs)
        products = [y * w for y, w in zip(self._outputs(point[:count]), point[count:], strict=True)]
        return _total(products)

    def value(self, point: Sequence[Any]) -> tuple[float, float]:
        """The weighted sum, and the sum of its parts' absolute values: what its rounding errors grow with."""
        with no_grad():
            outputs = self._outputs([Variable(x) for x in point])
        parts = [np.sum(y._data * w) for y, w in zip(outputs, self.weights, strict=True)]
        size = [np.sum(np.abs(y._data * w)) for y, w in zip(outputs, self.weights, strict=True)]
        return math.fsum(parts), math.fsum(size)

    def gradient(self, point: Sequence[Any], weights: Sequence[Any] | None = None) -> list[Any]:
        """The gradient of the weighted sum by the inputs, as backward gives it."""
        variables = [Variable(x) for x in point]
        total = self._weighted([*variables, *map(Variable, self.weights if weights is None else weights)])
        found = [None if g is None else g._data for g in grad(total, variables)]
        for number, (g, x) in enumerate(zip(found, point, strict=True)):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise ValueError(
                    f"check_gradient: input {self.places[number]} is {x.dtype} {x.shape}, "
                    f"its gradient {g.dtype} {g.shape}"
                )
        return [np.zeros_like(x) if g is None else g for g, x in zip(found, point, strict=True)]

    def slope(self, point: Sequence[Any]) -> tuple[float, float]:
        """The gradient along `along`, and the sum of its parts' absolute values."""
        count = len(self.inputs)
        parts = [g * u for g, u in zip(self.gradient(point[:count], point[count:]), self.along, strict=True)]
        return math.fsum(map(np.sum, parts)), math.fsum(np.sum(np.abs(part)) for part in parts)

    def recorded(self, point: Sequence[Any]) -> tuple[list[Variable], list[Variable | None]]:
        """Variables of the point, and the gradient by the inputs as Variables that can be differentiated again."""
        variables = [Variable(x) for x in point]
        found = grad(self._weighted(variables), variables[: len(self.inputs)], create_graph=True)
        return variables, found

    def second(self, point: Sequence[Any]) -> list[Any]:
        """The gradient of `slope` by inputs and weights, as backward through backward gives it."""
        variables, found = self.recorded(point)
        parts = [g * u for g, u in zip(found, self.along, strict=True) if g is not None]
        seconds = grad(_total(parts), variables) if parts else [None] * len(variables)
        return [np.zeros_like(x) if g is None else g._data for g, x in zip(seconds, point, strict=True)]

    def compare(
        self,
        what: str,
        value: Callable[[Any], tuple[float, float]],
        gradient: Callable[[Any], list[Any]],
        point: list[Any],
        tolerance: float,
    ) -> None:
        """Hold the gradient along a random direction against differences of `value`."""
        found = gradient([x.copy(order="K") for x in point])
        direction = _direction(point, self.rng)
        told = _compared(value, found, point, direction, tolerance)
        if told:
            parts = []
            for number in range(len(point)):  # which of them it is
                alone = [v if number == other else np.zeros_like(v) for other, v in enumerate(direction)]
                problem = _compared(value, found, point, alone, tolerance)
                parts += [f"by {self._name(number)}: {problem}"] * bool(problem)
            raise ValueError(f"check_gradient: the {what} is wrong; " + "; ".join(parts or [told]))

    def _name(self, number: int) -> str:
        count = len(self.inputs)
        if number < count:
            return f"input {self.places[number]} {self.inputs[number].shape}"
        return f"the gradient that comes into output {number - count} {self.weights[number - count].shape}"

    def check_recorded(self, tolerance: float) -> None:
        """The gradient must be the same, element by element, when it is recorded to be differentiated again."""
        plain = self.gradient(self._copies())
        _, found = self.recorded([*self._copies(), *self.weights])
        for number, (a, b) in enumerate(zip(plain, found, strict=True)):
            again = np.zeros_like(a) if b is None else b._data
            if again.shape != a.shape or not np.allclose(a, again, rtol=tolerance, atol=_ROUNDING * _largest(a)):
                apart = f"{_largest(a - again):.2g} apart" if again.shape == a.shape else f"of shape {again.shape}"
                raise ValueError(
                    f"check_gradient: by {self._name(number)} backward gives another gradient with create_graph than "
                    f"without, {apart}"
                )

    def check_untouched(self) -> None:
        """Function and gradient must leave inputs and weights as they are."""
        variables = [Variable(x) for x in [*self._copies(), *(w.copy() for w in self.weights)]]
        before = [x._data.copy() for x in variables]
        grad(self._weighted(variables), variables)
        for number, (x, old) in enumerate(zip(variables, before, strict=True)):
            if not np.array_equal(x._data, old, equal_nan=True):
                raise ValueError(f"check_gradient: the function or its gradient has changed {self._name(number)}")


def _compared(
    value: Callable[[Any], tuple[float, float]], found: Sequence[Any], point: Any, direction: Any, tolerance: float
) -> str:
    """What is wrong with a gradient along a direction, in figures; nothing if it is right."""
    by_rule = math.fsum(float(np.sum(g * v)) for g, v in zip(found, direction, strict=True))
    by_differences, size = _difference(value, point, direction)
    error = abs(by_rule - by_differences)
    if error <= tolerance * max(abs(by_rule), abs(by_differences)) + _ROUNDING * size:
        return ""
    return (
        f"along a random direction backward gives {by_rule:.10g}, differences give {by_differences:.10g} "
        f"({error / (max(abs(by_rule), abs(by_differences)) or 1.0):.2g} off)"
    )


def _difference(value: Callable[[Any], tuple[float, float]], point: Any, direction: Any) -> tuple[float, float]:
    """The derivative along a direction, (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, and the largest of the sizes."""
    values, sizes = zip(
        *(
            value([x + step * STEP * v for x, v in zip(point, direction, strict=True)])
            for step in (1.0, -1.0, 2.0, -2.0)
        ),
        strict=True,
    )
    near, far = values[0] - values[1], values[2] - values[3]
    return (8.0 * near - far) / (12.0 * STEP), max(sizes)


def _direction(arrays: Sequence[Any], rng: Any) -> list[Any]:
    """A random direction of length 1 in the space of all these arrays together."""
    directions = [np.asarray(rng.standard_normal(x.shape)) for x in arrays]
    length = math.sqrt(math.fsum(float(np.sum(v * v)) for v in directions)) or 1.0
    return [v / length for v in directions]


def _total(parts: Sequence[Variable]) -> Variable:
    """The sum of all numbers."""
    total: Variable = sum_to(parts[0], ())
    for part in parts[1:]:
        total = total + sum_to(part, ())
    return total


def _largest(array: Any) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _is_float(x: Any) -> bool:
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"

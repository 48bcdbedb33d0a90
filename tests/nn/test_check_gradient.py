"""The gradient check itself: passes what is right, and tells each kind of fault from the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Function, Variable
from cartwheel.nn import functions as F
from cartwheel.nn.check import check_gradient
from cartwheel.nn.function import Fused, operation


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 2.0, size=shape)


@operation
def cube(xp: Any, x: Any) -> Any:
    return x * x * x


def with_rule(*rules: Any) -> Callable[..., Any]:
    """The product of two arrays, with gradients as given."""

    @operation
    def product(xp: Any, x0: Any, x1: Any) -> Any:
        return x0 * x1

    product.rules = rules
    return product


RIGHT = (lambda g, y, x0, x1: F.sum_to(g * x1, x0.shape), lambda g, y, x0, x1: F.sum_to(g * x0, x1.shape))


# --- right ones ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (F.mul, (drawn(3, 4), drawn(4, seed=1))),
        (F.div, (drawn(3, 4), drawn(3, 1, seed=1))),
        (F.exp, (drawn(3),)),
        (lambda x: x * x * x, (2.0,)),
        (lambda x: x * x * x, (np.full((2, 2), 1000.0),)),
        (F.exp, (np.full(3, -1000.0),)),
        (lambda x: x[::-2] * x[0], (drawn(5),)),
        (lambda x: x * 2.0, (drawn(0, 3),)),
        (lambda x: (x * x, F.exp(x), 3), (drawn(2, 2),)),
        (lambda x, index: x[index] * 2.0, (drawn(4), np.array([1, 1, 3]))),
        (lambda x, y, b: x * y if b is None else b, (drawn(2), drawn(2), None)),
        (lambda x: Variable(np.ones(3)) * 2.0, (drawn(3),)),
        (F.exp, (drawn(3).astype(np.float32),)),
        (F.exp, (Variable(drawn(3)),)),
        (with_rule(*RIGHT), (drawn(3), drawn(2, 3))),
    ],
)
def test_right_gradients_pass(f: Any, inputs: Any) -> None:
    check_gradient(f, *inputs)


def test_inputs_stay_and_so_do_their_gradients() -> None:
    x = Variable(drawn(3))
    before = x.data.copy()
    check_gradient(F.exp, x)
    np.testing.assert_array_equal(x.data, before)
    assert x.grad is None


def test_few_evaluations() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * x

    check_gradient(f, drawn(40, 40), order=1)
    assert calls <= 8


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ((lambda g, y, x0, x1: -g * x1, RIGHT[1]), r"the gradient is wrong; by input 0 \(3, 4\): .* \(2 off\)"),
        ((RIGHT[0], lambda g, y, x0, x1: F.sum_to(g * y, x1.shape)), r"the gradient is wrong; by input 1 \(4,\)"),
        ((RIGHT[0], lambda g, y, x0, x1: g * x0), r"input 1 is float64 \(4,\), its gradient float64 \(3, 4\)"),
        ((lambda g, y, x0, x1: F.cast(g * x1, np.float32), RIGHT[1]), "the second gradient is wrong; by input 1"),
        ((lambda g, y, x0, x1: g * x1 * 1.00001, RIGHT[1]), r"\(1e-05 off\)"),
        ((None, RIGHT[1]), r"by input 0 .* backward gives 0,"),
        (
            (lambda g, y, x0, x1: g * Variable(x1.data if isinstance(x1, Variable) else x1), RIGHT[1]),
            "the second gradient is wrong; by input 1",
        ),
        (
            (lambda g, y, x0, x1: F.mul(getattr(g, "data", g) if isinstance(g, Variable) else g, x1), RIGHT[1]),
            "the second gradient is wrong; by the gradient that comes into output 0",
        ),
    ],
)
def test_wrong_rules_are_found(rules: Any, message: str) -> None:
    call = with_rule(*(rule and (lambda *a, rule=rule, **k: raw_like(rule(*a, **k), a[0])) for rule in rules))
    with pytest.raises(ValueError, match=message):
        check_gradient(call, drawn(3, 4), drawn(4, seed=1))


def raw_like(result: Any, g: Any) -> Any:
    """An array where the gradient came as one."""
    return result if isinstance(g, Variable) or not isinstance(result, Variable) else result.data


def test_one_wrong_number_among_thousands_is_found() -> None:
    def gradient(g: Any, y: Any, x: Any) -> Any:
        spoiled = np.ones(x.shape)
        spoiled[17, 23] = 1.01
        return g * 3.0 * x * x * spoiled

    cube.rules = (gradient,)
    with pytest.raises(ValueError, match="the gradient is wrong; by input 0"):
        check_gradient(cube, drawn(50, 50))


def test_a_fused_gradient_that_differs_from_its_reference_is_found() -> None:
    @operation
    def double(xp: Any, x: Any) -> Any:
        return 2.0 * x, None

    double.fused = Fused(lambda gradients, outputs, saved, x: (gradients[0] * 2.0,), lambda x: x * 3.0)
    with pytest.raises(ValueError, match=r"another gradient with create_graph than without, .* apart"):
        check_gradient(double, drawn(3))
    check_gradient(double, drawn(3), order=1)


def test_a_function_that_changes_its_inputs_is_found() -> None:
    class Overwriting(Function):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            y = x * 2.0
            x *= 1.0 + 1e-12
            return y

        def backward(self, g: Any) -> Any:  # type: ignore[override]
            return g * 2.0

    with pytest.raises(ValueError, match="has changed input 0"):
        check_gradient(lambda x: Overwriting()(x), drawn(3))


def test_a_gradient_of_nan_is_found() -> None:
    with pytest.raises(ValueError, match="the gradient is wrong"), np.errstate(invalid="ignore"):
        check_gradient(lambda x: x * np.nan, drawn(3))


# --- bad input -------------------------------------------------------------------------------------------------------


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least one input of floats"):
        check_gradient(lambda x: x, np.arange(3))
    with pytest.raises(ValueError, match="expected the order 1 or 2, got 3"):
        check_gradient(F.exp, drawn(3), order=3)

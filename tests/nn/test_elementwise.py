"""Functions of each element: hand-known values, types, the corners of gradients, extreme inputs and mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad
from cartwheel.nn.functions import elementwise


def variable(*numbers: float, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers, dtype))


def slopes(y: Variable, *inputs: Variable) -> Any:
    """The gradients of the sum of y, as lists; one alone without a list around it."""
    found = [None if g is None else g.data.tolist() for g in grad(y, inputs)]
    return found[0] if len(found) == 1 else found


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-14, atol=1e-300)


# --- values and slopes known by hand ---------------------------------------------------------------------------------

ROOT_HALF = math.sqrt(0.5)
#: name, x, value, first, second derivative
TABLE = [
    ("exp", 0.0, 1.0, 1.0, 1.0),
    ("log", 0.5, -math.log(2), 2.0, -4.0),
    ("log1p", 1.0, math.log(2), 0.5, -0.25),
    ("expm1", math.log(2), 1.0, 2.0, 2.0),
    ("sqrt", 4.0, 2.0, 0.25, -1 / 32),
    ("abs", -3.0, 3.0, -1.0, 0.0),
    ("sign", -3.0, -1.0, 0.0, 0.0),
    ("sin", math.pi / 6, 0.5, math.cos(math.pi / 6), -0.5),
    ("cos", math.pi / 3, 0.5, -math.sin(math.pi / 3), -0.5),
    ("tan", math.pi / 4, 1.0, 2.0, 4.0),
    ("arcsin", 0.6, math.asin(0.6), 1.25, 0.6 / 0.8**3),
    ("arccos", 0.6, math.acos(0.6), -1.25, -0.6 / 0.8**3),
    ("arctan", 1.0, math.pi / 4, 0.5, -0.5),
    ("sinh", math.log(2), 0.75, 1.25, 0.75),
    ("cosh", math.log(2), 1.25, 0.75, 1.25),
    ("tanh", math.log(3), 0.8, 0.36, -0.576),
    ("arcsinh", 0.75, math.log(2), 0.8, -0.75 * 0.8**3),
    ("arccosh", 1.25, math.log(2), 4 / 3, -1.25 / 0.75**3),
    ("arctanh", 0.8, math.log(3), 1 / 0.36, 1.6 / 0.36**2),
]


@pytest.mark.parametrize(("name", "x", "value", "first", "second"), TABLE, ids=[row[0] for row in TABLE])
def test_value_and_two_derivatives_by_hand(name: str, x: float, value: float, first: float, second: float) -> None:
    point = variable(x)
    y = getattr(F, name)(point)
    (slope,) = grad(y, [point], create_graph=True)
    assert slope is not None
    (bend,) = grad(slope, [point])
    bend_or_0 = 0.0 if bend is None else bend.data[0]  # nothing depends on x any more
    np.testing.assert_allclose([y.data[0], slope.data[0], bend_or_0], [value, first, second], rtol=1e-14)


@pytest.mark.parametrize("name", [row[0] for row in TABLE])
def test_the_type_is_kept_for_a_number_alone_and_for_none(name: str) -> None:
    low = 1.5 if name == "arccosh" else 0.5
    for shape in ((), (0, 3), (2,)):
        x = Variable(np.full(shape, low, np.float32))
        y = getattr(F, name)(x)
        (slope,) = grad(y, [x])
        assert slope is not None
        assert (y.dtype, y.shape, slope.dtype, slope.shape) == (np.float32, shape, np.float32, shape)


def test_arrays_pass_unrecorded() -> None:
    x = np.array([0.25, 1.0])
    for function in (elementwise.sqrt, elementwise.abs, lambda x: elementwise.clip(x, 0.0, 2.0)):
        assert type(function(x)) is np.ndarray


# --- powers ----------------------------------------------------------------------------------------------------------


def test_powers_by_hand() -> None:
    x, c = variable(2.0, 3.0, 4.0), variable(3.0, -1.0, 0.5)
    y = F.pow(x, c)
    close(y.data, [8.0, 1 / 3, 2.0])
    by_x, by_c = slopes(y, x, c)
    close(by_x, [12.0, -1 / 9, 0.25])
    close(by_c, [8 * math.log(2), math.log(3) / 3, 2 * math.log(4)])


@pytest.mark.parametrize(
    ("c", "value", "slope", "bend"),
    [(2, 9.0, 6.0, 2.0), (1, 3.0, 1.0, 0.0), (3, 27.0, 27.0, 18.0), (-1, 1 / 3, -1 / 9, 2 / 27), (0, 1.0, 0.0, 0.0)],
)
def test_powers_of_a_number(c: int, value: float, slope: float, bend: float) -> None:
    for power in (c, float(c)):
        x = variable(3.0)
        y = x**power
        (first,) = grad(y, [x], create_graph=True)
        assert first is not None
        (second,) = grad(first * 1.0 + x * 0.0, [x])
        assert second is not None
        close([y.data[0], first.data[0], second.data[0]], [value, slope, bend])


def test_a_power_has_slope_0_by_x_where_c_is_0_and_by_c_where_x_is_0() -> None:
    x, powers = variable(0.0, 0.0, -2.0, 0.0), np.array([0.0, 2.0, 0.0, 1.0])
    y = F.pow(x, powers)
    assert y.data.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert slopes(y, x) == [0.0, 0.0, 0.0, 1.0]
    c = variable(0.0, 2.0, 1.0)
    assert slopes(F.pow(variable(0.0, 0.0, 1.0), c), c) == [0.0, 0.0, 0.0]
    assert slopes(F.pow(0.0, c), c) == [0.0, 0.0, 0.0]
    c = variable(-1.0)
    with np.errstate(divide="ignore"):
        assert slopes(F.pow(variable(0.0), c), c) == slopes(F.pow(0.0, c), c) == [0.0]


def test_the_mixed_derivative_of_a_power_where_c_is_0() -> None:
    """d/dc c x ** (c - 1) is 1 / x there, though the slope by x is 0."""
    x, c = variable(4.0), variable(0.0)
    (by_x,) = grad(F.pow(x, c), [x], create_graph=True)
    assert by_x is not None
    assert slopes(by_x, c) == [0.25]


def test_negative_numbers_have_whole_powers() -> None:
    x = variable(-2.0, -2.0)
    assert slopes(F.pow(x, np.array([3, 2])), x) == [12.0, -4.0]
    assert slopes(x**3, x) == [12.0, 12.0]


def test_a_number_to_a_power() -> None:
    x = variable(3.0, dtype=np.float32)
    y = 2.0**x
    (slope,) = grad(y, [x])
    assert slope is not None
    assert (y.dtype, slope.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose([y.data[0], slope.data[0]], [8.0, 8 * math.log(2)], rtol=1e-6)


def test_powers_that_broadcast_sum_their_slopes() -> None:
    x, c = Variable(np.full((2, 1), 2.0)), variable(1.0, 2.0, 3.0)
    by_x, by_c = slopes(F.pow(x, c), x, c)
    assert by_x == [[17.0], [17.0]]
    close(by_c, 2 * np.array([2.0, 4.0, 8.0]) * math.log(2))


# --- the branch not taken --------------------------------------------------------------------------------------------


def test_where_chooses() -> None:
    x0, x1 = variable(1.0, 2.0), variable(3.0, 4.0)
    y = F.where(np.array([True, False]), x0, x1)
    assert y.data.tolist() == [1.0, 4.0]
    assert slopes(y, x0, x1) == [[1.0, 0.0], [0.0, 1.0]]


def test_where_takes_a_condition_of_any_kind() -> None:
    x = variable(1.0, 2.0)
    for condition in ([True, False], Variable(np.array([True, False])), np.array([1, 0]), x < 1.5):
        assert F.where(condition, x, -x).data.tolist() == [1.0, -2.0]


def test_where_sums_what_it_stretched() -> None:
    x0, x1 = variable(5.0), Variable(np.zeros((2, 1)))
    y = F.where(np.array([[True, False, True], [True, True, True]]), x0, x1)
    assert slopes(y, x0, x1) == [[5.0], [[1.0], [0.0]]]


def test_where_ignores_nan_in_the_branch_not_taken() -> None:
    y = F.where(np.array([True, False]), variable(1.0, math.nan), variable(math.inf, 2.0))
    assert y.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("f", [F.log, F.sqrt, lambda x: x**0.5, lambda x: x**-1.0, F.arctanh, F.arccosh, F.log1p])
def test_gradients_ignore_what_is_undefined_in_the_branch_not_taken(f: Any) -> None:
    x = variable(0.0, -1.0, -3.0, 1.0, 1.5)
    with np.errstate(all="ignore"):
        value = f(x)
        taken = np.isfinite(value.data) & (x > 0.5)
        found = slopes(F.where(taken, value, 7.0), x)
        inner = variable(1.5)
        (wanted,) = slopes(f(inner), inner)
    assert found[:3] == [0.0, 0.0, 0.0]
    assert found[4] == (wanted if taken[4] else 0.0)
    assert taken.any() or f is F.arctanh


def test_a_slope_of_0_now_does_not_hide_the_second_derivative() -> None:
    """(sqrt(x) - 1) ** 2 has slope 0 at 1, and second derivative 1 / 2."""
    x = variable(1.0)
    (first,) = grad((F.sqrt(x) - 1.0) ** 2, [x], create_graph=True)
    assert first is not None
    assert (first.data.tolist(), slopes(first, x)) == ([0.0], [0.5])


# --- limits ----------------------------------------------------------------------------------------------------------


def test_ties_share_the_gradient() -> None:
    for f, lost in ((F.maximum, [0.0, 0.5, 1.0]), (F.minimum, [1.0, 0.5, 0.0])):
        x0, x1 = variable(1.0, 2.0, 3.0), variable(2.0, 2.0, 2.0)
        assert slopes(f(x0, x1), x0, x1) == [lost, [1.0 - s for s in lost]]
        x = variable(2.0)
        assert slopes(f(x, x), x) == [1.0]


def test_the_larger_and_the_smaller() -> None:
    x = variable(-1.0, 0.5, 3.0, dtype=np.float32)
    assert F.maximum(x, 0.0).data.tolist() == [0.0, 0.5, 3.0]
    assert F.minimum(1, x).data.tolist() == [-1.0, 0.5, 1.0]
    assert slopes(F.maximum(x, 0.0), x) == [0.0, 1.0, 1.0]
    assert slopes(F.minimum(1, x), x) == [1.0, 1.0, 0.0]
    assert F.maximum(x, 0.0).dtype == np.float32


def test_the_larger_of_arrays_that_broadcast() -> None:
    x0, x1 = Variable(np.array([[0.0], [5.0]])), variable(1.0, 2.0)
    assert slopes(F.maximum(x0, x1), x0, x1) == [[[0.0], [2.0]], [1.0, 1.0]]


def test_nan_is_not_lost() -> None:
    x = variable(math.nan)
    assert math.isnan(F.maximum(x, 0.0).item())
    assert slopes(F.maximum(x, 0.0), x) == [1.0]
    assert math.isnan(F.clip(x, 0.0, 1.0).item())


def test_clip_passes_at_its_limits() -> None:
    x = variable(-2.0, -1.0, 0.0, 1.0, 2.0)
    y = F.clip(x, -1.0, 1.0)
    assert y.data.tolist() == [-1.0, -1.0, 0.0, 1.0, 1.0]
    assert slopes(y, x) == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_clip_with_one_limit_or_none() -> None:
    x = Variable(np.array([-2, 2]))
    for low, high, wanted in ((None, 1, [-2, 1]), (-1, None, [-1, 2]), (None, None, [-2, 2])):
        y = F.clip(x, low, high)
        assert y.data.tolist() == wanted
        assert y.dtype == x.dtype


def test_clip_to_limits_that_are_learnt() -> None:
    x, low = variable(-2.0, 0.0, 2.0), variable(-1.0)
    assert slopes(F.clip(x, low, np.array([0.5, 0.5, 0.5])), x, low) == [[0.0, 1.0, 0.0], [1.0]]


def test_clip_keeps_the_type_for_limits_that_are_scalars_of_numpy() -> None:
    x = variable(-2.0, 0.5, dtype=np.float32)
    y = F.clip(x, np.float64(-1.0), np.float32(0.5))
    assert y.dtype == np.float32
    assert slopes(y, x) == [0.0, 1.0]


@pytest.mark.parametrize(("low", "high"), [(1.0, -1.0), (math.nan, 1.0), (0.0, math.nan)])
def test_clip_refuses_limits_out_of_order(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"clip: expected limits in order, got from .*float64 \(1,\) \(at "):
        F.clip(variable(0.0), low, high)


# --- corners, far numbers, memory ------------------------------------------------------------------------------------


def test_slopes_at_corners() -> None:
    x = variable(0.0, -0.0)
    assert slopes(F.abs(x), x) == [0.0, 0.0]
    assert slopes(F.sign(x), x) == [0.0, 0.0]


def test_far_and_small_numbers() -> None:
    far = variable(-1000.0, 1000.0)
    assert F.tanh(far).data.tolist() == [-1.0, 1.0]
    assert slopes(F.tanh(far), far) == [0.0, 0.0]
    close(slopes(F.arctan(far), far), [1 / 1000001] * 2)
    close(slopes(F.arcsinh(far), far), [1 / math.sqrt(1000001)] * 2)
    assert slopes(F.abs(far), far) == [-1.0, 1.0]
    assert slopes(F.clip(far, -1.0, 1.0), far) == [0.0, 0.0]
    small = variable(1e-20)
    assert F.log1p(small).item() == F.expm1(small).item() == 1e-20
    assert slopes(F.exp(far[:1]), far) == [0.0, 0.0]


def test_strided_numbers_and_inputs_unchanged() -> None:
    base = np.linspace(0.1, 0.9, 12).reshape(3, 4)
    for view in (base[::-1, ::2], base.T, base[:, ::-3]):
        before = view.copy()
        for name in ("exp", "log", "sqrt", "arcsin", "abs", "tanh"):
            x, plain = Variable(view), Variable(before.copy())
            f = getattr(F, name)
            assert slopes(f(x), x) == slopes(f(plain), plain)
            assert np.array_equal(f(x).data, f(plain).data)
        assert np.array_equal(view, before)


def test_integers_become_floats_where_numpy_makes_them() -> None:
    x = Variable(np.array([1, 4]))
    assert F.sqrt(x).data.tolist() == [1.0, 2.0]
    assert F.abs(x).dtype == x.dtype


def test_a_mistake_names_function_operands_and_line() -> None:
    with pytest.raises(
        ValueError, match=r"maximum: .*float64 \(2,\), float64 \(3,\) \(at .*test_elementwise\.py:\d+\)"
    ):
        F.maximum(np.zeros(2), Variable(np.zeros(3)))
    with pytest.raises(TypeError, match="exp: "):
        F.exp("one")

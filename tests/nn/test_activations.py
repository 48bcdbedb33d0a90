"""Activations: hand-known values, slopes at corners, numbers far out, softmax and its classic mistakes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable, debug
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad

FAR = [-1000.0, 1000.0]


def variable(*numbers: float, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers, dtype))


def slopes(y: Variable, x: Variable) -> Any:
    """The gradient of the sum of y by x."""
    (g,) = grad(y, [x])
    assert g is not None
    assert (g.shape, g.dtype) == (x.shape, x.dtype)
    return g.data


def bends(f: Any, x: Variable) -> Any:
    """The second derivative of each element."""
    (first,) = grad(f(x), [x], create_graph=True)
    assert first is not None
    return slopes(first + 0.0 * x, x)


# --- each element ----------------------------------------------------------------------------------------------------

LOG3 = math.log(3)
INNER = math.sqrt(2 / math.pi) * 1.044715  # of the tanh in gelu(1)
#: f, x, value, first and second derivative
TABLE = [
    ("relu", F.relu, 3.0, 3.0, 1.0, 0.0),
    ("relu", F.relu, -3.0, 0.0, 0.0, 0.0),
    ("relu", F.relu, 0.0, 0.0, 0.0, 0.0),
    ("leaky_relu", F.leaky_relu, 3.0, 3.0, 1.0, 0.0),
    ("leaky_relu", F.leaky_relu, -3.0, -0.6, 0.2, 0.0),
    ("leaky_relu", F.leaky_relu, 0.0, 0.0, 0.2, 0.0),
    ("leaky_relu-steep", lambda x: F.leaky_relu(x, 2.0), -3.0, -6.0, 2.0, 0.0),
    ("leaky_relu-steep", lambda x: F.leaky_relu(x, 2.0), 3.0, 3.0, 1.0, 0.0),
    ("leaky_relu-down", lambda x: F.leaky_relu(x, -1), -3.0, 3.0, -1.0, 0.0),
    ("elu", F.elu, 3.0, 3.0, 1.0, 0.0),
    ("elu", F.elu, -LOG3, -2 / 3, 1 / 3, 1 / 3),
    ("elu-2", lambda x: F.elu(x, 2), -LOG3, -4 / 3, 2 / 3, 2 / 3),
    ("elu-2", lambda x: F.elu(x, 2), 0.0, 0.0, 2.0, 2.0),
    ("sigmoid", F.sigmoid, LOG3, 0.75, 0.1875, -0.09375),
    ("sigmoid", F.sigmoid, 0.0, 0.5, 0.25, 0.0),
    ("softplus", F.softplus, LOG3, math.log(4), 0.75, 0.1875),
    ("softplus", F.softplus, -LOG3, math.log(4 / 3), 0.25, 0.1875),
    ("silu", F.silu, LOG3, 0.75 * LOG3, 0.75 + 0.1875 * LOG3, 0.375 - 0.09375 * LOG3),
    ("gelu", F.gelu, 0.0, 0.0, 0.5, math.sqrt(2 / math.pi)),
]


@pytest.mark.parametrize(("name", "f", "x", "value", "first", "second"), TABLE)
def test_value_and_two_derivatives_by_hand(
    name: str, f: Any, x: float, value: float, first: float, second: float
) -> None:
    point = variable(x)
    y = f(point)
    np.testing.assert_allclose(
        [y.data[0], slopes(y, point)[0], bends(f, point)[0]], [value, first, second], rtol=1e-14, atol=1e-16
    )


def test_gelu_is_the_form_with_tanh() -> None:
    x = variable(1.0)
    t = math.tanh(INNER)
    np.testing.assert_allclose(F.gelu(x).data, [0.5 * (1 + t)], rtol=1e-15)
    slope = 0.5 * (1 + t) + 0.5 * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715)
    np.testing.assert_allclose(slopes(F.gelu(x), x), [slope], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "values", "steep"),
    [
        (F.relu, [0, 1000], [0, 1]),
        (F.leaky_relu, [-200, 1000], [0.2, 1]),
        (F.elu, [-1, 1000], [0, 1]),
        (F.sigmoid, [0, 1], [0, 0]),
        (F.softplus, [0, 1000], [0, 1]),
        (F.silu, [0, 1000], [0, 1]),
        (F.gelu, [0, 1000], [0, 1]),
    ],
)
def test_far_out(f: Any, values: Any, steep: Any, dtype: Any) -> None:
    x = variable(*FAR, dtype=dtype)
    y = f(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.data, np.array(values, dtype))
    np.testing.assert_array_equal(slopes(y, x), np.array(steep, dtype))
    np.testing.assert_array_equal(bends(f, x), [0, 0])


def test_small_values_keep_their_digits() -> None:
    """sigmoid(-50) is exp(-50), not the 0 that (1 + tanh(x / 2)) / 2 gives; softplus alike."""
    x = variable(-50.0)
    np.testing.assert_allclose(F.sigmoid(x).data, math.exp(-50), rtol=1e-14)
    np.testing.assert_allclose(F.softplus(x).data, math.exp(-50), rtol=1e-14)
    np.testing.assert_allclose(slopes(F.softplus(x), x), math.exp(-50), rtol=1e-14)
    np.testing.assert_allclose(F.elu(variable(-1e-20)).data, -1e-20, rtol=1e-14)


def test_infinity_and_nan() -> None:
    x = variable(-math.inf, math.inf, math.nan)
    assert F.sigmoid(x).data.tolist()[:2] == [0.0, 1.0]
    assert F.softplus(x).data.tolist()[:2] == [0.0, math.inf]
    for f in (F.relu, F.leaky_relu, F.elu, F.sigmoid, F.softplus):
        assert math.isnan(f(x).data[2])


@pytest.mark.parametrize("f", [F.relu, F.leaky_relu, F.elu, F.sigmoid, F.softplus, F.silu, F.gelu])
def test_any_shape_and_integers(f: Any) -> None:
    for shape in ((), (0,), (0, 3)):
        x = Variable(np.full(shape, 0.5, np.float32))
        assert (f(x).shape, f(x).dtype) == (shape, np.float32)
        slopes(f(x), x)
    wanted = f(variable(1.0, 2.0)).data
    for kind in (np.int64, np.uint8):
        np.testing.assert_allclose(f(Variable(np.array([1, 2], kind))).data, wanted, rtol=1e-3)


def test_relu_keeps_integers() -> None:
    assert F.relu(Variable(np.array([-1, 2]))).data.dtype == np.int64


@pytest.mark.parametrize(
    "call", [lambda x: F.leaky_relu(x, math.nan), lambda x: F.leaky_relu(x, math.inf), lambda x: F.elu(x, math.nan)]
)
def test_a_slope_that_is_not_finite_is_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a finite (slope|alpha), got (nan|inf) \(at .*test_activations"):
        call(variable(1.0))


def test_a_scalar_of_numpy_as_slope_keeps_the_type() -> None:
    assert F.leaky_relu(variable(1.0, dtype=np.float32), np.float64(0.1)).dtype == np.float32


# --- softmax ---------------------------------------------------------------------------------------------------------

ROWS = np.log(np.array([[1.0, 2.0, 5.0], [4.0, 4.0, 2.0]]))
CHANCES = np.array([[0.125, 0.25, 0.625], [0.4, 0.4, 0.2]])


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(F.softmax(Variable(ROWS)).data, CHANCES, rtol=1e-15)
    np.testing.assert_allclose(F.log_softmax(Variable(ROWS)).data, np.log(CHANCES), rtol=1e-14)
    np.testing.assert_allclose(F.softmax(Variable(ROWS.T), axis=0).data, CHANCES.T, rtol=1e-15)
    np.testing.assert_allclose(F.softmax(Variable(ROWS[0]), axis=-1).data, CHANCES[0], rtol=1e-15)
    np.testing.assert_allclose(F.softmax(Variable(ROWS[None]), axis=2).data, CHANCES[None], rtol=1e-15)


def test_slopes_of_softmax_by_hand() -> None:
    """d p[i] / d x[j] = p[i] (1[i = j] - p[j]), d log p[i] / d x[j] = 1[i = j] - p[j]."""
    x = Variable(ROWS)
    p = CHANCES[0]
    np.testing.assert_allclose(slopes(F.softmax(x)[0, 1], x), [p[1] * (np.eye(3)[1] - p), [0, 0, 0]], atol=1e-16)
    np.testing.assert_allclose(slopes(F.log_softmax(x)[0, 1], x), [np.eye(3)[1] - p, [0, 0, 0]], atol=1e-15)


def test_second_derivatives_of_softmax_by_hand() -> None:
    """For two classes p = sigmoid(x[0] - x[1]): p'' = p (1 - p) (1 - 2 p); log p'' = -p (1 - p)."""
    x = Variable(np.array([[LOG3, 0.0]]))
    p = 0.75
    for f, wanted in ((F.softmax, p * (1 - p) * (1 - 2 * p)), (F.log_softmax, -p * (1 - p))):
        (first,) = grad(f(x)[0, 0], [x], create_graph=True)
        assert first is not None
        np.testing.assert_allclose(slopes(first[0, 0], x), [[wanted, -wanted]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_far_out(dtype: Any) -> None:
    x = Variable(np.array([[1000.0, -1000.0], [1000.0, 1000.0]], dtype))
    assert F.softmax(x).data.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    np.testing.assert_allclose(F.log_softmax(x).data, [[0.0, -2000.0], [-math.log(2)] * 2], rtol=1e-6)
    assert F.log_softmax(x).dtype == F.softmax(x).dtype == dtype
    np.testing.assert_array_equal(slopes(F.log_softmax(x)[0, 1], x), [[-1.0, 1.0], [0.0, 0.0]])


def test_a_choice_that_is_not_allowed() -> None:
    x = Variable(np.array([[0.0, -math.inf, 0.0]]))
    assert F.softmax(x).data.tolist() == [[0.5, 0.0, 0.5]]
    np.testing.assert_array_equal(slopes(F.log_softmax(x)[0, 0], x), [[0.5, 0.0, -0.5]])


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax])
def test_softmax_of_nothing_of_strided_numbers_and_of_integers(f: Any) -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        x = Variable(np.zeros(shape, np.float32))
        assert (f(x).shape, f(x).dtype) == (shape, np.float32)
        slopes(f(x), x)
    base = np.linspace(-1, 1, 24).reshape(4, 6)
    before = base.copy()
    np.testing.assert_array_equal(f(Variable(base[::-1, ::-2])).data, f(Variable(base[::-1, ::-2].copy())).data)
    assert np.array_equal(base, before)
    wanted = f(Variable(np.array([[1.0, 3.0]]))).data
    for kind in (np.int64, np.uint8):
        np.testing.assert_allclose(f(Variable(np.array([[1, 3]], kind))).data, wanted, rtol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_one_row_says_which_axis_to_give(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: axis 1 runs along the rows .* give axis=-1; got float64 \(3,\)"):
        getattr(F, name)(Variable(ROWS[0]))
    with pytest.raises(ValueError, match=rf"{name}: .*axis 2 .*float64 \(2, 3\) \(at .*test_activations"):
        getattr(F, name)(Variable(ROWS), axis=2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, -2])
def test_debug_warns_of_softmax_over_the_rows_of_a_batch(name: str, axis: int) -> None:
    with debug(), pytest.warns(UserWarning, match=rf"{name} over axis 0 .* rows of the batch.*test_activations"):
        getattr(F, name)(Variable(ROWS), axis=axis)


def test_nothing_else_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.softmax(Variable(ROWS), axis=0)
        with debug():
            F.softmax(Variable(ROWS))
            F.softmax(Variable(ROWS), axis=-1)
            F.softmax(Variable(ROWS[0]), axis=0)
            F.softmax(Variable(ROWS[None]), axis=0)

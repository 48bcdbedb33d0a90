"""`Variable` and `Parameter` as arrays: data, comparison, operators, indexing, numbers of Python, copies."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Parameter, Variable


def variable(*numbers: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers[0] if len(numbers) == 1 else numbers, dtype))


# --- Variable as an array --------------------------------------------------------------------------------------------


def test_what_a_variable_says_of_itself() -> None:
    x = Variable(np.zeros((2, 3), np.float32), name="x")
    assert (x.shape, x.ndim, x.size, x.dtype, len(x), x.name) == ((2, 3), 2, 6, np.float32, 2, "x")
    assert repr(x) == "variable([[0. 0. 0.]\n          [0. 0. 0.]])"
    assert repr(Parameter()) == "variable(None)"
    assert repr(variable(1.5)) == "variable(1.5)"


def test_an_array_is_kept_as_it_is_and_numbers_become_one() -> None:
    data = np.ones(2)
    assert Variable(data).data is data
    assert Variable(2.5).dtype == np.float64
    np.testing.assert_array_equal(Variable([1.0, 2.0]).data, [1.0, 2.0])
    assert Variable(np.float32(1.5)).dtype == np.float32


@pytest.mark.parametrize("data", ["text", None, np.array(["a"]), Variable(1.0), object()])
def test_what_is_no_number_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match=r"expected .*numbers as data of a Variable"):
        Variable(data)


def test_comparisons_answer_with_truth_values() -> None:
    x = variable(1.0, 2.0, 3.0)
    for answer, expected in (
        (x < 2, [True, False, False]),
        (x <= 2.0, [True, True, False]),
        (x > variable(2.0), [False, False, True]),
        (x >= np.array([1.0, 3.0, 3.0]), [True, False, True]),
        (x == np.array([1.0, 0.0, 3.0]), [True, False, True]),
        (x != 1, [False, True, True]),
    ):
        assert isinstance(answer, np.ndarray)
        np.testing.assert_array_equal(answer, expected)
    assert {x: "a Variable can be a key"}[x]


LEFT = {
    "number": (3.0, 2.0),
    "integer": (3, 2.0),
    "array": (np.array([3.0, 5.0]), np.array([2.0, 4.0])),
    "NumPy scalar": (np.float64(3.0), 2.0),
    "0-d": (np.array(3.0), np.array(2.0)),
    "matrix and row": (np.array([[3.0, 5.0], [1.0, 2.0]]), np.array([2.0, 4.0])),
}


@pytest.mark.parametrize("what", LEFT)
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "**"])
def test_operators_with_anything_on_the_left_or_right(operator: str, what: str) -> None:
    a, b = LEFT[what]
    expected = eval(f"a {operator} b", {"a": a, "b": b})
    for left, right in ((a, Variable(np.asarray(b))), (Variable(np.asarray(a, float)), b)):
        y = eval(f"a {operator} b", {"a": left, "b": right})
        assert type(y) is Variable
        np.testing.assert_allclose(y.data, expected, rtol=1e-15)
        y.backward()
        x = left if isinstance(left, Variable) else right
        assert x.grad.shape == x.shape


def test_reflected_subtraction_division_and_power_by_hand() -> None:
    for y, expected in (
        (lambda x: 10.0 - x, -1.0),
        (lambda x: 10.0 / x, -2.5),
        (lambda x: 3.0**x, 9 * np.log(3)),
        (lambda x: -x, -1.0),
        (lambda x: +x * 1.0, 1.0),
        (lambda x: abs(-3.0 * x), 3.0),
    ):
        x = variable(2.0)
        y(x).backward()
        np.testing.assert_allclose(x.grad.data, expected, rtol=1e-15)


def test_products_of_matrices_on_either_side() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for y in (a @ Variable(b), Variable(a) @ b, Variable(a).dot(b), Variable(a).matmul(Variable(b))):
        np.testing.assert_array_equal(y.data, a @ b)


def test_in_place_operators_make_a_new_variable() -> None:
    x = variable(1.0, 2.0)
    y = x
    y += 1.0
    y *= np.array([2.0, 3.0])
    assert y is not x
    np.testing.assert_array_equal(x.data, [1.0, 2.0])
    np.testing.assert_array_equal(y.data, [4.0, 9.0])


@pytest.mark.parametrize("call", [np.exp, np.sum, np.add.reduce, lambda x: np.add(x, x), lambda x: np.array([x, x])])
def test_functions_of_numpy_are_refused(call: Any) -> None:
    with pytest.raises(TypeError, match=r"Variable|iterated"):
        call(variable(1.0, 2.0))


def test_asarray_explains_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"functions of nn\.functions, or \.data"):
        np.asarray(variable(1.0))


def test_indexing_and_iteration() -> None:
    x = variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (x[1] * np.array([1.0, 10.0, 100.0])).backward()
    np.testing.assert_array_equal(x.grad.data, [[0, 0, 0], [1, 10, 100]])
    x.cleargrad()
    x[np.array([0, 0]), 1].backward()
    np.testing.assert_array_equal(x.grad.data, [[0, 2, 0], [0, 0, 0]])
    x.cleargrad()
    rows = list(x)
    assert [row.shape for row in rows] == [(3,), (3,)]
    (rows[0] * rows[1]).backward()
    np.testing.assert_array_equal(x.grad.data, [[4, 5, 6], [1, 2, 3]])
    with pytest.raises(TypeError, match="one number can't be iterated"):
        list(variable(1.0))
    with pytest.raises(IndexError, match=r"get_item.*float64 \(2, 3\)"):
        x[5]


def test_as_a_number_of_python() -> None:
    assert (float(variable([2.5])), int(variable(2.5)), variable(2.5).item()) == (2.5, 2, 2.5)
    assert bool(variable(0.0)) is False
    assert bool(variable(0.5)) is True
    with pytest.raises(ValueError, match=r"expected one number, got shape \(2,\)"):
        float(variable(1.0, 2.0))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(variable(1.0, 2.0))


def test_methods_are_the_functions() -> None:
    data = np.random.default_rng(0).standard_normal((2, 3, 4))
    x = Variable(data)
    for y, expected in (
        (x.reshape(6, 4), data.reshape(6, 4)),
        (x.reshape((4, -1)), data.reshape(4, -1)),
        (x.transpose(), data.transpose()),
        (x.transpose(2, 0, 1), data.transpose(2, 0, 1)),
        (x.transpose((2, 0, 1)), data.transpose(2, 0, 1)),
        (x.T, data.T),
        (x.flatten(), data.flatten()),
        (x.sum(), data.sum()),
        (x.sum(axis=1, keepdims=True), data.sum(axis=1, keepdims=True)),
        (x.mean((0, 2)), data.mean((0, 2))),
        (x.var(1), data.var(1)),
        (x.std(), data.std()),
        (x.max(axis=0), data.max(axis=0)),
        (x.min(), data.min()),
        (x.prod(2), data.prod(2)),
        (x.astype(np.float32), data.astype(np.float32)),
    ):
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y.data, expected, rtol=1e-13)
        assert y.creator is not None
    np.testing.assert_array_equal(x.argmax(axis=1), data.argmax(axis=1))
    assert x.argmin() == data.argmin()


@pytest.mark.parametrize("make", [copy.deepcopy, copy.copy])
def test_a_copy_has_numbers_of_its_own(make: Any) -> None:
    x = variable(1.0, 2.0)
    y = x * x
    y.backward()
    other = make(y)
    assert (type(other), other.creator if make is copy.deepcopy else None) == (Variable, None)
    np.testing.assert_array_equal(other.data, y.data)
    if make is copy.deepcopy:
        assert not np.shares_memory(other.data, y.data)
        twin = copy.deepcopy(x)
        twin.grad.data[...] = 0.0
        np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_a_deep_copy_of_a_long_chain_needs_no_recursion() -> None:
    y = variable(1.0)
    for _ in range(5000):
        y = y + 1.0
    assert float(copy.deepcopy(y)) == 5001.0
    y.unchain_backward()


# --- parameters ------------------------------------------------------------------------------------------------------


def test_a_free_parameter_takes_other_data() -> None:
    p = Parameter()
    assert p.data is None
    p.data = np.zeros(3)
    data = np.ones((2, 2), np.float32)
    p.data = data
    assert p.data is data


def test_a_bound_parameter_copies_new_data_into_its_vector() -> None:
    theta = np.zeros(6, np.float32)
    p = Parameter(theta[:4].reshape(2, 2), name="W")
    p.bound = True
    p.data = np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(theta, [0, 1, 2, 3, 0, 0])
    assert np.shares_memory(p.data, theta)
    assert p.data.dtype == np.float32
    with pytest.raises(ValueError, match=r"W has the shape \(2, 2\).*got data of shape \(3,\)"):
        p.data = np.ones(3)
    p.data += 1.0
    np.testing.assert_array_equal(theta, [1, 2, 3, 4, 0, 0])
    twin = copy.deepcopy(p)
    assert type(twin) is Parameter
    assert twin.bound is False
    twin.data[...] = 7.0
    np.testing.assert_array_equal(theta, [1, 2, 3, 4, 0, 0])


def test_a_parameter_without_data_says_so() -> None:
    with pytest.raises((TypeError, ValueError), match=r"mul.*without data.*run the model once"):
        Parameter(name="W") * 2.0

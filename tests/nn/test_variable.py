"""`Variable` and `Parameter` as arrays: data, comparison, operators, indexing, numbers of Python, copies."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Parameter, Variable
from cartwheel.nn import functions as F
from cartwheel.nn.flat import Layout
from cartwheel.nn.vector import Vector


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
    p = Parameter(name="W")
    Vector([p], Layout(("l0/W",), ((2, 2),)), theta[:4])
    p.data = np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(theta, [0, 1, 2, 3, 0, 0])
    assert np.shares_memory(p.data, theta)
    assert p.data.dtype == np.float32
    with pytest.raises(ValueError, match=r"^l0/W has the shape \(2, 2\).*got data of shape \(3,\)"):
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


def test_a_shallow_copy_of_a_bound_parameter_does_not_write_into_its_model() -> None:
    model = nn.MLP((2, 1), in_size=3)
    before = model.theta.copy()
    twin = copy.copy(model.l0.W)
    assert type(twin) is Parameter
    twin.data[...] = 7.0
    twin.data = np.full((3, 2), 8.0)
    twin.data += 1.0
    np.testing.assert_array_equal(model.theta, before)
    assert twin.name == model.l0.W.name


# --- pickle ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_has_the_numbers_and_not_how_they_were_made(protocol: int) -> None:
    x = Variable(np.array([1.0, 2.0]), name="x")
    y = F.sum(x * x)
    y.backward(create_graph=True)
    y.name = "y"
    other = pickle.loads(pickle.dumps(y, protocol))
    assert (type(other), float(other), other.name, other.creator, other.grad) == (Variable, 5.0, "y", None, None)
    twin = pickle.loads(pickle.dumps(x, protocol))
    np.testing.assert_array_equal(twin.grad.data, [2.0, 4.0])
    assert twin.grad.creator is None
    (twin * 2.0).backward()


def test_a_pickle_of_a_long_chain_needs_no_recursion() -> None:
    y = variable(1.0)
    for _ in range(5000):
        y = y + 1.0
    assert float(pickle.loads(pickle.dumps(y))) == 5001.0
    y.unchain_backward()


def test_a_pickle_of_a_recurrent_model_with_a_memory() -> None:
    model = nn.Sequential(nn.layers.LSTM(4), nn.layers.Linear(1))
    xs = np.ones((3, 2, 2), np.float32)
    model(xs)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other(xs).data, model(xs).data)


# --- formats and indices ---------------------------------------------------------------------------------------------


def test_one_number_in_a_format() -> None:
    assert f"{variable(0.12345):.3f}" == "0.123"
    assert f"{variable([[2.5]]):6.2f}" == "  2.50"
    assert f"{Variable(np.array(3)):03d}" == "003"
    assert f"{variable(1.0, 2.0)}" == "variable([1. 2.])"
    with pytest.raises(TypeError, match=r"one number.*shape \(2,\)"):
        f"{variable(1.0, 2.0):.3f}"


def test_an_integer_as_an_index_of_python() -> None:
    k = Variable(np.array(2))
    assert ["a", "b", "c"][k] == "c"
    assert list(range(k)) == [0, 1]
    assert operator.index(Variable(np.array([5], np.uint8))) == 5
    for wrong in (variable(2.0), Variable(np.array([1, 2])), Variable(np.array(True))):
        with pytest.raises(TypeError, match="expected one integer"):
            operator.index(wrong)


# --- lists and numbers as operands -----------------------------------------------------------------------------------

PAIR: Any = (1, 2)
PAIRS: dict[str, Any] = {
    "x * list": (lambda x: x * [1, 2], lambda x: x * np.array([1, 2])),
    "list * x": (lambda x: [1, 2] * x, lambda x: x * np.array([1, 2])),
    "tuple + x": (lambda x: PAIR + x, lambda x: x + np.array([1, 2])),
    "x / list": (lambda x: x / [1, 2], lambda x: x / np.array([1, 2])),
    "x ** list": (lambda x: x ** [1, 2], lambda x: x ** np.array([1, 2])),
    "list ** x": (lambda x: [2, 3] ** x, lambda x: np.array([2, 3]) ** x),
    "x @ list": (lambda x: x @ [1, 2], lambda x: x @ np.array([1, 2])),
    "list @ x": (lambda x: [[1, 2], [3, 4]] @ x, lambda x: np.array([[1, 2], [3, 4]]) @ x),
    "maximum": (lambda x: F.maximum(x, [1, 3]), lambda x: F.maximum(x, np.array([1, 3]))),
    "minimum": (lambda x: F.minimum([1, 3], x), lambda x: F.minimum(np.array([1, 3]), x)),
    "where": (
        lambda x: F.where([True, False], x, [0, 1]),
        lambda x: F.where(np.array([True, False]), x, np.array([0, 1])),
    ),
    "linear": (lambda x: F.linear(x, [[1.0], [2.0]], b=[3.0]), lambda x: x @ np.array([[1.0], [2.0]]) + 3.0),
    "concat": (lambda x: F.concat([x, [1.0]]), lambda x: F.concat([x, np.array([1.0])])),
    "loss": (
        lambda x: F.mean_squared_error(x, [1.0, 2.0]),
        lambda x: F.mean_squared_error(x, np.array([1.0, 2.0])),
    ),
}


@pytest.mark.parametrize("what", PAIRS)
def test_a_list_is_an_operand_like_an_array(what: str) -> None:
    found = []
    for call in PAIRS[what]:
        x = variable(1.5, 2.5)
        y = call(x)
        F.sum(y).backward()
        found.append((y.data, x.grad.data))
    for got, expected in zip(*found, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_lists_and_numbers_alone_will_do() -> None:
    assert float(F.mean([1.0, 2.0, 6.0])) == 3.0
    assert F.sum([[1, 2], [3, 4]], (0, 1)).data == 10
    np.testing.assert_array_equal(F.reshape([1, 2, 3, 4], [2, 2]).data, [[1, 2], [3, 4]])
    assert float(F.mean(3.0)) == 3.0
    assert float(F.maximum(2.0, 3)) == 3.0
    assert float(F.mean_squared_error([1.0, 2.0], [2.0, 4.0])) == 2.5
    assert float(F.exp(x=0.0)) == 1.0
    assert F.get_item([1.0, 2.0, 3.0], [0, 2]).shape == (2,)
    assert [part.shape for part in F.split([1, 2, 3, 4], [1, 3])] == [(1,), (2,), (1,)]


def test_a_number_beside_float32_leaves_the_type() -> None:
    x = variable(1.0, 2.0, dtype=np.float32)
    for y in (F.add(1.0, x), F.maximum(0, x), F.mul(x, 2.5), F.where(x > 1, 0.0, x), F.where([True, False], 0.5, x)):
        assert y.dtype == np.float32


@pytest.mark.parametrize(
    "call", [lambda: F.mean(["a"]), lambda: F.mean([[1, 2], [3]]), lambda: F.exp("a"), lambda: F.relu(None)]
)
def test_what_is_no_number_is_no_operand(call: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"(mean|exp|relu): .*test_variable\.py"):
        call()


def test_the_axis_of_a_vector_as_a_number() -> None:
    x = variable(1.0, 2.0)
    assert x.transpose(0).shape == (2,)
    assert F.transpose(x, 0).shape == (2,)
    with pytest.raises((TypeError, ValueError), match=r"transpose: .*test_variable\.py"):
        x.transpose(1.5)

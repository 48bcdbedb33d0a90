"""Indexing: every kind of index against NumPy's, repeated places, and the messages of mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad

X = np.arange(60.0).reshape(3, 4, 5)
ROWS = np.array([True, False, True])
I, J = np.array([0, 2, 0, 0]), np.array([1, -1, 1, 3])

INDICES: dict[str, Any] = {
    "integer": 1,
    "negative integer": -2,
    "numpy integer": np.int64(2),
    "integers": (1, -1, 3),
    "slice": slice(1, None),
    "negative step": (slice(None, None, -2), slice(3, 0, -1)),
    "ellipsis": (..., 2),
    "ellipsis between": (1, ..., slice(0, 2)),
    "nothing at all": (),
    "new axes": (None, 1, None, ..., None),
    "empty slice": (slice(2, 2), 1),
    "array": I,
    "array of two axes": np.array([[0, 1], [1, 1]]),
    "0-d array": np.array(2),
    "list": [2, 0, 2],
    "empty list": [],
    "list of truths": [True, False, True],
    "two arrays": (I, J),
    "three arrays": (I, J, I),
    "arrays that broadcast": (np.array([[0], [2]]), np.array([1, 1, 3])),
    "array and slice": (I, slice(1, 3)),
    "slice and array": (slice(0, 2), J),
    "arrays apart": (I, slice(None), J),
    "array and integer apart": (I, slice(None), 1),
    "array and new axis": (I, None, J),
    "ellipsis and array": (..., I),
    "mask": X > 20,
    "mask of rows": ROWS,
    "mask of two axes": X[:, :, 0] > 10,
    "mask and integers": (ROWS, np.array([3, 3])),
    "mask of two axes and array": (X[:, :, 0] > 50, np.array([1, 1])),
    "mask and slice": (ROWS, slice(1, 3)),
    "integers and mask": (np.array([1, 1, 1, 1]), np.ones(4, bool)),
    "mask of none": np.zeros((3, 4, 5), bool),
    "true": True,
    "false": False,
    "unsigned": np.array([2, 2], np.uint8),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_every_kind_of_index(index: Any) -> None:
    x = Variable(X)
    y = x[index]
    np.testing.assert_array_equal(y.data, X[index])
    seed = Variable(np.random.default_rng(0).normal(size=y.shape))
    (g,) = grad(y, [x], create_graph=True, seed=seed)
    expected = np.zeros_like(X)
    np.add.at(expected, index, seed.data)
    assert g is not None
    np.testing.assert_array_equal(g.data, expected)
    (back,) = grad(g, [seed], seed=X)  # the gradient is linear in the seed, and its own gradient is the index again
    assert back is not None
    np.testing.assert_array_equal(back.data, X[index])


def test_repeated_places_get_the_sum() -> None:
    x = Variable(np.array([1.0, 2.0, 3.0]))
    y = x[[0, 0, 2, 0]]
    (g,) = grad(y, [x], seed=np.array([1.0, 10.0, 5.0, 100.0]))
    assert g is not None
    np.testing.assert_array_equal(g.data, [111, 0, 5])


def test_second_gradients_through_repeated_places() -> None:
    x = Variable(np.array([1.0, 2.0, 3.0]))
    y = F.sum(x[[0, 0, 2]] ** 3)  # 2 a^3 + c^3
    (g,) = grad(y, [x], create_graph=True)
    assert g is not None
    np.testing.assert_allclose(g.data, [6, 0, 27])
    (h,) = grad(g, [x])
    assert h is not None
    np.testing.assert_allclose(h.data, [12, 0, 18])


def test_variables_as_indices() -> None:
    x = Variable(X)
    rows, columns = Variable(I), Variable(J)
    np.testing.assert_array_equal(x[rows].data, X[I])
    np.testing.assert_array_equal(x[rows, columns, 1:].data, X[I, J, 1:])
    np.testing.assert_array_equal(x[[Variable(np.array(2)), 0]].data, X[[2, 0]])
    np.testing.assert_array_equal(x[Variable(ROWS)].data, X[ROWS])
    np.testing.assert_array_equal(x[x > 20].data, X[X > 20])
    assert x[Variable(np.array(1)), 2, 3].item() == X[1, 2, 3]


def test_zero_d_float32_and_strides() -> None:
    number = Variable(np.array(3.0))
    for index, shape in (((), ()), (..., ()), (None, (1,)), (True, (1,))):
        (g,) = grad(number[index], [number])
        assert number[index].shape == shape
        assert g is not None
        assert g.data == 1.0
    x = Variable(X.astype(np.float32)[::-2, :, ::3])
    (g,) = grad(x[I % 2, J], [x])
    assert g is not None
    assert (g.dtype, g.shape) == (np.float32, x.shape)


def test_a_batch_of_rows_is_iterated_over() -> None:
    x = Variable(np.arange(6.0).reshape(3, 2))
    first, _, last = x
    (g,) = grad(F.sum(first * 2.0 + last), [x])
    assert g is not None
    np.testing.assert_array_equal(g.data, [[2, 2], [0, 0], [1, 1]])


# --- take_along_axis -------------------------------------------------------------------------------------------------


def test_take_along_axis_as_numpy() -> None:
    x = Variable(X)
    for indices, axis in (
        (X.argsort(axis=1)[:, ::-1], 1),
        (np.array([[[0], [4], [4], [2]]] * 3), -1),
        (np.zeros((7, 1, 5), np.int64) - 1, 0),
        (np.array([59, 0, 0]), None),
    ):
        y = F.take_along_axis(x, indices, axis)
        np.testing.assert_array_equal(y.data, np.take_along_axis(X, indices, axis))


def test_one_of_each_row() -> None:
    x = Variable(np.arange(6.0).reshape(2, 3))
    y = F.take_along_axis(x, Variable(np.array([[2, 2, 0], [1, 1, 1]])), axis=1)
    np.testing.assert_array_equal(y.data, [[2, 2, 0], [4, 4, 4]])
    (g,) = grad(y, [x], seed=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert g is not None
    np.testing.assert_array_equal(g.data, [[3, 0, 3], [0, 15, 0]])


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: Variable(X)[3], IndexError, "get_item: index 3 is out of bounds for axis 0 with size 3; got float64"),
        (lambda: Variable(X)[[0, 3]], IndexError, "get_item: index 3 is out of bounds"),
        (lambda: Variable(X)[1.5], IndexError, "get_item: only integers"),
        (lambda: Variable(X)[Variable(np.ones(3))], IndexError, "get_item: arrays used as indices"),
        (lambda: Variable(X)[0, 0, 0, 0], IndexError, "get_item: too many indices"),
        (lambda: Variable(X)[np.ones(4, bool)], IndexError, "get_item: boolean index did not match"),
        (lambda: Variable(X)[I, J[:2]], IndexError, "get_item: shape mismatch"),
        (lambda: F.take_along_axis(X, X), IndexError, "take_along_axis: expected an array of integers"),
        (lambda: F.take_along_axis(X, [[0.5]]), IndexError, "take_along_axis: expected an array of integers"),
        (lambda: F.take_along_axis(X, I), ValueError, "take_along_axis: expected indices with as many axes as x"),
        (lambda: F.take_along_axis(X, I[:1, None, None], 3), ValueError, "take_along_axis: axis 3 is out of range"),
    ],
)  # fmt: skip
def test_messages(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=rf"^{message}.*\(at .*test_indexing.py:\d+\)$"):
        call()

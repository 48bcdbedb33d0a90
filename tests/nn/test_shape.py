"""Shapes, joins, cuts, padding and repetition: conventions, edges, and the messages of mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad

CUBE = np.arange(24.0).reshape(2, 3, 4)


def counted(*shape: int) -> Variable:
    return Variable(np.arange(float(np.prod(shape))).reshape(shape))


def pulled(y: Variable, x: Variable, seed: Any) -> Any:
    """The gradient by x that comes of a gradient by y."""
    (g,) = grad(y, [x], seed=np.asarray(seed, x.dtype))
    assert g is not None
    assert g.shape == x.shape
    return g.data


# --- conventions -----------------------------------------------------------------------------------------------------


def test_the_same_shape_is_the_same_variable() -> None:
    x = counted(2, 3)
    assert F.reshape(x, (2, 3)) is x
    assert F.reshape(x, [3, 2]).shape == (3, 2)
    assert F.reshape(x, -1).shape == (6,)


def test_flatten_keeps_the_first_axis() -> None:
    assert F.flatten(counted(2, 3, 4)).shape == (2, 12)
    assert F.flatten(counted(3)).shape == (3, 1)
    assert F.flatten(np.zeros((0, 3, 4))).shape == (0, 12)


def test_expand_dims_counts_in_the_result() -> None:
    x = counted(2, 3)
    assert F.expand_dims(x, -1).shape == (2, 3, 1)
    assert F.expand_dims(x, 1).shape == (2, 1, 3)
    assert F.expand_dims(x, (0, -1)).shape == (1, 2, 3, 1)
    assert F.expand_dims(np.array(5.0), 0).shape == (1,)


def test_squeeze_leaves_longer_axes() -> None:
    x = counted(1, 2, 1, 3)
    assert F.squeeze(x).shape == (2, 3)
    assert F.squeeze(x, -2).shape == (1, 2, 3)
    assert F.squeeze(x, (0, 2)).shape == (2, 3)


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 0, 1), (-1, 0, -2), None], ids=str)
def test_the_gradient_of_a_transpose_goes_back(axes: Any) -> None:
    x = Variable(CUBE)
    y = F.transpose(x, axes)
    np.testing.assert_array_equal(y.data, CUBE.transpose(axes))
    np.testing.assert_array_equal(pulled(y, x, y.data), CUBE)


def test_swapaxes_and_flip() -> None:
    x = Variable(CUBE)
    np.testing.assert_array_equal(F.swapaxes(x, 0, -1).data, CUBE.swapaxes(0, -1))
    np.testing.assert_array_equal(F.flip(x, (0, 2)).data, CUBE[::-1, :, ::-1])
    np.testing.assert_array_equal(pulled(F.flip(x, 1), x, CUBE), CUBE[:, ::-1])


def test_concat_and_stack() -> None:
    a, b = counted(2, 3), counted(2, 1)
    y = F.concat([a, b], axis=-1)
    np.testing.assert_array_equal(y.data, [[0, 1, 2, 0], [3, 4, 5, 1]])
    seed = [[1, 2, 3, 4], [5, 6, 7, 8]]
    np.testing.assert_array_equal(pulled(y, a, seed), [[1, 2, 3], [5, 6, 7]])
    np.testing.assert_array_equal(pulled(y, b, seed), [[4], [8]])
    np.testing.assert_array_equal(F.concat([a, b], axis=None).data, [0, 1, 2, 3, 4, 5, 0, 1])
    c, d = counted(2), counted(2)
    for axis, place in ((0, (1,)), (1, (slice(None), 1)), (-1, (slice(None), 1))):
        seed = np.array([[1.0, 2.0], [3.0, 4.0]])
        np.testing.assert_array_equal(pulled(F.stack((c, d), axis), d, seed), seed[place])


def test_what_is_joined_twice_gets_both_gradients() -> None:
    x = counted(2)
    np.testing.assert_array_equal(pulled(F.concat([x, x]), x, [1, 2, 10, 20]), [11, 22])
    np.testing.assert_array_equal(pulled(F.stack([x, x]), x, [[1, 2], [10, 20]]), [11, 22])


# --- split -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "axis"),
    [(2, 0), ([1, 3], 0), ((1, 1), 0), (np.array([0, 4]), 0), ([-1], 0), ([9], 0), (3, -1)],
    ids=str,
)
def test_split_as_numpy(sections: Any, axis: int) -> None:
    x = counted(4, 3)
    parts, expected = F.split(x, sections, axis), np.split(x.data, sections, axis)
    assert isinstance(parts, list)
    for one, other in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(one.data, other)
    total = parts[0].sum() * 0.0
    for number, part in enumerate(parts, 1):
        total = total + (part * part).sum() * float(number)
    (g,) = grad(total, [x], create_graph=True)
    assert g is not None
    factors = np.concatenate([np.full(part.shape, 2.0 * number) for number, part in enumerate(expected, 1)], axis)
    np.testing.assert_array_equal(g.data, factors * x.data)
    np.testing.assert_array_equal(pulled(g, x, np.ones((4, 3))), factors)


def test_a_part_that_is_not_used_gets_zeros() -> None:
    x = counted(6)
    middle = F.split(x, 3)[1]  # the others are gone
    np.testing.assert_array_equal(pulled(middle, x, [7, 8]), [0, 0, 7, 8, 0, 0])


# --- padding and repeating -------------------------------------------------------------------------------------------


def test_pad_takes_numpy_s_forms() -> None:
    x = counted(2, 3)
    for width in (1, (1, 2), [[0, 1], [2, 0]], ((1, 0),)):
        expected = np.pad(x.data, width, constant_values=-3.0)
        y = F.pad(x, width, -3.0)
        np.testing.assert_array_equal(y.data, expected)
        np.testing.assert_array_equal(pulled(y, x, expected), x.data)
    assert F.pad(np.ones(2, np.float32), 1, 0.5).dtype == np.float32
    assert F.pad(np.zeros((0, 2)), 1).shape == (2, 4)


def test_repeat_as_numpy() -> None:
    x = counted(2, 3)
    for repeats, axis in ((2, None), (3, 1), (0, 0), ([2, 0], 0), (np.array([1, 2, 3]), -1), ([2], 1)):
        y = F.repeat(x, repeats, axis)
        np.testing.assert_array_equal(y.data, np.repeat(x.data, repeats, axis))
    np.testing.assert_array_equal(
        pulled(F.repeat(x, [2, 0], 0), x, [[1, 2, 3], [10, 20, 30]]), [[11, 22, 33], [0, 0, 0]]
    )
    np.testing.assert_array_equal(pulled(F.repeat(x, 2, 1), x, [[1, 2, 3, 4, 5, 6]] * 2), [[3, 7, 11]] * 2)


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: F.reshape(CUBE, (5, 5)), ValueError, r"reshape: cannot reshape .*float64 \(2, 3, 4\)"),
        (lambda: F.reshape({1, 2}, (2, 1)), TypeError, r"reshape: expected an array or a Variable; got {1, 2}"),
        (lambda: F.transpose({1}), TypeError, "transpose: expected an array"),
        (lambda: F.transpose(CUBE, (0, 1)), ValueError, "transpose: axes don't match array"),
        (lambda: F.transpose(CUBE, (0, 1, 1)), ValueError, "transpose: repeated axis"),
        (lambda: F.swapaxes(CUBE, 0, 3), ValueError, "swapaxes: there are 3 axes, expected two of them, not 0 and 3"),
        (lambda: F.flip(CUBE, 3), ValueError, "flip: axis 3 is out of bounds"),
        (lambda: F.squeeze(CUBE, 0), ValueError, "squeeze: only axes of length 1 can be left out"),
        (lambda: F.squeeze(CUBE, 3), ValueError, "squeeze: axis 3 is out of range: there are 3 axes"),
        (lambda: F.expand_dims(CUBE, 4), ValueError, "expand_dims: axis 4 is out of range: there are 4 axes"),
        (lambda: F.expand_dims(CUBE, (0, 0)), ValueError, "expand_dims: an axis is named twice"),
        (lambda: F.flatten(np.array(1.0)), ValueError, r"flatten: expected a batch \(N, ...\)"),
        (lambda: F.concat([]), ValueError, "concat: expected at least one array"),
        (lambda: F.concat([CUBE, CUBE[0]]), ValueError, "concat: all the input arrays must have same number"),
        (lambda: F.concat([CUBE, CUBE[:, :1]]), ValueError, "concat: all the input array dimensions except"),
        (lambda: F.stack([]), ValueError, "stack: expected at least one array"),
        (lambda: F.stack([CUBE, CUBE[0]]), ValueError, "stack: all input arrays must have the same shape"),
        (lambda: F.split(CUBE, 2, 1), ValueError, "split: an axis of length 3 can't be cut into 2 equal parts"),
        (lambda: F.split(CUBE, 0), ValueError, "split: an axis of length 2 can't be cut into 0 equal parts"),
        (lambda: F.split(CUBE, [2, 1], 1), ValueError, "split: expected places in rising order within 3"),
        (lambda: F.split(CUBE, 1.5), TypeError, "split: 'float' object"),
        (lambda: F.pad(CUBE, ((1, 1), (1, 1))), ValueError, "pad: expected a number, a pair or 3 pairs"),
        (lambda: F.pad(CUBE, -1), ValueError, "pad: expected whole numbers from 0, got pad_width -1"),
        (lambda: F.pad(CUBE, 1.5), ValueError, "pad: expected whole numbers from 0"),
        (lambda: F.repeat(CUBE, -1), ValueError, "repeat: .*negative"),
        (lambda: F.repeat(CUBE, [1, 2], 1), ValueError, "repeat: operands could not be broadcast"),
        (lambda: F.repeat(CUBE, 1.5), TypeError, "repeat: 'float' object"),
    ],
)  # fmt: skip
def test_messages(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=rf"^{message}.*\(at .*test_shape.py:\d+\)$") as caught:
        call()
    assert str(caught.value).count("(at ") == 1

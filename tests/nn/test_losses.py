"""Losses: hand-known values and slopes, their division by rows, far-out inputs, and what mistakes are told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad


def matrix(rows: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(rows, dtype))


def slopes(y: Variable, *inputs: Variable) -> Any:
    """The gradients of y; one alone without a list around it."""
    assert y.shape == ()
    found = grad(y, inputs)
    for g, x in zip(found, inputs, strict=True):
        assert g is not None
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
    arrays = [g.data for g in found if g is not None]
    return arrays[0] if len(arrays) == 1 else arrays


def bend(y: Variable, x: Variable, place: Any) -> Any:
    """The slopes of one of the slopes."""
    (first,) = grad(y, [x], create_graph=True)
    assert first is not None
    (second,) = grad(first[place], [x])
    assert second is not None
    return second.data


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-14, atol=1e-15)


# --- regression ------------------------------------------------------------------------------------------------------


def test_mean_squared_error_divides_by_the_rows() -> None:
    x0, x1 = matrix([[1.0, 2.0], [3.0, 5.0]]), matrix([[0.0, 2.0], [1.0, 1.0]])
    loss = F.mean_squared_error(x0, x1)
    assert loss.item() == (1 + 0 + 4 + 16) / 2
    by_0, by_1 = slopes(loss, x0, x1)
    assert by_0.tolist() == [[1.0, 0.0], [2.0, 4.0]]
    assert by_1.tolist() == [[-1.0, 0.0], [-2.0, -4.0]]
    assert bend(loss, x0, (0, 0)).tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_huber_by_hand() -> None:
    x0, x1 = matrix([0.5, -1.0, 3.0, -3.0]), matrix([0.0, 0.0, 0.0, 0.0])
    loss = F.huber(x0, x1)
    assert loss.item() == (0.125 + 0.5 + 2.5 + 2.5) / 4
    assert slopes(loss, x0).tolist() == [0.125, -0.25, 0.25, -0.25]
    assert slopes(loss, x1).tolist() == [-0.125, 0.25, -0.25, 0.25]
    assert F.huber(x0, x1, delta=2).item() == (0.125 + 0.5 + 4.0 + 4.0) / 4
    assert bend(loss, x0, 0).tolist() == [0.25, 0.0, 0.0, 0.0]
    assert not bend(loss, x0, 2).any()


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber])
def test_regression_of_shapes(loss: Any) -> None:
    x = matrix([[1.0, 3.0], [2.0, 6.0]])
    row = matrix([1.0, 2.0])
    assert loss(x, row).item() == loss(x, matrix([[1.0, 2.0], [1.0, 2.0]])).item()
    by_x, by_row = slopes(loss(x, row), x, row)
    close(by_row, -by_x.sum(axis=0))
    assert loss(matrix(3.0), 1.0).item() == {F.mean_squared_error: 4.0, F.huber: 1.5}[loss]
    nothing = matrix(np.zeros((0, 2)))
    assert math.isnan(loss(nothing, nothing).item())
    assert slopes(loss(nothing, nothing), nothing).shape == (0, 2)


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber])
def test_a_column_against_a_row_is_a_mistake(loss: Any) -> None:
    problem = (
        rf"{loss.__name__}: expected two arrays of one shape \(these would make \(3, 3\)\): reshape one; got float64"
    )
    with pytest.raises(ValueError, match=problem):
        loss(matrix(np.zeros((3, 1))), matrix(np.zeros(3)))
    with pytest.raises(ValueError, match=r"one shape; got float64 \(3,\), float64 \(2,\) \(at .*test_losses"):
        loss(matrix(np.zeros(3)), matrix(np.zeros(2)))


@pytest.mark.parametrize("delta", [0.0, -1.0, math.nan, math.inf])
def test_huber_refuses_its_delta(delta: float) -> None:
    with pytest.raises(ValueError, match="huber: expected a delta above 0"):
        F.huber(matrix([1.0]), matrix([1.0]), delta)


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber, F.kl, F.sigmoid_cross_entropy])
def test_float32_stays_float32(loss: Any) -> None:
    x, t = matrix([[1.0, 0.0]], np.float32), matrix([[0.0, 1.0]], np.float32)
    y = loss(x, t)
    assert y.dtype == np.float32
    slopes(y, x, t)


# --- one of several classes ------------------------------------------------------------------------------------------

LOGITS = np.log(np.array([[1.0, 2.0, 5.0], [4.0, 4.0, 2.0]]))
CHANCES = np.array([[0.125, 0.25, 0.625], [0.4, 0.4, 0.2]])


@pytest.mark.parametrize("t", [np.array([0, 2]), np.array([0, 2], np.uint8), [0, 2], Variable(np.array([0, 2]))])
def test_softmax_cross_entropy_by_hand(t: Any) -> None:
    x = matrix(LOGITS)
    loss = F.softmax_cross_entropy(x, t)
    close(loss.item(), -(math.log(0.125) + math.log(0.2)) / 2)
    wanted = (CHANCES - [[1, 0, 0], [0, 0, 1]]) / 2
    close(slopes(loss, x), wanted)
    close(slopes(loss, x), wanted)  # a second time, from the same graph
    close(slopes(3.0 * loss, x), 3 * wanted)


def test_second_derivatives_of_softmax_cross_entropy_by_hand() -> None:
    x = matrix(LOGITS)
    p = CHANCES[0]
    wanted = [p[1] * (np.eye(3)[1] - p) / 2, [0, 0, 0]]
    close(bend(F.softmax_cross_entropy(x, np.array([0, 2])), x, (0, 1)), wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_cross_entropy_far_out(dtype: Any) -> None:
    x = matrix([[1000.0, -1000.0], [1000.0, -1000.0]], dtype)
    loss = F.softmax_cross_entropy(x, np.array([0, 1]))
    assert (loss.item(), loss.dtype) == (1000.0, dtype)
    assert slopes(loss, x).tolist() == [[0.0, 0.0], [0.5, -0.5]]


def test_softmax_cross_entropy_with_a_choice_that_is_not_allowed() -> None:
    x = matrix([[0.0, -math.inf, 0.0]])
    loss = F.softmax_cross_entropy(x, [0])
    close(loss.item(), math.log(2))
    assert slopes(loss, x).tolist() == [[-0.5, 0.0, 0.5]]
    assert bend(loss, x, (0, 0)).tolist() == [[0.25, 0.0, -0.25]]


def test_softmax_cross_entropy_of_no_rows() -> None:
    x = matrix(np.zeros((0, 3)))
    loss = F.softmax_cross_entropy(x, np.zeros(0, int))
    assert math.isnan(loss.item())
    assert slopes(loss, x).shape == (0, 3)


@pytest.mark.parametrize(
    ("t", "kind", "problem"),
    [
        (np.array([0, 3]), IndexError, "expected the numbers of classes to be from 0 to 2, and they are from 0 to 3"),
        (np.array([-1, 2]), IndexError, "and they are from -1 to 2"),
        (np.array([0.0, 2.0]), TypeError, r"which are integers: give \.astype\(int\)"),
        (np.array([True, False]), TypeError, "integers"),
        (np.array([[0], [2]]), ValueError, r"an array of shape \(2,\); give t\.reshape\(-1\)"),
        (np.array([[1, 0, 0], [0, 0, 1]]), ValueError, r"look like one-hot rows: give t\.argmax\(axis=1\)"),
        (np.array([0, 1, 2]), ValueError, r"one class per row, an array of shape \(2,\); got float64 \(2, 3\), int"),
        (np.array(1), ValueError, "one class per row"),
    ],
)
def test_softmax_cross_entropy_of_wrong_classes(t: Any, kind: type[Exception], problem: str) -> None:
    for given in (t, Variable(t)):
        with pytest.raises(kind, match=rf"softmax_cross_entropy: .*{problem}.*\(at .*test_losses"):
            F.softmax_cross_entropy(matrix(LOGITS), given)


@pytest.mark.parametrize("shape", [(3,), (2, 2, 3), ()])
def test_softmax_cross_entropy_of_wrong_logits(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"softmax_cross_entropy: expected logits of shape \(N, C\)"):
        F.softmax_cross_entropy(matrix(np.zeros(shape)), np.zeros(shape[:-1], int))


def test_accuracy_by_hand() -> None:
    y = matrix([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    for t in (np.array([1, 0, 0, 0]), Variable(np.array([1, 0, 0, 0])), [1, 0, 0, 0], np.array([[1], [0], [0], [0]])):
        assert F.accuracy(y, t).item() == 0.75
    assert F.accuracy(y, np.array([1, 0, 0, 0])).creator is None
    assert math.isnan(F.accuracy(matrix(np.zeros((0, 2))), np.zeros(0, int)).item())


@pytest.mark.parametrize(
    ("shape", "t", "kind"),
    [
        ((4,), np.zeros(4, int), ValueError),
        ((4, 2), np.zeros((4, 2), int), ValueError),
        ((4, 2), np.zeros(4), TypeError),
        ((4, 2), np.full(4, 2), IndexError),
    ],
)
def test_accuracy_of_wrong_input(shape: tuple[int, ...], t: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="accuracy: expected"):
        F.accuracy(matrix(np.zeros(shape)), t)


# --- yes or no -------------------------------------------------------------------------------------------------------

LOG3 = math.log(3)


def test_sigmoid_cross_entropy_divides_by_the_rows() -> None:
    x, t = matrix([[LOG3, 0.0], [-LOG3, LOG3]]), matrix([[1.0, 0.0], [1.0, 0.5]])
    loss = F.sigmoid_cross_entropy(x, t)
    chances = [0.75, 0.5, 0.25, 0.75**0.5 * 0.25**0.5]
    close(loss.item(), -sum(map(math.log, chances)) / 2)
    by_x, by_t = slopes(loss, x, t)
    close(by_x, np.array([[-0.25, 0.5], [-0.75, 0.25]]) / 2)
    close(by_t, -x.data / 2)
    close(bend(loss, x, (0, 0)), [[0.1875 / 2, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_cross_entropy_far_out(dtype: Any) -> None:
    x = matrix([-1000.0, -1000.0, 1000.0, 1000.0], dtype)
    loss = F.sigmoid_cross_entropy(x, [0, 1, 0, 1])
    assert (loss.item(), loss.dtype) == (500.0, dtype)
    assert slopes(loss, x).tolist() == [0.0, -0.25, 0.25, 0.0]
    close_to_sure = F.sigmoid_cross_entropy(matrix([20.0], dtype), [1]).item()
    np.testing.assert_allclose(close_to_sure, math.log1p(math.exp(-20)), rtol=1e-6)


def test_binary_cross_entropy_by_hand() -> None:
    p, t = matrix([[0.75, 0.5], [0.25, 0.2]]), matrix([[1.0, 0.0], [1.0, 0.5]])
    loss = F.binary_cross_entropy(p, t)
    close(loss.item(), -math.log(0.75 * 0.5 * 0.25 * 0.4) / 2)
    by_p, by_t = slopes(loss, p, t)
    close(by_p, np.array([[-4 / 3, 2.0], [-4.0, -0.5 / 0.2 + 0.5 / 0.8]]) / 2)
    close(by_t, np.log((1 - p.data) / p.data) / 2)
    close(bend(loss, p, (0, 1)), [[0.0, 2.0], [0.0, 0.0]])


def test_binary_cross_entropy_of_what_is_certain() -> None:
    """No logarithm is below -100, and what is close to 1 is not cut off, as it is at 0.999 in DeZero."""
    assert F.binary_cross_entropy(matrix([1.0, 0.0]), [1, 0]).item() == 0.0
    p = matrix([1.0, 0.0])
    loss = F.binary_cross_entropy(p, [0, 1])
    assert loss.item() == 100.0
    close(slopes(loss, p), [0.5e12, -0.5e12])
    np.testing.assert_allclose(F.binary_cross_entropy(matrix([0.99999]), [1]).item(), -math.log(0.99999), rtol=1e-9)


@pytest.mark.parametrize("loss", [F.sigmoid_cross_entropy, F.binary_cross_entropy])
def test_targets_of_any_kind(loss: Any) -> None:
    x = matrix([[0.25], [0.5]], np.float32)
    wanted = loss(x, np.array([[0.0], [1.0]], np.float32))
    for t in (np.array([0, 1]), np.array([False, True]), [[0], [1]], Variable(np.array([0, 1]))):
        y = loss(x, t)
        assert (y.item(), y.dtype) == (wanted.item(), np.float32)
        assert slopes(y, x).tolist() == slopes(wanted, x).tolist()
    nothing = matrix(np.zeros((0, 1)))
    assert math.isnan(loss(nothing, np.zeros(0)).item())
    assert slopes(loss(nothing, np.zeros(0)), nothing).shape == (0, 1)


@pytest.mark.parametrize("loss", [F.sigmoid_cross_entropy, F.binary_cross_entropy])
@pytest.mark.parametrize(
    ("t", "problem"),
    [
        (np.array([0.0, 1.0, 1.0]), r"as many targets as there are outputs, in one shape; got float64 \(2, 1\)"),
        (np.array([[0.0, 1.0]]), "in one shape"),
        (np.array([-1, 1]), r"expected targets from 0 to 1 \(for -1 and 1: \(t \+ 1\) / 2\)"),
        (np.array([0, 2]), "from 0 to 1"),
    ],
)
def test_wrong_targets(loss: Any, t: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"{loss.__name__}: .*{problem}.*\(at .*test_losses"):
        loss(matrix([[0.5], [0.5]]), t)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_binary_cross_entropy_of_logits_is_a_mistake(p: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1; for logits use sigmoid_cross_entropy"):
        F.binary_cross_entropy(matrix([0.5, p]), [0, 1])


# --- distributions ---------------------------------------------------------------------------------------------------


def test_kl_by_hand() -> None:
    """Of (3/4, 1/4) from (1/2, 1/2), and of a distribution from itself: the mean over two rows."""
    x0, x1 = matrix([[LOG3, 0.0], [5.0, 7.0]]), matrix([[2.0, 2.0], [0.0, 2.0]])
    divergence = F.kl(x0, x1)
    row = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    close(divergence.item(), row / 2)
    by_0, by_1 = slopes(divergence, x0, x1)
    away = 0.75 * (math.log(1.5) - row) / 2
    close(by_0, [[away, -away], [0, 0]])
    close(by_1, [[-0.125, 0.125], [0, 0]])
    close(F.kl(Variable(x0.data.T), Variable(x1.data.T), axis=0).item(), row / 2)
    close(F.kl(Variable(x0.data[0]), Variable(x1.data[0])).item(), row)


def test_kl_where_a_choice_is_not_allowed() -> None:
    x0, x1 = matrix([[LOG3, 0.0, -math.inf]]), matrix([[0.0, 0.0, -math.inf]])
    divergence = F.kl(x0, x1)
    close(divergence.item(), 0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    by_0, by_1 = slopes(divergence, x0, x1)
    assert np.isfinite(by_0).all()
    close(by_1, [[-0.25, 0.25, 0.0]])


def test_kl_far_out_and_of_nothing() -> None:
    x0, x1 = matrix([[1000.0, -1000.0]]), matrix([[-1000.0, 1000.0]])
    assert F.kl(x0, x1).item() == 2000.0
    by_0, by_1 = slopes(F.kl(x0, x1), x0, x1)
    assert (by_0.tolist(), by_1.tolist()) == ([[0.0, 0.0]], [[-1.0, 1.0]])
    nothing = matrix(np.zeros((0, 2)))
    assert math.isnan(F.kl(nothing, nothing).item())


def test_kl_refuses_two_shapes() -> None:
    with pytest.raises(ValueError, match=r"kl: expected logits of one shape; got float64 \(1, 2\), float64 \(2, 2\)"):
        F.kl(matrix(np.zeros((1, 2))), matrix(np.zeros((2, 2))))


def test_inputs_stay_as_they_are() -> None:
    x, t = np.array([[0.2, 0.4], [0.5, 0.1]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    before = x.copy(), t.copy()
    for loss in (F.mean_squared_error, F.huber, F.kl, F.sigmoid_cross_entropy, F.binary_cross_entropy):
        view = Variable(x[::-1])
        slopes(loss(view, t), view)
    slopes(F.softmax_cross_entropy(view, [0, 1]), view)
    assert np.array_equal(x, before[0])
    assert np.array_equal(t, before[1])

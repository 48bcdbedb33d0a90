"""Dropout, normalisation and embeddings: hand-known values, statistics, modes, generators and mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Config, Variable, seed, using_config
from cartwheel.nn import functions as F
from cartwheel.nn import test_mode as testing
from cartwheel.nn.backward import grad

ONE, NONE = Variable(np.ones(2)), Variable(np.zeros(2))


def variable(numbers: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers, dtype))


def slopes(y: Variable, *inputs: Variable) -> Any:
    """The gradients of the sum of y; one alone without a list around it."""
    found = grad(y, inputs)
    for g, x in zip(found, inputs, strict=True):
        assert g is not None
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
    arrays = [g.data for g in found if g is not None]
    return arrays[0] if len(arrays) == 1 else arrays


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)


# --- dropout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_dropout_sets_its_share_to_0_and_keeps_the_mean(ratio: float) -> None:
    x = Variable(np.full((200, 200), 3.0, np.float32))
    y = F.dropout(x, ratio, np.random.default_rng(0))
    kept = y.data != 0
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data[kept], 3.0 / (1.0 - ratio), rtol=1e-6)
    deviation = math.sqrt(ratio * (1 - ratio) / kept.size)
    assert abs(kept.mean() - (1 - ratio)) < 5 * deviation
    np.testing.assert_allclose(slopes(y, x), kept / (1 - ratio), rtol=1e-6)


def test_dropout_draws_from_the_generator_given_or_from_the_common_one() -> None:
    x = np.ones(50)
    first = F.dropout(x, 0.5, np.random.default_rng(3)).data
    assert np.array_equal(F.dropout(x, 0.5, np.random.default_rng(3)).data, first)
    assert not np.array_equal(F.dropout(x, 0.5, np.random.default_rng(4)).data, first)
    assert F.dropout(x, 0.5, np.random.RandomState(3)).data.any()  # DeZero's kind of generator
    with using_config("rng", Config.rng):
        seed(3)
        assert np.array_equal(F.dropout(x).data, first)
        assert not np.array_equal(F.dropout(x).data, first)


def test_dropout_passes_all_in_tests_and_at_ratio_0() -> None:
    x = variable([1.0, 2.0])
    with testing():
        assert F.dropout(x, 0.9) is x
    assert F.dropout(x, 0) is x


def test_dropout_of_integers_nothing_and_one_number() -> None:
    assert set(F.dropout(np.ones(20, int), 0.5, np.random.default_rng(0)).data.tolist()) == {0.0, 2.0}
    assert set(F.dropout(np.full(40, 3), 0.25, np.random.default_rng(0)).data.tolist()) == {0.0, 4.0}
    for shape in ((), (0, 2)):
        assert F.dropout(np.ones(shape)).shape == shape


@pytest.mark.parametrize("ratio", [-0.1, 1.0, math.nan])
def test_dropout_refuses_its_ratio(ratio: float) -> None:
    for mode in (True, False):
        with using_config("train", mode), pytest.raises(ValueError, match="dropout: expected a ratio of 0 or more and"):
            F.dropout(ONE, ratio)


def test_dropout_refuses_a_seed_as_generator() -> None:
    with pytest.raises(TypeError, match=r"dropout: expected NumPy's Generator as rng, .*; got 3 \(at .*test_regul"):
        F.dropout(ONE, 0.5, rng=3)


# --- over the batch --------------------------------------------------------------------------------------------------


def test_batch_norm_by_hand() -> None:
    """Means 2 and 10, variances 1 and 16, without eps."""
    x = variable([[1.0, 6.0], [3.0, 14.0]])
    y = F.batch_norm(x, variable([1.0, 2.0]), variable([0.0, 5.0]), eps=0.0)
    close(y.data, [[-1.0, 3.0], [1.0, 7.0]])


def test_slopes_of_batch_norm_by_hand() -> None:
    """Three numbers -1, 0, 1 times sqrt(3 / 2): h = (-a, 0, a) with a = sqrt(3 / 2), variance 1."""
    a = math.sqrt(1.5)
    x, gamma, beta = variable([[-a], [0.0], [a]]), variable([2.0]), variable([0.0])
    y = F.batch_norm(x, gamma, beta, eps=0.0)
    by_x, by_gamma, by_beta = slopes(y[0], x, gamma, beta)
    # h = (g - mean(g) - h mean(g h)) gamma: g = (1, 0, 0), mean 1/3, mean(g h) = -a/3
    close(by_x, 2 * np.array([[1 - 1 / 3 - 0.5], [-1 / 3], [-1 / 3 + 0.5]]))
    close(by_gamma, [-a])
    close(by_beta, [1.0])


def test_batch_norm_of_pictures_is_that_of_all_their_pixels() -> None:
    pictures = np.random.default_rng(0).normal(size=(4, 3, 2, 5)) * 7 + 3
    rows = pictures.transpose(0, 2, 3, 1).reshape(-1, 3)
    gamma, beta = variable([1.0, -2.0, 0.5]), variable([0.0, 1.0, 2.0])
    weights = np.random.default_rng(1).normal(size=pictures.shape)
    found = []
    for x, w in ((Variable(pictures), weights), (Variable(rows), weights.transpose(0, 2, 3, 1).reshape(-1, 3))):
        y = F.batch_norm(x, gamma, beta)
        found.append([y.data, *slopes(y * w, x, gamma, beta)])
    picture, row = found
    for number in (0, 1):
        close(picture[number].transpose(0, 2, 3, 1).reshape(-1, 3), row[number])
    close(picture[2], row[2])
    close(picture[3], row[3])


def test_batch_norm_is_not_changed_by_a_shift_nor_by_a_scale() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    y = F.batch_norm(x, ONE, NONE, eps=0.0).data
    close(y.mean(axis=0), [0, 0])
    close(y.std(axis=0), [1, 1])
    np.testing.assert_allclose(F.batch_norm(x * 1000 - 1000, ONE, NONE, eps=0.0).data, y, atol=1e-10)


def test_batch_norm_with_averages_given() -> None:
    x = variable([[1.0, 2.0], [3.0, 4.0]])
    mean, var = np.array([1.0, 0.0]), np.array([4.0, 0.25])
    y = F.batch_norm(x, variable([1.0, 3.0]), variable([0.0, 1.0]), mean, var, eps=0.0)
    close(y.data, [[0.0, 13.0], [1.0, 25.0]])
    close(slopes(y, x), [[0.5, 6.0], [0.5, 6.0]])
    picture = F.batch_norm(x.data.reshape(2, 2, 1, 1), variable([1.0, 3.0]), variable([0.0, 1.0]), mean, var, eps=0.0)
    close(picture.data.reshape(2, 2), y.data)


def test_batch_norm_of_one_row_or_equal_rows_is_beta() -> None:
    beta = variable([1.0, 2.0])
    for x in (variable([[5.0, -7.0]]), variable([[5.0, 0.1]] * 3)):
        y = F.batch_norm(x, ONE, beta)
        close(y.data, [[1.0, 2.0]] * len(x))
        np.testing.assert_allclose(slopes(y[0], x), np.zeros(x.shape) + (len(x) > 1) * slopes(y[0], x), atol=1e-9)


def test_normalisation_of_nothing() -> None:
    x = Variable(np.zeros((0, 2), np.float32))
    one, none = Variable(np.ones(2, np.float32)), Variable(np.zeros(2, np.float32))
    for f in (F.batch_norm, F.layer_norm):
        y = f(x, one, none)
        assert (y.shape, y.dtype) == ((0, 2), np.float32)
        assert [g.tolist() for g in slopes(y, x, one, none)] == [[], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("f", [F.batch_norm, F.layer_norm])
def test_normalisation_keeps_float32_and_its_input(f: Any) -> None:
    base = np.arange(12, dtype=np.float32).reshape(4, 3) ** 2
    before = base.copy()
    x = Variable(base[::-1, ::2])
    one, none = Variable(np.ones(2, np.float32)), Variable(np.zeros(2, np.float32))
    y = f(x, one, none)
    assert y.dtype == np.float32
    slopes(y, x, one, none)
    np.testing.assert_allclose(y.data, f(x.data.astype(float), ONE, NONE).data, atol=1e-6)
    assert np.array_equal(base, before)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: F.batch_norm(np.ones(2), ONE, NONE), r"batch_norm: expected x of shape \(N, D\) or \(N, C, H, W\)"),
        (lambda: F.batch_norm(np.ones((2, 2, 2)), ONE, NONE), "batch_norm: expected x of shape"),
        (
            lambda: F.batch_norm(np.ones((4, 3)), ONE, NONE),
            r"arrays of shape \(3,\); got float64 \(4, 3\), float64 \(2,\)",
        ),
        (lambda: F.batch_norm(np.ones((4, 2)), ONE, NONE, np.ones(2)), "expected both mean and var, or neither"),
        (lambda: F.batch_norm(np.ones((4, 2)), ONE, NONE, np.ones(3), np.ones(3)), r"arrays of shape \(2,\)"),
        (
            lambda: F.batch_norm(np.ones((4, 2)), ONE, NONE, eps=-1.0),
            "batch_norm: expected an eps of 0 or more, got -1",
        ),
        (lambda: F.layer_norm(np.ones((4, 2)), ONE, NONE, eps=math.nan), "layer_norm: expected an eps of 0 or more"),
        (
            lambda: F.layer_norm(np.ones((4, 3)), ONE, NONE),
            r"gamma and beta of shape \(3,\), that of x along axis \(1,\)",
        ),
        (lambda: F.layer_norm(np.ones((3, 2)), ONE, np.zeros((3, 2))), r"gamma and beta of shape \(2,\)"),
        (lambda: F.layer_norm(np.ones((4, 2)), ONE, NONE, axis=2), "layer_norm: axis 2 is out of range"),
        (lambda: F.layer_norm(np.ones(()), ONE, NONE), "layer_norm: "),
    ],
)
def test_wrong_normalisation(call: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=rf"{problem}.*\(at .*test_regularisation"):
        call()


# --- over a layer ----------------------------------------------------------------------------------------------------


def test_layer_norm_by_hand() -> None:
    x = variable([[1.0, 3.0], [14.0, 6.0]])
    y = F.layer_norm(x, variable([1.0, 2.0]), variable([0.0, 5.0]), eps=0.0)
    close(y.data, [[-1.0, 7.0], [1.0, 3.0]])
    close(F.layer_norm(variable([1.0, 3.0]), ONE, NONE, eps=3.0).data, [-0.5, 0.5])


def test_slopes_of_layer_norm_by_hand() -> None:
    a = math.sqrt(1.5)
    x, gamma, beta = variable([[-a, 0.0, a]]), variable([2.0, 1.0, 3.0]), variable([0.0, 0.0, 0.0])
    y = F.layer_norm(x, gamma, beta, eps=0.0)
    by_x, by_gamma, by_beta = slopes(y, x, gamma, beta)
    # gamma itself is the gradient by h: mean 2, mean(gamma h) = a / 3
    close(by_x, [[2 - 2 + 0.5, 1 - 2, 3 - 2 - 0.5]])
    close(by_gamma, [-a, 0.0, a])
    close(by_beta, [1.0, 1.0, 1.0])


def test_layer_norm_over_two_axes_and_over_one_in_the_middle() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    gamma, beta = np.arange(1.0, 13.0).reshape(3, 4), np.ones((3, 4))
    h = (x - x.mean(axis=(1, 2), keepdims=True)) / x.std(axis=(1, 2), keepdims=True)
    for axis in ((1, 2), (-1, -2)):
        close(F.layer_norm(x, gamma, beta, axis, eps=0.0).data, gamma * h + beta)
    h = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    gamma = np.array([1.0, 2.0, 3.0])
    close(F.layer_norm(x, gamma, np.zeros(3), 1, eps=0.0).data, gamma[:, None] * h)


def test_layer_norm_of_candidates_is_that_of_each() -> None:
    draw = np.random.default_rng(0).normal
    x, gamma, beta = (Variable(draw(size=shape)) for shape in ((3, 5, 4), (3, 4), (3, 4)))
    w = draw(size=(3, 5, 4))
    together = F.layer_norm(x, gamma, beta)
    found = [together.data, *slopes(together * w, x, gamma, beta)]
    for number in range(3):
        parts = [Variable(whole.data[number]) for whole in (x, gamma, beta)]
        y = F.layer_norm(*parts)
        for got, wanted in zip(found, [y.data, *slopes(y * w[number], *parts)], strict=True):
            close(got[number], wanted)


@pytest.mark.parametrize("f", [F.batch_norm, F.layer_norm])
def test_second_derivatives_of_normalisation(f: Any) -> None:
    """Differences of the gradient derived by hand against the composition that second derivatives go through."""
    draw = np.random.default_rng(0).normal
    x, gamma, beta, w, v = (draw(size=shape) for shape in ((4, 3), 3, 3, (4, 3), (4, 3)))

    def slope(x: Any, gamma: Any) -> Any:
        point = Variable(x)
        return (slopes(f(point, gamma, beta) ** 2 * w, point) * v).sum()

    point, scale = Variable(x), Variable(gamma)
    (first,) = grad(f(point, scale, beta) ** 2 * w, [point], create_graph=True)
    assert first is not None
    by_x, by_gamma = slopes((first * v).sum(), point, scale)
    step, direction = 1e-6, draw(size=(4, 3))
    change = (slope(x + step * direction, gamma) - slope(x - step * direction, gamma)) / (2 * step)
    np.testing.assert_allclose((by_x * direction).sum(), change, rtol=1e-7)
    change = (slope(x, gamma + step) - slope(x, gamma - step)) / (2 * step)
    np.testing.assert_allclose(by_gamma.sum(), change, rtol=1e-7)


# --- embeddings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [np.array([[2, 0], [2, 2]]), [[2, 0], [2, 2]], Variable(np.array([[2, 0], [2, 2]]))])
def test_embed_id_takes_rows_and_adds_their_gradients(x: Any) -> None:
    W = variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
    y = F.embed_id(x, W)
    assert y.data.tolist() == [[[5.0, 6.0], [1.0, 2.0]], [[5.0, 6.0], [5.0, 6.0]]]
    assert slopes(y, W).tolist() == [[1.0, 1.0], [0.0, 0.0], [3.0, 3.0]]
    assert F.embed_id(1, W).data.tolist() == [3.0, 4.0]
    assert F.embed_id(np.zeros((0, 4), int), W).shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("x", "kind", "problem"),
    [
        ([0, 3], IndexError, "expected the numbers of words to be from 0 to 2, and they are from 0 to 3; got int64"),
        ([-1], IndexError, "from -1 to -1"),
        ([0.0], TypeError, r"the numbers of words, which are integers: give \.astype\(int\); got float64 \(1,\)"),
        ([True], TypeError, "integers"),
    ],
)
def test_embed_id_of_wrong_numbers(x: Any, kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=rf"embed_id: .*{problem}.*test_regularisation"):
        F.embed_id(np.array(x), np.zeros((3, 2)))


def test_embed_id_of_a_wrong_table() -> None:
    with pytest.raises(
        ValueError, match=r"embed_id: expected W of shape \(V, D\), one row per word; got float64 \(3,\)"
    ):
        F.embed_id(np.array([0]), np.zeros(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.dropout(x),
        lambda x: F.batch_norm(x, ONE, NONE),
        lambda x: F.batch_norm(np.ones((2, 2)), x, NONE),
        lambda x: F.layer_norm(x, ONE, NONE),
        lambda x: F.layer_norm(np.ones((2, 2)), ONE, x),
        lambda x: F.embed_id(np.array([0]), x),
    ],
)
def test_a_set_where_an_array_is_wanted(call: Any) -> None:
    with pytest.raises(TypeError, match=r"(dropout|batch_norm|layer_norm|embed_id): expected an array or a Variable"):
        call({1.0, 2.0})

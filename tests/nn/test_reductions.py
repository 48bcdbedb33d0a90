"""Reductions: hand-known values, ties, zeros, no numbers, integers, and the messages of mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad

ONES = np.ones((2, 3))


def variable(*numbers: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers[0] if len(numbers) == 1 else numbers, dtype))


def first(f: Any, x: Variable) -> Any:
    """The gradient of f(x), summed."""
    (g,) = grad(f(x), [x])
    assert g is not None
    assert g.shape == x.shape
    return g.data


def second(f: Any, x: Variable) -> Any:
    """The matrix of second derivatives of f(x), one number, by a vector x."""
    (g,) = grad(f(x), [x], create_graph=True)
    assert g is not None
    rows = [grad(g[place], [x])[0] for place in range(x.size)]
    return np.array([np.zeros(x.size) if row is None else row.data for row in rows])


# --- values ----------------------------------------------------------------------------------------------------------


def test_values_known_by_hand() -> None:
    x = variable([[1.0, 2.0], [3.0, 6.0]])
    for name, all_of_it, down in (
        ("sum", 12.0, [4.0, 8.0]),
        ("mean", 3.0, [2.0, 4.0]),
        ("max", 6.0, [3.0, 6.0]),
        ("min", 1.0, [1.0, 2.0]),
        ("prod", 36.0, [3.0, 12.0]),
        ("var", 3.5, [1.0, 4.0]),
        ("std", 3.5**0.5, [1.0, 2.0]),
        ("norm", 50**0.5, [10**0.5, 40**0.5]),
        ("logsumexp", np.log(np.exp([1, 2, 3, 6]).sum()), np.log([np.exp([1, 3]).sum(), np.exp([2, 6]).sum()])),
    ):
        f = getattr(F, name)
        np.testing.assert_allclose(f(x).data, all_of_it, rtol=1e-15)
        np.testing.assert_allclose(f(x, 0).data, down, rtol=1e-15)
        assert f(x, (0, -1), True).shape == (1, 1)
    np.testing.assert_array_equal(F.cumsum(x).data, [1, 3, 6, 12])
    np.testing.assert_array_equal(F.cumsum(x, 0).data, [[1, 2], [4, 8]])


def test_ddof_divides_by_the_count_less_it() -> None:
    x = variable(1.0, 2.0, 6.0)
    assert F.var(x, ddof=1).item() == pytest.approx(7.0, rel=1e-15)
    assert F.std(x, ddof=1).item() == pytest.approx(7.0**0.5, rel=1e-15)
    np.testing.assert_allclose(first(lambda x: F.var(x, ddof=1), x), [-2.0, -1.0, 3.0], rtol=1e-14)


def test_logsumexp_of_what_would_overflow() -> None:
    x = variable([[1000.0, 1000.0], [-1000.0, -1000.0]])
    np.testing.assert_allclose(F.logsumexp(x, 1).data, np.array([1000.0, -1000.0]) + np.log(2.0), rtol=1e-15)
    np.testing.assert_array_equal(first(lambda x: F.logsumexp(x, 1), x), np.full((2, 2), 0.5))


def test_logsumexp_with_masked_numbers() -> None:
    x = variable(-np.inf, 0.0, 0.0)
    assert F.logsumexp(x).item() == pytest.approx(np.log(2.0))
    np.testing.assert_array_equal(first(F.logsumexp, x), [0.0, 0.5, 0.5])
    assert F.logsumexp(variable(-np.inf, -np.inf)).item() == -np.inf
    assert F.logsumexp(variable(np.inf, 0.0)).item() == np.inf


def test_integers_promote_and_never_overflow() -> None:
    x = np.array([200, 100, 30], np.uint8)
    assert F.sum(x).item() == 330
    assert F.sum(np.array([True, True])).item() == 2
    assert F.mean(x).item() == 110.0
    assert F.var(x).item() == pytest.approx(np.var(x))
    assert F.std(np.array([True, False])).item() == 0.5
    assert F.norm(np.array([30, 40], np.int8)).item() == 50.0
    assert F.prod(x).item() == 600_000


@pytest.mark.parametrize("name", "sum mean max min prod var std logsumexp norm cumsum".split())
def test_float32_stays(name: str) -> None:
    x = Variable(np.linspace(0.5, 2.0, 6, dtype=np.float32).reshape(2, 3))
    for axis in (None, 1):
        (g,) = grad(getattr(F, name)(x, axis), [x], create_graph=True)
        assert g is not None
        assert getattr(F, name)(x, axis).dtype == g.dtype == np.float32
        if g.creator is not None:
            (h,) = grad(g, [x])
            assert h is None or h.dtype == np.float32


# --- gradients -------------------------------------------------------------------------------------------------------


def test_the_gradient_of_a_sum_is_a_view() -> None:
    y = F.sum(Variable(ONES))
    assert y.creator is not None
    (g,) = y.creator.pull([np.array(3.0)], variables=False)
    assert g.strides == (0, 0)
    np.testing.assert_array_equal(g, 3 * ONES)


def test_gradients_known_by_hand() -> None:
    x = variable([[1.0, 2.0], [3.0, 6.0]])
    np.testing.assert_array_equal(first(F.mean, x), np.full((2, 2), 0.25))
    np.testing.assert_array_equal(first(lambda x: F.mean(x, 0), x), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(first(F.cumsum, x), [[4, 3], [2, 1]])
    np.testing.assert_array_equal(first(lambda x: F.cumsum(x, -1), x), [[2, 1], [2, 1]])
    np.testing.assert_allclose(first(F.var, x), [[-1.0, -0.5], [0.0, 1.5]], atol=1e-15)
    np.testing.assert_allclose(second(F.var, variable(1.0, 5.0, 6.0)), (np.eye(3) - 1 / 3) * 2 / 3, atol=1e-15)


def test_ties_share_the_gradient() -> None:
    x = variable([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(first(lambda x: F.max(x, 1), x), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(first(lambda x: F.min(x, 1), x), [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(first(F.max, x), [[0, 0.5, 0.5], [0, 0, 0]])


def test_no_spread_no_gradient() -> None:
    for constant in (0.0, 0.1, -1e6):  # 0.1 + 0.1 + 0.1 is not 3 * 0.1
        x = variable([constant] * 3)
        assert F.std(x).item() == F.var(x).item() == 0.0
        np.testing.assert_array_equal(first(F.std, x), 0.0)
        np.testing.assert_array_equal(second(F.std, x), 0.0)
    rows = variable([[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(first(lambda x: F.std(x, 1), rows)[1], [-(1.5**0.5) / 3, 0, 1.5**0.5 / 3], atol=1e-15)
    np.testing.assert_array_equal(first(lambda x: F.std(x, 1), rows)[0], 0.0)


def test_norm_at_zero() -> None:
    x = variable(0.0, 0.0)
    assert F.norm(x).item() == 0.0
    np.testing.assert_array_equal(first(F.norm, x), 0.0)
    np.testing.assert_array_equal(second(F.norm, x), 0.0)
    np.testing.assert_allclose(first(F.norm, variable(3.0, -4.0)), [0.6, -0.8])


def test_second_derivatives_of_a_norm() -> None:
    x = np.array([3.0, -4.0])
    expected = (np.eye(2) - np.outer(x, x) / 25) / 5
    np.testing.assert_allclose(second(F.norm, Variable(x)), expected, atol=1e-15)


@pytest.mark.parametrize(
    "x", [[2.0, 3.0, 5.0, 7.0], [2.0, 0.0, 5.0], [0.0, 0.0, 5.0, 2.0, 3.0], [0.0, 0.0, 0.0], [4.0]], ids=str
)
def test_first_and_second_gradients_of_a_product(x: list[float]) -> None:
    def without(*gone: int) -> float:
        return float(np.prod([one for place, one in enumerate(x) if place not in gone]))

    places = range(len(x))
    np.testing.assert_allclose(first(F.prod, variable(x)), [without(i) for i in places], rtol=1e-14)
    expected = [[0.0 if i == j else without(i, j) for j in places] for i in places]
    np.testing.assert_allclose(second(F.prod, variable(x)), expected, rtol=1e-14)


def test_a_product_over_two_axes_of_three() -> None:
    x = variable(np.arange(12.0).reshape(2, 3, 2) - 4)
    found = first(lambda x: F.prod(x, (0, 2)), x)
    for place in np.ndindex(2, 3, 2):
        others = x.data.copy()
        others[place] = 1.0
        assert found[place] == others[:, place[1]].prod()


# --- no numbers ------------------------------------------------------------------------------------------------------


def test_of_no_numbers() -> None:
    x = Variable(np.zeros((0, 3)))
    np.testing.assert_array_equal(F.sum(x, 0).data, [0, 0, 0])
    np.testing.assert_array_equal(F.prod(x, 0).data, [1, 1, 1])
    np.testing.assert_array_equal(F.norm(x, 0).data, [0, 0, 0])
    np.testing.assert_array_equal(F.logsumexp(x, 0).data, [-np.inf] * 3)
    for name in ("mean", "var", "std"):
        assert np.isnan(getattr(F, name)(x, 0).data).all()
    for name in ("sum", "prod", "norm", "mean", "var", "logsumexp"):
        assert first(lambda x, name=name: getattr(F, name)(x, 0), x).shape == (0, 3)


@pytest.mark.parametrize("name", ["max", "min"])
def test_no_extreme_of_no_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: zero-size .*\(0, 3\) \(at .*test_reductions.py"):
        getattr(F, name)(np.zeros((0, 3)))


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", "sum mean max min prod var std logsumexp norm cumsum".split())
def test_an_axis_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: axis 2 is out of .*float64 \(2, 3\) \(at .*test_reductions.py"):
        getattr(F, name)(ONES, axis=2)


@pytest.mark.parametrize("name", ["var", "std"])
def test_too_few_numbers_for_ddof(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^{name}: ddof=1 needs more numbers than that, and there are 1 along axis 0"
    ):
        getattr(F, name)(ONES[:1], axis=0, ddof=1)

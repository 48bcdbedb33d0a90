"""Small helps: numerical gradients, comparisons, shapes; arrays of NumPy's and CuPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Parameter, Variable, cuda, utils
from cartwheel.nn import functions as F
from cartwheel.nn.function import operation


def test_numerical_gradient() -> None:
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = x.copy()
    np.testing.assert_allclose(utils.numerical_grad(lambda x: x**3, x), 3 * x**2, rtol=1e-7)
    np.testing.assert_allclose(utils.numerical_grad(F.exp, Variable(x)), np.exp(x), rtol=1e-7)
    np.testing.assert_allclose(utils.numerical_grad(F.sum, x, axis=1), np.ones((2, 2)), rtol=1e-9)
    np.testing.assert_allclose(utils.numerical_grad(lambda x, y: x * y, np.array(2.0), 5.0), 5.0, rtol=1e-9)
    np.testing.assert_array_equal(x, before)


def test_gradient_check(capsys: pytest.CaptureFixture[str]) -> None:
    x, W = np.linspace(0.5, 2.0, 6).reshape(2, 3), Parameter(np.arange(12.0).reshape(3, 4))
    assert utils.gradient_check(F.exp, x.astype(np.float32))
    assert utils.gradient_check(F.matmul, x, W)
    assert W.grad is None
    assert utils.gradient_check(lambda x: Variable(np.ones(2)) * 1.0, x)
    assert capsys.readouterr().out == ""

    @operation
    def wrong(xp: Any, x: Any) -> Any:
        return x * x

    wrong.rules = (lambda g, y, x: g * x,)
    assert not utils.gradient_check(wrong, x)
    assert "by differences (2, 3)" in capsys.readouterr().out


def test_comparisons() -> None:
    a = np.array([1.0, 2.0])
    assert utils.array_equal(Variable(a), a.copy())
    assert not utils.array_equal(a, a + 1e-12)
    assert not utils.array_equal(a, np.array([1.0, 2.0, 3.0]))
    assert utils.array_allclose(a, Variable(a * (1 + 5e-5)))
    assert not utils.array_allclose(a, a * (1 + 5e-4))
    assert utils.array_allclose(a, a * (1 + 5e-4), rtol=1e-3)
    assert not utils.array_allclose(a, a + 5e-4)
    assert utils.array_allclose(a, a + 5e-4, rtol=0.0, atol=1e-3)


def test_sums_back_to_a_shape() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(utils.sum_to(x, (3, 1)), x.sum(axis=(0, 2))[:, None])
    np.testing.assert_array_equal(utils.sum_to(x, (4,)), x.sum(axis=(0, 1)))
    assert utils.sum_to(x, ()) == 276.0


def test_logarithms_of_sums() -> None:
    x = np.array([[1.0, 2.0, 3.0], [1000.0, 1000.0, -1000.0]])
    expected = [[np.log(np.exp([1, 2, 3]).sum())], [1000 + np.log(2)]]
    np.testing.assert_allclose(utils.logsumexp(x), expected, rtol=1e-15)
    np.testing.assert_allclose(utils.logsumexp(x.T, axis=0), np.transpose(expected), rtol=1e-15)
    assert utils.logsumexp(x.astype(np.float32)).dtype == np.float32
    with np.errstate(divide="ignore"):
        assert utils.logsumexp(np.full((1, 2), -np.inf)) == -np.inf


def test_shapes_of_sums_and_maxima() -> None:
    x = np.zeros((2, 3, 4))
    assert utils.max_backward_shape(x, 1) == [2, 1, 4]
    assert utils.max_backward_shape(x, (0, -1)) == [1, 3, 1]
    assert utils.max_backward_shape(x, None) == [1, 1, 1]
    for axis in (1, -1, (0, 2)):
        g = x.sum(axis=axis)
        assert (
            utils.reshape_sum_backward(Variable(g), x.shape, axis, False).shape == x.sum(axis=axis, keepdims=True).shape
        )
        kept = Variable(x.sum(axis=axis, keepdims=True))
        assert utils.reshape_sum_backward(kept, x.shape, axis, True) is kept
    assert utils.reshape_sum_backward(Variable(1.0), x.shape, None, False).shape == ()


def test_sizes_of_convolutions() -> None:
    assert utils.get_conv_outsize(7, 3, 2, 1) == len(range(-1, 7 + 1 - 3 + 1, 2))
    assert utils.get_conv_outsize(4, 3, 1, 0) == 2
    for size, k, s, p in [(4, 3, 1, 0), (5, 4, 2, 1), (3, 2, 3, 0)]:
        assert utils.get_conv_outsize(utils.get_deconv_outsize(size, k, s, p), k, s, p) == size


def test_pairs() -> None:
    assert utils.pair(3) == (3, 3)
    assert utils.pair((3, 4)) == (3, 4)
    for wrong in ((1, 2, 3), "ab", 1.5):
        with pytest.raises(ValueError, match="expected a number or a pair"):
            utils.pair(wrong)  # type: ignore[arg-type]


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_namespaces() -> None:
    assert cuda.get_array_module(np.zeros(2)) is np
    assert cuda.get_array_module(Variable(1.0)) is np
    strict = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    assert cuda.get_array_module(strict.asarray([1.0])) is strict


def test_as_numpy() -> None:
    x = np.zeros(2)
    assert cuda.as_numpy(x) is x
    assert cuda.as_numpy(Variable(x)) is x
    assert cuda.as_numpy(3.0).shape == ()


def test_cupy() -> None:
    if cuda.gpu_enable:
        back = cuda.as_numpy(cuda.as_cupy(Variable(np.arange(3))))
        assert back.tolist() == [0, 1, 2]
    else:
        with pytest.raises(RuntimeError, match="expected CuPy for arrays on a GPU"):
            cuda.as_cupy(np.zeros(2))
        with pytest.raises(RuntimeError, match="expected CuPy"):
            _ = cuda.cupy
    with pytest.raises(AttributeError, match=r"nn\.cuda has no 'nothing'"):
        _ = cuda.nothing

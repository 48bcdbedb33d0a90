"""Convolution and pooling: hand-known values, loops as a second way to the same, conventions, and messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad
from cartwheel.nn.functions.pooling import get_conv_outsize, get_deconv_outsize, pair

RNG = np.random.default_rng(0)
SQUARE = np.arange(9.0).reshape(1, 1, 3, 3)
FORMS = [((1, 1), (0, 0)), ((2, 1), (0, 1)), ((1, 3), (2, 0)), ((2, 2), (1, 1))]


def drawn(*shape: int) -> Variable:
    return Variable(RNG.normal(size=shape))


def gradients(y: Variable, *xs: Variable, seed: Any = None) -> list[Any]:
    found = []
    for x, g in zip(xs, grad(y, xs, seed=None if seed is None else np.asarray(seed)), strict=True):
        assert g is not None
        assert g.shape == x.shape
        found.append(g.data)
    return found


def windows(x: Any, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> Any:
    """(N, C, KH, KW, OH, OW) by loops."""
    x = np.pad(x, ((0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    rows = range(0, x.shape[2] - kernel[0] + 1, stride[0])
    columns = range(0, x.shape[3] - kernel[1] + 1, stride[1])
    cut = [[x[:, :, r : r + kernel[0], c : c + kernel[1]] for c in columns] for r in rows]
    return np.moveaxis(np.array(cut), (0, 1), (-2, -1))


# --- windows ---------------------------------------------------------------------------------------------------------


def test_the_windows_of_a_square() -> None:
    rows = F.im2col(SQUARE, 2)
    np.testing.assert_array_equal(rows.data, [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    assert F.im2col(SQUARE, 2, to_matrix=False).shape == (1, 1, 2, 2, 2, 2)
    back = F.col2im(rows, SQUARE.shape, 2)
    np.testing.assert_array_equal(back.data[0, 0], [[0, 2, 2], [6, 16, 10], [6, 14, 8]])


@pytest.mark.parametrize(("stride", "pad"), FORMS, ids=str)
def test_windows_by_loops_and_back(stride: tuple[int, int], pad: tuple[int, int]) -> None:
    x = drawn(2, 3, 5, 6)
    expected = windows(x.data, (3, 2), stride, pad)
    y = F.im2col(x, (3, 2), stride, pad, to_matrix=False)
    np.testing.assert_array_equal(y.data, expected)
    matrix = F.im2col(x, (3, 2), stride, pad)
    np.testing.assert_array_equal(matrix.data, expected.transpose(0, 4, 5, 1, 2, 3).reshape(-1, 18))
    # col2im is the transpose of im2col: <im2col(x), z> = <x, col2im(z)>
    for form, to_matrix in ((y, False), (matrix, True)):
        z = drawn(*form.shape)
        back = F.col2im(z, x.shape, (3, 2), stride, pad, to_matrix)
        np.testing.assert_allclose((form.data * z.data).sum(), (x.data * back.data).sum(), rtol=1e-12)
        np.testing.assert_allclose(gradients(form, x, seed=z.data)[0], back.data, rtol=1e-12)
        np.testing.assert_array_equal(gradients(back, z, seed=x.data)[0], form.data)


def test_sizes() -> None:
    assert pair(3) == (3, 3)
    assert pair((np.int64(1), 2)) == (1, 2)
    assert get_conv_outsize(28, 5, 2, 1) == 13
    assert get_deconv_outsize(13, 5, 2, 1) == 27
    for bad in ("ab", 1.5, (1, 2, 3), (1,), None):
        with pytest.raises(ValueError, match="expected a whole number or a pair of them"):
            pair(bad)


# --- convolution -----------------------------------------------------------------------------------------------------


def test_a_kernel_is_not_mirrored() -> None:
    W = np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
    np.testing.assert_array_equal(F.conv2d(SQUARE, W, np.array([0.5])).data[0, 0], [[0.5, 1.5], [3.5, 4.5]])
    np.testing.assert_array_equal(F.conv2d(SQUARE, W, pad=1).data[0, 0], np.pad(SQUARE[0, 0], ((1, 0), (1, 0))))


def test_deconvolution_by_hand() -> None:
    x = Variable(np.array([[[[1.0, 2.0]]]]))
    W = Variable(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    np.testing.assert_array_equal(F.deconv2d(x, W).data[0, 0], [[1, 12, 20], [100, 1200, 2000]])
    np.testing.assert_array_equal(F.deconv2d(x, W, stride=2).data[0, 0], [[1, 10, 2, 20], [100, 1000, 200, 2000]])
    wider = F.deconv2d(x, W, np.array([0.5]), stride=2, outsize=(2, 5)).data[0, 0]
    np.testing.assert_array_equal(wider[:, 4], [0.5, 0.5])


@pytest.mark.parametrize(("stride", "pad"), FORMS, ids=str)
def test_convolution_by_loops_with_gradients(stride: tuple[int, int], pad: tuple[int, int]) -> None:
    x, W, b = drawn(2, 3, 5, 6), drawn(4, 3, 3, 2), drawn(4)
    cut = windows(x.data, (3, 2), stride, pad)
    y = F.conv2d(x, W, b, stride, pad)
    expected = np.einsum("nckluv,ockl->nouv", cut, W.data) + b.data[:, None, None]
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    seed = RNG.normal(size=y.shape)
    gx, gW, gb = gradients(y, x, W, b, seed=seed)
    u = RNG.normal(size=x.shape)
    along = np.einsum("nckluv,ockl->nouv", windows(u, (3, 2), stride, pad), W.data)
    np.testing.assert_allclose((gx * u).sum(), (seed * along).sum(), rtol=1e-11)
    np.testing.assert_allclose(gW, np.einsum("nckluv,nouv->ockl", cut, seed), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gb, seed.sum((0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(("stride", "pad"), FORMS, ids=str)
def test_deconvolution_is_the_transpose(stride: tuple[int, int], pad: tuple[int, int]) -> None:
    x, W = drawn(2, 3, 5, 6), drawn(4, 3, 3, 2)
    y = F.conv2d(x, W, None, stride, pad)
    z = drawn(*y.shape)
    back = F.deconv2d(z, W, None, stride, pad, outsize=(5, 6))
    np.testing.assert_allclose((y.data * z.data).sum(), (x.data * back.data).sum(), rtol=1e-11)
    gz, gW = gradients(back, z, W, seed=x.data)
    np.testing.assert_allclose(gz, y.data, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gW, gradients(y, W, seed=z.data)[0], rtol=1e-11, atol=1e-13)


def test_gradients_of_gradients_of_a_convolution() -> None:
    x, W = drawn(1, 2, 4, 4), drawn(2, 2, 3, 3)
    u, v = drawn(1, 2, 4, 4), drawn(2, 2, 3, 3)
    z = drawn(1, 2, 2, 2)
    gx, gW = grad(F.conv2d(x, W), [x, W], create_graph=True, seed=z)
    assert gx is not None
    assert gW is not None
    mixed = (F.conv2d(u, v).data * z.data).sum()  # bilinear: the mixed derivative along u and v
    np.testing.assert_allclose((gradients(gx, W, seed=u.data)[0] * v.data).sum(), mixed, rtol=1e-12)
    np.testing.assert_allclose((gradients(gW, x, seed=v.data)[0] * u.data).sum(), mixed, rtol=1e-12)
    np.testing.assert_allclose(gradients(gx, z, seed=u.data)[0], F.conv2d(u, W).data, rtol=1e-11, atol=1e-13)


def test_float32_and_no_images() -> None:
    x, W = Variable(np.ones((0, 2, 4, 4), np.float32)), Variable(np.ones((3, 2, 2, 2), np.float32))
    b = Variable(np.ones(3, np.float32))
    for y in (F.conv2d(x, W, b, 2, 1), F.deconv2d(x, Variable(W.data.swapaxes(0, 1)), b), F.pooling(x, 2)):
        assert (y.shape[0], y.dtype) == (0, np.float32)
    gx, gW = gradients(F.conv2d(x, W, b), x, W)
    assert gx.dtype == gW.dtype == np.float32
    np.testing.assert_array_equal(gW, 0)


# --- pooling ---------------------------------------------------------------------------------------------------------


def test_pooling_by_hand() -> None:
    x = Variable(SQUARE - 4)
    np.testing.assert_array_equal(F.pooling(x, 2).data[0, 0], [[0, 1], [3, 4]])
    np.testing.assert_array_equal(F.average_pooling(x, 2).data[0, 0], [[-2, -1], [1, 2]])
    np.testing.assert_array_equal(gradients(F.pooling(x, 2), x)[0][0, 0], [[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    expected = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    np.testing.assert_array_equal(gradients(F.average_pooling(x, 2), x)[0][0, 0], expected)
    np.testing.assert_array_equal(F.pooling(x, (1, 2), stride=(2, 1)).data[0, 0], [[-3, -2], [3, 4]])


def test_padding_counts_as_zeros() -> None:
    x = np.full((1, 1, 2, 2), -8.0)
    np.testing.assert_array_equal(F.pooling(x, 2, stride=2, pad=1).data, np.zeros((1, 1, 2, 2)))
    np.testing.assert_array_equal(F.average_pooling(x, 2, stride=2, pad=1).data, np.full((1, 1, 2, 2), -2.0))


def test_ties_in_a_window_share() -> None:
    x = Variable(np.array([[[[1.0, 7.0], [7.0, 2.0]]]]))
    np.testing.assert_array_equal(gradients(F.pooling(x, 2), x)[0][0, 0], [[0, 0.5], [0.5, 0]])


# --- mistakes --------------------------------------------------------------------------------------------------------

IMAGE, KERNEL = np.ones((1, 2, 3, 3)), np.ones((4, 2, 3, 3))
BACK = KERNEL.swapaxes(0, 1)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: F.conv2d(IMAGE[0], KERNEL), ValueError, r"conv2d: expected images \(N, C, H, W\); got .* \(2, 3, 3\)"),
        (lambda: F.conv2d(IMAGE, KERNEL[0]), ValueError, r"conv2d: expected kernels \(OC, C, KH, KW\); got"),
        (lambda: F.conv2d(IMAGE, KERNEL[:, :1]), ValueError, "conv2d: expected images of 1 channels, as axis 1 of"),
        (lambda: F.conv2d(IMAGE, KERNEL, np.ones(3)), ValueError, r"conv2d: expected a bias of shape \(4,\)"),
        (lambda: F.conv2d(IMAGE, KERNEL, np.ones(0)), ValueError, r"conv2d: expected a bias of shape \(4,\)"),
        (lambda: F.conv2d(IMAGE, KERNEL, stride=0), ValueError, "conv2d: expected kernel and stride of at least 1"),
        (lambda: F.conv2d(IMAGE, KERNEL, pad=-1), ValueError, "conv2d: expected kernel and stride of at least 1 and"),
        (lambda: F.conv2d(IMAGE, KERNEL, pad=0.5), ValueError, "conv2d: expected a whole number or a pair of them"),
        (lambda: F.conv2d(IMAGE[..., :2], KERNEL), ValueError, r"conv2d: a kernel \(3, 3\) doesn't fit an image \(3"),
        (lambda: F.conv2d({1.0}, KERNEL), TypeError, "conv2d: expected an array or a Variable"),
        (lambda: F.deconv2d(IMAGE, KERNEL), ValueError, "deconv2d: expected images of 4 channels, as axis 0 of W says"),
        (lambda: F.deconv2d(IMAGE, BACK[0]), ValueError, r"deconv2d: expected kernels \(C, OC, KH, KW\)"),
        (lambda: F.deconv2d(IMAGE, BACK, np.ones(2)), ValueError, r"deconv2d: expected a bias of shape \(4,\)"),
        (lambda: F.deconv2d(IMAGE, BACK, None, 2, 0, 9), ValueError, r"deconv2d: expected an outsize from \(7, 7\) to"),
        (lambda: F.deconv2d(IMAGE, BACK, pad=4), ValueError, r"deconv2d: padding \(4, 4\) leaves less than nothing"),
        (lambda: F.pooling(IMAGE, 4), ValueError, r"pooling: a kernel \(4, 4\) doesn't fit an image \(3, 3\), pad"),
        (lambda: F.average_pooling(IMAGE, 0), ValueError, "average_pooling: expected kernel and stride of at least 1"),
        (lambda: F.im2col(IMAGE[0], 2), ValueError, "im2col: expected images"),
        (lambda: F.col2im(np.ones((4, 8)), (1, 3, 3), 2), ValueError, r"col2im: expected images \(N, C, H, W\) to be"),
        (lambda: F.col2im(np.ones((4, 9)), (1, 2, 3, 3), 2), ValueError, r"col2im: expected windows \(4, 8\) for"),
    ],
)  # fmt: skip
def test_messages(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=rf"^({message}).*\(at .*test_convolution.py:\d+\)$"):
        call()

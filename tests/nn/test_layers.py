"""Layers: their numbers by definition, sizes known late, names and arguments of DeZero's, memory and its truncation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn import initialisers as I
from cartwheel.nn import layers as L

RECURRENT = [L.RNN, L.GRU, L.LSTM]
each_recurrent = pytest.mark.parametrize("kind", RECURRENT)


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


# --- linear, embedding, dropout --------------------------------------------------------------------------------------


def test_linear() -> None:
    layer, x = L.Linear(3), random(5, 2)
    assert layer.W.data is None
    y = layer(x)
    assert (layer.in_size, layer.out_size, layer.W.name, layer.b.name) == (2, 3, "W", "b")
    assert (layer.W.dtype, layer.b.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(y.data, x @ layer.W.data + layer.b.data, rtol=1e-12)
    assert not L.Linear(3, in_size=2).b.data.any()


def test_linear_takes_dezeros_arguments_and_what_to_begin_with() -> None:
    layer = L.Linear(3, True, np.float64, 2)
    assert layer.b is None
    assert layer.W.dtype == np.float64
    rng = np.random.default_rng(5)
    layer = L.Linear(3, in_size=4, init=I.he, rng=rng, dtype=np.float64)
    np.testing.assert_array_equal(layer.W.data, I.he(np.random.default_rng(5), (4, 3), np.float64))
    nn.seed(7)
    first = L.Linear(3, in_size=4).W.data
    nn.seed(7)
    np.testing.assert_array_equal(L.Linear(3, in_size=4).W.data, first)
    np.testing.assert_array_equal(I.lecun(np.random.default_rng(7), (4, 3)), first)


def test_embedding() -> None:
    layer = L.EmbedID(5, 3)
    assert L.Embed is L.EmbedID
    assert layer.W.shape == (5, 3)
    x = np.array([[0, 4], [4, 2]])
    y = layer(x)
    np.testing.assert_array_equal(y.data, layer.W.data[x])
    y.sum().backward()
    assert layer.W.grad.data[:, 0].tolist() == [1, 0, 1, 0, 2]
    assert abs(L.EmbedID(200, 200).W.data.std() - 1) < 0.02


def test_dropout() -> None:
    layer = L.Dropout(0.25, rng=np.random.default_rng(0))
    y = layer(np.ones((100, 100)))
    assert isinstance(y, Variable)
    assert abs((y.data == 0).mean() - 0.25) < 0.03
    with nn.test_mode():
        assert (layer(np.ones(4)).data == 1).all()


# --- convolution -----------------------------------------------------------------------------------------------------


def test_convolution_by_loops() -> None:
    layer, x = L.Conv2d(4, (3, 2), stride=2, pad=1, dtype=np.float64), random(2, 3, 6, 5)
    y = layer(x).data
    assert (layer.in_channels, layer.W.shape, layer.b.shape) == (3, (4, 3, 3, 2), (4,))
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    assert y.shape == (2, 4, 3, 3)
    for i, j in np.ndindex(3, 3):
        window = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
        expected = np.einsum("ncij,ocij->no", window, layer.W.data) + layer.b.data
        np.testing.assert_allclose(y[:, :, i, j], expected, rtol=1e-10)


def test_deconvolution_is_the_transpose_of_a_convolution() -> None:
    layer = L.Deconv2d(4, 3, 2, 1, nobias=True, in_channels=5, dtype=np.float64)
    assert layer.b is None
    assert layer.W.shape == (5, 4, 3, 3)
    x, z = random(2, 5, 3, 3), random(2, 4, 5, 5, seed=1)
    y = layer(x)
    assert y.shape == (2, 4, 5, 5)
    back = F.conv2d(z, layer.W, None, 2, 1)
    np.testing.assert_allclose((y.data * z).sum(), (back.data * x).sum(), rtol=1e-10)


def test_kernels_begin_with_the_variance_of_their_inputs() -> None:
    """As DeZero's: 1 / (in_channels * KH * KW), for both."""
    for kind in (L.Conv2d, L.Deconv2d):
        W = kind(60, 4, in_channels=20).W.data
        assert abs(W.std() * np.sqrt(20 * 16) - 1) < 0.02
        assert W.flags.c_contiguous
    assert L.Conv2d(1, 2)(np.ones((1, 3, 4, 4), np.float32)).shape == (1, 1, 3, 3)
    assert L.Deconv2d(1, 2)(np.ones((1, 3, 4, 4), np.float32)).shape == (1, 1, 5, 5)


# --- normalisation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 2, 5)])
def test_batch_norm_normalises_and_keeps_averages(shape: tuple[int, ...]) -> None:
    layer, axes = L.BatchNorm(dtype=np.float64), (0, *range(2, len(shape)))
    mean, var = np.zeros(3), np.ones(3)
    count = np.prod(shape) // 3
    for seed in range(3):
        x = random(*shape, seed=seed) * 3 + 1
        y = layer(x).data
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-4)
        mean = 0.9 * mean + 0.1 * x.mean(axis=axes)
        var = 0.9 * var + 0.1 * x.var(axis=axes) * count / (count - 1)
    np.testing.assert_allclose(layer.avg_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.avg_var.data, var, rtol=1e-12)
    with nn.test_mode():
        y = layer(x).data
    np.testing.assert_allclose(layer.avg_var.data, var, rtol=1e-12)
    column = (3, *[1] * (len(shape) - 2))
    expected = (x - mean.reshape(column)) / np.sqrt(var.reshape(column) + 2e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-10)


def test_batch_norm_of_one_row_and_of_none() -> None:
    layer = L.BatchNorm()
    layer(np.ones((1, 2), np.float32))
    np.testing.assert_allclose(layer.avg_var.data, 0.9)
    layer(np.ones((0, 2), np.float32))
    np.testing.assert_allclose(layer.avg_var.data, 0.9)
    assert layer.avg_mean.dtype == layer.gamma.dtype == np.float32
    assert layer(np.ones((3, 2))).dtype == np.float64  # the inputs' type, with parameters of float32


def test_batch_norm_learns_scale_and_shift() -> None:
    layer, x = L.BatchNorm(2, dtype=np.float64), random(6, 2)
    layer.gamma.data, layer.beta.data = np.array([2.0, 3.0]), np.array([-1.0, 5.0])
    y = layer(x)
    np.testing.assert_allclose(y.data.mean(axis=0), [-1, 5], rtol=1e-12)
    np.testing.assert_allclose(y.data.std(axis=0), [2, 3], rtol=1e-4)
    y.sum().backward()
    assert layer.beta.grad.data.tolist() == [6, 6]
    assert layer.avg_mean.grad is None


def test_layer_norm() -> None:
    layer, x = L.LayerNorm(dtype=np.float64), random(4, 6) * 2 + 3
    y = layer(x).data
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=1), 1, rtol=1e-4)
    layer.gamma.data, layer.beta.data = np.arange(6.0), np.ones(6)
    np.testing.assert_allclose(layer(x).data, y * np.arange(6.0) + 1, rtol=1e-12)


# --- recurrent layers ------------------------------------------------------------------------------------------------


def elman(layer: Any, xs: Any) -> list[Any]:
    h, hs = 0.0, []
    for x in xs:
        before = h @ layer.h2h.W.data if hs else 0.0
        h = np.tanh(x @ layer.x2h.W.data + layer.x2h.b.data + before)
        hs.append(h)
    return hs


def test_rnn_has_dezeros_parts() -> None:
    layer, xs = L.RNN(4, in_size=2, dtype=np.float64), random(5, 3, 2)
    assert layer.h is None
    assert [name for name, _ in layer.named_params()] == ["x2h/W", "x2h/b", "h2h/W"]
    layer.h2h.W.data, layer.x2h.b.data = random(4, 4, seed=1), random(4, seed=2)
    for x, expected in zip(xs, elman(layer, xs), strict=True):
        y = layer(x)
        np.testing.assert_allclose(y.data, expected, rtol=1e-12)
        assert y is layer.h
    layer.reset_state()
    np.testing.assert_allclose(layer(xs).data, elman(layer, xs), rtol=1e-12)


def test_gated_parameters() -> None:
    """Each gate's part of Wh is orthogonal; biases are 0."""
    for kind, gates in ((L.GRU, 3), (L.LSTM, 4)):
        layer = kind(5, dtype=np.float64)
        assert layer.Wx.data is None
        layer(random(1, 2))
        assert [(name, p.shape) for name, p in layer.named_params()] == [
            ("Wx", (2, 5 * gates)),
            ("Wh", (5, 5 * gates)),
            ("b", (5 * gates,)),
        ]
        assert layer.in_size == 2
        for gate in np.split(layer.Wh.data, gates, axis=1):
            np.testing.assert_allclose(gate @ gate.T, np.eye(5), atol=1e-12)
        assert not layer.b.data.any()
        assert abs(kind(100, in_size=50).Wx.data.std() * np.sqrt(50) - 1) < 0.03


@each_recurrent
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("resets", [False, True])
def test_steps_equal_a_sequence_in_values_and_gradients(kind: Any, layers: int, resets: bool) -> None:
    xs, masks = random(7, 3, 2), np.random.default_rng(1).random((7, 3)) < 0.3
    layer = kind(4, layers=layers, dtype=np.float64)
    layer(xs)
    found = []
    for steps in (False, True):
        layer.reset_state()
        layer.cleargrads()
        if steps:
            ys = F.stack([layer(x, resets=mask if resets else None) for x, mask in zip(xs, masks, strict=True)])
        else:
            ys = layer(xs, resets=masks if resets else None)
        assert ys.shape == (7, 3, 4)
        (ys * ys).sum().backward()
        found.append([ys.data, *(p.grad.data for p in layer.params())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    assert len(found[0]) == 1 + 3 * layers


@each_recurrent
def test_a_sequence_goes_on_where_the_last_one_ended(kind: Any) -> None:
    xs, layer = random(8, 3, 2), kind(4, layers=2, dtype=np.float64)
    whole = layer(xs).data
    layer.reset_state()
    parts = [layer(xs[:3]), layer(xs[3]), layer(xs[4:4]), layer(xs[4:])]
    joined = np.concatenate([parts[0].data, parts[1].data[None], parts[2].data, parts[3].data])
    np.testing.assert_allclose(joined, whole, rtol=1e-12)
    np.testing.assert_array_equal(layer.above[0].h.data, parts[3].data[-1])
    with nn.no_grad():
        layer.reset_state()
        np.testing.assert_allclose(layer(xs).data, whole, rtol=1e-12)


def truncated(layer: Any, xs: Any, how: str) -> list[Any]:
    """Gradients of the second half, where the past is cut off after the first: by unchain_backward, or by hand."""
    layer.reset_state()
    layer.cleargrads()
    loss = (layer(xs[:4]) ** 2).sum() if how == "sequence" else steps(layer, xs[:4])
    if how == "by hand":
        for one in (layer, *layer.above):
            one.h = one.h.data
            if isinstance(one, L.LSTM):
                one.c = one.c.data
    elif how != "not at all":
        loss.backward()
        loss.unchain_backward()
        layer.cleargrads()
    loss = (layer(xs[4:]) ** 2).sum() if how == "sequence" else steps(layer, xs[4:])
    loss.backward()
    return [p.grad.data for p in layer.params()]


def steps(layer: Any, xs: Any) -> Any:
    loss = Variable(np.array(0.0))
    for x in xs:
        loss = loss + (layer(x) ** 2).sum()
    return loss


@each_recurrent
@pytest.mark.parametrize("layers", [1, 2])
def test_unchain_backward_cuts_the_past_off(kind: Any, layers: int) -> None:
    xs, layer = random(8, 3, 2), kind(4, layers=layers, dtype=np.float64)
    layer(xs)
    expected = truncated(layer, xs, "by hand")
    for how in ("sequence", "steps"):
        for g, other in zip(truncated(layer, xs, how), expected, strict=True):
            np.testing.assert_allclose(g, other, rtol=1e-10, atol=1e-12)
    for g, other in zip(truncated(layer, xs, "not at all"), expected, strict=True):
        assert np.abs(g - other).max() > 1e-6


@each_recurrent
def test_a_memory_that_was_given_keeps_its_graph(kind: Any) -> None:
    """As that of an encoder; also after calls that recorded nothing."""
    layer, x = kind(4, dtype=np.float64), random(3, 2)
    with nn.no_grad():
        layer(x)
    given = Variable(random(3, 4))
    layer.h = given * 2.0
    layer(x).sum().backward()
    assert np.abs(given.grad.data).min() > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_forget_bias_lets_cells_keep_what_they_hold(dtype: Any) -> None:
    layer = L.LSTM(3, in_size=2, layers=2, dtype=dtype, forget_bias=50.0)
    for one in (layer, *layer.above):
        assert one.b.dtype == dtype
        np.testing.assert_array_equal(one.b.data, [0, 0, 0, 50, 50, 50, 0, 0, 0, 0, 0, 0])
    plain = L.LSTM(3, in_size=2, dtype=dtype)
    assert not plain.b.data.any()
    layer.c = np.full((1, 3), 2.0, dtype)
    layer.b.data[6:9] = -50.0  # nothing enters
    layer(np.ones((100, 1, 2), dtype))
    np.testing.assert_allclose(layer.c.data, 2.0, rtol=1e-6)


def test_resets_of_one_step() -> None:
    layer, x = L.LSTM(4, dtype=np.float64), random(3, 2)
    fresh = layer(x).data
    again = layer(x, resets=[False, True, False]).data
    np.testing.assert_array_equal(again[1], fresh[1])
    assert (again[[0, 2]] != fresh[[0, 2]]).all()


@each_recurrent
def test_mistakes(kind: Any) -> None:
    layer = kind(4)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: expected one step \(B, d\) or a sequence"):
        layer(random(3))
    with pytest.raises(ValueError, match="or a sequence"):
        layer(random(2, 3, 4, 5))
    layer(random(3, 2))
    with pytest.raises(ValueError, match=r"memory \(B, H\)"):
        layer(random(4, 2))  # another batch: reset_state was forgotten
    for size, layers in ((0, 1), (3, 0)):
        with pytest.raises(ValueError, match="sizes of at least 1"):
            kind(size, layers=layers)


# --- what layers refuse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: L.Linear(784, 10), TypeError, r"nobias to be True or False, got 10.*Linear\(784, in_size=...\)"),
        (lambda: L.Linear(3, np.True_, in_size=0), ValueError, "sizes of at least 1, got in_size 0"),
        (lambda: L.Linear(0), ValueError, "Linear: expected sizes of at least 1, got out_size 0"),
        (lambda: L.Linear(-1), ValueError, "sizes of at least 1, got out_size -1"),
        (lambda: L.Linear(3.0), TypeError, "Linear: expected out_size to be a whole number, got 3.0"),
        (lambda: L.Linear("3"), TypeError, "out_size to be a whole number, got '3'"),
        (lambda: L.Linear(True), TypeError, "out_size to be a whole number, got True"),
        (lambda: L.Linear(3, dtype=int), TypeError, "Linear: expected a type of floats as dtype, got int64"),
        (lambda: L.EmbedID(3, 0), ValueError, "sizes of at least 1, got out_size 0"),
        (lambda: L.EmbedID(3, 2, int), TypeError, "EmbedID: expected a type of floats"),
        (lambda: L.Dropout(50), ValueError, "Dropout: expected a ratio of 0 or more and below 1, got 50"),
        (lambda: L.Dropout("0.5"), TypeError, "Dropout: expected a ratio"),
        (lambda: L.BatchNorm(2.5), TypeError, "BatchNorm: expected in_size to be a whole number, got 2.5"),
        (lambda: L.BatchNorm(dtype=int), TypeError, "BatchNorm: expected a type of floats"),
        (lambda: L.LayerNorm(0), ValueError, "sizes of at least 1, got in_size 0"),
        (lambda: L.LayerNorm(dtype=bool), TypeError, "LayerNorm: expected a type of floats"),
        (lambda: L.LSTM(3.0), TypeError, "LSTM: expected hidden_size to be a whole number, got 3.0"),
        (lambda: L.LSTM(3, forget_bias=np.inf), ValueError, "LSTM: expected a finite forget_bias, got inf"),
        (lambda: L.GRU(3, layers=1.0), TypeError, "GRU: expected layers to be a whole number"),
        (lambda: L.RNN(3, dtype=int), TypeError, "RNN: expected a type of floats"),
        (lambda: L.Conv2d(3, "3"), TypeError, "Conv2d: expected kernel_size to be a whole number or a pair, got '3'"),
        (lambda: L.Conv2d(3, (3, 3, 3)), TypeError, "kernel_size to be a whole number or a pair"),
        (lambda: L.Conv2d(3, 0), ValueError, "Conv2d: expected kernel_size to be at least 1, got 0"),
        (lambda: L.Conv2d(3, 3, stride=0), ValueError, "stride to be at least 1"),
        (lambda: L.Deconv2d(3, 3, pad=-1), ValueError, "Deconv2d: expected pad to be at least 0, got -1"),
        (lambda: L.Conv2d(3, 3, 1, 0, 3), TypeError, "nobias to be True or False, got 3.*in_channels=..."),
        (lambda: L.Conv2d(0, 3), ValueError, "sizes of at least 1, got out_channels 0"),
        (lambda: L.Conv2d(1, 3, dtype=int), TypeError, "Conv2d: expected a type of floats"),
    ],
)
def test_what_layers_can_not_be_made_with(make: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_numbers_of_numpy_are_sizes() -> None:
    x = np.ones((1, 3, 8, 8), np.float32)
    layer = L.Conv2d(np.int64(2), np.int64(3), stride=np.int64(2), pad=[np.int32(1), 0])
    assert layer(x).shape == (1, 2, 4, 3)
    assert layer.kernel_size == 3
    assert L.Linear(np.int64(3), nobias=np.bool_(True), dtype="float64")(np.ones((1, 2))).dtype == np.float64
    assert L.Dropout(np.float32(0.25)).dropout_ratio == 0.25


@each_recurrent
def test_a_batch_of_another_size_than_the_memory(kind: Any) -> None:
    layer = kind(3, layers=2)
    layer(random(2, 4))
    for x in (random(5, 4), random(7, 5, 4)):
        with pytest.raises(ValueError, match=r"is of a batch of 2, and now comes one of 5: call reset_state\(\)"):
            layer(x)
    layer.reset_state()
    assert layer(random(5, 4)).shape == (5, 3)


@each_recurrent
def test_a_first_memory_may_be_learnt(kind: Any) -> None:
    class Net(nn.Model):
        def __init__(self) -> None:
            self.core = kind(3, in_size=2, dtype=np.float64)
            self.h0 = nn.Parameter(np.full((4, 3), 0.5))

        def forward(self, x: Any) -> Any:
            self.reset_state()
            self.core.h = self.h0
            return self.core(x)

    alone = kind(3, in_size=2)
    alone.h = nn.Parameter(np.zeros((4, 3), np.float32))
    assert [name for name, _ in alone.named_params()] == [name for name, _ in kind(3, in_size=2).named_params()]
    net = Net()
    before = [name for name, _ in net.named_params()]
    for _ in range(2):
        net(random(5, 4, 2)).sum().backward()
    assert [name for name, _ in net.named_params()] == before
    assert "h0" in before
    assert np.abs(net.h0.grad.data).min() > 0


def test_a_recurrent_step_does_not_have_the_parameters_looked_up_anew() -> None:
    net = nn.Sequential(L.LSTM(3, layers=2), L.Linear(1))
    net(random(2, 4))
    inside = net._inside
    net(random(2, 4))
    assert net._inside is inside


# --- populations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5, 3), (6, 4, 5, 3), (4, 4, 5, 3), (1, 5, 3), (5, 3)])
def test_layer_norm_of_a_population(shape: tuple[int, ...]) -> None:
    """P = 4 candidates, x (..., P, B, D), or rows (B, D) that all share; also where T is P."""
    x, gamma, beta = random(*shape), Variable(random(4, 3, seed=1)), Variable(random(4, 3, seed=2))
    v = Variable(x)
    y = F.layer_norm(v, gamma, beta)
    assert y.shape == (*shape[:-3], 4, 5, 3)
    stretched = np.broadcast_to(x, y.shape)
    weight = random(*y.shape, seed=3)
    F.sum(y * weight).backward()
    by_x = np.zeros_like(stretched)
    for p in range(4):
        own = Variable(stretched[..., p, :, :].copy())
        g, b = Variable(gamma.data[p]), Variable(beta.data[p])
        one = F.layer_norm(own, g, b)
        np.testing.assert_allclose(y.data[..., p, :, :], one.data, rtol=1e-12)
        F.sum(one * weight[..., p, :, :]).backward()
        np.testing.assert_allclose(gamma.grad.data[p], g.grad.data, rtol=1e-12)
        np.testing.assert_allclose(beta.grad.data[p], b.grad.data, rtol=1e-12)
        by_x[..., p, :, :] = own.grad.data
    if y.shape != shape:
        by_x = by_x.sum(axis=-3, keepdims=len(shape) > 2)
    np.testing.assert_allclose(v.grad.data, by_x, rtol=1e-9, atol=1e-12)
    nn.check_gradient(lambda x, g, b: F.layer_norm(x, g, b) * weight, x, gamma.data, beta.data)


def test_layer_norm_of_another_population() -> None:
    for shape in ((3, 5, 3), (4, 3, 5, 3), (3,)):
        with pytest.raises(ValueError, match=r"layer_norm: expected gamma and beta of shape \(3,\)"):
            F.layer_norm(random(*shape), random(4, 3), random(4, 3))

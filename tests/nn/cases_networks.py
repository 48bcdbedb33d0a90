"""Cases of losses, of what regularises, of convolution and of recurrence."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import EXTREME, EXTREME_ROWS, FAR, case, spec
from cases_elements import plain_log_softmax, plain_softplus

# --- losses ----------------------------------------------------------------------------------------------------------


def plain_huber(x0: Any, x1: Any, delta: float = 1.0) -> Any:
    far = np.abs(x0 - x1)
    return np.where(far <= delta, 0.5 * far**2, delta * (far - 0.5 * delta)).mean()


def plain_kl(x0: Any, x1: Any, axis: int = -1) -> Any:
    one, other = plain_log_softmax(x0, axis), plain_log_softmax(x1, axis)
    return (np.exp(one) * (one - other)).sum(axis=axis).mean()


def torch_kl(t: Any, x0: Any, x1: Any, axis: int = -1) -> Any:
    one, other = t.log_softmax(x0, axis), t.log_softmax(x1, axis)
    total = t.nn.functional.kl_div(other, one, reduction="sum", log_target=True)
    return total * x0.shape[axis] / x0.numel()


spec(
    "mean_squared_error",
    lambda x0, x1: np.sum((x0 - x1) ** 2) / len(x0),
    lambda t, x0, x1: t.nn.functional.mse_loss(x0, x1, reduction="sum") / len(x0),
)
spec("huber", plain_huber, lambda t, x0, x1, delta=1.0: t.nn.functional.huber_loss(x0, x1, delta=delta))
for name in ("mean_squared_error", "huber"):
    case(name, "matrix", (4, 3), (4, 3))
    case(name, "vector", (4,), (4,))
    case(name, "constant", (4, 1), np.linspace(-1, 1, 4).reshape(4, 1))
    case(name, "extreme", EXTREME, EXTREME[::-1, ::-1] * 0.9)
case("huber", "delta", (4, 3), (4, 3), delta=0.4)

LABELS = np.array([2, 0, 1])
spec(
    "softmax_cross_entropy",
    lambda x, t: -plain_log_softmax(x)[np.arange(len(t)), t].mean(),
    lambda torch, x, t: torch.nn.functional.cross_entropy(x, torch.as_tensor(t, dtype=torch.int64)),
)
case("softmax_cross_entropy", "matrix", (3, 4), LABELS)
case("softmax_cross_entropy", "int32", (3, 4), LABELS.astype(np.int32))
case("softmax_cross_entropy", "one-row", (1, 3), np.array([1]))
case("softmax_cross_entropy", "extreme", EXTREME_ROWS, LABELS)

TRUTH = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
spec(
    "sigmoid_cross_entropy",
    lambda x, t: np.sum(plain_softplus(x) - t * x) / len(x),
    lambda torch, x, t: (
        torch.nn.functional.binary_cross_entropy_with_logits(x, torch.as_tensor(t, dtype=x.dtype), reduction="sum")
        / len(x)
    ),
)
case("sigmoid_cross_entropy", "matrix", (3, 2), TRUTH.astype(np.int64))
case("sigmoid_cross_entropy", "vector", (3,), np.array([0, 1, 1]))
case("sigmoid_cross_entropy", "floats", (3, 2), np.linspace(0.1, 0.9, 6).reshape(3, 2))
case("sigmoid_cross_entropy", "extreme", EXTREME, np.array([[0, 1, 1], [1, 0, 1]]))

spec(
    "binary_cross_entropy",
    lambda p, t: -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p)) / len(p),
    lambda torch, p, t: (
        torch.nn.functional.binary_cross_entropy(p, torch.as_tensor(t, dtype=p.dtype), reduction="sum") / len(p)
    ),
)
case("binary_cross_entropy", "matrix", (3, 2), TRUTH.astype(np.int64))
case("binary_cross_entropy", "vector", (3,), np.array([0, 1, 1]))
case("binary_cross_entropy", "floats", (3, 2), (3, 2))

spec("kl", plain_kl, torch_kl)
case("kl", "matrix", (3, 4), (3, 4))
case("kl", "columns", (3, 4), (3, 4), axis=0)
case("kl", "vector", (4,), (4,))
case("kl", "time", (2, 3, 2), (2, 3, 2))
case("kl", "extreme", EXTREME_ROWS, EXTREME_ROWS[::-1])

spec("argmax", lambda x, axis=None: np.argmax(x, axis), lambda x, axis=None: x.argmax(axis), differentiable=False)
case("argmax", "matrix", (5, 3), axis=1)
case("argmax", "columns", (5, 3), axis=0)
case("argmax", "time", (2, 3, 4), axis=-2)
case("argmax", "all", (2, 3))
case("argmax", "ties", np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), axis=1)

spec(
    "accuracy",
    lambda y, t: np.mean(y.argmax(axis=1) == t),
    "PyTorch has no accuracy",
    differentiable=False,
)
case(
    "accuracy",
    "matrix",
    np.array([[1.0, 3.0, 2.0], [5.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 2.0, 0.0]]),
    np.array([1, 2, 2, 1]),
)

# --- regularisation --------------------------------------------------------------------------------------------------


def plain_dropout(x: Any, dropout_ratio: float = 0.5, rng: Any = None) -> Any:
    kept = rng.uniform(0.0, 1.0, x.shape) > dropout_ratio
    return np.where(kept, x / (1 - dropout_ratio), 0)


spec("dropout", plain_dropout, "PyTorch draws other random numbers")
for what, shape, more in (
    ("matrix", (4, 3), {}),
    ("ratio", (4, 3), {"dropout_ratio": 0.2}),
    ("0-d", (), {}),
    ("empty", (0, 3), {}),
    ("extreme", EXTREME, {}),
):
    case("dropout", what, shape, rng=lambda: np.random.default_rng(5), **more)
case("dropout", "random-state", (4, 3), rng=lambda: np.random.RandomState(5))  # as DeZero's users have

# --- chance ----------------------------------------------------------------------------------------------------------


def drawn(rng: Any, method: str, *operands: Any) -> Any:
    return getattr(rng, method)(0.0, 1.0, np.broadcast_shapes(*map(np.shape, operands)))


spec("normal", lambda mean, std, rng: mean + drawn(rng, "normal", mean, std) * std, "PyTorch draws other numbers")


def plain_uniform(low: Any, high: Any, rng: Any) -> Any:
    share = drawn(rng, "uniform", low, high)
    return low * (1 - share) + high * share


spec("uniform", plain_uniform, "PyTorch draws other random numbers")
for name in ("normal", "uniform"):
    for what, shapes in (
        ("same", ((4, 3), (4, 3))),
        ("row", ((4, 3), (3,))),
        ("column", ((2, 1), (4, 2, 3))),
        ("0-d", ((), ())),
        ("empty", ((0, 3), (3,))),
        ("constant-right", ((4, 3), 2.5)),
        ("constant-left", (-1.5, (4, 3))),
        ("extreme", (EXTREME, EXTREME[::-1, ::-1] * 0.9)),
    ):
        case(name, what, *shapes, rng=lambda: np.random.default_rng(5))
    case(name, "random-state", (4, 3), (4, 3), rng=lambda: np.random.RandomState(5))


def plain_categorical(logits: Any, rng: Any) -> Any:
    """The classes of the largest sums, by the definition of Gumbel's distribution."""
    u = 1.0 - rng.uniform(size=logits.shape)
    return np.argmax(np.exp(logits - logits.max(axis=-1, keepdims=True)) / -np.log(u), axis=-1)


spec("categorical", plain_categorical, "PyTorch draws other random numbers", differentiable=False)
case("categorical", "matrix", (5, 3), rng=lambda: np.random.default_rng(5))
case("categorical", "row", (4,), rng=lambda: np.random.default_rng(5))
case("categorical", "time", (2, 3, 4), rng=lambda: np.random.default_rng(5))
case("categorical", "empty", (0, 3), rng=lambda: np.random.default_rng(5))
case("categorical", "extreme", EXTREME_ROWS, rng=lambda: np.random.default_rng(5))

spec(
    "bernoulli",
    lambda p, rng: np.where(rng.uniform(0.0, 1.0, np.shape(p)) < p, 1.0, 0.0),
    "PyTorch draws other random numbers",
    differentiable=False,
)
case("bernoulli", "matrix", (5, 3), rng=lambda: np.random.default_rng(5))
case("bernoulli", "0-d", (), rng=lambda: np.random.default_rng(5))
case("bernoulli", "certain", np.array([0.0, 1.0, 0.5]), rng=lambda: np.random.default_rng(5))


def plain_batch_norm(x: Any, gamma: Any, beta: Any, mean: Any = None, var: Any = None, eps: float = 2e-5) -> Any:
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    wide = (-1,) if x.ndim == 2 else (-1, 1, 1)
    mean = x.mean(axis=axes) if mean is None else mean
    var = x.var(axis=axes) if var is None else var
    gamma, beta, mean, var = (one.reshape(wide) for one in (gamma, beta, mean, var))
    return (x - mean) / np.sqrt(var + eps) * gamma + beta


def torch_batch_norm(
    t: Any, x: Any, gamma: Any, beta: Any, mean: Any = None, var: Any = None, eps: float = 2e-5
) -> Any:
    if mean is None:
        return t.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    gamma, beta, mean, var = (  # PyTorch's own gives no gradient by the averages
        t.as_tensor(one, dtype=x.dtype).reshape((1, -1) + (1,) * (x.ndim - 2)) for one in (gamma, beta, mean, var)
    )
    return (x - mean) / t.sqrt(var + eps) * gamma + beta


spec("batch_norm", plain_batch_norm, torch_batch_norm)
case("batch_norm", "matrix", (5, 3), (3,), (3,))
case("batch_norm", "images", (2, 3, 2, 2), (3,), (3,))
case("batch_norm", "eps", (4, 2), (2,), (2,), eps=0.1)
case("batch_norm", "averages", (4, 3), (3,), (3,), (3,), np.array([0.5, 1.0, 2.0]))
case("batch_norm", "averages-of-images", (2, 2, 2, 3), (2,), (2,), (2,), np.array([0.5, 2.0]))
case("batch_norm", "empty-averages", (0, 3), (3,), (3,), (3,), np.array([0.5, 1.0, 2.0]))
case("batch_norm", "extreme", EXTREME_ROWS, (3,), (3,))


def plain_layer_norm(x: Any, gamma: Any, beta: Any, axis: Any = -1, eps: float = 1e-5) -> Any:
    mean, var = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * gamma + beta


spec(
    "layer_norm",
    plain_layer_norm,
    lambda t, x, gamma, beta, axis=-1, eps=1e-5: t.nn.functional.layer_norm(x, gamma.shape, gamma, beta, eps),
)
case("layer_norm", "matrix", (3, 4), (4,), (4,))
case("layer_norm", "time", (2, 3, 4), (4,), (4,))
case("layer_norm", "two-axes", (2, 3, 4), (3, 4), (3, 4), axis=(-2, -1))
case("layer_norm", "eps", (2, 3), (3,), (3,), eps=0.1)
case("layer_norm", "vector", (4,), (4,), (4,))
case("layer_norm", "empty", (0, 4), (4,), (4,))
case("layer_norm", "extreme", FAR, (3,), (3,))

spec("embed_id", lambda x, W: W[x], lambda t, x, W: W[t.as_tensor(x)])
case("embed_id", "vector", np.array([2, 0, 2]), (4, 3))
case("embed_id", "time", np.array([[1, 3], [3, 3]]), (4, 2))
case("embed_id", "one", np.array(1), (4, 2))
case("embed_id", "empty", np.zeros(0, np.int64), (4, 2))

# --- convolution -----------------------------------------------------------------------------------------------------


def pair(x: Any) -> tuple[int, int]:
    return (x, x) if isinstance(x, int) else tuple(x)


def padded(x: Any, pad: Any) -> Any:
    h, w = pair(pad)
    return np.pad(x, ((0, 0), (0, 0), (h, h), (w, w)))


def windows(x: Any, kernel_size: Any, stride: Any, pad: Any) -> Any:
    """All windows of images (N, C, H, W): (N, C, KH, KW, OH, OW)."""
    (kh, kw), (sy, sx), x = pair(kernel_size), pair(stride), padded(x, pad)
    rows = [
        np.stack([x[:, :, i : i + kh, j : j + kw] for j in range(0, x.shape[3] - kw + 1, sx)], -1)
        for i in range(0, x.shape[2] - kh + 1, sy)
    ]
    return np.stack(rows, -2)


def plain_conv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0) -> Any:
    y = np.einsum("nckluv,ockl->nouv", windows(x, W.shape[2:], stride, pad), W)
    return y if b is None else y + b[:, None, None]


def plain_deconv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, outsize: Any = None) -> Any:
    (sy, sx), (h, w), (kh, kw) = pair(stride), pair(pad), W.shape[2:]
    rows, columns = outsize or ((x.shape[2] - 1) * sy + kh - 2 * h, (x.shape[3] - 1) * sx + kw - 2 * w)
    y = np.zeros((len(x), W.shape[1], rows + 2 * h, columns + 2 * w))
    for i, j in np.ndindex(*x.shape[2:]):
        y[:, :, i * sy : i * sy + kh, j * sx : j * sx + kw] += np.einsum("nc,cokl->nokl", x[:, :, i, j], W)
    y = y[:, :, h : h + rows, w : w + columns]
    return y if b is None else y + b[:, None, None]


def torch_deconv2d(t: Any, x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, outsize: Any = None) -> Any:
    s, p, k = pair(stride), pair(pad), W.shape[2:]
    least = [(x.shape[i + 2] - 1) * s[i] + k[i] - 2 * p[i] for i in (0, 1)]
    more = [want - got for want, got in zip(outsize or least, least, strict=True)]
    return t.nn.functional.conv_transpose2d(x, W, b, stride, pad, more)


spec(
    "conv2d",
    plain_conv2d,
    lambda t, x, W, b=None, stride=1, pad=0: t.nn.functional.conv2d(x, W, b, stride, pad),
)
case("conv2d", "plain", (2, 2, 4, 4), (3, 2, 3, 3), (3,))
case("conv2d", "no-bias", (1, 2, 4, 3), (2, 2, 2, 2))
case("conv2d", "stride", (1, 2, 5, 5), (2, 2, 2, 2), (2,), stride=2)
case("conv2d", "pad", (1, 1, 3, 3), (2, 1, 3, 3), (2,), pad=1)
case("conv2d", "pairs", (1, 1, 5, 4), (2, 1, 3, 2), (2,), stride=(2, 1), pad=(0, 1))
case("conv2d", "left-over", (1, 1, 6, 6), (1, 1, 3, 3), (1,), stride=2)
case("conv2d", "empty", (0, 2, 3, 3), (2, 2, 2, 2), (2,))
case("conv2d", "extreme", EXTREME.reshape(1, 1, 2, 3), (2, 1, 2, 2), (2,))

spec("deconv2d", plain_deconv2d, torch_deconv2d)
case("deconv2d", "plain", (2, 2, 2, 3), (2, 3, 2, 2), (3,))
case("deconv2d", "no-bias", (1, 2, 2, 2), (2, 1, 3, 3))
case("deconv2d", "stride", (1, 2, 2, 2), (2, 2, 3, 3), (2,), stride=2)
case("deconv2d", "pad", (1, 1, 3, 3), (1, 2, 3, 3), (2,), stride=2, pad=1)
case("deconv2d", "outsize", (1, 1, 2, 3), (1, 2, 3, 3), (2,), stride=2, pad=1, outsize=(4, 6))
case("deconv2d", "pairs", (1, 1, 2, 3), (1, 2, 3, 2), (2,), stride=(2, 1), pad=(1, 0))
case("deconv2d", "empty", (0, 2, 2, 2), (2, 2, 2, 2), (2,))

spec(
    "pooling",
    lambda x, kernel_size, stride=1, pad=0: windows(x, kernel_size, stride, pad).max(axis=(2, 3)),
    lambda t, x, kernel_size, stride=1, pad=0: t.nn.functional.max_pool2d(torch_padded(t, x, pad), kernel_size, stride),
)
spec(
    "average_pooling",
    lambda x, kernel_size, stride=1, pad=0: windows(x, kernel_size, stride, pad).mean(axis=(2, 3)),
    lambda t, x, kernel_size, stride=1, pad=0: t.nn.functional.avg_pool2d(x, kernel_size, stride, pad),
)


def torch_padded(t: Any, x: Any, pad: Any) -> Any:
    """DeZero pads with zeros before it takes the largest, PyTorch with minus infinity."""
    h, w = pair(pad)
    return t.nn.functional.pad(x, (w, w, h, h))


for name in ("pooling", "average_pooling"):
    case(name, "plain", (2, 2, 3, 3), kernel_size=2)
    case(name, "stride", (1, 2, 4, 4), kernel_size=2, stride=2)
    case(name, "pad", (1, 1, 3, 3), kernel_size=3, stride=2, pad=1)
    case(name, "pairs", (1, 1, 4, 5), kernel_size=(2, 3), stride=(1, 2))
    case(name, "left-over", (1, 1, 5, 5), kernel_size=2, stride=2)
    case(name, "empty", (0, 2, 3, 3), kernel_size=2)
    case(name, "extreme", EXTREME.reshape(1, 1, 2, 3), kernel_size=2)


def plain_im2col(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True) -> Any:
    y = windows(x, kernel_size, stride, pad)
    n, c, kh, kw, oh, ow = y.shape
    return y.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, c * kh * kw) if to_matrix else y


def torch_im2col(t: Any, x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True) -> Any:
    y = t.nn.functional.unfold(x, kernel_size, padding=pad, stride=stride)  # (N, C * KH * KW, OH * OW)
    if to_matrix:
        return y.transpose(1, 2).reshape(-1, y.shape[1])
    (kh, kw), (sy, sx), (h, w) = pair(kernel_size), pair(stride), pair(pad)
    oh, ow = (x.shape[2] + 2 * h - kh) // sy + 1, (x.shape[3] + 2 * w - kw) // sx + 1
    return y.reshape(x.shape[0], x.shape[1], kh, kw, oh, ow)


spec("im2col", plain_im2col, torch_im2col)
case("im2col", "matrix", (2, 2, 3, 3), kernel_size=2)
case("im2col", "windows", (2, 1, 3, 4), kernel_size=(2, 3), to_matrix=False)
case("im2col", "stride-and-pad", (1, 2, 4, 4), kernel_size=3, stride=2, pad=1)
case("im2col", "extreme", EXTREME.reshape(1, 1, 2, 3), kernel_size=2)


def plain_col2im(
    x: Any, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True
) -> Any:
    places = np.arange(1, np.prod(input_shape) + 1).reshape(input_shape)  # 0 stands for the padding
    where = plain_im2col(places, kernel_size, stride, pad, to_matrix)
    y = np.zeros(places.size + 1)
    np.add.at(y, where.reshape(-1), x.reshape(-1))
    return y[1:].reshape(input_shape)


def torch_col2im(
    t: Any, x: Any, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True
) -> Any:
    n, c, height, width = input_shape
    kh, kw = pair(kernel_size)
    y = x.reshape(n, -1, c * kh * kw).transpose(1, 2) if to_matrix else x.reshape(n, c * kh * kw, -1)
    return t.nn.functional.fold(y, (height, width), kernel_size, padding=pad, stride=stride)


spec("col2im", plain_col2im, torch_col2im)
case("col2im", "matrix", (8, 8), input_shape=(2, 2, 3, 3), kernel_size=2)
case("col2im", "windows", (2, 1, 2, 3, 2, 2), input_shape=(2, 1, 3, 4), kernel_size=(2, 3), to_matrix=False)
case("col2im", "stride-and-pad", (4, 18), input_shape=(1, 2, 4, 4), kernel_size=3, stride=2, pad=1)
case("col2im", "extreme", EXTREME_ROWS[:2, :2].reshape(1, 4), input_shape=(1, 1, 2, 2), kernel_size=2)

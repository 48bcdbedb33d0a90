"""Cases of what works element by element: arithmetic, powers, exponentials, trigonometry, activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from cases import EXTREME, EXTREME_ROWS, case, spec

# --- arithmetic and types --------------------------------------------------------------------------------------------


def pairs(name: str, *, extreme: bool = True) -> None:
    """The cases of a function of two arrays that are broadcast."""
    case(name, "same", (2, 3), (2, 3))
    case(name, "row", (2, 3), (3,))
    case(name, "column", (2, 1), (4, 2, 3))
    case(name, "outer", (3, 1), (1, 4))
    case(name, "0-d", (), ())
    case(name, "0-d-left", (), (2, 2))
    case(name, "0-d-right", (3,), ())
    case(name, "empty", (0, 3), (0, 3))
    case(name, "empty-row", (0, 3), (3,))
    case(name, "empty-0-d", (0,), ())
    case(name, "constant-right", (2, 3), 1.25)
    case(name, "constant-left", 1.25, (2, 3))
    if extreme:
        case(name, "extreme", EXTREME, EXTREME[::-1, ::-1] * 0.9)


spec("add", lambda x0, x1: np.add(x0, x1), lambda t, x0, x1: x0 + x1)
spec("sub", lambda x0, x1: np.subtract(x0, x1), lambda t, x0, x1: x0 - x1)
spec("mul", lambda x0, x1: np.multiply(x0, x1), lambda t, x0, x1: x0 * x1)
spec("div", lambda x0, x1: np.divide(x0, x1), lambda t, x0, x1: x0 / x1)
for name in ("add", "sub", "mul", "div"):
    pairs(name)

spec("neg", lambda x: 0 - x, lambda t, x: -x)
spec("copy", lambda x: x, lambda t, x: x.clone())
for name in ("neg", "copy"):
    case(name, "matrix", (2, 3))
    case(name, "0-d", ())
    case(name, "empty", (0, 2))
    case(name, "extreme", EXTREME)

spec("broadcast_to", lambda x, shape: np.broadcast_to(x, shape), lambda t, x, shape: x.expand(shape))
case("broadcast_to", "row", (3,), shape=(2, 3))
case("broadcast_to", "middle", (2, 1, 2), shape=(3, 2, 4, 2))
case("broadcast_to", "0-d", (), shape=(2, 2))
case("broadcast_to", "empty", (1, 3), shape=(0, 3))
case("broadcast_to", "list", (3, 1), shape=[3, 2])
case("broadcast_to", "extreme", EXTREME, shape=(2, 2, 3))


def plain_sum_to(x: Any, shape: Any) -> Any:
    y = np.zeros(shape)
    lead = x.ndim - y.ndim
    for place in np.ndindex(x.shape):
        y[tuple(i if n > 1 else 0 for i, n in zip(place[lead:], y.shape, strict=True))] += x[place]
    return y


spec("sum_to", plain_sum_to, lambda t, x, shape: x.sum_to_size(shape))
case("sum_to", "row", (2, 3), shape=(3,))
case("sum_to", "column", (2, 3), shape=(2, 1))
case("sum_to", "middle", (3, 2, 4, 2), shape=(2, 1, 2))
case("sum_to", "0-d", (2, 3), shape=())
case("sum_to", "empty", (0, 3), shape=(1, 3))
case("sum_to", "extreme", EXTREME, shape=(1, 3))

spec(
    "cast",
    lambda x, dtype: x.astype(dtype),
    lambda t, x, dtype: x.to(getattr(t, np.dtype(dtype).name)),
)
case("cast", "matrix", (2, 3), dtype=np.float32, smooth=False)
case("cast", "empty", (0, 3), dtype=np.float32, smooth=False)

# --- one array, element by element -----------------------------------------------------------------------------------


def plain_sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


def plain_softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def plain_gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def plain_elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


#: name -> plain, PyTorch's, what the cases of extreme numbers hold (None: EXTREME; "overflows": the same, to infinity)
ONE: dict[str, tuple[Any, Any, Any]] = {
    "exp": (np.exp, lambda t, x: t.exp(x), "overflows"),
    "expm1": (np.expm1, lambda t, x: t.expm1(x), "overflows"),
    "log": (np.log, lambda t, x: t.log(x), [0.5, 30.0, 1000.0]),
    "log1p": (np.log1p, lambda t, x: t.log1p(x), [0.5, 30.0, 1000.0]),
    "sqrt": (np.sqrt, lambda t, x: t.sqrt(x), [0.5, 30.0, 1000.0]),
    "abs": (np.abs, lambda t, x: t.abs(x), None),
    "sign": (np.sign, lambda t, x: t.sign(x), None),
    "sin": (np.sin, lambda t, x: t.sin(x), None),
    "cos": (np.cos, lambda t, x: t.cos(x), None),
    "tan": (lambda x: np.sin(x) / np.cos(x), lambda t, x: t.tan(x), [-1000.0, 1.0, 1000.0]),
    "arcsin": (np.arcsin, lambda t, x: t.arcsin(x), [-0.9, 0.0, 0.9]),
    "arccos": (np.arccos, lambda t, x: t.arccos(x), [-0.9, 0.0, 0.9]),
    "arctan": (np.arctan, lambda t, x: t.arctan(x), None),
    "sinh": (np.sinh, lambda t, x: t.sinh(x), "overflows"),
    "cosh": (np.cosh, lambda t, x: t.cosh(x), "overflows"),
    "tanh": (np.tanh, lambda t, x: t.tanh(x), None),
    "arcsinh": (np.arcsinh, lambda t, x: t.arcsinh(x), None),
    "arccosh": (np.arccosh, lambda t, x: t.arccosh(x), [1.5, 30.0, 1000.0]),
    "arctanh": (np.arctanh, lambda t, x: t.arctanh(x), [-0.9, 0.0, 0.9]),
    "relu": (lambda x: np.where(x > 0, x, 0), lambda t, x: t.relu(x), None),
    "gelu": (plain_gelu, lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), None),
    "silu": (lambda x: x * plain_sigmoid(x), lambda t, x: t.nn.functional.silu(x), None),
    "softplus": (plain_softplus, lambda t, x: t.nn.functional.softplus(x), None),
    "sigmoid": (plain_sigmoid, lambda t, x: t.sigmoid(x), None),
}
for name, (plain, torch, extreme) in ONE.items():
    spec(name, plain, torch)
    case(name, "matrix", (2, 3))
    case(name, "cube", (2, 1, 3))
    case(name, "0-d", ())
    case(name, "empty", (0, 3))
    if extreme == "overflows":
        case(name, "extreme", EXTREME, smooth=False)
    else:
        case(name, "extreme", EXTREME if extreme is None else np.array(extreme))

spec(
    "leaky_relu",
    lambda x, slope=0.2: np.where(x > 0, x, slope * x),
    lambda t, x, slope=0.2: t.nn.functional.leaky_relu(x, slope),
)
case("leaky_relu", "matrix", (2, 3))
case("leaky_relu", "slope", (4, 3), slope=0.01)
case("leaky_relu", "0-d", (), slope=0.5)
case("leaky_relu", "empty", (0, 3))
case("leaky_relu", "extreme", EXTREME)

spec("elu", plain_elu, lambda t, x, alpha=1.0: t.nn.functional.elu(x, alpha))
case("elu", "matrix", (4, 3))
case("elu", "alpha", (4, 3), alpha=0.7)
case("elu", "0-d", ())
case("elu", "empty", (0, 3))
case("elu", "extreme", EXTREME)

# --- two and three arrays --------------------------------------------------------------------------------------------

spec("pow", lambda x, c: np.power(x, c), lambda t, x, c: t.pow(x, c))
pairs("pow", extreme=False)
case("pow", "square", (2, 3), 2)
case("pow", "cube-of-extreme", EXTREME, 3)
case("pow", "square-of-negative", np.array([-2.0, -0.5, 0.0, 1.5]), 2)
case("pow", "first-power", np.array([-2.0, 0.0, 1.5]), 1.0)
case("pow", "zeroth-power", np.array([-2.0, 0.0, 1.5]), 0.0)
case("pow", "inverse", np.array([-2.0, 0.5, 1.5]), -1.0)
case("pow", "root", np.array([0.5, 9.0, 1000.0]), 0.5)

spec("minimum", lambda x0, x1: np.minimum(x0, x1), lambda t, x0, x1: t.minimum(*both(t, x0, x1)))
spec("maximum", lambda x0, x1: np.maximum(x0, x1), lambda t, x0, x1: t.maximum(*both(t, x0, x1)))
pairs("minimum")
pairs("maximum")


def both(t: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """PyTorch's minimum and maximum take no numbers."""
    like = x0 if isinstance(x0, t.Tensor) else x1
    return tuple(x if isinstance(x, t.Tensor) else t.full((), x, dtype=like.dtype) for x in (x0, x1))  # type: ignore[return-value]


spec(
    "clip",
    lambda x, x_min, x_max: np.minimum(np.maximum(x, x_min), x_max),
    lambda t, x, x_min, x_max: t.clamp(x, x_min, x_max),
)
case("clip", "matrix", np.array([[-1.5, -0.4, 0.1], [0.6, 1.9, 0.3]]), x_min=-0.5, x_max=0.5)
case("clip", "0-d", np.array(0.2), x_min=-0.5, x_max=0.5)
case("clip", "empty", (0, 3), x_min=-0.5, x_max=0.5)
case("clip", "extreme", EXTREME, x_min=-100.0, x_max=100.0)

CHOICE = np.array([[True, False, True], [False, False, True]])
spec("where", lambda c, x0, x1: np.where(c, x0, x1), lambda t, c, x0, x1: t.where(c, x0, x1))
case("where", "same", CHOICE, (2, 3), (2, 3))
case("where", "row", CHOICE, (3,), (2, 1))
case("where", "broadcast-condition", CHOICE[0], (2, 3), ())
case("where", "constant", CHOICE, (2, 3), 0.0)
case("where", "constant-left", CHOICE, -1.0, (2, 3))
case("where", "0-d", np.array(True), (), ())
case("where", "empty", np.zeros((0, 3), bool), (0, 3), (3,))
case("where", "extreme", CHOICE, EXTREME, EXTREME * 2)

# --- along an axis ---------------------------------------------------------------------------------------------------


def plain_log_softmax(x: Any, axis: int = 1) -> Any:
    y = x - x.max(axis=axis, keepdims=True) if x.size else x
    return y - np.log(np.exp(y).sum(axis=axis, keepdims=True))


spec("softmax", lambda x, axis=1: np.exp(plain_log_softmax(x, axis)), lambda t, x, axis=1: t.softmax(x, axis))
spec("log_softmax", plain_log_softmax, lambda t, x, axis=1: t.log_softmax(x, axis))
for name in ("softmax", "log_softmax"):
    case(name, "first-of-three", (2, 3, 4), axis=0)
    case(name, "matrix", (2, 4))
    case(name, "columns", (3, 2), axis=0)
    case(name, "last", (2, 2, 3), axis=-1)
    case(name, "vector", (4,), axis=0)
    case(name, "one", (3, 1))
    case(name, "empty", (0, 3))
    case(name, "extreme", EXTREME_ROWS)

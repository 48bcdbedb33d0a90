"""Cases of what moves, picks, reduces and multiplies arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import EXTREME, EXTREME_ROWS, FAR, as_list, case, spec

# --- shapes ----------------------------------------------------------------------------------------------------------


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes that an argument stands for, as PyTorch wants them."""
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(axis) if isinstance(axis, tuple | list) else (axis,)


spec("reshape", lambda x, shape: np.reshape(x, shape), lambda t, x, shape: x.reshape(shape))
case("reshape", "matrix", (2, 3), shape=(3, 2))
case("reshape", "inferred", (2, 3, 2), shape=(2, -1))
case("reshape", "vector", (2, 3), shape=-1)
case("reshape", "0-d", (1, 1), shape=())
case("reshape", "empty", (0, 3), shape=(3, 0, 2))
case("reshape", "extreme", EXTREME, shape=(3, 2))

spec(
    "transpose",
    lambda x, axes=None: np.transpose(x, axes),
    lambda t, x, axes=None: x.permute(tuple(reversed(range(x.ndim))) if axes is None else axes),
)
case("transpose", "matrix", (2, 3))
case("transpose", "cube", (2, 3, 4))
case("transpose", "axes", (2, 3, 4), axes=(1, 2, 0))
case("transpose", "negative", (2, 3, 4), axes=(-1, 0, 1))
case("transpose", "0-d", ())
case("transpose", "empty", (0, 3))
case("transpose", "extreme", EXTREME)

spec(
    "swapaxes",
    lambda x, axis1, axis2: np.swapaxes(x, axis1, axis2),
    lambda t, x, axis1, axis2: x.swapaxes(axis1, axis2),
)
case("swapaxes", "matrix", (2, 3), axis1=0, axis2=1)
case("swapaxes", "negative", (2, 3, 4), axis1=-1, axis2=0)
case("swapaxes", "empty", (2, 0, 4), axis1=1, axis2=2)

spec("concat", lambda *xs, axis=0: np.concatenate(xs, axis), lambda t, *xs, axis=0: t.cat(xs, axis), call=as_list)
case("concat", "rows", (2, 3), (1, 3), (3, 3))
case("concat", "columns", (2, 3), (2, 1), axis=1)
case("concat", "negative", (2, 1, 2), (2, 1, 3), axis=-1)
case("concat", "one", (2, 2))
case("concat", "empty", (0, 3), (2, 3))
case("concat", "with-constant", (2, 3), np.ones((1, 3)))
case("concat", "extreme", EXTREME, (2, 3))

spec("stack", lambda *xs, axis=0: np.stack(xs, axis), lambda t, *xs, axis=0: t.stack(xs, axis), call=as_list)
case("stack", "first", (2, 3), (2, 3), (2, 3))
case("stack", "last", (2, 3), (2, 3), axis=-1)
case("stack", "middle", (2, 3), (2, 3), axis=1)
case("stack", "0-d", (), (), ())
case("stack", "empty", (0, 3), (0, 3))

spec(
    "split",
    lambda x, sections, axis=0: np.split(x, sections, axis),
    lambda t, x, sections, axis=0: t.tensor_split(x, sections, dim=axis),
)
case("split", "halves", (4, 3), sections=2)
case("split", "places", (5, 2), sections=(1, 3))
case("split", "columns", (2, 6), sections=3, axis=1)
case("split", "negative", (2, 2, 4), sections=[1], axis=-1)
case("split", "empty-part", (3, 2), sections=(0, 2))
case("split", "empty", (0, 4), sections=2, axis=1)


def torch_pad(t: Any, x: Any, pad_width: Any, value: float = 0.0) -> Any:
    widths = np.broadcast_to(pad_width, (x.ndim, 2))[::-1].reshape(-1).tolist()
    return t.nn.functional.pad(x, widths, value=value)


spec("pad", lambda x, pad_width, value=0.0: np.pad(x, pad_width, constant_values=value), torch_pad)
case("pad", "all", (2, 3), pad_width=1)
case("pad", "axes", (2, 3), pad_width=((1, 0), (0, 2)))
case("pad", "pair", (2, 3), pad_width=(1, 2))
case("pad", "value", (2, 3), pad_width=((0, 1), (2, 0)), value=-1.5)
case("pad", "empty", (0, 3), pad_width=((1, 1), (0, 0)))
case("pad", "extreme", EXTREME, pad_width=1)

spec("flip", lambda x, axis=None: np.flip(x, axis), lambda t, x, axis=None: x.flip(axes_of(x, axis)))
case("flip", "all", (2, 3))
case("flip", "one", (2, 3), axis=0)
case("flip", "two", (2, 3, 2), axis=(0, -1))
case("flip", "0-d", ())
case("flip", "empty", (0, 3), axis=1)

spec(
    "squeeze",
    lambda x, axis=None: np.squeeze(x, axis),
    lambda t, x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
)
case("squeeze", "all", (1, 3, 1))
case("squeeze", "one", (1, 3, 1), axis=0)
case("squeeze", "two", (1, 3, 1, 1), axis=(0, -1))
case("squeeze", "to-0-d", (1, 1))
case("squeeze", "empty", (1, 0, 3))

spec("expand_dims", lambda x, axis: np.expand_dims(x, axis), lambda t, x, axis: x.unsqueeze(axis))
case("expand_dims", "first", (2, 3), axis=0)
case("expand_dims", "last", (2, 3), axis=-1)
case("expand_dims", "0-d", (), axis=0)
case("expand_dims", "empty", (0, 3), axis=1)

spec("flatten", lambda x: np.reshape(x, (len(x), int(np.prod(x.shape[1:])))), lambda t, x: x.flatten(1))
case("flatten", "matrix", (3, 2, 1))
case("flatten", "images", (2, 3, 2, 2))
case("flatten", "empty", (0, 3, 2))

spec(
    "repeat",
    lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
    lambda t, x, repeats, axis=None: t.repeat_interleave(
        x, repeats if isinstance(repeats, int) else t.as_tensor(repeats), axis
    ),
)
case("repeat", "all", (2, 3), repeats=2)
case("repeat", "rows", (2, 3), repeats=3, axis=0)
case("repeat", "columns", (2, 3), repeats=2, axis=-1)
case("repeat", "counts", (2, 3), repeats=(1, 0, 2), axis=1)
case("repeat", "0-d", (), repeats=3)
case("repeat", "empty", (0, 3), repeats=2, axis=0)
case("repeat", "none", (2, 3), repeats=0, axis=0)

# --- picking ---------------------------------------------------------------------------------------------------------


def torch_get_item(t: Any, x: Any, slices: Any) -> Any:
    """PyTorch has no negative steps: pick the places as NumPy says."""
    places = np.arange(x.numel()).reshape(tuple(x.shape))[slices]
    return x.reshape(-1)[t.as_tensor(np.ascontiguousarray(places)).reshape(-1)].reshape(np.shape(places))


MASK = np.array([[True, False, True], [False, True, False], [True, True, False], [False, False, False]])
spec("get_item", lambda x, slices: x[slices], torch_get_item)
case("get_item", "row", (4, 3), slices=1)
case("get_item", "last", (4, 3), slices=-1)
case("get_item", "one", (4, 3), slices=(2, 1))
case("get_item", "slice", (4, 3), slices=slice(1, 3))
case("get_item", "step", (4, 3), slices=(slice(None, None, -2), slice(0, 2)))
case("get_item", "ellipsis", (2, 3, 4), slices=(..., 1))
case("get_item", "new-axis", (4, 3), slices=(None, slice(0, 2), None, 1))
case("get_item", "list", (4, 3), slices=[2, 0])
case("get_item", "integers", (4, 3), slices=np.array([1, 3, 1, 1]))
case("get_item", "pairs", (4, 3), slices=(np.array([0, 2, 2]), np.array([1, 1, 1])))
case("get_item", "broadcast", (4, 3), slices=(np.array([[0], [3]]), np.array([2, -1])))
case("get_item", "mixed", (2, 3, 4), slices=(slice(None), np.array([2, 2, 0]), slice(1, 3)))
case("get_item", "apart", (2, 3, 4), slices=(np.array([0, 1]), slice(None), np.array([3, 3])))
case("get_item", "mask", (4, 3), slices=MASK)
case("get_item", "mask-of-rows", (4, 3), slices=np.array([True, False, True, True]))
case("get_item", "mask-and-slice", (4, 3), slices=(np.array([True, False, True, True]), slice(0, 2)))
case("get_item", "none-true", (4, 3), slices=np.zeros((4, 3), bool))
case("get_item", "nothing", (4, 3), slices=slice(2, 2))
case("get_item", "empty", (0, 3), slices=(slice(None), 1))
case("get_item", "0-d", (), slices=())
case("get_item", "0-d-ellipsis", (), slices=...)
case("get_item", "extreme", EXTREME, slices=(slice(None), np.array([0, 0, 2])))

spec(
    "take_along_axis",
    lambda x, indices, axis=-1: np.take_along_axis(x, indices, axis),
    lambda t, x, indices, axis=-1: t.take_along_dim(x, t.as_tensor(indices), axis),
)
case("take_along_axis", "last", (2, 3), np.array([[2, 0], [1, 1]]))
case("take_along_axis", "one-each", (4, 3), np.array([[2], [0], [2], [1]]))
case("take_along_axis", "rows", (3, 2), np.array([[2, 0], [2, 1], [0, 0], [2, 1]]), axis=0)
case("take_along_axis", "cube", (2, 3, 2), np.array([[[0, 1]], [[2, 2]]]), axis=1)
case("take_along_axis", "negative", (2, 3), np.array([[-1, 0, -1], [1, -3, -2]]), axis=1)
case("take_along_axis", "empty", (0, 3), np.zeros((0, 2), np.int64))
case("take_along_axis", "extreme", EXTREME, np.array([[0, 0], [2, 1]]))

# --- reductions ------------------------------------------------------------------------------------------------------


def torch_prod(t: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    for one in sorted((a % x.ndim for a in axes_of(x, axis)), reverse=True):
        x = x.prod(one, keepdim=keepdims)
    return x


def torch_cumsum(t: Any, x: Any, axis: int | None = None) -> Any:
    return x.reshape(-1).cumsum(0) if axis is None else x.cumsum(axis)


def plain_logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top = x.max(axis=axis, keepdims=True) if x.size else 0.0
    y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else y.squeeze(axis)


spec(
    "sum",
    lambda x, axis=None, keepdims=False: np.sum(x, axis, keepdims=keepdims),
    lambda t, x, axis=None, keepdims=False: x.sum(axes_of(x, axis), keepdims),
)
spec(
    "mean",
    lambda x, axis=None, keepdims=False: np.mean(x, axis, keepdims=keepdims),
    lambda t, x, axis=None, keepdims=False: x.mean(axes_of(x, axis), keepdims),
)
spec(
    "max",
    lambda x, axis=None, keepdims=False: np.max(x, axis, keepdims=keepdims),
    lambda t, x, axis=None, keepdims=False: x.amax(axes_of(x, axis), keepdims),
)
spec(
    "min",
    lambda x, axis=None, keepdims=False: np.min(x, axis, keepdims=keepdims),
    lambda t, x, axis=None, keepdims=False: x.amin(axes_of(x, axis), keepdims),
)
spec("prod", lambda x, axis=None, keepdims=False: np.prod(x, axis, keepdims=keepdims), torch_prod)
spec(
    "var",
    lambda x, axis=None, keepdims=False, ddof=0: np.var(x, axis, keepdims=keepdims, ddof=ddof),
    lambda t, x, axis=None, keepdims=False, ddof=0: x.var(axes_of(x, axis), correction=ddof, keepdim=keepdims),
)
spec(
    "std",
    lambda x, axis=None, keepdims=False, ddof=0: np.std(x, axis, keepdims=keepdims, ddof=ddof),
    lambda t, x, axis=None, keepdims=False, ddof=0: x.std(axes_of(x, axis), correction=ddof, keepdim=keepdims),
)
spec(
    "logsumexp",
    plain_logsumexp,
    lambda t, x, axis=None, keepdims=False: x.logsumexp(axes_of(x, axis), keepdims),
)
spec(
    "norm",
    lambda x, axis=None, keepdims=False: np.sqrt(np.sum(x * x, axis, keepdims=keepdims)),
    lambda t, x, axis=None, keepdims=False: t.linalg.vector_norm(x, 2, axes_of(x, axis), keepdims),
)
for name in ("sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "norm"):
    case(name, "all", (2, 3))
    case(name, "kept", (2, 3), keepdims=True)
    case(name, "rows", (3, 2), axis=0)
    case(name, "last", (2, 3), axis=-1, keepdims=True)
    case(name, "two", (2, 3, 2), axis=(0, 2))
    case(name, "two-kept", (2, 3, 2), axis=(2, -2), keepdims=True)
    case(name, "vector", (4,))
    case(name, "empty", (0, 3), axis=1)
    if name in ("sum", "mean", "max", "min", "prod", "logsumexp"):
        case(name, "0-d", ())
    if name not in ("prod", "var", "std"):
        case(name, "extreme", EXTREME_ROWS, axis=1)
case("sum", "of-nothing", (0, 3), axis=0)
case("prod", "of-nothing", (2, 0), axis=1)
case("norm", "0-d", np.array(-1.5))
case("var", "extreme", FAR, axis=1)
case("std", "extreme", FAR, axis=1)
case("var", "unbiased", (4, 3), axis=0, ddof=1)
case("std", "unbiased", (4, 3), ddof=1)
case("prod", "one-zero", np.array([[1.5, 0.0, -2.0], [0.5, 3.0, 2.0]]), axis=1)
case("prod", "two-zeros", np.array([[1.5, 0.0, -2.0, 0.0], [0.0, 3.0, 2.0, 4.0]]), axis=1)
case("prod", "extreme", np.array([[1000.0, -1000.0, 0.5], [2.0, 1000.0, -3.0]]), axis=1)

spec("cumsum", lambda x, axis=None: np.cumsum(x, axis), torch_cumsum)
case("cumsum", "all", (2, 3))
case("cumsum", "rows", (3, 2), axis=0)
case("cumsum", "last", (2, 3, 2), axis=-1)
case("cumsum", "vector", (4,), axis=0)
case("cumsum", "empty", (0, 3), axis=0)
case("cumsum", "extreme", EXTREME_ROWS, axis=1)

# --- products --------------------------------------------------------------------------------------------------------


def plain_matmul(x: Any, W: Any) -> Any:
    """By einsum, another way to the same products."""
    left, row = ("j", "") if x.ndim == 1 else ("...ij", "i")
    right, column = ("j", "") if W.ndim == 1 else ("...jk", "k")
    return np.einsum(f"{left},{right}->...{row}{column}", x, W)


spec("matmul", plain_matmul, lambda t, x, W: x @ W)
case("matmul", "matrices", (2, 3), (3, 4))
case("matmul", "inner", (3,), (3,))
case("matmul", "vector-left", (3,), (3, 2))
case("matmul", "vector-right", (2, 3), (3,))
case("matmul", "batch", (2, 2, 3), (2, 3, 2))
case("matmul", "batch-matrix", (2, 2, 3), (3, 2))
case("matmul", "matrix-batch", (2, 3), (2, 3, 2))
case("matmul", "batch-vector", (2, 2, 3), (3,))
case("matmul", "vector-batch", (3,), (2, 3, 2))
case("matmul", "broadcast", (2, 1, 2, 3), (3, 3, 1))
case("matmul", "stretched", (1, 2, 3), (2, 3, 2))
case("matmul", "empty-rows", (0, 3), (3, 2))
case("matmul", "empty-inner", (2, 0), (0, 2))
case("matmul", "empty-batch", (0, 2, 3), (3, 2))
case("matmul", "extreme", EXTREME, EXTREME.T * 0.5)


def per_output(x: Any, b: Any) -> Any:
    """A population's biases (P, o) beside rows x (..., B, d)."""
    return b[..., None, :] if b.ndim > 1 and x.ndim > 1 else b


def plain_linear(x: Any, W: Any, b: Any = None) -> Any:
    y = plain_matmul(x, W)
    return y if b is None else y + per_output(x, b)


spec("linear", plain_linear, lambda t, x, W, b=None: x @ W + (0 if b is None else per_output(x, b)))
case("linear", "matrix", (4, 3), (3, 2), (2,))
case("linear", "no-bias", (4, 3), (3, 2))
case("linear", "row", (3,), (3, 2), (2,))
case("linear", "row-no-bias", (3,), (3, 2), None)
case("linear", "time", (2, 4, 3), (3, 2), (2,))
case("linear", "population", (2, 4, 3), (2, 3, 2), (2, 2))
case("linear", "population-no-bias", (2, 4, 3), (2, 3, 2))
case("linear", "population-one-batch", (4, 3), (2, 3, 2), (2, 2))
case("linear", "population-row", (3,), (2, 3, 2), (2, 2))
case("linear", "one-bias-for-all", (4, 3), (3, 2), ())
case("linear", "one-bias-for-columns", (4, 3), (3, 2), (1,))
case("linear", "one-output", (4, 3), (3, 1), (1,))
case("linear", "empty", (0, 3), (3, 2), (2,))
case("linear", "extreme", EXTREME, (3, 2), (2,))


def by_subscripts(f: Any, *operands: Any, subscripts: str) -> Any:
    return f(subscripts, *operands)


spec(
    "einsum",
    lambda *xs, subscripts: np.einsum(subscripts, *xs),
    lambda t, *xs, subscripts: t.einsum(subscripts, *xs),
    call=by_subscripts,
)
case("einsum", "product", (2, 3), (3, 4), subscripts="ij,jk->ik")
case("einsum", "implicit", (2, 3), (3, 4), subscripts="ij,jk")
case("einsum", "transpose", (2, 3), subscripts="ij->ji")
case("einsum", "sum", (2, 3), subscripts="ij->j")
case("einsum", "total", (2, 3), subscripts="ij->")
case("einsum", "batch", (2, 2, 3), (2, 3, 2), subscripts="bij,bjk->bik")
case("einsum", "outer", (2,), (3,), subscripts="i,j->ij")
case("einsum", "summed-in-one", (2, 3), (3, 4), subscripts="ij,jk->i")
case("einsum", "three", (2, 3), (3, 2), (2,), subscripts="ij,jk,k->i")
case("einsum", "ellipsis", (2, 2, 3), (3, 2), subscripts="...ij,jk->...ik")
case("einsum", "trace", (3, 3), subscripts="ii->")
case("einsum", "diagonal", (3, 3), subscripts="ii->i")
case("einsum", "stretched", (2, 3), (1, 3), subscripts="ij,ij->ij")
case("einsum", "stretched-ellipsis", (2, 3), (4, 1, 3), subscripts="...i,...i->...")
case("einsum", "diagonal-and-row", (3, 3, 2), (2,), subscripts="iij,j->i")
case("einsum", "empty", (0, 3), (3, 2), subscripts="ij,jk->ik")
case("einsum", "0-d", (), (3,), subscripts=",i->i")
case("einsum", "extreme", EXTREME, EXTREME, subscripts="ij,ij->i")

spec(
    "outer",
    lambda x0, x1: x0.reshape(-1, 1) * x1.reshape(1, -1),
    lambda t, x0, x1: t.outer(x0.reshape(-1), x1.reshape(-1)),
)
case("outer", "vectors", (2,), (3,))
case("outer", "matrices", (2, 2), (3, 1))
case("outer", "empty", (0,), (3,))
case("outer", "extreme", EXTREME[0], EXTREME[1])

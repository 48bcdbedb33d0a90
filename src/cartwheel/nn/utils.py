"""Small helps: numerical gradients, comparisons, and the arithmetic of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cartwheel.nn import cuda
from cartwheel.nn.array import Array, namespace
from cartwheel.nn.backward import grad
from cartwheel.nn.functions import arithmetic
from cartwheel.nn.graph import get_dot_graph, plot_dot_graph
from cartwheel.nn.variable import Variable, raw

__all__ = [
    "array_allclose",
    "array_equal",
    "get_conv_outsize",
    "get_deconv_outsize",
    "get_dot_graph",
    "gradient_check",
    "logsumexp",
    "max_backward_shape",
    "numerical_grad",
    "pair",
    "plot_dot_graph",
    "reshape_sum_backward",
    "soft_update",
    "sum_to",
]

# --- comparisons -----------------------------------------------------------------------------------------------------


def array_equal(a: Any, b: Any) -> bool:
    """Whether two arrays or Variables have the same shape and numbers."""
    return bool(np.array_equal(cuda.as_numpy(a), cuda.as_numpy(b)))


def array_allclose(a: Any, b: Any, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether two arrays or Variables differ by at most atol + rtol |b|, number by number."""
    return bool(np.allclose(cuda.as_numpy(a), cuda.as_numpy(b), rtol=rtol, atol=atol))


# --- gradients -------------------------------------------------------------------------------------------------------


def numerical_grad(f: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Array:
    """The gradient of the sum of `f(x, ...)` by x, in the shape of x, by central differences number by number.

    x, an array or Variable of floats, is left as it is; the steps are 1e-4. `nn.check` needs four evaluations where
    this needs two for each number.
    """
    eps = 1e-4
    array = raw(x)
    xp = namespace(array)
    slopes = xp.zeros_like(array)
    for index in np.ndindex(*array.shape):
        ends = []
        for step in (eps, -eps):
            moved = xp.asarray(array, copy=True)
            moved[index] += step
            ends.append(raw(f(moved, *args, **kwargs)))
        slopes[index] = xp.sum(ends[0] - ends[1]) / (2 * eps)
    return slopes


def gradient_check(
    f: Callable[..., Any], x: Any, *args: Any, rtol: float = 1e-4, atol: float = 1e-5, **kwargs: Any
) -> bool:
    """Whether backward gives the gradient of the sum of `f(x, ...)` by x that `numerical_grad` gives, in float64.

    Prints both if not. `nn.check.check_gradient` is quicker, stricter, and checks second gradients as well.
    """
    array = np.array(cuda.as_numpy(x), np.float64)
    by_differences = numerical_grad(f, array, *args, **kwargs)
    variable = Variable(array)
    (found,) = grad(f(variable, *args, **kwargs), [variable])
    by_backward = np.zeros_like(array) if found is None else found._data
    if by_backward.shape == array.shape and array_allclose(by_differences, by_backward, rtol, atol):
        return True
    print(f"gradient_check: by differences {by_differences.shape}: {by_differences.ravel()[:10]} ...")
    print(f"gradient_check: by backward {by_backward.shape}: {by_backward.ravel()[:10]} ...")
    return False


# --- models ----------------------------------------------------------------------------------------------------------


def soft_update(target: Any, source: Any, tau: float) -> None:
    """Let a model follow another one: its theta becomes (1 - tau) theta + tau that of `source`, the same for averages.

    For target networks; in a recorded step as well. tau is in (0, 1]; ValueError else, and for models of other sizes.
    """
    if not 0.0 < tau <= 1.0:
        raise ValueError(f"expected tau above 0 and at most 1, got {tau}")
    for name in ("theta", "averages"):
        old, new = getattr(target, name), getattr(source, name)
        if old.shape != new.shape:
            raise ValueError(f"expected models of the same sizes, got {name} {old.shape} and {new.shape}")
        if old.size:
            kept = arithmetic.mul(old, 1.0 - tau)
            setattr(target, name, arithmetic.add(kept, arithmetic.mul(new, tau)))


# --- arrays and shapes -----------------------------------------------------------------------------------------------


def sum_to(x: Any, shape: Any) -> Any:
    """The sum of an array over the axes that broadcasting `shape` to the shape of x would stretch."""
    return arithmetic.sum_to(x, shape)


def logsumexp(x: Array, axis: int | tuple[int, ...] = 1) -> Array:
    """log(sum(exp(x))) along an axis, which stays with length 1; does not overflow."""
    xp = namespace(x)
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)  # all -inf: the sum is 0, and its logarithm -inf
    return top + xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True))


def max_backward_shape(x: Array, axis: int | Sequence[int] | None) -> list[int]:
    """The shape of x with 1 for the axes (all, for None) that a maximum was taken over."""
    chosen = _axes(axis, x.ndim)
    return [1 if number in chosen else length for number, length in enumerate(x.shape)]


def reshape_sum_backward(gy: Any, x_shape: Sequence[int], axis: int | Sequence[int] | None, keepdims: bool) -> Any:
    """The gradient of a sum over `axis` of an array of shape `x_shape`, with length 1 for the axes that are gone."""
    if keepdims or not x_shape or axis is None:
        return gy
    chosen = _axes(axis, len(x_shape))
    return gy.reshape([1 if number in chosen else length for number, length in enumerate(x_shape)])


def _axes(axis: int | Sequence[int] | None, ndim: int) -> set[int]:
    if axis is None:
        return set(range(ndim))
    return {number % ndim for number in ((axis,) if isinstance(axis, int) else axis)}


def get_conv_outsize(input_size: int, kernel_size: int, stride: int, pad: int) -> int:
    """How many places a kernel has along one axis: (input + 2 pad - kernel) // stride + 1."""
    return (input_size + pad * 2 - kernel_size) // stride + 1


def get_deconv_outsize(size: int, k: int, s: int, p: int) -> int:
    """The length along one axis after a transposed convolution: s (size - 1) + k - 2 p."""
    return s * (size - 1) + k - 2 * p


def pair(x: int | tuple[int, int]) -> tuple[int, int]:
    """A number twice; a pair as it is. ValueError for anything else."""
    if isinstance(x, int | np.integer):
        return (int(x), int(x))
    if isinstance(x, tuple | list) and len(x) == 2:
        return (x[0], x[1])
    raise ValueError(f"expected a number or a pair of numbers, got {x!r}")

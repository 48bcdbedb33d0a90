"""Dropout, normalisation over a batch or a layer, and embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.function import REAL, Fused, function, operation
from cartwheel.nn.functions.arithmetic import add, div, mul, sub, sum_to
from cartwheel.nn.functions.elementwise import sqrt
from cartwheel.nn.functions.indexing import get_item
from cartwheel.nn.functions.reductions import _max, _min, _sum, mean
from cartwheel.nn.functions.shape import places, reshape, shape_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- dropout ---------------------------------------------------------------------------------------------------------


@function(REAL)
def dropout(x: Any, dropout_ratio: float = 0.5, rng: Any = None) -> Any:
    """x with each number set to 0 at the chance `dropout_ratio`, and divided by 1 - dropout_ratio otherwise.

    In test mode x as it is. The mask is drawn from `rng`, NumPy's Generator or RandomState; `Config.rng` if None is
    given. ValueError for a ratio outside of [0, 1). (Srivastava et al., 2014.)
    """
    if not 0.0 <= dropout_ratio < 1.0:
        raise mistake("dropout", f"expected a ratio of 0 or more and below 1, got {dropout_ratio}", x)
    if not Config.train or dropout_ratio == 0:
        return x
    shape, array = shape_of("dropout", x), raw(x)
    if rng is None:
        return mul(x, _dropout_mask(x, ratio=dropout_ratio))
    if not hasattr(rng, "uniform"):
        raise mistake("dropout", "expected NumPy's Generator as rng, as np.random.default_rng(0)", rng, kind=TypeError)
    check_unrecorded("dropout")
    xp = namespace(array)
    mask = _mask(rng, shape, dropout_ratio)
    return mul(x, xp.asarray(mask, dtype=array.dtype if kind_of(array) == "f" else None))


def check_unrecorded(name: str) -> None:
    """RuntimeError where a step is recorded, which would draw the same numbers in each replay."""
    if Config.tape is not None:
        told = (
            "can't record what a generator given as rng draws: leave it out, for nn.Config.rng, or draw before the step"
        )
        raise mistake(name, told, kind=RuntimeError)


def _mask(rng: Any, shape: tuple[int, ...], ratio: float) -> Any:
    """0 for a share of the numbers, drawn, and for the others what makes up for it."""
    return (rng.uniform(size=shape) >= ratio) * (1.0 / (1.0 - ratio))


@operation
def _dropout_mask(xp: Any, x: Array, *, ratio: float) -> Array:
    """A mask in the shape and type of x, drawn from `Config.rng`: an operation, so that it can be recorded."""
    return xp.asarray(_mask(Config.rng, x.shape, ratio), dtype=x.dtype if kind_of(x) == "f" else None)


_dropout_mask.rules = (None,)


# --- normalisation ---------------------------------------------------------------------------------------------------


def _mean(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    total = _sum.forward(xp, x, axis=axes, keepdims=True)
    return total / (x.size // total.size if x.size else 1)


def _normalised(xp: Any, x: Array, gamma: Array, beta: Array, axes: tuple[int, ...], eps: float) -> Any:
    """gamma * h + beta, where h is x with mean 0 and variance 1 over some axes; and what the gradients need of it."""
    away = x - _mean(xp, x, axes)
    inverse = 1.0 / xp.sqrt(_mean(xp, away * away, axes) + eps)
    h = away * inverse
    return gamma * h + beta, (h, inverse)


@operation
def _batch_norm(xp: Any, x: Array, gamma: Array, beta: Array, *, axes: tuple[int, ...], eps: float) -> Any:
    return _normalised(xp, x, gamma, beta, axes, eps)


@operation
def _layer_norm(xp: Any, x: Array, gamma: Array, beta: Array, *, axes: tuple[int, ...], eps: float) -> Any:
    return _normalised(xp, x, gamma, beta, axes, eps)


def _batch_norm_gradient(
    gradients: Sequence[Any], outputs: Any, saved: Any, x: Array, gamma: Array, beta: Array, axes: Any, eps: float
) -> list[Any]:
    """gamma is the same along `axes`, so that the sums for gamma and beta do for x as well."""
    g, (h, inverse) = gradients[0], saved
    xp = namespace(h)
    by_gamma = _sum.forward(xp, g * h, axis=axes, keepdims=True)
    by_beta = _sum.forward(xp, g, axis=axes, keepdims=True)
    count = x.size // by_beta.size if x.size else 1
    gx = (g - (by_beta + h * by_gamma) / count) * (gamma * inverse)
    return [gx, xp.reshape(by_gamma, gamma.shape), xp.reshape(by_beta, beta.shape)]


def _layer_norm_gradient(
    gradients: Sequence[Any], outputs: Any, saved: Any, x: Array, gamma: Array, beta: Array, axes: Any, eps: float
) -> list[Any]:
    g, (h, inverse) = gradients[0], saved
    xp = namespace(h)
    gh = g * gamma
    gx = (gh - _mean(xp, gh, axes) - h * _mean(xp, gh * h, axes)) * inverse
    return [sum_to(gx, x.shape), sum_to(g * h, gamma.shape), sum_to(g, beta.shape)]


def _normalised_reference(x: Any, gamma: Any, beta: Any, axes: tuple[int, ...], eps: float) -> Any:
    away = x - mean(x, axes, True)
    return gamma * (away / sqrt(mean(away * away, axes, True) + eps)) + beta


_batch_norm.fused = Fused(_batch_norm_gradient, _normalised_reference)
_layer_norm.fused = Fused(_layer_norm_gradient, _normalised_reference)


@function(REAL)
def batch_norm(x: Any, gamma: Any, beta: Any, mean: Any = None, var: Any = None, eps: float = 2e-5) -> Any:
    """gamma * (x - mean) / sqrt(var + eps) + beta for each feature of x (N, D), or each channel of x (N, C, H, W).

    gamma, beta, mean and var have the shape (D,) or (C,). Where mean and var are None they are those of the batch, the
    variance without a correction, and differentiated. ValueError for other shapes. (Ioffe & Szegedy, 2015.)
    """
    shape = shape_of("batch_norm", x)
    if len(shape) not in (2, 4):
        raise mistake("batch_norm", "expected x of shape (N, D) or (N, C, H, W)", x)
    if (mean is None) != (var is None):
        raise mistake("batch_norm", "expected both mean and var, or neither", x)
    _check_eps("batch_norm", eps)
    given = [gamma, beta] if mean is None else [gamma, beta, mean, var]
    for one in given:
        if shape_of("batch_norm", one) != shape[1:2]:
            raise mistake("batch_norm", f"expected one number per feature, arrays of shape {shape[1:2]}", x, *given)
    if len(shape) == 4:
        given = [reshape(one, (-1, 1, 1)) for one in given]
    if mean is None:
        return _batch_norm(x, *given, axes=(0, 2, 3) if len(shape) == 4 else (0,), eps=eps)
    gamma, beta, mean, var = given
    # functions, not Python's operators: of arrays these would be computed unseen by a tape
    return add(mul(sub(x, mean), div(gamma, sqrt(add(var, eps)))), beta)


@function(REAL)
def layer_norm(x: Any, gamma: Any, beta: Any, axis: int | tuple[int, ...] = -1, eps: float = 1e-5) -> Any:
    """gamma * h + beta, where h is x with mean 0 and variance 1 over an axis, or several.

    `eps` is added to the variance. gamma and beta have the shape of x along these axes; or they are one row per
    candidate, (P, D) for x (..., P, B, D), or for rows (B, D) that are the same for all.
    ValueError for other shapes. (Ba et al., 2016.)
    """
    shape = shape_of("layer_norm", x)
    _check_eps("layer_norm", eps)
    try:
        axes = tuple(sorted(places(axis, len(shape))))
    except ValueError as problem:
        raise mistake("layer_norm", problem, x) from None
    if not axes:
        raise mistake("layer_norm", "expected an axis to normalise over", x)
    wanted = tuple(shape[place] for place in axes)
    if (
        shape_of("layer_norm", gamma) != wanted
        or shape_of("layer_norm", beta) != wanted
        or wanted != shape[len(shape) - len(axes) :]
    ):
        if axes[0] == 1 and raw(gamma).ndim == raw(beta).ndim == len(wanted) + 1:  # rows that all candidates share
            x, axes = reshape(x, (1, *shape)), tuple(place + 1 for place in axes)
        gamma, beta = (_aligned(one, x, axes, wanted) for one in (gamma, beta))
    return _layer_norm(x, gamma, beta, axes=axes, eps=eps)


def _aligned(scale: Any, x: Any, axes: tuple[int, ...], wanted: tuple[int, ...]) -> Any:
    """A gamma or beta in a shape that stretches to that of x; an axis of candidates goes before that of the rows."""
    shape, own = raw(x).shape, raw(scale).shape
    stretched = [n if place in axes else 1 for place, n in enumerate(shape)]
    if own != wanted:
        candidates = axes[0] - 2
        count = shape[candidates] if candidates >= 0 else -1
        if own[1:] != wanted or count < 0 or (own[0] != count and 1 not in (own[0], count)):
            problem = (
                f"expected gamma and beta of shape {wanted}, that of x along axis {axes}, or one such per candidate"
            )
            raise mistake("layer_norm", problem, x, scale)
        stretched[candidates] = own[0]
    return reshape(scale, tuple(stretched))


def _check_eps(name: str, eps: float) -> None:
    if not 0.0 <= eps < math.inf:
        raise mistake(name, f"expected an eps of 0 or more, got {eps}")


# --- embeddings ------------------------------------------------------------------------------------------------------


@function(REAL)
def embed_id(x: Any, W: Any) -> Any:
    """The rows of W (V, D) at the integers x, of any shape: (..., D).

    TypeError for numbers that are no integers, IndexError for one that is not in 0 ... V - 1.
    """
    words = shape_of("embed_id", W)
    if len(words) != 2:
        raise mistake("embed_id", "expected W of shape (V, D), one row per word", W)
    x = x if hasattr(x, "shape") else np.asarray(x)
    check_numbers("embed_id", "words", x, words[0])
    return get_item(W, (x,))


def check_numbers(name: str, what: str, x: Any, count: int) -> None:
    """That x is integers from 0 to count - 1: TypeError, IndexError."""
    array = raw(x)
    if kind_of(array) not in "iu":
        raise mistake(name, f"expected the numbers of {what}, which are integers: give .astype(int)", x, kind=TypeError)
    if math.prod(array.shape):
        xp = namespace(array)
        low, high = (int(found.forward(xp, array, axis=None, keepdims=False)) for found in (_min, _max))
        if low < 0 or high >= count:
            problem = f"expected the numbers of {what} to be from 0 to {count - 1}, and they are from {low} to {high}"
            raise mistake(name, problem, x, kind=IndexError)


def kind_of(array: Array) -> str:
    """NumPy's letter for the type of an array's numbers: "f" for floats, "i" and "u" for integers, "b" for truth."""
    kind: str | None = getattr(array.dtype, "kind", None)
    return kind or np.dtype(str(array.dtype).rpartition(".")[2]).kind

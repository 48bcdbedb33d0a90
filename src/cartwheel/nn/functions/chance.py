"""Numbers drawn at random, from `rng`, NumPy's Generator or RandomState; from `Config.rng` where none is given.

A step that draws from `Config.rng` can be recorded (`nn.capture`), and draws the same as the eager one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config
from cartwheel.nn.function import REAL, UNIT, function, operation
from cartwheel.nn.functions.arithmetic import add, as_floats, mul, sub
from cartwheel.nn.functions.losses import within_unit
from cartwheel.nn.functions.regularisation import check_unrecorded, kind_of
from cartwheel.nn.functions.shape import shape_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- what is drawn ---------------------------------------------------------------------------------------------------


def _like(xp: Any, x0: Any, x1: Any, shape: tuple[int, ...], draw: Any) -> Array:
    """Numbers of a shape, in the type of x0 + x1."""
    drawn, dtype = xp.asarray(draw(size=shape)), xp.result_type(x0, x1)
    return xp.astype(drawn, dtype) if kind_of(xp.empty(0, dtype=dtype)) == "f" else drawn


def _classes(xp: Any, x: Array, rng: Any) -> Array:
    noisy = xp.astype(x, xp.float64) + xp.asarray(rng.gumbel(size=x.shape))
    return xp.argmax(xp.where(noisy == noisy, noisy, -math.inf), axis=-1)


def _ones(xp: Any, p: Array, rng: Any) -> Array:
    return xp.astype(xp.asarray(rng.uniform(size=p.shape)) < xp.astype(p, xp.float64), p.dtype)


# From `Config.rng` operations draw, so that it can be recorded. Nothing is differentiated by what a draw is made of.


@operation
def _standard_normal(xp: Any, x0: Array, x1: Array, *, shape: tuple[int, ...]) -> Array:
    return _like(xp, x0, x1, shape, Config.rng.standard_normal)


@operation
def _standard_uniform(xp: Any, x0: Array, x1: Array, *, shape: tuple[int, ...]) -> Array:
    return _like(xp, x0, x1, shape, Config.rng.uniform)


@operation
def _categorical(xp: Any, x: Array) -> Array:
    return _classes(xp, x, Config.rng)


@operation
def _bernoulli(xp: Any, p: Array) -> Array:
    return _ones(xp, p, Config.rng)


def _noise(name: str, operation: Any, method: str, x0: Any, x1: Any, rng: Any) -> Array:
    """Numbers in the shape and type of x0 + x1. ValueError where the two have no common shape."""
    x0, x1 = raw(x0), raw(x1)
    try:
        shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x in (x0, x1)))
    except ValueError:
        raise mistake(name, "expected two arrays whose shapes stretch to one", x0, x1) from None
    if rng is None:
        return operation(x0, x1, shape=shape)
    return _like(namespace(x0, x1), x0, x1, shape, getattr(_checked(name, rng), method))


def _checked(name: str, rng: Any) -> Any:
    if not hasattr(rng, "gumbel"):
        raise mistake(name, "expected NumPy's Generator as rng, as np.random.default_rng(0)", rng, kind=TypeError)
    check_unrecorded(name)
    return rng


# --- of continuous distributions -------------------------------------------------------------------------------------


@function(REAL)
def normal(mean: Any, std: Any, rng: Any = None) -> Any:
    """Numbers drawn from normal distributions: mean + std * e, of standard normal e, which count as constants.

    So both are differentiated (PyTorch's `rsample`). Their shapes are stretched to each other; ValueError where they
    can't be. `rng` is NumPy's Generator or RandomState; `Config.rng` if None is given.
    """
    return add(mean, mul(std, _noise("normal", _standard_normal, "standard_normal", mean, std, rng)))


@function(REAL)
def uniform(low: Any, high: Any, rng: Any = None) -> Any:
    """Numbers drawn from [low, high): low + (high - low) * u, of u from [0, 1), which count as constants.

    So both are differentiated. Rounding may reach `high`. Shapes and `rng` are as for `normal`.
    """
    share = _noise("uniform", _standard_uniform, "uniform", low, high, rng)
    return add(low, mul(sub(high, low), share))


# --- of choices ------------------------------------------------------------------------------------------------------


@function(REAL)
def categorical(logits: Any, rng: Any = None) -> Any:
    """A class for each row of logits (..., A): integers (...), drawn with the chances softmax(logits, axis=-1).

    The largest of logit + Gumbel noise is taken (Gumbel, 1954); a logit of -inf or NaN never, unless there is no other:
    then class 0. There is no gradient. `rng` is as for `normal`. ValueError for logits without a last axis, or of no
    class.
    """
    shape = shape_of("categorical", logits)
    if not shape or not shape[-1]:
        raise mistake("categorical", "expected logits (..., A), a row of at least one class for each draw", logits)
    x = raw(as_floats(logits))
    return _categorical(x) if rng is None else _classes(namespace(x), x, _checked("categorical", rng))


@function(UNIT)
def bernoulli(p: Any, rng: Any = None) -> Any:
    """1 at the chance p, else 0, for each number of p, in its shape and type, as PyTorch's. There is no gradient.

    `rng` is as for `normal`. ValueError for chances outside of [0, 1]; of logits they are F.sigmoid(logits).
    """
    if not within_unit(p):
        raise mistake("bernoulli", "expected chances from 0 to 1; of logits they are F.sigmoid(logits)", p)
    chances = raw(as_floats(p))
    return _bernoulli(chances) if rng is None else _ones(namespace(chances), chances, _checked("bernoulli", rng))

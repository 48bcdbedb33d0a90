"""Initialisers: their distributions by the formulas of the papers, types, and both kinds of NumPy's generators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import initialisers as I

DENSE, KERNELS = (300, 200), (40, 30, 5, 4)
FANS = {DENSE: (300, 200), KERNELS: (30 * 20, 40 * 20)}
ALL = [I.lecun, I.glorot, I.he, I.orthogonal, I.normal, I.zeros]


def test_fans_by_hand() -> None:
    assert I.fans((4, 3)) == (4, 3)
    assert I.fans((8, 2, 3, 5)) == (30, 120)
    with pytest.raises(ValueError, match=r"expected the shape of a weight.*got \(3,\)"):
        I.fans((3,))


@pytest.mark.parametrize("shape", FANS)
def test_spread(shape: tuple[int, ...]) -> None:
    """Standard deviations of n numbers, to five of their own standard errors, 1 / sqrt(2 n)."""
    inputs, outputs = FANS[shape]
    near = 5 / math.sqrt(2 * math.prod(shape))
    for init, expected in (
        (I.lecun, math.sqrt(1 / inputs)),
        (I.he, math.sqrt(2 / inputs)),
        (I.glorot, math.sqrt(2 / (inputs + outputs))),
        (I.normal, 1.0),
    ):
        w = init(np.random.default_rng(0), shape, np.float64)
        assert abs(w.std() / expected - 1) < near, init
        assert abs(w.mean()) < 5 * expected / math.sqrt(w.size), init


def test_glorot_is_uniform_within_its_bound_and_the_others_are_normal() -> None:
    rng = np.random.default_rng(0)
    bound = math.sqrt(6 / 500)
    w = I.glorot(rng, DENSE, np.float64)
    assert bound * 0.999 < np.abs(w).max() <= bound
    for init in (I.lecun, I.he, I.normal):
        w = init(rng, DENSE, np.float64)
        assert abs((np.abs(w) < w.std()).mean() - 0.6827) < 0.01  # 0.577 for the uniform


def test_normal_takes_a_scale() -> None:
    w = I.normal(np.random.default_rng(0), (1000,), np.float64, scale=0.1)
    np.testing.assert_allclose(w, np.random.default_rng(0).standard_normal(1000) * 0.1)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 1), (1, 1)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = I.orthogonal(np.random.default_rng(0), shape, np.float64, gain=2.0).reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(min(w.shape)), atol=1e-12)


def test_orthogonal_is_uniform() -> None:
    """Without the correction of signs, LAPACK's QR makes the first number negative always."""
    rng = np.random.default_rng(0)
    firsts = [I.orthogonal(rng, (2, 2), np.float64)[0, 0] for _ in range(400)]
    assert abs(np.mean(np.array(firsts) > 0) - 0.5) < 0.125  # five standard errors
    assert abs(np.mean(np.square(firsts)) - 0.5) < 0.1


@pytest.mark.parametrize("init", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_and_shapes(init: Any, dtype: Any) -> None:
    for shape in FANS:
        w = init(np.random.default_rng(0), shape, dtype)
        assert (w.dtype, w.shape) == (dtype, shape)
        assert w.flags.c_contiguous


@pytest.mark.parametrize("init", ALL)
@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_the_generator_is_the_argument(init: Any, kind: Any) -> None:
    first, again, other = (init(kind(seed), (4, 3), np.float64) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (init is I.zeros)


def test_zeros() -> None:
    assert I.zeros(None, (2, 3)).tolist() == [[0] * 3] * 2

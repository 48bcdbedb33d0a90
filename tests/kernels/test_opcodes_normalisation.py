"""The opcodes of normalisation against `nn.functions` and the layers, computed in float64."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, apart, bits, holds, row_of, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, normalisation
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.variable import raw

SHAPES = ((1, 1), (1, 5), (5, 1), (4, 3), (33, 17), (7, 64), (3, 200), (0, 4), (4, 0))
EPS = 1e-3


def numbers(shape: tuple[int, int], dtype: str) -> tuple[Any, Any, Any, Any]:
    """x, its gradient's start, gamma and beta."""
    rng = np.random.default_rng(shape)
    x = rng.normal(2.0, 3.0, shape)
    return tuple(a.astype(dtype) for a in (x, rng.normal(size=shape), *rng.normal(size=(2, shape[1]))))


def expected(function: Any, x: Any, g: Any, gamma: Any, beta: Any) -> list[Any]:
    """y and the gradients by x, gamma and beta, in float64."""
    given = [Variable(a.astype(np.float64)) for a in (x, gamma, beta)]
    y = function(*given, eps=EPS)
    y.grad = Variable(g.astype(np.float64))
    y.backward()
    return [y.data, *(raw(v.grad) for v in given)]


def got(name: str, x: Any, g: Any, gamma: Any, beta: Any, dtype: str, groups: int = 1) -> list[Any]:
    """The same from the opcodes."""
    memory, (rows, columns) = Memory(dtype), x.shape
    words = (rows, columns, groups, bits(EPS))
    of_x, of_g, of_gamma, of_beta = (memory.put(a) for a in (x, g, gamma, beta))
    y, h, gx, scratch = (memory.room(*x.shape) for _ in range(4))
    by_gamma, by_beta = (memory.room(*gamma.shape) for _ in range(2))
    inverse, mean, variance = memory.room(rows + columns), memory.room(columns), memory.room(columns)
    more: tuple[int, ...] = (mean, variance) if name == "batch_norm" else ()
    memory.run(name, *words, of_x, of_gamma, of_beta, y, h, inverse, *more)
    more = () if name == "batch_norm" else (scratch,)
    memory.run(f"{name}_gradient", *words, of_g, of_gamma, h, inverse, gx, by_gamma, by_beta, *more)
    made = ((y, x), (gx, x), (by_gamma, gamma), (by_beta, beta))
    return [memory.get(at, *like.shape).copy() for at, like in made]


def check(name: str, shape: tuple[int, int], dtype: str) -> tuple[float, float]:
    """The worst errors of the opcode and of its gradient, in units of eps times what is added up."""
    x, g, gamma, beta = numbers(shape, dtype)
    axis = 0 if name == "batch_norm" else 1
    found, wanted = got(name, x, g, gamma, beta, dtype), expected(getattr(F, name), x, g, gamma, beta)
    if not x.size:
        return 0.0, max(apart(one, other, 1.0) for one, other in zip(found[2:], wanted[2:], strict=True))
    inverse = 1 / np.sqrt(x.astype(np.float64).var(axis=axis, keepdims=True) + EPS)
    near = 1 + inverse * np.abs(x).max()  # x less its mean loses what both have in common
    back = inverse * np.abs(gamma).max() * np.abs(g).max() * near**2
    scales = [near * np.abs(gamma).max() + 1, back, shape[0] * near.max() * np.abs(g).max(), shape[0] * np.abs(g).max()]
    forward, *backward = (apart(one, other, scale) for one, other, scale in zip(found, wanted, scales, strict=True))
    return forward, max(backward)


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    f"{name}{ending}": lambda dtype, name=name, which=which: max(check(name, shape, dtype)[which] for shape in SHAPES)
    for name in ("layer_norm", "batch_norm")
    for which, ending in enumerate(("", "_gradient"))
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_candidates_have_their_own_gamma_and_beta(dtype: str) -> None:
    """Three candidates' rows at once equal each candidate's alone."""
    x, g, _, _ = numbers((12, 5), dtype)
    gamma, beta = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(dtype)
    together = got("layer_norm", x, g, gamma, beta, dtype, groups=3)
    for k in range(3):
        rows = slice(4 * k, 4 * k + 4)
        alone = got("layer_norm", x[rows], g[rows], gamma[k], beta[k], dtype)
        for one, other in zip(together, alone, strict=True):
            assert (one[rows] if len(one) == 12 else one[k]).tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalisation_has_a_known_answer(dtype: str) -> None:
    """1, 3 have the mean 2 and the variance 1."""
    x, one, two = np.array([[1.0, 3.0]]), np.array([1.0, 2.0]), np.array([10.0, 20.0])
    y, *_ = got("layer_norm", x, x, one, two, dtype)
    np.testing.assert_allclose(y, [[10 - (1 + EPS) ** -0.5, 20 + 2 * (1 + EPS) ** -0.5]], rtol=1e-6)
    y, *_ = got("batch_norm", x.T.copy(), x.T.copy(), one[:1], two[:1], dtype)
    np.testing.assert_allclose(y, [[10 - (1 + EPS) ** -0.5], [10 + (1 + EPS) ** -0.5]], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_spoils_its_own_row_or_column_alone(dtype: str) -> None:
    x, g, gamma, beta = numbers((4, 3), dtype)
    x[1, 2] = np.nan
    bad = np.isnan(got("layer_norm", x, g, gamma, beta, dtype)[0])
    assert (bad == (np.arange(4) == 1)[:, None]).all()
    bad = np.isnan(got("batch_norm", x, g, gamma, beta, dtype)[0])
    assert (bad == (np.arange(3) == 2)).all()


def test_forms_refuse_nonsense() -> None:
    mine = [one for one in OPCODES.values() if one.form.__module__ == normalisation.__name__]
    assert len(mine) == 4
    for opcode in mine:
        good = (6, 5, 3, bits(EPS), *range(1000, 9000, 1000))
        assert len(list(opcode.form(row_of(opcode.name, *good)))) >= 4
        for word, value in ((1, -1), (2, -1), (3, 0), (3, 4), (3, -1), (3, 7)):
            row = row_of(opcode.name, *good)
            row[word] = value
            with pytest.raises(ValueError, match=NONSENSE):
                list(opcode.form(row))


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name in ("layer_norm", "batch_norm"):
            for ending, error in zip(("", "_gradient"), check(name, (3, 20), dtype), strict=True):
                holds(f"{name}{ending}", error)


def test_normalisation_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_normalisation", "reduced()")

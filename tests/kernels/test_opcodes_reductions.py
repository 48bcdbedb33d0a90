"""The opcodes of reductions against `nn.functions`, computed with more digits."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, Memory, apart, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, reductions
from cartwheel.nn import functions as F
from cartwheel.nn.functions.reductions import _centred

SHAPES = [
    (1, 1, 1), (1, 2, 1), (3, 1, 4), (2, 5, 1), (4, 7, 3), (1, 64, 2), (1, 64, 64), (2, 17, 129), (1, 200, 1),
    (3, 133, 1), (1, 4097, 1), (64, 4, 1), (2, 3, 63), (0, 3, 2), (2, 3, 0),
]  # fmt: skip
EMPTY = [(2, 0, 3), (4, 0, 1), (0, 0, 0)]
EXTREMES = ("max", "min")


def numbers_like(dtype: str, *shape: int, offset: float = 0.0) -> Any:
    return (np.random.default_rng(shape).normal(size=shape) + offset).astype(dtype)


def reduced(name: str, x: Any, ddof: int = 0) -> Any:
    """What the opcode gives for x (outer, reduced, inner) over its middle axis."""
    outer, middle, inner = x.shape
    memory = Memory(x.dtype.name)
    shape = x.shape if name in ("centred", "cumsum") else (outer, inner)
    of_x, y = memory.put(x), memory.room(*shape)
    memory.run(name, *x.shape, of_x, y, memory.room(reductions.spare(name, middle, inner)), ddof)
    return memory.get(y, *shape)


def wide(x: Any) -> Any:
    return np.asarray(x, np.longdouble)


def expected(name: str, x: Any, ddof: int = 0) -> Any:
    if name == "centred":
        return _centred(wide(x), axis=1)
    if name in ("var", "std"):
        return getattr(F, name)(wide(x), axis=1, ddof=ddof).data
    return getattr(F, name)(wide(x), axis=1).data


def scale(name: str, x: Any, y: Any, ddof: int) -> Any:
    """What an error is to be compared with: the sizes of what is added up, or of the result."""
    total = np.abs(wide(x)).sum(axis=1)
    if name in ("sum", "cumsum", "mean", "centred"):
        size = total if name in ("sum", "cumsum") else total / max(x.shape[1], 1)
        return size[:, None] + np.zeros(x.shape) if name in ("cumsum", "centred") else size
    if name in ("var", "std"):
        spread = np.abs(wide(x) - wide(x)[:, :1]).max(axis=1) ** 2 / max(1, x.shape[1] - ddof)
        return np.abs(y) + (spread if name == "var" else spread / np.maximum(y, np.sqrt(spread) + 1e-300))
    return np.abs(y) + (1 if name == "logsumexp" else 0)


def check(name: str, shapes: Any, dtype: str, ddof: int = 0) -> float:
    """The worst error of an opcode, in units of eps * the lengths that are added up."""
    worst = 0.0
    for shape in shapes:
        x = numbers_like(dtype, *shape)
        y = expected(name, x, ddof)
        worst = max(worst, apart(reduced(name, x, ddof), y, scale(name, x, y, ddof)) / max(shape[1], 1))
    return worst


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "cumsum", "centred", "var", "std", "norm", "logsumexp"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_numbers(name: str, dtype: str) -> None:
    for shape in EMPTY:
        x = np.zeros(shape, dtype)
        np.testing.assert_array_equal(reduced(name, x), expected(name, x).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["var", "std"])
def test_a_lessened_count(name: str, dtype: str) -> None:
    holds(name, check(name, [(1, 2, 1), (4, 7, 3), (2, 17, 5)], dtype, ddof=1))


def check_extremes(name: str, shapes: Any, dtype: str) -> float:
    worst = []
    for shape in shapes:
        x = numbers_like(dtype, *shape)
        worst.append(unlike(reduced(name, x), getattr(np, name)(x, axis=1)))
        if x.size > 3:
            x.ravel()[x.size // 2] = np.nan
            x.ravel()[:2] = np.inf, -np.inf
            worst.append(unlike(reduced(name, x), getattr(np, name)(x, axis=1)))
    return max(worst)


def place_of_largest(x: Any) -> Any:
    """What the opcode gives for x (outer, reduced, inner) over its middle axis."""
    memory, (outer, _, inner) = Memory(x.dtype.name), x.shape
    y = memory.put_integers(np.full(outer * inner, 77))
    memory.run("argmax", *x.shape, memory.put(x), y, 0, 0)
    return memory.integers[y : y + outer * inner].reshape(outer, inner).copy()


def check_places(shapes: Any, dtype: str) -> float:
    worst = []
    for shape in shapes:
        x = numbers_like(dtype, *shape).round(1)  # with equals among them
        worst.append(unlike(place_of_largest(x), np.argmax(x, axis=1)))
        if x.size > 3:
            x.ravel()[x.size // 2 :: 7] = np.nan
            x.ravel()[:2] = np.inf, -np.inf
            worst.append(unlike(place_of_largest(x), np.argmax(x, axis=1)))
    return max(worst)


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("inner", [1, 2])
def test_a_nan_is_found_wherever_it_is(name: str, inner: int) -> None:
    for place in range(0, 150, 7):
        x = numbers_like("float32", 1, 150, inner)
        x[0, place, 0] = np.nan
        assert np.isnan(reduced(name, x)[0, 0])


def check_cumulative(shapes: Any, dtype: str) -> float:
    worst = []
    for shape in shapes:
        x = numbers_like(dtype, *shape)
        x[x > 1.5] = -0.0
        worst.append(unlike(reduced("cumsum", x), np.cumsum(x, axis=1)))
    return max(worst)


SUMS = ("sum", "mean", "centred", "var", "std", "norm", "prod", "logsumexp")

#: The worst error of each opcode, in a type, over some shapes.
CHECKS: dict[str, Any] = {
    **{name: partial(check, name) for name in SUMS},
    **{name: partial(check_extremes, name) for name in EXTREMES},
    "cumsum": check_cumulative,
    "argmax": check_places,
}
AGREEMENT = {name: partial(one, SHAPES) for name, one in CHECKS.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_are_added_in_order(dtype: str) -> None:
    for columns in (2, 3, 31, 64, 127, 200):
        x = numbers_like(dtype, 1, 50, columns)
        total = np.zeros(columns, dtype)
        for row in x[0]:
            total += row
        assert reduced("sum", x).tobytes() == total.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_numbers_have_no_spread(dtype: str) -> None:
    for shape in ((2, 37, 1), (2, 37, 5)):
        x = np.full(shape, 0.1, dtype)
        for name in ("var", "std", "centred"):
            assert (reduced(name, x) == 0).all()
        np.testing.assert_allclose(reduced("mean", x), np.full((2, shape[2]), 0.1), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_spreads_of_numbers_far_from_zero(dtype: str) -> None:
    x = numbers_like(dtype, 3, 100, 4, offset=1000.0)
    np.testing.assert_allclose(reduced("var", x), wide(x).var(axis=1).astype(float), rtol=2e-5)
    np.testing.assert_allclose(
        reduced("centred", x), (wide(x) - wide(x).mean(axis=1, keepdims=True)).astype(float), atol=1e-4
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "norm", "prod", "logsumexp", "centred", "cumsum"])
def test_extreme_numbers_are_as_numpy_has_them(name: str, dtype: str) -> None:
    inf, nan, most, least = np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    rows = [[inf, 1, 2], [-inf, 0, 1], [inf, -inf, 0], [nan, 1, 2], [1, 2, nan], [-inf, -inf, -inf], [least, 0, -0.0]]
    rows += [[most, most, 0]] if name in ("sum", "prod", "cumsum", "logsumexp") else []
    x = np.array(rows, dtype)
    with np.errstate(all="ignore"):
        kind = {"ddof": 0} if name in ("var", "std") else {}
        want = _centred(x, axis=1) if name == "centred" else getattr(F, name)(x, axis=1, **kind).data
    for got in (reduced(name, x[:, :, None]), reduced(name, np.ascontiguousarray(x.T)[None]).swapaxes(-1, -2)):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-6)


def test_nonsense_is_rejected() -> None:
    rows = [(name, (-1, 2, 3)) for name in OPCODES if OPCODES[name].function.__module__ == reductions.__name__]
    assert len(rows) == 12
    rows += [(name, shape) for name, _ in rows for shape in ((2, -1, 3), (2, 2, -3))]
    rows += [(name, (2, 0, 3)) for name in EXTREMES]
    for name, shape in rows:
        with pytest.raises(ValueError, match=r"below 0|no numbers"):
            list(OPCODES[name].form(row_of(name, *shape)))
    for ddof in (-1, 3, 4):
        with pytest.raises(ValueError, match="too few"):
            list(OPCODES["var"].form(row_of("var", 2, 3, 1, 0, 0, 0, ddof)))


def with_less() -> None:
    """What the plain code is held to."""
    shapes = [(2, 0, 3), (1, 2, 1), (2, 5, 1), (4, 7, 3), (1, 200, 1), (2, 17, 66)]
    for name, one in CHECKS.items():
        for dtype in DTYPES:
            holds(name, one(shapes[1:], dtype))
        if name not in (*EXTREMES, "argmax"):
            reduced(name, np.zeros(shapes[0], np.float32))


def test_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_reductions", "with_less()")

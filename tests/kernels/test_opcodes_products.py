"""The opcodes of matrix products, against sums in order of k, to the bit, and against NumPy's products."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, Memory, apart, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, products

SMALL = [
    (0, 3, 2), (2, 0, 3), (3, 2, 0), (1, 1, 1), (1, 4, 16), (1, 16, 2), (3, 5, 7), (8, 8, 8), (9, 3, 33), (15, 4, 16),
    (12, 9, 20), (11, 2, 63), (64, 10, 2), (5, 6, 1), (17, 1, 40), (2, 17, 9),
]  # fmt: skip
LARGE = [(64, 64, 64), (4, 64, 64), (64, 64, 2), (64, 4, 64), (33, 130, 70), (2, 1000, 3), (200, 8, 1)]
LAYOUTS = [(False, False), (True, False), (False, True), (True, True)]


def numbers_like(dtype: str, *shape: int) -> Any:
    return np.random.default_rng(shape).normal(size=shape).astype(dtype)


def in_order(x: Any, W: Any, b: Any = None) -> Any:
    """x (.., M, K) by W (.., K, N), + b (.., N): added up in order of k, each product and each sum rounded."""
    lead = np.broadcast_shapes(x.shape[:-2], W.shape[:-2])
    y = np.zeros((*lead, x.shape[-2], W.shape[-1]), x.dtype)
    for k in range(x.shape[-1]):
        y += x[..., :, k, None] * W[..., None, k, :]
    return y if b is None else y + b[..., None, :]


def strides(array: Any) -> list[int]:
    """Strides in numbers, along two batch axes and the array's own two; 0 along an axis that it has not."""
    found = [step // array.itemsize for step in array.strides]
    return [0] * (4 - len(found)) + found


def placed(memory: Memory, array: Any) -> int:
    """The offset of an array whose base is contiguous and begins where it does."""
    return memory.put(array if array.base is None else array.base)


def words(memory: Memory, x: Any, W: Any, b: Any = None, lead: tuple[int, ...] = ()) -> list[int]:
    """A row's words; all but its last two operands are placed in memory, filled with NaN."""
    batch = (1, 1, *lead)[-2:]
    (M, K), N = x.shape[-2:], W.shape[-1]
    row = [*batch, M, K, N, placed(memory, x), *strides(x), placed(memory, W), *strides(W)]
    row += [memory.room(*batch, M, N), memory.room(M * N + K * N), int(b is not None)]
    if b is not None:
        row += [memory.put(b), *strides(b[..., None, :])[:2]]
    return row


def product(dtype: str, x: Any, W: Any, b: Any = None, lead: tuple[int, ...] = (), name: str = "matmul") -> Any:
    memory = Memory(dtype, 1 << 18)
    row = words(memory, x, W, b, lead)
    memory.run(name, *row)
    return memory.get(row[15], *lead, x.shape[-2], W.shape[-1])


def laid(dtype: str, rows: int, columns: int, transposed: bool) -> Any:
    """A matrix, contiguous or the transpose of what is."""
    return numbers_like(dtype, columns, rows).T if transposed else numbers_like(dtype, rows, columns)


def check_exact(shapes: Any, dtype: str) -> float:
    """How far products are from sums in order of k."""
    worst = []
    for M, K, N in shapes:
        for first, second in LAYOUTS:
            x, W, b = laid(dtype, M, K, first), laid(dtype, K, N, second), numbers_like(dtype, N)
            worst += [unlike(product(dtype, x, W), in_order(x, W)), unlike(product(dtype, x, W, b), in_order(x, W, b))]
    return max(worst)


def check_batches() -> None:
    for dtype in DTYPES:
        x, W, b = numbers_like(dtype, 5, 3, 4), numbers_like(dtype, 5, 4, 18), numbers_like(dtype, 5, 18)
        assert product(dtype, x, W, b, (5,)).tobytes() == in_order(x, W, b).tobytes()
        rows = numbers_like(dtype, 3, 4)  # the same for all of the population
        assert product(dtype, rows, W, b, (5,)).tobytes() == in_order(rows, W, b).tobytes()
        turned = np.swapaxes(numbers_like(dtype, 5, 18, 4), -1, -2)
        assert product(dtype, x, turned, b, (5,)).tobytes() == in_order(x, turned, b).tobytes()
        few = np.swapaxes(numbers_like(dtype, 5, 4, 9), -1, -2), numbers_like(dtype, 5, 4, 2)
        assert product(dtype, *few, lead=(5,)).tobytes() == in_order(*few).tobytes()
        pairs = numbers_like(dtype, 2, 3, 7, 4), numbers_like(dtype, 3, 4, 5)
        assert product(dtype, *pairs, lead=(2, 3)).tobytes() == in_order(*pairs).tobytes()
        assert product(dtype, *(np.zeros((0, 3, 4), dtype), W[:1]), lead=(0,)).shape == (0, 3, 18)


def test_batches_of_matrices() -> None:
    check_batches()


@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_matrices_need_no_copy(dtype: str) -> None:
    x, W = numbers_like(dtype, 20, 30)[::2, :12:3], numbers_like(dtype, 8, 40)[::2, :33]
    memory = Memory(dtype)
    of_x, of_W = memory.put(x.base), memory.put(W.base)
    for sliced, row_step, step in ((W, 80, 1), (W[:, ::2], 80, 2), (W[::-1], -80, 1)):
        first = of_W + (240 if row_step < 0 else 0)
        N = sliced.shape[1]
        y, spare = memory.room(10 * N), memory.room(4 * N)
        memory.run("matmul", 1, 1, 10, 4, N, of_x, 0, 0, 60, 3, first, 0, 0, row_step, step, y, spare, 0)
        assert memory.get(y, 10, N).tobytes() == in_order(x, sliced).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_is_the_same_whatever_shares_its_batch(dtype: str) -> None:
    for d, o in ((4, 64), (64, 2), (64, 1), (7, 23)):
        x, W, b = numbers_like(dtype, 21, d), numbers_like(dtype, d, o), numbers_like(dtype, o)
        all_rows = product(dtype, x, W, b)
        for count in (1, 2, 3, 4, 5, 7, 8, 9, 13, 20):
            assert product(dtype, x[:count].copy(), W, b).tobytes() == all_rows[:count].tobytes()


def check_by_length(name: str, dtype: str) -> float:
    """The worst error of products in units of eps, their length and the sizes of what is added up."""
    worst = []
    for M, K, N in SMALL + LARGE:
        for first, second in LAYOUTS:
            x, W, b = laid(dtype, M, K, first), laid(dtype, K, N, second), numbers_like(dtype, N)
            if K == 1 or 0 in (M, K, N):  # NumPy calls any strides contiguous where there is nothing to step over
                x, W = np.ascontiguousarray(x), np.ascontiguousarray(W)
            got = product(dtype, x, W, b, name=name)
            wide = [np.asarray(one, np.longdouble) for one in (x, W, b)]
            size = np.abs(wide[0]) @ np.abs(wide[1]) + np.abs(wide[2])
            worst.append(apart(got, wide[0] @ wide[1] + wide[2], size) / (K + 1))
    return max(worst)


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    "matmul": partial(check_exact, SMALL + LARGE),
    "matmul_blas": partial(check_by_length, "matmul_blas"),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_in_order_err_by_their_length_too(dtype: str) -> None:
    assert check_by_length("matmul", dtype) <= OPCODES["matmul_blas"].level.most


@pytest.mark.parametrize("name", ["matmul", "matmul_blas"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_nan_and_very_small_numbers(name: str, dtype: str) -> None:
    most, least = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    x = np.array([[np.inf, 1, 0], [np.nan, 1, 2], [most, 0, most], [least, 0, 0], [-np.inf, np.inf, 1]], dtype)
    W = np.array([[1, 2, -1], [1, -2, 1], [3, 0, 1]], dtype)
    with np.errstate(all="ignore"):
        expected = in_order(x, W)
    np.testing.assert_array_equal(product(dtype, x, W, name=name), expected)
    assert product(dtype, x, W)[3, 0] == least


@pytest.mark.parametrize("dtype", DTYPES)
def test_blas_by_batches_without_bias(dtype: str) -> None:
    x, W = numbers_like(dtype, 5, 9, 4), numbers_like(dtype, 5, 4, 18)
    np.testing.assert_allclose(product(dtype, x, W, lead=(5,), name="matmul_blas"), x @ W, rtol=1e-4, atol=1e-5)


def rejected(name: str, row: list[int], **changes: int) -> None:
    changed = [changes.get(f"word{word}", old) for word, old in enumerate(row, start=1)]
    with pytest.raises(ValueError, match=r"sense|over|BLAS|below"):
        list(OPCODES[name].form(row_of(name, *changed)))


def test_nonsense_is_rejected() -> None:
    memory = Memory("float32")
    x, W, b = numbers_like("float32", 9, 4), numbers_like("float32", 4, 3), numbers_like("float32", 3)
    for name in ("matmul", "matmul_blas"):
        row = words(memory, x, W, b)
        list(OPCODES[name].form(row_of(name, *row)))
        for word in range(1, 6):
            rejected(name, row, **{f"word{word}": -1})
        rejected(name, row, word18=2)
        rejected(name, row, word16=row[5] + 35)  # C on the last number of A
        rejected(name, row, word16=row[10] - 26)  # and on the first of B
        rejected(name, row, word16=row[18] + 2)
    rejected("matmul_blas", row, word10=2)
    rejected("matmul_blas", row, word14=7)
    row = words(memory, x, W.T.copy().T)
    rejected("matmul", row, word17=row[15])  # the numbers to work in within C


def test_what_a_row_touches() -> None:
    x, W = numbers_like("float32", 9, 4), numbers_like("float32", 3, 4).T
    row = words(Memory("float32"), x, W, numbers_like("float32", 3))
    spans = {(span.first, span.last, span.written) for span in OPCODES["matmul"].form(row_of("matmul", *row))}
    expected = {(row[5], row[5] + 36, False), (row[10], row[10] + 12, False), (row[18], row[18] + 3, False)}
    assert spans == expected | {(row[15], row[15] + 27, True), (row[16], row[16] + 12, True)}


def test_large_products_go_to_blas_if_they_can() -> None:
    large = row_of("matmul", 1, 1, 4096, 4096, 4096, 0, 0, 0, 4096, 1, 0, 0, 0, 1, 4096)
    assert products.prefers_blas(large)
    large[9] = 5000
    assert not products.prefers_blas(large)
    assert not products.prefers_blas(row_of("matmul", 1, 1, 64, 64, 64, 0, 0, 0, 64, 1, 0, 0, 0, 64, 1))


def with_less() -> None:
    """What the plain code is held to."""
    for dtype in DTYPES:
        holds("matmul", check_exact([shape for shape in SMALL if max(shape) < 40], dtype))
    check_batches()
    x, W = numbers_like("float32", 5, 3), numbers_like("float32", 3, 2)
    np.testing.assert_allclose(product("float32", x, W, name="matmul_blas"), x @ W, rtol=1e-5)


def test_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_products", "with_less()")

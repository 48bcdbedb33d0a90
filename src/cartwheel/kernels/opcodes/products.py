"""Products of matrices: sums in order of k, or what BLAS makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.forms import LONGEST, check_walk, stretch, strided
from cartwheel.kernels.opcodes.registry import EXACT, Span, opcode, per_term
from cartwheel.kernels.opcodes.tiles import ROWS, SIDE, WIDE, tile, turn, widest

# A row: words 1 and 2 the lengths of two batch axes, 3 to 5 M, K and N; the offset of A (.., M, K) and its 4 strides;
# that of B (.., K, N) and its 4; that of C (.., M, N), contiguous; that of as many numbers as `spare` says, to work
# in; then 1 if a bias is added, its offset, and its strides along the batch axes: (.., N), contiguous along the last.
BATCH, M_, K_, N_, A, B, C, SPARE, BIASED, BIAS = 1, 3, 4, 5, 6, 11, 16, 17, 18, 19

#: So many products, M K N, BLAS does faster. Where registers are narrow it multiplies and adds in one instruction.
_BLAS = 2**30 if WIDE else 2**21


def _turns(row: Any) -> bool:
    """Whether a row computes the transpose of C: where A is a transpose, and C a few columns."""
    return row[A + 3] == 1 and row[N_] < SIDE <= row[M_] and row[BIASED] == 0  # type: ignore[no-any-return]


def _packs(row: Any) -> bool:
    """Whether each B of a row is packed: where the numbers of its rows lie apart."""
    return row[B + 4] != 1 and row[N_] > 1  # type: ignore[no-any-return]


_turned, _packed = compiled()(_turns), compiled()(_packs)


def spare(row: Any) -> int:
    """How many numbers `matmul` needs to work in: 0 for most rows."""
    M, K, N = row[M_ : N_ + 1].tolist()
    return M * N if _turns(row) else K * N if _packs(row) else 0


def fits_blas(row: Any) -> bool:
    """Whether a row can be one for BLAS: each A and each B contiguous, or the transpose of what is contiguous."""
    M, K, N = row[M_ : N_ + 1].tolist()
    return 0 in (M, K, N) or (_whole(M, K, row[A + 3 : A + 5]) and _whole(K, N, row[B + 3 : B + 5]))


def _whole(rows: int, columns: int, strides: Any) -> bool:
    """Whether numbers lie row by row, or column by column. What is 1 long has any stride."""
    down, across = (stride if length > 1 else None for length, stride in zip((rows, columns), strides, strict=True))
    return (down in (None, columns) and across in (None, 1)) or (down in (None, 1) and across in (None, rows))


def prefers_blas(row: Any) -> bool:
    """Whether BLAS is faster for a row, and can do it. Its sums may differ from one length of a batch to another."""
    return fits_blas(row) and int(row[M_ : N_ + 1].prod()) >= _BLAS


def _spans(row: Any) -> Iterator[Span]:
    first, second, M, K, N = lengths = row[BATCH : N_ + 1].tolist()
    check_walk(*lengths)
    if K > LONGEST or row[BIASED] not in (0, 1):
        raise ValueError("a sum that makes no sense, or a bias that is neither there nor not")
    read = [
        strided(int(row[A]), [first, second, M, K], row[A + 1 : A + 5].tolist()),
        strided(int(row[B]), [first, second, K, N], row[B + 1 : B + 5].tolist()),
    ]
    if row[BIASED]:
        read.append(strided(int(row[BIAS]), [first, second, N], [*row[BIAS + 1 : BIAS + 3].tolist(), 1]))
    written = [stretch(int(row[C]), first * second * M * N, written=True)]
    if spare(row):
        written.append(stretch(int(row[SPARE]), spare(row), written=True))
    for number, one in enumerate(written):
        if any(max(one.first, other.first) < min(one.last, other.last) for other in read + written[:number]):
            raise ValueError("a product can't be written over what it is made of")
    yield from read + written


def _spans_for_blas(row: Any) -> Iterator[Span]:
    if not fits_blas(row):
        raise ValueError("strides that BLAS doesn't know")
    return _spans(row)


# --- by tiles --------------------------------------------------------------------------------------------------------


@compiled()
def pack(numbers: Any, b: int, k_step: int, n_step: int, K: int, N: int, y: int) -> None:
    """The numbers of B (K, N), row by row."""
    if k_step != 1 or K < SIDE or N < SIDE:
        k_place, n_place = N, 1
        if K > N:  # the inner loop is the longer
            K, N, k_step, n_step, k_place, n_place = N, K, n_step, k_step, 1, N
        for k in range(K):
            for n in range(N):
                numbers[y + k * k_place + n * n_place] = numbers[b + k * k_step + n * n_step]
        return
    for n in range(0, N, SIDE):
        first = min(n, N - SIDE)
        for k in range(0, K, SIDE):
            at = min(k, K - SIDE)
            turn(numbers, b + at + first * n_step, n_step, y + at * N + first, N)


@compiled()
def _rows(rest: int, rows: int) -> int:
    """How many rows the next tile has. It may begin before the rest, and make some numbers again."""
    if rows >= ROWS and rest * 2 > ROWS:
        return ROWS
    return 4 if rows >= 4 and rest > 1 else 1


@compiled()
def _width(rest: int, columns: int, most: int) -> int:
    """How many columns the next tiles have: the least power of 2 that does for the rest, if there are so many."""
    width = most
    while width > columns or width >= 2 * rest:
        width //= 2
    return width


@compiled()
def product(
    numbers: Any,
    M: int,
    K: int,
    N: int,
    a: int,
    a_row: int,
    a_step: int,
    b: int,
    b_row: int,
    biased: int,
    bias: int,
    c: int,
) -> None:
    """C (M, N) = A B, + bias, tile by tile; rows of B are contiguous."""
    j = 0
    while j < N:
        width = _width(N - j, N, widest(numbers))
        j = min(j, N - width)
        i = 0
        while i < M:
            rows = _rows(M - i, M)
            i = min(i, M - rows)
            at, to = a + i * a_row, c + i * N + j
            tile(numbers, rows, width, K, at, a_row, a_step, b + j, b_row, biased != 0, bias + j, to, N)
            i += rows
        j += width


@opcode(_spans, EXACT)
def matmul(row: Any, numbers: Any, integers: Any) -> None:
    """C = A B, + bias, added up in order of k."""
    M, K, N = row[M_], row[K_], row[N_]
    turned, packed = _turned(row), _packed(row)
    number = 0
    for first in range(row[BATCH]):
        for second in range(row[BATCH + 1]):
            a, a_row, a_step = row[A] + first * row[A + 1] + second * row[A + 2], row[A + 3], row[A + 4]
            b, b_row = row[B] + first * row[B + 1] + second * row[B + 2], row[B + 3]
            bias, c = row[BIAS] + first * row[BIAS + 1] + second * row[BIAS + 2], row[C] + number * M * N
            rows, columns, to = M, N, c
            if turned:  # C.T = B.T A.T
                a, a_row, a_step, b, b_row = b, row[B + 4], b_row, a, a_step
                rows, columns, to = N, M, row[SPARE]
            elif packed:
                pack(numbers, b, b_row, row[B + 4], K, N, row[SPARE])
                b, b_row = row[SPARE], N
            product(numbers, rows, K, columns, a, a_row, a_step, b, b_row, row[BIASED], bias, to)
            if turned:
                pack(numbers, to, row[A + 3], M, M, N, c)
            number += 1


# --- by BLAS ---------------------------------------------------------------------------------------------------------


@compiled()
def _gemm(numbers: Any, M: int, K: int, N: int, a: int, a_step: int, b: int, b_step: int, c: Any) -> None:
    """C (M, N) = A B, each as it lies or transposed."""
    if a_step == 1 and b_step == 1:
        np.dot(part(numbers, a, M * K).reshape(M, K), part(numbers, b, K * N).reshape(K, N), c)
    elif a_step == 1:
        np.dot(part(numbers, a, M * K).reshape(M, K), part(numbers, b, K * N).reshape(N, K).T, c)
    elif b_step == 1:
        np.dot(part(numbers, a, M * K).reshape(K, M).T, part(numbers, b, K * N).reshape(K, N), c)
    else:
        np.dot(part(numbers, a, M * K).reshape(K, M).T, part(numbers, b, K * N).reshape(N, K).T, c)


@opcode(_spans_for_blas, per_term(1))
def matmul_blas(row: Any, numbers: Any, integers: Any) -> None:
    """C = A B, + bias, by BLAS."""
    M, K, N = row[M_], row[K_], row[N_]
    for number in range(row[BATCH] * row[BATCH + 1]):
        first, second = number // row[BATCH + 1], number % row[BATCH + 1]
        a = row[A] + first * row[A + 1] + second * row[A + 2]
        b = row[B] + first * row[B + 1] + second * row[B + 2]
        c = row[C] + number * M * N
        _gemm(numbers, M, K, N, a, row[A + 4], b, row[B + 4], part(numbers, c, M * N).reshape(M, N))
        if row[BIASED] != 0:
            bias = part(numbers, row[BIAS] + first * row[BIAS + 1] + second * row[BIAS + 2], N)
            for i in range(M):
                line = part(numbers, c + i * N, N)
                for j in range(N):
                    line[j] += bias[j]

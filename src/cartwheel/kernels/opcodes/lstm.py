"""Long short-term memory over all steps of a sequence, and its gradient through time.

Inputs and memory stand side by side, with a 1 after them: rows (x, h, 1) of K = d + H + 1 numbers, before each step.
So one product makes the gates, and one makes the gradients of all weights: W (K, 4 H) is Wx above Wh above b. The
gradients by the gates' arguments are needed a chunk of steps long, then they have gone into that product: they never
leave the processor's cache.

Words 1 to 6 and the level are those of `recurrence.py`, but 4 is W, and in the gradient Wh; 7 is the number of inputs
d, 8 how many steps a chunk has, 9 whether the gradient by xs is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.gates import to_sigmoid, to_tanh
from cartwheel.kernels.opcodes.products import pack, product
from cartwheel.kernels.opcodes.recurrence import (
    ANY_RESETS,
    BATCH,
    LEVEL,
    RESETS,
    SIZE,
    STEPS,
    TOGETHER,
    WEIGHTS,
    add,
    copy_memory,
    forget,
    line,
    operands,
    times_turned,
    turn_weights,
)
from cartwheel.kernels.opcodes.registry import Form, Span, opcode

INPUTS, CHUNK, BY_XS, OPERANDS = range(7, 11)


def _form(weights: str, reads: str, writes: str) -> Form:
    """The form of a row whose weights and operands are as long as letters say.

    m (B, H) a memory, a (T, B, H) all memories, c (T + 1, B, H) all cells, x (T, B, d) the inputs, r (T, B, K) rows, g
    (T, B, 4 H) all gates, s (S, B, 4 H) those of a chunk, h (H, 4 H) Wh, i (d, 4 H) Wx, k (K, 4 H) all weights; u, y as
    i, x where the gradient by xs is wanted.
    """

    def spans(row: Any) -> Iterator[Span]:
        steps, batch, size = row[STEPS:WEIGHTS].tolist()
        inputs, chunk, by_xs = row[INPUTS:OPERANDS].tolist()
        if inputs < 0 or chunk < 1 or by_xs not in (0, 1):
            raise ValueError("lengths that make no sense")
        step, wide, rows = batch * size, 4 * size, steps * batch
        lengths = {"m": step, "a": rows * size, "c": (steps + 1) * step, "x": rows * inputs, "g": rows * wide}
        lengths |= {"r": rows * (size + inputs + 1), "s": chunk * batch * wide, "h": size * wide, "i": inputs * wide}
        lengths |= {"k": (size + inputs + 1) * wide, "u": by_xs * inputs * wide, "y": by_xs * rows * inputs}
        return operands(row, OPERANDS, reads, writes, lengths | {"w": lengths[weights]})

    return spans


@compiled()
def _width(row: Any) -> int:
    """K."""
    return row[SIZE] + row[INPUTS] + 1  # type: ignore[no-any-return]


# --- forward ---------------------------------------------------------------------------------------------------------


@compiled()
def _remember(row: Any, numbers: Any, t: int, h: int, xs: int, rows: int) -> None:
    """The rows (x, h, 1) of step t from the memory h (B, H), with resets."""
    size, inputs, width = row[SIZE], row[INPUTS], _width(row)
    for b in range(row[BATCH]):
        place, k = rows + b * width, t * row[BATCH] + b
        old, new = part(numbers, h + b * size, size), part(numbers, place + inputs, size)
        for i in range(len(new)):
            new[i] = old[i]
        if row[ANY_RESETS] != 0 and numbers[row[RESETS] + k] != 0:
            new[:] = 0
        for i in range(inputs):
            numbers[place + i] = numbers[xs + k * inputs + i]
        numbers[place + width - 1] = 1


@compiled()
def _cells(numbers: Any, B: int, size: int, gates: int, c: int, new: int) -> None:
    """c' = f c + i u."""
    for b in range(B):
        u, f, i = gates + 4 * b * size, gates + (4 * b + 1) * size, gates + (4 * b + 2) * size
        for k in range(size):
            numbers[new + b * size + k] = numbers[f + k] * numbers[c + b * size + k] + numbers[i + k] * numbers[u + k]


@compiled()
def _hidden(numbers: Any, B: int, size: int, gates: int, of_tanh: int, h: int) -> None:
    """h = o tanh(c)."""
    for b in range(B):
        o = gates + (4 * b + 3) * size
        for k in range(size):
            numbers[h + b * size + k] = numbers[o + k] * numbers[of_tanh + b * size + k]


@opcode(_form("k", "mmx", "rgaca"), LEVEL)
def lstm(row: Any, numbers: Any, integers: Any) -> None:
    """Weights W (K, 4 H); operands h, c (B, H), xs, rows (T, B, K), gates, hs, cells (T + 1, B, H), tanhs (T, B, H).

    With a = (x, h, 1) W: u = tanh(a), f, i, o = sigmoid(a), c' = f c + i u, h' = o tanh(c'). cells are those before
    each step, and the last; tanhs are tanh(c').
    """
    h, c, xs, rows = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    gates, hs, cells, tanhs = row[OPERANDS + 4], row[OPERANDS + 5], row[OPERANDS + 6], row[OPERANDS + 7]
    B, size, K = row[BATCH], row[SIZE], _width(row)
    step, wide = B * size, 4 * size
    bias = row[WEIGHTS] + (K - 1) * wide
    copy_memory(row, numbers, c, cells)
    for t in range(row[STEPS]):
        of_t, place, old, new = rows + t * B * K, gates + t * B * wide, cells + t * step, cells + (t + 1) * step
        _remember(row, numbers, t, h if t == 0 else hs + (t - 1) * step, xs, of_t)
        forget(row, numbers, t, old)
        product(numbers, B, K - 1, wide, of_t, K, 1, row[WEIGHTS], wide, 1, bias, place)
        for b in range(B):
            to_tanh(line(row, numbers, place, 4 * b))
            to_sigmoid(part(numbers, place + (4 * b + 1) * size, 3 * size))
        _cells(numbers, B, size, place, old, new)
        copy_memory(row, numbers, new, tanhs + t * step)
        to_tanh(part(numbers, tanhs + t * step, step))
        _hidden(numbers, B, size, place, tanhs + t * step, hs + t * step)


# --- gradient --------------------------------------------------------------------------------------------------------


@compiled()
def _back(numbers: Any, B: int, size: int, gates: int, c: int, of_tanh: int, dh: int, dc: int, da: int) -> None:
    """The gradients of a step by its gates' arguments, and in dc, which begins as that by c', by c."""
    one = part(numbers, dh, 0).dtype.type(1.0)
    for b in range(B):
        m, o = b * size, gates + (4 * b + 3) * size
        for k in range(size):
            y = numbers[of_tanh + m + k]
            numbers[dc + m + k] += numbers[dh + m + k] * (numbers[o + k] * (one - y * y))
    for b in range(B):
        m, u, i, by_u = b * size, gates + 4 * b * size, gates + (4 * b + 2) * size, da + 4 * b * size
        for k in range(size):
            y = numbers[u + k]
            numbers[by_u + k] = numbers[dc + m + k] * ((one - y * y) * numbers[i + k])
    for b in range(B):
        m, u, i, by_i = b * size, gates + 4 * b * size, gates + (4 * b + 2) * size, da + (4 * b + 2) * size
        for k in range(size):
            y = numbers[i + k]
            numbers[by_i + k] = numbers[dc + m + k] * (y * (one - y) * numbers[u + k])
    for b in range(B):
        m, f, by_f = b * size, gates + (4 * b + 1) * size, da + (4 * b + 1) * size
        for k in range(size):
            y = numbers[f + k]
            numbers[by_f + k] = numbers[dc + m + k] * (y * (one - y) * numbers[c + m + k])
    for b in range(B):
        m, o, by_o = b * size, gates + (4 * b + 3) * size, da + (4 * b + 3) * size
        for k in range(size):
            y = numbers[o + k]
            numbers[by_o + k] = numbers[dh + m + k] * (y * (one - y) * numbers[of_tanh + m + k])
    for b in range(B):
        m, f = b * size, gates + (4 * b + 1) * size
        for k in range(size):
            numbers[dc + m + k] *= numbers[f + k]


@compiled()
def _gather(row: Any, numbers: Any, t: int, steps: int) -> None:
    """What the steps of a chunk from t on add to the weights' gradients, and the gradients by their inputs."""
    da, dW, some = row[OPERANDS + 7], row[OPERANDS + 8], row[OPERANDS + 11]
    K, wide, inputs = _width(row), 4 * row[SIZE], row[INPUTS]
    first, rows = t * row[BATCH], steps * row[BATCH]
    product(numbers, K, rows, wide, row[OPERANDS + 5] + first * K, 1, K, da, wide, 0, 0, some)
    add(part(numbers, some, K * wide), part(numbers, dW, K * wide))
    if row[BY_XS] != 0:
        turned, dxs = row[OPERANDS + 13], row[OPERANDS + 14] + first * inputs
        product(numbers, rows, wide, inputs, da, wide, 1, turned, inputs, 0, 0, dxs)


@opcode(_form("h", "amgcari", "skmmkhuy"), LEVEL)
def lstm_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Weights Wh; operands dhs, dc', gates, cells, tanhs, rows, Wx, da (S, B, 4 H), dW (K, 4 H), dh, dc, scratch.

    dc' is the gradient by the last cells, da that by the gates' arguments in a chunk of S steps, dW that by all
    weights, dh and dc those by the first h and c. The scratch are (K, 4 H), (4 H, H), and where it is wanted (4 H, d);
    then dxs (T, B, d).
    """
    dhs, last, gates, cells = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    tanhs, dW, dh, dc = row[OPERANDS + 4], row[OPERANDS + 8], row[OPERANDS + 9], row[OPERANDS + 10]
    turned = row[OPERANDS + 12]
    T, B, size = row[STEPS], row[BATCH], row[SIZE]
    step, wide = B * size, 4 * size
    turn_weights(row, numbers, 4, turned)
    if row[BY_XS] != 0:
        pack(numbers, row[OPERANDS + 6], 1, wide, wide, row[INPUTS], row[OPERANDS + 13])
    part(numbers, dW, _width(row) * wide)[:] = 0
    back = part(numbers, dh, step)
    back[:] = 0
    copy_memory(row, numbers, last, dc)
    for t in range(T - 1, -1, -1):
        da = row[OPERANDS + 7] + t % row[CHUNK] * B * wide
        add(part(numbers, dhs + t * step, step), back)
        for b in range(0, B, TOGETHER):
            m, g = b * size, 4 * b * size
            old, y, place = cells + t * step + m, tanhs + t * step + m, gates + t * B * wide + g
            _back(numbers, min(TOGETHER, B - b), size, place, old, y, dh + m, dc + m, da + g)
        times_turned(row, numbers, 4, da, turned, dh)
        forget(row, numbers, t, dh)
        forget(row, numbers, t, dc)
        if t % row[CHUNK] == 0:
            _gather(row, numbers, t, min(row[CHUNK], T - t))

"""Gated recurrent units over all steps of a sequence, and their gradient through time.

Words and level are those of `recurrence.py`.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.gates import to_sigmoid, to_tanh
from cartwheel.kernels.opcodes.recurrence import (
    BATCH,
    LEVEL,
    OPERANDS,
    SIZE,
    STEPS,
    TOGETHER,
    add,
    forget,
    form,
    line,
    remember,
    times_turned,
    times_weights,
    turn_weights,
)
from cartwheel.kernels.opcodes.registry import opcode


@compiled()
def _reset(r: Any, product: Any, ah: Any, n: Any) -> None:
    """n = a + r (h Wh), of which ah keeps the product."""
    for k in range(len(n)):
        ah[k] = product[k]
    for k in range(len(n)):
        n[k] += r[k] * ah[k]


@compiled()
def _next(n: Any, z: Any, old: Any, new: Any) -> None:
    """h' = n + z (h - n)."""
    for k in range(len(new)):
        new[k] = n[k] + z[k] * (old[k] - n[k])


@opcode(form(3, "m", "gaaas"), LEVEL)
def gru(row: Any, numbers: Any, integers: Any) -> None:
    """Operands h (B, H), gates (T, B, 3 H), hs, before, ahs (T, B, H), scratch (B, 3 H).

    r, z = sigmoid(a + h Wh), n = tanh(a + r (h Wh)), h' = n + z (h - n). The gates begin as a, and become r, z, n; ahs
    is n's part of h Wh.
    """
    h, gates, hs = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2]
    before, ahs, scratch = row[OPERANDS + 3], row[OPERANDS + 4], row[OPERANDS + 5]
    B, size = row[BATCH], row[SIZE]
    for t in range(row[STEPS]):
        remember(row, numbers, t, h, hs, before)
        times_weights(row, numbers, 3, before + t * B * size, scratch)
        for b in range(B):
            k = t * B + b
            rz, n = part(numbers, gates + k * 3 * size, 2 * size), line(row, numbers, gates, 3 * k + 2)
            add(part(numbers, scratch + b * 3 * size, 2 * size), rz)
            to_sigmoid(rz)
            _reset(rz, line(row, numbers, scratch, 3 * b + 2), line(row, numbers, ahs, k), n)
            to_tanh(n)
            _next(n, rz[size:], line(row, numbers, before, k), line(row, numbers, hs, k))


@compiled()
def _back(numbers: Any, B: int, size: int, gates: int, old: int, ah: int, dh: int, dax: int, dah: int) -> None:
    """The gradients of a step by its gates' arguments, and in dh, which begins as that by h', by h beside h Wh."""
    one = part(numbers, dh, 0).dtype.type(1.0)
    for b in range(B):
        m, z, n, by_n = b * size, gates + (3 * b + 1) * size, gates + (3 * b + 2) * size, dax + (3 * b + 2) * size
        for k in range(size):
            y = numbers[n + k]
            numbers[by_n + k] = numbers[dh + m + k] * ((one - numbers[z + k]) * (one - y * y))
    for b in range(B):
        m, r, by_n, by_r = b * size, gates + 3 * b * size, dax + (3 * b + 2) * size, dax + 3 * b * size
        for k in range(size):
            y = numbers[r + k]
            numbers[by_r + k] = numbers[by_n + k] * (numbers[ah + m + k] * y * (one - y))
    for b in range(B):
        m, z, n, by_z = b * size, gates + (3 * b + 1) * size, gates + (3 * b + 2) * size, dax + (3 * b + 1) * size
        for k in range(size):
            y = numbers[z + k]
            numbers[by_z + k] = numbers[dh + m + k] * ((numbers[old + m + k] - numbers[n + k]) * y * (one - y))
    for b in range(B):
        r, by_n, by_product = gates + 3 * b * size, dax + (3 * b + 2) * size, dah + (3 * b + 2) * size
        for k in range(size):
            numbers[by_product + k] = numbers[by_n + k] * numbers[r + k]
    for b in range(B):
        first = 3 * b * size
        for k in range(first, first + 2 * size):
            numbers[dah + k] = numbers[dax + k]
    for b in range(B):
        m, z = b * size, gates + (3 * b + 1) * size
        for k in range(size):
            numbers[dh + m + k] *= numbers[z + k]


@opcode(form(3, "agaa", "ggmmw"), LEVEL)
def gru_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Operands dhs (T, B, H), gates (T, B, 3 H), before, ahs, dax, dah (T, B, 3 H), dh, scratch (B, H), (3 H, H).

    dax is the gradient by a, dah that by h Wh, dh that by the first h.
    """
    dhs, gates, before, ahs = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    dax, dah, dh, scratch = row[OPERANDS + 4], row[OPERANDS + 5], row[OPERANDS + 6], row[OPERANDS + 7]
    turned, B, size = row[OPERANDS + 8], row[BATCH], row[SIZE]
    turn_weights(row, numbers, 3, turned)
    back, through = part(numbers, dh, B * size), part(numbers, scratch, B * size)
    back[:] = 0
    for t in range(row[STEPS] - 1, -1, -1):
        place = t * B * 3 * size
        add(part(numbers, dhs + t * B * size, B * size), back)
        for b in range(0, B, TOGETHER):
            m, g = (t * B + b) * size, place + 3 * b * size
            rows, by_h = min(TOGETHER, B - b), dh + b * size
            _back(numbers, rows, size, gates + g, before + m, ahs + m, by_h, dax + g, dah + g)
        times_turned(row, numbers, 3, dah + place, turned, scratch)
        add(through, back)
        forget(row, numbers, t, dh)

"""Gated recurrent units over all steps of a sequence, and their gradient through time.

Words and level are those of `recurrence.py`.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.recurrence import (
    BATCH,
    OPERANDS,
    SIZE,
    STEPS,
    forget,
    form,
    line,
    remember,
    times_turned,
    times_weights,
    to_sigmoids,
    to_tanh,
    turn_weights,
)
from cartwheel.kernels.opcodes.registry import opcode


@compiled()
def _next(n: Any, z: Any, old: Any, new: Any) -> None:
    """h' = n + z (h - n)."""
    for k in range(len(new)):
        new[k] = n[k] + z[k] * (old[k] - n[k])


@opcode(form(3, "m", "gaaas"))
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
            to_sigmoids(part(numbers, gates + k * 3 * size, 2 * size), part(numbers, scratch + b * 3 * size, 2 * size))
            r, z = line(row, numbers, gates, 3 * k), line(row, numbers, gates, 3 * k + 1)
            n, product = line(row, numbers, gates, 3 * k + 2), line(row, numbers, scratch, 3 * b + 2)
            ah = line(row, numbers, ahs, k)
            for i in range(len(ah)):
                ah[i] = product[i]
                product[i] = r[i] * product[i]
            to_tanh(n, product)
            _next(n, z, line(row, numbers, before, k), line(row, numbers, hs, k))


@compiled()
def _back(gates: Any, old: Any, ah: Any, by_h: Any, later: Any, by_ax: Any, by_ah: Any) -> None:
    """The gradients of one row of a step: by its gates' arguments, and in later by h as far as not through h Wh."""
    size = len(old)
    r, z, n = gates[:size], gates[size : 2 * size], gates[2 * size :]
    by_r, by_z, by_n, by_product = by_ax[:size], by_ax[size : 2 * size], by_ax[2 * size :], by_ah[2 * size :]
    one = gates.dtype.type(1.0)
    for k in range(size):
        dh = by_h[k] + later[k]
        of_n = dh * ((one - z[k]) * (one - n[k] * n[k]))
        by_r[k] = of_n * (ah[k] * r[k] * (one - r[k]))
        by_z[k] = dh * ((old[k] - n[k]) * z[k] * (one - z[k]))
        by_n[k] = of_n
        by_product[k] = of_n * r[k]
        later[k] = dh * z[k]
    for k in range(2 * size):
        by_ah[k] = by_ax[k]


@opcode(form(3, "agaa", "ggmmw"))
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
        for b in range(B):
            k = t * B + b
            _back(
                part(numbers, gates + k * 3 * size, 3 * size),
                line(row, numbers, before, k),
                line(row, numbers, ahs, k),
                line(row, numbers, dhs, k),
                line(row, numbers, dh, b),
                part(numbers, dax + k * 3 * size, 3 * size),
                part(numbers, dah + k * 3 * size, 3 * size),
            )
        times_turned(row, numbers, 3, dah + t * B * 3 * size, turned, scratch)
        for i in range(len(back)):
            back[i] += through[i]
        forget(row, numbers, t, dh)

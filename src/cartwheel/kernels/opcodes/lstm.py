"""Long short-term memory over all steps of a sequence, and its gradient through time.

Words and level are those of `recurrence.py`.
"""

from __future__ import annotations

from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.elementary import tanh
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.recurrence import (
    BATCH,
    OPERANDS,
    SIZE,
    STEPS,
    copy_memory,
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
def _cells(f: Any, c: Any, i: Any, u: Any, new: Any) -> None:
    """c' = f c + i u."""
    for k in range(len(new)):
        new[k] = f[k] * c[k] + i[k] * u[k]


@compiled()
def _products(x: Any, y: Any, z: Any) -> None:
    """z = x y."""
    for k in range(len(z)):
        z[k] = x[k] * y[k]


@opcode(form(4, "mm", "gacaas"))
def lstm(row: Any, numbers: Any, integers: Any) -> None:
    """Operands h, c (B, H), gates (T, B, 4 H), hs, cells (T + 1, B, H), before, tanhs (T, B, H), scratch (B, 4 H).

    With a' = a + h Wh: u = tanh(a'), f, i, o = sigmoid(a'), c' = f c + i u, h' = o tanh(c'). The gates begin as a, and
    become u, f, i, o. cells are those before each step, and the last; tanhs are tanh(c').
    """
    h, c, gates, hs = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    cells, before, tanhs, scratch = row[OPERANDS + 4], row[OPERANDS + 5], row[OPERANDS + 6], row[OPERANDS + 7]
    B, size = row[BATCH], row[SIZE]
    step = B * size
    copy_memory(row, numbers, c, cells)
    for t in range(row[STEPS]):
        remember(row, numbers, t, h, hs, before)
        forget(row, numbers, t, cells + t * step)
        times_weights(row, numbers, 4, before + t * step, scratch)
        for b in range(B):
            place, more = gates + (t * B + b) * 4 * size, scratch + b * 4 * size
            to_tanh(part(numbers, place, size), part(numbers, more, size))
            to_sigmoids(part(numbers, place + size, 3 * size), part(numbers, more + size, 3 * size))
            u, f, i = line(row, numbers, place, 0), line(row, numbers, place, 1), line(row, numbers, place, 2)
            _cells(f, line(row, numbers, cells, t * B + b), i, u, line(row, numbers, cells, (t + 1) * B + b))
        new, of_new = part(numbers, cells + (t + 1) * step, step), part(numbers, tanhs + t * step, step)
        for k in range(len(new)):
            of_new[k] = tanh(new[k])
        for k in range(t * B, (t + 1) * B):
            _products(line(row, numbers, gates, 4 * k + 3), line(row, numbers, tanhs, k), line(row, numbers, hs, k))


@compiled()
def _back(gates: Any, c: Any, of_tanh: Any, by_h: Any, later: Any, by_c: Any, by_gates: Any) -> None:
    """The gradients of one row of a step: by its gates' arguments, and in by_c, which begins as that by c', by c."""
    size = len(c)
    u, f, i, o = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
    by_u, by_f = by_gates[:size], by_gates[size : 2 * size]
    by_i, by_o = by_gates[2 * size : 3 * size], by_gates[3 * size :]
    one = gates.dtype.type(1.0)
    for k in range(size):  # one result each: the less arrays there are in a loop, the less has to be compared before it
        later[k] += by_h[k]
    for k in range(size):
        by_c[k] += later[k] * (o[k] * (one - of_tanh[k] * of_tanh[k]))
    for k in range(size):
        by_u[k] = by_c[k] * ((one - u[k] * u[k]) * i[k])
    for k in range(size):
        by_f[k] = by_c[k] * (f[k] * (one - f[k]) * c[k])
    for k in range(size):
        by_i[k] = by_c[k] * (i[k] * (one - i[k]) * u[k])
    for k in range(size):
        by_o[k] = later[k] * (o[k] * (one - o[k]) * of_tanh[k])
    for k in range(size):
        by_c[k] *= f[k]


@opcode(form(4, "amgca", "gmmw"))
def lstm_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Operands dhs (T, B, H), dc' (B, H), gates, cells, tanhs, da (T, B, 4 H), dh, dc (B, H), scratch (4 H, H).

    dc' is the gradient by the last cells, da that by the gates' arguments, dh and dc those by the first h and c.
    """
    dhs, last, gates, cells = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    tanhs, da, dh, dc = row[OPERANDS + 4], row[OPERANDS + 5], row[OPERANDS + 6], row[OPERANDS + 7]
    turned, B, size = row[OPERANDS + 8], row[BATCH], row[SIZE]
    turn_weights(row, numbers, 4, turned)
    part(numbers, dh, B * size)[:] = 0
    copy_memory(row, numbers, last, dc)
    for t in range(row[STEPS] - 1, -1, -1):
        for b in range(B):
            k = t * B + b
            _back(
                part(numbers, gates + k * 4 * size, 4 * size),
                line(row, numbers, cells, k),
                line(row, numbers, tanhs, k),
                line(row, numbers, dhs, k),
                line(row, numbers, dh, b),
                line(row, numbers, dc, b),
                part(numbers, da + k * 4 * size, 4 * size),
            )
        times_turned(row, numbers, 4, da + t * B * 4 * size, turned, dh)
        forget(row, numbers, t, dh)
        forget(row, numbers, t, dc)

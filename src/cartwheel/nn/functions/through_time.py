"""The recurrent networks of `recurrent.py` over all steps at once, and their gradients through time, derived by hand.

The inputs' products are taken for all steps in one, and so are the gradients of the weights; only h Wh has to wait
for its turn. A sigmoid is (1 + tanh(x / 2)) / 2, with the half in the weights, so that one tanh does for all gates.
What does not wait for a gradient, the derivative of every gate, is computed for all steps before going back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import operation

# The arrays saved for the gradient are freed at every step of training, and glibc would hand their memory back to the
# system, to get it anew, page by page, a millisecond later: half of the time of a forward. Once it has seen a block of
# this size come and go, it keeps twice as much. Other libraries are not affected.
np.empty(1 << 24, np.uint8)

# --- what they share -------------------------------------------------------------------------------------------------


def _inputs(xp: Any, arrays: Sequence[Array], half: Iterable[bool]) -> tuple[Any, Any]:
    """x Wx + b for all steps (T, B, G H), and Wh, in the arrays' common type, halved in the columns of sigmoids."""
    xs, *_, Wx, Wh, b = arrays
    T, B, d = xs.shape
    dtype = xp.result_type(*arrays)
    dtype = dtype if xp.isdtype(dtype, "real floating") else xp.float64
    scale = xp.concat([xp.full((Wh.shape[0],), 0.5 if one else 1.0, dtype=dtype) for one in half])
    a = xp.matmul(xp.reshape(xs, (T * B, d)), Wx * scale)
    a += b * scale
    return xp.reshape(a, (T, B, scale.shape[0])), Wh * scale


def _resets_at(xp: Any, resets: Array | None, T: int) -> list[Any]:
    """For each step the rows to forget (B, 1), None for none."""
    if resets is None:
        return [None] * T
    return [resets[t, :, None] if bool(xp.any(resets[t, :])) else None for t in range(T)]


def _forget(xp: Any, rows: Array | None, memory: Array) -> Array:
    return memory if rows is None else xp.where(rows, xp.zeros_like(memory), memory)


def _finish_sigmoid(y: Array) -> None:
    """From tanh(x / 2) to sigmoid(x), in place."""
    y *= 0.5
    y += 0.5


def _totals(xp: Any, xs: Array, before: Array, Wx: Array, dax: Array, dah: Array) -> tuple[Array, Array, Array, Array]:
    """The gradients by xs, Wx, Wh and b from those by x Wx + b and by h Wh, (T, B, ...) both."""
    T, B, d = xs.shape
    dax, dah = (xp.reshape(da, (T * B, Wx.shape[1])) for da in (dax, dah))
    before = xp.reshape(before, (T * B, before.shape[2]))
    return (
        xp.reshape(xp.matmul(dax, Wx.T), (T, B, d)),
        xp.matmul(xp.reshape(xs, (T * B, d)).T, dax),
        xp.matmul(before.T, dah),
        xp.sum(dax, axis=0, dtype=dax.dtype),
    )


# --- Elman -----------------------------------------------------------------------------------------------------------


@operation
def rnn(xp: Any, xs: Array, h: Array, Wx: Array, Wh: Array, b: Array, resets: Array | None) -> Any:
    """`recurrent.rnn`; saves the memories before (after resets) and after each step, (T, B, H)."""
    hs, Wh = _inputs(xp, (xs, h, Wx, Wh, b), [False])
    before = xp.empty_like(hs)
    for t, rows in enumerate(_resets_at(xp, resets, xs.shape[0])):
        h = _forget(xp, rows, h)
        before[t, ...] = h
        h = xp.tanh(hs[t, ...] + xp.matmul(h, Wh))
        hs[t, ...] = h
    return hs, (before, hs)


def rnn_gradient(
    gradients: Any, outputs: Any, saved: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any
) -> tuple[Any, ...]:
    """The gradient by each input of `rnn`."""
    (dhs,), (before, hs) = gradients, saved
    xp, T = namespace(hs), hs.shape[0]
    da = 1.0 - hs * hs  # of tanh; becomes the gradient by its argument
    dh, rows = xp.zeros(h.shape, dtype=hs.dtype), _resets_at(xp, resets, T)
    for t in range(T - 1, -1, -1):
        da[t, ...] *= dhs[t, ...] + dh
        dh = _forget(xp, rows[t], xp.matmul(da[t, ...], Wh.T))
    dxs, dWx, dWh, db = _totals(xp, xs, before, Wx, da, da)
    return dxs, dh, dWx, dWh, db, None


# --- gated recurrent units -------------------------------------------------------------------------------------------


@operation
def gru(xp: Any, xs: Array, h: Array, Wx: Array, Wh: Array, b: Array, resets: Array | None) -> Any:
    """`recurrent.gru`; saves the memories before each step (T, B, H), the gates r, z, n (T, B, 3 H) and n's h Wh."""
    gates, Wh = _inputs(xp, (xs, h, Wx, Wh, b), [True, True, False])
    (T, B, _), H = xs.shape, Wh.shape[0]
    before, hs, ahs = (xp.empty((T, B, H), dtype=gates.dtype) for _ in range(3))
    for t, rows in enumerate(_resets_at(xp, resets, T)):
        h = _forget(xp, rows, h)
        before[t, ...] = h
        ah = xp.matmul(h, Wh)
        rz = xp.tanh(gates[t, :, : 2 * H] + ah[:, : 2 * H])
        _finish_sigmoid(rz)
        r, z, ah = rz[:, :H], rz[:, H:], ah[:, 2 * H :]
        n = xp.tanh(gates[t, :, 2 * H :] + r * ah)
        h = n + z * (h - n)
        gates[t, :, : 2 * H], gates[t, :, 2 * H :], ahs[t, ...], hs[t, ...] = rz, n, ah, h
    return hs, (before, gates, ahs)


def gru_gradient(
    gradients: Any, outputs: Any, saved: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any
) -> tuple[Any, ...]:
    """The gradient by each input of `gru`."""
    (dhs,), (before, gates, ahs) = gradients, saved
    xp, (T, B, H) = namespace(before), before.shape
    r, z, n = (gates[..., gate * H : (gate + 1) * H] for gate in range(3))
    dah = xp.empty((T, B, 3, H), dtype=before.dtype)  # by h Wh: at first for a gradient of 1 by each h'
    of_n = (1.0 - z) * (1.0 - n * n)
    dah[:, :, 0, :] = of_n * ahs * r * (1.0 - r)
    dah[:, :, 1, :] = (before - n) * z * (1.0 - z)
    dah[:, :, 2, :] = of_n * r
    dh, rows = xp.zeros(h.shape, dtype=before.dtype), _resets_at(xp, resets, T)
    for t in range(T - 1, -1, -1):
        dh = dhs[t, ...] + dh
        dah[t, ...] *= dh[:, None, :]
        of_n[t, ...] *= dh
        dh = dh * z[t, ...] + xp.matmul(xp.reshape(dah[t, ...], (B, 3 * H)), Wh.T)
        dh = _forget(xp, rows[t], dh)
    dax = xp.concat([dah[:, :, :2, :], of_n[:, :, None, :]], axis=2)
    dxs, dWx, dWh, db = _totals(xp, xs, before, Wx, dax, dah)
    return dxs, dh, dWx, dWh, db, None


# --- long short-term memory ------------------------------------------------------------------------------------------


@operation
def lstm(xp: Any, xs: Array, h: Array, c: Array, Wx: Array, Wh: Array, b: Array, resets: Array | None) -> Any:
    """`recurrent.lstm`; saves memories and cells before each step, tanh of the cells after it, and the gates."""
    gates, Wh = _inputs(xp, (xs, h, c, Wx, Wh, b), [False, True, True, True])
    (T, B, _), H = xs.shape, Wh.shape[0]
    before, cells, hs, tanhs = (xp.empty((T, B, H), dtype=gates.dtype) for _ in range(4))
    for t, rows in enumerate(_resets_at(xp, resets, T)):
        h, c = _forget(xp, rows, h), _forget(xp, rows, c)
        before[t, ...], cells[t, ...] = h, c
        gate = xp.tanh(gates[t, ...] + xp.matmul(h, Wh))
        _finish_sigmoid(gate[:, H:])
        gates[t, ...] = gate
        c = gate[:, H : 2 * H] * c
        c += gate[:, 2 * H : 3 * H] * gate[:, :H]
        tanh = xp.tanh(c)
        h = gate[:, 3 * H :] * tanh
        hs[t, ...], tanhs[t, ...] = h, tanh
    return (hs, c if T else xp.astype(c, gates.dtype)), (before, cells, tanhs, gates)


def lstm_gradient(
    gradients: Any, outputs: Any, saved: Any, xs: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any, resets: Any
) -> tuple[Any, ...]:
    """The gradient by each input of `lstm`."""
    (dhs, dc), (before, cells, tanhs, gates) = gradients, saved
    xp, (T, B, H) = namespace(before), before.shape
    u, f, i, o = (gates[..., gate * H : (gate + 1) * H] for gate in range(4))
    da = xp.empty((T, B, 4, H), dtype=before.dtype)  # at first for a gradient of 1 by each c', and of o by each h'
    da[:, :, 0, :] = (1.0 - u * u) * i
    da[:, :, 1, :] = f * (1.0 - f) * cells
    da[:, :, 2, :] = i * (1.0 - i) * u
    da[:, :, 3, :] = o * (1.0 - o) * tanhs
    through_c = o * (1.0 - tanhs * tanhs)
    dh, rows = xp.zeros(h.shape, dtype=before.dtype), _resets_at(xp, resets, T)
    dc = xp.zeros(c.shape, dtype=before.dtype) if dc is None else dc
    for t in range(T - 1, -1, -1):
        dh = dh if dhs is None else dhs[t, ...] + dh
        dc = dc + dh * through_c[t, ...]
        da[t, :, :3, :] *= dc[:, None, :]
        da[t, :, 3, :] *= dh
        dh = _forget(xp, rows[t], xp.matmul(xp.reshape(da[t, ...], (B, 4 * H)), Wh.T))
        dc = _forget(xp, rows[t], dc * f[t, ...])
    dxs, dWx, dWh, db = _totals(xp, xs, before, Wx, da, da)
    return dxs, dh, dc, dWx, dWh, db, None

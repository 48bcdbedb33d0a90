"""Cases of recurrence over time: plain loops, which are PyTorch's too where its own networks have no resets."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import case, spec


def sigmoid(xp: Any, x: Any) -> Any:
    return 0.5 * (1 + xp.tanh(0.5 * x))


def products(x: Any, h: Any, Wx: Any, Wh: Any, b: Any) -> tuple[Any, Any]:
    """x Wx + b and h Wh; the bias gets an axis for the rows."""
    return x @ Wx + b[..., None, :], h @ Wh


def gates(a: Any, count: int) -> list[Any]:
    size = a.shape[-1] // count
    return [a[..., k * size : (k + 1) * size] for k in range(count)]


def kept(xp: Any, memory: Any, resets: Any, t: int) -> Any:
    """The memory before step t."""
    return memory if resets is None else xp.where(xp.asarray(resets[t])[..., None], xp.zeros_like(memory), memory)


def first(xp: Any, memory: Any, xs: Any, Wh: Any) -> Any:
    return xp.zeros((*xs.shape[1:-1], Wh.shape[-2]), dtype=Wh.dtype) if memory is None else memory


def stacked(xp: Any, hs: list[Any], h: Any) -> Any:
    return xp.stack(hs) if hs else h[None][:0]


def rnn(xp: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    h = first(xp, h, xs, Wh)
    hs = []
    for t, x in enumerate(xs):
        h = xp.tanh(sum(products(x, kept(xp, h, resets, t), Wx, Wh, b)))
        hs.append(h)
    return stacked(xp, hs, h)


def gru(xp: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    h = first(xp, h, xs, Wh)
    hs = []
    for t, x in enumerate(xs):
        h = kept(xp, h, resets, t)
        (rx, zx, nx), (rh, zh, nh) = (gates(a, 3) for a in products(x, h, Wx, Wh, b))
        z = sigmoid(xp, zx + zh)
        h = (1 - z) * xp.tanh(nx + sigmoid(xp, rx + rh) * nh) + z * h
        hs.append(h)
    return stacked(xp, hs, h)


def lstm(xp: Any, xs: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    h, c = first(xp, h, xs, Wh), first(xp, c, xs, Wh)
    hs = []
    for t, x in enumerate(xs):
        h, c = kept(xp, h, resets, t), kept(xp, c, resets, t)
        u, f, i, o = gates(sum(products(x, h, Wx, Wh, b)), 4)
        c = sigmoid(xp, f) * c + sigmoid(xp, i) * xp.tanh(u)
        h = sigmoid(xp, o) * xp.tanh(c)
        hs.append(h)
    return stacked(xp, hs, h), c


# --- PyTorch's own, where they can do it ------------------------------------------------------------------------------


def reordered(t: Any, order: tuple[int, ...], *matrices: Any) -> list[Any]:
    """Weights with their gates in another order, as PyTorch keeps them: transposed."""
    return [t.cat([gates(W, len(order))[k] for k in order], -1).mT.contiguous() for W in matrices]


def torch_rnn(t: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    if resets is not None or Wx.ndim > 2 or 0 in xs.shape:
        return rnn(t, xs, h, Wx, Wh, b, resets)
    Wx, Wh, b = *reordered(t, (0,), Wx, Wh), b
    return t.rnn_tanh(xs, first(t, h, xs, Wh)[None], (Wx, Wh, b, t.zeros_like(b)), True, 1, 0.0, False, False, False)[0]


def torch_gru(t: Any, xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    if resets is not None or Wx.ndim > 2 or 0 in xs.shape:
        return gru(t, xs, h, Wx, Wh, b, resets)
    h = first(t, h, xs, Wh)[None]
    Wx, Wh = reordered(t, (0, 1, 2), Wx, Wh)
    return t.gru(xs, h, (Wx, Wh, b, t.zeros_like(b)), True, 1, 0.0, False, False, False)[0]


def torch_lstm(t: Any, xs: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    if resets is not None or Wx.ndim > 2 or 0 in xs.shape:
        return lstm(t, xs, h, c, Wx, Wh, b, resets)
    h, c = first(t, h, xs, Wh)[None], first(t, c, xs, Wh)[None]
    Wx, Wh, b = *reordered(t, (2, 1, 0, 3), Wx, Wh), t.cat([gates(b, 4)[k] for k in (2, 1, 0, 3)], -1)
    hs, _, c = t.lstm(xs, (h, c), (Wx, Wh, b, t.zeros_like(b)), True, 1, 0.0, False, False, False)
    return hs, c[0]


# --- cases -----------------------------------------------------------------------------------------------------------

RESETS = np.array([[False, True], [True, False], [False, False], [True, True], [False, True]])
EXTREME_STEPS = np.array(
    [[[1000.0, -1000.0], [0.5, 30.0]], [[-2.0, 1.0], [-1000.0, -1000.0]], [[0.1, 0.2], [3.0, 4.0]]]
)

for name, plain, torch, count, memories in (
    ("rnn", rnn, torch_rnn, 1, 1),
    ("gru", gru, torch_gru, 3, 1),
    ("lstm", lstm, torch_lstm, 4, 2),
):
    spec(name, lambda *inputs, plain=plain, **how: plain(np, *inputs, **how), torch)

    def enter(what: str, T: int, *lead: int, B: int = 2, d: int = 3, H: int = 2, **more: Any) -> None:
        columns = count * H  # noqa: B023  # called in the loop
        weights = ((*lead, d, columns), (*lead, H, columns), (*lead, columns))
        first = more.pop("first", [(*lead, B, H)] * memories)  # noqa: B023
        case(name, what, more.pop("xs", (T, *lead, B, d)), *first, *weights, **more)  # noqa: B023

    enter("plain", 3)
    enter("resets", 5, resets=RESETS)
    enter("one-step", 1)
    enter("no-memory", 3, first=[None] * memories)
    enter("population", 3, 2, B=2)
    enter("population-resets", 5, 2, B=1, resets=RESETS[:, :, None])
    enter("no-step", 0)
    enter("empty", 2, B=0)
    enter("extreme", 3, xs=EXTREME_STEPS, d=2)

"""Recurrent networks over a whole sequence, and the same step by step.

All take `xs (T, B, d)`, the memory before the first step, `Wx (d, G H)`, `Wh (H, G H)` and `b (G H,)` for G gates, and
`resets (T, B)`: where true, the memory of that row is set to 0 before that step. With the weights of a population,
`(P, d, G H)` and so on, and `xs (T, P, B, d)`, they go step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, Fused, Operation, function
from cartwheel.nn.functions import through_time
from cartwheel.nn.functions.activations import sigmoid
from cartwheel.nn.functions.elementwise import tanh, where
from cartwheel.nn.functions.products import linear, matmul
from cartwheel.nn.functions.shape import stack
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw


@function(REAL)
def rnn(xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    """Elman's network: h_t = tanh(x_t Wx + h_(t-1) Wh + b), all of them `(T, B, H)`.

    The first memory h is `(B, H)`, zeros if None; `resets (T, B)` sets the memory to 0 before a step.
    """
    h, resets = _checked("rnn", 1, xs, h, Wx, Wh, b, resets)
    return _form(through_time.rnn, _rnn_steps, Wx)(xs, h, Wx, Wh, b, resets)


@function(REAL)
def gru(xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    """Gated recurrent units (Cho et al. 2014): all memories `(T, B, H)`; arguments as `rnn`'s, with gates r, z, n.

    r, z = sigmoid(x Wx + h Wh + b), n = tanh(x Wx + b + r (h Wh)), h' = (1 - z) n + z h, each gate with its columns:
    PyTorch's form and order, without its second bias.
    """
    h, resets = _checked("gru", 3, xs, h, Wx, Wh, b, resets)
    return _form(through_time.gru, _gru_steps, Wx)(xs, h, Wx, Wh, b, resets)


@function(REAL)
def lstm(xs: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any, resets: Any = None) -> Any:
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    The pair of all memories h `(T, B, H)` and the last cell c `(B, H)`; arguments as `rnn`'s, with the first cell c
    `(B, H)`, and with gates u, f, i, o: with a = x Wx + h Wh + b, u = tanh(a), and f, i, o = sigmoid(a), each with its
    columns; c' = f c + i u, h' = o tanh(c').
    """
    h, resets = _checked("lstm", 4, xs, h, Wx, Wh, b, resets)
    c, _ = _checked("lstm", 4, xs, c, Wx, Wh, b, None)
    return _form(through_time.lstm, _lstm_steps, Wx)(xs, h, c, Wx, Wh, b, resets)


def _form(whole: Operation, steps: Callable[..., Any], Wx: Any) -> Callable[..., Any]:
    return whole if raw(Wx).ndim == 2 else steps


def _checked(name: str, gates: int, xs: Any, memory: Any, Wx: Any, Wh: Any, b: Any, resets: Any) -> tuple[Any, Any]:
    """The first memory, zeros for None, and the resets as booleans. ValueError for shapes that don't go together."""
    x, of_Wx, of_Wh, of_b = map(_shape, (xs, Wx, Wh, b))
    lead, size = of_Wx[:-2], of_Wh[-2] if len(of_Wh) > 1 else -1
    known = len(x) == len(of_Wx) + 1 > 2 and (x[1:-2], size >= 0) == (lead, True)
    xp = namespace(raw(xs))
    if known and memory is None:
        memory = xp.zeros((*x[1:-1], size), dtype=raw(Wx).dtype)
    if resets is not None:
        resets = xp.asarray(raw(resets), dtype=xp.bool)
    columns = gates * size
    if (
        not known
        or of_Wx != (*lead, x[-1], columns)
        or of_Wh != (*lead, size, columns)
        or of_b != (*lead, columns)
        or raw(memory).shape != (*x[1:-1], size)
        or (resets is not None and resets.shape != x[:-1])
    ):
        G = "H" if gates == 1 else f"{gates} H"
        shapes = f"xs (T, B, d), memory (B, H), Wx (d, {G}), Wh (H, {G}), b ({G},), resets (T, B) or None"
        raise mistake(name, f"expected {shapes}", xs, memory, Wx, Wh, b, resets)
    return memory, resets


def _shape(x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(raw(x), "shape", ())
    return shape


# --- step by step: for populations, for gradients of gradients, and for readers --------------------------------------


def _kept(memory: Any, resets: Array | None, t: int) -> Any:
    """The memory before step t."""
    return memory if resets is None else where(resets[t, ..., None], 0.0, memory)


def _stacked(hs: list[Any], xs: Any, Wx: Any, size: int) -> Any:
    return stack(hs) if hs else matmul(xs, Wx)[..., :size]  # no step at all: (0, B, H)


def _rnn_steps(xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any) -> Any:
    hs = []
    for t in range(xs.shape[0]):
        h = tanh(linear(xs[t, ...], Wx, b) + matmul(_kept(h, resets, t), Wh))
        hs.append(h)
    return _stacked(hs, xs, Wx, Wh.shape[-2])


def _gru_steps(xs: Any, h: Any, Wx: Any, Wh: Any, b: Any, resets: Any) -> Any:
    hs, H = [], Wh.shape[-2]
    for t in range(xs.shape[0]):
        h = _kept(h, resets, t)
        ax, ah = linear(xs[t, ...], Wx, b), matmul(h, Wh)
        r = sigmoid(ax[..., :H] + ah[..., :H])
        z = sigmoid(ax[..., H : 2 * H] + ah[..., H : 2 * H])
        n = tanh(ax[..., 2 * H :] + r * ah[..., 2 * H :])
        h = (1 - z) * n + z * h
        hs.append(h)
    return _stacked(hs, xs, Wx, H)


def _lstm_steps(xs: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any, resets: Any) -> Any:
    hs, H = [], Wh.shape[-2]
    for t in range(xs.shape[0]):
        h, c = _kept(h, resets, t), _kept(c, resets, t)
        a = linear(xs[t, ...], Wx, b) + matmul(h, Wh)
        u = tanh(a[..., :H])
        f, i, o = (sigmoid(a[..., gate * H : (gate + 1) * H]) for gate in (1, 2, 3))
        c = f * c + i * u
        h = o * tanh(c)
        hs.append(h)
    return _stacked(hs, xs, Wx, H), c


through_time.rnn.fused = Fused(through_time.rnn_gradient, _rnn_steps)
through_time.gru.fused = Fused(through_time.gru_gradient, _gru_steps)
through_time.lstm.fused = Fused(through_time.lstm_gradient, _lstm_steps)

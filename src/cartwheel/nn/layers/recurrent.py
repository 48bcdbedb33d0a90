"""Recurrent layers: they remember what they have seen, until `reset_state`.

Called with one step x (B, d) they give (B, H) and go on from there; called with a sequence (T, B, d) they give
(T, B, H), and go on from its last step. `resets (B,)` or `(T, B)` are truth values: there a row forgets before that
step. `loss.unchain_backward()` cuts the past off: gradients of later losses end there (truncated back-propagation).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from cartwheel.nn.array import namespace
from cartwheel.nn.config import Config
from cartwheel.nn.functions.recurrent import gru, lstm, rnn
from cartwheel.nn.initialisers import Initialiser, lecun, orthogonal
from cartwheel.nn.layers.dense import Linear
from cartwheel.nn.layers.layer import Layer, Shape
from cartwheel.nn.layers.sizes import check_dtype, check_sizes, initial, length_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import Parameter, Variable, raw


class _Recurrent(Layer):
    """What is the same for all: several layers on each other, one step or a sequence, and the memory h (B, H)."""

    _memories: ClassVar[tuple[str, ...]] = ("h", "_last")

    h: Any = None
    _last: tuple[Variable, ...] = ()  # what the last call gave, and what was to be remembered of it

    def __init__(self, hidden_size: int, in_size: int | None, layers: int, dtype: Any, rng: Any) -> None:
        check_sizes(self, hidden_size=hidden_size, in_size=in_size, layers=layers)
        check_dtype(self, dtype)
        self.hidden_size, self.in_size, self.dtype, self.rng = hidden_size, in_size, dtype, rng

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._memories:
            if isinstance(value, Parameter):  # a first memory that is learnt is no parameter of this layer
                value = value[...]
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def _stack(self, layers: int, **how: float) -> None:
        """Put the layers above this one, of the same kind."""
        kind: Callable[..., _Recurrent] = type(self)
        size = self.hidden_size
        self.above = [kind(size, in_size=size, dtype=self.dtype, rng=self.rng, **how) for _ in range(layers - 1)]

    def forward(self, x: Any, resets: Any = None) -> Any:
        """The new memory (B, H) for x (B, d), or all of them (T, B, H) for x (T, B, d); of the uppermost layer."""
        in_size, axes = length_of(x, -1, self), raw(x).ndim
        Wx, Wh, _ = self._weights()
        if axes - Wh.ndim not in (0, 1):
            raise mistake(type(self).__name__, "expected one step (B, d) or a sequence (T, B, d)", x)
        if Wx._data is None:
            self._init_W(in_size, x)
        step = axes == Wh.ndim
        if step:
            x = x[None, ...]
            resets = None if resets is None else namespace(raw(x)).asarray(raw(resets))[None, ...]
        top: _Recurrent = self
        for top in (self, *self.above):
            x = top._advance(x, resets)
        return top.h if step else x

    def _advance(self, xs: Any, resets: Any) -> Any:
        """All memories (T, B, H) of this layer alone."""
        if Config.tape is not None:
            Config.tape.keep_memory(self)
        if self._last and self._last[0].creator is None:  # by unchain_backward: so let gradients end at the memory
            for memory in self._last[1:]:
                memory.unchain()
        if self.h is not None and raw(self.h).shape[:-1] != xs.shape[1:-1]:
            raise mistake(
                type(self).__name__,
                f"the memory (B, H) is of a batch of {_written(raw(self.h).shape[:-1])}, and now comes one of "
                f"{_written(xs.shape[1:-1])}: call reset_state() before another batch",
                xs,
            )
        hs = self._run(xs, resets)
        if xs.shape[0]:
            self.h = hs[-1, ...]
            self._last = (hs, *(self.__dict__[name] for name in self._memories if name != "_last"))
        return hs

    def _run(self, xs: Any, resets: Any) -> Any:
        """All memories over time; the function of this kind."""
        raise NotImplementedError

    def _weights(self) -> tuple[Parameter, Parameter, Parameter]:
        """Wx (d, G H), Wh (H, G H) and b (G H,)."""
        raise NotImplementedError

    def _init_W(self, in_size: int, like: Any) -> None:  # noqa: N802
        """Make Wx, now that d is known."""
        raise NotImplementedError


class RNN(_Recurrent):
    """Elman's network: h' = tanh(x2h(x) + h2h(h)), `layers` of them on each other (the others are in `above`)."""

    def __init__(
        self, hidden_size: int, in_size: int | None = None, layers: int = 1, dtype: Any = np.float32, rng: Any = None
    ) -> None:
        super().__init__(hidden_size, in_size, layers, dtype, rng)
        self.x2h = Linear(hidden_size, in_size=in_size, dtype=dtype, rng=rng)
        self.h2h = Linear(hidden_size, in_size=hidden_size, nobias=True, dtype=dtype, rng=rng)
        self._stack(layers)

    def _weights(self) -> tuple[Parameter, Parameter, Parameter]:
        return self.x2h.W, self.h2h.W, self.x2h.b  # type: ignore[return-value]  # x2h has a bias

    def _init_W(self, in_size: int, like: Any) -> None:  # noqa: N802
        self.in_size = in_size
        self.x2h._init_W(in_size, like)

    def _run(self, xs: Any, resets: Any) -> Any:
        return rnn(xs, self.h, *self._weights(), resets)


class _Gated(_Recurrent):
    """Gates that share `Wx (d, G H)`, `Wh (H, G H)` and `b (G H,)`.

    Each gate's part of Wx begins as `lecun`, that of Wh as `orthogonal`, b as zeros.
    """

    gates = 0

    def __init__(self, hidden_size: int, in_size: int | None, layers: int, dtype: Any, rng: Any, **how: float) -> None:
        super().__init__(hidden_size, in_size, layers, dtype, rng)
        self.Wx = Parameter(None if in_size is None else self._initial(lecun, in_size), name="Wx")
        self.Wh = Parameter(self._initial(orthogonal, hidden_size), name="Wh")
        self.b = Parameter(np.zeros(self.gates * hidden_size, dtype), name="b")
        self._stack(layers, **how)

    def _initial(self, init: Initialiser, inputs: int, like: Any = None) -> Any:
        parts = [initial(init, (inputs, self.hidden_size), self.dtype, self.rng, like) for _ in range(self.gates)]
        return namespace(raw(like)).concat(parts, axis=1)

    def _shapes(self) -> dict[str, Shape]:
        return {"Wx": (None, self.gates * self.hidden_size)}

    def _weights(self) -> tuple[Parameter, Parameter, Parameter]:
        return self.Wx, self.Wh, self.b

    def _init_W(self, in_size: int, like: Any) -> None:  # noqa: N802
        self.in_size = in_size
        self.Wx.data = self._initial(lecun, in_size, like)


class GRU(_Gated):
    """Gated recurrent units, `F.gru`, with gates r, z, n; `layers` of them on each other, the later in `above`."""

    gates = 3

    def __init__(
        self, hidden_size: int, in_size: int | None = None, layers: int = 1, dtype: Any = np.float32, rng: Any = None
    ) -> None:
        super().__init__(hidden_size, in_size, layers, dtype, rng)

    def _run(self, xs: Any, resets: Any) -> Any:
        return gru(xs, self.h, *self._weights(), resets)


class LSTM(_Gated):
    """Long short-term memory, `F.lstm`, with gates u, f, i, o; `layers` of them on each other, as GRU.

    Remembers the cell c (B, H) besides h. `forget_bias` is what the bias of the forget gate f begins as: 1 or more lets
    cells keep at first what they hold, which long sequences need (Gers et al., 2000; Jozefowicz et al., 2015).
    ValueError for one that is not finite.
    """

    _memories = ("h", "c", "_last")

    gates = 4
    c: Any = None

    def __init__(
        self,
        hidden_size: int,
        in_size: int | None = None,
        layers: int = 1,
        dtype: Any = np.float32,
        rng: Any = None,
        forget_bias: float = 0.0,
    ) -> None:
        if not math.isfinite(forget_bias):
            raise ValueError(f"LSTM: expected a finite forget_bias, got {forget_bias}")
        super().__init__(hidden_size, in_size, layers, dtype, rng, forget_bias=forget_bias)
        # A new one, where .data would do: a network may be made while a step is recorded.
        self.b = Parameter(np.repeat([0.0, forget_bias, 0.0, 0.0], hidden_size).astype(dtype), name="b")

    def _run(self, xs: Any, resets: Any) -> Any:
        hs, self.c = lstm(xs, self.h, self.c, *self._weights(), resets)
        return hs


def _written(batch: tuple[int, ...]) -> str:
    """A batch in words: its rows, or those of each candidate."""
    return " by ".join(map(str, batch)) or "no axis"

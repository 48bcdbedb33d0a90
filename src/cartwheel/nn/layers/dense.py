"""Dense layers: linear, embedding, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.nn import functions
from cartwheel.nn.functions.products import linear
from cartwheel.nn.functions.regularisation import embed_id
from cartwheel.nn.initialisers import Initialiser, lecun, normal
from cartwheel.nn.layers.layer import Layer, Shape
from cartwheel.nn.layers.sizes import check_dtype, check_nobias, check_sizes, initial, length_of
from cartwheel.nn.variable import Parameter


class Linear(Layer):
    """x W + b for x (B, d): `W (d, o)` begins with `init`, `b (o,)` with zeros. `in_size`, d, may wait for an input.

    With the parameters of a population, `(P, d, o)` and `(P, o)`, it maps (P, B, d) to (P, B, o).
    """

    def __init__(
        self,
        out_size: int,
        nobias: bool = False,
        dtype: Any = np.float32,
        in_size: int | None = None,
        init: Initialiser = lecun,
        rng: Any = None,
    ) -> None:
        check_nobias(self, nobias, f"Linear({out_size}, in_size=...)")
        check_sizes(self, out_size=out_size, in_size=in_size)
        check_dtype(self, dtype)
        self.in_size, self.out_size, self.dtype, self.init, self.rng = in_size, out_size, dtype, init, rng
        self.W = Parameter(None, name="W")
        if in_size is not None:
            self._init_W(in_size)
        self.b = None if nobias else Parameter(np.zeros(out_size, dtype), name="b")

    def _init_W(self, in_size: int, like: Any = None) -> None:  # noqa: N802
        self.in_size = in_size
        self.W.data = initial(self.init, (in_size, self.out_size), self.dtype, self.rng, like)

    def _shapes(self) -> dict[str, Shape]:
        return {"W": (None, self.out_size)}

    def forward(self, x: Any) -> Any:
        """x W + b."""
        if self.W._data is None:
            self._init_W(length_of(x, -1, self), x)
        return linear(x, self.W, self.b)


class EmbedID(Layer):
    """A learnt vector for each integer below `in_size`: `W (in_size, out_size)` begins ~ N(0, 1)."""

    bears_population = False

    def __init__(self, in_size: int, out_size: int, dtype: Any = np.float32, rng: Any = None) -> None:
        check_sizes(self, in_size=in_size, out_size=out_size)
        check_dtype(self, dtype)
        self.W = Parameter(initial(normal, (in_size, out_size), dtype, rng), name="W")

    def forward(self, x: Any) -> Any:
        """The vectors (..., out_size) of the integers x (...)."""
        return embed_id(x, self.W)


Embed = EmbedID


class Dropout(Layer):
    """Sets a share of the numbers to 0 in training, and scales the others up; `rng` is what is drawn from."""

    def __init__(self, dropout_ratio: float = 0.5, rng: Any = None) -> None:
        if isinstance(dropout_ratio, bool) or not isinstance(dropout_ratio, int | float | np.number):
            raise TypeError(f"Dropout: expected a ratio of 0 or more and below 1, got {dropout_ratio!r}")
        if not 0.0 <= dropout_ratio < 1.0:
            raise ValueError(f"Dropout: expected a ratio of 0 or more and below 1, got {dropout_ratio}")
        self.dropout_ratio, self.rng = dropout_ratio, rng

    def forward(self, x: Any) -> Any:
        """x with some numbers set to 0."""
        return functions.dropout(x, self.dropout_ratio, self.rng)

"""Layers that bring their inputs to mean 0 and variance 1, then scale and shift them by what they learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.nn.array import namespace
from cartwheel.nn.config import Config
from cartwheel.nn.functions.arithmetic import add, cast, mul
from cartwheel.nn.functions.reductions import mean, var
from cartwheel.nn.functions.regularisation import batch_norm, layer_norm
from cartwheel.nn.layers.layer import Average, Layer, Shape
from cartwheel.nn.layers.sizes import check_dtype, check_sizes, length_of
from cartwheel.nn.variable import Parameter, raw


class BatchNorm(Layer):
    """Normalises over the batch, x (N, D) or (N, C, H, W), in training; in test mode by averages over past batches.

    `gamma` and `beta` are learnt. `avg_mean` and `avg_var` (of the unbiased variance) keep the share `decay` at each
    batch. `in_size`, D or C, is known at the first call.
    """

    bears_population = False

    def __init__(
        self, in_size: int | None = None, decay: float = 0.9, eps: float = 2e-5, dtype: Any = np.float32
    ) -> None:
        check_sizes(self, in_size=in_size)
        check_dtype(self, dtype)
        self.decay, self.eps, self.dtype = decay, eps, dtype
        self.avg_mean, self.avg_var = Average(None, name="avg_mean"), Average(None, name="avg_var")
        self.gamma, self.beta = Parameter(None, name="gamma"), Parameter(None, name="beta")
        if in_size is not None:
            self._init_params(in_size)

    def _init_params(self, size: int, like: Any = None) -> None:
        xp = namespace(raw(like))
        for p, value in ((self.avg_mean, 0), (self.avg_var, 1), (self.gamma, 1), (self.beta, 0)):
            p.data = xp.full((size,), value, dtype=self.dtype)

    def _shapes(self) -> dict[str, Shape]:
        return dict.fromkeys(("avg_mean", "avg_var", "gamma", "beta"), (None,))

    def forward(self, x: Any) -> Any:
        """x normalised."""
        if self.gamma._data is None:
            self._init_params(length_of(x, 1, self), x)
        if not Config.train:
            return batch_norm(x, self.gamma, self.beta, self.avg_mean.now(), self.avg_var.now(), self.eps)
        y = batch_norm(x, self.gamma, self.beta, eps=self.eps)
        self._remember(raw(x))
        return y

    def _remember(self, x: Any) -> None:
        """Move the averages towards the mean and the variance of this batch."""
        axes = (0, *range(2, x.ndim))
        count = x.size // max(x.shape[1], 1)
        if count:
            unbiased = mul(var(x, axes), count / max(count - 1, 1))
            for average, now in ((self.avg_mean, mean(x, axes)), (self.avg_var, unbiased)):
                kept = mul(average.now(), self.decay)
                average.move(add(kept, mul(cast(now, average.dtype), 1 - self.decay)))


class LayerNorm(Layer):
    """Normalises each row over its last axis; `gamma` and `beta (D,)` are learnt. `in_size` is D, as in BatchNorm."""

    def __init__(self, in_size: int | None = None, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        check_sizes(self, in_size=in_size)
        check_dtype(self, dtype)
        self.eps, self.dtype = eps, dtype
        self.gamma, self.beta = Parameter(None, name="gamma"), Parameter(None, name="beta")
        if in_size is not None:
            self._init_params(in_size)

    def _init_params(self, size: int, like: Any = None) -> None:
        xp = namespace(raw(like))
        self.gamma.data, self.beta.data = xp.ones((size,), dtype=self.dtype), xp.zeros((size,), dtype=self.dtype)

    def _shapes(self) -> dict[str, Shape]:
        return {"gamma": (None,), "beta": (None,)}

    def forward(self, x: Any) -> Any:
        """x normalised."""
        if self.gamma._data is None:
            self._init_params(length_of(x, -1, self), x)
        return layer_norm(x, self.gamma, self.beta, -1, self.eps)

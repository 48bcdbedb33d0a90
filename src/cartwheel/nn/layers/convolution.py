"""Convolutions over pictures (N, C, H, W)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.nn.functions.convolution import conv2d, deconv2d
from cartwheel.nn.initialisers import Initialiser, lecun
from cartwheel.nn.layers.layer import Layer, Shape
from cartwheel.nn.layers.sizes import check_dtype, check_nobias, check_sizes, initial, length_of, pair
from cartwheel.nn.variable import Parameter


class Conv2d(Layer):
    """A convolution with kernels `W (out_channels, in_channels, KH, KW)`, which begin with `init`, and `b` of zeros.

    `kernel_size`, `stride` and `pad` are a number or a pair; `in_channels` is known at the first call.
    """

    bears_population = False

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        pad: int | tuple[int, int] = 0,
        nobias: bool = False,
        dtype: Any = np.float32,
        in_channels: int | None = None,
        init: Initialiser = lecun,
        rng: Any = None,
    ) -> None:
        check_nobias(self, nobias, f"{type(self).__name__}({out_channels}, ..., in_channels=...)")
        check_sizes(self, out_channels=out_channels, in_channels=in_channels)
        check_dtype(self, dtype)
        self._field = pair(self, "kernel_size", kernel_size, 1)
        for name, value, low in (("stride", stride, 1), ("pad", pad, 0)):
            pair(self, name, value, low)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.pad = kernel_size, stride, pad
        self.dtype, self.init, self.rng = dtype, init, rng
        self.W = Parameter(None, name="W")
        if in_channels is not None:
            self._init_W(in_channels)
        self.b = None if nobias else Parameter(np.zeros(out_channels, dtype), name="b")

    def _init_W(self, in_channels: int, like: Any = None) -> None:  # noqa: N802
        self.in_channels = in_channels
        self.W.data = initial(self.init, (self.out_channels, in_channels, *self._field), self.dtype, self.rng, like)

    def _shapes(self) -> dict[str, Shape]:
        return {"W": (self.out_channels, None, *self._field)}

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) to (N, out_channels, OH, OW)."""
        if self.W._data is None:
            self._init_W(length_of(x, 1, self), x)
        return conv2d(x, self.W, self.b, self.stride, self.pad)


class Deconv2d(Conv2d):
    """The transpose of a convolution, with kernels `W (in_channels, out_channels, KH, KW)`; else as `Conv2d`."""

    def _init_W(self, in_channels: int, like: Any = None) -> None:  # noqa: N802
        super()._init_W(in_channels, like)
        self.W.data = self.W.data.swapaxes(0, 1).copy()  # its inputs are those of a convolution that goes this way

    def _shapes(self) -> dict[str, Shape]:
        return {"W": (None, self.out_channels, *self._field)}

    def forward(self, x: Any) -> Any:
        """(N, C, H, W) to (N, out_channels, OH, OW)."""
        if self.W._data is None:
            self._init_W(length_of(x, 1, self), x)
        return deconv2d(x, self.W, self.b, self.stride, self.pad)

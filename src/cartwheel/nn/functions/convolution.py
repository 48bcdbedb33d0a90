"""Convolution of images (N, C, H, W): windows cut out and laid side by side, then one product.

Three products make all gradients of any order: images by weights (`conv2d`), its transpose (`deconv2d`), and two images
by each other, which gives weights.
"""

from __future__ import annotations

import math
from typing import Any

from cartwheel.nn.array import Array
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions import reductions
from cartwheel.nn.functions.pooling import (
    Windows,
    gathered,
    get_deconv_outsize,
    image_size,
    pair,
    scattered,
    windows_of,
)
from cartwheel.nn.functions.shape import shape_of
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw


def _rows(xp: Any, x: Array, rows: int) -> Array:
    """x as a matrix of so many rows."""
    return xp.reshape(x, (rows, math.prod(x.shape) // rows if rows else 0))


@operation
def _conv2d(xp: Any, x: Array, W: Array, b: Array | None, *, windows: Windows) -> Array:
    inputs = math.prod(W.shape[1:])
    columns = xp.reshape(gathered(xp, x, windows), (inputs, x.shape[0] * math.prod(windows.count)))
    y = xp.reshape(W, (W.shape[0], inputs)) @ columns
    if b is not None:
        y = y + xp.reshape(b, (-1, 1))
    return xp.permute_dims(xp.reshape(y, (W.shape[0], x.shape[0], *windows.count)), (1, 0, 2, 3))


@operation
def _deconv2d(xp: Any, x: Array, W: Array, b: Array | None, *, windows: Windows) -> Array:
    C, *window = W.shape
    images = xp.reshape(xp.permute_dims(x, (1, 0, 2, 3)), (C, x.shape[0] * math.prod(windows.count)))
    columns = xp.permute_dims(xp.reshape(W, (C, math.prod(window))), (1, 0)) @ images
    y = scattered(xp, xp.reshape(columns, (*window, x.shape[0], *windows.count)), windows)
    return y if b is None else y + xp.reshape(b, (-1, 1, 1))


@operation
def _weights(xp: Any, x: Array, z: Array, *, windows: Windows) -> Array:
    """The weights (C of z, C of x, KH, KW) of the convolution of x to z, as far as the product of both goes."""
    width = x.shape[1] * math.prod(windows.kernel)
    height = z.shape[0] * math.prod(windows.count)
    columns = xp.reshape(gathered(xp, x, windows), (width, height))
    images = xp.reshape(xp.permute_dims(z, (1, 0, 2, 3)), (z.shape[1], height))
    return xp.reshape(images @ xp.permute_dims(columns, (1, 0)), (z.shape[1], x.shape[1], *windows.kernel))


def _by_bias(g: Any, y: Any, x: Any, W: Any, b: Any, windows: Windows) -> Any:
    return reductions.sum(g, (0, 2, 3))


_conv2d.rules = (
    lambda g, y, x, W, b, windows: _deconv2d(g, W, None, windows=windows),
    lambda g, y, x, W, b, windows: _weights(x, g, windows=windows),
    _by_bias,
)
_deconv2d.rules = (
    lambda g, y, x, W, b, windows: _conv2d(g, W, None, windows=windows),
    lambda g, y, x, W, b, windows: _weights(g, x, windows=windows),
    _by_bias,
)
_weights.rules = (
    lambda g, y, x, z, windows: _deconv2d(z, g, None, windows=windows),
    lambda g, y, x, z, windows: _conv2d(x, g, None, windows=windows),
)


@function(REAL)
def conv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0) -> Any:
    """Images x (N, C, H, W) by kernels W (OC, C, KH, KW) and a bias b (OC,): (N, OC, OH, OW).

    A kernel is laid on each window as it is, not mirrored. OH = (H + 2 pad - KH) // stride + 1.
    """
    size = image_size("conv2d", x, W)
    _check_weights("conv2d", x, W, b, 1)
    return _conv2d(x, W, b, windows=windows_of("conv2d", size, raw(W).shape[2:], stride, pad, x, W))


@function(REAL)
def deconv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, outsize: Any = None) -> Any:
    """The transpose of `conv2d`: images x (N, C, H, W) by kernels W (C, OC, KH, KW): (N, OC, OH, OW).

    OH = stride (H - 1) + KH - 2 pad, or `outsize`, one of the sizes that `conv2d` would bring to (H, W).
    """
    size = image_size("deconv2d", x, W)
    _check_weights("deconv2d", x, W, b, 0)
    kernel = raw(W).shape[2:]
    try:
        strides, pads = pair(stride), pair(pad)
        least = tuple(map(get_deconv_outsize, size, kernel, strides, pads))
        chosen = least if outsize is None else pair(outsize)
    except ValueError as problem:
        raise mistake("deconv2d", problem, x, W) from None
    windows = windows_of("deconv2d", chosen, kernel, strides, pads, x, W)
    if windows.count != size:
        most = tuple(one + step - 1 for one, step in zip(least, strides, strict=True))
        raise mistake("deconv2d", f"expected an outsize from {least} to {most}, got {chosen}", x, W)
    return _deconv2d(x, W, b, windows=windows)


def _check_weights(name: str, x: Any, W: Any, b: Any, axis: int) -> None:
    """ValueError unless x has as many channels as W has along an axis, and b is one number for each output."""
    shape = shape_of(name, W)
    if len(shape) != 4:
        raise mistake(name, f"expected kernels ({'OC, C' if axis else 'C, OC'}, KH, KW)", x, W)
    if shape[axis] != raw(x).shape[1]:
        raise mistake(name, f"expected images of {shape[axis]} channels, as axis {axis} of W says", x, W)
    if b is not None and shape_of(name, b) != (shape[1 - axis],):
        raise mistake(name, f"expected a bias of shape ({shape[1 - axis]},), one number for each output channel", b)

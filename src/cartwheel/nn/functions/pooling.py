"""Windows of images (N, C, H, W): cut out and added back, and the largest or the mean of each.

Kernel size, stride and padding are one whole number or a pair (height, width).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import index as as_integer
from typing import Any

from cartwheel.nn.array import Array
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions import reductions
from cartwheel.nn.functions.shape import shape_of
from cartwheel.nn.mistakes import mistake

Pair = tuple[int, int]


def pair(x: Any) -> Pair:
    """A whole number as (x, x); a pair as it is. ValueError for what is neither."""
    try:
        both = (x, x) if not isinstance(x, tuple | list) else tuple(x)
        height, width = map(as_integer, both)
    except (TypeError, ValueError):
        raise ValueError(f"expected a whole number or a pair of them, got {x!r}") from None
    return height, width


def get_conv_outsize(input_size: int, kernel_size: int, stride: int, pad: int) -> int:
    """How many windows fit along an axis."""
    return (input_size + 2 * pad - kernel_size) // stride + 1


def get_deconv_outsize(size: int, k: int, s: int, p: int) -> int:
    """The shortest axis along which so many windows fit."""
    return s * (size - 1) + k - 2 * p


@dataclass(frozen=True)
class Windows:
    """The windows of a kernel's size on an image of a size: how far apart, how much zero padding around."""

    image: Pair
    kernel: Pair
    stride: Pair
    pad: Pair

    @property
    def count(self) -> Pair:
        """How many there are (down, across)."""
        down, across = map(get_conv_outsize, self.image, self.kernel, self.stride, self.pad)
        return down, across

    @property
    def padded(self) -> Pair:
        """The size of the image with its padding."""
        return self.image[0] + 2 * self.pad[0], self.image[1] + 2 * self.pad[1]

    def inside(self) -> tuple[slice, slice]:
        """Where the image lies within its padding."""
        (height, width), (top, left) = self.image, self.pad
        return slice(top, top + height), slice(left, left + width)

    def places(self) -> Iterator[tuple[int, int, slice, slice]]:
        """For each place (row, column) of the kernel, which rows and columns of the padded image it meets."""
        (height, width), (down, across), (rows, columns) = self.kernel, self.stride, self.count
        for row in range(height):
            for column in range(width):
                below, right = row + down * (rows - 1) + 1, column + across * (columns - 1) + 1
                yield row, column, slice(row, below, down), slice(column, right, across)


def windows_of(name: str, image: Any, kernel: Any, stride: Any, pad: Any, *operands: Any) -> Windows:
    """Checked `Windows`: ValueError for sizes that leave no window."""
    try:
        windows = Windows(tuple(image), pair(kernel), pair(stride), pair(pad))
    except ValueError as problem:
        raise mistake(name, problem, *operands) from None
    if any(one < 1 for one in (*windows.kernel, *windows.stride)) or any(one < 0 for one in windows.pad):
        sizes = f"kernel {windows.kernel}, stride {windows.stride}, pad {windows.pad}"
        raise mistake(
            name, f"expected kernel and stride of at least 1 and padding of at least 0, got {sizes}", *operands
        )
    if any(one < 0 for one in windows.image):
        raise mistake(name, f"padding {windows.pad} leaves less than nothing: an image {windows.image}", *operands)
    if any(one < 1 for one in windows.count):
        raise mistake(
            name, f"a kernel {windows.kernel} doesn't fit an image {windows.padded}, padding included", *operands
        )
    return windows


def image_size(name: str, x: Any, *operands: Any) -> Pair:
    """Height and width of images; ValueError for an array that holds none."""
    shape = shape_of(name, x)
    if len(shape) != 4:
        raise mistake(name, "expected images (N, C, H, W)", x, *operands)
    return shape[2], shape[3]


# --- windows out of an image and back --------------------------------------------------------------------------------


def gathered(xp: Any, x: Array, windows: Windows) -> Array:
    """The windows of x (N, C, H, W), channels and places of the kernel first: (C, KH, KW, N, OH, OW)."""
    images, channels = x.shape[:2]
    image = xp.permute_dims(x, (1, 0, 2, 3))
    if windows.pad != (0, 0):
        padded = xp.zeros((channels, images, *windows.padded), dtype=x.dtype)
        padded[(slice(None), slice(None), *windows.inside())] = image
        image = padded
    columns = xp.empty((channels, *windows.kernel, images, *windows.count), dtype=x.dtype)
    for row, column, rows, across in windows.places():
        columns[:, row, column, ...] = image[:, :, rows, across]
    return columns


def scattered(xp: Any, columns: Array, windows: Windows) -> Array:
    """The image (N, C, H, W) with each window (C, KH, KW, N, OH, OW) added at its place."""
    channels, images = columns.shape[0], columns.shape[3]
    image = xp.zeros((channels, images, *windows.padded), dtype=columns.dtype)
    for row, column, rows, across in windows.places():
        image[:, :, rows, across] += columns[:, row, column, ...]
    return xp.permute_dims(image[(slice(None), slice(None), *windows.inside())], (1, 0, 2, 3))


@operation
def _im2col(xp: Any, x: Array, *, windows: Windows, to_matrix: bool) -> Array:
    columns = gathered(xp, x, windows)
    if not to_matrix:
        return xp.permute_dims(columns, (3, 0, 1, 2, 4, 5))
    C, KH, KW, N, OH, OW = columns.shape
    return xp.reshape(xp.permute_dims(columns, (3, 4, 5, 0, 1, 2)), (N * OH * OW, C * KH * KW))


@operation
def _col2im(xp: Any, columns: Array, *, shape: tuple[int, ...], windows: Windows, to_matrix: bool) -> Array:
    if to_matrix:
        columns = xp.reshape(columns, (shape[0], *windows.count, shape[1], *windows.kernel))
        return scattered(xp, xp.permute_dims(columns, (3, 4, 5, 0, 1, 2)), windows)
    return scattered(xp, xp.permute_dims(columns, (1, 2, 3, 0, 4, 5)), windows)


_im2col.rules = (lambda g, y, x, windows, to_matrix: _col2im(g, shape=x.shape, windows=windows, to_matrix=to_matrix),)
_col2im.rules = (lambda g, y, columns, shape, windows, to_matrix: _im2col(g, windows=windows, to_matrix=to_matrix),)


@function(REAL)
def im2col(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True) -> Any:
    """The windows of images (N, C, H, W), one in a row: (N * OH * OW, C * KH * KW).

    With `to_matrix=False` as (N, C, KH, KW, OH, OW).
    """
    windows = windows_of("im2col", image_size("im2col", x), kernel_size, stride, pad, x)
    return _im2col(x, windows=windows, to_matrix=to_matrix)


@function(REAL)
def col2im(x: Any, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: bool = True) -> Any:
    """Images of the shape (N, C, H, W) with each window that `im2col` would have given added at its place."""
    shape = tuple(input_shape)
    if len(shape) != 4:
        raise mistake("col2im", f"expected images (N, C, H, W) to be made, got input_shape {shape}", x)
    windows = windows_of("col2im", shape[2:], kernel_size, stride, pad, x)
    N, C = shape[:2]
    wanted: tuple[int, ...] = (N, C, *windows.kernel, *windows.count)
    if to_matrix:
        wanted = (N * math.prod(windows.count), C * math.prod(windows.kernel))
    if shape_of("col2im", x) != wanted:
        raise mistake("col2im", f"expected windows {wanted} for images {shape}", x)
    return _col2im(x, shape=shape, windows=windows, to_matrix=to_matrix)


# --- pooling ---------------------------------------------------------------------------------------------------------


@function(REAL)
def pooling(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> Any:
    """The largest of each window of images (N, C, H, W): (N, C, OH, OW). Padding counts as zeros, as in DeZero.

    At ties they share the gradient.
    """
    windows = windows_of("pooling", image_size("pooling", x), kernel_size, stride, pad, x)
    return reductions.max(_im2col(x, windows=windows, to_matrix=False), (2, 3))


@function(REAL)
def average_pooling(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> Any:
    """The mean of each window of images (N, C, H, W): (N, C, OH, OW). Padding counts as zeros."""
    windows = windows_of("average_pooling", image_size("average_pooling", x), kernel_size, stride, pad, x)
    return reductions.mean(_im2col(x, windows=windows, to_matrix=False), (2, 3))

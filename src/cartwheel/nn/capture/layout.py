"""Where a program's arrays lie: places in its buffers, and views of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

#: Numbers that go together in memory: places begin at a multiple, for whole vector registers (64 bytes of float32).
ALIGNMENT = 16


@dataclass(frozen=True)
class Place:
    """An array in a buffer: where its first number is, its shape, and the stride along each axis, in numbers.

    `kind` is "f" for floats, "b" for truth values, which are floats as well, 0 or 1, and "i" for integers.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str = "f"

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether its numbers lie one after the other, in order."""
        return self.size <= 1 or all(
            length == 1 or stride == wanted
            for length, stride, wanted in zip(self.shape, self.strides, row_strides(self.shape), strict=True)
        )

    @property
    def reach(self) -> tuple[int, int]:
        """The stretch [first, last) of the buffer in which its numbers lie."""
        ends = [stride * (length - 1) for length, stride in zip(self.shape, self.strides, strict=True)]
        first, last = sum(end for end in ends if end < 0), sum(end for end in ends if end > 0)
        return (self.offset + first, self.offset + last + 1) if self.size else (self.offset, self.offset)

    def reshaped(self, shape: tuple[int, ...]) -> Place | None:
        """The same numbers in another shape; None if they would have to be moved."""
        return replace(self, shape=shape, strides=row_strides(shape)) if self.contiguous else None

    def transposed(self, axes: Sequence[int]) -> Place:
        """The axes in another order."""
        return replace(
            self, shape=tuple(self.shape[axis] for axis in axes), strides=tuple(self.strides[axis] for axis in axes)
        )

    def broadcast(self, shape: tuple[int, ...]) -> Place:
        """Stretched to a shape."""
        lead = len(shape) - len(self.shape)
        strides = tuple(
            0 if length == 1 != wanted else stride
            for length, stride, wanted in zip(self.shape, self.strides, shape[lead:], strict=True)
        )
        return replace(self, shape=shape, strides=(0,) * lead + strides)


def row_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous array."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis - 1] = strides[axis] * max(shape[axis], 1)
    return tuple(strides)


def collapsed(shape: tuple[int, ...], operands: Sequence[Place]) -> tuple[list[int], list[list[int]]]:
    """The fewest axes that all operands (of this shape) can be walked along: lengths, and each one's strides."""
    lengths: list[int] = []
    strides: list[list[int]] = [[] for _ in operands]
    for axis, length in enumerate(shape):
        if length == 1:
            continue
        here = [operand.strides[axis] for operand in operands]
        if lengths and all(before[-1] == stride * length for before, stride in zip(strides, here, strict=True)):
            lengths[-1] *= length
            for before, stride in zip(strides, here, strict=True):
                before[-1] = stride
        else:
            lengths.append(length)
            for before, stride in zip(strides, here, strict=True):
                before.append(stride)
    return lengths, strides

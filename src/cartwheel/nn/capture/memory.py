"""The arrays that outlive a step while it is recorded: as they were, and as they should be after what was noted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cartwheel.nn.array import Array


def root_of(array: Array) -> Array:
    """The array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


@dataclass
class Memory:
    """Vectors of models, memories of optimizers: arrays that are no views, by id."""

    lasting: dict[int, Array] = field(default_factory=dict)
    #: Averages that were moved, and their numbers before: their place may be another after the first call of a model.
    moved: dict[int, tuple[Any, Array]] = field(default_factory=dict)
    _before: dict[int, Array] = field(default_factory=dict)
    _expected: dict[int, Array] = field(default_factory=dict)

    def last(self, array: Array) -> None:
        """Say that an array outlives the step: what it holds now is what is put back."""
        root = root_of(array)
        if id(root) in self.lasting:
            return
        if not (root.flags.c_contiguous or root.flags.f_contiguous):
            raise RuntimeError(f"can't record a step with numbers that do not lie in one piece: {root.strides}")
        self.lasting[id(root)] = root
        self._before[id(root)] = root.copy(order="K")

    def write(self, target: Array, value: Array) -> None:
        """Give a lasting array, or a part of it, new numbers."""
        self.last(target)
        root = root_of(target)
        expected = self._expected.get(id(root))
        if expected is None:
            expected = self._expected[id(root)] = self._before[id(root)].copy(order="K")
        if target.size:
            start = target.ctypes.data - root.ctypes.data
            np.ndarray(target.shape, target.dtype, _bytes(expected), start, target.strides)[...] = value
        target[...] = value

    def changed(self) -> Iterator[Array]:
        """The arrays that hold other numbers than those that were written."""
        for key, root in self.lasting.items():
            if not np.array_equal(_bytes(root), _bytes(self._expected.get(key, self._before[key]))):
                yield root

    def restore(self) -> None:
        """Put all numbers back as they were."""
        for key, root in self.lasting.items():
            if not np.array_equal(_bytes(root), _bytes(self._before[key])):
                root[...] = self._before[key]
        for average, numbers in self.moved.values():
            average._data[...] = numbers


def _bytes(array: Array) -> Array:
    return array.ravel(order="K").view(np.uint8)

"""`Dataset`: examples by number, each with what is done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Transform: TypeAlias = Callable[[Any], Any] | None


class Dataset:
    """Examples `dataset[number] -> (x, t)`: derive from it, and set `data` and `label` in `prepare`.

    `transform` and `target_transform` are done to each x and t. Without labels t is None.
    """

    data: Any = None
    label: Any = None

    def __init__(self, train: bool = True, transform: Transform = None, target_transform: Transform = None) -> None:
        self.train = train
        self.transform = transform or _same
        self.target_transform = target_transform or _same
        self.prepare()

    def prepare(self) -> None:
        """Make `data` and `label`, as `train` says."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int | np.integer):
            raise TypeError(f"expected the number of an example, got {index!r}; .data and .label have them all")
        x = self.transform(self.data[index])
        return x, None if self.label is None else self.target_transform(self.label[index])

    def __len__(self) -> int:
        return 0 if self.data is None else len(self.data)


def _same(x: Any) -> Any:
    return x

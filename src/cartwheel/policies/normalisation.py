"""Normalisation of observations: a part of the policy, learnt while it was trained and fixed when it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError

#: Normalised observations are clipped to so many deviations.
LARGEST = np.float32(10.0)


@dataclass(frozen=True, eq=False)
class Normalisation:
    """The network sees (x - shift) * scale, clipped to `LARGEST`, for observations x (d,), in float32.

    `shift (d,)` and `scale (d,)` are taken as copies and handed out read-only. UsageError where they are not finite.
    """

    shift: NDArray[Any]
    scale: NDArray[Any]

    def __post_init__(self) -> None:
        for name in ("shift", "scale"):
            vector = np.array(getattr(self, name), np.float32)
            if vector.ndim != 1 or not np.isfinite(vector).all():
                raise UsageError(f"the {name} of a normalisation has to be a vector of finite numbers")
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)
        if self.shift.shape != self.scale.shape:
            raise UsageError(f"a normalisation has {self.shift.size} shifts and {self.scale.size} scales")

    @property
    def size(self) -> int:
        """d."""
        return self.shift.size

    def apply(self, x: Any) -> NDArray[np.float32]:
        """What the network sees of observations (..., d)."""
        seen: NDArray[np.float32] = np.clip((x - self.shift) * self.scale, -LARGEST, LARGEST)
        return seen

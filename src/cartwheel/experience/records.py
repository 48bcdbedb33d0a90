"""What algorithms ask for and what they learn from: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an algorithm wants measured: `parameters (P, n)`, each over `episodes` episodes, the same for all P."""

    parameters: NDArray[Any]
    episodes: int


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What came of a request: the undiscounted return and the length in steps of each candidate's episodes.

    `returns (P, E)` and `lengths (P, E)`, one row a candidate, one column an episode, in the order of the request.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]

    @property
    def steps(self) -> int:
        """Environment steps that were taken."""
        return int(self.lengths.sum())

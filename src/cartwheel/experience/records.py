"""What algorithms ask for and what they learn from: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.experience.chains import Chains
from cartwheel.policies.normalisation import Normalisation


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an algorithm wants measured: `parameters (P, n)`, each over `episodes` episodes, the same for all P.

    Parameters are a matrix, or `chains.Chains`, from which a candidate is made where it is measured.
    They act on observations as `normalisation` makes them. With `moments`, those of the observations are wanted back.
    """

    parameters: NDArray[Any] | Chains
    episodes: int
    normalisation: Normalisation | None = None
    moments: bool = False


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What came of a request: the undiscounted return and the length in steps of each candidate's episodes.

    `returns (P, E)` and `lengths (P, E)`, one row a candidate, one column an episode, in the order of the request.
    `seen (P, E, 2, d)`, where it was asked for: the mean of each episode's observations that were acted on, as they
    were before they were normalised, and the sum of their squared deviations from it.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    seen: NDArray[np.float64] | None = None

    @property
    def steps(self) -> int:
        """Environment steps that were taken."""
        return int(self.lengths.sum())

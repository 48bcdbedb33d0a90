"""What a set of episode returns says about their mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cartwheel.errors import UsageError


@dataclass(frozen=True)
class Summary:
    """Figures of `count` values: their mean, standard deviation (over count - 1) and range.

    `low` and `high` are the 95 % interval of the mean by Student's t. One value says nothing about the spread: its
    `std` is NaN and its interval is (-inf, inf).
    """

    mean: float
    std: float
    low: float
    high: float
    minimum: float
    maximum: float
    count: int


def summarise(values: ArrayLike) -> Summary:
    """The figures of `values (E,)`, finite and in any unit; UsageError where there is none, or one is not finite."""
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or x.size == 0:
        raise UsageError(f"expected a list of at least one value to summarise, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise UsageError("expected finite values to summarise; some are NaN or infinite")
    mean = float(x.mean())
    std = float(x.std(ddof=1)) if x.size > 1 else math.nan
    half = _half_width(std, x.size)
    return Summary(mean, std, mean - half, mean + half, float(x.min()), float(x.max()), x.size)


def _half_width(std: float, count: int) -> float:
    """Half the 95 % interval of a mean: t(0.975, count - 1) * std / sqrt(count)."""
    if count == 1:
        return math.inf
    from scipy.special import stdtrit  # a tenth of a second to load, so only where an interval is wanted

    return float(stdtrit(count - 1, 0.975)) * std / math.sqrt(count)

"""Distributions of continuous actions: normal ones, as they are and squashed by tanh.

Sources: R. J. Williams, "Simple Statistical Gradient-Following Algorithms", 1992, section 6, for normal ones; T.
Haarnoja et al., "Soft Actor-Critic", 2018, appendix C, eq. 21, for squashed ones:

    log p(tanh(u)) = log N(u; mean, std) - sum_i log(1 - tanh(u_i)^2)

Deviation: the last term is computed as 2 (log 2 - u - softplus(-2 u)), which is exact where tanh rounds to 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.nn import Variable, as_variable, no_grad
from cartwheel.nn import functions as F
from cartwheel.policies.distributions.base import Distribution, check_shape

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)

#: So many points has the quadrature of the entropy that has no closed form.
_POINTS = 64


class DiagonalGaussian(Distribution):
    """Numbers (..., a), independent of each other, each normally distributed.

    `mean` (..., a), and `log_std`, the logarithm of the deviations: (a,), the same in all states, or (..., a), each
    state's own. Nothing is bounded: who wants limits of deviations clips, and actions are clipped by the environment.
    """

    def __init__(self, mean: Any, log_std: Any) -> None:
        if tuple(log_std.shape) not in (tuple(mean.shape), tuple(mean.shape[-1:])):
            expected = " or ".join(map(str, dict.fromkeys((tuple(mean.shape[-1:]), tuple(mean.shape)))))
            raise UsageError(f"expected log_std of shape {expected}, got shape {tuple(log_std.shape)}")
        self.mean, self.log_std = mean, log_std

    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """mean + std e, of standard normal e: (..., a)."""
        with no_grad():
            return F.normal(self.mean, F.exp(self.log_std), rng)

    def mode(self) -> Variable:
        """The mean: (..., a)."""
        return as_variable(self.mean)

    def log_prob(self, draw: Any) -> Variable:
        """-sum(z^2 / 2 + log std + log(2 pi) / 2), z = (draw - mean) / std, for draws (..., a): (...)."""
        check_shape("actions", draw, self.mean.shape)
        z = (draw - self.mean) * F.exp(-self.log_std)
        return -F.sum(0.5 * (z * z) + (self.log_std + _HALF_LOG_TWO_PI), axis=-1)

    def entropy(self) -> Variable:
        """sum(log std + log(2 pi e) / 2): (...)."""
        return F.sum(F.broadcast_to(self.log_std + (_HALF_LOG_TWO_PI + 0.5), self.mean.shape), axis=-1)

    def kl(self, other: DiagonalGaussian) -> Variable:
        """sum((exp(2 d) - 1 - 2 d + z^2) / 2), d the difference of the log_std, z that of the means by the other's std.

        A number for each row, (...). `expm1` keeps it exact for distributions that are close to each other.
        """
        check_shape("the other's mean", other.mean, self.mean.shape)
        twice = 2.0 * (self.log_std - other.log_std)
        z = (self.mean - other.mean) * F.exp(-other.log_std)
        return 0.5 * F.sum(z * z + (F.expm1(twice) - twice), axis=-1)


class SquashedGaussian(Distribution):
    """Numbers tanh(u) in (-1, 1), of which the u (..., a) are those of a `DiagonalGaussian`.

    A draw is u, the sample before tanh, which is what has to be kept: of tanh(u) it could not be told any more where
    that rounds to 1. `action` makes tanh(u) of it, and `log_prob` of u is the density of tanh(u). Who scales actions
    to other bounds adds a constant to that, which no gradient and no ratio of two densities sees.
    """

    def __init__(self, gaussian: DiagonalGaussian) -> None:
        self.gaussian = gaussian

    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """u, before tanh: (..., a)."""
        return self.gaussian.sample(rng)

    def action(self, draw: Any) -> Variable:
        """tanh(u) for draws u (..., a): (..., a)."""
        return F.tanh(draw)

    def mode(self) -> Variable:
        """The deterministic action, tanh of the mean: (..., a), no draw. It is where half of the draws are smaller.

        The density's own largest value is elsewhere, and where deviations are large at the bounds.
        """
        return F.tanh(self.gaussian.mean)

    def log_prob(self, draw: Any) -> Variable:
        """The logarithm of the density of tanh(u), for draws u (..., a): (...)."""
        return self.gaussian.log_prob(draw) - F.sum(_log_slope(draw), axis=-1)

    def entropy(self) -> Variable:
        """That of u and the mean of sum(log(1 - tanh(u)^2)), by Gauss-Hermite quadrature of 64 points: (...).

        There is no closed form. The error of each number of the action is below 1e-10 for deviations of u up to 1, 1e-5
        up to 2, and 2e-3 up to 4; that of its gradient some ten times as large.
        """
        mean, log_std = self.gaussian.mean, self.gaussian.log_std
        points, weights = _quadrature(mean.dtype)
        u = F.expand_dims(mean, -1) + F.expand_dims(F.exp(log_std), -1) * points  # (..., a, points)
        return self.gaussian.entropy() + F.sum(_log_slope(u) * weights, axis=(-2, -1))

    def kl(self, other: SquashedGaussian) -> Variable:
        """That of the normal distributions, (...): what is done to both alike leaves it as it is."""
        return self.gaussian.kl(other.gaussian)


def _log_slope(u: Any) -> Variable:
    """log(1 - tanh(u)^2) of each number."""
    return F.mul(2.0, math.log(2.0) - u - F.softplus(-2.0 * u))


@lru_cache
def _quadrature(dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points (k,) and weights (k,) by which the mean of a function of a standard normal number is a sum."""
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    return points.astype(dtype), (weights / weights.sum()).astype(dtype)

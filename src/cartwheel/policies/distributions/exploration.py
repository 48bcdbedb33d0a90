"""State-dependent exploration (gSDE): noise that is a function of the state, the same for so many steps.

Source: A. Raffin, J. Kober, F. Stulp, "Smooth Exploration for Robotic Reinforcement Learning", 2022, section 3. With
features z(s) (h,) of a state and a matrix E (h, a), drawn once per so many steps from normal distributions of
deviations std (h, a), the action is

    a = mean(s) + z(s) E,    and by itself    a_j ~ N(mean_j(s), sum_i (std_ij z_i(s))^2)

Deviation: to that variance 1e-6 is added, as stable-baselines3 does, so that a state without features has a density.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.errors import UsageError
from cartwheel.nn import Variable, no_grad
from cartwheel.nn import functions as F
from cartwheel.policies.distributions.base import check_shape
from cartwheel.policies.distributions.gaussian import DiagonalGaussian

_SMALLEST_VARIANCE = 1e-6


class StateDependentExploration(DiagonalGaussian):
    """Actions (..., a) of `mean` (..., a), that deviate by features `latent` (..., h) and `log_std` (h, a).

    Of a single step it is a normal distribution, by whose density policy gradients learn; `sample` draws each row by
    itself. Steps that go together are explored by the same matrix: `exploration_matrices`, and `explore` with them.
    Who does not want features to be learnt from exploration gives them as constants.
    """

    def __init__(self, mean: Any, latent: Any, log_std: Any) -> None:
        expected = tuple(latent.shape[-1:]) + tuple(mean.shape[-1:])
        if tuple(log_std.shape) != expected:
            raise UsageError(f"expected log_std of shape {expected}, got shape {tuple(log_std.shape)}")
        check_shape("features", latent, (*mean.shape[:-1], expected[0]))
        self.latent = latent
        variance = F.matmul(latent * latent, F.exp(2.0 * log_std))  # (..., a)
        super().__init__(mean, 0.5 * F.log(variance + _SMALLEST_VARIANCE))

    def explore(self, matrices: Any) -> Variable:
        """Draws (..., a) by matrices (h, a), one for all rows, or (..., h, a), one for each: mean + z E."""
        with no_grad():
            return F.add(self.mean, F.sum(F.expand_dims(self.latent, -1) * matrices, axis=-2))


def exploration_matrices(log_std: Any, count: int, rng: np.random.Generator | None = None) -> Variable:
    """Matrices (count, h, a), one a lane, of deviations exp(log_std) (h, a), by `rng` or by `Config.rng`; constants."""
    with no_grad():
        none = np.zeros((count, *log_std.shape), log_std.dtype)
        return F.normal(none, F.exp(log_std), rng)

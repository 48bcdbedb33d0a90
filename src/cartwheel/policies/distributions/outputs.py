"""The distribution that a stochastic network's outputs are."""

from __future__ import annotations

from typing import Any

from cartwheel.policies.distributions.discrete import Categorical, MultiCategorical
from cartwheel.policies.distributions.gaussian import DiagonalGaussian


class Actions:
    """Distributions of actions (B,), whose draws come as `Transitions` have them: (B, a), whatever the space.

    `groups` are a stochastic network's; without any the outputs (B, o) are means, of deviations exp(log_std) (o,).
    """

    def __init__(self, groups: tuple[int, ...], outputs: Any, log_std: Any = None) -> None:
        self._single = len(groups) == 1
        self.distribution: Any
        if self._single:
            self.distribution = Categorical(outputs)
        elif groups:
            self.distribution = MultiCategorical(outputs, groups)
        else:
            self.distribution = DiagonalGaussian(outputs, log_std)

    def log_prob(self, draw: Any) -> Any:
        """The logarithm of the chance or density of draws (B, a): (B,)."""
        return self.distribution.log_prob(draw[:, 0] if self._single else draw)

    def entropy(self) -> Any:
        """(B,)."""
        return self.distribution.entropy()

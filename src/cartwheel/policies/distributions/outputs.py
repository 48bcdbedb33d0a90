"""The distribution that a stochastic network's outputs are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.nn import functions as F
from cartwheel.policies.distributions.discrete import Categorical, MultiCategorical
from cartwheel.policies.distributions.gaussian import DiagonalGaussian


class Actions:
    """Distributions of actions (B,), whatever the space, and draws of them (B, a) as `numbered` gives them.

    `groups` are a stochastic network's; without any the outputs (B, o) are means, of deviations exp(log_std) (o,).
    """

    def __init__(self, groups: tuple[int, ...], outputs: Any, log_std: Any = None) -> None:
        self.groups = groups
        self.distribution: Any
        if len(groups) == 1:
            self.distribution = Categorical(outputs)
        elif groups:
            self.distribution = MultiCategorical(outputs, groups)
        else:
            self.distribution = DiagonalGaussian(outputs, log_std)

    def log_prob(self, draw: Any) -> Any:
        """The logarithm of the chance or density of draws (B, a): (B,)."""
        if not self.groups:
            return self.distribution.log_prob(draw)
        if len(self.groups) == 1:
            return self.distribution.log_prob(draw[:, 0])
        log_chances = F.concat([part.log_chances for part in self.distribution.parts], axis=-1)  # (B, o)
        return F.sum(F.take_along_axis(log_chances, draw, axis=-1), axis=-1)

    def entropy(self) -> Any:
        """(B,)."""
        return self.distribution.entropy()


def numbered(groups: tuple[int, ...], draw: NDArray[np.float32]) -> NDArray[Any]:
    """Draws (..., a) as `Actions` take them: choices as the places of their logits among all outputs.

    All columns are then numbers of the same kind, whichever group they are of.
    """
    if not groups:
        return draw
    places: NDArray[np.int64] = draw.astype(np.int64) + np.cumsum([0, *groups[:-1]])
    return places

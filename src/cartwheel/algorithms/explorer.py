"""What algorithms share that learn values: they explore epsilon-greedily.

The share of random actions falls in a straight line, from the first step on,

    epsilon_k = start + (end - start) min(1, k / steps)                at the k-th step of all lanes together
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.learner import Learner, LearnerSettings
from cartwheel.experience.records import Experience, Stretch
from cartwheel.settings import option


@dataclass(frozen=True)
class ExplorerSettings(LearnerSettings):
    """Settings of all that explore so."""

    epsilon_start: float = option(1.0, "share of random actions at first", minimum=0.0, maximum=1.0)
    epsilon_end: float = option(0.05, "share of random actions in the end", minimum=0.0, maximum=1.0)
    epsilon_steps: int = option(10_000, "environment steps until the share of random actions is the last", minimum=0)


class Explorer(Learner):
    """A learner whose vector acts epsilon-greedily."""

    settings: Any  # an ExplorerSettings

    @property
    def remembers(self) -> bool:
        """Whether what the network remembered is wanted back with each step."""
        return False

    def _stretch(self) -> Stretch:
        """With epsilon as it falls from step to step."""
        settings = self.settings
        epsilon = epsilons(settings, self._steps + settings.lanes * np.arange(settings.stretch))
        return Stretch(lanes=settings.lanes, epsilon=epsilon, memory=self.remembers)

    def tell(self, experience: Experience) -> dict[str, float]:
        """As every learner; epsilon is told as well."""
        stretch = self.ask().stretch
        assert stretch is not None
        assert stretch.epsilon is not None
        return {**super().tell(experience), "epsilon": float(stretch.epsilon[-1])}


def epsilons(settings: Any, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of random actions `(T,)` at these steps of a run."""
    start, end = settings.epsilon_start, settings.epsilon_end
    share: NDArray[np.float64] = start + (end - start) * np.minimum(1.0, steps / max(1, settings.epsilon_steps))
    return share if settings.epsilon_steps else np.full(len(steps), end)

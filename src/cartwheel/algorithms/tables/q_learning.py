"""Q-learning on a table.

Source: C. Watkins, "Learning from Delayed Rewards", 1989; S&B section 6.5, eq. 6.8.

    Q(S, A) <- Q(S, A) + alpha [R + gamma max_a Q(S', a) - Q(S, A)]
"""

from __future__ import annotations

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.table import Steps, TableLearner, TableSettings, specify
from cartwheel.experience.records import Request


class QLearning(TableLearner):
    """Learns the values of the best policy from whatever acts."""

    def _update(self, request: Request, steps: Steps) -> tuple[float, float]:
        from cartwheel.kernels.tables.one_step import expected

        no_random_actions = np.zeros(len(steps.state))
        return expected(*steps, self._values[0], self._visits[0], no_random_actions, *self._sizes)


ENTRY = Entry(
    name="q-learning",
    summary="Q-learning on a table of values, for Discrete observations and actions",
    algorithm=QLearning,
    settings=TableSettings,
    presets={},
    specify=specify,
)

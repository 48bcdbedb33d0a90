"""Double Q-learning on two tables.

Source: H. van Hasselt, "Double Q-learning", 2010; S&B section 6.7, eq. 6.10. A coin says which table learns:

    Q1(S, A) <- Q1(S, A) + alpha [R + gamma Q2(S', argmax_a Q1(S', a)) - Q1(S, A)]    or with 1 and 2 exchanged

The mean of both acts, and is handed over.
"""

from __future__ import annotations

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.table import Steps, TableLearner, TableSettings, specify
from cartwheel.experience.records import Request
from cartwheel.seeds import Purpose, generator


class DoubleQLearning(TableLearner):
    """Q-learning whose largest value is not taken from the table that found it to be so."""

    tables = 2

    def _update(self, request: Request, steps: Steps) -> tuple[float, float]:
        from cartwheel.kernels.tables.one_step import double_q

        coin = generator(self.seed, Purpose.VARIATION, self._generation).integers(0, 2, steps.state.shape)
        return double_q(*steps, self._values, self._visits, coin, *self._sizes)


ENTRY = Entry(
    name="double-q-learning",
    summary="double Q-learning on two tables of values, which does not overestimate",
    algorithm=DoubleQLearning,
    settings=TableSettings,
    presets={},
    specify=specify,
)

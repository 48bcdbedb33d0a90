"""Expected SARSA on a table.

Source: S&B section 6.6, eq. 6.9; pi is the epsilon-greedy policy of the table, with the epsilon that acts.

    Q(S, A) <- Q(S, A) + alpha [R + gamma sum_a pi(a|S') Q(S', a) - Q(S, A)]
"""

from __future__ import annotations

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.table import Steps, TableLearner, TableSettings, specify
from cartwheel.experience.records import Request


class ExpectedSarsa(TableLearner):
    """Learns the values of the policy that acts, without waiting for its next action."""

    def _update(self, request: Request, steps: Steps) -> tuple[float, float]:
        from cartwheel.kernels.tables.one_step import expected

        assert request.stretch is not None
        return expected(*steps, self._values[0], self._visits[0], request.stretch.epsilon, *self._sizes)


ENTRY = Entry(
    name="expected-sarsa",
    summary="expected SARSA on a table of values: SARSA without the chance of the next action",
    algorithm=ExpectedSarsa,
    settings=TableSettings,
    presets={},
    specify=specify,
)

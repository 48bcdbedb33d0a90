"""Monte Carlo control on a table, on policy.

Source: S&B section 5.4, the box "On-policy first-visit MC control (for epsilon-soft policies)".

    at an episode's end, from its last step to its first:   G <- R + gamma G
                                                            Q(S, A) <- Q(S, A) + alpha [G - Q(S, A)]

Deviations: every visit counts, not the first alone; what has been averaged so far is not of the present policy, so that
alpha falls slower than 1/n. A time limit is no end: G begins there with expected SARSA's sum over all actions of the
state that followed.
"""

from __future__ import annotations

from collections.abc import Callable

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.table import TableSettings, specify
from cartwheel.algorithms.tables.waiting import WaitingLearner


class MonteCarlo(WaitingLearner):
    """Learns the values of the policy that acts, from the returns of whole episodes."""

    @property
    def n(self) -> int:
        """0: all steps of an episode wait for its end."""
        return 0

    def _kernel(self) -> Callable[..., tuple[float, float]]:
        from cartwheel.kernels.tables.episodes import monte_carlo

        return monte_carlo


ENTRY = Entry(
    name="monte-carlo",
    summary="Monte Carlo control on a table of values: learns from the returns of whole episodes",
    algorithm=MonteCarlo,
    settings=TableSettings,
    presets={},
    specify=specify,
)

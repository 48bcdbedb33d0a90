"""SARSA on a table.

Source: G. Rummery and M. Niranjan, "On-Line Q-Learning Using Connectionist Systems", 1994; S&B section 6.4, eq. 6.7.

    Q(S, A) <- Q(S, A) + alpha [R + gamma Q(S', A') - Q(S, A)]

A step waits until its next action A' is known, in the state of the algorithm where a stretch ends before. Where a time
limit ends the episode there is none: expected SARSA's sum over all actions stands for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.table import TableSettings, specify
from cartwheel.algorithms.tables.waiting import WaitingLearner


class Sarsa(WaitingLearner):
    """Learns the values of the policy that acts, from the actions that it takes."""

    @property
    def n(self) -> int:
        """1."""
        return 1

    @property
    def _about(self) -> tuple[Any, ...]:
        return (*super()._about, getattr(self.settings, "importance", "weighted") == "ordinary")

    def _kernel(self) -> Callable[..., tuple[float, float]]:
        from cartwheel.kernels.tables.episodes import sarsa

        return sarsa


ENTRY = Entry(
    name="sarsa",
    summary="SARSA on a table of values: learns what its own policy is worth, random actions included",
    algorithm=Sarsa,
    settings=TableSettings,
    presets={},
    specify=specify,
)

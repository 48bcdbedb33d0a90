"""n-step SARSA on a table.

Source: S&B section 7.2, eqs. 7.4 and 7.5.

    G = R_1 + gamma R_2 + ... + gamma^{n-1} R_n + gamma^n Q(S_n, A_n)
    Q(S, A) <- Q(S, A) + alpha [G - Q(S, A)]

The sum stops where the episode is over: with nothing after an end by its rules, with expected SARSA's sum over all
actions of the state that followed after a time limit.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.sarsa import Sarsa
from cartwheel.algorithms.tables.table import TableSettings, specify
from cartwheel.settings import option


@dataclass(frozen=True)
class NStepSarsaSettings(TableSettings):
    """Settings of n-step SARSA."""

    n_step: int = option(4, "rewards that are seen before a value stands for the rest (n)", minimum=1, maximum=1000)


class NStepSarsa(Sarsa):
    """SARSA with n rewards in its target."""

    settings: NStepSarsaSettings

    @property
    def n(self) -> int:
        """As the settings say."""
        return self.settings.n_step


ENTRY = Entry(
    name="n-step-sarsa",
    summary="SARSA on a table of values, with several rewards in its target",
    algorithm=NStepSarsa,
    settings=NStepSarsaSettings,
    presets={},
    specify=specify,
)

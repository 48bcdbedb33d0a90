"""Off-policy n-step SARSA on a table, by importance sampling.

Source: S&B section 7.3, eqs. 7.10 and 7.11. The policy that is learnt about, pi, is epsilon-greedy with a share of
random actions of its own (0: greedy); b is the one that acts.

    rho = product of pi(A_k|S_k) / b(A_k|S_k),  k = 1 ... n (to the last action, where the episode is over before)
    weighted:  Q(S, A) <- Q(S, A) + alpha rho [G - Q(S, A)]                                  (eq. 7.11, G as in eq. 7.4)
    ordinary:  Q(S, A) <- Q(S, A) + alpha [rho G - Q(S, A)]

About a policy that stays both lead to the same values. But pi moves with the table, and with the ordinary one's noise:
it can be far off for long, and is here to show its variance. Deviations: where the size of steps falls, the weighted
one counts rho in place of 1, so that power 1 makes weighted averages (eq. 5.7); alpha rho is at most 1. pi is that of
the table when the target is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.n_step_sarsa import NStepSarsa
from cartwheel.algorithms.tables.table import TableSettings, specify
from cartwheel.settings import option


@dataclass(frozen=True)
class OffPolicySettings(TableSettings):
    """Settings of a method that learns about another policy than the one that acts."""

    target_epsilon: float = option(
        0.0, "share of random actions of the policy that is learnt about", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True)
class OffPolicySarsaSettings(OffPolicySettings):
    """Settings of off-policy SARSA."""

    importance: str = option(
        "weighted",
        "how the ratios of the two policies' chances weigh targets (rho)",
        choices=("weighted", "ordinary"),
    )
    n_step: int = option(1, "rewards that are seen before a value stands for the rest (n)", minimum=1, maximum=1000)


class OffPolicySarsa(NStepSarsa):
    """n-step SARSA with targets weighted by how likely the policy is that is learnt about."""


ENTRY = Entry(
    name="off-policy-sarsa",
    summary="SARSA on a table of values about the greedy policy, by importance sampling",
    algorithm=OffPolicySarsa,
    settings=OffPolicySarsaSettings,
    presets={},
    specify=specify,
)

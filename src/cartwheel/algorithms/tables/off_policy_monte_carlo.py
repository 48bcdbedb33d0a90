"""Off-policy Monte Carlo control on a table, by importance sampling.

Source: S&B section 5.7, the box "Off-policy MC control", with eqs. 5.7 and 5.8. pi is epsilon-greedy on the table with
a share of random actions of its own (0: greedy, as in the book), b is the policy that acts.

    at an episode's end, from its last step to its first, W <- 1 at first:
      G <- R + gamma G
      C(S, A) <- C(S, A) + W
      Q(S, A) <- Q(S, A) + W / C(S, A) [G - Q(S, A)]                                                 (eqs. 5.7 and 5.8)
      W <- W pi(A|S) / b(A|S);  the steps before learn nothing where it is 0

Deviations: a time limit is no end: G begins there with the value of the state that followed, under pi. 1 / C may be
another size of step, as the settings say. There is no ordinary estimator (eq. 5.5): where G begins with a value, its
weights feed their own noise back, without bound. `MonteCarloPrediction` has both.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.tables.monte_carlo import MonteCarlo
from cartwheel.algorithms.tables.off_policy_sarsa import OffPolicySettings
from cartwheel.algorithms.tables.table import specify
from cartwheel.settings import option


@dataclass(frozen=True)
class OffPolicyMonteCarloSettings(OffPolicySettings):
    """Settings of off-policy Monte Carlo control."""

    learning_rate: float = option(
        1.0, "size of a step toward a target, as a share of the way (alpha)", above=0.0, maximum=1.0
    )
    learning_rate_power: float = option(
        1.0,
        "how that size falls with the number n of steps of a state and action: as 1 / n**power; 1 makes averages",
        minimum=0.0,
        maximum=1.0,
    )


class OffPolicyMonteCarlo(MonteCarlo):
    """Learns the values of the greedy policy from the ends of episodes that it could have taken itself."""


ENTRY = Entry(
    name="off-policy-monte-carlo",
    summary="Monte Carlo control on a table of values about the greedy policy, by importance sampling",
    algorithm=OffPolicyMonteCarlo,
    settings=OffPolicyMonteCarloSettings,
    presets={},
    specify=specify,
)

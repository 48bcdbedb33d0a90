"""What is left of an environment under a fixed policy: states that follow each other by chance, with rewards.

Source: R. Sutton & A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, section 4.1: the values are
the solution of as many linear equations as there are states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.tabular.model import Numbers, TransitionTable


@dataclass(frozen=True, eq=False)
class Chain:
    """`onward (S, S)`, `ending (S,)` and the expected rewards `reward (S,)` of steps; `names (S,)` are the states'."""

    onward: Numbers
    ending: Numbers
    reward: Numbers
    names: NDArray[np.int64]

    @classmethod
    def under(cls, table: TransitionTable, policy: Numbers) -> Chain:
        """The chain of a table's states under a policy (S, A)."""
        onward = np.einsum("sa,sat->st", policy, table.onward)
        ending, reward = ((policy * part).sum(axis=1) for part in (table.ending, table.reward))
        return cls(onward, ending, reward, np.arange(table.states))

    def met_from(self, start: NDArray[np.bool_]) -> Chain:
        """The chain of those states alone that are reached from the marked ones (S,)."""
        met = _closure(start, self.onward)
        return Chain(self.onward[np.ix_(met, met)], self.ending[met], self.reward[met], self.names[met])

    def endless(self) -> NDArray[np.bool_]:
        """From which states (S,) no episode ends; UsageError if one of these earns anything: its value has no bound."""
        endless = ~_closure(self.ending > 0, self.onward.T)
        earning = self.names[endless & (self.reward != 0)]
        if earning.size:
            raise UsageError(
                f"from state {earning[0]} on the policy earns for ever and no episode ends: "
                "expected gamma below 1, or another policy"
            )
        return endless

    def values(self, gamma: float) -> Numbers:
        """v (S,) of v = r + gamma P v (4.4). With gamma = 1, those from which no episode ends are worth 0."""
        open_ = ~self.endless() if gamma == 1 else np.ones(len(self.reward), np.bool_)
        system = np.eye(open_.sum()) - gamma * self.onward[np.ix_(open_, open_)]
        values = np.zeros(len(self.reward))
        values[open_] = np.linalg.solve(system, self.reward[open_])
        return values


def _closure(seeds: NDArray[np.bool_], chances: Numbers) -> NDArray[np.bool_]:
    """The states (S,) to be reached from the marked ones; with the transposed chances, those that can reach them."""
    reached, fresh = seeds.copy(), seeds
    while fresh.any():
        fresh = (chances[fresh] > 0).any(axis=0) & ~reached
        reached |= fresh
    return reached

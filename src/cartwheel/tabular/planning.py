"""Planning: the values of policies, and best policies, of an environment of which every chance is known.

Source: R. Sutton & A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, chapter 4; policies that
must explore: section 5.4. In its symbols: v values (S,), q action values (S, A), pi policies, gamma the discount.

Where this differs: policy iteration evaluates exactly, by solving the linear equations (4.4), instead of sweeping; it
begins with the policy that draws from all actions, and changes a state's row only for something better, so that with
gamma = 1 no policy of its way walks in circles that the one before left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cartwheel.errors import UsageError
from cartwheel.tabular.chain import Chain
from cartwheel.tabular.model import NEAR, Numbers, TransitionTable

_TIE = 1e-10  # action values so near, relative to the largest of the table (or to 1), are equal: rounding parts them

_Backup = Callable[[Numbers, slice], Numbers]


@dataclass(frozen=True, eq=False)
class Plan:
    """What planning found: `values (S,)`, `action_values (S, A)`, a `policy (S, A)` that has them, and the `rounds`.

    Rounds are sweeps over all states, or policies that were evaluated.
    """

    values: Numbers
    action_values: Numbers
    policy: Numbers
    rounds: int


def action_values(table: TransitionTable, values: ArrayLike, gamma: float) -> Numbers:
    """q (S, A) where the states are worth `values (S,)`: the reward, and what follows unless the episode ends (4.6)."""
    q: Numbers = table.reward + _checked(gamma) * (table.onward @ np.asarray(values, np.float64))
    return q


def greedy_policy(q: ArrayLike, *, split: bool = False) -> Numbers:
    """The policy (S, A) that takes the action with the highest of `q (S, A)` (4.9).

    Of equal ones it takes the first, or with `split` each with the same chance. With gamma = 1 only the latter is sure
    to be as good as q says: the first of equal actions may be to stay where one is, for ever.
    """
    table = np.asarray(q, np.float64)
    best = table >= table.max(axis=1, keepdims=True) - _tie(table)
    if not split:
        best = np.arange(table.shape[1]) == best.argmax(axis=1)[:, None]
    shares: Numbers = best / best.sum(axis=1, keepdims=True)
    return shares


def as_policy(table: TransitionTable, policy: ArrayLike) -> Numbers:
    """A policy as chances (S, A), from such or from an action for each state (S,).

    UsageError for another shape, for actions that there are not, and for chances that are none.
    """
    given = np.asarray(policy)
    shape = (table.states, table.actions)
    if given.shape == shape[:1] and given.dtype.kind in "iu":
        if ((given < 0) | (given >= table.actions)).any():
            raise UsageError(f"expected actions from 0 to {table.actions - 1}, got {given.min()} to {given.max()}")
        taken: Numbers = np.eye(table.actions)[given]
        return taken
    if given.shape != shape or given.dtype.kind not in "fiu":
        raise UsageError(
            f"expected a policy as chances of shape {shape}, or as {shape[0]} whole numbers, "
            f"got {given.dtype} of shape {given.shape}"
        )
    chances = given.astype(np.float64)
    if not ((chances >= 0).all() and (np.abs(chances.sum(axis=1) - 1) <= NEAR).all()):
        raise UsageError("expected a policy whose chances are at least 0 and sum to 1 in each state")
    return chances


# --- the values of a policy -------------------------------------------------------------------------------------------


def policy_evaluation(
    table: TransitionTable,
    policy: ArrayLike,
    gamma: float,
    *,
    in_place: bool = False,
    tolerance: float = 1e-13,
    limit: int = 100_000,
) -> tuple[Numbers, int]:
    """v of a policy by sweeps from 0 (4.5), and how many: until none changes a value by more than `tolerance`.

    The tolerance is relative to the largest value, or to 1 if all are smaller. `in_place`, a state's new value serves
    at once for the next states, which takes fewer sweeps; otherwise each sweep looks at the values before it.
    UsageError where a value has no bound, and after `limit` sweeps that did not settle.
    """
    chain = Chain.under(table, as_policy(table, policy))
    if _checked(gamma) == 1:
        chain.endless()
    return _sweep(
        lambda v, rows: chain.reward[rows] + gamma * (chain.onward[rows] @ v), table.states, in_place, tolerance, limit
    )


def exact_values(table: TransitionTable, policy: ArrayLike, gamma: float) -> Numbers:
    """v (S,) of a policy by solving v = r + gamma P v (4.4), but for rounding.

    With gamma = 1, an episode that goes on for ever counts 0 if it earns nothing; UsageError, with a state, if it does.
    """
    return Chain.under(table, as_policy(table, policy)).values(_checked(gamma))


def exact_return(table: TransitionTable, policy: ArrayLike, gamma: float = 1.0, steps: int | None = None) -> float:
    """What a policy's episodes return in the mean, from the table's chances of the first state.

    With `steps`, the time limit of an episode. Only states that the policy gets to matter, and may have a value without
    bound: UsageError, as for a table that does not know where its episodes start.
    """
    if table.start is None:
        raise UsageError("the transition table does not say where episodes start: give its `start`")
    chain = Chain.under(table, as_policy(table, policy))
    if steps is None:
        met = chain.met_from(table.start > 0)
        return float(table.start[met.names] @ met.values(_checked(gamma)))
    values = np.zeros(table.states)
    for _ in range(steps):
        values = chain.reward + _checked(gamma) * (chain.onward @ values)
    return float(table.start @ values)


# --- best policies ----------------------------------------------------------------------------------------------------


def value_iteration(
    table: TransitionTable, gamma: float, *, in_place: bool = False, tolerance: float = 1e-13, limit: int = 100_000
) -> Plan:
    """The best values by sweeps from 0 (4.10); settings are those of `policy_evaluation`.

    The policy is the greedy one, equal actions having the same chance. UsageError after `limit` sweeps that did not
    settle: with gamma = 1, where rewards can be earned for ever.
    """
    _checked(gamma)
    values, rounds = _sweep(
        lambda v, rows: (table.reward[rows] + gamma * (table.onward[rows] @ v)).max(axis=1),
        table.states, in_place, tolerance, limit,
    )  # fmt: skip
    q = action_values(table, values, gamma)
    return Plan(values, q, greedy_policy(q, split=True), rounds)


def policy_iteration(table: TransitionTable, gamma: float) -> Plan:
    """The best values and policy by exact evaluation and improvement in turn (section 4.3), but for rounding.

    States in which no action is better than another keep what they had, at first all actions alike.
    UsageError where with gamma = 1 a policy earns for ever, the one that draws from all actions included.
    """
    policy, reached, rounds = np.full((table.states, table.actions), 1 / table.actions), -np.inf, 0
    while True:
        rounds += 1
        values = exact_values(table, policy, gamma)
        q = action_values(table, values, gamma)
        better = q.max(axis=1) > (policy * q).sum(axis=1) + _tie(q)  # (4.7)
        if not better.any() or values.sum() <= reached:  # the latter by rounding only: each policy is better by (4.8)
            return Plan(values, q, policy, rounds)
        policy, reached = np.where(better[:, None], greedy_policy(q), policy), values.sum()


def epsilon_soft_optimum(table: TransitionTable, gamma: float, epsilon: float) -> Plan:
    """The best among policies that take any action, drawn from all, with the chance `epsilon` (section 5.4).

    It is what SARSA and Monte Carlo control go to while they explore with this epsilon: the best policy of an
    environment that draws so in the policy's place. The plan's action values are those of actions really taken in the
    environment as it is, and the policy's chances include the draws.
    """
    if not 0 <= epsilon <= 1:
        raise UsageError(f"expected epsilon from 0 to 1, got {epsilon}")
    soft = TransitionTable(*(_drawn(part, epsilon) for part in (table.onward, table.ending, table.reward)))
    plan = policy_iteration(soft, gamma)
    q = action_values(table, plan.values, gamma)
    return Plan(plan.values, q, _drawn(plan.policy, epsilon), plan.rounds)


# --- what they share --------------------------------------------------------------------------------------------------


def _checked(gamma: float) -> float:
    if not 0 <= gamma <= 1:
        raise UsageError(f"expected gamma from 0 to 1, got {gamma}")
    return gamma


def _tie(q: Numbers) -> float:
    """The difference up to which action values are equal."""
    return float(_TIE * max(1.0, np.abs(q).max()))


def _drawn(part: Numbers, epsilon: float) -> Numbers:
    """What actions `(S, A, ...)` do, or their chances, where each gives way with this chance to one drawn from all."""
    mixed: Numbers = (1 - epsilon) * part + epsilon * part.mean(axis=1, keepdims=True)
    return mixed


def _sweep(backup: _Backup, states: int, in_place: bool, tolerance: float, limit: int) -> tuple[Numbers, int]:
    """Values (S,) from 0 by `backup(values, rows)`, which gives the new ones of some rows, until they stay."""
    values = np.zeros(states)
    for sweep in range(1, limit + 1):
        before = values.copy()
        if in_place:
            for state in range(states):
                values[state] = backup(values, slice(state, state + 1))[0]
        else:
            values = backup(values, slice(None))
        largest = float(np.abs(values).max())
        if np.abs(values - before).max() <= tolerance * max(1.0, largest):
            return values, sweep
    raise UsageError(
        f"values did not settle in {limit} sweeps, and are up to {largest:.6g}: expected gamma below 1, or episodes "
        "that end"
    )

"""Bandits: updates by hand, and the shapes of the figures of Sutton & Barto's chapter 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.tabular.bandits import Agent, EpsilonGreedy, GradientBandit, History, UpperConfidence, play
from cartwheel.tabular.bandits import Testbed as Bed  # under its own name pytest takes it for tests

RUNS, STEPS = 400, 1000


def arms(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_means_by_hand() -> None:
    agent = EpsilonGreedy(2, 3, 0.0)
    agent.learn(arms(0, 2), np.array([4.0, -1.0]))
    agent.learn(arms(0, 1), np.array([1.0, 6.0]))
    agent.learn(arms(0, 2), np.array([4.0, 0.0]))
    assert agent.Q.tolist() == [[3.0, 0.0, 0.0], [0.0, 6.0, -0.5]]
    assert agent.N.tolist() == [[3, 0, 0], [0, 1, 2]]


def test_forgetting_means_by_hand() -> None:
    agent = EpsilonGreedy(1, 2, 0.0, step_size=0.5, initial=8.0)
    for reward in (0.0, 2.0):
        agent.learn(arms(1), np.array([reward]))
    assert agent.Q.tolist() == [[8.0, 3.0]]  # 8, 4, 3


def test_upper_bounds_by_hand() -> None:
    """After 0, 0, 1 with rewards 2, 0, 0: Q = 1, 0; c sqrt(ln 4) is above 1 + c sqrt(ln 4 / 2) from c = 2.8998 on."""
    rng = np.random.default_rng(0)
    agent = UpperConfidence(1, 2, 2.8)
    agent.learn(arms(0), np.array([2.0]))
    assert agent.choose(rng) == 1  # never pulled before
    agent.learn(arms(0), np.array([0.0]))
    agent.learn(arms(1), np.array([0.0]))
    assert agent.choose(rng) == 0
    agent.c = 3.0
    assert agent.choose(rng) == 1


def test_preferences_by_hand() -> None:
    """The first reward is its own mean; then H rises by 0.1 (3 - 1) (1 - 1/2) for the arm and falls for the other."""
    agent = GradientBandit(1, 2, 0.1)
    agent.learn(arms(0), np.array([1.0]))
    assert agent.H.tolist() == [[0.0, 0.0]]
    agent.learn(arms(1), np.array([3.0]))
    assert agent.H[0].tolist() == pytest.approx([-0.1, 0.1])
    assert agent.mean.tolist() == [2.0]
    assert agent.chances()[0].tolist() == pytest.approx([1 / (1 + np.exp(0.2)), 1 / (1 + np.exp(-0.2))])
    without = GradientBandit(1, 2, 0.1, baseline=False)
    without.learn(arms(0), np.array([1.0]))
    assert without.H[0].tolist() == pytest.approx([0.05, -0.05])


def test_choices_have_their_chances() -> None:
    """Wide margins: more than five standard deviations of 20,000 draws."""
    rng = np.random.default_rng(0)
    runs = 20_000
    greedy = EpsilonGreedy(runs, 4, 0.2)
    greedy.Q[:] = [1.0, 3.0, 3.0, 2.0]
    shares = np.bincount(greedy.choose(rng), minlength=4) / runs
    assert shares.tolist() == pytest.approx([0.05, 0.45, 0.45, 0.05], abs=0.02)
    gradient = GradientBandit(runs, 3, 0.1)
    gradient.H[:] = [1000.0, 1000.0 + np.log(2), 1000.0 + np.log(5)]  # large ones do not overflow
    shares = np.bincount(gradient.choose(rng), minlength=3) / runs
    assert shares.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.02)


def test_rewards_of_both_testbeds() -> None:
    rng = np.random.default_rng(0)
    worth = np.tile([0.2, 0.7], (20_000, 1))
    rewards, best = Bed(worth, coins=True).pull(np.ones(20_000, np.int64), rng)
    assert set(rewards.tolist()) == {0.0, 1.0}
    assert rewards.mean() == pytest.approx(0.7, abs=0.02)
    assert best.all()
    rewards, best = Bed(worth).pull(np.zeros(20_000, np.int64), rng)
    assert (rewards.mean(), rewards.std()) == (pytest.approx(0.2, abs=0.04), pytest.approx(1.0, abs=0.03))
    assert not best.any()
    machines = Bed.slot_machines(rng, 2000)
    assert machines.worth.shape == (2000, 10)
    assert 0 <= machines.worth.min() < 0.01 < 0.99 < machines.worth.max() <= 1
    assert Bed.normal(rng, 2000).worth.std() == pytest.approx(1.0, abs=0.03)


def test_worths_drift_by_random_walks() -> None:
    rng = np.random.default_rng(0)
    testbed = Bed.normal(rng, 500, drift=0.1)
    assert (testbed.worth == 0).all()
    for _ in range(100):
        testbed.pull(np.zeros(500, np.int64), rng)
    assert testbed.worth.std() == pytest.approx(1.0, abs=0.06)  # 0.1 sqrt(100)
    assert testbed.worth.mean() == pytest.approx(0.0, abs=0.08)
    given = np.zeros((3, 2))
    Bed(given, drift=1.0).pull(arms(0, 0, 0), rng)
    assert (given == 0).all()


# --- the figures of chapter 2 -----------------------------------------------------------------------------------------


def played(agent: Agent, *, shift: float = 0.0, drift: float = 0.0, steps: int = STEPS) -> History:
    """On the same testbed for all agents."""
    rng = np.random.default_rng(1)
    testbed = Bed.normal(rng, RUNS, drift=drift)
    testbed.worth += shift
    return play(testbed, agent, steps, rng)


def at_the_end(history: History) -> tuple[float, float]:
    """Mean reward, and how often the best arm was pulled, over the last 100 steps."""
    return float(history.rewards[-100:].mean()), float(history.best[-100:].mean())


def test_figure_2_2_exploring_pays() -> None:
    """Greedy stays near 1.0 and finds the best arm in a third of the runs; epsilon 0.1 makes some 1.35 and 80 %."""
    greedy, some, little = (at_the_end(played(EpsilonGreedy(RUNS, 10, epsilon))) for epsilon in (0.0, 0.1, 0.01))
    assert 0.85 < greedy[0] < 1.2
    assert 0.25 < greedy[1] < 0.5
    assert 1.25 < some[0] < 1.5
    assert 0.7 < some[1] < 0.88
    assert greedy[0] + 0.1 < little[0]
    assert greedy[1] + 0.05 < little[1] < some[1]


def test_figure_2_3_optimism_explores_first_and_wins_later() -> None:
    optimist = played(EpsilonGreedy(RUNS, 10, 0.0, step_size=0.1, initial=5.0))
    realist = played(EpsilonGreedy(RUNS, 10, 0.1, step_size=0.1))
    assert optimist.best[15:60].mean() < realist.best[15:60].mean()
    assert at_the_end(optimist)[1] > at_the_end(realist)[1] + 0.03


def test_figure_2_4_upper_bounds_do_better_than_chance() -> None:
    bounds, some = played(UpperConfidence(RUNS, 10, 2.0)), played(EpsilonGreedy(RUNS, 10, 0.1))
    assert sorted(bounds.best[:10].sum(axis=0)) == [1] * RUNS  # each arm once at first
    assert at_the_end(bounds)[0] > at_the_end(some)[0] + 0.05


def test_figure_2_5_the_baseline_matters_where_rewards_are_far_from_0() -> None:
    with_it, without = (
        at_the_end(played(GradientBandit(RUNS, 10, 0.1, baseline=baseline), shift=4.0)) for baseline in (True, False)
    )
    assert with_it[1] > 0.7
    assert without[1] < 0.6


def test_exercise_2_5_a_constant_step_follows_worths_that_drift() -> None:
    means, forgetting = (
        at_the_end(played(EpsilonGreedy(RUNS, 10, 0.1, step_size=step), drift=0.03)) for step in (None, 0.1)
    )
    assert forgetting[1] > means[1] + 0.1


def test_the_same_seed_makes_the_same_history() -> None:
    first, second = (played(EpsilonGreedy(RUNS, 10, 0.1), steps=20) for _ in range(2))
    assert (first.rewards == second.rewards).all()
    assert first.rewards.shape == first.best.shape == (20, RUNS)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"expected epsilon from 0 to 1, got 1\.5"):
        EpsilonGreedy(1, 2, 1.5)
    with pytest.raises(UsageError, match="expected a step size above 0 and up to 1, got 0"):
        EpsilonGreedy(1, 2, 0.1, step_size=0)
    with pytest.raises(UsageError, match="expected c of at least 0, got -1"):
        UpperConfidence(1, 2, -1)
    with pytest.raises(UsageError, match="expected a step size above 0, got 0"):
        GradientBandit(1, 2, 0)
    with pytest.raises(UsageError, match="finite worths of shape"):
        Bed(np.zeros(3))
    with pytest.raises(UsageError, match="expected an agent of 3 runs, as the testbed has, got 2"):
        play(Bed(np.zeros((3, 2))), EpsilonGreedy(2, 2, 0.1), 1, np.random.default_rng(0))

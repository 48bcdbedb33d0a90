"""Methods on tables: what all keep to, the book's algorithms step by step, time limits, and exact values in budgets."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import tables
from contract import equal
from tables import Lanes, World, exact_q, exact_return, exact_v, grid, world_of

from cartwheel.algorithms.explorer import ExplorerSettings, epsilons
from cartwheel.algorithms.learner import RECENT
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.algorithms.tables.prediction import MonteCarloPrediction, Prediction, TDPrediction
from cartwheel.algorithms.tables.table import TableLearner
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience
from cartwheel.policies.specification import MLP, Table
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

NAMES = [name for name, entry in ALGORITHMS.items() if issubclass(entry.algorithm, TableLearner)]
EACH = pytest.mark.parametrize("name", NAMES)
SEEDS = range(10)
GAMMA = 0.9
PLACES = [place for place in tables.STATES if place != 3]  # no steps begin at the goal
# Episodes begin anywhere, so that no state is seldom seen; and so that they end at different times.
EXPLORING = replace(grid(), start=np.isin(np.arange(12), PLACES) / len(PLACES))
SHORT = replace(EXPLORING, limit=6)


def make(name: str, world: World | None = None, seed: int = 5, **options: Any) -> TableLearner:
    entry, shape = ALGORITHMS[name], (world or grid()).shape
    algorithm = entry.algorithm(resolve(entry.settings, options), Table().build(*shape), seed)
    assert isinstance(algorithm, TableLearner)
    return algorithm


def train(name: str, world: World, seed: int, steps: int, **options: Any) -> tuple[TableLearner, dict[str, float]]:
    """A method after so many steps, and its last figures."""
    algorithm, figures = make(name, world, seed, **options), {}
    lanes = Lanes(world, algorithm.lanes, seed)
    for _ in range(-(-steps // (algorithm.lanes * algorithm.settings.stretch))):
        figures = algorithm.tell(lanes(algorithm.ask()))
    return algorithm, figures


def told(algorithm: TableLearner, stretches: int, seed: int = 3) -> list[dict[str, float]]:
    """The same experiences for whoever has the same settings, whatever table acts."""
    lanes, first = Lanes(SHORT, algorithm.lanes, seed), algorithm.ask()
    return [algorithm.tell(lanes(first)) for _ in range(stretches)]


def table_of(algorithm: TableLearner) -> Any:
    return algorithm.state()["values"].mean(axis=0)


# --- what all keep to -------------------------------------------------------------------------------------------------


def test_there_are_eight() -> None:
    assert len(NAMES) == 8


@EACH
def test_a_request_is_a_stretch_of_one_table_and_asking_changes_nothing(name: str) -> None:
    algorithm = make(name, lanes=3, stretch=5, initial_value=0.25)
    before, one, other = algorithm.state(), algorithm.ask(), algorithm.ask()
    assert one.stretch is not None
    assert (one.stretch.lanes, one.stretch.steps, one.episodes, algorithm.lanes) == (3, 5, 0, 3)
    assert one.parameters.dtype == np.float32
    assert one.parameters.tolist() == other.parameters.tolist() == [[0.25] * 48]
    with pytest.raises(ValueError, match="read-only"):
        one.parameters[0, 0] = 1.0
    assert equal(before, algorithm.state())


@EACH
def test_resumed_equals_uninterrupted(name: str) -> None:
    """After any number of stretches, with steps that wait; the lanes' episodes are of up to 6 steps."""
    for stretches in (0, 1, 3):
        whole, first, resumed = (make(name, lanes=2, stretch=4) for _ in range(3))
        lanes = Lanes(SHORT, 2, 1)
        experiences = [lanes(whole.ask()) for _ in range(6)]
        figures = [whole.tell(experience) for experience in experiences]
        for experience in experiences[:stretches]:
            first.tell(experience)
        resumed.restore(first.state())
        again = [resumed.tell(experience) for experience in experiences[stretches:]]
        np.testing.assert_equal(again, figures[stretches:])
        assert equal(whole.state(), resumed.state())
        assert whole.ask().parameters.tobytes() == resumed.ask().parameters.tobytes()


@EACH
def test_state_is_flat_plain_and_a_copy(name: str) -> None:
    algorithm = make(name, lanes=2, stretch=4)
    told(algorithm, 1)
    state = algorithm.state()
    assert all(isinstance(value, (np.ndarray, int, float)) for value in state.values())
    kept = {key: np.copy(value) for key, value in state.items()}
    told(algorithm, 2)
    assert equal(state, kept)
    assert not equal(state, algorithm.state())


@EACH
def test_another_tables_state_is_refused_and_changes_nothing(name: str) -> None:
    algorithm = make(name, lanes=2)
    told(algorithm, 2)
    before = algorithm.state()
    smaller = world_of({0: {0: [(1.0, 0, 0.0, True)]}}, [1.0], 5)
    with pytest.raises(ValueError, match="expected values of shape"):
        algorithm.restore(make(name, smaller, lanes=2).state())
    with pytest.raises(ValueError, match="expected recent of at most 100"):
        algorithm.restore({**before, "recent": np.zeros(RECENT + 1)})
    if "waiting_counts" in before:
        with pytest.raises(ValueError, match="expected waiting steps of 2 lanes"):
            algorithm.restore(make(name, lanes=3).state())
        with pytest.raises(ValueError, match="expected waiting steps"):
            algorithm.restore({**before, "waiting_counts": before["waiting_counts"] + 2000})
    assert equal(before, algorithm.state())


@EACH
def test_experience_that_does_not_fit_is_refused_and_changes_nothing(name: str) -> None:
    algorithm = make(name, lanes=2, stretch=4)
    before, right = algorithm.state(), Lanes(grid(), 2, 0)(algorithm.ask())
    assert right.transitions is not None
    short = replace(right.transitions, taken=np.array([4, 3]))
    for wrong in (
        Experience(returns=np.zeros((1, 0)), lengths=np.zeros((1, 0), np.int64)),
        Lanes(grid(), 3, 0)(make(name, lanes=3, stretch=4).ask()),
        Lanes(grid(), 2, 0)(make(name, lanes=2, stretch=5).ask()),
        replace(right, transitions=short),
    ):
        for call in (algorithm.best, algorithm.tell):
            with pytest.raises(ValueError, match=r"expected transitions of shape \(4, 2\)"):
                call(wrong)
    assert equal(before, algorithm.state())


@EACH
def test_what_is_told_is_left_untouched(name: str) -> None:
    algorithm = make(name, lanes=2, stretch=9)
    experience = Lanes(SHORT, 2, 0)(algorithm.ask())
    kept = {key: np.copy(value) for key, value in vars(experience.transitions).items() if value is not None}
    algorithm.best(experience)
    algorithm.tell(experience)
    assert equal(kept, {key: value for key, value in vars(experience.transitions).items() if value is not None})


@EACH
def test_a_network_of_layers_is_refused_and_so_are_settings_of_layers(name: str) -> None:
    entry = ALGORITHMS[name]
    with pytest.raises(UsageError, match="learns a table"):
        entry.algorithm(resolve(entry.settings, {}), MLP((3,)).build(4, 2), 0)
    assert entry.specify(TrainSettings(), resolve(entry.settings, {})) == Table()
    for option in ({"hidden": (3,)}, {"memory": "gru"}, {"activation": "tanh"}, {"normalise": True}):
        with pytest.raises(UsageError, match=f"--{next(iter(option))}: this algorithm learns a table"):
            entry.specify(TrainSettings(**option), resolve(entry.settings, {}))


def test_epsilon_falls_in_a_straight_line_over_the_steps_of_all_lanes() -> None:
    settings = ExplorerSettings(lanes=2, stretch=3, epsilon_start=1.0, epsilon_end=0.2, epsilon_steps=8)
    assert epsilons(settings, np.array([0, 2, 4, 8, 100])).tolist() == pytest.approx([1.0, 0.8, 0.6, 0.2, 0.2])
    at_once = replace(settings, epsilon_steps=0)
    assert epsilons(at_once, np.array([0, 1])).tolist() == [0.2, 0.2]
    algorithm = make("q-learning", lanes=2, stretch=3, epsilon_start=1.0, epsilon_end=0.2, epsilon_steps=8)
    shares = []
    for _ in range(2):
        stretch = algorithm.ask().stretch
        assert stretch is not None
        shares += stretch.epsilon.tolist()
        figures = algorithm.tell(Lanes(grid(), 2, 0)(algorithm.ask()))
        assert figures["epsilon"] == shares[-1]
    assert shares == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2])


def test_the_table_that_acted_is_handed_over_at_the_mean_of_the_last_returns() -> None:
    """One state and one action, 1 a step, three steps an episode: no episode ends in the first stretch of two."""
    world = world_of({0: {0: [(1.0, 0, 1.0, False)]}}, [1.0], 3)
    algorithm = make("q-learning", world, lanes=1, stretch=2)
    lanes = Lanes(world, 1, 0)
    first = lanes(algorithm.ask())
    assert algorithm.best(first).value == -np.inf
    figures = algorithm.tell(first)
    assert np.isnan([figures[key] for key in ("return_best", "return_mean", "return_worst", "length_mean")]).all()
    second, acted = lanes(algorithm.ask()), algorithm.ask().parameters[0]
    best = algorithm.best(second)
    assert (best.value, best.theta.tolist()) == (3.0, acted.tolist())
    figures = algorithm.tell(second)
    assert (figures["return_mean"], figures["length_mean"]) == (3.0, 3.0)
    assert algorithm.ask().parameters[0].tolist() != acted.tolist()


def test_only_the_last_returns_count() -> None:
    algorithm, lanes = make("q-learning", lanes=1, stretch=1), Lanes(grid(), 1, 0)
    for mean, count in ((5.0, 30), (1.0, RECENT - 1), (np.nan, 1)):
        experience = lanes(algorithm.ask())
        many = replace(experience, returns=np.full((1, count), mean), lengths=np.ones((1, count), np.int64))
        best = algorithm.best(many)
        algorithm.tell(many)
        expected = {5.0: 5.0, 1.0: (99 * 1.0 + 5.0) / 100}.get(mean, -np.inf)
        assert best.value == pytest.approx(expected)
    assert len(algorithm.state()["recent"]) == RECENT


def test_figures_of_a_stretch_by_hand() -> None:
    """Rewards 1 and 3 in one state without a future, alpha 1/2: errors 1 and 2.5, and Q goes to 0.5 and 1.75."""
    world = world_of({0: {0: [(1.0, 0, 1.0, True)], 1: [(1.0, 0, 1.0, True)]}}, [1.0], 9)
    algorithm = make("q-learning", world, lanes=1, stretch=2, learning_rate=0.5)
    experience = Lanes(world, 1, 0)(algorithm.ask())
    assert experience.transitions is not None
    experience.transitions.action[:] = 1.0
    experience.transitions.reward[:, 0] = 1.0, 3.0
    figures = algorithm.tell(experience)
    assert (figures["td_error"], figures["q_mean"], figures["table_change"]) == (1.75, 0.875, 1.75)


# --- the book's algorithms, with one lane and one step at a time ------------------------------------------------------


def walk(
    name: str, steps: int, seed: int = 0, **options: Any
) -> tuple[Any, list[tuple[int, int, float, bool, bool, int]]]:
    """The table that a method with one lane and stretches of one step learns, and the steps it took."""
    world = grid(limit=8)
    algorithm = make(name, world, gamma=GAMMA, lanes=1, stretch=1, epsilon_start=0.5, epsilon_end=0.5, **options)
    lanes, taken = Lanes(world, 1, seed), []
    for _ in range(steps):
        experience = lanes(algorithm.ask())
        algorithm.tell(experience)
        t = experience.transitions
        assert t is not None
        s, then = int(t.obs.argmax()), int(t.next_obs.argmax())
        ends = t.discount[0, 0] == 0.0
        taken.append((s, int(t.action[0, 0, 0]), float(t.reward[0, 0]), bool(ends), bool(t.boundary[0, 0]), then))
    return table_of(algorithm), taken


def test_q_learning_is_the_books() -> None:
    """S&B p. 131."""
    q, taken = walk("q-learning", 400, learning_rate=0.3)
    Q = np.zeros((12, 4))
    for s, a, r, ends, _, then in taken:
        Q[s, a] += 0.3 * (r + (0.0 if ends else GAMMA * Q[then].max()) - Q[s, a])
    np.testing.assert_allclose(q, Q, rtol=1e-12, atol=1e-15)
    assert (np.abs(Q) > 0.01).sum() > 10


def test_expected_sarsa_is_the_books() -> None:
    """S&B p. 133."""
    q, taken = walk("expected-sarsa", 400, learning_rate=0.3)
    Q = np.zeros((12, 4))
    for s, a, r, ends, _, then in taken:
        Q[s, a] += 0.3 * (r + (0.0 if ends else GAMMA * (0.5 * Q[then].mean() + 0.5 * Q[then].max())) - Q[s, a])
    np.testing.assert_allclose(q, Q, rtol=1e-12, atol=1e-15)


def test_sarsa_is_the_books() -> None:
    """S&B p. 130; where the time limit ends an episode, the expected value of what follows."""
    q, taken = walk("sarsa", 400, learning_rate=0.3)
    Q = np.zeros((12, 4))
    for (s, a, r, ends, over, then), (_, after, *_) in pairwise(taken):
        expected = 0.5 * Q[then].mean() + 0.5 * Q[then].max()
        rest = 0.0 if ends else expected if over else Q[then, after]
        Q[s, a] += 0.3 * (r + GAMMA * rest - Q[s, a])
    s, a, r, ends, over, then = taken[-1]
    if over:  # else it waits
        Q[s, a] += 0.3 * (r + (0.0 if ends else GAMMA * (0.5 * Q[then].mean() + 0.5 * Q[then].max())) - Q[s, a])
    np.testing.assert_allclose(q, Q, rtol=1e-12, atol=1e-15)
    assert sum(over and not ends for *_, ends, over, _ in taken) > 2


def test_monte_carlo_is_the_books() -> None:
    """S&B p. 101, but for every visit, and with the expected value of what follows where the time limit ends it."""
    q, taken = walk("monte-carlo", 400, seed=1, learning_rate=1.0, learning_rate_power=1.0)
    returns: dict[tuple[int, int], list[float]] = {}
    Q, episode = np.zeros((12, 4)), []
    for s, a, r, ends, over, then in taken:
        episode.append((s, a, r))
        if not over:
            continue
        G = 0.0 if ends else 0.5 * Q[then].mean() + 0.5 * Q[then].max()
        for s, a, r in reversed(episode):
            G = r + GAMMA * G
            returns.setdefault((s, a), []).append(G)
            Q[s, a] = np.mean(returns[s, a])
        episode = []
    np.testing.assert_allclose(q, Q, rtol=1e-9, atol=1e-12)


def test_a_coin_of_its_own_seed_says_which_table_learns() -> None:
    one, same, other = (make("double-q-learning", seed=seed, lanes=4, stretch=8) for seed in (1, 1, 2))
    for algorithm in (one, same, other):
        told(algorithm, 4)
    assert equal(one.state(), same.state())
    assert not equal(one.state(), other.state())
    visits, counts = one.state()["visits"].sum(axis=(1, 2)), []
    assert visits.sum() == 128.0
    assert 40 < visits[0] < 88
    for _ in range(5):
        told(one, 1)
        counts.append(one.state()["visits"].sum(axis=(1, 2))[0])
    assert len(set(np.diff(counts))) > 1  # another coin for each stretch


@pytest.mark.parametrize("name", ["off-policy-sarsa", "off-policy-monte-carlo"])
def test_the_chances_of_actions_are_those_of_the_table_that_acted(name: str) -> None:
    """Two states in a row, two actions, half of them random: the first step weighs 1 / (3/4), its next action being
    the greedy one; where it is the other, it weighs nothing.
    """
    world = world_of(
        {0: {a: [(1.0, 1, 1.0, False)] for a in range(2)}, 1: {a: [(1.0, 1, 1.0, True)] for a in range(2)}}, [1, 0], 9
    )
    for action, weight in ((0, 4 / 3), (1, 0.0)):
        algorithm = make(name, world, lanes=1, stretch=2, epsilon_start=0.5, epsilon_end=0.5, initial_value=2.0)
        algorithm.restore({**algorithm.state(), "values": np.array([[[2.0, 2.0], [9.0, 0.0]]])})
        experience = Lanes(world, 1, 0)(algorithm.ask())
        assert experience.transitions is not None
        experience.transitions.action[:, 0, 0] = 0, action
        algorithm.tell(experience)
        assert algorithm.state()["visits"][0, 0, 0] == pytest.approx(weight)


@pytest.mark.parametrize("name", ["sarsa", "n-step-sarsa", "monte-carlo"])
def test_what_waited_once_is_no_part_of_the_state(name: str) -> None:
    algorithm = make(name, lanes=8, stretch=5)
    for _ in range(4):
        told(algorithm, 3)
        state = algorithm.state()
        counts, numbers = state["waiting_counts"], state["waiting_numbers"]
        assert len(numbers) == len(state["waiting_places"]) == counts.max() > 0
        later = np.arange(len(numbers))[:, None] >= counts
        assert not numbers[later].any()
        assert not state["waiting_places"][later].any()
        assert numbers[~later, 1].all()


# --- time limits ------------------------------------------------------------------------------------------------------

# One state that gives 1 a step for ever, cut after five steps: worth 1 / (1 - 0.9) = 10. Taken for an end, five steps
# are worth less than 4.1.
CHAIN = world_of({0: {0: [(1.0, 0, 1.0, False)]}}, [1.0], 5)
CHAIN_OPTIONS = {"gamma": GAMMA, "lanes": 1, "stretch": 16, "learning_rate": 0.2, "learning_rate_power": 0.0}


@EACH
def test_a_time_limit_is_no_end(name: str) -> None:
    algorithm, _ = train(name, CHAIN, 0, 3000, **CHAIN_OPTIONS)
    assert table_of(algorithm)[0, 0] == pytest.approx(10.0, abs=0.02)


@EACH
def test_the_value_is_wrong_where_a_time_limit_is_taken_for_an_end(name: str) -> None:
    algorithm = make(name, CHAIN, **CHAIN_OPTIONS)
    lanes = Lanes(CHAIN, 1, 0)
    for _ in range(200):
        experience = lanes(algorithm.ask())
        transitions = experience.transitions
        assert transitions is not None
        wrong = replace(transitions, discount=np.where(transitions.boundary, 0.0, 1.0))
        algorithm.tell(replace(experience, transitions=wrong))
    assert table_of(algorithm)[0, 0] < 8.5


def test_predictions_go_on_after_a_time_limit_too() -> None:
    for made in (TDPrediction, MonteCarloPrediction):
        prediction, lanes = made(np.ones((1, 1)), GAMMA, rate=0.2, power=0.0), Lanes(CHAIN, 1, 0)
        for _ in range(200):
            transitions = lanes.by(np.ones((1, 1)), 16).transitions
            assert transitions is not None
            prediction.learn(transitions)
        assert prediction.values.tolist() == pytest.approx([10.0], abs=0.02)


# --- exact values in budgets ------------------------------------------------------------------------------------------

# Settings were chosen on seeds 1000 and up. Lanes and stretches are for speed; the budget is in steps.
FAST = {"gamma": GAMMA, "lanes": 32, "stretch": 16}
ALL_RANDOM = {"epsilon_start": 1.0, "epsilon_end": 1.0}
SOFT = 0.4
SOFTLY = {"epsilon_start": SOFT, "epsilon_end": SOFT}
# The start of each method: what it learns about (share of random actions), its budget, its settings.
BUDGETS: list[tuple[str, float, int, dict[str, Any]]] = [
    ("q-learning", 0.0, 20_000, {**ALL_RANDOM, "learning_rate": 0.5}),
    ("double-q-learning", 0.0, 40_000, {**ALL_RANDOM, "learning_rate": 0.5}),
    ("expected-sarsa", SOFT, 200_000, {**SOFTLY, "learning_rate": 1.0, "learning_rate_power": 0.7}),
    ("sarsa", SOFT, 1_000_000, {**SOFTLY, "learning_rate": 1.0, "learning_rate_power": 0.8}),
    ("n-step-sarsa", SOFT, 1_000_000, {**SOFTLY, "learning_rate": 1.0, "learning_rate_power": 0.85}),
    ("monte-carlo", SOFT, 1_000_000, {**SOFTLY, "learning_rate": 1.0, "learning_rate_power": 0.9}),
    ("off-policy-sarsa", 0.0, 200_000, {**SOFTLY, "learning_rate": 1.0, "learning_rate_power": 0.7}),
    ("off-policy-monte-carlo", 0.0, 400_000, SOFTLY),
]


def distance(name: str, aim: float, seed: int, steps: int, options: Any) -> float:
    """How far the values of the states are from those of the best policy with so many random actions, at most."""
    algorithm, _ = train(name, grid(), seed, steps, **FAST, **options)
    found, best = (aim * q.mean(axis=1) + (1 - aim) * q.max(axis=1) for q in (table_of(algorithm), BEST[aim]))
    return float(np.abs(found - best)[PLACES].max())


BEST = {share: exact_q(grid(), GAMMA, share) for share in (0.0, SOFT)}


def test_the_targets_are_the_books() -> None:
    """The 3 x 4 grid of "Deep Learning from Scratch 4"; the goal and the wall are never acted in."""
    values = BEST[0.0].max(axis=1).reshape(3, 4)
    values[0, 3] = values[1, 1] = 0.0
    expected = [[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]]
    np.testing.assert_allclose(values, expected, atol=1e-12)
    soft = SOFT / 4 + (1 - SOFT) * (BEST[SOFT] == BEST[SOFT].max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)  # ties, where the wall is
    np.testing.assert_allclose((soft * BEST[SOFT]).sum(axis=1)[PLACES], exact_v(grid(), GAMMA, soft)[PLACES], atol=1e-9)


@pytest.mark.parametrize("budget", [one for one in BUDGETS if one[2] <= 40_000], ids=lambda one: one[0])
def test_values_are_exact_in_a_small_budget(budget: Any) -> None:
    name, aim, steps, options = budget
    assert distance(name, aim, 0, steps, options) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("budget", BUDGETS, ids=lambda one: one[0])
def test_values_are_exact_on_ten_seeds(budget: Any) -> None:
    name, aim, steps, options = budget
    assert max(distance(name, aim, seed, steps, options) for seed in SEEDS) < 0.02


@pytest.mark.slow
def test_sarsa_does_not_learn_the_greedy_policys_values_nor_q_learning_those_of_its_own() -> None:
    """The measure tells the two targets apart."""
    name, _, steps, options = BUDGETS[3]
    assert distance(name, 0.0, 0, steps, options) > 0.05
    name, _, steps, options = BUDGETS[0]
    assert distance(name, SOFT, 0, steps, {**options, **SOFTLY}) > 0.05


def gymnasium_world(name: str) -> World:
    gymnasium = pytest.importorskip("gymnasium")
    made = gymnasium.make(name)
    plain = made.unwrapped
    return world_of(plain.P, plain.initial_state_distrib, made.spec.max_episode_steps)


def lake(name: str, seed: int, steps: int, **options: Any) -> float:
    """The exact chance of success of the greedy policy within FrozenLake's time limit."""
    world = gymnasium_world("FrozenLake-v1")
    algorithm, _ = train(name, world, seed, steps, lanes=32, stretch=16, **ALL_RANDOM, **options)
    return float(exact_return(world, table_of(algorithm).argmax(axis=1), world.limit)[0])


def test_frozen_lake_is_crossed() -> None:
    """The best stationary policy comes over in 0.74 of the episodes."""
    assert lake("q-learning", 0, 200_000, learning_rate=1.0, learning_rate_power=0.6) > 0.72


@pytest.mark.slow
def test_frozen_lake_is_crossed_on_ten_seeds() -> None:
    for seed in SEEDS:
        assert lake("q-learning", seed, 1_000_000, learning_rate=1.0, learning_rate_power=0.6) > 0.72
        assert lake("double-q-learning", seed, 1_000_000, learning_rate=1.0, learning_rate_power=0.6) > 0.72


@pytest.mark.slow
def test_taxi_is_optimal_from_every_start_on_ten_seeds() -> None:
    world = gymnasium_world("Taxi-v4")
    best = exact_return(world, exact_q(world, 0.99).argmax(axis=1), world.limit)
    assert best[world.start > 0].mean() == pytest.approx(7.93)
    for seed in SEEDS:
        algorithm, _ = train("q-learning", world, seed, 500_000, lanes=32, stretch=16, learning_rate=1.0, **ALL_RANDOM)
        found = exact_return(world, table_of(algorithm).argmax(axis=1), world.limit)
        assert (found == best)[world.start > 0].all()


# --- what methods are for ---------------------------------------------------------------------------------------------


def test_double_q_learning_does_not_overestimate() -> None:
    """Like S&B example 6.7: what follows the first state has ten actions with rewards of 0.9 or -1.1, each worth -0.1.

    So is the first state, at gamma 1; the largest of ten noisy values is more.
    """
    P = {
        0: {a: [(1.0, 1, 0.0, False)] for a in range(10)},
        1: {a: [(0.5, 0, 0.9, True), (0.5, 0, -1.1, True)] for a in range(10)},
    }
    world, thought = world_of(P, [1.0, 0.0], 9), {}
    for name in ("q-learning", "double-q-learning"):
        runs = [train(name, world, seed, 8000, gamma=1.0, lanes=4, stretch=8, **ALL_RANDOM)[0] for seed in range(5)]
        thought[name] = float(np.mean([table_of(run)[0] for run in runs]))
    assert thought["q-learning"] > 0.1
    assert abs(thought["double-q-learning"] + 0.1) < 0.1


def random_policy(rng: np.random.Generator) -> Any:
    return rng.dirichlet(np.ones(4), size=12)


UNIFORM = np.full((12, 4), 0.25)
TARGET = 0.5 * UNIFORM + 0.5 * random_policy(np.random.default_rng(7))


def predicted(made: type[Prediction], seed: int, stretches: int, **options: Any) -> Any:
    """V (S,) of TARGET after so many stretches of 16 x 256 steps."""
    prediction, lanes = made(TARGET, GAMMA, **options), Lanes(EXPLORING, 256, seed)
    for _ in range(stretches):
        transitions = lanes.by(options.get("behaviour", TARGET), 16).transitions
        assert transitions is not None
        prediction.learn(transitions)
    return prediction.values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "stretches", "options"),
    [
        (TDPrediction, 1000, {"power": 0.8}),
        (MonteCarloPrediction, 1000, {}),
        (TDPrediction, 1000, {"behaviour": UNIFORM, "power": 0.9}),
        (MonteCarloPrediction, 1000, {"behaviour": 0.5 * UNIFORM + 0.5 * TARGET}),
    ],
)
def test_predictions_are_exact_on_ten_seeds(made: type[Prediction], stretches: int, options: Any) -> None:
    exact = exact_v(grid(), GAMMA, TARGET)
    for seed in SEEDS:
        assert np.abs(predicted(made, seed, stretches, **options) - exact)[PLACES].max() < 0.02


@pytest.mark.parametrize("made", [TDPrediction, MonteCarloPrediction])
@pytest.mark.parametrize("options", [{}, {"behaviour": UNIFORM}, {"behaviour": UNIFORM, "importance": "ordinary"}])
def test_predictions_come_near_in_a_small_budget(made: type[Prediction], options: Any) -> None:
    exact = exact_v(grid(), GAMMA, TARGET)
    assert np.abs(predicted(made, 0, 100, power=0.8, **options) - exact)[PLACES].max() < 0.12
    assert np.abs(exact - exact_v(grid(), GAMMA, UNIFORM))[PLACES].max() > 0.15


def test_ordinary_importance_sampling_has_no_finite_variance_where_the_weighted_one_is_exact() -> None:
    """S&B example 5.5: left ends with 1 in a tenth of the cases, else it comes back; right ends with 0.

    Always left is worth 1 (gamma 1), what acts is a coin. Whatever weighs more than 0 returned 1.
    """
    P = {0: {0: [(0.9, 0, 0.0, False), (0.1, 0, 1.0, True)], 1: [(1.0, 0, 0.0, True)]}}
    world, left, coin = world_of(P, [1.0], 1000), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    found: dict[str, list[float]] = {"weighted": [], "ordinary": []}
    for seed in range(10):
        for importance, values in found.items():
            prediction = MonteCarloPrediction(left, 1.0, behaviour=coin, importance=importance)
            transitions = Lanes(world, 16, seed).by(coin, 500).transitions
            assert transitions is not None
            prediction.learn(transitions)
            values.append(prediction.values[0])
    assert found["weighted"] == pytest.approx([1.0] * 10)
    assert np.std(found["ordinary"]) > 0.05


def test_a_prediction_on_policy_is_one_off_policy_with_the_same_behaviour() -> None:
    for made in (TDPrediction, MonteCarloPrediction):
        one, other = predicted(made, 0, 5), predicted(made, 0, 5, behaviour=TARGET, importance="ordinary")
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": np.ones((2, 2))}, "policy: expected chances"),
        ({"policy": np.array([[1.5, -0.5]])}, "policy: expected chances"),
        (
            {"policy": np.array([[0.5, 0.5]]), "behaviour": np.array([[1.0, 0.0]])},
            "behaviour: expected a policy that may",
        ),
        ({"policy": np.array([[0.5, 0.5]]), "behaviour": np.ones((2, 1))}, "behaviour: expected a policy that may"),
        ({"policy": np.array([[0.5, 0.5]]), "importance": "some"}, "importance: expected weighted or ordinary"),
    ],
)
def test_policies_that_are_none_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TDPrediction(**{"gamma": 0.9, **options})

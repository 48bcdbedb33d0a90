"""The examples of learning values: each runs in a short form, and comes to the answers that are known of it."""

from __future__ import annotations

import copy
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.envs.gridworld import GridWorld
from cartwheel.envs.transitions import transition_table
from cartwheel.nn.capture.program import Program
from cartwheel.tabular.planning import epsilon_soft_optimum, exact_values

EXAMPLES = Path(__file__).parent.parent / "examples"

#: Each program with options that make it short, the pictures it saves, and a line that it must print.
RUNS: dict[str, tuple[list[str], set[str], str]] = {
    "cartpole_dqn": (
        ["--episodes", "10"],
        {"cartpole_dqn.png"},
        r"^the last network: [\d.]+ in 100 greedy episodes, 200 in \d+%$",
    ),
    "grid_q_learning": (
        ["--episodes", "5"],
        {"grid_q_learning_loss.png", "grid_q_learning_values.png"},
        r"^greedy: 8 [\d ]+, discounted return -?[\d.]+ \(the best is 0\.6561\)$",
    ),
    "book/bandits": (
        ["--runs", "20"],
        {"bandits.png"},
        r"^weights of 4 rewards, mean:      \[0\.25 0\.25 0\.25 0\.25\]",
    ),
    "book/policy_evaluation": ([], set(), r"^two squares, in place: \[-2\.2494 -2\.7494\] in 60 sweeps"),
    "book/policy_iteration": ([], set(), r"^> > > G\n\^ # \^ \^\n\^ > \^ <\n"),
    "book/value_iteration": ([], {"value_iteration.png"}, r"^6 sweeps, at most \d\.\de-1[67] from the values known$"),
    "book/dice": ([], set(), r"^1,000,000  7\.00\d\d     7\.0           0\.0024$"),
    "book/monte_carlo_prediction": (["--episodes", "20"], set(), r"  0\.000      0\.026  0\.095  0\.205  0\.000$"),
    "book/monte_carlo_control": (["--episodes", "20"], set(), r"     0\.734  0\.849  1\.000  0\.000$"),
    "book/importance_sampling": (["--runs", "20"], set(), r"^1/3 1/3 1/3 .*   2\.700 \+-0\.318   "),
    "book/off_policy_monte_carlo": (["--episodes", "20"], set(), r"     0\.810  0\.900  1\.000  0\.000$"),
    "book/td_prediction": (["--episodes", "20"], set(), r"^found, by [\d,]+ steps          exact$"),
    "book/sarsa": (["--episodes", "20"], set(), r"^off policy: best move's value, found   exact$"),
    "book/q_learning": (["--episodes", "20"], {"q_learning.png"}, r"     0\.729  0\.000  0\.900  1\.000$"),
    "book/time_limits": (["--episodes", "20"], set(), r"^the limit taken for the end: .* exact   5\.263   \(wrong\)$"),
}

#: The squares of the way along the upper row, and those of both ways, on which nobody has to be lucky to get.
UPPER, BOTH = [8, 4, 0, 1, 2], [8, 4, 0, 1, 2, 9, 10, 6]


def load(name: str) -> Any:
    """An example as a module."""
    spec = spec_from_file_location(f"example_{Path(name).name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


dqn, grid = load("cartpole_dqn"), load("grid_q_learning")
world, table = GridWorld(), transition_table(GridWorld())
BEST = grid.BEST.ravel()


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- all of them ------------------------------------------------------------------------------------------------------


def test_no_program_of_the_book_goes_untested() -> None:
    told = {name for name in RUNS if name.startswith("book/")}
    assert told == {f"book/{path.stem}" for path in (EXAMPLES / "book").glob("*.py")}


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(Program, "run")  # nothing is recorded unless it is asked for
    words, pictures, line = RUNS[name]
    load(name).main(words)
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == pictures
    assert all((tmp_path / picture).stat().st_size > 5000 for picture in pictures)


@pytest.mark.parametrize("name", ["cartpole_dqn", "grid_q_learning", "book/bandits"])
def test_without_matplotlib_there_is_only_no_picture(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    load(name).main(RUNS[name][0])
    assert "there is no picture" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_programs_of_the_book_are_short() -> None:
    for path in (EXAMPLES / "book").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 100, path.name


def test_the_walk_tells_of_each_program() -> None:
    walk = (EXAMPLES.parent / "docs" / "value-learning-walk.md").read_text(encoding="utf-8")
    assert {name for name in RUNS if f"(../examples/{name}.py)" not in walk} == set()


def transcripts() -> dict[str, list[str]]:
    """What programs print by the walk, line by line; not DQN with its options, whose long run rounding parts."""
    page = (EXAMPLES.parent / "docs" / "value-learning-walk.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n\$ python examples/([\w/]+)\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return {name: told.splitlines() for name, told in blocks}


@pytest.mark.slow
@pytest.mark.parametrize("name", transcripts())
def test_programs_print_what_the_walk_tells(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    load(name).main([])
    assert set(transcripts()[name]) <= set(capsys.readouterr().out.splitlines())


# --- chapter 1 --------------------------------------------------------------------------------------------------------

bandits = load("book/bandits")


def test_what_weighs_in_a_mean() -> None:
    np.testing.assert_allclose(bandits.weights(7, None), np.full(7, 1 / 7), rtol=1e-14)
    np.testing.assert_allclose(bandits.weights(7, 0.8), 0.8 * 0.2 ** np.arange(6, -1, -1), rtol=1e-14)


def test_what_players_are_paid() -> None:
    """One that draws every move gets 1/2, one that learns near to what is known, one that never tries less."""
    assert bandits.play(rng(0), 500, 200, 1.0).mean() == pytest.approx(0.5, abs=0.02)
    paid = bandits.play(rng(0), 500, 1000, 0.1)
    assert paid[0] == pytest.approx(0.5, abs=0.08)
    assert 0.84 < paid[-100:].mean() < 0.9 * 10 / 11 + 0.05 + 0.005
    assert bandits.play(rng(0), 500, 1000, 0.0)[-100:].mean() < 0.8


def test_rates_that_drift_want_a_fixed_step() -> None:
    of_all, fixed = (bandits.play(rng(0), 500, 1000, 0.1, alpha, 0.1)[-100:].mean() for alpha in (None, 0.8))
    assert fixed > of_all + 0.02


# --- chapter 4 --------------------------------------------------------------------------------------------------------

evaluation, iteration, values = map(load, ("book/policy_evaluation", "book/policy_iteration", "book/value_iteration"))


@pytest.mark.parametrize(("in_place", "sweeps"), [(False, 76), (True, 60)])
def test_two_squares(in_place: bool, sweeps: int) -> None:
    V, taken = evaluation.evaluate(evaluation.TWO_SQUARES, np.full((2, 2), 0.5), in_place)
    assert taken == sweeps  # the book's
    np.testing.assert_allclose(V, [-2.25, -2.75], atol=9e-4)
    V, _ = evaluation.evaluate(evaluation.TWO_SQUARES, np.full((2, 2), 0.5), in_place, threshold=1e-13)
    np.testing.assert_allclose(V, [-2.25, -2.75], atol=1e-11)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_random_walk_is_worth_this(in_place: bool) -> None:
    policy = np.full((12, 4), 0.25)
    V, _ = evaluation.evaluate(world.P, policy, in_place, threshold=1e-14)
    np.testing.assert_allclose(V, exact_values(table, policy, 0.9), atol=1e-12)


def test_policy_iteration_finds_the_values_known() -> None:
    policy, V, rounds = iteration.iterate(world.P)
    np.testing.assert_allclose(V, BEST, atol=1e-12)
    np.testing.assert_allclose(exact_values(table, policy, 0.9), BEST, atol=1e-12)
    assert rounds <= 6


def test_value_iteration_finds_the_values_known() -> None:
    V, sweeps = values.iterate(world.P)
    np.testing.assert_allclose(V, BEST, atol=1e-12)
    assert sweeps == 6  # the goal is 5 moves away, and one more sees no change
    np.testing.assert_allclose(exact_values(table, values.greedy(world.P, V), 0.9), BEST, atol=1e-12)


# --- chapter 5 --------------------------------------------------------------------------------------------------------

dice, importance = load("book/dice"), load("book/importance_sampling")
returns, control, off_policy = map(load, ("book/monte_carlo_prediction", "book/monte_carlo_control",
                                          "book/off_policy_monte_carlo"))  # fmt: skip


def test_two_dice() -> None:
    assert dice.exact() == pytest.approx((7.0, 35 / 6), rel=1e-14)
    throws = rng(3).integers(1, 7, size=(50, 2)).sum(axis=1)
    assert dice.by_throws(rng(3), 50) == pytest.approx(throws.mean(), rel=1e-13)


@pytest.mark.parametrize("b", importance.DRAWN_FROM.values(), ids=importance.DRAWN_FROM)
def test_importance_sampling(b: Any) -> None:
    mean, variance = importance.exact(b)
    assert mean == pytest.approx(2.7)
    plain, ordinary, weighted = importance.estimates(rng(0), b, 4000)
    error = np.sqrt(variance / 100 / 4000)  # of the mean of all estimates
    assert ordinary.mean() == pytest.approx(2.7, abs=5 * error)
    assert ordinary.var() == pytest.approx(variance / 100, rel=0.15)
    assert plain.mean() == pytest.approx(b @ importance.X, abs=0.01)
    assert weighted.mean() == pytest.approx(2.7, abs=0.02)
    assert weighted.std() <= ordinary.std() + 1e-12


def test_variances_by_hand() -> None:
    """The mean of (pi x / b)^2 less 2.7^2: 7.7, 17.43 and 9.85 less 7.29."""
    found = [importance.exact(b)[1] for b in importance.DRAWN_FROM.values()]
    assert found == pytest.approx([0.41, 10.14, 2.56], abs=1e-12)


def test_monte_carlo_prediction() -> None:
    V, visits = returns.learn(world, rng(0), 1500)
    exact = exact_values(table, np.full((12, 4), 0.25), 0.9)
    assert np.abs(V - exact)[UPPER].max() < 0.05
    np.testing.assert_allclose(V, exact, atol=0.1)
    assert visits.sum() == pytest.approx(45 * 1500, rel=0.1)
    assert visits[[3, 5]].sum() == 0  # nobody leaves the goal or a wall


def test_monte_carlo_control() -> None:
    Q = control.learn(world, rng(0), 3000)
    exact = epsilon_soft_optimum(table, 0.9, control.EPSILON).action_values
    assert np.abs(Q.max(axis=1) - exact.max(axis=1))[UPPER].max() < 0.02
    assert np.abs(exact.max(axis=1) - BEST)[UPPER].max() > 0.1  # what it is not


def test_off_policy_monte_carlo() -> None:
    """Returns of greedy moves are all alike here, so that they come out exactly once they are the best."""
    Q = off_policy.learn(world, rng(0), 3000)
    np.testing.assert_allclose(Q.max(axis=1)[BOTH], BEST[BOTH], atol=0.02)


def test_returns_are_weighted_by_the_moves_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: the first moves' returns 0.9 and 2.7 count 1 / 0.5 and 1 / 0.25 times."""
    played = iter([[(0, 0, 0.0, 0.1), (1, 0, 1.0, 0.5)], [(0, 0, 0.0, 0.1), (1, 0, 3.0, 0.25)]])
    monkeypatch.setattr(off_policy, "episode", lambda *_: next(played))
    Q = off_policy.learn(world, rng(0), 2)
    assert Q[:2, 0] == pytest.approx([(2 * 0.9 + 4 * 2.7) / 6, 2.0], rel=1e-14)
    assert np.count_nonzero(Q) == 2


# --- chapter 6 --------------------------------------------------------------------------------------------------------

td, sarsa, q_learning = map(load, ("book/td_prediction", "book/sarsa", "book/q_learning"))


def test_td_prediction() -> None:
    V, _ = td.learn(world, rng(0), 1500)
    exact = exact_values(table, np.full((12, 4), 0.25), 0.9)
    assert np.abs(V - exact)[UPPER].max() < 0.05
    np.testing.assert_allclose(V, exact, atol=0.1)


def test_sarsa_on_and_off_policy() -> None:
    soft = epsilon_soft_optimum(table, 0.9, sarsa.EPSILON).action_values.max(axis=1)
    on, off = (sarsa.learn(world, rng(0), 6000, off_policy).max(axis=1) for off_policy in (False, True))
    assert np.abs(on - soft)[UPPER].max() < 0.02
    assert np.abs(off - BEST)[UPPER].max() < 0.04
    assert np.abs(soft - BEST)[UPPER].max() > 0.1


def test_q_learning() -> None:
    Q = q_learning.learn(world, rng(0), 3000)
    np.testing.assert_allclose(Q.max(axis=1)[BOTH], BEST[BOTH], atol=1e-6)


# --- chapter 7 --------------------------------------------------------------------------------------------------------

SHORTEST = [[8, 4, 0, 1, 2, 3], [8, 9, 10, 6, 2, 3]]


def test_a_square_as_numbers() -> None:
    np.testing.assert_array_equal(grid.one_hot(6), np.eye(12)[6:7])
    assert grid.GRID.cells.index("B") == 4 * 1 + 3


def test_an_update_comes_near_to_its_target() -> None:
    """To r + gamma max Q of the next square, and at the end to r alone, whatever the next square's values are."""
    for done in (False, True):
        agent = grid.QLearningAgent(3)
        Q = agent.values().copy()
        target = 0.5 if done else 0.5 + 0.9 * Q[10].max()
        square = agent.update(grid.one_hot(6), 2, 0.5, grid.one_hot(10), done)
        assert square == pytest.approx((target - Q[6, 2]) ** 2, rel=1e-5)
        assert abs(agent.values()[6, 2] - target) < abs(Q[6, 2] - target)


def test_nothing_is_learnt_through_the_target() -> None:
    """With one layer, so that the rows of two squares share nothing but the bias."""
    agent = grid.QLearningAgent(0)
    agent.update(grid.one_hot(6), 2, 1.0, grid.one_hot(10), False)
    gradient = agent.qnet.l1.W.grad.data
    assert np.any(gradient[6])
    assert not np.any(np.delete(gradient, 6, axis=0))


def learns_the_best_path(seed: int) -> None:
    agent, losses = grid.train(seed, 1000)
    path, total = grid.greedy_path(agent.values())
    assert path in SHORTEST
    assert total == pytest.approx(0.9**4)
    assert np.abs(agent.values().max(axis=1) - BEST)[path[:-1]].max() < 0.03
    assert np.mean(losses[-100:]) < np.mean(losses[:100]) / 10


def test_the_greedy_path_is_the_best() -> None:
    learns_the_best_path(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 10))
def test_the_greedy_path_is_the_best_for_all_seeds(seed: int) -> None:
    learns_the_best_path(seed)


def test_a_path_that_leads_nowhere_ends() -> None:
    path, total = grid.greedy_path(np.eye(4)[np.zeros(12, int)])  # always up
    assert path == [8, 4, *[0] * 19]
    assert total == 0.0


# --- chapter 8 --------------------------------------------------------------------------------------------------------

limits = load("book/time_limits")


def test_a_time_limit_is_no_end() -> None:
    assert limits.learn(5000, False) == pytest.approx(10.0, abs=0.01)
    assert limits.learn(5000, True) == pytest.approx(1 / 0.19, abs=0.01)  # what must not come out


def test_the_buffer_forgets_the_oldest() -> None:
    buffer = dqn.ReplayBuffer(5, 3, rng(0))
    for n in range(7):
        assert len(buffer) == min(n, 5)
        buffer.add(np.full(4, n), n % 2, 10.0 * n, np.full(4, n + 1), n == 6)
    drawn = np.concatenate([buffer.get_batch()[0][:, 0] for _ in range(100)])
    assert set(drawn) == {2.0, 3.0, 4.0, 5.0, 6.0}
    state, action, reward, next_state, done = buffer.get_batch()
    assert len(set(state[:, 0])) == 3
    np.testing.assert_array_equal(action, state[:, 0] % 2)
    np.testing.assert_array_equal(reward, 10 * state[:, 0])
    np.testing.assert_array_equal(next_state, state + 1)
    np.testing.assert_array_equal(done, state[:, 0] == 6)


def filled(agent: Any, steps: int = 100) -> Any:
    """The agent, which remembers steps of a random walk, and a batch of them."""
    draws, state = rng(5), np.zeros(4, np.float32)
    for n in range(steps):
        following = draws.standard_normal(4).astype(np.float32)
        agent.replay_buffer.add(state, int(draws.integers(2)), 1.0, following, n % 10 == 9)
        state = following
    return agent.replay_buffer.get_batch()


def test_the_loss_is_that_of_the_target() -> None:
    agent = dqn.DQNAgent(1)
    agent.qnet_target.theta *= 1.5
    state, action, reward, next_state, done = batch = filled(agent)
    assert 0 < done.sum() < 32
    q, following = agent.qnet(state).data, agent.qnet_target(next_state).data
    targets = [r if end else r + 0.98 * row.max() for r, row, end in zip(reward, following, done, strict=True)]
    expected = np.mean([(row[a] - y) ** 2 for row, a, y in zip(q, action, targets, strict=True)])
    theta, of_target = agent.qnet.theta.copy(), agent.qnet_target.theta.copy()
    assert agent.learn(*batch).item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(agent.qnet_target.theta, of_target)
    assert not np.any(agent.qnet_target.grad)
    assert np.abs(agent.qnet.theta - theta).max() == pytest.approx(0.0005, rel=0.01)  # Adam's first


def test_where_values_begin() -> None:
    for start in (0.0, dqn.FOR_EVER):
        q = dqn.DQNAgent(1, start=start).qnet(np.full((1, 4), 0.01, np.float32)).data
        np.testing.assert_allclose(q, start, atol=0.05)
    assert pytest.approx(50.0) == dqn.FOR_EVER


def test_synced_networks_part_again() -> None:
    agent = dqn.DQNAgent(1)
    np.testing.assert_array_equal(agent.qnet_target.theta, agent.qnet.theta)
    batch = filled(agent)
    agent.learn(*batch)
    assert np.any(agent.qnet_target.theta != agent.qnet.theta)
    agent.sync_qnet()
    np.testing.assert_array_equal(agent.qnet_target.theta, agent.qnet.theta)
    agent.learn(*batch)
    assert np.any(agent.qnet_target.theta != agent.qnet.theta)


def test_recorded_updates_are_the_same_up_to_rounding() -> None:
    agents = [dqn.DQNAgent(2, recorded) for recorded in (False, True)]
    losses = []
    for agent in agents:
        batch = filled(agent)
        for n in range(30):
            losses.append(agent.learn(*batch).item())
            if n == 20:
                agent.sync_qnet()
    np.testing.assert_allclose(losses[:30], losses[30:], rtol=1e-3)
    np.testing.assert_allclose(agents[0].qnet.theta, agents[1].qnet.theta, atol=1e-4)
    assert losses[0] > losses[20] + 10.0


def test_each_update_is_run_by_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    run = Program.run
    monkeypatch.setattr(Program, "run", lambda self, *given: asked.append(self) or run(self, *given))
    trained = dqn.train(0, 15, recorded=True)
    assert len(asked) == sum(trained.returns) - 31  # from the 32nd step on
    assert not any(row.words is None for program in asked for row in program.rows)  # one that NumPy would run


def test_it_acts_as_told() -> None:
    agent, state = dqn.DQNAgent(0), np.array([0.1, -0.2, 0.3, 0.4], np.float32)
    greedy = int(agent.qnet(state[np.newaxis]).data.argmax())
    taken = [agent.get_action(state) for _ in range(4000)]
    assert np.mean(np.array(taken) != greedy) == pytest.approx(0.05, abs=0.015)


class Cut:
    """Two steps, of which the limit is the end, or the fall."""

    def __init__(self, falls: bool) -> None:
        self.falls, self.steps = falls, 0

    def reset(self) -> Any:
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        over = self.steps == 2
        return np.ones(4, np.float32), 1.0, over and self.falls, over and not self.falls, {}


@pytest.mark.parametrize("falls", [False, True])
def test_a_limit_is_no_fall(falls: bool) -> None:
    agent = dqn.DQNAgent(0)
    assert dqn.play(Cut(falls), agent) == 2.0
    np.testing.assert_array_equal(agent.replay_buffer.done[:3], [0.0, float(falls), 0.0])


def test_greedy_episodes_are_those_of_gymnasium(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant push to the right fells the pole after 8 to 10 steps, and one that is held up stands to the limit."""
    qnet = dqn.QNet(rng(0), 0.0)
    qnet.theta[:] = 0.0
    qnet.l3.b.data = np.array([0.0, 1.0], np.float32)
    found = dqn.greedy_returns(qnet, 3, 50)
    assert found.shape == (50,)
    assert set(found) <= {8.0, 9.0, 10.0}
    assert dqn.greedy_returns(qnet, 3, 50).tolist() == found.tolist() != dqn.greedy_returns(qnet, 4, 50).tolist()
    monkeypatch.setattr(dqn, "MOST_STEPS", 5)
    assert set(dqn.greedy_returns(qnet, 3, 50)) == {5.0}


def test_the_network_handed_over_is_the_best_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    means = iter([50.0, 120.0, 120.0, 90.0])
    seen: list[Any] = []

    def judged(qnet: Any, seed: int) -> list[float]:
        seen.append(copy.deepcopy(qnet.theta))
        return [next(means)]

    monkeypatch.setattr(dqn, "greedy_returns", judged)
    monkeypatch.setattr(dqn, "JUDGE_EPISODES", 5)
    trained = dqn.train(0, 20, recorded=True)
    assert trained.judged == {5: 50.0, 10: 120.0, 15: 120.0, 20: 90.0}
    np.testing.assert_array_equal(trained.best.theta, seen[2])  # of those as good the one that learnt longer
    assert np.any(seen[2] != seen[3])


@pytest.mark.slow
def test_the_pole_is_held_up() -> None:
    """On at least 7 of 10 seeds, for 200 steps in all or nearly all of 100 episodes that had no part in choosing."""
    trained = [dqn.train(seed, 300, recorded=True) for seed in range(10)]
    assert sum(dqn.greedy_returns(one.best, dqn.TEST).mean() > 199.0 for one in trained) >= 7

"""The strategies against hand-worked generations, independent twins, and returns that no landscape has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract import NETWORK, make, same, sphere

from cartwheel.algorithms.base import Algorithm, Entry
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.algorithms.strategy import centred_ranks, default_population, finite, ranks, utilities
from cartwheel.algorithms.xnes import exponential
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.specification import MLP
from cartwheel.settings import resolve
from cartwheel.training.minimize import Point

OF_A_MEAN = ["evolution-strategy", "ars", "pgpe"]
VECTORS = {name: entry for name, entry in ALGORITHMS.items() if name != "neat" and not entry.by_steps}
ENTRIES = pytest.mark.parametrize("entry", VECTORS.values(), ids=list(VECTORS))

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def on_point(name: str, x0: list[float], seed: int = 4, **options: Any) -> Algorithm:
    """An algorithm on a plain vector, which begins at it where it has a step size."""
    entry = ALGORITHMS[name]
    return entry.algorithm(resolve(entry.settings, {"episodes": 1, **options}), Point(np.array(x0)), seed)


def told(algorithm: Algorithm, fitness: Matrix) -> Matrix:
    """The candidates that follow after these mean returns."""
    returns = np.asarray(fitness, np.float64)[:, None]
    algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    return algorithm.ask().parameters


# --- weights of returns -----------------------------------------------------------------------------------------------


def test_equals_share_their_rank() -> None:
    np.testing.assert_array_equal(ranks(np.array([3.0, 1.0, 3.0, 9.0, 3.0])), [2.0, 0.0, 2.0, 4.0, 2.0])
    np.testing.assert_array_equal(centred_ranks(np.array([5.0, -np.inf, np.inf])), [0.0, -0.5, 0.5])
    np.testing.assert_array_equal(centred_ranks(np.full(4, 7.0)), np.zeros(4))


def test_utilities_are_those_of_the_paper() -> None:
    """P = 4: ln 3 - ln k is ln 3, ln 1.5, 0 and less; each over their sum ln 4.5, less 1/4."""
    share = np.log(3) / np.log(4.5)
    expected = [-0.25, share - 0.25, 0.75 - share, -0.25]
    np.testing.assert_allclose(utilities(np.array([1.0, 8.0, 3.0, 2.0])), expected, atol=1e-12)
    np.testing.assert_allclose(utilities(np.array([4.0, 4.0, 1.0, 0.0])), [0.25, 0.25, -0.25, -0.25], atol=1e-12)
    np.testing.assert_allclose(utilities(np.full(7, 2.0)), np.zeros(7), atol=1e-15)


def test_infinite_returns_are_made_finite() -> None:
    np.testing.assert_array_equal(finite(np.array([-np.inf, 2.0, np.inf, 5.0])), [2.0, 2.0, 5.0, 5.0])
    np.testing.assert_array_equal(finite(np.array([-np.inf, np.inf])), [-1.0, 1.0])
    assert np.isfinite(finite(np.array([1e308, -1e308])).std())
    np.testing.assert_array_equal(finite(np.array([-1.7e308, -1e308, -np.inf])), [-1e100] * 3)
    np.testing.assert_array_equal(finite(np.array([1.7e308, 1e308, np.inf])), [1e100] * 3)


def test_the_default_population_is_the_literatures() -> None:
    assert [default_population(n) for n in (1, 2, 10, 20, 100)] == [4, 6, 10, 12, 17]


# --- what no landscape has --------------------------------------------------------------------------------------------


FAULTS = {
    "flat": lambda rng, fitness: np.full_like(fitness, 3.0),
    "all NaN": lambda rng, fitness: np.full_like(fitness, np.nan),
    "all infinite": lambda rng, fitness: np.full_like(fitness, np.inf),
    "all minus infinite": lambda rng, fitness: np.full_like(fitness, -np.inf),
    "some NaN": lambda rng, fitness: np.where(rng.random(fitness.shape) < 0.4, np.nan, fitness),
    "some infinite": lambda rng, fitness: np.where(rng.random(fitness.shape) < 0.4, np.inf, fitness),
    "some minus infinite": lambda rng, fitness: np.where(rng.random(fitness.shape) < 0.4, -np.inf, fitness),
    "huge": lambda rng, fitness: fitness * 1e300,
    "tiny": lambda rng, fitness: fitness * 1e-300,
    "noise": lambda rng, fitness: rng.standard_normal(fitness.shape),
    "linear": lambda rng, fitness: fitness,
}


@ENTRIES
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("network", [NETWORK, Point(np.full(3, 2.0))], ids=["network", "point"])
def test_no_returns_make_it_lose_its_numbers(entry: Entry, fault: str, network: Any) -> None:
    """For long after it says that it has stopped, too."""
    rng = np.random.default_rng(0)
    algorithm = entry.algorithm(resolve(entry.settings, {"episodes": 2}), network, 1)
    for _ in range(150):
        request = algorithm.ask()
        assert np.isfinite(request.parameters).all()
        scores = request.parameters.astype(np.float64).clip(-1e9, 1e9)
        scores = scores.sum(axis=1) if fault == "linear" else -(scores**2).sum(axis=1)
        returns = FAULTS[fault](rng, np.repeat(scores[:, None], 2, axis=1))
        algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    state = algorithm.state()
    histories = ("history", "record")  # what was best may well be infinite
    assert all(np.isfinite(value).all() for name, value in state.items() if _is_number(value) and name not in histories)


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, int)) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


@ENTRIES
def test_no_number_is_lost_after_convergence(entry: Entry) -> None:
    algorithm = entry.algorithm(resolve(entry.settings, {"episodes": 1}), Point(np.full(2, 1.0)), 1)
    for _ in range(1500):
        algorithm.tell(sphere(algorithm.ask(), shift=0.0))
    parameters = algorithm.ask().parameters
    assert np.isfinite(parameters).all()
    assert np.median((parameters**2).sum(axis=1)) < 5.0
    assert entry.name in OF_A_MEAN or entry.name in _NEVER_END or algorithm.stopped


@pytest.mark.parametrize("name", ["snes", "pgpe", "cma-es"])
def test_candidates_are_numbers_that_the_network_can_hold(name: str) -> None:
    """However far a search has run away: beyond 3.4e38 there is no float32."""
    algorithm = make(ALGORITHMS[name])
    state = algorithm.state()
    algorithm.restore({**state, "mean": np.linspace(-1e60, 1e60, NETWORK.size)})
    parameters = algorithm.ask().parameters
    assert np.isfinite(parameters).all()
    assert parameters[:, 0].max() < -1e38 < 1e38 < parameters[:, -1].min()


_NEVER_END = ("genetic", "random-search", "hill-climbing")


@pytest.mark.parametrize("name", ["snes", "xnes", "cma-es", "sep-cma-es", "evolution-strategy"])
def test_flat_returns_leave_the_mean_where_it_is(name: str) -> None:
    """At the beginning, and after a step, whose path or moment would go on."""
    algorithm = on_point(name, [3.0, -2.0])
    for first in (None, algorithm.ask().parameters.sum(axis=1)):
        if first is not None:
            told(algorithm, first)
        before = algorithm.state()["mean"]
        for _ in range(3):
            told(algorithm, np.full(len(algorithm.ask().parameters), 1.0))
        np.testing.assert_allclose(algorithm.state()["mean"], before, rtol=0, atol=1e-12)


# --- the mean is the policy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_A_MEAN)
def test_the_mean_is_the_last_candidate_and_the_best(name: str) -> None:
    algorithm = make(ALGORITHMS[name])
    for _ in range(5):
        request = algorithm.ask()
        experience = sphere(request)
        np.testing.assert_array_equal(request.parameters[-1], algorithm.state()["mean"].astype(np.float32))
        best = algorithm.best(experience)
        np.testing.assert_array_equal(best.theta, request.parameters[-1])
        assert best.value == experience.returns[-1].mean()
        assert [same(one, best) for one in algorithm.finalists(experience, 5)] == [True]
        algorithm.tell(experience)


@pytest.mark.parametrize("name", ["snes", "xnes", "cma-es", "sep-cma-es", "hill-climbing", "random-search"])
def test_the_best_samples_are_the_finalists(name: str) -> None:
    algorithm = make(ALGORITHMS[name])
    request = algorithm.ask()
    experience = sphere(request)
    finalists = algorithm.finalists(experience, 3)
    order = np.argsort(-experience.returns.mean(axis=1))[:3]
    assert [one.value for one in finalists] == list(experience.returns.mean(axis=1)[order])
    np.testing.assert_array_equal([one.theta for one in finalists], request.parameters[order])
    assert same(finalists[0], algorithm.best(experience))


@pytest.mark.parametrize("name", OF_A_MEAN)
def test_samples_lie_on_both_sides_of_the_mean(name: str) -> None:
    candidates = on_point(name, [1.0, 2.0, 3.0], initial_std=0.0).ask().parameters
    pairs = len(candidates) // 2
    np.testing.assert_allclose(candidates[:pairs] + candidates[pairs:-1], np.tile([2.0, 4.0, 6.0], (pairs, 1)))


@pytest.mark.parametrize("name", OF_A_MEAN)
def test_the_means_own_return_moves_nothing(name: str) -> None:
    one, other = on_point(name, [1.0, 2.0]), on_point(name, [1.0, 2.0])
    fitness = -(one.ask().parameters ** 2).sum(axis=1)
    changed = fitness.copy()
    changed[-1] = 1e6
    np.testing.assert_array_equal(told(one, fitness), told(other, changed))


# --- one generation by hand -------------------------------------------------------------------------------------------


def test_an_evolution_strategys_first_step() -> None:
    """Adam's first step is the learning rate in the direction of the gradient's sign, whatever its size."""
    algorithm = on_point("evolution-strategy", [5.0, -5.0], initial_std=0.0, learning_rate=0.25, weight_decay=0.0)
    X = algorithm.ask().parameters
    after = told(algorithm, X[:, 0] - 3 * X[:, 1])[-1]
    np.testing.assert_allclose(after, [5.25, -5.25], atol=1e-6)


def test_an_evolution_strategys_gradient() -> None:
    algorithm = on_point("evolution-strategy", [1.0, 2.0], initial_std=0.0, population=4, sigma=0.5, weight_decay=0.1)
    noise = (algorithm.ask().parameters[:2] - [1.0, 2.0]) / 0.5
    told(algorithm, np.array([10.0, 4.0, 1.0, 3.0, 0.0]))  # centred ranks 1/2, 1/6, -1/2, -1/6
    g = (1.0 * noise[0] + 1 / 3 * noise[1]) / (4 * 0.5) - 0.1 * np.array([1.0, 2.0])
    np.testing.assert_allclose(algorithm.state()["first"], 0.1 * g, rtol=1e-12)
    np.testing.assert_allclose(algorithm.state()["second"], 0.001 * g**2, rtol=1e-12)


def test_adam_remembers() -> None:
    """Three steps against Kingma and Ba's algorithm 1, with their hats."""
    algorithm = on_point("evolution-strategy", [1.0, 2.0], initial_std=0.0, weight_decay=1.0, learning_rate=0.125)
    x, m, v = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
    fitness = np.array([*range(16), *range(16), 0.0])  # equal on both sides: weight decay alone
    for t in range(1, 4):
        g = -x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x + 0.125 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(told(algorithm, fitness)[-1], x, rtol=1e-12)


def test_an_ars_step() -> None:
    """The two best of three directions by their better side, in units of the deviation of their four returns."""
    algorithm = on_point("ars", [1.0, -1.0], directions=3, top=2, learning_rate=0.5, sigma=0.25)
    delta = (algorithm.ask().parameters[:3] - [1.0, -1.0]) / 0.25
    after = told(algorithm, np.array([1.0, 2.0, 9.0, 8.0, 3.0, 5.0, 0.0]))[-1]
    used = np.array([1.0, 9.0, 8.0, 5.0])
    expected = np.array([1.0, -1.0]) + 0.5 / (2 * used.std()) * ((1 - 8) * delta[0] + (9 - 5) * delta[2])
    np.testing.assert_allclose(after, expected, rtol=1e-12)


def test_pgpe_by_hand() -> None:
    algorithm = on_point("pgpe", [0.0, 4.0], population=4, sigma=0.5, mean_rate=0.3, sigma_rate=0.1)
    mean, sigma, baseline = np.array([0.0, 4.0]), np.full(2, 0.5), None
    for returns in ([1.0, 6.0, 3.0, 2.0], [5.0, 0.0, 2.0, 2.0]):
        eps = algorithm.ask().parameters[:2] - mean
        r = np.array(returns)
        baseline = r.mean() if baseline is None else 0.9 * baseline + 0.1 * r.mean()
        s, mean, old = r.std(), mean.copy(), sigma.copy()
        for k in range(2):
            mean += 0.3 / 2 * (r[k] - r[k + 2]) / (2 * s) * eps[k]
            change = 0.1 / 2 * ((r[k] + r[k + 2]) / 2 - baseline) / s * (eps[k] ** 2 - old**2) / old
            sigma = sigma + change
        assert (abs(sigma / old - 1) < 0.2).all()
        np.testing.assert_allclose(told(algorithm, np.array([*returns, 0.0]))[-1], mean, rtol=1e-12)
        np.testing.assert_allclose(algorithm.state()["sigma"], sigma, rtol=1e-12)


def test_pgpes_deviations_change_by_a_fifth_at_most() -> None:
    algorithm = on_point("pgpe", [0.0, 4.0], sigma_rate=1000.0)
    told(algorithm, -(algorithm.ask().parameters ** 2).sum(axis=1))
    np.testing.assert_allclose(abs(algorithm.state()["sigma"] / 0.5 - 1), 0.2)


def test_snes_by_hand() -> None:
    algorithm = on_point("snes", [1.0, 2.0, 3.0], population=4, sigma=0.5)
    z = (algorithm.ask().parameters - [1.0, 2.0, 3.0]) / 0.5
    told(algorithm, np.array([1.0, 8.0, 3.0, 2.0]))
    share = np.log(3) / np.log(4.5)
    u = [-0.25, share - 0.25, 0.75 - share, -0.25]
    gradient = sum(u[k] * z[k] for k in range(4))
    spread = sum(u[k] * (z[k] ** 2 - 1) for k in range(4))
    eta = (3 + np.log(3)) / (5 * np.sqrt(3))
    np.testing.assert_allclose(algorithm.state()["mean"], np.array([1.0, 2.0, 3.0]) + 0.5 * gradient, rtol=1e-12)
    np.testing.assert_allclose(algorithm.state()["sigma"], 0.5 * np.exp(eta / 2 * spread), rtol=1e-12)


def test_xnes_by_hand() -> None:
    """Two generations, so that B counts; the exponential by its series."""
    algorithm = on_point("xnes", [1.0, 2.0], population=4, sigma=0.5)
    mean, sigma, B = np.array([1.0, 2.0]), 0.5, np.eye(2)
    u = utilities(np.array([1.0, 8.0, 3.0, 2.0]))
    eta = 3 * (3 + np.log(2)) / (5 * 2 * np.sqrt(2))
    for _ in range(2):
        z = np.linalg.solve(B, (algorithm.ask().parameters - mean).T / sigma).T
        M = sum(u[k] * (np.outer(z[k], z[k]) - np.eye(2)) for k in range(4))
        growth = np.trace(M) / 2
        mean = mean + sigma * B @ sum(u[k] * z[k] for k in range(4))
        power, series = np.eye(2), np.eye(2)
        for k in range(1, 20):
            power = power @ (eta / 2 * (M - growth * np.eye(2))) / k
            series = series + power
        sigma, B = sigma * np.exp(eta / 2 * growth), B @ series
        told(algorithm, np.array([1.0, 8.0, 3.0, 2.0]))
        state = algorithm.state()
        np.testing.assert_allclose(state["mean"], mean, rtol=1e-10)
        np.testing.assert_allclose(state["sigma"], sigma, rtol=1e-10)
        np.testing.assert_allclose(state["B"], B, rtol=1e-10)


def test_the_exponential_of_a_rotation_free_matrix() -> None:
    np.testing.assert_allclose(exponential(np.diag([0.5, -0.25])), np.diag(np.exp([0.5, -0.25])))
    np.testing.assert_allclose(exponential(np.diag([9.0, -9.0])), np.diag(np.exp([1.0, -1.0])))


def test_random_search_keeps_the_best_and_draws_the_rest() -> None:
    algorithm = make(ALGORITHMS["random-search"])
    values = []
    for _ in range(20):
        request = algorithm.ask()
        experience = sphere(request)
        values.append(algorithm.best(experience).value)
        best = request.parameters[experience.returns.mean(axis=1).argmax()]
        algorithm.tell(experience)
        np.testing.assert_array_equal(algorithm.ask().parameters[0], best)
        assert not np.isin(algorithm.ask().parameters[1:], request.parameters[1:]).all(axis=1).any()
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_hill_climbing_goes_only_up() -> None:
    algorithm = on_point("hill-climbing", [3.0, 3.0], initial_std=0.0, population=3, sigma=0.125)
    first = algorithm.ask().parameters
    np.testing.assert_array_equal(first[0], [3.0, 3.0])
    np.testing.assert_array_equal(told(algorithm, np.array([5.0, 5.0, 5.0]))[0], first[0])
    np.testing.assert_array_equal(told(algorithm, np.array([5.0, 4.0, 3.0]))[0], first[0])
    better = algorithm.ask().parameters[2]
    np.testing.assert_array_equal(told(algorithm, np.array([5.0, 4.0, 6.0]))[0], better)


@pytest.mark.parametrize("name", ["hill-climbing", "evolution-strategy", "ars", "snes", "xnes", "cma-es", "sep-cma-es"])
def test_samples_have_the_stated_deviation(name: str) -> None:
    many = {"directions": 2000} if name == "ars" else {"population": 4000}
    samples = on_point(name, [1.0, -2.0], initial_std=0.0, sigma=0.25, **many).ask().parameters
    np.testing.assert_allclose(samples.std(axis=0), 0.25, rtol=0.05)
    np.testing.assert_allclose(samples.mean(axis=0), [1.0, -2.0], atol=0.02)


# --- what can't be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options", "said"), [
    ("evolution-strategy", {"population": 7}, "--population: expected an even number"),
    ("pgpe", {"population": 7}, "--population: expected an even number"),
    ("ars", {"directions": 4, "top": 5}, r"--top: expected at most --directions \(4\), got 5"),
    ("cma-es", {"population": 3}, "--population: expected 0 or at least 4, got 3"),
    ("snes", {"population": 1}, "--population: expected 0 or at least 2, got 1"),
    ("cma-es", {"restarts": "ipo"}, "did you mean 'ipop'"),
])  # fmt: skip
def test_settings_that_do_not_go_together(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(ALGORITHMS[name].settings, options)


@pytest.mark.parametrize(("name", "limit", "instead"), [("xnes", 500, "snes"), ("cma-es", 3000, "sep-cma-es")])
def test_large_networks_are_refused_before_memory_is(name: str, limit: int, instead: str) -> None:
    entry = ALGORITHMS[name]
    with pytest.raises(UsageError, match=f"at most; take {instead}"):
        entry.algorithm(resolve(entry.settings, {}), Point(np.zeros(limit + 1)), 0)
    on_point(name, [0.0] * 100)


@pytest.mark.parametrize("name", ["snes", "sep-cma-es", "pgpe", "evolution-strategy"])
def test_those_of_linear_size_take_large_networks(name: str) -> None:
    algorithm = ALGORITHMS[name].algorithm(resolve(ALGORITHMS[name].settings, {}), MLP((300,)).build(300, 4), 0)
    request = algorithm.ask()
    algorithm.tell(sphere(Request(parameters=request.parameters, episodes=request.episodes)))
    assert sum(value.size for value in algorithm.state().values() if isinstance(value, np.ndarray)) < 10 * 92_000

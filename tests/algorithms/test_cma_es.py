"""CMA-ES: its parameters, one generation against a plain twin, its invariances, when it ends and what follows.

How many evaluations it takes is held in `tests/training/test_minimize.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.base import Algorithm
from cartwheel.algorithms.cma_rates import full_rates, next_step, separable_rates
from cartwheel.algorithms.convergence import Situation, history_length, reason, recent_length, span
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.algorithms.restarts import Run, next_run
from cartwheel.experience.records import Experience
from cartwheel.settings import resolve
from cartwheel.training.minimize import Point

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def make(x0: list[float], name: str = "cma-es", seed: int = 2, **options: Any) -> Algorithm:
    entry = ALGORITHMS[name]
    return entry.algorithm(resolve(entry.settings, {"episodes": 1, **options}), Point(np.array(x0)), seed)


def tell(algorithm: Algorithm, fitness: Matrix) -> dict[str, float]:
    returns = np.asarray(fitness, np.float64)[:, None]
    return algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))


# --- parameters -------------------------------------------------------------------------------------------------------


def test_the_parameters_are_those_of_the_authors_program() -> None:
    """What pycma prints in its documentation of `CMAParameters`, for 20 numbers."""
    rates = full_rates(20, 12)
    assert rates.c_1 == pytest.approx(0.00437235, abs=5e-9)
    assert rates.c_mu == pytest.approx(0.00921656, abs=5e-9)
    assert rates.c_c == pytest.approx(0.171767, abs=5e-7)
    first = [0.4024029428, 0.2533890840, 0.1662215645, 0.1043752252, 0.05640347757, 0.01720770576]
    last = [-0.05018713636, -0.1406167894, -0.2203813963, -0.2917332686, -0.3562788884, -0.4152044225]
    np.testing.assert_allclose(rates.weights, first + last, rtol=1e-8)
    assert rates.mu_eff == pytest.approx(1 / np.square(first).sum())


def test_step_size_parameters() -> None:
    """Table 1 by hand for mu_eff = 3.73: c_sigma = 5.73 / 28.73; d_sigma = 1 + c_sigma as sqrt(2.73 / 21) < 1."""
    rates = full_rates(20, 12)
    assert rates.c_sigma == pytest.approx((rates.mu_eff + 2) / (25 + rates.mu_eff))
    assert rates.d_sigma == pytest.approx(1 + rates.c_sigma)
    many = full_rates(2, 300)
    assert many.d_sigma == pytest.approx(1 + 2 * (np.sqrt((many.mu_eff - 1) / 3) - 1) + many.c_sigma)
    lengths = np.linalg.norm(np.random.default_rng(0).standard_normal((200_000, 3)), axis=1)
    assert full_rates(3, 7).chi == pytest.approx(lengths.mean(), rel=3e-3)


@pytest.mark.parametrize("n", [1, 2, 5, 40, 500])
@pytest.mark.parametrize("population", [4, 10, 200, 3000])
def test_weights_leave_the_matrix_positive(n: int, population: int) -> None:
    """The negative weights' sum respects all three limits, the third of which keeps C positive definite."""
    rates = full_rates(n, population)
    assert rates.weights.clip(0).sum() == pytest.approx(1.0)
    negative = -rates.weights.clip(None, 0).sum()
    assert n * rates.c_mu * negative <= 1 - rates.c_1 - rates.c_mu + 1e-12
    assert rates.c_1 + rates.c_mu * rates.weights.sum() >= -1e-12
    assert 0 <= rates.c_mu <= 1 - rates.c_1


def test_the_separable_variant_learns_faster_and_from_the_better_half() -> None:
    full, separable = full_rates(40, 15), separable_rates(40, 15)
    assert separable.c_1 == pytest.approx(14 * full.c_1)
    assert separable.c_mu == pytest.approx(14 * full.c_mu)
    assert (separable.weights >= 0).all()
    assert separable.weights.sum() == pytest.approx(1.0)


# --- one generation after the other -----------------------------------------------------------------------------------


class Twin:
    """Figure 6 of the tutorial, line by line, with C decomposed in each generation and every product written out."""

    def __init__(self, x0: list[float], sigma: float, population: int, *, diagonal: bool) -> None:
        self.n, self.m, self.sigma, self.g = len(x0), np.array(x0), sigma, 0
        self.C, self.ps, self.pc = np.eye(self.n), np.zeros(self.n), np.zeros(self.n)
        self.rates = (separable_rates if diagonal else full_rates)(self.n, population)
        self.diagonal = diagonal

    def tell(self, X: Matrix, fitness: Matrix) -> None:
        r, n = self.rates, self.n
        values, B = np.linalg.eigh(self.C)
        inverse_root = B @ np.diag(values**-0.5) @ B.T
        Y = ((X - self.m) / self.sigma)[np.argsort(-fitness)]
        shift = sum(w * y for w, y in zip(r.weights, Y, strict=True) if w > 0)
        self.m = self.m + self.sigma * shift
        self.g += 1
        self.ps = (1 - r.c_sigma) * self.ps + (r.c_sigma * (2 - r.c_sigma) * r.mu_eff) ** 0.5 * inverse_root @ shift
        norm = np.linalg.norm(self.ps)
        h = float(norm / (1 - (1 - r.c_sigma) ** (2 * self.g)) ** 0.5 < (1.4 + 2 / (n + 1)) * r.chi)
        self.pc = (1 - r.c_c) * self.pc + h * (r.c_c * (2 - r.c_c) * r.mu_eff) ** 0.5 * shift
        C = (1 + r.c_1 * (1 - h) * r.c_c * (2 - r.c_c) - r.c_1 - r.c_mu * r.weights.sum()) * self.C
        C = C + r.c_1 * np.outer(self.pc, self.pc)
        for w, y in zip(r.weights, Y, strict=True):
            C = C + r.c_mu * w * (1 if w >= 0 else n / ((inverse_root @ y) ** 2).sum()) * np.outer(y, y)
        self.C = np.diag(np.diag(C)) if self.diagonal else C
        self.sigma *= np.exp(min(1.0, r.c_sigma / r.d_sigma * (norm / r.chi - 1)))


@pytest.mark.parametrize("name", ["cma-es", "sep-cma-es"])
@pytest.mark.parametrize("stretch", [1.0, 1e3, -1.0])
def test_each_generation_is_the_tutorials(name: str, stretch: float) -> None:
    """In four dimensions C is decomposed in each generation. The last landscape is a slope: h_sigma is 0 on it."""
    x0, scale = [1.0, -2.0, 0.5, 3.0], abs(stretch) ** (np.arange(4) / 3)
    algorithm, twin = make(x0, name, sigma=0.7), Twin(x0, 0.7, 8, diagonal=name != "cma-es")
    for _ in range(12 if stretch < 0 else 30):  # where the slope ends it
        X = algorithm.ask().parameters
        fitness = X.sum(axis=1) if stretch < 0 else -(scale * X**2).sum(axis=1)
        tell(algorithm, fitness)
        twin.tell(X, fitness)
        state = algorithm.state()
        np.testing.assert_allclose(state["mean"], twin.m, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(state["step"], twin.sigma, rtol=1e-7)
        np.testing.assert_allclose(state["path_c"], twin.pc, rtol=1e-6, atol=1e-9)
        C = np.diag(state["C"]) if name != "cma-es" else state["C"]
        np.testing.assert_allclose(C, twin.C, rtol=1e-6, atol=1e-9)


def test_the_matrix_is_decomposed_as_seldom_as_told() -> None:
    """Every 1 / (10 n (c_1 + c_mu)) generations, rounded up; what is sampled from is C as it was then."""
    n = 100
    rates = full_rates(n, 17)
    every = int(np.ceil(1 / (10 * n * (rates.c_1 + rates.c_mu))))
    assert every == 2
    algorithm = make([1.0] * n)
    for generation in range(1, 9):
        tell(algorithm, -(algorithm.ask().parameters ** 2).sum(axis=1))
        state = algorithm.state()
        assert state["stale"] == generation % every
        rebuilt = (state["axes"] * state["lengths"] ** 2) @ state["axes"].T
        assert np.allclose(rebuilt, state["C"], rtol=1e-9, atol=1e-12) == (state["stale"] == 0)


def test_samples_have_the_covariance_that_was_learnt() -> None:
    algorithm = make([0.0, 0.0], population=20_000)
    state = algorithm.state()
    angle = 0.5
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lengths = np.array([1.0, 3.0])
    algorithm.restore({**state, "axes": axes, "lengths": lengths, "C": (axes * lengths**2) @ axes.T, "step": 0.5})
    covariance = np.cov(algorithm.ask().parameters.T)
    np.testing.assert_allclose(covariance, 0.25 * (axes * lengths**2) @ axes.T, rtol=0.08)


def test_only_the_order_of_returns_counts() -> None:
    one, other = make([1.0, 2.0, 3.0]), make([1.0, 2.0, 3.0])
    for _ in range(15):
        X = one.ask().parameters
        np.testing.assert_array_equal(X, other.ask().parameters)
        f = (X**2).sum(axis=1)
        tell(one, -f)
        tell(other, -np.log(f))


def test_it_does_not_matter_where_the_optimum_is() -> None:
    one, other = make([1.0, 2.0]), make([101.0, -98.0])
    for _ in range(30):
        tell(one, -(one.ask().parameters ** 2).sum(axis=1))
        tell(other, -((other.ask().parameters - 100.0 * np.array([1, -1])) ** 2).sum(axis=1))
    np.testing.assert_allclose(one.state()["mean"], other.state()["mean"] - [100.0, -100.0], atol=1e-9)


def test_flat_returns_make_the_step_grow() -> None:
    rates = full_rates(5, 8)
    still = next_step(1.0, rates.chi, np.arange(8.0)[::-1], rates)
    flat = next_step(1.0, rates.chi, np.array([5.0] * 6 + [1.0, 0.0]), rates)
    assert still == 1.0
    assert flat == pytest.approx(np.exp(0.2 + rates.c_sigma / rates.d_sigma))
    assert next_step(1.0, 1e9, np.arange(8.0)[::-1], rates) == pytest.approx(np.e)


# --- the end ----------------------------------------------------------------------------------------------------------


def quiet(**changes: Any) -> Situation:
    """A situation in which nothing is met."""
    n, T = 3, 400
    history = np.linspace([0.0, -1.0], [1.0, 0.0], T).T
    usual = Situation(
        mean=np.ones(n),
        deviations=np.full(n, 0.1),
        path=np.full(n, 0.1),
        lengths=np.full(n, 0.1),
        axis=np.array([0.1, 0.0, 0.0]),
        sigma=0.5,
        fitness=np.arange(7.0)[::-1],
        history=history,
        age=T,
    )
    return replace(usual, **changes)


FALLING = np.linspace([1.0, 0.0], [0.0, -1.0], 400).T
FLAT = np.full((2, 400), 3.0)

ENDS = {
    "conditioncov": {"lengths": np.array([1e-3, 1.0, 1.1e4])},
    "equalfunvalues": {"history": FLAT},
    "tolfun": {"history": FLAT + 1e-14 * np.arange(400), "fitness": np.arange(7.0)[::-1] * 1e-14},
    "tolx": {"deviations": np.full(3, 4e-13), "path": np.full(3, -4e-13)},
    "tolxup": {"lengths": np.full(3, 5001.0)},
    "noeffectaxis": {"axis": np.array([0.0, 1e-16, 0.0])},
    "noeffectcoord": {"deviations": np.array([0.1, 1e-17, 0.1])},
    "stagnation": {"history": FALLING},
}


@pytest.mark.parametrize("name", ENDS)
def test_each_criterion_is_met_by_its_own_situation(name: str) -> None:
    assert reason(quiet(), 1e-12, 1e-12) == ""
    assert reason(quiet(**ENDS[name]), 1e-12, 1e-12).startswith(f"{name}:")


@pytest.mark.parametrize(
    "changes",
    [
        {"deviations": np.array([4e-13, 4e-13, 6e-13]), "path": np.zeros(3)},  # one step is large enough
        {"deviations": np.full(3, 4e-13), "path": np.array([0.0, -6e-13, 0.0])},
        {"history": np.stack([np.full(400, 3.0), np.arange(400.0)])},  # the median still rises, the best is capped
        {"history": FLAT + 1e-14 * np.arange(400)},  # this generation's returns still differ
        {"history": FLAT[:, :22], "age": 22},  # too early to say
        {"history": FALLING, "age": 401},  # looked at in each tenth generation
        {"history": FALLING[:, :131], "age": 130},
        {"lengths": np.full(3, 4999.0)},
        {"lengths": np.array([1e-3, 1.0, 0.9e4]), "sigma": 1.0},
    ],
)
def test_what_is_nearly_the_end_is_none(changes: dict[str, Any]) -> None:
    assert reason(quiet(**changes), 1e-12, 1e-12) == ""


def test_how_far_back_is_looked() -> None:
    assert recent_length(3, 7) == 23
    assert history_length(3, 7, 100) == 132
    assert history_length(3, 7, 1000) == 200
    assert history_length(3, 7, 10**9) == 20_000
    assert span(np.array([-np.inf, -np.inf])) == 0.0
    assert span(np.array([-np.inf, 1.0])) == np.inf


@pytest.mark.parametrize("name", ["cma-es", "sep-cma-es"])
def test_it_ends_when_it_has_converged_and_stays_so(name: str) -> None:
    algorithm = make([1.0, 2.0], name)
    for _ in range(400):
        assert algorithm.stopped is None or algorithm.stopped.startswith("tolfun:")
        tell(algorithm, -(algorithm.ask().parameters ** 2).sum(axis=1))
    assert algorithm.stopped is not None
    ended = algorithm.state()
    tell(algorithm, np.arange(6.0))
    after = algorithm.state()
    assert all(np.array_equal(ended[key], after[key]) for key in ended if key != "generation")


@pytest.mark.parametrize("name", ["cma-es", "sep-cma-es"])
@pytest.mark.parametrize("value", [-500.0, -np.inf])
def test_flat_returns_end_it_where_it_is(name: str, value: float) -> None:
    """After 10 + 30 * 3 / 7 generations, rounded up; till then the order of equals moves nothing."""
    algorithm = make([1.0, 2.0, 3.0], name)
    tell(algorithm, -(algorithm.ask().parameters ** 2).sum(axis=1))
    before = algorithm.state()
    generations = 0
    while algorithm.stopped is None:
        tell(algorithm, np.full(len(algorithm.ask().parameters), value))
        generations += 1
    after = algorithm.state()
    assert generations == 23
    assert algorithm.stopped.startswith("equalfunvalues:")
    assert after["age"] == 24
    for key in ("mean", "step", "C", "lengths", "path_sigma", "path_c"):
        np.testing.assert_array_equal(after[key], before[key])


# --- and what follows -------------------------------------------------------------------------------------------------


def rastrigin(X: Matrix) -> Matrix:
    value: Matrix = 10 * X.shape[1] + (X**2 - 10 * np.cos(2 * np.pi * X)).sum(axis=1)
    return value


def follow(algorithm: Algorithm, restarts: int) -> list[dict[str, Any]]:
    """The states at the beginning of each run, up to this many restarts."""
    begun = [algorithm.state()]
    while begun[-1]["number"] < restarts:
        tell(algorithm, -rastrigin(algorithm.ask().parameters))
        state = algorithm.state()
        if state["number"] > begun[-1]["number"]:
            begun.append(state)
    return begun


def test_ipop_doubles_the_population_and_begins_anew() -> None:
    algorithm = make([3.0, 3.0], restarts="ipop", sigma=2.0)
    states = follow(algorithm, 3)
    assert [state["population"] for state in states] == [6, 12, 24, 48]
    for state in states[1:]:
        np.testing.assert_array_equal(state["mean"], [3.0, 3.0])
        np.testing.assert_array_equal(state["C"], np.eye(2))
        assert (state["step"], state["age"], state["stale"], state["history"].shape) == (2.0, 0, 0, (2, 0))
    assert algorithm.stopped is None
    assert len(algorithm.ask().parameters) == 48


def test_a_restart_can_begin_elsewhere() -> None:
    states = follow(make([3.0, 3.0], restarts="ipop", sigma=2.0, initial_std=1.0), 2)
    means = np.array([state["mean"] for state in states])
    assert len(np.unique(means.round(9), axis=0)) == 3
    assert (abs(means - 3.0) < 5.0).all()


def test_a_search_is_resumed_across_its_restarts() -> None:
    whole = make([3.0, 3.0], restarts="bipop", sigma=2.0)
    other = make([3.0, 3.0], restarts="bipop", sigma=2.0)
    for _ in range(900):
        fitness = -rastrigin(whole.ask().parameters)
        tell(whole, fitness)
        tell(other, fitness)
        resumed = make([3.0, 3.0], restarts="bipop", sigma=2.0)
        resumed.restore(other.state())
        other = resumed
    ours, theirs = whole.state(), other.state()
    assert ours["number"] >= 3
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_bipop_takes_turns_by_what_was_used() -> None:
    """A large run is followed by small ones until these have used as many evaluations; their limit is half of its."""
    run = Run(population=10, sigma=2.0, age=100)
    seen = []
    for step in range(200):
        fields = next_run(run, "bipop", 10, 2.0, np.random.default_rng(step))
        assert fields is not None
        before, run = run, replace(run, **fields)
        run = replace(run, age=run.limit if run.small else 40)
        assert run.number == before.number + 1
        if run.small:
            assert run.limit * run.population <= max(before.last_large, before.age * before.population) / 2
            assert 10 <= run.population <= 10 * 2**run.large // 2
            assert 0.02 <= run.sigma <= 2.0
            assert before.spent_small < before.spent_large or not before.small
        else:
            assert (run.population, run.sigma, run.limit) == (10 * 2**run.large, 2.0, 0)
        seen.append(run.small)
        if run.large == 5:
            break
    assert not seen[0]
    assert any(seen)
    assert seen.count(False) == 5
    spent_large = 40 * 10 * sum(2**k for k in range(1, 5))
    assert run.spent_large == spent_large
    assert run.spent_small >= spent_large


def test_restarts_come_to_an_end() -> None:
    run = Run(population=10, sigma=1.0, age=5, large=9)
    rng = np.random.default_rng(0)
    assert next_run(run, "ipop", 10, 1.0, rng) is None
    assert next_run(replace(run, large=8), "ipop", 10, 1.0, rng) is not None
    assert next_run(replace(run, large=0), "none", 10, 1.0, rng) is None

"""Distributions of actions: against sums over all outcomes, integrals, differences, their own draws, and recorded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from cartwheel import nn
from cartwheel.errors import UsageError
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture
from cartwheel.policies.actions import action_head
from cartwheel.policies.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Distribution,
    MultiCategorical,
    SquashedGaussian,
    StateDependentExploration,
    exploration_matrices,
)
from cartwheel.spaces import MultiDiscrete

GROUPS = (3, 1, 2)
ROWS = 5


@dataclass(frozen=True)
class Case:
    """A distribution of each row of parameters (B, n), and the shape of a draw."""

    make: Callable[[Any], Distribution]
    size: int
    event: tuple[int, ...]

    def parameters(self, seed: int, rows: int = ROWS, dtype: Any = np.float64) -> Any:
        return (0.5 * np.random.default_rng(seed).normal(size=(rows, self.size))).astype(dtype)

    def draws(self, seed: int, rows: int = ROWS, dtype: Any = np.float64) -> Any:
        return self.make(self.parameters(seed, rows, dtype)).sample(np.random.default_rng(seed)).data


CASES = {
    "categorical": Case(Categorical, 4, ()),
    "multi-categorical": Case(lambda p: MultiCategorical(p, GROUPS), sum(GROUPS), (3,)),
    "bernoulli": Case(Bernoulli, 3, (3,)),
    "gaussian": Case(lambda p: DiagonalGaussian(p[:, :2], p[:, 2:]), 4, (2,)),
    "gaussian of one deviation": Case(lambda p: DiagonalGaussian(p[:, :2], p[0, 2:]), 4, (2,)),
    "squashed": Case(lambda p: SquashedGaussian(DiagonalGaussian(p[:, :2], p[:, 2:])), 4, (2,)),
    "exploration": Case(
        lambda p: StateDependentExploration(p[:, :2], p[:, 2:5], F.reshape(p[0, 5:11], (3, 2))), 11, (2,)
    ),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
discrete = pytest.mark.parametrize("name", ["categorical", "multi-categorical", "bernoulli"])


def outcomes(name: str) -> Iterator[Any]:
    """All there are."""
    ranges = {"categorical": (4,), "multi-categorical": GROUPS, "bernoulli": (2, 2, 2)}[name]
    for one in itertools.product(*map(range, ranges)):
        yield np.array(one[0] if name == "categorical" else one)


# --- values ----------------------------------------------------------------------------------------------------------


def test_a_categorical_by_hand() -> None:
    """Chances 1/8, 2/8, 5/8, and a third each."""
    one, even = Categorical(np.log([[1.0, 2.0, 5.0]]) + 7.0), Categorical(np.zeros((1, 3)))
    for draw, chance in enumerate((1 / 8, 2 / 8, 5 / 8)):
        assert one.log_prob(np.array([draw])).item() == pytest.approx(math.log(chance), abs=1e-14)
    entropy = math.log(8.0) - (2.0 * math.log(2.0) + 5.0 * math.log(5.0)) / 8.0
    assert one.entropy().item() == pytest.approx(entropy, abs=1e-14)
    assert one.kl(even).item() == pytest.approx(math.log(3.0) - entropy, abs=1e-14)
    assert even.kl(one).item() == pytest.approx(-math.log(3.0) - math.log(10.0 / 512.0) / 3.0, abs=1e-14)


@discrete
def test_chances_of_all_outcomes_make_entropy_and_divergence(name: str) -> None:
    case = CASES[name]
    one, two = case.make(case.parameters(0)), case.make(case.parameters(1))
    every_draw = [np.broadcast_to(draw, (ROWS, *case.event)) for draw in outcomes(name)]
    log_p = np.array([one.log_prob(draw).data for draw in every_draw])  # (outcomes, B)
    log_q = np.array([two.log_prob(draw).data for draw in every_draw])
    p = np.exp(log_p)
    np.testing.assert_allclose(p.sum(axis=0), 1.0, atol=1e-14)
    np.testing.assert_allclose(one.entropy().data, -(p * log_p).sum(axis=0), atol=1e-13)
    np.testing.assert_allclose(one.kl(two).data, (p * (log_p - log_q)).sum(axis=0), atol=1e-13)
    assert one.kl(two).data.min() > 0.0


def test_chances_by_their_formulas() -> None:
    """Softmax, group by group; sigmoid, bit by bit."""
    x = np.random.default_rng(0).normal(size=(ROWS, sum(GROUPS)))
    draw = np.array([[2, 0, 1]] * ROWS)
    expected = np.zeros(ROWS)
    for low, high, choice in ((0, 3, 2), (3, 4, 0), (4, 6, 1)):
        weights = np.exp(x[:, low:high])
        expected += np.log(weights[:, choice] / weights.sum(axis=1))
    np.testing.assert_allclose(MultiCategorical(x, GROUPS).log_prob(draw).data, expected, atol=1e-14)
    p = 1 / (1 + np.exp(-x[:, :3]))
    expected = np.log(p[:, 0]) + np.log(1 - p[:, 1]) + np.log(p[:, 2])
    np.testing.assert_allclose(Bernoulli(x[:, :3]).log_prob(np.array([[1, 0, 1]] * ROWS)).data, expected, atol=1e-14)


def test_gaussians_by_scipy_and_integrals() -> None:
    mean, log_std = np.array([[0.5, -1.0], [2.0, 0.0]]), np.array([[-0.5, 0.3], [0.0, 1.0]])
    one, two = DiagonalGaussian(mean, log_std), DiagonalGaussian(mean[::-1], log_std[1])
    draw = np.array([[0.1, 0.2], [-3.0, 4.0]])
    normal, other = stats.norm(mean, np.exp(log_std)), stats.norm(mean[::-1], np.exp(log_std[1]))
    np.testing.assert_allclose(one.log_prob(draw).data, normal.logpdf(draw).sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(one.entropy().data, normal.entropy().sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(two.entropy().data, [other.entropy()[0].sum()] * 2, atol=1e-13)
    x = np.linspace(-40.0, 40.0, 40_001)[:, None, None]
    apart = np.exp(normal.logpdf(x)) * (normal.logpdf(x) - other.logpdf(x))
    np.testing.assert_allclose(one.kl(two).data, apart.sum(axis=(0, 2)) * (80.0 / 40_000), atol=1e-10)


def test_close_gaussians_have_an_exact_divergence() -> None:
    """To first order d^2 for log_std that differ by d, where exp(2 d) - 1 - 2 d of doubles is rounding alone."""
    d = 1e-8
    found = DiagonalGaussian(np.zeros((1, 1)), np.full((1, 1), d)).kl(DiagonalGaussian(np.zeros((1, 1)), np.zeros(1)))
    assert found.item() == pytest.approx(d * d, rel=1e-2, abs=0.0)


def test_the_density_of_tanh_is_the_slope_of_its_distribution() -> None:
    mean, std = 0.3, 0.8
    squashed = SquashedGaussian(DiagonalGaussian(np.array([[mean]]), np.log([[std]])))

    def below(y: float) -> Any:
        return stats.norm.cdf((np.arctanh(y) - mean) / std)

    for y in (-0.9, -0.2, 0.4, 0.95):
        found = math.exp(squashed.log_prob(np.array([[math.atanh(y)]])).item())
        assert found == pytest.approx((below(y + 1e-5) - below(y - 1e-5)) / 2e-5, rel=1e-5)


def test_a_squashed_draw_is_kept_before_tanh() -> None:
    """At u = 40 tanh is 1 to the last bit; log(1 - tanh(u)^2) is log 4 - 2 u to more digits than doubles have."""
    gaussian = DiagonalGaussian(np.array([[40.0, -40.0]]), np.zeros(2))
    squashed, u = SquashedGaussian(gaussian), np.array([[40.0, -40.0]])
    assert squashed.action(u).data.tolist() == [[1.0, -1.0]] == squashed.mode().data.tolist()
    expected = -math.log(2 * math.pi) - 2 * (math.log(4.0) - 80.0)
    assert squashed.log_prob(u).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("std", "error"), [(0.1, 1e-10), (1.0, 1e-10), (2.0, 1e-5), (4.0, 2e-3)])
def test_the_entropy_of_squashed_ones_by_an_integral(std: float, error: float) -> None:
    for mean in (0.0, 0.7, -3.0):

        def term(z: float, mean: float = mean) -> float:
            u = mean + std * z
            slope = 2.0 * (math.log(2.0) - abs(u) - math.log1p(math.exp(-2.0 * abs(u))))
            return float(stats.norm.pdf(z)) * slope

        corner = min(max(-mean / std, -13.0), 13.0)  # where u is 0
        halves = [integrate.quad(term, *ends, epsabs=1e-13, limit=200)[0] for ends in ((-14.0, corner), (corner, 14.0))]
        found = SquashedGaussian(DiagonalGaussian(np.array([[mean]]), np.log([[std]]))).entropy().item()
        assert found == pytest.approx(stats.norm(mean, std).entropy() + sum(halves), abs=error)


def test_exploration_by_sums() -> None:
    """The variance of each number is sum_i (std_ij z_i)^2, and 1e-6."""
    rng = np.random.default_rng(0)
    mean, latent, log_std = rng.normal(size=(4, 2)), rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
    std = np.zeros((4, 2))
    for row, j in np.ndindex(4, 2):
        std[row, j] = math.sqrt(sum((math.exp(log_std[i, j]) * latent[row, i]) ** 2 for i in range(3)) + 1e-6)
    one, draw = StateDependentExploration(mean, latent, log_std), rng.normal(size=(4, 2))
    np.testing.assert_allclose(one.log_prob(draw).data, stats.norm(mean, std).logpdf(draw).sum(axis=1), rtol=1e-12)
    none = StateDependentExploration(mean, np.zeros((4, 3)), log_std)
    np.testing.assert_allclose(none.log_std.data, math.log(1e-3), rtol=1e-12)  # has a density all the same


@pytest.mark.parametrize("alone", [True, False])
def test_exploration_by_one_matrix_is_a_function_of_the_state(alone: bool) -> None:
    """Two states differ by noise of covariance sum_i std_ij^2 z_i z'_i; by matrices of their own there is none."""
    latent, log_std = np.array([[1.0, 2.0], [3.0, -0.5]]), np.log([[0.5, 1.0], [1.0, 0.2]])
    one, count = StateDependentExploration(np.array([[5.0, -5.0]] * 2), latent, log_std), 4000
    matrices = exploration_matrices(log_std, 2 * count, np.random.default_rng(0)).data
    drawn = [one.explore(pair if alone else pair[0]).data for pair in matrices.reshape(count, 2, 2, 2)]
    noise = np.array(drawn) - [5.0, -5.0]  # (count, states, a)
    covariance = np.einsum("cij,ckj->ikj", noise, noise) / count
    expected = np.einsum("hj,ih,kh->ikj", np.exp(2 * log_std), latent, latent)
    if alone:
        expected = expected * np.eye(2)[:, :, None]
    np.testing.assert_allclose(covariance, expected, atol=0.5)
    np.testing.assert_allclose(one.explore(np.zeros((2, 2))).data, [[5.0, -5.0]] * 2)


# --- gradients -------------------------------------------------------------------------------------------------------


@every
def test_gradients_against_differences(case: Case) -> None:
    p, q, draw = case.parameters(0), case.parameters(1), case.draws(2)
    nn.check_gradient(lambda p: case.make(p).log_prob(draw), p)
    nn.check_gradient(lambda p: case.make(p).entropy(), p)
    nn.check_gradient(lambda p, q: case.make(p).kl(case.make(q)), p, q)


@pytest.mark.parametrize("name", ["gaussian", "squashed", "exploration"])
def test_gradients_by_a_draw_against_differences(name: str) -> None:
    case = CASES[name]
    nn.check_gradient(lambda draw: case.make(case.parameters(0)).log_prob(draw), case.draws(2))


@every
def test_draws_are_constants(case: Case) -> None:
    """Else the gradient of a normal draw's log_prob by the mean would be 0: the draw would go along."""
    p = nn.Variable(case.parameters(0))
    distribution = case.make(p)
    F.sum(distribution.log_prob(distribution.sample(np.random.default_rng(0)))).backward()
    draw = distribution.sample(np.random.default_rng(0)).data
    again = nn.Variable(p.data)
    F.sum(case.make(again).log_prob(draw)).backward()
    np.testing.assert_array_equal(p.grad.data, again.grad.data)
    assert np.abs(p.grad.data).max() > 0.1


def test_exploring_draws_are_constants() -> None:
    mean = nn.Variable(np.zeros((2, 1)))
    one = StateDependentExploration(mean, np.ones((2, 1)), np.zeros((1, 1)))
    F.sum(one.log_prob(one.explore(np.full((1, 1), 0.5)))).backward()
    np.testing.assert_allclose(mean.grad.data, 0.5, rtol=1e-5)  # (draw - mean) / variance


# --- draws -----------------------------------------------------------------------------------------------------------


@every
def test_draws_have_the_entropy_and_the_divergence(case: Case) -> None:
    """The means of -log p and of log p - log q over 20,000 draws, within five of their deviations; not those of q."""
    rows = 20_000
    p, q = (np.repeat(case.parameters(seed, 1), rows, axis=0) for seed in (3, 4))
    one, two = case.make(p), case.make(q)
    draw = one.sample(np.random.default_rng(0)).data
    assert draw.shape == (rows, *case.event)
    log_p, log_q = one.log_prob(draw).data, two.log_prob(draw).data
    for found, expected in ((-log_p, one.entropy().data[0]), (log_p - log_q, one.kl(two).data[0])):
        assert abs(found.mean() - expected) < 5.0 * found.std() / math.sqrt(rows)
    assert abs(log_p - log_q).mean() > 0.1
    foreign = two.sample(np.random.default_rng(0)).data  # the control: draws of another distribution
    apart = one.log_prob(foreign).data - two.log_prob(foreign).data
    assert abs(apart.mean() - one.kl(two).data[0]) > 10.0 * apart.std() / math.sqrt(rows)


def test_frequencies_of_choices_and_moments_of_numbers() -> None:
    rows, rng = 20_000, np.random.default_rng(1)
    one = MultiCategorical(np.tile(np.log([1.0, 2.0, 5.0, 1.0, 3.0]), (rows, 1)), (3, 2))
    drawn = one.sample(rng).data
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / rows, [1 / 8, 2 / 8, 5 / 8], atol=0.02)
    np.testing.assert_allclose(np.bincount(drawn[:, 1]) / rows, [1 / 4, 3 / 4], atol=0.02)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.04
    bits = Bernoulli(np.tile(np.log([1.0, 1 / 3]), (rows, 1))).sample(rng).data
    np.testing.assert_allclose(bits.mean(axis=0), [1 / 2, 1 / 4], atol=0.02)
    u = DiagonalGaussian(np.tile([3.0, -1.0], (rows, 1)), np.log([0.5, 2.0])).sample(rng).data
    np.testing.assert_allclose(u.mean(axis=0), [3.0, -1.0], atol=0.08)
    np.testing.assert_allclose(u.std(axis=0), [0.5, 2.0], rtol=0.03)


@every
def test_a_generator_repeats_its_draws(case: Case) -> None:
    distribution = case.make(case.parameters(0))
    one, two, other = (distribution.sample(np.random.default_rng(seed)).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_deterministic_actions() -> None:
    x = np.array([[0.0, 2.0, 2.0, 0.0, -1.0, 1.0], [3.0, 0.0, 0.0, 9.0, 1.0, 1.0]])
    head = action_head(MultiDiscrete((3,), GROUPS, (0, 0, 0)))
    assert MultiCategorical(x, GROUPS).mode().data.tolist() == head.decide(x).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert Categorical(x).mode().data.tolist() == [1, 3]  # the first of equals
    bits = Bernoulli(x[:, 3:].astype(np.float32)).mode()
    assert bits.data.tolist() == [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
    assert bits.dtype == np.float32
    gaussian = DiagonalGaussian(x, np.zeros(6))
    assert gaussian.mode().data.tolist() == x.tolist()
    assert SquashedGaussian(gaussian).mode().data.tolist() == np.tanh(x).tolist()
    assert gaussian.action(x) is x


# --- limits ----------------------------------------------------------------------------------------------------------


def figures_and_gradients(make: Callable[[Any], Distribution], x: Any, y: Any, draw: Any) -> list[Any]:
    """log_prob, entropy and divergence, each followed by its gradients by both parameters."""
    found = []
    for what in (lambda one, two: one.log_prob(draw), lambda one, two: one.entropy(), lambda one, two: one.kl(two)):
        p, q = nn.Variable(x), nn.Variable(y)
        value = what(make(p), make(q))
        F.sum(value).backward()
        found += [value.data, *(np.zeros_like(x) if one.grad is None else one.grad.data for one in (p, q))]
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["categorical", "multi-categorical", "bernoulli", "gaussian", "squashed"])
def test_extreme_outputs_give_finite_numbers(name: str, dtype: Any) -> None:
    """Logits and means of +-10,000, and all actions, those of no chance too."""
    case = CASES[name]
    outputs = case.size // 2 if case.event == (2,) else case.size
    draws = [np.array([-3.0, 40.0], dtype)] if case.event == (2,) else outcomes(name)
    for draw in draws:
        for signs in ((1, -1), (-1, 1), (0, 1), (1, 1)):
            x, y = np.zeros((2, 1, case.size), dtype)
            x[0, :outputs] = np.resize(np.array(signs) * 1e4, outputs)
            y[0, :outputs] = np.resize(np.array(signs[::-1]) * 1e4, outputs)
            for found in figures_and_gradients(case.make, x, y, draw[None]):
                assert np.isfinite(found).all()
                assert found.dtype == dtype


def test_extreme_logits_by_hand() -> None:
    one, two = Categorical(np.array([[1e4, -1e4]])), Categorical(np.array([[-1e4, 1e4]]))
    assert [one.log_prob(np.array([k])).item() for k in (0, 1)] == [0.0, -2e4]
    assert (one.entropy().item(), one.kl(two).item()) == (0.0, 2e4)
    bit = Bernoulli(np.array([[1e4]]))
    assert [bit.log_prob(np.array([[k]])).item() for k in (0, 1)] == [-1e4, 0.0]
    assert (bit.entropy().item(), bit.kl(Bernoulli(np.array([[-1e4]]))).item()) == (0.0, 1e4)
    assert Bernoulli(np.array([[40.0]])).log_prob(np.array([[1]])).item() == pytest.approx(
        -math.exp(-40.0), rel=1e-12, abs=0.0
    )


def test_a_forbidden_choice() -> None:
    """A logit of -infinity: never drawn, no part of entropy and divergence, and no gradient."""
    x, y = np.array([[0.0, -math.inf, math.log(3.0)]]), np.array([[0.0, -math.inf, 0.0]])
    entropy = math.log(4.0) - 0.75 * math.log(3.0)
    found = figures_and_gradients(Categorical, x, y, np.array([2]))
    value, slope = found[3:5]
    assert value.item() == pytest.approx(entropy, abs=1e-14)
    np.testing.assert_allclose(slope, [[0.1875 * math.log(3.0), 0.0, -0.1875 * math.log(3.0)]], atol=1e-14)
    divergence, by_x, by_y = found[6:]
    assert divergence.item() == pytest.approx(math.log(2.0) - entropy, abs=1e-14)
    np.testing.assert_allclose(by_y, [[0.25, 0.0, -0.25]], atol=1e-14)
    assert by_x[0, 1] == 0.0
    drawn = Categorical(np.repeat(x, 1000, axis=0)).sample(np.random.default_rng(0)).data
    assert set(drawn.tolist()) == {0, 2}


# --- shapes, types, recorded -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (1,), (4, 3)])
def test_any_number_of_leading_axes(lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*lead, 4)).astype(np.float32)
    for one, event in (
        (Categorical(x), ()),
        (MultiCategorical(x, (3, 1)), (2,)),
        (Bernoulli(x), (4,)),
        (DiagonalGaussian(x, x[(0,) * len(lead)]), (4,)),
        (SquashedGaussian(DiagonalGaussian(x, x[(0,) * len(lead)])), (4,)),
        (StateDependentExploration(x, x[..., :3], rng.normal(size=(3, 4)).astype(np.float32)), (4,)),
    ):
        draw = one.sample(rng)
        assert draw.shape == one.mode().shape == one.action(draw).shape == (*lead, *event)
        for found in (one.log_prob(draw), one.entropy(), one.kl(one)):
            assert (found.shape, found.dtype) == (lead, np.float32)
        np.testing.assert_allclose(one.kl(one).data, 0.0, atol=1e-7)


def test_whole_numbers_of_other_types_are_choices() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    draw = np.array([0, 2, 1, 0])
    expected = Categorical(x).log_prob(draw).data
    np.testing.assert_array_equal(Categorical(x).log_prob(draw.astype(np.float32)).data, expected)
    np.testing.assert_array_equal(MultiCategorical(x, (3,)).log_prob(draw[:, None].astype(np.float32)).data, expected)
    for bits in (np.eye(3)[draw].astype(bool), np.eye(3, dtype=np.int8)[draw]):
        np.testing.assert_array_equal(Bernoulli(x).log_prob(bits).data, Bernoulli(x).log_prob(bits * 1.0).data)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_recorded_step_gives_the_eager_numbers(case: Case, dtype: Any) -> None:
    """Figures, gradients, and draws from `Config.rng`; every row of the program is compiled."""

    def step(parameters: Any, others: Any, draw: Any) -> Any:
        p.cleargrad()
        one = case.make(p + parameters)
        figures = one.log_prob(draw), one.entropy(), one.kl(case.make(others))
        (F.mean(figures[0]) + 2.0 * F.mean(figures[1]) - F.mean(figures[2])).backward()
        return *figures, p.grad, one.sample(), one.mode()

    p = nn.Parameter(case.parameters(5, dtype=dtype))
    recorded = capture(step)
    for seed in (6, 7):  # recorded with the first numbers, and run with others
        inputs = [case.parameters(seed, dtype=dtype), case.parameters(seed + 2, dtype=dtype)]
        inputs.append(case.draws(seed, dtype=dtype))
        nn.seed(seed)
        eager = [one.data.copy() for one in step(*inputs)]
        nn.seed(seed)
        for got, expected in zip(recorded(*inputs), eager, strict=True):
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
            precision = 1e-12 if dtype is np.float64 else 3e-6
            np.testing.assert_allclose(got.data, expected, rtol=precision, atol=precision)
    assert "(NumPy)" not in recorded.program(*inputs).describe()


# --- what is refused -------------------------------------------------------------------------------------------------

X = np.zeros((4, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Categorical(X).log_prob(np.zeros((4, 1))), r"choices of shape \(4,\), got shape \(4, 1\)"),
        (lambda: MultiCategorical(X, (2, 1)).log_prob(np.zeros(4)), r"choices of shape \(4, 2\), got shape \(4,\)"),
        (lambda: Bernoulli(X).log_prob(np.zeros((4, 1))), r"bits of shape \(4, 3\)"),
        (
            lambda: DiagonalGaussian(X[:, :1], X[0, :1]).log_prob(X[:, 0]),
            r"actions of shape \(4, 1\), got shape \(4,\)",
        ),
        (lambda: DiagonalGaussian(X, X[:, :1]), r"log_std of shape \(3,\) or \(4, 3\), got shape \(4, 1\)"),
        (lambda: StateDependentExploration(X, X[:, :2], X), r"log_std of shape \(2, 3\), got shape \(4, 3\)"),
        (lambda: StateDependentExploration(X, X[:1], np.zeros((3, 3))), r"features of shape \(4, 3\)"),
        (lambda: MultiCategorical(X, (2, 2)), r"groups that share 3 logits, got \(2, 2\)"),
        (lambda: MultiCategorical(X, (3, 0)), "groups that share 3 logits"),
        (lambda: MultiCategorical(X, ()), "groups that share 3 logits"),
        (lambda: MultiCategorical(X, (3,)).kl(MultiCategorical(X, (2, 1))), "another of 1 groups, got one of 2"),
        (lambda: Categorical(X).kl(Categorical(X[:1])), r"the other's logits of shape \(4, 3\)"),
        (lambda: Bernoulli(X).kl(Bernoulli(X[:1])), r"the other's logits of shape \(4, 3\)"),
        (lambda: DiagonalGaussian(X, X).kl(DiagonalGaussian(X[:1], X[0])), r"the other's mean of shape \(4, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"expected .*{message}"):
        call()


@pytest.mark.parametrize("choice", [-1, 3])
def test_a_choice_that_is_none_is_refused(choice: int) -> None:
    with pytest.raises(IndexError, match="from 0 to 2"):
        Categorical(X).log_prob(np.array([0, 1, choice, 2]))

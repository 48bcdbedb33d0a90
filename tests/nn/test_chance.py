"""What is drawn at random: its distribution, its stream, and that recorded steps draw the same as eager ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture

TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

# --- distributions ---------------------------------------------------------------------------------------------------


def test_normal_numbers_have_their_mean_and_deviation() -> None:
    rng = np.random.default_rng(0)
    x = F.normal(np.array([1.0, -5.0]), np.broadcast_to([0.5, 2.0], (100_000, 2)), rng).data
    np.testing.assert_allclose(x.mean(axis=0), [1.0, -5.0], atol=0.03)
    np.testing.assert_allclose(x.std(axis=0), [0.5, 2.0], rtol=0.01)
    assert abs((x[:, 0] < 1.0 - 0.5).mean() - 0.1587) < 0.005


def test_uniform_numbers_fill_their_interval() -> None:
    x = F.uniform(-2.0, np.full(100_000, 3.0), np.random.default_rng(0)).data
    assert x.min() >= -2.0
    assert x.max() < 3.0
    counts, _ = np.histogram(x, bins=10, range=(-2.0, 3.0))
    np.testing.assert_allclose(counts, 10_000, rtol=0.04)


def chi_square(chances: Any) -> float:
    """How far classes drawn from [0.1, 0.2, 0.3, 0.4] are from some chances."""
    logits = np.broadcast_to(np.log([0.1, 0.2, 0.3, 0.4]), (200, 200, 4))
    counts = np.bincount(F.categorical(logits, np.random.default_rng(0)).data.ravel(), minlength=4)
    expected = counts.sum() * np.asarray(chances)
    return float(((counts - expected) ** 2 / expected).sum())


def test_classes_have_their_chances() -> None:
    """21.1 is the 99.99 % quantile for three degrees of freedom."""
    assert chi_square([0.1, 0.2, 0.3, 0.4]) < 21.1
    assert chi_square([0.11, 0.19, 0.3, 0.4]) > 21.1


def test_what_is_impossible_is_never_drawn() -> None:
    inf, nan = np.inf, np.nan
    rows = np.array([[-inf, 0.0, -inf], [nan, nan, 1.0], [nan, nan, nan], [-inf, -inf, -inf], [0.0, inf, 0.0]])
    for seed in range(20):
        assert F.categorical(rows, np.random.default_rng(seed)).data.tolist() == [1, 2, 0, 0, 1]


@TYPES
def test_bernoulli_has_its_chances_and_no_doubt_where_there_is_none(dtype: str) -> None:
    y = F.bernoulli(np.broadcast_to(np.array([0.0, 0.3, 1.0], dtype), (50_000, 3)), np.random.default_rng(0)).data
    assert y.dtype == dtype
    assert set(np.unique(y)) == {0.0, 1.0}
    assert y[:, 0].max() == 0.0
    assert y[:, 2].min() == 1.0
    assert abs(y[:, 1].mean() - 0.3) < 0.01


# --- streams and types -----------------------------------------------------------------------------------------------

#: A draw of (3, 4) from a generator, or from the default one, and what NumPy draws.
DRAWS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "normal": (lambda rng: F.normal(np.zeros((3, 4)), 2.0, rng), lambda rng: 2.0 * rng.standard_normal((3, 4))),
    "uniform": (lambda rng: F.uniform(0.0, np.full((3, 4), 4.0), rng), lambda rng: 4.0 * rng.uniform(size=(3, 4))),
    "categorical": (
        lambda rng: F.categorical(np.zeros((3, 4)), rng),
        lambda rng: rng.gumbel(size=(3, 4)).argmax(axis=1),
    ),
    "bernoulli": (lambda rng: F.bernoulli(np.full((3, 4), 0.5), rng), lambda rng: rng.uniform(size=(3, 4)) < 0.5),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_numpys_from_the_generator_given_or_the_default_one(name: str) -> None:
    draw, by_numpy = DRAWS[name]
    for make in (np.random.default_rng, np.random.RandomState):
        np.testing.assert_array_equal(draw(make(3)).data, by_numpy(make(3)))
    nn.seed(4)
    np.testing.assert_array_equal(draw(None).data, by_numpy(np.random.default_rng(4)))
    assert not np.array_equal(draw(None).data, by_numpy(np.random.default_rng(4)))  # it went on


def test_numbers_and_lists_will_do() -> None:
    assert F.normal(0.0, 1.0).shape == ()
    assert F.normal([1, 2, 3], 1).dtype == np.float64
    assert F.uniform(np.zeros(3, np.float32), 1.0).dtype == np.float32
    assert F.categorical([0.0, 1.0]).shape == ()
    assert F.categorical(np.zeros((2, 3, 4), np.int32)).data.dtype == np.int64
    assert F.bernoulli([0, 1, 1]).data.tolist() == [0.0, 1.0, 1.0]


def test_a_draw_counts_as_a_constant() -> None:
    """The gradient by the deviation is what was drawn; choices have none."""
    mean, std = Variable(np.zeros(5)), Variable(np.full(5, 2.0))
    x = F.normal(mean, std)
    F.sum(x).backward()
    np.testing.assert_array_equal(mean.grad.data, 1.0)
    np.testing.assert_allclose(std.grad.data, x.data / 2.0)
    assert F.categorical(Variable(np.zeros((2, 3)))).creator is None
    assert F.bernoulli(Variable(np.full(3, 0.5))).creator is None


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match=r"normal: expected two arrays whose shapes stretch to one.*\(2,\).*\(3,\)"):
        F.normal(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"uniform: expected two arrays"):
        F.uniform(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"categorical: expected logits \(\.\.\., A\)"):
        F.categorical(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="categorical: expected logits"):
        F.categorical(1.0)
    for p in (1.5, -0.1):
        with pytest.raises(ValueError, match=r"bernoulli: expected chances.*F\.sigmoid"):
            F.bernoulli(np.array([0.5, p]))
    for draw, _ in DRAWS.values():
        with pytest.raises(TypeError, match="expected NumPy's Generator as rng"):
            draw(7)


# --- recorded --------------------------------------------------------------------------------------------------------


def policy(x: Any) -> Any:
    """All draws in one step, of operands of several strides, and what a policy makes of its classes."""
    logits = F.exp(x)
    classes = F.categorical(logits)
    chosen = F.take_along_axis(F.log_softmax(logits), classes[:, None], axis=1)
    noise = F.normal(x.T, F.exp(x[0])[:, None])
    heads = F.bernoulli(F.clip(x.T, 0.0, 1.0))
    return classes, chosen, noise, F.uniform(x - 1.0, 2.0), heads, F.categorical(x.T)


@TYPES
def test_a_recorded_step_draws_what_the_eager_one_does(dtype: str) -> None:
    """To the bit, in single calls and in many at once, and leaves the generator where it does."""
    x = np.random.default_rng(1).uniform(0.1, 0.9, (6, 4)).astype(dtype)
    recorded = capture(lambda x: policy(x)[2:])
    recorded.program(x)
    nn.seed(5)
    found = [recorded(x), recorded(x), recorded.repeat(4, x)]
    after = nn.Config.rng.uniform()
    nn.seed(5)
    expected = [policy(Variable(x)) for _ in range(6)]
    assert nn.Config.rng.uniform() == after
    for ys, others in zip(found, (expected[0], expected[1], expected[5]), strict=True):
        np.testing.assert_allclose(ys[0].data, others[2].data, rtol=1e-6, atol=1e-6)  # exp is another function
        for y, other in zip(ys[1:], others[3:], strict=True):
            assert y.data.dtype == other.data.dtype
            assert y.data.tobytes() == other.data.tobytes()


@TYPES
@pytest.mark.parametrize("name", DRAWS)
def test_each_draw_is_recorded_to_the_bit(name: str, dtype: str) -> None:
    """Large enough for the tails of the normal distribution."""
    calls: dict[str, Callable[[Any], Any]] = {
        "normal": lambda x: F.normal(x, x),
        "uniform": lambda x: F.uniform(-x, x),
        "categorical": lambda x: F.categorical(x),
        "bernoulli": lambda x: F.bernoulli(x),
    }
    x = np.random.default_rng(2).uniform(size=(2000, 5)).astype(dtype)
    recorded = capture(calls[name])
    assert all(row.words is not None for row in recorded.program(x).rows)
    for seed in range(5):
        nn.seed(seed)
        found = recorded(x)
        nn.seed(seed)
        expected = calls[name](Variable(x))
        assert found.dtype == expected.dtype
        assert found.data.tobytes() == expected.data.tobytes()


def test_classes_that_are_drawn_can_be_used_as_indices() -> None:
    recorded = capture(lambda x: policy(x)[:2])
    x = np.random.default_rng(1).uniform(0.1, 0.9, (6, 4))
    assert all(row.words is not None for row in recorded.program(x).rows)
    seen = set()
    for seed in range(10):
        nn.seed(seed)
        classes, chosen = (y.data for y in recorded(x))
        nn.seed(seed)
        np.testing.assert_array_equal(classes, policy(Variable(x))[0].data)
        expected = F.log_softmax(np.exp(x)).data[np.arange(6), classes]
        np.testing.assert_allclose(chosen[:, 0], expected, rtol=1e-12)
        seen |= set(classes.tolist())
    assert seen == {0, 1, 2, 3}


def test_gradients_go_through_a_recorded_draw() -> None:
    def step(mean: Any, std: Any) -> Any:
        return nn.grad(F.sum(F.normal(mean, std) ** 2), [mean, std])

    mean, std = np.linspace(-1, 1, 4), np.linspace(0.5, 2, 4)
    recorded = capture(step)
    recorded.program(mean, std)
    nn.seed(3)
    found = recorded(mean, std)
    nn.seed(3)
    for y, other in zip(found, step(Variable(mean), Variable(std)), strict=True):
        np.testing.assert_allclose(y.data, other.data, rtol=1e-12)


def test_a_generator_of_ones_own_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RuntimeError, match=r"can't record what a generator given as rng draws.*test_chance"):
        capture(lambda x: F.normal(x, 1.0, rng))(np.zeros(3))


def test_another_kind_of_generator_draws_by_numpy() -> None:
    before = nn.Config.rng
    try:
        nn.Config.rng = np.random.Generator(np.random.MT19937(1))
        recorded = capture(lambda x: F.normal(x, 1.0))
        found = recorded(np.zeros(3)).data
        np.testing.assert_array_equal(found, np.random.Generator(np.random.MT19937(1)).standard_normal(3))
        assert any(row.words is None for row in recorded.program(np.zeros(3)).rows)
    finally:
        nn.Config.rng = before

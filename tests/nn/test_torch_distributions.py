"""Distributions of actions against torch.distributions, to 1e-10: values and gradients. See `test_torch.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.policies.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
    SquashedGaussian,
    StateDependentExploration,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles installs it")
D = torch.distributions

GROUPS = (3, 1, 4)
ROWS = 6

#: What each is made of, as shapes; our distribution, PyTorch's, and the number of choices in a draw, or 0 for floats.
CASES: dict[str, tuple[Sequence[tuple[int, ...]], Callable[..., Any], Callable[..., Any], tuple[int, ...]]] = {
    "categorical": ([(ROWS, 5)], Categorical, lambda x: D.Categorical(logits=x), (5,)),
    "bernoulli": ([(ROWS, 3)], Bernoulli, lambda x: D.Independent(D.Bernoulli(logits=x), 1), (2, 2, 2)),
    "gaussian, one deviation": (
        [(ROWS, 2), (2,)],
        DiagonalGaussian,
        lambda mean, log_std: D.Independent(D.Normal(mean, log_std.exp().expand(mean.shape)), 1),
        (),
    ),
    "gaussian": (
        [(ROWS, 2), (ROWS, 2)],
        DiagonalGaussian,
        lambda mean, log_std: D.Independent(D.Normal(mean, log_std.exp()), 1),
        (),
    ),
    "squashed": (
        [(ROWS, 2), (ROWS, 2)],
        lambda mean, log_std: SquashedGaussian(DiagonalGaussian(mean, log_std)),
        lambda mean, log_std: D.TransformedDistribution(
            D.Independent(D.Normal(mean, log_std.exp()), 1), [D.TanhTransform(cache_size=1)]
        ),
        (),
    ),
    "exploration": (
        [(ROWS, 2), (ROWS, 3), (3, 2)],
        StateDependentExploration,
        lambda mean, latent, log_std: D.Independent(
            D.Normal(mean, torch.sqrt(torch.mm(latent**2, log_std.exp() ** 2) + 1e-6)), 1
        ),
        (),
    ),
}
every = pytest.mark.parametrize("name", CASES)


def inputs(name: str, seed: int, scale: float = 1.0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=shape) for shape in CASES[name][0]]


def near(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], arrays: Sequence[Any]) -> None:
    """Values, and gradients of their sum weighted by the row, by everything that they are made of."""
    mine = [Variable(array) for array in arrays]
    other = [torch.tensor(array, requires_grad=True) for array in arrays]
    value, expected = ours(*mine), theirs(*other)
    near(value.data, expected.detach().numpy())
    weights = np.arange(1.0, 1.0 + len(value.data))
    F.sum(value * weights).backward()
    (expected * torch.tensor(weights)).sum().backward()
    for one, two in zip(mine, other, strict=True):
        near(0.0 if one.grad is None else one.grad.data, 0.0 if two.grad is None else two.grad.numpy())


@every
def test_log_prob(name: str) -> None:
    """Of numbers, by the draw too; of squashed ones PyTorch is given tanh of it, whose cache has the draw."""
    _, ours, theirs, choices = CASES[name]
    rng = np.random.default_rng(5)
    if choices:
        draw = np.stack([rng.integers(count, size=ROWS) for count in choices], axis=-1)
        draw = draw[:, 0] if name == "categorical" else draw * 1.0
        compare(lambda x: ours(x).log_prob(draw), lambda x: theirs(x).log_prob(torch.tensor(draw)), inputs(name, 0))
        return

    def by_torch(draw: Any, *arrays: Any) -> Any:
        one = theirs(*arrays)
        return one.log_prob(one.transforms[0](draw) if name == "squashed" else draw)

    arrays = [2.0 * rng.normal(size=(ROWS, 2)), *inputs(name, 0)]
    compare(lambda draw, *arrays: ours(*arrays).log_prob(draw), by_torch, arrays)


@every
@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_kl(name: str, scale: float) -> None:
    _, ours, theirs, _ = CASES[name]
    half = len(CASES[name][0])
    compare(
        lambda *both: ours(*both[:half]).kl(ours(*both[half:])),
        lambda *both: D.kl_divergence(theirs(*both[:half]), theirs(*both[half:])),
        [*inputs(name, 1, min(scale, 1.0) if half > 1 else scale), *inputs(name, 2, min(scale, 1.0))],
    )


@every
def test_entropy(name: str) -> None:
    """Of squashed ones, for which PyTorch has none, by a sum over a fine grid."""
    _, ours, theirs, _ = CASES[name]
    if name == "squashed":
        z = torch.linspace(-12.0, 12.0, 8001, dtype=torch.float64)
        chances = torch.exp(-0.5 * z**2) * (24.0 / 8000) / math.sqrt(2 * math.pi)

        def theirs_entropy(mean: Any, log_std: Any) -> Any:
            u = mean[..., None] + log_std.exp()[..., None] * z
            slope = 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))
            return D.Normal(mean, log_std.exp()).entropy().sum(-1) + (slope * chances).sum((-2, -1))

        mean, log_std = inputs(name, 3)
        compare(lambda *arrays: ours(*arrays).entropy(), theirs_entropy, [mean, np.minimum(log_std, -0.5)])
        return
    compare(lambda *arrays: ours(*arrays).entropy(), lambda *arrays: theirs(*arrays).entropy(), inputs(name, 3))


def test_multi_categorical() -> None:
    """The sum over the groups; draws in columns."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, ROWS, sum(GROUPS)))
    draw = np.stack([rng.integers(count, size=ROWS) for count in GROUPS], axis=-1)

    def parts(x: Any) -> list[Any]:
        return [D.Categorical(logits=part) for part in torch.split(x, GROUPS, dim=-1)]

    def by_torch(x: Any) -> Any:
        return sum(one.log_prob(torch.tensor(draw[:, group])) for group, one in enumerate(parts(x)))

    compare(lambda x: MultiCategorical(x, GROUPS).log_prob(draw), by_torch, [x])
    compare(lambda x: MultiCategorical(x, GROUPS).entropy(), lambda x: sum(one.entropy() for one in parts(x)), [x])
    compare(
        lambda x, y: MultiCategorical(x, GROUPS).kl(MultiCategorical(y, GROUPS)),
        lambda x, y: sum(D.kl_divergence(*pair) for pair in zip(parts(x), parts(y), strict=True)),
        [x, y],
    )


@pytest.mark.parametrize("name", ["categorical", "bernoulli"])
def test_extreme_logits(name: str) -> None:
    """+-10,000, where PyTorch's gradients are finite too."""
    (shape,), ours, theirs, choices = CASES[name]
    x = np.resize([1e4, -1e4, 0.0, -1e4, 1e4, 1.0, 2.0], shape)
    for choice in range(2):
        draw = np.full((ROWS,) if name == "categorical" else (ROWS, len(choices)), choice, np.int64)
        given = torch.tensor(draw) if name == "categorical" else torch.tensor(draw * 1.0)
        compare(lambda x, draw=draw: ours(x).log_prob(draw), lambda x, given=given: theirs(x).log_prob(given), [x])
    compare(lambda x: ours(x).entropy(), lambda x: theirs(x).entropy(), [x])

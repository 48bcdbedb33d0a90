"""Schedules: hand tables, use by optimizers, numbers of any kind as step, mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Parameter, Variable
from cartwheel.nn.optimizers import (
    SGD,
    Adam,
    AdamW,
    ConstantRate,
    CosineRate,
    ExponentialRate,
    LinearRate,
    PiecewiseRate,
    WeightDecay,
)

HALF = math.sqrt(0.5)
WARM_UP = PiecewiseRate((4,), (LinearRate(0.0, 0.4, 4), CosineRate(0.4, 0.0, 4)))

TABLE: list[tuple[Any, list[tuple[int, float]]]] = [
    (ConstantRate(0.3), [(0, 0.3), (1000, 0.3)]),
    (LinearRate(0.0, 1.0, 10), [(0, 0.0), (1, 0.1), (5, 0.5), (10, 1.0), (11, 1.0), (10**6, 1.0)]),
    (LinearRate(0.1, 0.01, 3), [(0, 0.1), (1, 0.07), (2, 0.04), (3, 0.01), (4, 0.01)]),
    (CosineRate(1.0, 0.0, 4), [(0, 1.0), (1, (1 + HALF) / 2), (2, 0.5), (3, (1 - HALF) / 2), (4, 0.0), (9, 0.0)]),
    (CosineRate(0.2, 0.1, 2), [(0, 0.2), (1, 0.15), (2, 0.1), (3, 0.1)]),
    (ExponentialRate(0.8, 0.5), [(0, 0.8), (1, 0.4), (3, 0.1)]),
    (ExponentialRate(0.8, 0.25, every=2), [(0, 0.8), (1, 0.4), (2, 0.2)]),
    (PiecewiseRate((3, 5), (0.1, 0.01, 0.001)), [(0, 0.1), (2, 0.1), (3, 0.01), (4, 0.01), (5, 0.001), (99, 0.001)]),
    (PiecewiseRate((), (0.7,)), [(0, 0.7), (5, 0.7)]),
    (WARM_UP, [(0, 0.0), (3, 0.3), (4, 0.4), (6, 0.2), (8, 0.0), (100, 0.0)]),
]
ROWS = [(schedule, step, rate) for schedule, rows in TABLE for step, rate in rows]


@pytest.mark.parametrize(("schedule", "step", "rate"), ROWS)
def test_hand_table(schedule: Any, step: int, rate: float) -> None:
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-14, abs=1e-17)


@pytest.mark.parametrize(("schedule", "step", "rate"), ROWS)
def test_step_may_be_a_variable(schedule: Any, step: int, rate: float) -> None:
    result = schedule(Variable(np.array(float(step))))
    assert float(getattr(result, "data", result)) == pytest.approx(rate, rel=1e-14, abs=1e-17)


def test_a_piece_is_exactly_its_rate() -> None:
    schedule = PiecewiseRate((1, 2), (1e-3, 1e-4, 0.7))
    assert [float(schedule(step)) for step in range(3)] == [1e-3, 1e-4, 0.7]


def rates_used(optimizer: Any, updates: int) -> list[float]:
    """What an optimizer moves a parameter by at each update, for gradients of 1."""
    p = Parameter(np.zeros(1))
    optimizer.setup([p])
    found = []
    for _ in range(updates):
        before = float(p.data[0])
        p.grad = Variable(np.ones(1))
        optimizer.update()
        found.append(before - float(p.data[0]))
    return found


def test_the_first_update_uses_step_zero() -> None:
    np.testing.assert_allclose(rates_used(SGD(LinearRate(1.0, 0.0, 4)), 5), [1.0, 0.75, 0.5, 0.25, 0.0], rtol=1e-14)


def test_any_callable_is_a_schedule() -> None:
    np.testing.assert_allclose(rates_used(SGD(lambda step: 1.0 / (1 + step)), 3), [1.0, 1 / 2, 1 / 3], rtol=1e-14)


def test_wherever_a_rate_is() -> None:
    np.testing.assert_allclose(rates_used(Adam(LinearRate(1.0, 0.0, 2)), 3), [1.0, 0.5, 0.0], rtol=1e-6)
    decay = LinearRate(0.0, 1.0, 2)
    p, q = Parameter(np.ones(1)), Parameter(np.ones(1))
    optimizers = [AdamW(0.5, weight_decay=decay).setup([p]), SGD(0.5).setup([q])]
    optimizers[1].add_hook(WeightDecay(decay))
    expected = [1.0, 0.75, 0.375]  # theta <- theta - 0.5 decay theta
    for value in expected:
        for one, optimizer in zip((p, q), optimizers, strict=True):
            one.grad = Variable(np.zeros(1))
            optimizer.update()
            np.testing.assert_allclose(one.data, [value], rtol=1e-14)


def test_a_restored_optimizer_is_at_the_same_place_of_its_schedule() -> None:
    first = SGD(LinearRate(1.0, 0.0, 4))
    rates_used(first, 2)
    second = SGD(LinearRate(1.0, 0.0, 4))
    second.restore(first.state())
    np.testing.assert_allclose(rates_used(second, 2), [0.5, 0.25], rtol=1e-14)


def test_float32_stays() -> None:
    p = Parameter(np.zeros(2, np.float32))
    p.grad = Variable(np.ones(2, np.float32))
    optimizer = Adam(CosineRate(0.1, 0.0, 10)).setup([p])
    optimizer.update()
    assert p.dtype == np.float32
    assert optimizer.state()["v"].dtype == np.float32


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "make",
    [
        ConstantRate,
        lambda x: LinearRate(x, 1.0, 3),
        lambda x: LinearRate(1.0, x, 3),
        lambda x: CosineRate(x, 1.0, 3),
        lambda x: CosineRate(1.0, x, 3),
        lambda x: ExponentialRate(x, 1.0),
        lambda x: ExponentialRate(1.0, x),
        lambda x: PiecewiseRate((2,), (0.1, x)),
    ],
)
def test_rates_out_of_range(make: Any, wrong: float) -> None:
    with pytest.raises(ValueError, match="to be a finite number of at least 0, got"):
        make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearRate(1.0, 0.0, 0), "expected steps to be a whole number"),
        (lambda: CosineRate(1.0, 0.0, 2.5), "expected steps to be a whole number"),  # type: ignore[arg-type]
        (lambda: ExponentialRate(1.0, 0.5, every=0), "expected every to be a whole number"),
        (lambda: PiecewiseRate((3,), (0.1,)), "one piece more than boundaries, got 1 pieces, 1 boundaries"),
        (lambda: PiecewiseRate((3, 3), (0.1, 0.2, 0.3)), "expected boundaries that increase"),
        (lambda: PiecewiseRate((0,), (0.1, 0.2)), "expected a boundary to be a whole number"),
    ],
)
def test_mistakes(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_schedule_that_gives_no_rate_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected lr of SGD at step 2, from .*got -1"):
        rates_used(SGD(lambda step: 1.0 - step), 3)

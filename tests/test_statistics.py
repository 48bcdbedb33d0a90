from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.experience.statistics import summarise


def test_hand_values() -> None:
    summary = summarise([1.0, 2.0, 3.0, 4.0])
    assert (summary.mean, summary.minimum, summary.maximum, summary.count) == (2.5, 1.0, 4.0, 4)
    assert summary.std == pytest.approx(math.sqrt(5 / 3), rel=1e-15)
    # t(0.975, 3) = 3.182446 in every printed table
    assert summary.high - 2.5 == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-6)
    assert 2.5 - summary.low == pytest.approx(summary.high - 2.5, rel=1e-15)


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_agrees_with_scipy(count: int) -> None:
    from scipy import stats

    values = np.random.default_rng(count).normal(-3.0, 7.0, count)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    summary = summarise(values)
    assert (summary.low, summary.high) == pytest.approx((low, high), rel=1e-12)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    summaries = [summarise(rng.normal(5.0, 2.0, 4)) for _ in range(2000)]
    covered = np.mean([summary.low <= 5.0 <= summary.high for summary in summaries])
    assert 0.935 <= covered <= 0.965  # 95 % +- three standard errors; a normal quantile would cover 0.86


def test_equal_values_have_an_interval_of_no_width() -> None:
    summary = summarise(np.full(100, 500.0))
    assert (summary.std, summary.low, summary.high) == (0.0, 500.0, 500.0)


def test_one_value_bounds_nothing() -> None:
    summary = summarise([3])
    assert (summary.mean, summary.low, summary.high, summary.count) == (3.0, -math.inf, math.inf, 1)
    assert math.isnan(summary.std)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], 3.0, [1.0, math.nan], [math.inf, 1.0]])
def test_nothing_to_summarise(values: object) -> None:
    with pytest.raises(UsageError):
        summarise(values)  # type: ignore[arg-type]


def test_scipy_loads_only_when_an_interval_is_wanted() -> None:
    code = (
        "import cartwheel.experience.statistics, sys; sys.exit(any(name.startswith('scipy') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

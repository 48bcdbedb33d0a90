"""Running moments of observations against NumPy's of all observations at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.experience.moments import Moments


def seen(episodes: list[Any]) -> tuple[Any, Any]:
    """Lengths (J,) and moments (J, 2, d) of episodes' observations (T, d), as rollouts give them."""
    lengths = np.array([len(x) for x in episodes])
    return lengths, np.array([[x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).sum(axis=0)] for x in episodes])


def drawn(lengths: list[int], offset: float = 0.0) -> list[Any]:
    rng = np.random.default_rng(0)
    return [offset + rng.normal(k, 1 + k, size=(length, 3)) for k, length in enumerate(lengths)]


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_are_those_of_all_observations(offset: float) -> None:
    episodes = drawn([3, 1, 40, 7, 2], offset)
    x = np.concatenate(episodes)
    got = Moments.none(3).merged(*seen(episodes))
    assert got.count == 53
    np.testing.assert_allclose(got.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got.squares, ((x - x.mean(axis=0)) ** 2).sum(axis=0), rtol=1e-9)
    through = got.normalisation
    np.testing.assert_allclose(through.shift, x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(through.scale, 1 / x.std(axis=0), rtol=1e-6)


def test_one_generation_after_the_other() -> None:
    episodes = drawn([3, 1, 40, 7, 2, 9])
    parts = Moments.none(3)
    for start in (0, 2, 4):
        parts = parts.merged(*seen(episodes[start : start + 2]))
    whole = Moments.none(3).merged(*seen(episodes))
    assert parts.count == whole.count
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(parts.squares, whole.squares, rtol=1e-12)


def test_candidates_and_episodes_go_in_order() -> None:
    """A matrix of episodes is the same as its rows one after the other."""
    lengths, moments = seen(drawn([4, 2, 3, 5, 1, 2]))
    flat = Moments.none(3).merged(lengths, moments)
    matrix = Moments.none(3).merged(lengths.reshape(3, 2), moments.reshape(3, 2, 2, 3))
    assert flat.mean.tobytes() == matrix.mean.tobytes()
    assert flat.squares.tobytes() == matrix.squares.tobytes()


def test_nothing_seen_changes_nothing() -> None:
    none = Moments.none(3)
    assert none.merged(np.zeros(0, np.int64), np.zeros((0, 2, 3))).count == 0
    some = none.merged(*seen(drawn([4, 3])))
    again = some.merged(np.zeros(0, np.int64), np.zeros((0, 2, 3)))
    assert again.count == 7
    np.testing.assert_array_equal(again.mean, some.mean)
    np.testing.assert_array_equal(again.squares, some.squares)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_normalised_before_there_is_a_spread(count: int) -> None:
    moments = Moments.none(3).merged(*seen(drawn([1]))) if count else Moments.none(3)
    assert moments.count == count
    through = moments.normalisation
    assert through.shift.tolist() == [0.0] * 3
    assert through.scale.tolist() == [1.0] * 3


def test_what_never_changes_becomes_zero() -> None:
    """And is not blown up by a spread of nothing: a hair beside it stays within the largest number that is seen."""
    through = Moments.none(2).merged(*seen([np.full((9, 2), 5.0), np.full((3, 2), 5.0)])).normalisation
    assert through.scale.tolist() == [1e4, 1e4]  # 1 / sqrt(1e-8)
    assert through.apply(np.array([5.0, 5.0001], np.float32)).tolist() == [0.0, pytest.approx(1.0, rel=0.05)]
    assert through.apply(np.array([9.0, -9.0], np.float32)).tolist() == [10.0, -10.0]


def test_moments_do_not_change() -> None:
    first = Moments.none(3).merged(*seen(drawn([4, 3])))
    kept = first.mean.copy(), first.squares.copy()
    first.merged(*seen(drawn([9, 9])))
    np.testing.assert_array_equal(first.mean, kept[0])
    np.testing.assert_array_equal(first.squares, kept[1])

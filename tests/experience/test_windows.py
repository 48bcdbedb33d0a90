"""Windows of a stretch against hand tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.experience.windows import Windows, begins

# Steps (T, N, L), and by hand the numbers t N + n of the steps of each window, and which of them count.
TABLES: list[tuple[tuple[int, int, int], Any, Any]] = [
    ((4, 1, 2), [[0, 1], [2, 3]], [[1, 1], [1, 1]]),
    ((5, 2, 2), [[0, 2], [4, 6], [8, 8], [1, 3], [5, 7], [9, 9]], [[1, 1], [1, 1], [1, 0]] * 2),
    ((4, 2, 3), [[0, 2, 4], [6, 6, 6], [1, 3, 5], [7, 7, 7]], [[1, 1, 1], [1, 0, 0]] * 2),
    ((3, 2, 3), [[0, 2, 4], [1, 3, 5]], [[1, 1, 1]] * 2),
    ((3, 2, 9), [[0, 2, 4], [1, 3, 5]], [[1, 1, 1]] * 2),
    ((1, 3, 4), [[0], [1], [2]], [[1], [1], [1]]),
    ((3, 1, 1), [[0], [1], [2]], [[1], [1], [1]]),
]


@pytest.mark.parametrize(("sizes", "rows", "mask"), TABLES, ids=lambda x: str(x) if isinstance(x, tuple) else "")
def test_by_hand(sizes: tuple[int, int, int], rows: Any, mask: Any) -> None:
    windows = Windows.of(*sizes)
    assert windows.rows.tolist() == rows
    assert windows.mask.tolist() == mask
    assert windows.mask.sum() == sizes[0] * sizes[1]


def test_cut_and_first_take_each_lanes_steps_in_order() -> None:
    t, n = np.mgrid[:5, :2]
    array = np.stack([10 * n + t, -t], axis=2)  # (T, N, 2)
    windows = Windows.of(5, 2, 3)
    assert windows.cut(array)[..., 0].tolist() == [[0, 1, 2], [3, 4, 4], [10, 11, 12], [13, 14, 14]]
    assert windows.cut(array[..., 1])[1].tolist() == [-3, -4, -4]
    assert windows.first(array).tolist() == [[0, 0], [3, -3], [10, 0], [13, -3]]


def test_an_episode_begins_after_each_boundary_but_not_with_a_stretch() -> None:
    """Boundaries at the first step and at the last, two in a row, and in one lane alone."""
    boundary = np.array([[1, 0, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 0, 0]], np.bool_).T
    expected = np.array([[0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]], np.bool_).T
    assert begins(boundary).tolist() == expected.tolist()
    assert boundary[0, 0], "what was given stays as it was"
    assert not begins(np.ones((1, 2), np.bool_)).any()


@pytest.mark.parametrize(("count", "parts"), [(6, 2), (7, 3), (8, 3), (5, 5), (4, 1)])
def test_each_epoch_takes_each_window_once_and_no_part_is_empty(count: int, parts: int) -> None:
    windows = Windows.of(count, 1, 1)
    names = windows.minibatches(4, parts, np.random.default_rng(0))
    batch = -(-count // parts)
    assert names.shape == (4 * parts, batch)
    taken = (names < count).sum(axis=1)
    assert set(taken) <= {batch - 1, batch}
    assert taken.min() > 0
    epochs = names.reshape(4, parts * batch)
    for epoch in epochs:
        assert sorted(epoch[epoch < count]) == list(range(count))
        assert (epoch[epoch >= count] == count).all()
    assert len({tuple(epoch) for epoch in epochs}) == (4 if parts > 1 else 1)


def test_every_window_comes_into_every_part() -> None:
    """Each as often as the others, within five deviations of a fair draw."""
    names = Windows.of(7, 1, 1).minibatches(6_000, 3, np.random.default_rng(1)).reshape(6_000, 3, 3)
    counts = np.array([[(names[:, part] == window).sum() for window in range(7)] for part in range(3)])
    expected = 6_000 * np.array([3, 2, 2])[:, None] / 7
    assert (abs(counts - expected) < 5.0 * np.sqrt(expected)).all()

"""Transforms: known answers, types, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn.transforms import AsType, Compose, Flatten, Normalize, ToFloat, ToInt

IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)


def test_one_after_the_other() -> None:
    both = Compose([lambda x: x + 1, lambda x: x * 2])
    assert both(3) == 8
    assert Compose()(IMAGE) is IMAGE


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalising_by_one_number_keeps_the_type(dtype: Any) -> None:
    result = Normalize(np.float64(2.0), np.float64(4.0))(np.array([2.0, 6.0, 0.0], dtype))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, [0.0, 1.0, -0.5])


def test_normalising_each_channel() -> None:
    result = Normalize([0.0, 4.0, 8.0], (1.0, 2.0, 0.5))(IMAGE)
    np.testing.assert_array_equal(result, [[[0, 1], [2, 3]], [[0, 0.5], [1, 1.5]], [[0, 2], [4, 6]]])
    np.testing.assert_array_equal(Normalize([1.0], [0.5])(IMAGE), (IMAGE - 1.0) / 0.5)


def test_nothing_is_changed() -> None:
    x = np.ones(3)
    Normalize(1.0, 2.0)(x)
    np.testing.assert_array_equal(x, [1, 1, 1])


def test_shapes_and_types() -> None:
    assert Flatten()(IMAGE).tolist() == list(range(12))
    assert ToFloat()(IMAGE).dtype == np.float32
    assert AsType(np.float64)(IMAGE).dtype == np.float64
    assert ToInt()(np.array([1.9, -1.9])).tolist() == [1, -1]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="expected a std that is not 0"):
        Normalize(0.0, [1.0, 0.0])
    with pytest.raises(ValueError, match="expected 1 or 3 numbers to normalise by, got 2"):
        Normalize([0.0, 1.0])(IMAGE)

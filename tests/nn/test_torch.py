"""Each function against PyTorch 2.13: value, first and second gradient. `make test-oracles` installs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cases import Case, chosen
from harness import by_torch, differentiate

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles installs it")

TOLERANCE = {"float64": 1e-7, "float32": 1e-5}


def near(got: Sequence[Any], expected: Sequence[Any], relative: float, what: str) -> None:
    """Within a relative error of the largest number (two orders of a float32 sum differ by that of its terms)."""
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape, what
        finite = np.abs(other[np.isfinite(other)])
        scale = max(1.0, float(finite.max())) if finite.size else 1.0
        np.testing.assert_allclose(one, other, rtol=relative, atol=relative * scale, err_msg=what)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")  # PyTorch's word for an empty variance
@pytest.mark.parametrize(
    ("one", "dtype"),
    [
        pytest.param(one, dtype, id=f"{one}-{dtype}")
        for one in chosen()
        for dtype in TOLERANCE
        if callable(one.spec.torch) and (one.name, dtype) != ("cast", "float32")  # which would be no cast
    ],
)
def test_value_first_and_second_gradient(one: Case, dtype: str) -> None:
    inputs = one.draw(dtype)
    with np.errstate(over="warn" if one.smooth else "ignore", invalid="warn" if one.smooth else "ignore"):
        got, expected = differentiate(one, inputs), by_torch(one, inputs)
    near(got.values, expected.values, TOLERANCE[dtype], "value")
    near(got.first, expected.first, TOLERANCE[dtype], "first gradient")
    near(got.recorded, expected.first, TOLERANCE[dtype], "first gradient, recorded")
    near(got.second, expected.second, TOLERANCE[dtype], "second gradient")

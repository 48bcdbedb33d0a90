"""Arrays of CuPy pass through all functions, and a model learns on a GPU. Skipped where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from harness import differentiate, evaluate

from cartwheel import nn
from cartwheel.nn import functions as F
from cartwheel.nn import optimizers


def _cupy() -> Any:
    """CuPy, if it is installed and finds a GPU that it can compute with."""
    try:
        import cupy

        assert float(cupy.arange(3.0).sum()) == 3.0
    except Exception as problem:  # the driver's errors are of many types
        return problem
    return cupy


cupy: Any = _cupy()
pytestmark = pytest.mark.skipif(isinstance(cupy, Exception), reason=f"needs CuPy and a GPU: {cupy!r}")


def convert(x: Any) -> Any:
    """CuPy's array for one of NumPy's, also inside an index."""
    if isinstance(x, tuple):
        return tuple(convert(part) for part in x)
    return cupy.asarray(x) if isinstance(x, np.ndarray) else x


def back(x: Any) -> Any:
    assert type(x) is cupy.ndarray, type(x)
    return x.get()


@pytest.mark.parametrize("one", CASES, ids=str)
def test_values_and_gradients_equal_numpys(one: Case) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = one.draw()
        if not one.spec.differentiable:
            got, expected = evaluate(one, [convert(x) for x in inputs], convert=convert), evaluate(one, inputs)
        else:
            got, expected = differentiate(one, inputs, convert).everything, differentiate(one, inputs).everything
        for x, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(back(x), other, rtol=1e-11, atol=1e-11)


def test_a_list_beside_an_array_of_cupys() -> None:
    x = nn.Variable(cupy.asarray([1.0, 2.0]))
    for y in (x * [3, 4], [3, 4] * x, F.maximum(x, [0.0, 5.0]), F.concat([x, [1.0]])):
        assert type(y.data) is cupy.ndarray


def test_a_model_learns_the_same_on_both() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((16, 3)), rng.standard_normal((16, 1))
    thetas = []
    for on_gpu in (False, True):
        nn.seed(1)
        model = nn.MLP((8, 1), in_size=3, dtype=np.float64)
        if on_gpu:
            model.to_gpu()
        optimizer = optimizers.Adam(0.01).setup(model)
        given = (convert(x), convert(t)) if on_gpu else (x, t)
        for _ in range(5):
            loss = F.mean_squared_error(model(given[0]), given[1])
            model.cleargrads()
            loss.backward()
            optimizer.update()
        thetas.append(back(model.theta) if on_gpu else model.theta)
    np.testing.assert_allclose(*thetas, rtol=1e-10)

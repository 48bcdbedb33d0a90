"""Every case of the gradient test, recorded and replayed: values and first gradients against the eager ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from harness import evaluate, weights

from cartwheel.nn import Variable, grad
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture

#: What a replay may be off by, of the largest number: sums have another order, and other functions other last places.
RELATIVE = {"float32": 3e-5, "float64": 1e-11}

#: What is run by NumPy, in some case or in all: nothing that a control network needs.
BY_NUMPY = {
    *("einsum", "conv2d", "deconv2d", "pooling", "average_pooling", "im2col", "col2im"),
    *("repeat", "get_item"),  # by truth values, or by arrays beside slices
    "batch_norm",  # of pictures
}


def step_of(one: Case, inputs: list[Any], weighted: list[Any]) -> Any:
    """A step that gives the outputs of a case, and the gradients of their weighted sum by its inputs."""

    def step(*xs: Any) -> list[Any]:
        ys = evaluate(one, one.with_arrays(inputs, xs), getattr(F, one.name))
        made = [(y, w) for y, w in zip(ys, weighted, strict=True) if y.creator is not None and y.dtype.kind == "f"]
        return [*ys, *(g for y, w in made for g in grad(y, list(xs), seed=Variable(w)))]

    return step


def near(got: Any, expected: Any, relative: float) -> None:
    assert got.shape == expected.shape
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(got, expected, rtol=relative, atol=relative * max(scale, 1.0))


@pytest.mark.parametrize("dtype", RELATIVE)
@pytest.mark.parametrize("one", [one for one in CASES if one.name not in ("accuracy", "cast", "dropout")], ids=str)
def test_a_replay_gives_what_the_eager_function_does(one: Case, dtype: str) -> None:
    with np.errstate(all="ignore"):
        inputs = one.draw(dtype)
        arrays = one.arrays(inputs)
        if not arrays:
            pytest.skip("nothing that a program could be given")
        values = [y.data for y in evaluate(one, one.with_arrays(inputs, map(Variable, arrays)), getattr(F, one.name))]
        step = step_of(one, inputs, [np.asarray(w, y.dtype) for w, y in zip(weights(one, values), values, strict=True)])
        expected = step(*map(Variable, arrays))
        recorded = capture(step)
        for _ in range(2):
            found = recorded(*arrays)
            assert len(found) == len(expected)
            for y, other in zip(found, expected, strict=True):
                assert (y is None) == (other is None)
                if other is not None:
                    near(y.data, other.data, RELATIVE[dtype])
        slow = {row.entry.name for row in recorded.program(*arrays).rows if row.words is None}
    assert not slow or one.name in BY_NUMPY or any(x.size == 0 for x in [*arrays, *values]), slow

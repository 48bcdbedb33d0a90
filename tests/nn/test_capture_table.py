"""Every case of the gradient test, recorded and replayed: values and first gradients against the eager ones.

Also that no opcode is left over that nothing becomes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from harness import evaluate, weights

import cartwheel
from cartwheel.kernels.opcodes import OPCODES
from cartwheel.nn import Variable, grad
from cartwheel.nn import capture as recording
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture
from cartwheel.nn.capture.builder import LOWERINGS
from cartwheel.nn.capture.updates import WHOLE_HOOKS, WHOLE_RULES

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
@pytest.mark.parametrize(
    "one", [one for one in CASES if one.name not in ("accuracy", "cast") and "rng" not in one.attributes], ids=str
)
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


# --- opcodes ---------------------------------------------------------------------------------------------------------


def test_each_opcode_is_what_something_becomes() -> None:
    """An operation of its name that has a lowering, a rule or hook of an optimizer, or a row that some code names."""
    operations = {getattr(what, "__name__", "") for what in LOWERINGS}
    recorders = Path(recording.__file__).parent.glob("*.py")
    named = {name for file in recorders for name in re.findall(r'"(\w+)"', file.read_text(encoding="utf-8"))}
    sources = Path(cartwheel.__file__).parent.rglob("*.py")
    named |= {name for file in sources for name in re.findall(r'OPCODES\["(\w+)"\]', file.read_text(encoding="utf-8"))}
    assert OPCODES.keys() <= operations | {*WHOLE_RULES.values(), *WHOLE_HOOKS.values()} | named


@pytest.mark.parametrize("dtype", RELATIVE)
def test_truth_values(dtype: str) -> None:
    def step(x: Any, y: Any) -> Any:
        both, one = (x <= y) & (x != 0.0), (x < y) | (y == 1.0)
        return F.where(both, x, y), F.where(~one, x, y)

    x, y = (np.random.default_rng(k).integers(-2, 3, (7, 5)).astype(dtype) for k in (1, 2))
    recorded = capture(step)
    for _ in range(2):
        for found, expected in zip(recorded(x, y), step(Variable(x), Variable(y)), strict=True):
            assert found.data.tobytes() == expected.data.tobytes()
        x, y = y, x
    opcodes = {line.split()[1] for line in recorded.program(x, y).describe().splitlines()}
    assert {"less_equal", "less", "equal", "not_equal", "logical_and", "logical_or", "where"} <= opcodes


@pytest.mark.parametrize("loss", [F.mean_squared_error, F.huber])
def test_losses_of_an_operand_that_is_stretched(loss: Any) -> None:
    def step(x: Any, t: Any) -> Any:
        y = loss(x, t)
        return [y, *grad(y, [x, t])]

    x, t = np.random.default_rng(1).normal(size=(4, 3)), np.array([0.5, -1.0, 2.0])
    recorded = capture(step)
    for operands in ((x, t), (t, x)):
        for found, expected in zip(recorded(*operands), step(*map(Variable, operands)), strict=True):
            near(found.data, expected.data, RELATIVE["float64"])
        assert all(row.words is not None for row in recorded.program(*operands).rows)


def test_large_products_go_to_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartwheel.kernels.opcodes.products._BLAS", 30**3)
    x, W = np.random.default_rng(0).normal(size=(2, 30, 30)).astype(np.float32)
    recorded = capture(lambda x, W: F.matmul(x, W))
    assert "matmul_blas" in recorded.program(x, W).describe()
    near(recorded(x, W).data, x @ W, RELATIVE["float32"])
    assert "matmul_blas" not in recorded.program(x[1:], W).describe()

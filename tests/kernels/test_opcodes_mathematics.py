"""Element-wise opcodes of mathematics, activation and choices: against NumPy to the bit, or exact values to 4 ulp."""

from __future__ import annotations

import hashlib
import json
import operator
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from elementwise_rows import TYPES, evaluate, points, row_of, special, ulps
from opcode_memory import holds

from cartwheel.kernels.circular import LARGEST
from cartwheel.kernels.opcodes import OPCODES
from cartwheel.kernels.opcodes.forms import CHUNKS, LENGTHS
from cartwheel.nn.function import Operation
from cartwheel.nn.functions import activations, elementwise

L = np.longdouble


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Any) -> Any:
    slope = 2 * np.sqrt(1 / np.arctan(L(1)) / 2)  # 2 sqrt(2 / pi)
    return x * _sigmoid(slope * (x + L("0.044715") * x**3))


SAME = "exp expm1 log log1p tanh sinh cosh arcsinh arccosh arctanh sin cos tan arcsin arccos arctan"
#: the exact value, from extended precision
EXACT_VALUE: dict[str, Any] = {name: getattr(np, name) for name in SAME.split()} | {
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "bounded_log": lambda x: np.maximum(np.log(x), -100),
}

#: (inputs, attributes, the operation's own forward or NumPy's function) of what equals NumPy to the bit
EQUAL: dict[str, tuple[int, tuple[float, ...], Any]] = {
    **{name: (1, (), getattr(np, name)) for name in ("copy", "sqrt")},
    **{name: (2, (), getattr(operator, name)) for name in ("add", "sub", "mul")},
    "div": (2, (), operator.truediv),
    "neg": (1, (), operator.neg),
    "abs": (1, (), elementwise.abs),
    "sign": (1, (), elementwise.sign),
    "zero": (1, (), elementwise._zero),
    "minimum": (2, (), elementwise.minimum),
    "maximum": (2, (), elementwise.maximum),
    "where": (3, (), lambda c, x0, x1: np.where(c != 0, x0, x1)),
    "scaled": (2, (), elementwise._scaled),
    "signed": (2, (), activations._signed),
    "tanh_gradient": (2, (), elementwise._tanh_gradient),
    "relu": (1, (), activations.relu),
    "clip": (1, (-0.3, 1.7), lambda x: elementwise._clip(x, x_min=-0.3, x_max=1.7)),
    "less": (2, (), np.less),
    "less_equal": (2, (), np.less_equal),
    "equal": (2, (), np.equal),
    "not_equal": (2, (), np.not_equal),
    "logical_and": (2, (), np.logical_and),
    "logical_or": (2, (), np.logical_or),
}


def same(got: Any, want: Any) -> None:
    """To the bit, NaN's own apart."""
    want = np.asarray(want).astype(got.dtype)
    np.testing.assert_array_equal(got, want)
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


def worst(name: str, x: Any) -> float:
    with np.errstate(all="ignore"):
        return float(ulps(evaluate(name, x), EXACT_VALUE[name](x.astype(L))).max())


# --- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", EXACT_VALUE)
def test_the_level_holds_at_3_million_points(name: str, dtype: str) -> None:
    holds(name, worst(name, points(dtype, 3_000_000)))


def powers(dtype: str) -> float:
    x, rng = points(dtype, 60_000), np.random.default_rng(2)
    cases = [(x, rng.uniform(-3, 3, x.size)), (x, rng.integers(-4, 5, x.size))]
    cases += [(rng.uniform(0, 20, 50_000), rng.uniform(-40, 40, 50_000))]
    cases += [(1 + rng.uniform(-1e-3, 1e-3, 50_000), rng.uniform(-7e5, 7e5, 50_000))]
    one, other = np.meshgrid(special(dtype), np.append(special(dtype), [2, 3, -2, -3, 2.5, 1e7]))
    found = []
    for base, exponent in [*cases, (one.ravel(), other.ravel())]:
        x0, x1 = base.astype(dtype), exponent.astype(dtype)
        with np.errstate(all="ignore"):
            found.append(ulps(evaluate("pow", x0, x1), np.power(x0.astype(L), x1.astype(L))).max())
    return float(max(found))


def elus(dtype: str, alpha: float) -> float:
    x = points(dtype, 60_000)
    with np.errstate(all="ignore"):
        wide, factor = x.astype(L), L(np.dtype(dtype).type(alpha))
        exact = np.where(x > 0, wide, factor * np.expm1(np.where(x >= 0, L(0), wide)))
    return float(ulps(evaluate("elu", x, attributes=(alpha,)), exact).max())


def test_angles_too_large_to_be_reduced_do_not_change_their_neighbours() -> None:
    x = points("float64", 3000)
    alone = np.where(np.abs(x) > LARGEST, 0.0, x)
    for name in ("sin", "cos", "tan"):
        with np.errstate(all="ignore"):
            got, clean = evaluate(name, x), evaluate(name, alone)
        assert (got == clean)[np.abs(x) <= LARGEST].all()


def equal_to_numpy(name: str, dtype: str) -> float:
    """0 where an opcode gives what NumPy does, to the bit; an AssertionError else."""
    inputs, attributes, reference = EQUAL[name]
    cases = [np.array(case, dtype) for case in zip(*product(special(dtype)[:60:2], repeat=inputs), strict=True)]
    drawn = [np.random.default_rng(k).normal(size=1001).round(1).astype(dtype) for k in range(inputs)]
    for arrays in (cases, drawn):
        with np.errstate(all="ignore"):
            same(evaluate(name, *arrays, attributes=attributes), reference(*arrays))
    return 0.0


def leaky_relus(dtype: str) -> float:
    """0 where it gives what NumPy does for slopes of all sizes; an AssertionError else."""
    x = points(dtype, 3000)
    for slope in (0.2, 1.0, 1.5, -0.5, 0.0):
        with np.errstate(all="ignore"):
            want = activations._leaky_relu.forward(np, x, slope=slope)
        same(evaluate("leaky_relu", x, attributes=(slope,)), want)
    return 0.0


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    **{name: lambda dtype, name=name: equal_to_numpy(name, dtype) for name in EQUAL},
    **{name: lambda dtype, name=name: worst(name, points(dtype, 60_000)) for name in EXACT_VALUE},
    "pow": powers,
    "leaky_relu": leaky_relus,
    "elu": lambda dtype: max(elus(dtype, alpha) for alpha in (1.0, 0.3, -2.0)),
}


@pytest.mark.parametrize("limits", [(-np.inf, 2.0), (-1.0, np.inf), (0.1, 0.1), (-np.inf, np.inf)])
def test_clip_has_its_limits(limits: tuple[float, float]) -> None:
    x = points("float32", 3000)
    same(evaluate("clip", x, attributes=limits), elementwise._clip.forward(np, x, x_min=limits[0], x_max=limits[1]))


# --- rows ------------------------------------------------------------------------------------------------------------

ONE_INPUT = [name for name in [*EXACT_VALUE, "elu"] if name not in EQUAL]


@pytest.mark.parametrize("name", [*EQUAL, *ONE_INPUT, "pow"])
def test_shapes_and_strides(name: str) -> None:
    inputs, attributes, _ = EQUAL.get(name, (2 if name == "pow" else 1, (1.0,), None))
    rng = np.random.default_rng(4)
    for shape in [(), (0,), (1,), (2,), (17,), (1300,), (3, 0), (5, 7), (2, 3, 4, 5), (2, 2, 600)]:
        views = [rng.uniform(0.1, 0.9, shape).astype("float32")]
        if len(shape) > 1:
            views.append(rng.uniform(0.1, 0.9, shape[::-1]).astype("float32").T)  # columns first
            views.append(np.broadcast_to(views[0][..., :1], shape))  # one number for a row
            views.append(views[0][::-1, ..., ::-1])  # backwards
        views.append(np.broadcast_to(np.float32(0.4), shape))
        for k in range(len(views)):
            arrays = [views[(k + number) % len(views)] for number in range(inputs)]
            got = evaluate(name, *arrays, attributes=attributes)
            flat = evaluate(name, *(np.ravel(x) for x in arrays), attributes=attributes)
            assert got.tobytes() == flat.tobytes()
            if name in EQUAL and got.size:
                same(got, EQUAL[name][2](*arrays))


@pytest.mark.parametrize("name", ["tanh", "sin", "clip", "relu"])
def test_an_output_may_lie_on_its_input(name: str) -> None:
    x = points("float32", 999)
    with np.errstate(all="ignore"):
        want = evaluate(name, x, attributes=(-1.0, 1.0))
        same(evaluate(name, x, attributes=(-1.0, 1.0), output=x), want)


def test_forms_refuse_nonsense_and_name_what_is_touched() -> None:
    base = np.zeros(100, np.float32)
    row = row_of("tanh", base, [base[10:40]], base[50:80], base[90:].reshape(1, 10), ())
    spans = [(span.first, span.last, span.written) for span in OPCODES["tanh"].form(row)]
    assert spans == [(10, 40, False), (50, 80, True)]
    for word, value in ((LENGTHS + 3, -1), (CHUNKS, 2)):
        wrong = row.copy()
        wrong[word] = value
        with pytest.raises(ValueError, match="no sense"):
            list(OPCODES["tanh"].form(wrong))


def test_every_elementwise_operation_has_an_opcode() -> None:
    operations = [x for module in (elementwise, activations) for x in vars(module).values() if isinstance(x, Operation)]
    apart = {"softmax", "log_softmax", "sum", "max", "sum_to"}  # over axes: not element-wise
    assert {x.__name__ for x in operations} - apart <= set(OPCODES)


# --- compilation switched off ----------------------------------------------------------------------------------------


def digests() -> dict[str, str]:
    """A digest of each opcode's results at some points; those of the C library are left out, and all NaN are alike."""
    found = {}
    for dtype in TYPES:
        x = points(dtype, 1000)
        x = x[~(np.abs(x) > LARGEST)]
        for name in [*EQUAL, *ONE_INPUT, "pow"]:
            inputs, attributes, _ = EQUAL.get(name, (2 if name == "pow" else 1, (0.7,), None))
            with np.errstate(all="ignore"):
                y = evaluate(name, *(np.roll(x, 5 * k) for k in range(inputs)), attributes=attributes)
            y[np.isnan(y)] = np.nan
            found[f"{name} {dtype}"] = hashlib.sha256(y.tobytes()).hexdigest()
    return found


def test_equal_to_the_bit_with_compilation_off() -> None:
    program = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import numba; assert numba.config.DISABLE_JIT\n"
        "from test_opcodes_mathematics import digests; print(json.dumps(digests()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests()

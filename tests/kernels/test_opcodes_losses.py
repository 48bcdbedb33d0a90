"""The opcodes of softmax and of the losses against `nn.functions`, computed in float64."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, apart, bits, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels import sums
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.opcodes import OPCODES, losses, softmax
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.functions import losses as of_arrays
from cartwheel.nn.variable import raw

SHAPES = ((0, 3), (1, 1), (1, 2), (5, 0), (3, 7), (64, 2), (9, 65), (2, 1000))


def logits(shape: tuple[int, int], dtype: str, scale: float = 4.0) -> Any:
    rng = np.random.default_rng(shape)
    return rng.normal(scale=scale, size=shape).astype(dtype)


def wide(x: Any) -> Any:
    return np.asarray(x, np.float64)


def pulled(function: Any, g: Any, *inputs: Any) -> list[Any]:
    """The function's value in float64, and its gradients by all inputs for a gradient g of what it gives."""
    variables = [Variable(wide(x)) for x in inputs]
    y = function(*variables)
    y.grad = Variable(wide(g))
    y.backward()
    return [y.data, *(raw(x.grad) for x in variables)]


# --- softmax ---------------------------------------------------------------------------------------------------------


SOFTMAX: dict[str, Any] = {"softmax": F.softmax, "log_softmax": F.log_softmax}


def check_softmax(name: str, shape: tuple[int, int], dtype: str) -> tuple[float, float]:
    """The worst errors of the opcode and of its gradient, where a logit's distance from the largest is rounded too."""
    x, g = logits(shape, dtype), logits(shape[::-1], dtype).T.copy()
    memory = Memory(dtype)
    n, rows = x.size, shape[0]
    of_x, of_g, y, gx, sums = memory.put(x), memory.put(g), memory.room(n), memory.room(n), memory.room(rows)
    extra = (memory.room(n),) if name == "log_softmax" else ()
    memory.run(name, *shape, of_x, y, *extra, sums)
    memory.run(f"{name}_gradient", *shape, of_g, y, gx, sums)
    if not n:
        return 0.0, 0.0
    expected, of_gx = pulled(SOFTMAX[name], g, x)
    chances = np.exp(expected) if name == "log_softmax" else expected
    size = 1 + np.abs(x - x.max(axis=1, keepdims=True))
    forward = apart(memory.get(y, *shape), expected, (size + np.abs(expected)) if extra else size * expected)
    whole = np.abs(wide(g)).sum(axis=1, keepdims=True)
    backward = apart(
        memory.get(gx, *shape), of_gx, (np.abs(g) + chances * size * whole) if extra else size * chances * whole
    )
    return forward, backward


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extreme_logits_is_as_numpy_has_it(name: str, dtype: str) -> None:
    inf, nan, most = np.inf, np.nan, np.finfo(dtype).max
    x = np.array(
        [[inf, 0, 1], [-inf, 0, 1], [-inf, -inf, -inf], [nan, 0, 1], [1, 0, nan], [nan, nan, nan], [1e30, 0, -1e30],
         [most, -most, 0], [0, 0, 0], [-0.0, 0.0, 1e-40]], dtype,
    )  # fmt: skip
    memory = Memory(dtype)
    of_x, y, scratch, sums = memory.put(x), memory.room(x.size), memory.room(x.size), memory.room(len(x))
    memory.run(name, *x.shape, of_x, y, *((scratch,) if name == "log_softmax" else ()), sums)
    with np.errstate(all="ignore"):
        expected = getattr(F, name)(x).data
    np.testing.assert_allclose(memory.get(y, *x.shape), expected, rtol=4 * float(np.finfo(dtype).eps))


def test_softmax_of_a_row_has_a_known_answer() -> None:
    memory = Memory("float64")
    x, y, sums = memory.put(np.log([1.0, 2.0, 5.0])), memory.room(3), memory.room(1)
    memory.run("softmax", 1, 3, x, y, sums)
    np.testing.assert_allclose(memory.get(y, 3), [0.125, 0.25, 0.625], rtol=1e-15)


# --- cross entropy of classes ----------------------------------------------------------------------------------------


def cross_entropy(x: Any, t: Any, g: float, dtype: str) -> tuple[Any, Any, int]:
    """The loss, the gradient by the logits, and what is said of the classes."""
    memory, (rows, n) = Memory(dtype), (len(x), x.size)
    classes, of_x, of_g = memory.put_integers(t), memory.put(x), memory.put([g])
    made = [memory.room(k) for k in (n, n, rows, rows, 1)]
    gx = memory.room(n)
    memory.run("softmax_cross_entropy", *x.shape, classes, of_x, *made)
    said = int(memory.integers[1])
    memory.integers[1] = 0
    memory.run("softmax_cross_entropy_gradient", *x.shape, classes, *made[1:3], of_g, gx)
    assert memory.integers[1] == said
    return memory.get(made[4], 1)[0], memory.get(gx, *x.shape).copy(), said


def check_cross_entropy(shape: tuple[int, int], dtype: str) -> tuple[float, float]:
    """The worst errors of the loss and of its gradient."""
    x, t = logits(shape, dtype), np.random.default_rng(3).integers(0, shape[1], shape[0])
    loss, gx, said = cross_entropy(x, t, 0.7, dtype)
    assert said == 0
    expected, of_x = pulled(lambda x: F.softmax_cross_entropy(x, t), 0.7, x)
    size = 1 + np.abs(x - x.max(axis=1, keepdims=True))
    return apart(loss, expected, size.max()), apart(gx, of_x, 0.7 / len(x) * size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_has_a_known_answer_and_is_nan_without_rows(dtype: str) -> None:
    loss, gx, _ = cross_entropy(np.log([[1.0, 3.0], [2.0, 2.0]]), [1, 0], 2.0, dtype)
    np.testing.assert_allclose(loss, (math.log(4 / 3) + math.log(2)) / 2, rtol=1e-6)
    np.testing.assert_allclose(gx, [[0.25, -0.25], [-0.5, 0.5]], rtol=1e-6)
    assert math.isnan(cross_entropy(np.zeros((0, 2)), [], 1.0, dtype)[0])


@pytest.mark.parametrize("wrong", [-1, 3, 1 << 40, -(1 << 40)])
def test_a_class_that_there_is_not_is_said_and_reads_nothing_outside(wrong: int) -> None:
    """Outside of the logits there are NaN: the loss would be one."""
    loss, gx, said = cross_entropy(logits((2, 3), "float32"), [1, wrong], 1.0, "float32")
    assert said == -1
    assert np.isfinite(loss)
    assert np.isfinite(gx).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_extreme_logits_is_as_numpy_has_it(dtype: str) -> None:
    inf, nan = np.inf, np.nan
    for line in (
        [inf, 0, 1],
        [-inf, 0, 1],
        [-inf, -inf, -inf],
        [nan, 0, 1],
        [1e30, 0, -1e30],
        [-1e30, 0, 0],
        [0, 0, nan],
    ):
        x = np.array([line], dtype)
        loss, gx, _ = cross_entropy(x, [0], 1.0, dtype)
        with np.errstate(all="ignore"):
            v = Variable(x)
            expected = F.softmax_cross_entropy(v, np.array([0]))
            expected.backward()
        np.testing.assert_allclose(loss, expected.data, rtol=4 * float(np.finfo(dtype).eps))
        np.testing.assert_allclose(gx, raw(v.grad), rtol=4 * float(np.finfo(dtype).eps))


# --- sums over all numbers -------------------------------------------------------------------------------------------

#: Opcode: its function in `nn`, the setting
PAIRS: dict[str, tuple[Any, float]] = {
    "mean_squared_error": (F.mean_squared_error, 0.0),
    "huber": (lambda x0, x1: F.huber(x0, x1, 0.6), 0.6),
    "sigmoid_cross_entropy": (F.sigmoid_cross_entropy, 0.0),
}
SIZES = (1, 3, 16, 63, 64, 65, 1000)


def loss_and_gradients(name: str, x0: Any, x1: Any, divisor: float, setting: float, g: float, dtype: str) -> list[Any]:
    """The loss, the gradient by the first, and that with the two exchanged."""
    memory, n = Memory(dtype), x0.size
    at = memory.put(x0), memory.put(x1)
    of_g, loss, scratch, gx0, gx1 = memory.put([g]), *(memory.room(k) for k in (1, n, n, n))
    settings = bits(divisor), bits(setting)
    memory.run(name, n, *at, *settings, loss, scratch)
    memory.run(f"{name}_gradient", n, *at, *settings, of_g, gx0)
    memory.run(f"{name}_gradient", n, *at[::-1], *settings, of_g, gx1)
    return [memory.get(loss, 1)[0], memory.get(gx0, n).copy(), memory.get(gx1, n).copy()]


def operands(name: str, n: int, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 1)).astype(dtype)
    return x, (rng.uniform(size=x.shape) if name.startswith("sigmoid") else rng.normal(size=x.shape)).astype(dtype)


def check_loss(name: str, n: int, dtype: str) -> tuple[float, float]:
    """The worst errors of the loss, in units of what is added up, and of its gradients, in units of themselves.

    Those of regression are held to the operations of `nn.functions.losses`.
    """
    function, setting = PAIRS[name]
    x0, x1 = operands(name, n, dtype)
    got = loss_and_gradients(name, x0, x1, float(n), setting, 0.7, dtype)
    expected, of_x0, _ = pulled(function, 0.7, x0, x1)
    scale = 0.7 / n * (np.abs(x0) + np.abs(x1) + 1)
    of_loss, of_gradient = (
        apart(got[0], expected, max(1.0, float(expected))),
        apart(got[1], of_x0.ravel(), scale.ravel()),
    )
    return of_loss, of_gradient if name.startswith("sigmoid") else regression(name, n, dtype)


def regression(name: str, n: int, dtype: str) -> float:
    """How far gradients are from those of `nn.functions.losses` in the type itself."""
    x0, x1 = (x.ravel() for x in operands("", n, dtype))
    _, gx0, gx1 = loss_and_gradients(name, x0, x1, 3.0, 0.3, 0.7, dtype)
    how = {"rows": 3.0} if name == "mean_squared_error" else {"count": 3.0, "delta": 0.3}
    gradient = getattr(of_arrays, f"_{name}_gradient")
    g = np.array(0.7, dtype)
    return max(unlike(gx0, gradient(g, x0, x1, **how)), unlike(gx1, gradient(g, x1, x0, **how)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_have_known_answers(dtype: str) -> None:
    two, zero = np.array([3.0, 4.0]), np.zeros(2)
    loss, gx, _ = loss_and_gradients("mean_squared_error", two, zero, 2.0, 0.0, 1.0, dtype)
    assert (loss, list(gx)) == (12.5, [3.0, 4.0])
    loss, gx, _ = loss_and_gradients("huber", np.array([3.0, -0.5]), zero, 2.0, 1.0, 2.0, dtype)
    assert (loss, list(gx)) == ((2.5 + 0.125) / 2, [1.0, -0.5])
    loss, gx, _ = loss_and_gradients(
        "sigmoid_cross_entropy", np.array([0.0, 200.0]), np.array([1.0, 0.0]), 1.0, 0, 1.0, dtype
    )
    np.testing.assert_allclose([loss, *gx], [math.log(2) + 200, -0.5, 1.0], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_losses_of_extreme_numbers_are_as_numpy_has_them(name: str, dtype: str) -> None:
    function, setting = PAIRS[name]
    for one in (np.inf, -np.inf, np.nan, -0.0, 1e-40, 1e30, -1e30):
        for other in (0.0, 1.0, 0.5):
            x0, x1 = np.array([one], dtype), np.array([other], dtype)
            got = loss_and_gradients(name, x0, x1, 1.0, setting, 1.0, dtype)
            v = Variable(x0)
            with np.errstate(all="ignore"):
                loss = function(v, x1)
                loss.backward()
            np.testing.assert_allclose(got[0], loss.data, rtol=1e-6)
            np.testing.assert_allclose(got[1], raw(v.grad), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loss_of_no_rows_is_nan(dtype: str) -> None:
    none = np.zeros(0)
    for name, (_, setting) in PAIRS.items():
        assert math.isnan(loss_and_gradients(name, none, none, math.nan, setting, 1.0, dtype)[0])


# --- sums ------------------------------------------------------------------------------------------------------------


@compiled()
def _folded(x: Any) -> Any:
    return sums.total(x), sums.largest(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_near_the_exact_ones_and_the_same_without_compilation(dtype: str) -> None:
    """All lengths around those of vectors; the plain order is the one that the compiled code follows, to the bit."""
    rng = np.random.default_rng(5)
    for n in (*range(140), 255, 256, 257, 10_000):
        x = rng.normal(size=n).astype(dtype)
        total, largest = _folded(x)
        assert np.dtype(dtype).type(total) == sums.in_order(x, np.add, 0.0)
        assert abs(total - math.fsum(x)) <= 8 * np.finfo(dtype).eps * np.abs(x).sum()
        assert largest == x.max(initial=-np.inf)
    x[77] = np.nan
    assert math.isnan(_folded(x)[0])
    assert _folded(x)[1] == np.nanmax(x)


# --- all -------------------------------------------------------------------------------------------------------------


def test_forms_refuse_nonsense() -> None:
    for name, opcode in OPCODES.items():
        if opcode.form.__module__ == softmax.__name__:
            assert list(opcode.form(row_of(name, 4, 3, *range(1000, 9000, 1000))))
            for lengths in ((-1, 3), (4, -1), *(((4, 0),) if "cross" in name else ())):
                with pytest.raises(ValueError, match=NONSENSE):
                    list(opcode.form(row_of(name, *lengths, *range(1000, 9000, 1000))))
        if opcode.form.__module__ == losses.__name__:
            assert len(list(opcode.form(row_of(name, 4, *range(1000, 7000, 1000))))) == 4
            with pytest.raises(ValueError, match=NONSENSE):
                list(opcode.form(row_of(name, -1, *range(1000, 7000, 1000))))


def errors(name: str, dtype: str, *, few: bool = False) -> tuple[float, float]:
    """The worst errors of an opcode and of its gradient."""
    if name in PAIRS:
        found = [check_loss(name, n, dtype) for n in ((70,) if few else SIZES)]
    else:
        check = check_cross_entropy if name not in SOFTMAX else lambda *how: check_softmax(name, *how)
        shapes = ((3, 37), (5, 3)) if few else [shape for shape in SHAPES if min(shape) or name in SOFTMAX]
        found = [check(shape, dtype) for shape in shapes]
    return max(one for one, _ in found), max(other for _, other in found)


NAMES = [*SOFTMAX, "softmax_cross_entropy", *PAIRS]

#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    f"{name}{ending}": lambda dtype, name=name, which=which: errors(name, dtype)[which]
    for name in NAMES
    for which, ending in enumerate(("", "_gradient"))
}


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name in NAMES:
            for ending, error in zip(("", "_gradient"), errors(name, dtype, few=True), strict=True):
                holds(f"{name}{ending}", error)


def test_losses_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_losses", "reduced()")

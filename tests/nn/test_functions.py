"""Each function of the table: its value by its definition, its gradients by central differences, types and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cases import CASES, SPECS, Case, chosen
from harness import (
    STEP,
    Result,
    differentiate,
    evaluate,
    first_by_differences,
    plain,
    second_by_differences,
    total,
    weights,
)

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.function import FUNCTIONS

every = pytest.mark.parametrize("one", CASES, ids=str)
differentiable = pytest.mark.parametrize("one", list(chosen()), ids=str)
smooth = pytest.mark.parametrize("one", list(chosen(smooth=True)), ids=str)


@pytest.fixture(autouse=True)
def _overflow_is_wanted(request: pytest.FixtureRequest) -> Any:
    """Cases that overflow do so to infinity; in all others a warning is an error."""
    one = getattr(request.node, "callspec", None)
    case = one.params.get("one") if one else None
    with np.errstate(over="ignore" if case is not None and not case.smooth else "warn"):
        yield


def near(got: Sequence[Any], expected: Sequence[Any], relative: float, noise: float = 0.0) -> None:
    """Within a relative error, of each number or of a thousandth of the largest, and of the noise of a difference."""
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        finite = np.abs(other[np.isfinite(other)])
        scale = max(1.0, float(finite.max())) if finite.size else 1.0
        np.testing.assert_allclose(one, other, rtol=relative, atol=1e-3 * relative * scale + noise)


def noise(numbers: Sequence[Any]) -> float:
    """What rounding leaves in a difference of such numbers."""
    largest = max((float(np.abs(x).max()) for x in numbers if x.size), default=0.0)
    return 4 * float(np.finfo(float).eps) * largest / STEP


# --- the table -------------------------------------------------------------------------------------------------------


def test_each_function_has_cases_and_each_case_a_function() -> None:
    assert SPECS.keys() == FUNCTIONS.keys()
    assert {one.name for one in CASES} == FUNCTIONS.keys()


def test_each_function_has_an_equivalent_in_pytorch_or_a_reason() -> None:
    for name, one in SPECS.items():
        assert callable(one.torch) or len(one.torch.split()) > 3, name


def test_each_function_says_what_it_does() -> None:
    for name in FUNCTIONS:
        assert (getattr(F, name).__doc__ or "").strip().endswith((".", ")")), name
        assert getattr(F, name).__name__ == name


# --- values ----------------------------------------------------------------------------------------------------------


@every
def test_value_by_definition(one: Case) -> None:
    inputs = one.draw()
    got = evaluate(one, inputs)
    expected = [np.asarray(y) for y in plain(one, one.draw())]
    assert [y.shape for y in got] == [y.shape for y in expected]
    for y, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(y, other, rtol=1e-12, atol=1e-12)


@every
def test_arrays_give_arrays_and_functions_of_users_give_variables(one: Case) -> None:
    inputs = one.draw()
    assert all(isinstance(y, np.ndarray | np.generic) for y in evaluate(one, inputs))
    given = evaluate(one, inputs, getattr(F, one.name))
    assert all(type(y) is Variable and isinstance(y.data, np.ndarray) for y in given)
    assert all(y.creator is None for y in given)


# --- gradients -------------------------------------------------------------------------------------------------------


@smooth
def test_first_gradient_by_central_differences(one: Case) -> None:
    inputs = one.draw()
    result = differentiate(one, inputs)
    expected = first_by_differences(one, inputs)
    near(result.first, expected, 1e-6, noise(result.values))
    near(result.recorded, expected, 1e-6, noise(result.values))


@smooth
def test_second_gradient_by_central_differences(one: Case) -> None:
    inputs = one.draw()
    result = differentiate(one, inputs)
    near(result.second, second_by_differences(one, inputs), 1e-6, noise([*result.values, *result.first]))


def twins(one: Case) -> list[int]:
    """Which of the arrays of a case, as far as they are drawn, have the first shape that several have."""
    shapes = [x if isinstance(x, tuple) else None for x in one.arrays(one.inputs)]
    several = [shape for shape in shapes if shape is not None and shapes.count(shape) > 1]
    return [number for number, shape in enumerate(shapes) if shape in several[:1]]


@pytest.mark.parametrize("one", [one for one in chosen() if len(one.arrays(one.inputs)) > 1], ids=str)
def test_a_variable_given_twice_gets_both_gradients(one: Case) -> None:
    inputs = one.draw()
    arrays = one.arrays(inputs)
    same = twins(one)
    if not same:
        return
    for number in same:
        arrays[number] = arrays[same[0]]
    apart = differentiate(one, one.with_arrays(inputs, arrays))
    xs = [Variable(x) for x in arrays]
    for number in same:
        xs[number] = xs[same[0]]
    backward_of_all(one, one.with_arrays(inputs, xs))
    both = [np.sum([apart.first[number] for number in same], axis=0)]
    near([xs[same[0]].grad.data], both, 1e-12)
    xs[same[0]].cleargrad()
    backward_of_all(one, one.with_arrays(inputs, xs), create_graph=True)
    near([x.data for x in total([[xs[same[0]].grad]], [xs[same[0]]])], both, 1e-11)


def backward_of_all(one: Case, inputs: Sequence[Any], create_graph: bool = False) -> None:
    """Backward from all outputs of a case at once, with the weights of `differentiate`."""
    ys = evaluate(one, inputs, getattr(F, one.name))
    loss: Any = Variable(np.array(0.0))
    for y, w in zip(ys, weights(one, [y.data for y in ys]), strict=True):
        loss = loss + F.sum(y * w)
    loss.backward(create_graph=create_graph)


@pytest.mark.parametrize("one", [one for one in chosen() if one.name in ("split", "lstm")], ids=str)
def test_several_outputs_at_once(one: Case) -> None:
    """The other tests go back from one output at a time, as if nothing were made of the others."""
    inputs = one.draw()
    xs = [Variable(x) for x in one.arrays(inputs)]
    backward_of_all(one, one.with_arrays(inputs, xs))
    near([x.grad.data for x in xs], differentiate(one, inputs).first, 1e-12)


# --- memory layouts --------------------------------------------------------------------------------------------------


def strided(x: Any) -> Any:
    room = np.full(tuple(2 * n for n in x.shape), np.nan if x.dtype.kind == "f" else 0, x.dtype)
    view = room[(slice(None, None, 2),) * x.ndim + (...,)]
    view[...] = x
    return view


def negatively_strided(x: Any) -> Any:
    back = (slice(None, None, -1),) * x.ndim + (...,)
    return np.ascontiguousarray(x[back]).reshape(x.shape)[back]


def fortran_ordered(x: Any) -> Any:
    return np.asfortranarray(x).reshape(x.shape)


@differentiable
def test_the_layout_in_memory_makes_no_difference(one: Case) -> None:
    inputs = one.draw()
    expected = differentiate(one, inputs)
    for layout in (strided, negatively_strided, fortran_ordered):
        laid = [layout(x) if isinstance(x, np.ndarray) else x for x in inputs]
        near(differentiate(one, laid).everything, expected.everything, 1e-11)


# --- types -----------------------------------------------------------------------------------------------------------


def types(result: Result) -> list[list[str]]:
    return [[str(x.dtype) for x in part] for part in (result.values, result.first, result.recorded, result.second)]


@pytest.mark.parametrize("one", [one for one in chosen() if one.name != "cast"], ids=str)
def test_types_are_kept(one: Case) -> None:
    for dtype in ("float32", "float64"):
        result = differentiate(one, one.draw(dtype))
        outs, ins = len(result.values), len(result.first)
        assert types(result) == [[dtype] * outs, [dtype] * ins, [dtype] * ins, [dtype] * (outs + ins)]


@pytest.mark.parametrize("one", [one for one in chosen() if len(one.arrays(one.inputs)) > 1], ids=str)
def test_float32_beside_float64(one: Case) -> None:
    """The value in float64, each gradient in the type of what it is the gradient by."""
    inputs = one.draw()
    arrays = one.arrays(inputs)
    for single in range(len(arrays)):
        mixed = [x.astype(np.float32) if number == single else x for number, x in enumerate(arrays)]
        result = differentiate(one, one.with_arrays(inputs, mixed))
        outs, ins = ["float64"] * len(result.values), [str(x.dtype) for x in mixed]
        assert types(result) == [outs, ins, ins, outs + ins]


def test_cast_gives_its_type_and_the_gradient_in_the_type_of_its_input() -> None:
    x = Variable(np.array([1.1, -2.0], np.float32))
    y = F.cast(x, np.float64)
    assert y.dtype == np.float64
    y.grad = Variable(np.array([0.1, 3.0]))
    y.backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.data, np.array([0.1, 3.0], np.float32))


# --- memory ----------------------------------------------------------------------------------------------------------


@differentiable
def test_inputs_are_never_modified(one: Case) -> None:
    inputs = one.draw()
    for x in inputs:
        if isinstance(x, np.ndarray):
            x.flags.writeable = False  # whoever writes to it fails
    before = [x.tobytes() if isinstance(x, np.ndarray) else x for x in inputs]
    differentiate(one, inputs)
    assert before == [x.tobytes() if isinstance(x, np.ndarray) else x for x in inputs]


@pytest.mark.parametrize("create_graph", [False, True], ids=["once", "again"])
@differentiable
def test_gradients_share_memory_with_nothing(one: Case, create_graph: bool) -> None:
    inputs = one.draw()
    xs = [Variable(x) for x in one.arrays(inputs)]
    ys = evaluate(one, one.with_arrays(inputs, xs), getattr(F, one.name))
    seeds = []
    for y in ys:
        seeds.append(np.ones_like(y.data))
        y.grad = Variable(seeds[-1])
        y.backward(create_graph=create_graph)
    gradients = [x.grad.data for x in xs if x.grad is not None]
    others = [x for x in inputs if isinstance(x, np.ndarray)] + [y.data for y in ys] + seeds
    for number, g in enumerate(gradients):
        assert g.flags.writeable
        assert g.shape == xs[number].shape or len(gradients) < len(xs)
        for other in [*gradients[:number], *others]:
            assert not np.shares_memory(g, other)


# --- kinks and ties --------------------------------------------------------------------------------------------------

KINKS = {
    "relu at 0": ("relu", ([-1.0, 0.0, 2.0],), {}, ([0.0, 0.0, 1.0],)),
    "leaky_relu at 0": ("leaky_relu", ([-1.0, 0.0, 2.0],), {}, ([0.2, 0.2, 1.0],)),
    "abs at 0": ("abs", ([-1.0, 0.0, 2.0],), {}, ([-1.0, 0.0, 1.0],)),
    "sign at 0": ("sign", ([-1.0, 0.0, 2.0],), {}, ([0.0, 0.0, 0.0],)),
    "clip at its bounds": ("clip", ([-2.0, -1.0, 0.5, 1.0, 3.0], -1.0, 1.0), {}, ([0.0, 1.0, 1.0, 1.0, 0.0],)),
    "norm at 0": ("norm", ([[0.0, 0.0], [3.0, 4.0]],), {"axis": 1}, ([[0.0, 0.0], [0.6, 0.8]],)),
    "maximum of equals": ("maximum", ([1.0, 2.0, 0.0], [1.0, 1.0, 3.0]), {}, ([0.5, 1.0, 0.0], [0.5, 0.0, 1.0])),
    "minimum of equals": ("minimum", ([1.0, 2.0, 0.0], [1.0, 1.0, 3.0]), {}, ([0.5, 0.0, 1.0], [0.5, 1.0, 0.0])),
    "maximum of a stretched equal": ("maximum", ([2.0, 2.0, 0.0], 2.0), {}, ([0.5, 0.5, 0.0],)),
    "max of equals": ("max", ([[1.0, 4.0, 4.0], [2.0, 2.0, 2.0]],), {"axis": 1}, ([[0, 0.5, 0.5], [1 / 3] * 3],)),
    "min of equals": ("min", ([[1.0, 1.0], [1.0, 2.0]],), {}, ([[1 / 3, 1 / 3], [1 / 3, 0.0]],)),
    "max of equals over two axes": (
        "max",
        ([[[1.0, 4.0], [2.0, 5.0]], [[4.0, 4.0], [5.0, 0.0]]],),
        {"axis": (0, 2), "keepdims": True},
        ([[[0.0, 1 / 3], [0.0, 0.5]], [[1 / 3, 1 / 3], [0.5, 0.0]]],),
    ),
    "pow at 0": ("pow", ([0.0, 0.0, 0.0], [0.0, 1.0, 2.0]), {}, ([0.0, 1.0, 0.0], [0.0, 0.0, 0.0])),
    "huber at its corner": ("huber", ([2.0, 1.0], [1.0, 1.0]), {}, ([0.5, 0.0], [-0.5, 0.0])),
}


@pytest.mark.parametrize("what", KINKS)
def test_the_convention_at_a_kink(what: str) -> None:
    name, inputs, how, expected = KINKS[what]
    given = [Variable(np.array(x)) if isinstance(x, list) else x for x in inputs]
    y = getattr(F, name)(*given, **how)
    y.grad = Variable(np.ones_like(y.data))
    y.backward()
    for x, g in zip((x for x in given if isinstance(x, Variable)), expected, strict=True):
        np.testing.assert_allclose(x.grad.data, g, rtol=1e-15)


def test_where_ignores_a_nan_in_the_branch_not_taken() -> None:
    x0, x1 = Variable(np.array([1.0, np.nan, np.inf])), Variable(np.array([np.nan, 2.0, 3.0]))
    y = F.where(np.array([True, False, False]), x0, x1)
    y.backward()
    np.testing.assert_array_equal(y.data, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(x0.grad.data, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(x1.grad.data, [0.0, 1.0, 1.0])


def test_dropout_keeps_its_share_and_the_mean_and_passes_all_in_test_mode() -> None:
    from cartwheel import nn

    x = np.ones((200, 500))
    y = F.dropout(x, 0.3, np.random.default_rng(0)).data
    assert set(np.unique(y)) == {0.0, 1 / 0.7}
    assert abs((y == 0).mean() - 0.3) < 0.005
    with nn.test_mode():
        np.testing.assert_array_equal(F.dropout(x, 0.3, np.random.default_rng(0)).data, x)


def test_limits_of_clip_can_be_variables() -> None:
    x, low, high = Variable(np.array([-3.0, 0.5, 4.0])), Variable(np.array(-1.0)), Variable(np.array([2.0, 2.0, 2.0]))
    y = F.clip(x, low, high)
    y.backward()
    np.testing.assert_array_equal(y.data, [-1.0, 0.5, 2.0])
    np.testing.assert_array_equal(x.grad.data, [0.0, 1.0, 0.0])
    assert float(low.grad) == 1.0
    np.testing.assert_array_equal(high.grad.data, [0.0, 0.0, 1.0])


def test_binary_cross_entropy_of_certainty_is_finite() -> None:
    p = Variable(np.array([0.0, 1.0, 0.0, 1.0]))
    y = F.binary_cross_entropy(p, np.array([0, 1, 1, 0]))
    y.backward()
    assert np.isfinite(y.data)
    assert y.data > 10  # two are as wrong as can be
    assert np.isfinite(p.grad.data).all()


# --- integers --------------------------------------------------------------------------------------------------------

#: What no type of integers of 8 bits holds twice, or squared.
SMALL = [[120, 3, 2], [1, 7, 119]]
OF_ONE_ARRAY = (
    "abs arcsinh arctan exp expm1 log log1p sqrt cos cosh sin sinh tanh relu leaky_relu elu gelu silu softplus sigmoid "
    "softmax log_softmax sum mean var std max min prod logsumexp norm cumsum"
).split()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("name", OF_ONE_ARRAY)
def test_the_gradient_by_integers_is_that_by_the_same_floats(name: str, dtype: Any) -> None:
    """To the digits of float16, in which NumPy computes exponentials of 8 bits."""
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        for x in (Variable(np.array(SMALL, dtype)), Variable(np.array(SMALL, float))):
            y = getattr(F, name)(x)
            y.grad = Variable(np.ones(y.shape))
            y.backward()
            found.append(x.grad)
    assert found[0].dtype.kind == "f"
    finite = np.isfinite(found[0].data) & (np.abs(found[1].data) < 6e4)
    assert finite.any() or name in ("exp", "expm1", "sinh", "cosh")
    np.testing.assert_allclose(found[0].data[finite], found[1].data[finite], rtol=4e-3, atol=4e-3)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_powers_of_small_integers_have_gradients_of_floats(dtype: Any) -> None:
    of_2 = {7: 448.0, 2: 4.0, 1: 1.0, 0: 0.0}
    for c, slope in [*of_2.items(), *((np.array([c], dtype), slope) for c, slope in of_2.items())]:
        x = Variable(np.array([2], dtype))
        F.sum(x**c).backward()
        np.testing.assert_array_equal(x.grad.data, [slope])
    x = Variable(np.array([100], dtype))
    F.sum(x**2).backward()
    np.testing.assert_array_equal(x.grad.data, [200.0])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_losses_of_small_integers_are_floats(dtype: Any) -> None:
    x, t = Variable(np.array([1, 100], dtype)), np.array([101, 99], dtype)
    for loss, value, slope in (
        (F.mean_squared_error, (100.0**2 + 1) / 2, [-100.0, 1.0]),
        (F.huber, (99.5 + 0.5) / 2, [-0.5, 0.5]),
    ):
        x.cleargrad()
        y = loss(x, t)
        y.backward()
        assert float(y) == value
        np.testing.assert_array_equal(x.grad.data, slope)
        assert float(loss(x.data, t)) == value
    x = Variable(np.array([-100, 100]).astype(np.int8))
    np.testing.assert_array_equal(F.mean_squared_error(x, x.data[::-1].copy()).data, 200.0**2)


# --- the module itself -----------------------------------------------------------------------------------------------


def test_the_module_names_its_functions_and_no_helpers() -> None:
    assert dir(F) == F.__all__ == sorted(FUNCTIONS)

"""Recorded steps of integers and truth values, of several types, with indices that are wrong: against eager ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.nn import Variable, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
FLOATS = np.arange(1.0, 7.0).reshape(2, 3)
KINDS = {
    "truth": (np.array([[1, 0, 1], [1, 1, 0]], bool), np.array([[0, 0, 1], [1, 1, 1]], bool)),
    "integers": (np.array([[0, 1, 2], [3, 1, 2]]), np.array([[2, 2, 1], [0, 3, 3]])),
    "small integers": (np.array([[0, 1, 2], [3, 1, 2]], np.uint8), np.array([[2, 200, 1], [0, 3, 3]], np.uint8)),
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": F.sum,
    "sum of columns": lambda x: F.sum(x, axis=0),
    "mean": lambda x: F.mean(x, axis=1),
    "max": F.max,
    "min": lambda x: F.min(x, axis=0),
    "prod": lambda x: F.prod(x, axis=1),
    "cumsum": lambda x: F.cumsum(x, axis=0),
    "var": lambda x: F.var(x, axis=1),
    "std": F.std,
    "norm": F.norm,
    "logsumexp": F.logsumexp,
    "sum_to": lambda x: F.sum_to(x, (1, 3)),
    "abs": abs,
    "square": lambda x: x * x,
    "twice": lambda x: x + x,
    "plus": lambda x: x + 1,
    "by two": lambda x: x / 2,
    "less": lambda x: x - 1.5,
    "power": lambda x: x**2,
    "clip": lambda x: F.clip(x, 1, 2),
    "relu": F.relu,
    "minimum": lambda x: F.minimum(x, 1),
    "where": lambda x: F.where(x, FLOATS, -FLOATS),
    "comparison": lambda x: x < 1,
    "equal": lambda x: x == x[0],
    "both": lambda x: (x > 0) & (x < 2),
    "softmax": lambda x: F.softmax(x * 1.0),
    "matmul": lambda x: F.matmul(x, F.transpose(x)),
    "outer": lambda x: F.outer(x[0], x[1]),
    "einsum": lambda x: F.einsum("ij,kj->ik", x, x),
    "copy": F.copy,
    "reshape": lambda x: F.reshape(F.transpose(x), (-1,)),
    "flatten": lambda x: F.flatten(x[:, ::2]),
    "concat": lambda x: F.concat([x, x], axis=0),
    "concat columns": lambda x: F.concat([x, x[:, :2]], axis=1),
    "concat of two types": lambda x: F.concat([x, Variable(FLOATS)], axis=1),
    "stack": lambda x: F.stack([x, x], axis=1),
    "pad": lambda x: F.pad(x, ((1, 1), (0, 2)), 1),
    "repeat": lambda x: F.repeat(x, 2, axis=0),
    "flip": lambda x: F.flip(x, 1),
    "split": lambda x: F.split(x, 3, axis=1)[1],
    "broadcast": lambda x: F.broadcast_to(x, (2, 2, 3)) * 1.0,
    "rows": lambda x: x[np.array([1, 0])],
    "take": lambda x: F.take_along_axis(x, np.array([[1], [0]]), axis=1),
    "cast": lambda x: F.cast(F.transpose(x), np.float64),
    "mean squared error": lambda x: F.mean_squared_error(Variable(FLOATS), x),
}


def agree(got: Any, expected: Any) -> None:
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    if got.dtype.kind == "f":
        np.testing.assert_allclose(got.data, expected.data, rtol=1e-13)
    else:
        np.testing.assert_array_equal(got.data, expected.data)


def words(recorded: Any, *inputs: Any) -> set[str]:
    """What NumPy runs."""
    return {row.entry.name for row in recorded.program(*inputs).rows if row.words is None}


# --- integers and truth values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_other_numbers_than_floats(name: str, kind: str) -> None:
    """The result as it is, in its own type, and as a number of a step of floats; of other numbers than recorded."""

    def step(x: Any, y: Any) -> Any:
        result = FUNCTIONS[name](x)
        return result, result * 1.5 + F.sum(y), y * 2.0

    first, other = KINDS[kind]
    recorded = capture(step)
    for x in (first, other, first):
        for got, expected in zip(recorded(x, FLOATS), step(Variable(x), Variable(FLOATS)), strict=True):
            agree(got, expected)


def test_actions_are_flattened_without_numpy() -> None:
    """(T, N) classes made rows, as PPO does."""

    def step(logits: Any, actions: Any) -> Any:
        rows, chosen = F.reshape(logits, (-1, 3)), F.reshape(F.transpose(actions), (-1,))
        every = F.concat([chosen, F.flatten(actions)[0]])
        return F.get_item(rows, (np.arange(6), chosen)), F.stack([every, every]), F.softmax_cross_entropy(rows, chosen)

    logits, recorded = np.random.default_rng(0).normal(size=(2, 3, 3)), capture(step)
    for actions in (np.array([[0, 1], [2, 1], [0, 0]]), np.array([[2, 2], [1, 0], [2, 1]])):
        for got, expected in zip(recorded(logits, actions), step(Variable(logits), Variable(actions)), strict=True):
            agree(got, expected)
    assert not words(recorded, logits, actions)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_under_a_mask_is_without_numpy(dtype: Any) -> None:
    def step(error: Any, mask: Any) -> Any:
        return F.sum(error * mask) / F.cast(F.sum(mask), dtype), F.sum(error > 2.0, axis=1)

    recorded = capture(step)
    error = FLOATS.astype(dtype)
    for mask in KINDS["truth"]:
        for got, expected in zip(recorded(error, mask), step(Variable(error), Variable(mask)), strict=True):
            agree(got, expected)
    assert not words(recorded, error, mask)


def test_steps_of_integers_alone() -> None:
    recorded = capture(lambda x: (x + 1, x[0] * x, x > 1))
    large = np.array([2**63 + 5, 2], np.uint64)
    for x in (np.array([3, 200], np.int16), np.array([200, 200], np.int16), large):
        for got, expected in zip(recorded(x), (x + 1, x[0] * x, x > 1), strict=True):
            agree(got, Variable(expected))


def test_results_keep_their_types_over_minibatches() -> None:
    recorded = capture(lambda i, x: (i, x * 2.0, i[0], x > 1.0))
    rows = np.array([[0, 1], [2, 1]])
    i, x = np.array([5, 6, 7], np.int32), np.array([0.5, 1.5, 2.5])
    found = recorded.over(rows, i, x)
    for got, expected in zip(found, (i[rows], x[rows] * 2.0, i[rows[:, 0]], x[rows] > 1.0), strict=True):
        agree(got, Variable(expected))


# --- shapes that depend on numbers -----------------------------------------------------------------------------------


def test_an_index_of_truth_values_is_refused() -> None:
    x = np.array([1.0, -2.0, 3.0])
    with pytest.raises(RuntimeError, match=r"can't record"):
        capture(lambda x: F.sum(x[x > 0]))(x)
    with pytest.raises(RuntimeError, match=r"test_capture_review_1.*index of truth values.*F\.where"):
        capture(lambda x, mask: F.sum(x[mask]))(x, np.array([True, True, True]))
    fixed = np.array([True, False, True])
    recorded = capture(lambda x: x[fixed] * 2.0)
    recorded(x)
    np.testing.assert_array_equal(recorded(-x).data, [-2.0, -6.0])


def test_another_shape_in_a_replay_is_refused() -> None:
    class Longest(nn.Function):
        def forward(self, x: Any) -> Any:
            return x[: 1 + int(x.max() > 100)]

    recorded = capture(lambda x: Longest()(x) * F.sum(x))
    recorded(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"Longest at .*test_capture_review_1.* gave the shape \(2,\) in a replay"):
        recorded(np.array([1.0, 200.0]))


# --- types of floats -------------------------------------------------------------------------------------------------


def test_a_parameter_of_another_type_is_read_as_what_it_is() -> None:
    W = nn.Parameter(np.array([1.5, 2.5, 3.5]))
    recorded = capture(lambda x: x * F.cast(W, np.float32))
    x = np.ones(3, np.float32)
    np.testing.assert_array_equal(recorded(x).data, [1.5, 2.5, 3.5])
    W.data[...] = [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(recorded(x).data, [1.0, 2.0, 3.0])


def test_an_input_of_another_type_is_cast_and_no_more() -> None:
    x, y = np.array([0.1, 0.7]), np.ones(2, np.float32)
    recorded = capture(lambda x, y: F.cast(x, np.float32) * y)
    np.testing.assert_array_equal(recorded(2 * x, y).data, (2 * x).astype(np.float32))
    with pytest.raises(TypeError, match=r"less at .*test_capture_review_1.* takes floats of float64 in a step that"):
        capture(lambda x, y: F.where(x > 0.1, y, 0.0))(x, y)
    with pytest.raises(TypeError, match="computes in float32 can't give float64"):
        capture(lambda x, y: (x, y * 2.0))(x, y)


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_other_floats_are_refused_with_the_line(dtype: str) -> None:
    with pytest.raises(TypeError, match=r"expected float32 or float64 .* of mul at .*test_capture_review_1"):
        capture(lambda x: x * 2.0)(np.ones(3, dtype))


def test_a_root_of_truth_values_is_refused_with_the_line() -> None:
    with pytest.raises(TypeError, match=r"float16 of exp at .*test_capture_review_1.*F\.cast"):
        capture(lambda x, y: F.exp(x) * y)(np.array([True, False]), np.ones(2))


def test_two_types_are_told_with_the_inputs() -> None:
    model = nn.MLP((3, 2), in_size=4)
    with pytest.raises(TypeError, match=r"float32 and float64 \(.*linear at .*given float64 \(float64 of input 0\)"):
        capture(lambda x: F.cast(model(x), np.float32))(X.astype(float))


# --- what was computed outside of operations -------------------------------------------------------------------------


def normalised() -> Any:
    nn.seed(1)
    model = nn.Sequential(L.Linear(4, in_size=4), L.BatchNorm(4))
    model(X)
    return model


def test_averages_are_read_where_they_lie() -> None:
    model = normalised()
    with nn.test_mode():
        recorded = capture(lambda x: model(x))
        before = recorded(X).data
    for _ in range(5):
        model(3 * X + 1)
    with nn.test_mode():
        np.testing.assert_allclose(recorded(X).data, model(X).data, rtol=1e-5, atol=1e-6)
        assert not np.allclose(recorded(X).data, before)


def test_training_and_testing_in_one_step() -> None:
    model, twin = normalised(), normalised()

    def step(of: Any, x: Any) -> Any:
        y = of(x)
        with nn.test_mode():
            return y, of(x)

    recorded = capture(lambda x: step(model, x))
    for scale in (1, 2, 3):
        for got, expected in zip(recorded(scale * X), step(twin, Variable(scale * X)), strict=True):
            np.testing.assert_allclose(got.data, expected.data, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.averages, twin.averages, rtol=1e-4, atol=1e-5)


def test_the_accuracy_is_that_of_what_is_given() -> None:
    scores, classes = np.eye(4, dtype=np.float32), np.arange(4)
    recorded = capture(lambda x, t: (F.accuracy(x, t), F.sum(x)))
    for shift, expected in ((0, 1.0), (1, 0.0)):
        got = recorded(scores, (classes + shift) % 4)[0]
        assert (got.item(), got.dtype) == (expected, np.float32)
    assert recorded(np.roll(scores, 1, axis=0)[[0, 1, 0, 2]], classes)[0].item() == 0.0
    assert recorded(scores[[0, 1, 0, 2]], classes)[0].item() == 0.5


def test_a_gradient_of_the_gradient_of_classes() -> None:
    def step(x: Any, t: Any) -> Any:
        (g,) = nn.grad(F.softmax_cross_entropy(x, t), [x], create_graph=True)
        return nn.grad(F.sum(g * g), [x])[0]

    x, recorded = np.random.default_rng(1).normal(size=(3, 4)), capture(step)
    for t in (np.array([0, 1, 3]), np.array([2, 2, 0])):
        np.testing.assert_allclose(recorded(x, t).data, step(Variable(x), Variable(t)).data, rtol=1e-12)


def test_draws_from_a_generator_of_ones_own_are_refused() -> None:
    rng = np.random.default_rng(0)
    for draw in (
        lambda x: F.dropout(x, 0.001, rng=rng),
        lambda x: F.bernoulli(F.sigmoid(x * 100), rng=rng),
        lambda x: F.categorical(x, rng=rng),
        lambda x: F.normal(x, 1.0, rng=rng),
    ):
        with pytest.raises(RuntimeError, match=r"what a generator given as rng draws.*test_capture_review_1"):
            capture(draw)(X)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.3, 1.0, 1.5, 20.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaky_relu_of_all_slopes(dtype: Any, slope: float) -> None:
    x = np.array([-3.0, -1.0, -0.0, 0.0, 0.5, 2.0, -np.inf, np.inf], dtype)

    def step(x: Any) -> Any:
        y = F.leaky_relu(x, slope)
        return [y, *nn.grad(F.sum(y), [x])]

    with np.errstate(invalid="ignore"):
        for got, expected in zip(capture(step)(x), step(Variable(x)), strict=True):
            np.testing.assert_array_equal(got.data, expected.data)


# --- indices out of range --------------------------------------------------------------------------------------------


def embedding(by_numpy: bool) -> tuple[Any, Any, Any]:
    class Words(nn.Model):
        def __init__(self) -> None:
            self.words = L.EmbedID(5, 3)

        def forward(self, i: Any) -> Any:
            return self.words(i)

    model = Words()
    optimizer = optimizers.Adam(0.1).setup(model)

    def step(i: Any) -> Any:
        loss = F.mean(model(i) ** 2)
        if by_numpy:
            loss = loss + F.mean(F.einsum("ij->ji", model(i)))
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return model, optimizer, capture(step)


@pytest.mark.parametrize("by_numpy", [False, True])
def test_an_index_out_of_range_updates_nothing(by_numpy: bool) -> None:
    model, optimizer, recorded = embedding(by_numpy)
    recorded(np.array([0, 1, 2]))
    assert bool(words(recorded, np.array([0, 1, 2]))) == by_numpy
    theta, memory = model.theta.copy(), {name: array.copy() for name, array in optimizer._memory.items()}
    for call in (recorded, lambda i: recorded.repeat(5, i)):
        with pytest.raises(IndexError, match=r"step 1 of [15]"):
            call(np.array([0, 1, 9]))
    assert optimizer.step == 1
    np.testing.assert_array_equal(model.theta, theta)
    for name, array in memory.items():
        np.testing.assert_array_equal(optimizer._memory[name], array)


@pytest.mark.parametrize("by_numpy", [False, True])
def test_a_sweep_makes_the_updates_before_the_index_out_of_range(by_numpy: bool) -> None:
    twins = [embedding(by_numpy) for _ in range(2)]
    twins[1][0].theta[...] = twins[0][0].theta
    with pytest.raises(IndexError, match="step 3 of 4"):
        twins[0][2].over(np.array([[0, 1], [2, 3], [1, 9], [0, 1]]), np.arange(5))
    twins[1][2].over(np.array([[0, 1], [2, 3]]), np.arange(5))
    assert twins[0][1].step == twins[1][1].step == 2
    np.testing.assert_array_equal(twins[0][0].theta, twins[1][0].theta)


def test_numbers_in_another_order_of_bytes() -> None:
    recorded = capture(lambda x, i: (x * 2.0, i[1:]))
    for k in (0, 5):
        found = recorded(np.arange(k, k + 3).astype(">f8"), np.arange(k, k + 3).astype(">i4"))
        np.testing.assert_array_equal(found[0].data, 2.0 * np.arange(k, k + 3))
        np.testing.assert_array_equal(found[1].data, np.arange(k + 1, k + 3))

"""Recurrent functions: over time at once against step by step, and against sums that can be done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad
from cartwheel.nn.functions import recurrent, through_time

KINDS = {"rnn": 1, "gru": 3, "lstm": 4}
each = pytest.mark.parametrize("kind", KINDS)


def draw(kind: str, T: int = 6, B: int = 3, d: int = 2, H: int = 4, lead: tuple[int, ...] = ()) -> list[Any]:
    """xs, h (and c), Wx, Wh, b."""
    rng, G = np.random.default_rng(0), KINDS[kind]
    shapes = [(T, *lead, B, d), *[(*lead, B, H)] * (2 if kind == "lstm" else 1)]
    return [rng.standard_normal(s) for s in [*shapes, (*lead, d, G * H), (*lead, H, G * H), (*lead, G * H)]]


def masks(T: int = 6, B: int = 3) -> Any:
    resets = np.random.default_rng(1).random((T, B)) < 0.3
    resets[0, 0] = resets[3] = True
    resets[4] = False
    return resets


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def with_gradients(form: Any, arrays: list[Any], resets: Any, seeds: tuple[float, ...] = (1.0, 1.0)) -> list[Any]:
    """The outputs, and the gradients of a sum of them, weighted by cosines."""
    inputs = [Variable(x) for x in arrays]
    ys = outputs(form(*inputs, resets))
    weighted = [
        (y * np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape)).sum() * seed
        for y, seed in zip(ys, seeds, strict=False)
        if seed
    ]
    loss = weighted[0] if len(weighted) == 1 else weighted[0] + weighted[1]
    loss.backward()
    return [*(y.data for y in ys), *(x.grad.data for x in inputs)]


# --- the two forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resets", [None, masks()], ids=["on", "resets"])
@pytest.mark.parametrize(
    ("kind", "seeds"),
    [("rnn", (1.0,)), ("gru", (1.0,)), ("lstm", (1.0, 1.0)), ("lstm", (1.0, 0.0)), ("lstm", (0.0, 1.0))],
)
def test_over_time_equals_step_by_step(kind: str, resets: Any, seeds: tuple[float, ...]) -> None:
    whole, steps = getattr(through_time, kind), getattr(recurrent, f"_{kind}_steps")
    results = [with_gradients(form, draw(kind), resets, seeds) for form in (whole, steps)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@each
def test_gradients_of_gradients_go_through_the_steps(kind: str) -> None:
    found = []
    for form in (getattr(through_time, kind), getattr(recurrent, f"_{kind}_steps")):
        inputs = [Variable(x) for x in draw(kind, T=3)]
        loss = sum(((y * y).sum() for y in outputs(form(*inputs, masks()[:3]))), Variable(np.array(0.0)))
        first = grad(loss, inputs, create_graph=True)
        penalty = sum(((g * g).sum() for g in first), Variable(np.array(0.0)))
        found.append(grad(penalty, inputs))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-9, atol=1e-11)


@each
def test_backward_twice_gives_the_same_twice(kind: str) -> None:
    """What is saved for the gradient is not used up by it."""
    inputs = [Variable(x) for x in draw(kind)]
    loss = outputs(getattr(F, kind)(*inputs))[0].sum()
    loss.backward()
    first = [x.grad.data.copy() for x in inputs]
    loss.backward()
    for x, g in zip(inputs, first, strict=True):
        np.testing.assert_allclose(x.grad.data, 2 * g, rtol=1e-14)


@each
def test_float32_stays_and_is_near(kind: str) -> None:
    exact = with_gradients(getattr(F, kind), draw(kind), masks())
    single = with_gradients(getattr(F, kind), [x.astype(np.float32) for x in draw(kind)], masks())
    for one, other in zip(single, exact, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6 * max(1.0, np.abs(other).max()))


@each
def test_a_population_equals_its_candidates(kind: str) -> None:
    arrays = draw(kind, lead=(5,))
    whole = with_gradients(getattr(F, kind), arrays, None)
    ys = len(whole) - len(arrays)
    for p in range(5):
        mine = [arrays[0][:, p], *(x[p] for x in arrays[1:])]
        inputs = [Variable(x) for x in mine]
        found = outputs(getattr(F, kind)(*inputs))
        np.testing.assert_allclose(found[0].data, whole[0][:, p], rtol=1e-12, atol=1e-14)
        if kind == "lstm":
            np.testing.assert_allclose(found[1].data, whole[1][p], rtol=1e-12, atol=1e-14)
    assert [g.shape for g in whole[ys:]] == [x.shape for x in arrays]


# --- by hand ---------------------------------------------------------------------------------------------------------


def logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_two_steps_of_one_unit_by_hand() -> None:
    """One input, one unit; weights chosen so that each gate has a number of its own."""
    xs, h, c = np.array([[[0.5]], [[-1.0]]]), np.array([[0.2]]), np.array([[0.3]])
    expected = 0.2
    for x in (0.5, -1.0):
        expected = np.tanh(0.7 * x - 0.4 * expected + 0.1)
    hs = F.rnn(xs, h, np.array([[0.7]]), np.array([[-0.4]]), np.array([0.1])).data
    np.testing.assert_allclose(hs[1, 0, 0], expected, rtol=1e-14)

    wx, wh, b = [0.7, -0.3, 0.5], [-0.4, 0.6, 0.9], [0.1, 0.2, -0.1]
    expected = 0.2
    for x in (0.5, -1.0):
        r = logistic(0.7 * x - 0.4 * expected + 0.1)
        z = logistic(-0.3 * x + 0.6 * expected + 0.2)
        n = np.tanh(0.5 * x - 0.1 + r * 0.9 * expected)
        expected = (1 - z) * n + z * expected
    hs = F.gru(xs, h, np.array([wx]), np.array([wh]), np.array(b)).data
    np.testing.assert_allclose(hs[1, 0, 0], expected, rtol=1e-14)

    wx, wh, b = [0.7, -0.3, 0.5, 1.1], [-0.4, 0.6, 0.9, 0.8], [0.1, 0.2, -0.1, 0.3]
    expected, cell = 0.2, 0.3
    for x in (0.5, -1.0):
        u, f, i, o = (p * x + q * expected + s for p, q, s in zip(wx, wh, b, strict=True))
        cell = logistic(f) * cell + logistic(i) * np.tanh(u)
        expected = logistic(o) * np.tanh(cell)
    hs, last = F.lstm(xs, h, c, np.array([wx]), np.array([wh]), np.array(b))
    np.testing.assert_allclose([hs.data[1, 0, 0], last.data[0, 0]], [expected, cell], rtol=1e-14)


@each
def test_a_reset_begins_anew(kind: str) -> None:
    """A row that is reset before step 3 goes on as if its sequence began there; the other rows don't notice."""
    arrays = draw(kind)
    resets = np.zeros((6, 3), bool)
    resets[3, 1] = True
    f = getattr(F, kind)
    for y, unset in zip(outputs(f(*arrays, resets)), outputs(f(*arrays)), strict=True):
        np.testing.assert_array_equal(np.delete(y.data, 1, -2), np.delete(unset.data, 1, -2))
    memories = [None] * (2 if kind == "lstm" else 1)
    begun = outputs(f(arrays[0][3:], *memories, *arrays[-3:]))
    found = outputs(f(*arrays, resets.tolist()))
    np.testing.assert_allclose(found[0].data[3:, 1], begun[0].data[:, 1], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(found[-1].data[..., 1, :][-1], begun[-1].data[..., 1, :][-1], rtol=1e-13, atol=1e-15)


@each
def test_a_reset_forgets_even_what_is_no_number(kind: str) -> None:
    arrays = draw(kind)
    for memory in arrays[1:-3]:
        memory[1] = np.nan
    resets = np.zeros((6, 3), bool)
    resets[0, 1] = True
    for form in (getattr(through_time, kind), getattr(recurrent, f"_{kind}_steps")):
        ys = outputs(form(*[Variable(x) for x in arrays], resets))
        assert all(np.isfinite(y.data).all() for y in ys)


@each
def test_no_memory_is_one_of_zeros(kind: str) -> None:
    arrays = draw(kind)
    for memory in arrays[1:-3]:
        memory[...] = 0
    none = [arrays[0], *[None] * (len(arrays) - 4), *arrays[-3:]]
    for y, other in zip(outputs(getattr(F, kind)(*none)), outputs(getattr(F, kind)(*arrays)), strict=True):
        np.testing.assert_array_equal(y.data, other.data)


@each
def test_extreme_inputs_saturate(kind: str) -> None:
    arrays = draw(kind)
    arrays[0] *= 1e6
    results = with_gradients(getattr(F, kind), arrays, None)
    assert all(np.isfinite(x).all() for x in results)
    assert np.abs(results[0]).max() <= max(1.0, np.abs(arrays[1]).max())


@each
@pytest.mark.parametrize("size", [{"T": 0}, {"B": 0}, {"d": 0}], ids=str)
def test_empty(kind: str, size: dict[str, int]) -> None:
    arrays = draw(kind, **size)
    results = with_gradients(getattr(F, kind), arrays, None)
    assert results[0].shape == (*arrays[0].shape[:2], 4)
    assert [g.shape for g in results[-len(arrays) :]] == [x.shape for x in arrays]


# --- mistakes --------------------------------------------------------------------------------------------------------


@each
def test_shapes_that_do_not_fit_are_an_error(kind: str) -> None:
    arrays, f = draw(kind), getattr(F, kind)
    for number in range(len(arrays)):
        for wrong in (arrays[number][..., :-1], arrays[number][0] if arrays[number].ndim > 1 else arrays[number][None]):
            given = [*arrays[:number], wrong, *arrays[number + 1 :]]
            with pytest.raises(ValueError, match=rf"^{kind}: expected xs \(T, B, d\).*test_recurrent.py"):
                f(*given)
    for resets in (masks()[:-1], masks()[:, :1], masks()[0]):
        with pytest.raises(ValueError, match=r"resets \(T, B\) or None"):
            f(*arrays, resets)
    with pytest.raises(ValueError, match="without data"):
        f(*arrays[:-3], nn.Parameter(None, name="Wx"), *arrays[-2:])
    with pytest.raises(ValueError, match=f"^{kind}: expected"):
        f(arrays[0], *arrays[1:-3], 1.0, 2.0, 3.0)


def test_debug_finds_the_nan() -> None:
    arrays = draw("lstm")
    arrays[0][2] = np.nan
    with nn.debug(), pytest.raises(FloatingPointError, match="lstm gave"):
        F.lstm(*[Variable(x) for x in arrays])

"""Products: every form of matmul, the bias of linear, einsum's letters, and the messages of mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.backward import grad

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Variable:
    return Variable(RNG.normal(size=shape))


def gradients(y: Variable, *xs: Variable, seed: Any = None) -> list[Any]:
    found = []
    for x, g in zip(xs, grad(y, xs, seed=None if seed is None else np.asarray(seed)), strict=True):
        assert g is not None
        assert g.shape == x.shape
        found.append(g.data)
    return found


# --- matmul ----------------------------------------------------------------------------------------------------------


def test_matmul_by_hand() -> None:
    x, W = Variable(np.array([[1.0, 2.0], [3.0, 4.0]])), Variable(np.array([[5.0, 6.0], [7.0, 8.0]]))
    y = x @ W
    np.testing.assert_array_equal(y.data, [[19, 22], [43, 50]])
    gx, gW = gradients(y, x, W, seed=[[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(gx, [[5, 7], [12, 16]])
    np.testing.assert_array_equal(gW, [[1, 6], [2, 8]])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((4, 2, 3), (3,)),
        ((3,), (4, 3, 2)),
        ((4, 2, 3), (3, 5)),
        ((2, 3), (4, 3, 5)),
        ((4, 2, 3), (4, 3, 5)),
        ((4, 1, 2, 3), (6, 3, 5)),
        ((1, 2, 3), (4, 3, 5)),
        ((4, 2, 3), (1, 3, 5)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2, 3), (3, 2)),
        ((0,), (0,)),
    ],
    ids=str,
)
def test_gradients_of_every_form(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, W = drawn(*left), drawn(*right)
    y = F.matmul(x, W)
    np.testing.assert_array_equal(y.data, np.matmul(x.data, W.data))
    u, v, w = RNG.normal(size=left), RNG.normal(size=right), RNG.normal(size=y.shape)
    gx, gW = gradients(y, x, W, seed=w)
    # y is linear in each: the directional derivative is the product with the direction
    np.testing.assert_allclose((gx * u).sum(), (w * np.matmul(u, W.data)).sum(), atol=1e-12)
    np.testing.assert_allclose((gW * v).sum(), (w * np.matmul(x.data, v)).sum(), atol=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (2, 3), "the last axis of the first, 3, must be as long as the last but one of the second, 2"),
        ((2, 3), (4,), "the last axis of the first, 3, must be as long as the axis of the second, 4"),
        ((4, 2, 3), (5, 3, 2), "the axes before the last two must be equal or 1"),
        ((2, 3), (), "a matrix product needs axes, and a single number has none"),
        ((), (3,), "a matrix product needs axes, and a single number has none"),
    ],
)
def test_shapes_that_have_no_product(left: tuple[int, ...], right: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^matmul: {message}.*float64 .*\(at .*test_products.py:\d+\)$"):
        F.matmul(np.ones(left), np.ones(right))


def test_a_set_is_no_matrix() -> None:
    with pytest.raises(TypeError, match=r"^matmul: 'set' object.*\(at .*test_products.py"):
        F.matmul(np.ones((2, 2)), {1.0, 2.0})


# --- linear ----------------------------------------------------------------------------------------------------------


def test_linear_by_hand() -> None:
    x, W, b = Variable(np.array([[1.0, 2.0]])), Variable(np.array([[3.0], [4.0]])), Variable(np.array([5.0]))
    y = F.linear(x, W, b)
    assert y.data == [[16.0]]
    gx, gW, gb = gradients(y, x, W, b, seed=[[2.0]])
    np.testing.assert_array_equal(gx, [[6, 8]])
    np.testing.assert_array_equal(gW, [[2], [4]])
    np.testing.assert_array_equal(gb, [2])


def test_linear_is_one_operation_and_leaves_its_inputs() -> None:
    x, W, b = drawn(4, 3), drawn(3, 2), drawn(2)
    before = [one.data.copy() for one in (x, W, b)]
    y = F.linear(x, W, b)
    assert y.creator is not None
    assert y.creator.inputs == (x, W, b)
    np.testing.assert_allclose(y.data, before[0] @ before[1] + before[2], rtol=1e-15)
    for one, other in zip((x, W, b), before, strict=True):
        np.testing.assert_array_equal(one.data, other)


def test_no_gradient_is_computed_for_what_needs_none() -> None:
    y = F.linear(np.ones((4, 3)), drawn(3, 2), np.zeros(2))
    assert y.creator is not None
    gx, gW, gb = y.creator.pull([np.ones((4, 2))], variables=False)
    assert gx is gb is None
    assert gW.shape == (3, 2)


def test_a_population_at_once() -> None:
    x, W, b = drawn(5, 4, 3), drawn(5, 3, 2), drawn(5, 2)
    seed = RNG.normal(size=(5, 4, 2))
    y = F.linear(x, W, b)
    found = gradients(y, x, W, b, seed=seed)
    for p in range(5):
        one = [Variable(a.data[p]) for a in (x, W, b)]
        alone = F.linear(*one)
        np.testing.assert_allclose(y.data[p], alone.data, rtol=1e-14)
        for whole, part in zip(found, gradients(alone, *one, seed=seed[p]), strict=True):
            np.testing.assert_allclose(whole[p], part, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("rows", [(4, 3), (3,)], ids=str)
def test_the_same_rows_for_a_whole_population(rows: tuple[int, ...]) -> None:
    x, W, b = drawn(*rows), drawn(5, 3, 2), drawn(5, 2)
    y = F.linear(x, W, b)
    expected = np.stack([x.data @ W.data[p] + b.data[p] for p in range(5)])
    np.testing.assert_allclose(y.data, expected, rtol=1e-14)
    seed = RNG.normal(size=y.shape)
    gx, gW, gb = gradients(y, x, W, b, seed=seed)
    np.testing.assert_allclose(gx, sum(seed[p] @ W.data[p].T for p in range(5)), rtol=1e-13)
    np.testing.assert_allclose(gb, seed.sum(1) if len(rows) == 2 else seed, rtol=1e-14)
    np.testing.assert_allclose(gW[1], np.outer(x.data, seed[1]) if len(rows) == 1 else x.data.T @ seed[1], rtol=1e-13)


@pytest.mark.parametrize("shape", [(2,), (1, 2), (1,), ()], ids=str)
def test_a_bias_that_broadcasts_to_all_rows(shape: tuple[int, ...]) -> None:
    x, W, b = drawn(4, 3), drawn(3, 2), drawn(*shape)
    y = F.linear(x, W, b)
    np.testing.assert_allclose(y.data, x.data @ W.data + b.data, rtol=1e-14)
    (gb,) = gradients(y, b)
    np.testing.assert_array_equal(gb, np.full(shape, 8.0 / b.size))


def test_types_of_linear() -> None:
    x, W = np.ones((2, 3), np.float32), np.ones((3, 2), np.float32)
    assert F.linear(x, W, np.zeros(2, np.float32)).dtype == np.float32
    assert F.linear(x, W, np.full(2, 0.1)).data[0, 0] == 3.1  # float64, as NumPy's sum of the two
    assert F.linear(np.ones((2, 3), int), np.ones((3, 2), int), np.full(2, 0.5)).data[0, 0] == 3.5


@pytest.mark.parametrize(
    ("W", "b", "message"),
    [
        ((3, 1), (0,), r"expected a bias b \(1,\), one number for each output: a bias of shape \(0,\) holds no number"),
        ((3, 4), (0,), r"expected a bias b \(4,\), one number for each output: .*np.zeros\(4\) makes one"),
        ((3, 4), (3,), r"expected a bias b \(4,\), one number for each output; got"),
        ((3, 4), (5, 1, 4), r"expected a bias b \(4,\), one number for each output; got"),
        ((3, 1), (2,), r"expected a bias b \(1,\), one number for each output; got"),
        ((5, 3, 4), (4,), r"expected a bias b \(5, 4\), one number for each output; got"),
        ((5, 3, 4), (4, 4), r"expected a bias b \(5, 4\), one number for each output; got"),
        ((3,), (1,), r"expected weights W \(inputs, outputs\), got \(3,\)"),
        ((2, 4), (4,), "the last axis of the first, 3, must be as long as the last but one of the second, 2"),
    ],
)  # fmt: skip
def test_slips_in_linear(W: tuple[int, ...], b: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^linear: {message}.*\(at .*test_products.py:\d+\)$"):
        F.linear(np.ones((2, 3)), np.ones(W), np.ones(b))


# --- einsum and outer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        (" i j , j k -> k i ", [(2, 3), (3, 4)]),
        ("ba,ca", [(2, 3), (4, 3)]),
        ("ij", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
        ("ij->", [(2, 3)]),
        ("ij->i", [(2, 3)]),
        ("ij,kl->il", [(2, 3), (4, 5)]),
        ("i,i,i->i", [(3,), (3,), (3,)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij,jj->i", [(2, 2, 3), (3, 3)]),
        ("iii->i", [(2, 2, 2)]),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
        ("...i,i", [(2, 4, 3), (3,)]),
        ("i...->...", [(2, 4, 3)]),
        ("ij,ij->ij", [(1, 3), (2, 3)]),
        ("ij,ij->", [(2, 1), (2, 3)]),
        ("ij,j->i", [(2, 3), (1,)]),
        (",i->i", [(), (3,)]),
        ("bhqd,bhkd->bhqk", [(2, 2, 40, 8), (2, 2, 40, 8)]),
        ("ij,jk->ik", [(0, 3), (3, 2)]),
    ],
)
def test_einsum_as_numpy_s(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [drawn(*shape) for shape in shapes]
    arrays = [x.data for x in xs]
    y = F.einsum(subscripts, *xs)
    np.testing.assert_allclose(y.data, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-13)
    w = RNG.normal(size=y.shape)
    for number, g in enumerate(gradients(y, *xs, seed=w)):  # linear in each operand
        u = RNG.normal(size=shapes[number])
        along = np.einsum(subscripts, *arrays[:number], u, *arrays[number + 1 :])
        np.testing.assert_allclose((g * u).sum(), (w * along).sum(), rtol=1e-9, atol=1e-12)


def test_second_gradients_of_a_trace_of_a_square() -> None:
    x = drawn(3, 3)
    (g,) = grad(F.einsum("ij,ji->", x, x), [x], create_graph=True)
    assert g is not None
    np.testing.assert_allclose(g.data, 2 * x.data.T)
    u = RNG.normal(size=(3, 3))
    np.testing.assert_allclose(gradients(g, x, seed=u)[0], 2 * u.T)


def test_outer_takes_all_numbers() -> None:
    x0, x1 = drawn(2, 2), drawn(3)
    y = F.outer(x0, x1)
    np.testing.assert_array_equal(y.data, np.outer(x0.data, x1.data))
    g0, g1 = gradients(y, x0, x1)
    np.testing.assert_allclose(g0, np.full((2, 2), x1.data.sum()))
    np.testing.assert_allclose(g1, np.full(3, x0.data.sum()))


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk", [(2, 3)], "'ij,jk' names 2 operands, and there are 1"),
        ("ijk", [(2, 3)], "'ijk' doesn't fit an operand of 2 axes"),
        ("i", [(2, 3)], "'i' doesn't fit an operand of 2 axes"),
        ("ij,jk", [(2, 3), (2, 3)], "the axes called 'j' have lengths 3 and 2"),
        ("ii", [(1, 3)], "'ii' takes a diagonal of axes that aren't equally long"),
        ("ij->k", [(2, 3)], "einstein sum subscripts string included output subscript 'k'"),
    ],
)
def test_slips_in_einsum(subscripts: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^einsum: {message}.*\(at .*test_products.py:\d+\)$"):
        F.einsum(subscripts, *map(np.ones, shapes))


def test_einsum_without_subscripts() -> None:
    with pytest.raises(TypeError, match="einsum: expected subscripts as a string"):
        F.einsum(np.ones(3), [0])  # type: ignore[arg-type]

"""The perceptron on one vector, against a loop that anyone can read and against float64 products."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cartwheel.nn.flat import ACTIVATIONS, Layout, dense_forward, dense_layout

SHAPES = [(4, 2), (4, 7, 2), (3, 5, 7, 1), (1, 1), (9, 16, 16, 3), (300, 1)]
LAYOUT = Layout(("A", "b"), ((2, 3), (2,)))


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def plain(theta: Any, x: Any, sizes: tuple[int, ...], activation: str) -> Any:
    """One observation through the network, one product at a time, in float32: the text book's double loop."""
    offset = 0
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        y = []
        for o in range(outputs):
            total = theta[offset + o] * x[0]
            for i in range(1, inputs):
                total = total + theta[offset + i * outputs + o] * x[i]
            y.append(total + theta[offset + inputs * outputs + o])
        offset += (inputs + 1) * outputs
        if number < len(sizes) - 2:
            functions: dict[str, Any] = {"relu": lambda z: max(z, np.float32(0)), "tanh": np.tanh}
            y = [functions.get(activation, lambda z: z)(z) for z in y]
        x = y
    return np.array(x)


# --- the layout ------------------------------------------------------------------------------------------------------


def test_layout_of_a_perceptron_by_hand() -> None:
    layout = dense_layout((4, 16, 2))
    assert layout.names == ("W1", "b1", "W2", "b2")
    assert layout.shapes == ((4, 16), (16,), (16, 2), (2,))
    assert layout.offsets == (0, 64, 80, 112, 114)
    assert layout.size == 114


def test_unpack_by_hand() -> None:
    arrays = LAYOUT.unpack(np.arange(8.0))
    assert arrays["A"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays["b"].tolist() == [6, 7]


def test_unpack_gives_views() -> None:
    theta = np.zeros((3, 8), np.float32)
    arrays = LAYOUT.unpack(theta)
    assert arrays["A"].shape == (3, 2, 3)
    arrays["A"][1, 1, 2] = 5.0
    arrays["b"][2] = 7.0
    assert theta[1].tolist() == [0, 0, 0, 0, 0, 5, 0, 0]
    assert theta[2].tolist() == [0, 0, 0, 0, 0, 0, 7, 7]


@pytest.mark.parametrize("lead", [(), (5,), (2, 3)])
def test_pack_is_the_inverse_of_unpack(lead: tuple[int, ...]) -> None:
    theta = random(*lead, LAYOUT.size)
    arrays = LAYOUT.unpack(theta)
    packed = LAYOUT.pack(dict(reversed(arrays.items())))  # the order is the layout's, not the mapping's
    np.testing.assert_array_equal(packed, theta)
    assert not np.shares_memory(packed, theta)


def test_what_does_not_fit_a_layout_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected a vector \(..., 8\), got shape \(9,\)"):
        LAYOUT.unpack(np.zeros(9))
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        LAYOUT.unpack(np.array(1.0))
    with pytest.raises(ValueError, match="expected arrays named A, b; got A"):
        LAYOUT.pack({"A": np.zeros((2, 3))})
    with pytest.raises(ValueError, match=r"A: expected shape \(..., 2, 3\), got \(3, 2\)"):
        LAYOUT.pack({"A": np.zeros((3, 2)), "b": np.zeros(2)})
    with pytest.raises(ValueError, match="one shape for each name"):
        Layout(("A",), ((1,), (2,)))
    with pytest.raises(ValueError, match="each name once"):
        Layout(("A", "A"), ((1,), (2,)))


# --- the perceptron --------------------------------------------------------------------------------------------------


def test_the_order_of_activations_is_what_kernels_and_files_know() -> None:
    assert list(ACTIVATIONS) == ["identity", "relu", "tanh"]
    x = np.array([-2.0, 0.0, 3.0], np.float32)
    assert ACTIVATIONS["identity"](x).tolist() == [-2, 0, 3]
    assert ACTIVATIONS["relu"](x).tolist() == [0, 0, 3]
    np.testing.assert_allclose(ACTIVATIONS["tanh"](x), (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), rtol=1e-6)


def test_forward_by_hand() -> None:
    """x = (1, 2), W1 = ((1, -1), (0, 1)), b1 = (0, -4): h = relu(1, -3) = (1, 0); W2 = (5, 6), b2 = -7: y = -2."""
    theta = np.array([1, -1, 0, 1, 0, -4, 5, 6, -7], np.float32)
    x = np.array([[1, 2]], np.float32)
    assert dense_forward(theta, x, dense_layout((2, 2, 1)), "relu").tolist() == [[-2.0]]
    assert dense_forward(theta, x, dense_layout((2, 2, 1)), "identity").tolist() == [[-20.0]]  # 5 - 18 - 7


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_forward_equals_the_plain_loop(sizes: tuple[int, ...], activation: str) -> None:
    layout = dense_layout(sizes)
    theta, x = random(layout.size), random(6, sizes[0], seed=1)
    y = dense_forward(theta, x, layout, activation)
    expected = np.array([plain(theta, row, sizes, activation) for row in x])
    assert y.dtype == np.float32
    if activation == "tanh":  # the scalar and the vector tanh may differ by an ulp
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("inputs", [1, 4, 33, 500])
def test_a_layer_is_as_near_to_float64_as_float32_can_promise(inputs: int) -> None:
    """|computed - exact| <= k * eps * (|x| |W|), k the number of operations in a row: Higham, theorem 3.5."""
    layout = dense_layout((inputs, 5))
    theta, x = random(layout.size), random(8, inputs, seed=1)
    arrays = {name: array.astype(np.float64) for name, array in layout.unpack(theta).items()}
    exact = x.astype(np.float64) @ arrays["W1"] + arrays["b1"]
    scale = np.abs(x.astype(np.float64)) @ np.abs(arrays["W1"]) + np.abs(arrays["b1"])
    error = np.abs(dense_forward(theta, x, layout, "identity") - exact)
    assert (error <= (inputs + 1) * np.finfo(np.float32).eps / 2 * scale).all()


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_one_vector_equals_its_row_in_a_population(sizes: tuple[int, ...], activation: str) -> None:
    layout = dense_layout(sizes)
    thetas, x = random(9, layout.size), random(9, 13, sizes[0], seed=1)
    y = dense_forward(thetas, x, layout, activation)
    assert y.shape == (9, 13, sizes[-1])
    for p in range(9):
        assert y[p].tobytes() == dense_forward(thetas[p], x[p], layout, activation).tobytes()


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_row_does_not_depend_on_its_batch(sizes: tuple[int, ...], activation: str) -> None:
    layout = dense_layout(sizes)
    theta, x = random(layout.size), random(37, sizes[0], seed=1)
    y = dense_forward(theta, x, layout, activation)
    for count in (1, 2, 3, 8, 15, 16, 31):
        assert dense_forward(theta, x[:count], layout, activation).tobytes() == y[:count].tobytes()
    order = np.random.default_rng(2).permutation(37)
    assert dense_forward(theta, x[order], layout, activation).tobytes() == y[order].tobytes()
    assert dense_forward(theta, np.asfortranarray(x), layout, activation).tobytes() == y.tobytes()


def test_a_population_on_the_same_observations() -> None:
    layout = dense_layout((3, 4, 2))
    thetas, x = random(5, layout.size), random(6, 3, seed=1)
    y = dense_forward(thetas, x, layout, "relu")
    assert y.shape == (5, 6, 2)
    assert y[3].tobytes() == dense_forward(thetas[3], x, layout, "relu").tobytes()


def test_inputs_stay_as_they_were() -> None:
    layout = dense_layout((3, 4, 2))
    theta, x = random(layout.size), random(6, 3, seed=1)
    before = theta.copy(), x.copy()
    theta.flags.writeable = x.flags.writeable = False
    dense_forward(theta, x, layout, "relu")
    np.testing.assert_array_equal(theta, before[0])
    np.testing.assert_array_equal(x, before[1])


def test_observations_of_another_width_are_an_error() -> None:
    layout = dense_layout((3, 2))
    with pytest.raises(ValueError, match="3"):
        dense_forward(random(layout.size), random(6, 1), layout, "relu")

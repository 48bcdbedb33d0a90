from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.nn.flat import dense_forward, dense_layout
from cartwheel.policies.specification import MLP, from_data, to_data


@pytest.mark.parametrize(
    ("hidden", "inputs", "outputs", "sizes", "size"),
    [
        ((16,), 4, 2, (4, 16, 2), 4 * 16 + 16 + 16 * 2 + 2),
        ((), 4, 2, (4, 2), 4 * 2 + 2),
        ((7, 5, 3), 6, 1, (6, 7, 5, 3, 1), 42 + 7 + 35 + 5 + 15 + 3 + 3 + 1),
    ],
)
def test_sizes_by_hand(hidden: tuple[int, ...], inputs: int, outputs: int, sizes: tuple[int, ...], size: int) -> None:
    network = MLP(hidden).build(inputs, outputs)
    assert (network.sizes, network.size) == (sizes, size)
    assert network.layout == dense_layout(sizes)
    assert network.described == "-".join(map(str, sizes))


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
def test_forward_is_the_flat_one_with_its_own_activation(activation: str) -> None:
    network = MLP((5,), activation).build(3, 2)
    rng = np.random.default_rng(0)
    theta, x = rng.normal(size=(4, network.size)), rng.normal(size=(4, 6, 3))
    for thetas, xs in ((theta, x), (theta[0], x[0])):
        expected = dense_forward(thetas, xs, network.layout, activation)
        np.testing.assert_array_equal(network.forward(thetas, xs), expected)


def test_initial_vectors_have_the_stated_spread_and_no_bias() -> None:
    network = MLP((30, 20)).build(10, 4)
    theta = network.initial(np.random.default_rng(0), 200, deviation=0.5)
    assert theta.shape == (200, network.size)
    assert theta.dtype == np.float32
    arrays = network.layout.unpack(theta)
    for name in ("b1", "b2", "b3"):
        assert not arrays[name].any()
    for name in ("W1", "W2", "W3"):
        sample = arrays[name].ravel()
        assert abs(sample.mean()) < 4 * 0.5 / np.sqrt(sample.size)
        assert abs(sample.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * sample.size)
    assert len(np.unique(theta, axis=0)) == 200


def test_initial_vectors_follow_from_the_generator() -> None:
    network = MLP().build(4, 2)
    first, again, other = (network.initial(np.random.default_rng(seed), 3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    scaled = network.initial(np.random.default_rng(1), 3, deviation=4.0)
    np.testing.assert_array_equal(scaled, 4 * first)


def test_defaults_and_equality() -> None:
    assert MLP() == MLP((16,), "relu") == MLP([16], "relu")  # type: ignore[arg-type]
    assert hash(MLP([8, 4])) == hash(MLP((8, 4)))  # type: ignore[arg-type]
    assert MLP((8, 4)) != MLP((4, 8))


@pytest.mark.parametrize("units", [0, -3, 2.0, "16", True, None])
def test_units_are_counts(units: Any) -> None:
    with pytest.raises(UsageError, match="hidden: expected unit counts from 1 to 1,048,576, got"):
        MLP((16, units))


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("relo", "unknown activation 'relo'; did you mean 'relu'?"),
        ("RELU", "unknown activation 'RELU'; did you mean 'relu'?"),
        ("swish", "unknown activation 'swish'; known are: identity, relu, tanh"),
    ],
)
def test_an_unknown_activation_gets_a_suggestion(activation: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        MLP((16,), activation)
    assert str(caught.value) == message


def test_a_layer_too_large_is_told_the_limit() -> None:
    with pytest.raises(UsageError, match="to 1,048,576"):
        MLP((1 << 21,))


def test_a_bare_number_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="hidden"):
        MLP(16)  # type: ignore[arg-type]


@pytest.mark.parametrize("specification", [MLP(), MLP((), "identity"), MLP((64, 64, 3), "tanh")])
def test_a_specification_goes_to_json_and_back(specification: MLP) -> None:
    assert from_data(json.loads(json.dumps(to_data(specification)))) == specification


def test_the_words_in_files_are_for_ever() -> None:
    assert to_data(MLP((8, 4), "tanh")) == {"kind": "mlp", "hidden": [8, 4], "activation": "tanh"}


@pytest.mark.parametrize(
    "data",
    [
        *(None, 3, "mlp", [], {}),
        {"kind": "cnn", "hidden": [1], "activation": "relu"},
        {"kind": "mlp", "hidden": [1]},
        {"kind": "mlp", "activation": "relu"},
        {"kind": "mlp", "hidden": 16, "activation": "relu"},
        {"kind": "mlp", "hidden": [1.5], "activation": "relu"},
        {"kind": "mlp", "hidden": [-1], "activation": "relu"},
        {"kind": "mlp", "hidden": [1 << 40], "activation": "relu"},
        {"kind": "mlp", "hidden": [1] * 1001, "activation": "relu"},
        {"kind": "mlp", "hidden": [1], "activation": "__import__"},
        {"kind": "mlp", "hidden": [1], "activation": ["relu"]},
    ],
    ids=lambda data: str(data)[:60],
)
def test_damaged_data_are_no_specification(data: Any) -> None:
    with pytest.raises(UsageError):
        from_data(data)

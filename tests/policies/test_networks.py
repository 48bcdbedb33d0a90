"""Recurrent networks against their formulas, written out in float64, one unit of memory after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.nn.capture import capture
from cartwheel.nn.flat import dense_layout
from cartwheel.policies.networks import CELLS, Network
from cartwheel.policies.specification import MLP, Recurrent, specification

HIDDEN = [(3,), (5, 3), (4, 6, 2)]


def sigmoid(a: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-a))


def part(array: Any, gate: int, units: int) -> Any:
    """A gate's columns."""
    return array[..., gate * units : (gate + 1) * units]


def rnn(x: Any, memory: Any, w: Any, H: int) -> Any:
    return np.tanh(x @ w["cells/x2h/W"] + memory @ w["cells/h2h/W"] + w["cells/x2h/b"])


def gru(x: Any, memory: Any, w: Any, H: int) -> Any:
    ax, ah = x @ w["cells/Wx"] + w["cells/b"], memory @ w["cells/Wh"]
    r, z = (sigmoid(part(ax, gate, H) + part(ah, gate, H)) for gate in (0, 1))
    return (1 - z) * np.tanh(part(ax, 2, H) + r * part(ah, 2, H)) + z * memory


def lstm(x: Any, memory: Any, w: Any, H: int) -> Any:
    h, c = memory[:, :H], memory[:, H:]
    a = x @ w["cells/Wx"] + h @ w["cells/Wh"] + w["cells/b"]
    u, f, i, o = (function(part(a, k, H)) for k, function in enumerate((np.tanh, sigmoid, sigmoid, sigmoid)))
    c = f * c + i * u
    return np.concatenate([o * np.tanh(c), c], axis=1)


FORMULAS = {"rnn": rnn, "gru": gru, "lstm": lstm}
ACTIVATIONS = {"relu": lambda a: np.maximum(a, 0.0), "tanh": np.tanh, "identity": lambda a: a}


def by_formula(network: Any, theta: Any, xs: Any, memory: Any) -> tuple[Any, Any]:
    """All outputs (T, B, o) for xs (T, B, d), and the last memory (B, m)."""
    w, H = network.layout.unpack(theta.astype(np.float64)), network.hidden[-1]
    ys, memory = [], memory.astype(np.float64)
    for given in xs.astype(np.float64):
        x = given
        for layer in range(len(network.hidden) - 1):
            x = ACTIVATIONS[network.activation](x @ w[f"dense/{layer}/W"] + w[f"dense/{layer}/b"])
        memory = FORMULAS[network.cell](x, memory, w, H)
        ys.append(memory[:, :H] @ w["out/W"] + w["out/b"])
    return np.array(ys), memory


def made(cell: str, hidden: tuple[int, ...], activation: str = "tanh") -> Network:
    return Recurrent(cell, hidden, activation).build(4, 2)


def drawn(network: Network, T: int = 7, B: int = 5) -> tuple[Any, Any, Any]:
    """A vector with biases that are not 0, observations (T, B, d), and a memory (B, m) to begin with."""
    rng = np.random.default_rng(3)
    theta, xs = rng.normal(size=network.size), rng.normal(size=(T, B, network.inputs))
    memory = 0.5 * rng.normal(size=(B, network.memory_size))
    return tuple(array.astype(np.float32) for array in (theta, xs, memory))  # type: ignore[return-value]


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_layout_is_the_models(cell: str, hidden: tuple[int, ...]) -> None:
    network = made(cell, hidden)
    assert network.layout == network.model.layout
    assert network.size == network.model.theta.size
    assert network.sizes == (4, *hidden, 2)
    dense = dense_layout((4, *hidden[:-1])).size if len(hidden) > 1 else 0
    gates, remembered = CELLS[cell]
    rows = ((4, *hidden)[-2] + hidden[-1] + 1) * gates * hidden[-1]  # Wx, Wh and b
    assert network.size == dense + rows + (hidden[-1] + 1) * 2
    assert network.memory_size == remembered * hidden[-1]


def test_sizes_by_hand() -> None:
    """Of 4 numbers, 3 units and 2 outputs: (4 + 3 + 1) * gates * 3 + (3 + 1) * 2."""
    sizes = {cell: (made(cell, (3,)).size, made(cell, (3,)).memory_size) for cell in CELLS}
    assert sizes == {"rnn": (32, 3), "gru": (80, 3), "lstm": (104, 6)}
    assert [made(cell, (16, 3)).described for cell in CELLS] == ["4-16-rnn3-2", "4-16-gru3-2", "4-16-lstm3-2"]
    assert MLP((3,)).build(4, 2).memory_size == 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_closed_loops_follow_the_formulas(cell: str, hidden: tuple[int, ...], activation: str) -> None:
    network = made(cell, hidden, activation)
    theta, xs, first = drawn(network)
    wanted, last = by_formula(network, theta, xs, first)
    memory = first
    for x, y in zip(xs, wanted, strict=True):
        got, memory = network.advance(theta, x, memory)
        assert (got.shape, memory.shape) == ((5, 2), (5, network.memory_size))
        assert got.dtype == memory.dtype == np.float32
        np.testing.assert_allclose(got, y, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(memory, last, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_program_follows_the_formulas(cell: str) -> None:
    """What rollouts run is recorded from the network's step."""
    network = made(cell, (5, 3))
    theta, xs, memory = drawn(network, B=1)
    wanted, _ = by_formula(network, theta, xs, memory)
    program = capture(network.step)
    for x, y in zip(xs, wanted, strict=True):
        got, after = program(theta, x, memory)
        memory = np.array(after.data)
        np.testing.assert_allclose(got.data, y, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_the_models(cell: str, hidden: tuple[int, ...]) -> None:
    network = made(cell, hidden)
    theta, xs, memory = drawn(network)
    memory[:] = 0.0
    with network.model.bound_to(theta):
        for x in xs:
            expected = network.model(x).data
            got, memory = network.advance(theta, x, memory)
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_threads_may_share_a_network(cell: str) -> None:
    network = made(cell, (8,))
    theta, xs, first = drawn(network, T=300)

    def walk(scale: float) -> Any:
        memory = first
        for x in xs:
            _, memory = network.advance(theta, np.float32(scale) * x, memory)
        return memory

    scales = [0.5, 1.0, 1.5, 2.0]
    alone = [walk(scale) for scale in scales]
    with ThreadPoolExecutor(4) as pool:
        for got, expected in zip(pool.map(walk, scales), alone, strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_leaves_nothing_behind(cell: str) -> None:
    """What it remembers is in the memory that it gives, and nowhere else."""
    network = made(cell, (3,))
    theta, xs, memory = drawn(network)
    given = theta.copy(), xs.copy(), memory.copy()
    first, after = network.advance(theta, xs[0], memory)
    kept = first.copy(), after.copy()
    network.advance(theta * 2, xs[1], after)
    np.testing.assert_array_equal(network.advance(theta, xs[0], memory)[0], first)
    for array, before in zip((theta, xs, memory, first, after), (*given, *kept), strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("cell", CELLS)
def test_initial_vectors_have_no_bias(cell: str) -> None:
    network = made(cell, (6, 5))
    arrays = network.layout.unpack(network.initial(np.random.default_rng(0), 300, deviation=0.5))
    biases = {name for name in arrays if name.endswith(("/b", "/b1"))}
    assert len(biases) == 3
    for name, array in arrays.items():
        if name in biases:
            assert not array.any()
        else:
            assert abs(array.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * array.size)


def test_a_specification_by_the_name_of_its_memory() -> None:
    assert specification("none", (5, 3), "tanh") == MLP((5, 3), "tanh")
    assert specification("gru", (5, 3), "tanh") == Recurrent("gru", (5, 3), "tanh")


@pytest.mark.parametrize("hidden", [(0,), (5, -1), (2.0,), (True,), (1 << 21,), 16, "16"])
def test_units_are_counts(hidden: Any) -> None:
    with pytest.raises(UsageError, match="hidden: expected"):
        Recurrent("lstm", hidden)


def test_a_recurrent_network_has_a_recurrent_layer() -> None:
    with pytest.raises(UsageError, match="at least its recurrent layer"):
        Recurrent("gru", ())


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("lstn", "unknown cell 'lstn'; did you mean 'lstm'?"),
        ("LSTM", "unknown cell 'LSTM'; did you mean 'lstm'?"),
        ("none", "unknown cell 'none'; known are: gru, lstm, rnn"),
        (None, "unknown cell None; known are: gru, lstm, rnn"),
    ],
)
def test_an_unknown_cell_gets_a_suggestion(cell: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recurrent(cell, (3,))
    assert str(caught.value) == message


def test_an_unknown_activation_of_the_layers_before() -> None:
    with pytest.raises(UsageError, match="did you mean 'relu'"):
        Recurrent("gru", (3,), "relo")

"""The opcode that evaluates a network of any shape: against a plain evaluation in extended precision; on nonsense."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))
from graphs import random_vector
from opcode_memory import DTYPES, NONSENSE, Memory, apart, holds, row_of, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.policies.graph import ACTIVATIONS, GraphNetwork
from cartwheel.policies.specification import Graph

L = np.longdouble
SLOPES = {"sigmoid": L("4.9") / 4, "tanh": L(1)}


def network_of(activation: str = "sigmoid", recurrent: bool = True) -> GraphNetwork:
    """3 inputs, 2 outputs, up to 6 hidden nodes and 30 links."""
    return Graph(6, 24, activation, recurrent).build(3, 2)


def place(memory: Memory, network: GraphNetwork, theta: Any, x: Any, before: Any) -> tuple[list[int], int, int]:
    """The row's words for a vector, inputs and a memory, and where the values and the new memory stand."""
    values = memory.put(np.concatenate([x, np.full(network.room, np.nan), before]))
    vector, after = memory.put(theta), memory.room(network.memory_size)
    sizes = [network.inputs, network.outputs, network.room, network.links]
    kind = [list(ACTIVATIONS).index(network.activation), int(network.recurrent)]
    return [*sizes, *kind, vector, values, after], values, after


def run(network: GraphNetwork, theta: Any, x: Any, before: Any, dtype: str) -> tuple[Any, Any]:
    """The opcode's outputs (O,) and memory."""
    memory = Memory(dtype)
    words, values, after = place(memory, network, theta, x, before)
    memory.run("graph", *words)
    outputs = memory.get(values + network.inputs, network.outputs).copy()
    return outputs, memory.get(after, network.memory_size).copy()


def plainly(network: GraphNetwork, theta: Any, x: Any, before: Any) -> tuple[Any, Any]:
    """All nodes' values and the sizes of what was added up on the way to them, (N,) each, in extended precision."""
    I, N = network.inputs, network.room
    value = {k: L(v) for k, v in enumerate(x)} | {I + N + k: L(v) for k, v in enumerate(before)}
    size = dict.fromkeys(value, L(0))
    first, arrays = 0, network.layout.unpack(theta.astype(L))
    for slot, bias, end in arrays["nodes"][: int(arrays["count"][0])]:
        links = [(int(s), w) for s, w in arrays["links"][first : int(end)]]
        total = bias + sum(w * value[s] for s, w in links)
        large = abs(bias) + sum(abs(w) * (abs(value[s]) + size[s]) for s, w in links)
        if slot >= I + network.outputs:
            total = 1 / (1 + np.exp(L("-4.9") * total)) if network.activation == "sigmoid" else np.tanh(total)
            large = SLOPES[network.activation] * large + abs(total)
        value[int(slot)], size[int(slot)], first = total, large, int(end)
    nodes = range(I, I + N)
    return np.array([value[k] for k in nodes]), np.array([size[k] for k in nodes])


def check(dtype: str) -> float:
    """The worst error of outputs and memories over random networks."""
    worst = 0.0
    for seed in range(40):
        network = network_of(("sigmoid", "tanh")[seed % 2])
        rng = np.random.default_rng(seed)
        theta = random_vector(network, seed).astype(dtype)
        x, before = (rng.normal(size=n).astype(dtype) for n in (network.inputs, network.room))
        outputs, after = run(network, theta, x, before, dtype)
        values, sizes = plainly(network, theta, x, before)
        worst = max(worst, apart(outputs, values[:2], sizes[:2]), apart(after[2:], values[2:], sizes[2:]))
    return worst


AGREEMENT = {"graph": check}


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_equals_the_networks_own_evaluation(dtype: str) -> None:
    """Which rounds at the same places but for the activation: to the bit where no hidden node counts."""
    for seed in range(20):
        network = network_of(recurrent=bool(seed % 2))
        rng = np.random.default_rng(seed)
        theta = random_vector(network, seed).astype(dtype)
        x, before = rng.normal(size=(1, 3)).astype(dtype), rng.normal(size=(1, network.memory_size)).astype(dtype)
        outputs, after = run(network, theta, x[0], before[0], dtype)
        expected, memory = network.advance(theta, x, before)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(outputs, expected[0], rtol=0, atol=200 * eps)
        np.testing.assert_allclose(after, memory[0], rtol=0, atol=200 * eps)
        simple = network.initial(rng, 1)[0].astype(dtype)
        assert (
            run(network, simple, x[0], before[0], dtype)[0].tobytes() == network.advance(simple, x, before)[0].tobytes()
        )


# --- by hand ---------------------------------------------------------------------------------------------------------


def vector(network: GraphNetwork, count: float, nodes: list[list[float]], links: list[list[float]]) -> Any:
    theta = np.zeros(network.size)
    arrays = network.layout.unpack(theta)
    arrays["count"][:] = count
    arrays["nodes"][: len(nodes)] = nodes
    arrays["links"][: len(links)] = links
    return theta


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(dtype: str) -> None:
    """Inputs 1 and 2; a hidden node tanh(0.5 + 2 * 1 - 3 * 2); an output 0.25 + 4 h + 5 * (the output before)."""
    network = Graph(1, 2, "tanh", True).build(2, 1)
    theta = vector(network, 2, [[3, 0.5, 2], [2, 0.25, 4]], [[0, 2], [1, -3], [3, 4], [4, 5]])
    outputs, after = run(network, theta, [1.0, 2.0], [0.5, 7.0], dtype)
    h = np.tanh(-3.5)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(outputs, [0.25 + 4 * h + 2.5], rtol=16 * eps)
    np.testing.assert_allclose(after, [np.tanh(0.25 + 4 * h + 2.5), h], rtol=16 * eps)


def test_the_sigmoid_is_the_papers() -> None:
    network = Graph(1, 2).build(1, 1)
    theta = vector(network, 2, [[2, 0.0, 1], [1, 0.0, 2]], [[0, 1], [2, 1]])
    for x in (-100.0, -1.0, 0.0, 0.3, 100.0):
        found = run(network, theta, [x], [], "float64")[0]
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-4.9 * x)), rtol=1e-14, atol=1e-15)


# --- nonsense in a vector --------------------------------------------------------------------------------------------

NETWORK = Graph(2, 4).build(2, 1)  # slots: 0 and 1 inputs, 2 the output, 3 and 4 hidden
GOOD = vector(NETWORK, 2, [[3, 0.5, 2], [2, 0.25, 3]], [[0, 2], [1, -3], [3, 4]])
WORTH = 0.25 + 4 / (1 + np.exp(4.9 * 3.5))


def changed(place: int, value: float) -> float:
    theta = GOOD.copy()
    theta[place] = value
    found = run(NETWORK, theta, [1.0, 2.0], [], "float64")[0]
    expected = NETWORK.advance(theta, np.array([[1.0, 2.0]]), np.zeros((1, 0)))[0][0]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    return float(found[0])


OUT = [-1.0, -0.5, 5.0, 7.0, 1e9, 1e30, -1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("value", OUT)
def test_a_link_from_nowhere_is_left_out(value: float) -> None:
    source_of_the_outputs_link = 1 + 3 * 3 + 2 * 2
    assert changed(source_of_the_outputs_link, value) == 0.25


@pytest.mark.parametrize("value", [*OUT, 0.0, 1.0])
def test_a_node_that_is_none_is_left_out_and_its_links_with_it(value: float) -> None:
    assert changed(1, value) == 0.25  # the hidden node is 0 then
    assert changed(1 + 3, value) == 0.0  # the output


@pytest.mark.parametrize(("value", "worth"), [(-3.0, 0.0), (np.nan, 0.0), (1.0, 0.0), (np.inf, WORTH), (1e30, WORTH)])
def test_a_count_beyond_the_room_counts_as_the_nearest(value: float, worth: float) -> None:
    assert changed(0, value) == pytest.approx(worth, rel=1e-12)


@pytest.mark.parametrize("value", [-5.0, np.nan, 1.0, -np.inf])
def test_links_that_end_before_they_begin_are_none(value: float) -> None:
    assert changed(1 + 3 + 2, value) == 0.25


@pytest.mark.parametrize("value", [6.0, 7.0, 1e30, np.inf])
def test_links_that_end_behind_all_end_with_the_last(value: float) -> None:
    assert changed(1 + 3 + 2, value) == pytest.approx(WORTH, rel=1e-12)  # links that are left weigh 0


def test_a_node_that_is_not_computed_yet_is_0() -> None:
    theta = vector(NETWORK, 2, [[2, 0.25, 1], [3, 0.5, 3]], [[3, 4], [0, 2], [1, -3]])
    assert run(NETWORK, theta, [1.0, 2.0], [], "float64")[0] == 0.25


def test_without_a_memory_what_was_a_step_ago_can_not_be_read() -> None:
    assert changed(1 + 3 * 3 + 2 * 2, 6.0) == 0.25


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("recurrent", [False, True])
def test_any_numbers_stay_within_the_rows_memory(dtype: str, recurrent: bool) -> None:
    """`Memory.run` holds it to what its form tells."""
    network, rng = network_of(recurrent=recurrent), np.random.default_rng(0)
    wild = [np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**31, -(2.0**63), 1e6]
    for scale in (3.0, 10.0, 1e4, 1e18):
        for _ in range(25):
            theta = scale * rng.normal(size=network.size)
            theta[rng.integers(network.size, size=6)] = rng.choice(wild, 6)
            theta[0] = rng.choice([4.0, network.room, np.inf])
            run(network, theta, rng.normal(size=3), rng.normal(size=network.memory_size), dtype)


# --- rows ------------------------------------------------------------------------------------------------------------


def test_the_form_tells_of_all_that_is_touched() -> None:
    """Inputs 2, one output of two nodes, 3 links; the vector at 100, the values at 200, the memory after at 300."""
    spans = list(OPCODES["graph"].form(row_of("graph", 2, 1, 2, 3, 0, 1, 100, 200, 300)))
    found = {(span.first, span.last, span.written) for span in spans}
    assert found == {(100, 113, False), (200, 202, False), (202, 204, True), (204, 206, False), (300, 302, True)}


@pytest.mark.parametrize(
    "words",
    [
        (-1, 1, 2, 3, 0, 0, 100, 200, 300),
        (2, 0, 2, 3, 0, 0, 100, 200, 300),
        (2, 3, 2, 3, 0, 0, 100, 200, 300),
        (2, 1, 2, -3, 0, 0, 100, 200, 300),
        (2, 1, 2, 3, 2, 0, 100, 200, 300),
        (2, 1, 2, 3, 0, 2, 100, 200, 300),
        (2, 1, 2, 3, 0, 0, 100, 110, 300),  # the values over the vector
        (2, 1, 2, 3, 0, 1, 100, 200, 205),  # the memory after over the one before
    ],
)
def test_rows_that_make_no_sense_are_refused(words: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=NONSENSE):
        list(OPCODES["graph"].form(row_of("graph", *words)))


def run_all_plainly() -> None:
    for dtype in DTYPES:
        holds("graph", check(dtype))
    test_by_hand("float32")
    test_a_link_from_nowhere_is_left_out(np.nan)
    test_any_numbers_stay_within_the_rows_memory("float32", True)


def test_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_graph", "run_all_plainly()")

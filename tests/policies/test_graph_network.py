"""Networks of any shape as policies: their sizes, their files, and what is refused of a stranger's vector."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from graphs import random_vector

from cartwheel import Policy, load, save
from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.specification import Graph, from_data, to_data
from cartwheel.spaces import Box, Discrete

SEEN, CHOICE = Box((2,), (-9.0,) * 2, (9.0,) * 2), Discrete(2)


def network_of(**options: Any) -> GraphNetwork:
    return Graph(**options).build(2, 2)


def test_sizes_by_hand() -> None:
    """2 outputs and 3 hidden nodes of 3 numbers, 4 + 5 links of 2, and how many nodes there are."""
    network = network_of(nodes=3, links=5)
    assert (network.size, network.room, network.slots, network.memory_size) == (1 + 5 * 3 + 9 * 2, 5, 7, 0)
    network = network_of(nodes=3, links=5, recurrent=True)
    assert (network.size, network.room, network.slots, network.memory_size) == (1 + 5 * 3 + 9 * 2, 5, 12, 5)
    assert network.described == "2-graph-2"


def test_the_first_networks_link_all_inputs_to_all_outputs() -> None:
    network = network_of()
    theta = network.initial(np.random.default_rng(0), 500, 0.5)
    for one in theta[:5]:
        network.check(one)
        nodes = list(network.read(one))
        assert [node.slot for node in nodes] == [2, 3]
        assert all(node.sources.tolist() == [0, 1] for node in nodes)
    arrays = network.layout.unpack(theta)
    for numbers in (arrays["nodes"][:, :2, 1], arrays["links"][:, :4, 1]):
        assert abs(numbers.std() - 0.5) < 0.05
        assert len(np.unique(numbers)) == numbers.size


def test_outputs_are_sums_and_memories_are_not() -> None:
    network = network_of(nodes=0, links=0, recurrent=True)
    theta = network.initial(np.random.default_rng(0), 1)[0].astype(np.float64)
    x = np.array([[3.0, -5.0], [0.0, 1.0]])
    y, memory = network.advance(theta, x, np.zeros((2, 2)))
    arrays = network.layout.unpack(theta)
    np.testing.assert_allclose(y, x @ arrays["links"][:, 1].reshape(2, 2).T + arrays["nodes"][:, 1], rtol=1e-12)
    np.testing.assert_allclose(memory, 1 / (1 + np.exp(-4.9 * y)), rtol=1e-12)


@pytest.mark.parametrize("specification", [Graph(), Graph(0, 0, "tanh", True), Graph(7, 9, "sigmoid", False)])
def test_a_specification_goes_to_data_and_back(specification: Graph) -> None:
    assert from_data(to_data(specification)) == specification


def test_the_words_in_files_are_for_ever() -> None:
    expected = {"kind": "graph", "nodes": 3, "links": 5, "activation": "tanh", "recurrent": True}
    assert to_data(Graph(3, 5, "tanh", True)) == expected


@pytest.mark.parametrize(
    "change",
    [
        *({"nodes": value} for value in (-1, 1.0, "1", True, None, 1 << 40)),
        *({"links": value} for value in (-1, 2.5, [1], 1 << 40)),
        *({"activation": value} for value in ("relu", "exec", None, ["tanh"])),
        *({"recurrent": value} for value in (1, "yes", None)),
        {"hidden": [3]},
        {"kind": "mlp"},
    ],
    ids=str,
)
def test_damaged_data_are_no_specification(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        from_data({**to_data(Graph()), **change})


def test_a_network_beyond_what_floats_can_count_is_refused() -> None:
    with pytest.raises(UsageError, match="is too large"):
        Graph(1 << 20, 1 << 20).build(1 << 10, 1 << 14)


# --- vectors ---------------------------------------------------------------------------------------------------------


def policy(theta: Any, **options: Any) -> Policy:
    return Policy(Graph(6, 20, "sigmoid", **options), SEEN, CHOICE, theta)


def good(recurrent: bool = False) -> Any:
    return random_vector(Graph(6, 20, "sigmoid", recurrent).build(2, 2), 3)


NODE, LINK = 1, 1 + 8 * 3  # where nodes and links begin in the vector


def test_what_is_refused_would_have_been_a_policy() -> None:
    assert policy(good()).act([0.5, 0.5])[0] in (0, 1)
    made = policy(good(recurrent=True), recurrent=True)
    assert made.act([0.5, 0.5])[1].shape == (8,)
    assert repr(made) == "Policy(2-graph-2, sigmoid, 73 parameters)"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (0, 1.0, "has to compute 2 to 8 nodes, not 1"),
        (0, 9.0, "has to compute 2 to 8 nodes, not 9"),
        (0, 2.5, "has to compute 2 to 8 nodes, not 2.5"),
        (0, -1e30, "has to compute 2 to 8 nodes"),
        (NODE, 1.0, "have to be all outputs and different: slots from 2 to 9"),
        (NODE, 10.0, "have to be all outputs and different"),
        (NODE, 4.5, "have to be all outputs and different"),
        (NODE, 2.0, "have to be all outputs and different"),
        (NODE + 3 * 7, 5.0, "have to be all outputs and different"),
        (NODE + 2, -1.0, "have to end one after the other"),
        (NODE + 2, 1.5, "have to end one after the other"),
        (NODE + 3 * 7 + 2, 25.0, "have to end one after the other, at 24 or before"),
        (NODE + 3 * 7 + 2, 3.0, "have to end one after the other"),
        (LINK, 2.0, "reads slot 2, which has no value then"),
        (LINK, 0.5, "reads slot 0.5, which has no value then"),
        (LINK, -1.0, "reads slot -1, which has no value then"),
        (LINK, 10.0, "reads slot 10, which has no value then"),
        (LINK, 1e30, "reads slot 1e"),
    ],
)
def test_a_vector_that_tells_no_network_is_refused(place: int, value: float, problem: str) -> None:
    theta = good()
    theta[place] = value
    with pytest.raises(UsageError, match=problem):
        policy(theta)


def test_a_step_ago_can_be_read_of_what_is_computed_only() -> None:
    theta = good(recurrent=True)
    first = theta[NODE]
    theta[LINK] = first + 8  # the first node's own value of before
    policy(theta, recurrent=True)
    theta[LINK] = 18.0
    with pytest.raises(UsageError, match="reads slot 18, which has no value then"):
        policy(theta, recurrent=True)
    theta = Graph(6, 20, "sigmoid", True).build(2, 2).initial(np.random.default_rng(0), 1)[0]
    theta[LINK] = 2 + 8 + 4  # a hidden node that is not there
    with pytest.raises(UsageError, match="reads slot 14"):
        policy(theta, recurrent=True)


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_policy_goes_to_a_file_and_back(tmp_path: Path, recurrent: bool) -> None:
    made = policy(good(recurrent), recurrent=recurrent)
    again = load(save(made, tmp_path / "graph.safetensors"))
    assert again.specification == made.specification
    memories: list[Any] = [None, None]
    for seen in np.random.default_rng(0).normal(size=(20, 2)):
        acts = [one.act(seen, memory) for one, memory in zip((made, again), memories, strict=True)]
        memories = [memory for _, memory in acts]
        assert acts[0][0] == acts[1][0]


def test_a_file_that_points_outside_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theta = good()
    theta[LINK] = 1e6
    monkeypatch.setattr(GraphNetwork, "check", lambda self, theta: None)
    file = save(policy(theta), tmp_path / "graph.safetensors")
    monkeypatch.undo()
    with pytest.raises(StorageError, match=r"not a policy that can be used: the graph's node \d reads slot 1e"):
        load(file)

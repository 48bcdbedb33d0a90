"""Tables of values as policies: rows, engines, files, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.envs.environment import find_environment
from cartwheel.errors import StorageError, UsageError
from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.play import play
from cartwheel.experience.records import Request
from cartwheel.experience.rollouts import GeneralRollout
from cartwheel.kernels.acting import act
from cartwheel.policies.actions import action_head
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import Table, from_data, to_data
from cartwheel.policies.table import TableNetwork
from cartwheel.spaces import Box, Discrete, MultiDiscrete
from cartwheel.storage.arrays import pack
from cartwheel.storage.policy_file import load as load_policy
from cartwheel.storage.policy_file import save

Q = np.array([[1.0, 2.0, 2.0], [5.0, -1.0, 5.0], [0.0, 0.0, 0.5], [-3.0, -3.0, -3.0]], np.float32)


def table(observations: Any = None, actions: Any = None) -> Policy:
    return Policy(Table(), observations or Discrete(4), actions or Discrete(3), Q.ravel())


def test_the_outputs_are_the_row_of_the_observation() -> None:
    network = Table().build(4, 3)
    assert (network.size, network.memory_size, network.described) == (12, 0, "4x3 table")
    assert network.layout.unpack(Q.ravel())["Q"].tolist() == Q.tolist()
    y, memory = network.advance(Q.ravel(), np.eye(4, dtype=np.float32)[[2, 0]], np.zeros((2, 0), np.float32))
    assert y.tolist() == Q[[2, 0]].tolist()
    assert memory.shape == (2, 0)
    stepped = network.step(Q.ravel(), np.eye(4, dtype=np.float32)[[2, 0]])
    assert stepped.data.tolist() == Q[[2, 0]].tolist()


def test_the_greedy_action_is_the_first_largest() -> None:
    policy = table()
    assert [int(policy.act(state)[0]) for state in range(4)] == [1, 0, 2, 0]
    shifted = table(Discrete(4, 10), Discrete(3, -1))
    assert [int(shifted.act(10 + state)[0]) for state in range(4)] == [0, -1, 1, -1]


def test_a_table_acts_in_lanes_as_its_twin_does() -> None:
    """Compiled and plain, to the bit; each lane with a table of its own."""
    rng, network, head = np.random.default_rng(0), TableNetwork(7, 5, "identity"), action_head(Discrete(5))
    actor = Actor(network, head)
    assert actor.engine == "program"
    theta, x = rng.normal(size=(9, 35)).astype(np.float32), rng.normal(size=(9, 7)).astype(np.float32)
    room = actor.lanes(9)
    for lane in range(9):
        load(room, lane, theta[lane])
    room.layers[0, :7, :9] = x.T
    act(9, *room)
    rows = [network.advance(theta[lane], x[lane, None], np.zeros((1, 0)))[0][0] for lane in range(9)]
    assert room.action[0, :9].tolist() == [float(row.argmax()) for row in rows]
    assert len(set(room.action[0, :9])) > 2


def test_a_rollout_measures_a_table() -> None:
    """CliffWalking along the edge: up once, right eleven times, down once, for -13; all to the right falls off."""
    found = find_environment("CliffWalking-v1", max_episode_steps=20)
    best, worst = np.zeros((2, 48, 4), np.float32)
    best[36, 0] = best[24:35, 1] = best[35, 2] = 1.0
    worst[:, 1] = 1.0
    rollout = GeneralRollout(found, Table())
    measured = rollout(Request(parameters=np.stack([best.ravel(), worst.ravel()]), episodes=2), np.array([1, 2]))
    assert measured.returns.tolist() == [[-13.0] * 2, [-2000.0] * 2]
    rollout.close()
    policy = Policy(Table(), found.observation_space, found.action_space, best.ravel())
    assert play(found, policy, 3).return_ == -13.0


def test_a_table_goes_through_a_file(tmp_path: Path) -> None:
    file = save(table(), tmp_path / "policy.safetensors")
    again = load_policy(file)
    assert again.specification == Table()
    assert again.theta.tobytes() == Q.tobytes()
    assert [int(again.act(state)[0]) for state in range(4)] == [1, 0, 2, 0]


def test_a_specification_is_plain_data() -> None:
    assert to_data(Table()) == {"kind": "table"}
    assert from_data({"kind": "table"}) == Table()
    with pytest.raises(UsageError, match="not the specification"):
        from_data({"kind": "table", "hidden": [3]})


@pytest.mark.parametrize(
    ("observations", "actions", "came"),
    [
        (Box((2,), (-1.0,) * 2, (1.0,) * 2), Discrete(6), "Box and Discrete"),
        (Discrete(4), Box((3,), (-1.0,) * 3, (1.0,) * 3), "Discrete and Box"),
        (MultiDiscrete((1,), (4,), (0,)), Discrete(3), "MultiDiscrete and Discrete"),
    ],
)
def test_other_spaces_are_refused(observations: Any, actions: Any, came: str) -> None:
    with pytest.raises(UsageError, match=f"that are Discrete, got {came}; take an algorithm whose policies"):
        table(observations, actions)
    with pytest.raises(UsageError, match="Discrete, got Box and Discrete"):
        GeneralRollout(find_environment("CartPole-v1"), Table())


def test_a_file_whose_table_does_not_fit_its_spaces_is_refused(tmp_path: Path) -> None:
    file, metadata = (
        tmp_path / "policy.safetensors",
        {"kind": "policy", "specification": {"kind": "table"}, "about": {}},
    )
    for observations, actions, theta, message in (
        (4, 3, Q.ravel()[:11].copy(), "expected a vector of 12 parameters for a network 4x3 table"),
        (1 << 30, 3, Q.ravel(), "larger than a network of 12 parameters"),
        (4, 3, np.full(12, np.nan, np.float32), "have to be finite"),
    ):
        spaces = {
            "observation_space": {"kind": "discrete", "n": observations, "start": 0},
            "action_space": {"kind": "discrete", "n": actions, "start": 0},
        }
        file.write_bytes(pack({"theta": theta}, {**metadata, **spaces}))
        with pytest.raises(StorageError, match=message):
            load_policy(file)


def test_first_tables_are_drawn() -> None:
    first = TableNetwork(40, 30, "identity").initial(np.random.default_rng(0), 2, 0.5)
    assert (first.shape, first.dtype) == ((2, 1200), np.float32)
    assert first.std() == pytest.approx(0.5, rel=0.1)

"""`Policy.act` by compiled code, on the arrays of a Box: against its plain twin, against lanes, and what it refuses."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from graphs import random_vector

from cartwheel.errors import UsageError
from cartwheel.experience.lanes import Actor, load
from cartwheel.kernels.acting import act
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP, Dueling, Graph, Recurrent, Specification, Stacked, Stochastic
from cartwheel.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from cartwheel.storage.policy_file import load as load_policy
from cartwheel.storage.policy_file import save

SEEN = Box((5,), (-9.0,) * 5, (9.0,) * 5)
CHOICE = Discrete(3, start=-4)
SWIM = Box((2,), (-2.0, 0.5), (2.0, 3.0))
THROUGH = Normalisation(np.array([0.1, -0.2, 0.5, 0.0, 1.0]), np.array([2.0, 30.0, 0.5, 1.0, 3.0]))
WHOLE = Box((2, 1), (-3.0, 0.0), (4.0, 9.0), "int16")
OPEN = Box((2,), (-np.inf, -0.5), (0.25, np.inf), "float64")

SPECIFICATIONS: list[Specification] = [
    MLP(()),
    MLP((64, 64), "tanh"),
    MLP((7, 20), "relu"),
    Stochastic((9,)),
    Stochastic((9, 6), cell="lstm"),
    Recurrent("rnn", (6, 5), "tanh"),
    Recurrent("gru", (16,)),
    Recurrent("lstm", (3, 8)),
    Stacked(3, MLP((8,), "tanh")),
    Stacked(2, Stochastic((8,))),
    Graph(6, 24),
    Graph(6, 24, "tanh", recurrent=True),
]
ACTIONS: list[Space] = [CHOICE, MultiDiscrete((1, 2), (2, 4), (0, 3)), MultiBinary((2, 2)), SWIM, WHOLE]
CASES = [
    *((specification, space) for specification in SPECIFICATIONS for space in ACTIONS),
    (Dueling((8,), "tanh"), CHOICE),
    (Stacked(4, Dueling((8,), "tanh")), CHOICE),
    (Stochastic((9,)), OPEN),
]


def drawn(specification: Specification, action: Space = CHOICE, normalisation: Any = None, seed: int = 0) -> Policy:
    """A policy of random numbers."""
    network = build_network(specification, SEEN, action)
    theta = np.random.default_rng(seed).normal(scale=0.6, size=network.size)
    if isinstance(network, GraphNetwork):
        theta = random_vector(network, seed)
    return Policy(specification, SEEN, action, theta, normalisation)


def plain(policy: Policy) -> Policy:
    """The same policy, acting by NumPy."""
    twin = copy.copy(policy)
    vars(twin)["_compiled"] = None
    return twin


def observations(count: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(scale=2.0, size=(count, 5)).astype(np.float32)


def episode(policy: Policy, shown: Any) -> tuple[list[Any], list[Any]]:
    """What a policy does about these observations, one after the other, and what it remembers of them."""
    memory, actions, memories = None, [], []
    for x in shown:
        action, memory = policy.act(x, memory)
        actions.append(action)
        memories.append(memory)
    return actions, memories


def same(first: Any, second: Any) -> bool:
    """Whether two things that `episode` gave are equal to the bit, types included."""
    return pickle.dumps(first) == pickle.dumps(second)


@pytest.mark.parametrize("through", [None, THROUGH], ids=["", "normalised"])
@pytest.mark.parametrize(("specification", "space"), CASES, ids=str)
def test_agrees_with_numpy(specification: Specification, space: Space, through: Any) -> None:
    policy, shown = drawn(specification, space, through), observations(25)
    (actions, memories), (expected, known) = episode(policy, shown), episode(plain(policy), shown)
    assert policy._compiled is not None
    for action, wanted in zip(actions, expected, strict=True):
        assert type(action) is type(wanted)
        assert (action.dtype, action.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(action, wanted, rtol=1e-5, atol=1e-5)
    assert len({action.tobytes() for action in actions}) > 1
    if policy.memory_size:
        np.testing.assert_allclose(np.array(memories), np.array(known), rtol=1e-4, atol=1e-5)
        assert {(after.shape, after.dtype) for after in memories} == {((policy.memory_size,), np.dtype(np.float32))}
    else:
        assert memories == known == [None] * 25


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=str)
def test_has_the_numbers_of_a_rollout_to_the_bit(specification: Specification) -> None:
    policy, shown = drawn(specification, SWIM, THROUGH), observations(30)
    room = Actor(policy.network, policy.head).lanes(1, THROUGH)
    load(room, 0, policy.theta)
    expected = []
    for x in shown:
        room.layers[0, :5, 0] = x
        act(1, *room)
        expected.append(room.action[:, 0].copy())
    actions, _ = episode(policy, shown)
    assert np.array(actions).tobytes() == np.array(expected).tobytes()


def test_acts_by_hand() -> None:
    """Discrete actions begin at the space's start, and are NumPy's integers; the first of equals is taken."""
    network = build_network(MLP(()), SEEN, CHOICE)
    policy = Policy(MLP(()), SEEN, CHOICE, network.layout.pack({"W1": np.eye(5)[:, :3], "b1": np.zeros(3)}))
    for x, action in ([0, 1, 2, 9, 9], -2), ([3, 1, 2, 9, 9], -4), ([0, 1, 1, 9, 9], -3), ([0, 0, 0, 9, 9], -4):
        got, memory = policy.act(np.array(x, np.float32))
        assert (type(got), int(got), memory) == (np.int64, action, None)


# --- observations ----------------------------------------------------------------------------------------------------


def unaligned(x: Any) -> Any:
    """The same numbers, a byte further on than they should lie."""
    room = np.zeros(x.nbytes + 1, np.uint8)
    room[1:] = x.view(np.uint8)
    return room[1:].view(np.float32)


FORMS = {
    "a column": lambda x: np.stack([x + 1, x, x - 1], axis=1)[:, 1],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32),
    "unaligned": unaligned,
    "float64": lambda x: x.astype(np.float64),
    "big-endian": lambda x: x.astype(">f4"),
    "a list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_array_may_lie_as_it_likes(form: Any) -> None:
    policy = drawn(MLP((8,), "tanh"), SWIM)
    for x in observations(5):
        np.testing.assert_allclose(policy.act(form(x))[0], policy.act(x)[0], rtol=1e-6)


def test_observations_stay_as_they_are() -> None:
    shown = observations(4)
    before = shown.copy()
    episode(drawn(Recurrent("gru", (4,)), CHOICE, THROUGH), shown)
    assert shown.tobytes() == before.tobytes()


@pytest.mark.parametrize("specification", [MLP((4,)), Recurrent("lstm", (4,))], ids=str)
@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (np.zeros(4, np.float32), "not an observation of this policy's space: expected shape (5,), got (4,)"),
        (np.zeros(6, np.float32), "not an observation of this policy's space: expected shape (5,), got (6,)"),
        (np.zeros((1, 5), np.float32), "not an observation of this policy's space: expected shape (5,), got (1, 5)"),
        (np.zeros((), np.float32), "not an observation of this policy's space: expected shape (5,), got ()"),
        (np.array(list("abcde")), "not an observation of this policy's space: expected numbers, got array(['a'"),
        (np.array([0, 0, 0, 0, np.nan], np.float32), "the observation is not finite"),
        (np.array([np.inf, 0, 0, 0, 0], np.float32), "the observation is not finite"),
        (np.array([0, -np.inf, 0, 0, 0]), "the observation is not finite"),
        (np.array([0, 1e300, 0, 0, 0]), "the observation is not finite"),
    ],
)
def test_a_wrong_array_is_a_usage_error(specification: Specification, wrong: Any, problem: str) -> None:
    policy, shown = drawn(specification), observations(6)
    expected = episode(policy, shown)
    with pytest.raises(UsageError) as caught:
        policy.act(wrong)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)
    assert same(episode(policy, shown), expected)  # and leaves nothing behind


def test_a_box_of_more_dimensions() -> None:
    tall = Box((2, 3), (-9.0,) * 6, (9.0,) * 6)
    theta = np.random.default_rng(0).normal(size=build_network(MLP(()), tall, SWIM).size)
    policy = Policy(MLP(()), tall, SWIM, theta)
    x = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_allclose(policy.act(x)[0], plain(policy).act(x)[0], rtol=1e-6)
    np.testing.assert_array_equal(policy.act(np.asfortranarray(x))[0], policy.act(x)[0])
    with pytest.raises(UsageError, match=r"expected shape \(2, 3\), got \(6,\)"):
        policy.act(x.ravel())


def test_other_spaces_are_looked_at_as_ever() -> None:
    bits = MultiBinary((2,))
    policy = Policy(MLP(()), bits, Discrete(2), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    assert [int(policy.act(np.array(x, np.float32))[0]) for x in ([1, 0], [0, 1])] == [0, 1]
    with pytest.raises(UsageError, match="expected zeros and ones"):
        policy.act(np.array([0.5, 1.0], np.float32))


# --- memories, threads, copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_memory_is_the_callers(cell: str) -> None:
    """What was given back stays as it is, what is handed in counts alone, and None is an empty one."""
    policy, (x, y) = drawn(Recurrent(cell, (6,)), SWIM), observations(2)
    first, memory = policy.act(x)
    kept = memory.copy()
    memory.flags.writeable = False
    second, after = policy.act(y, memory)
    assert memory.tobytes() == kept.tobytes()
    assert not np.array_equal(after, kept)
    assert same(policy.act(y, kept.tolist()), (second, after))
    assert same(policy.act(x), (first, kept))
    assert same(policy.act(x, np.zeros(policy.memory_size)), (first, kept))
    with pytest.raises(UsageError, match=rf"expected a memory \({policy.memory_size},\)"):
        policy.act(x, kept[:-1])


def test_a_feed_forward_policy_refuses_a_memory() -> None:
    policy, x = drawn(MLP((4,))), observations(1)[0]
    assert policy.act(x, np.zeros(0))[1] is None
    with pytest.raises(UsageError, match=r"expected a memory \(0,\)"):
        policy.act(x, np.zeros(3))


def test_what_was_done_stays_as_it_was() -> None:
    """Actions are arrays of their own, for spaces of any kind."""
    for space in ACTIONS[1:]:
        policy, (x, *others) = drawn(MLP((4,)), space), observations(10)
        action, _ = policy.act(x)
        kept = action.copy()
        assert any(not np.array_equal(policy.act(other)[0], kept) for other in others)
        assert action.tobytes() == kept.tobytes()


@pytest.mark.parametrize("specification", [MLP((64, 64), "tanh"), Recurrent("lstm", (64,))], ids=str)
def test_threads_share_a_policy(specification: Specification) -> None:
    """Each thread has observations of its own, and gets what it would get alone."""
    policy, each = drawn(specification, SWIM), [observations(1000, seed) for seed in range(4)]
    expected = [episode(policy, shown) for shown in each]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        found[number] = episode(policy, each[number])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [same(found[number], expected[number]) for number in range(4)] == [True] * 4


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), replace])
def test_a_policy_that_has_acted_is_copied_as_another_is(again: Any) -> None:
    policy, shown = drawn(Recurrent("gru", (6,)), SWIM, THROUGH), observations(8)
    expected = episode(policy, shown)
    made = again(policy)
    assert set(made.__getstate__()) == {field.name for field in fields(Policy)}
    assert same(episode(made, shown), expected)
    with pytest.raises(ValueError, match="read-only"):
        made.theta[0] = 3.0


def test_policies_of_one_network_keep_apart() -> None:
    first, second, shown = drawn(MLP((6,)), SWIM), drawn(MLP((6,)), SWIM, seed=1), observations(5)
    expected = episode(first, shown)
    assert not same(episode(second, shown), expected)
    assert same(episode(first, shown), expected)


ELSEWHERE = """
import sys
{before}
import numpy as np, cartwheel
policy, memory = cartwheel.load(sys.argv[1]), None
for x in np.load(sys.argv[2]):
    action, memory = policy.act(x, memory)
    print(*action)
"""


@pytest.mark.parametrize(
    ("before", "variables"),
    [("sys.modules['numba'] = None", {}), ("", {"NUMBA_DISABLE_JIT": "1"})],
    ids=["without Numba", "compilation off"],
)
def test_it_acts_wherever_it_is(tmp_path: Path, before: str, variables: dict[str, str]) -> None:
    policy, shown = drawn(Recurrent("gru", (6,)), SWIM, THROUGH), observations(4)
    file = save(policy, tmp_path / "policy")
    np.save(tmp_path / "shown.npy", shown)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE.format(before=before), str(file), str(tmp_path / "shown.npy")],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got = [[float(number) for number in line.split()] for line in done.stdout.splitlines()]
    np.testing.assert_allclose(got, episode(load_policy(file), shown)[0], rtol=1e-5)


def test_what_is_no_generator_and_no_batch_is_said() -> None:
    space = Box((3,), (-1.0,) * 3, (1.0,) * 3)
    network = build_network(MLP((4,)), space, Discrete(2))
    policy = Policy(MLP((4,)), space, Discrete(2), network.initial(np.random.default_rng(0), 1)[0])
    with pytest.raises(UsageError, match="rng: expected a NumPy Generator, or None, got 0"):
        policy.act(np.zeros(3, np.float32), rng=0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected at least one observation, got none"):
        policy.predict(np.zeros((0, 3), np.float32))

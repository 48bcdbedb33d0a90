from __future__ import annotations

import math
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storage_faults import begin, end, flipped

from cartwheel import spaces
from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP, Recurrent, Stacked
from cartwheel.storage.arrays import pack, unpack
from cartwheel.storage.checkpoint import Checkpoints
from cartwheel.storage.policy_file import load, read_about, save

BOX = spaces.Box((2,), (-math.inf, -1.0), (math.inf, 1.0))
TWO = spaces.Discrete(2)
NESTED = spaces.Dict(("p", "q"), (spaces.Discrete(3, start=-1), spaces.Tuple((BOX, spaces.MultiBinary((2, 2))))))


def policy(hidden: tuple[int, ...] = (2,), obs: spaces.Space = BOX, act: spaces.Space = TWO) -> Policy:
    network = build_network(MLP(hidden, "tanh"), obs, act)
    return Policy(MLP(hidden, "tanh"), obs, act, np.random.default_rng(1).standard_normal(network.size))


def same(a: Policy, b: Policy) -> bool:
    parts = [(p.specification, p.observation_space, p.action_space, p.theta.tobytes()) for p in (a, b)]
    return parts[0] == parts[1]


@pytest.mark.parametrize(
    ("obs", "act"),
    [
        (BOX, spaces.Discrete(2, start=5)),
        (NESTED, spaces.MultiDiscrete((2,), (2, 3), (0, -1))),
        (spaces.Discrete(4), spaces.Box((1,), (-1.0,), (1.0,))),
    ],
)
@pytest.mark.parametrize("hidden", [(), (3, 4)])
def test_a_policy_comes_back(tmp_path, obs, act, hidden):
    saved = policy(hidden, obs, act)
    assert save(saved, str(tmp_path / "p.safetensors")) == tmp_path / "p.safetensors"
    assert same(load(tmp_path / "p.safetensors"), saved)
    assert read_about(tmp_path / "p.safetensors") == {}


@pytest.mark.parametrize("through", [None, Normalisation(np.array([0.5, -2.0]), np.array([3.0, 0.25]))], ids=type)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_policy_that_remembers_comes_back(tmp_path, cell, through):
    kind = Recurrent(cell, (4, 3), "tanh")
    theta = np.random.default_rng(1).standard_normal(build_network(kind, BOX, TWO).size)
    saved = Policy(kind, BOX, TWO, theta, through)
    again = load(save(saved, tmp_path / "p"))
    assert same(again, saved)
    assert (again.normalisation is None) == (through is None)
    if through is not None:
        np.testing.assert_array_equal(again.normalisation.shift, through.shift)
        np.testing.assert_array_equal(again.normalisation.scale, through.scale)
    memories = [None, None]
    for obs in np.random.default_rng(2).uniform(-1, 1, (20, 2)).astype(np.float32):
        (action, memories[0]), (other, memories[1]) = saved.act(obs, memories[0]), again.act(obs, memories[1])
        assert action == other
        np.testing.assert_array_equal(*memories)


def test_what_is_said_about_it_comes_back(tmp_path):
    about = {"environment": "CartPole-v1", "test": {"mean": np.float64(487.25), "std": math.inf, "episodes": 100}}
    path = save(policy(), tmp_path / "p", about)
    assert read_about(path) == about
    with pytest.raises(StorageError, match="about, factory: expected numbers, texts, lists and tables, got function"):
        save(policy(), tmp_path / "q", {"factory": policy})
    assert not (tmp_path / "q").exists()


def test_a_run_folder_stands_for_its_policy(tmp_path):
    saved = policy()
    save(saved, tmp_path / "policy.safetensors", {"a": 1})
    assert same(load(tmp_path), saved)
    assert read_about(tmp_path) == {"a": 1}


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(StorageError, match="no such file") as caught:
        load(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_every_truncation_and_every_flipped_bit_is_noticed_or_harmless(tmp_path, monkeypatch):
    saved, path = policy(), tmp_path / "p"
    data = save(saved, path).read_bytes()
    content = [data]  # thousands of real files would take half a minute
    monkeypatch.setattr("cartwheel.storage.policy_file.read_whole", lambda path: content[0])
    for length in range(len(data)):
        content[0] = data[:length]
        with pytest.raises(StorageError, match="damaged"):
            load(path)
    harmless, problems = 0, set()
    for bit in range(8 * len(data)):
        content[0] = flipped(data, bit)
        try:
            other = load(path)
        except StorageError as problem:
            problems.add(str(problem).split(": ")[0])
        else:
            harmless += 1
            assert same(other, saved)
    assert harmless <= 16
    assert problems == {str(path)}


def changed(theta: Any = None, **entries: Any) -> bytes:
    """A file that is sound but for what is in it."""
    arrays, metadata = unpack(DATA, "here")
    return pack(arrays if theta is None else {"theta": theta}, {**metadata, **entries})


DATA = pack(
    {"theta": policy().theta},
    {
        "kind": "policy",
        "specification": {"kind": "mlp", "hidden": [2], "activation": "tanh"},
        "observation_space": spaces.to_data(BOX),
        "action_space": spaces.to_data(spaces.Discrete(2)),
        "about": {},
    },
)


def test_the_format_of_files_that_are_out_there(tmp_path):
    (tmp_path / "p").write_bytes(DATA)
    assert same(load(tmp_path / "p"), policy())


def normalised(**arrays: Any) -> bytes:
    """A file with these arrays beside theta."""
    kept, metadata = unpack(DATA, "here")
    return pack({**kept, **arrays}, metadata)


HUGE = 2**31 - 1
REMEMBERING = {"kind": "recurrent", "cell": "gru", "hidden": [2], "activation": "tanh"}
SOUND = np.ones(2, np.float32)
UNUSABLE = {
    "kind": changed(kind="checkpoint"),
    "other arrays": pack({"weights": np.zeros(12, np.float32)}, {"kind": "policy"}),
    "nothing": pack({}, {}),
    "specification": changed(specification={"kind": "pickle"}),
    "activation": changed(specification={"kind": "mlp", "hidden": [2], "activation": "exec"}),
    "units": changed(specification={"kind": "mlp", "hidden": [2**40], "activation": "tanh"}),
    "many layers": changed(specification={"kind": "mlp", "hidden": [2**20] * 1000, "activation": "tanh"}),
    "space": changed(observation_space={"kind": "box"}),
    "unbounded": changed(action_space=spaces.to_data(BOX)),
    "too few": changed(theta=np.zeros(11, np.float32)),
    "matrix": changed(theta=np.zeros((1, 12), np.float32)),
    "type": changed(theta=np.zeros(12, np.float64)),
    "NaN": changed(theta=np.full(12, np.nan, np.float32)),
    "observations": changed(observation_space={"kind": "discrete", "n": HUGE, "start": 0}),
    "actions": changed(action_space={"kind": "discrete", "n": HUGE, "start": 0}),
    "bits": changed(action_space={"kind": "multi-binary", "shape": [HUGE]}),
    "more bits": changed(action_space={"kind": "multi-binary", "shape": [HUGE, HUGE, HUGE]}),
    "cell": changed(specification={**REMEMBERING, "cell": "exec"}),
    "no text for a cell": changed(specification={**REMEMBERING, "cell": ["gru"]}),
    "no cell": changed(specification={name: REMEMBERING[name] for name in ("kind", "hidden", "activation")}),
    "no units": changed(specification={name: REMEMBERING[name] for name in ("kind", "cell", "activation")}),
    "no hidden layer": changed(specification={**REMEMBERING, "hidden": []}),
    "a cell without memory": changed(specification={"kind": "mlp", "hidden": [2], "activation": "tanh", "cell": "gru"}),
    "many cells": changed(specification={**REMEMBERING, "hidden": [2**20]}),
    "many cells of each kind": changed(specification={**REMEMBERING, "cell": "lstm", "hidden": [2**20] * 1000}),
    "shift without scale": normalised(shift=SOUND),
    "scale without shift": normalised(scale=SOUND),
    "NaN for a scale": normalised(shift=SOUND, scale=np.array([1.0, np.nan], np.float32)),
    "infinite shift": normalised(shift=np.array([np.inf, 0.0], np.float32), scale=SOUND),
    "shifts for other observations": normalised(shift=np.zeros(3, np.float32), scale=np.ones(3, np.float32)),
    "more scales than shifts": normalised(shift=SOUND, scale=np.ones(3, np.float32)),
    "a matrix of scales": normalised(shift=SOUND, scale=np.ones((1, 2), np.float32)),
    "scales of another type": normalised(shift=SOUND, scale=np.ones(2, np.float64)),
    "one array more": normalised(shift=SOUND, scale=SOUND, mean=SOUND),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_sound_file_with_unusable_content_fails_at_once(tmp_path, name):
    (tmp_path / "p").write_bytes(UNUSABLE[name])
    before = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(StorageError) as caught:
            load(tmp_path / "p")
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - before < 0.5  # gigabytes would take longer, where there are any
    assert str(caught.value).startswith(f"{tmp_path / 'p'}: ")
    assert "\n" not in str(caught.value)


def test_the_words_of_a_normalisation_that_lacks_a_half(tmp_path):
    (tmp_path / "p").write_bytes(UNUSABLE["shift without scale"])
    with pytest.raises(StorageError, match="expected the arrays theta, or theta, shift and scale, got shift, theta"):
        load(tmp_path / "p")


def test_what_is_no_path_or_no_policy_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="expected the path of a policy, got None"):
        load(None)
    with pytest.raises(UsageError, match="expected a policy to save, got 3"):
        save(3, tmp_path / "p")
    with pytest.raises(UsageError, match="about: expected a mapping, got 3"):
        save(policy(), tmp_path / "p", about=3)
    assert not (tmp_path / "p").exists()


def test_a_checkpoint_is_no_policy(tmp_path):
    Checkpoints(tmp_path).write({"theta": np.zeros(12, np.float32)})
    with pytest.raises(StorageError, match="expected a policy, got a file of the kind 'checkpoint'"):
        load(tmp_path / "last.safetensors")


ACTING = """
import sys, cartwheel
action, _ = cartwheel.load(sys.argv[1]).act([0.5, -0.5])
heavy = "numba gymnasium matplotlib sqlite3 scipy PIL rich tempfile".split()
print(action, *(name for name in heavy if name in sys.modules))
"""


@pytest.mark.parametrize("kind", [MLP((2,)), Recurrent("lstm", (2,)), Stacked(2, MLP((2,)))], ids=str)
def test_acting_needs_none_of_the_heavy_packages(tmp_path: Path, kind):
    theta = np.random.default_rng(1).standard_normal(build_network(kind, BOX, TWO).size)
    acting = Policy(kind, BOX, TWO, theta, Normalisation(np.zeros(2), np.ones(2)))
    path = save(acting, tmp_path / "p")
    assert end(begin(ACTING, path)).split() == [str(acting.act([0.5, -0.5])[0])]

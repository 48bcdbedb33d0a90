from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from storage_faults import begin, flipped, kill_in_the_middle

from cartwheel.errors import StorageError
from cartwheel.storage.arrays import pack
from cartwheel.storage.checkpoint import Checkpoints, State, state_digest

STATE: dict[str, State] = {
    "population": np.random.default_rng(0).standard_normal((4, 3), np.float32),
    "empty": np.zeros((0, 3)),
    "number": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "run/generation": 12,
    "large": 2**100,
    "best": 0.1 + 0.2,
    "never": -math.inf,
    "name": "π\n",
    "solved": False,
    "nothing": None,
}


def flip(path: Path, bit: int) -> None:
    path.write_bytes(flipped(path.read_bytes(), bit))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back_exactly(tmp_path):
    checkpoints = Checkpoints(tmp_path / "a" / "checkpoint")
    assert checkpoints.read() is None
    checkpoints.write(STATE)
    state = checkpoints.read()
    assert state is not None
    assert state.keys() == STATE.keys()
    for name, value in STATE.items():
        assert type(state[name]) is type(value), name
        if isinstance(value, np.ndarray):
            other = state[name]
            assert isinstance(other, np.ndarray)
            assert (other.shape, other.dtype, other.tobytes()) == (value.shape, value.dtype, value.tobytes())
        else:
            assert state[name] == value
    assert state_digest(state) == state_digest(STATE)


def test_nan_comes_back_and_numpys_scalars_are_pythons(tmp_path):
    Checkpoints(tmp_path).write({"nan": math.nan, "f": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True)})
    state = Checkpoints(tmp_path).read()
    assert state is not None
    assert math.isnan(state.pop("nan"))
    assert {name: (type(value), value) for name, value in state.items()} == {
        "f": (float, 0.5), "i": (int, 3), "b": (bool, True),
    }  # fmt: skip


def test_the_former_last_one_is_the_previous_one(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for number in range(4):
        checkpoints.write({"n": number})
        assert checkpoints.read() == {"n": number}
    checkpoints.last.unlink()  # as after a kill between the two moves
    assert checkpoints.read() == {"n": 2}
    assert names(tmp_path) == ["previous.safetensors"]


def test_a_damaged_last_one_gives_the_previous_one_with_a_warning(tmp_path):
    Checkpoints(tmp_path).write({"n": 1})
    flip(tmp_path / "last.safetensors", 999)
    with pytest.raises(StorageError, match="damaged"):
        Checkpoints(tmp_path).read()
    for number in (2, 3, 4):
        Checkpoints(tmp_path).write({"n": number})
    flip(tmp_path / "last.safetensors", 999)
    with pytest.warns(
        UserWarning, match=r"last\.safetensors: damaged.*; going on with the checkpoint before"
    ) as caught:
        assert Checkpoints(tmp_path).read() == {"n": 3}
    assert len(caught) == 1
    assert caught[0].filename == __file__
    flip(tmp_path / "previous.safetensors", 999)
    with pytest.raises(StorageError, match=r"both checkpoints are unusable.*last\.safetensors.*previous\.safetensors"):
        Checkpoints(tmp_path).read()


def test_a_damaged_last_one_never_takes_the_place_of_a_good_previous_one(tmp_path):
    for number in (1, 2):
        Checkpoints(tmp_path).write({"n": number})
    flip(tmp_path / "last.safetensors", 999)
    Checkpoints(tmp_path).write({"n": 3})
    assert Checkpoints(tmp_path).read() == {"n": 3}
    (tmp_path / "last.safetensors").unlink()
    assert Checkpoints(tmp_path).read() == {"n": 1}


def test_every_truncation_and_every_flipped_bit_is_noticed_or_harmless(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    state: dict[str, State] = {"theta": np.arange(3, dtype=np.float32), "n": 1, "x": math.inf}
    checkpoints.write(state)
    data, expected, harmless = checkpoints.last.read_bytes(), state_digest(state), 0
    content = [data]  # thousands of real files would take half a minute
    monkeypatch.setattr("cartwheel.storage.checkpoint.read_whole", lambda path: content[0])
    for length in range(len(data)):
        content[0] = data[:length]
        with pytest.raises(StorageError, match="damaged"):
            checkpoints.read()
    for bit in range(8 * len(data)):
        content[0] = flipped(data, bit)
        try:
            found = checkpoints.read()
        except StorageError:
            continue
        harmless += 1
        assert found is not None
        assert state_digest(found) == expected
    assert harmless <= 16


@pytest.mark.parametrize(
    "data", [b"", b"text", pack({}, {"kind": "policy", "scalars": {}}), pack({}, {"kind": "checkpoint"})]
)
def test_a_foreign_file_is_an_error(tmp_path, data):
    (tmp_path / "last.safetensors").write_bytes(data)
    with pytest.raises(StorageError, match=r"last\.safetensors"):
        Checkpoints(tmp_path).read()


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, (1,), np.array(["a"]), np.array([None]), object(), 1j])
def test_what_is_no_state_is_an_error_and_the_last_one_stays(tmp_path, value):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write({"n": 1})
    with pytest.raises(StorageError, match="'x'"):
        checkpoints.write({"x": value})
    assert checkpoints.read() == {"n": 1}
    assert names(tmp_path) == ["last.safetensors"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="can't be made"):
        Checkpoints(tmp_path / "file" / "x").write({"n": 1})


def test_the_digest_does_not_depend_on_order_and_sees_types():
    digests = [state_digest({"x": value}) for value in (1, 1.0, True, "1", None, np.array(1), np.array(1.0))]
    assert len(set(digests)) == len(digests)
    assert state_digest({"a": 1, "b": np.zeros(2)}) == state_digest({"b": np.zeros(2), "a": 1})
    assert state_digest({"a": 0.0}) != state_digest({"a": -0.0})


WRITER = """
import sys
import numpy as np
from pathlib import Path
from cartwheel.storage.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]))
state = checkpoints.read()
first = 0 if state is None else state["n"] + 1
for n in range(first, first + 100_000):
    checkpoints.write({"n": n, "theta": np.full((64, 114), n, np.float32)})
    if n == first: print("ready", flush=True)
"""


def test_a_killed_writer_leaves_a_whole_checkpoint_and_no_rubbish_for_long(tmp_path):
    numbers = [-1]

    def check() -> None:
        state = Checkpoints(tmp_path).read()  # a warning would be an error
        assert state is not None
        assert np.array_equal(state["theta"], np.full((64, 114), state["n"], np.float32))
        assert state["n"] > numbers[-1]
        numbers.append(state["n"])

    kill_in_the_middle(WRITER, tmp_path, check)
    Checkpoints(tmp_path).write({"n": 0})
    assert names(tmp_path) == ["last.safetensors", "previous.safetensors"]


AT_CALL = """
import os, pathlib, signal, sys
from cartwheel.storage.checkpoint import Checkpoints
calls = 0
def dying(function):
    def replacement(*arguments, **keywords):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    return replacement
checkpoints = Checkpoints(pathlib.Path(sys.argv[1]))
os.fsync = dying(os.fsync)
for name in ("replace", "unlink"):
    setattr(pathlib.Path, name, dying(getattr(pathlib.Path, name)))
checkpoints.write({"n": 3})
"""


def test_a_kill_before_each_of_the_writes_calls_leaves_the_old_or_the_new_one(tmp_path):
    folders = [tmp_path / str(call) for call in range(1, 7)]
    for folder in folders:
        for number in (1, 2):
            Checkpoints(folder).write({"n": number})
    children = [begin(AT_CALL, folder, call) for call, folder in enumerate(folders, start=1)]
    killed = [child.communicate() != () and child.returncode != 0 for child in children]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states = [Checkpoints(folder).read() for folder in folders]
    # sync the file, move the last away, move the new one there, sync the folder, remove what is gone already
    assert states == [{"n": 2}, {"n": 2}, {"n": 2}, {"n": 3}, {"n": 3}, {"n": 3}]
    assert killed == [True, True, True, True, True, False]

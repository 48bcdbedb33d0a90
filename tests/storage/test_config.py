from __future__ import annotations

import math
import tomllib

import numpy as np
import pytest

from cartwheel.errors import StorageError
from cartwheel.storage.config import dumps, loads

CONFIG = {
    "cartwheel": "0.1.0",
    "seed": 0,
    "negative": -(2**70),
    "on": True,
    "off": False,
    "floats": [0.1, 1e22, 1e-7, 5e-324, -0.0, math.inf, -math.inf, 1.0],
    "text": 'a "quoted" \\ line\nand\tanother\r\0\x7f\x1b é 漢字 🤸 # no comment',
    "empty": "",
    "none": [],
    "nested": [[1, 2], ["a"]],
    "tables in a list": [{"a": 1, "b c": "x"}, {}],
    "environment": {
        "id": "CartPole-v1",
        "env_args": {"gravity": 9.8, 'strange "key"': 1, "": 2, "π": 3, "a.b": {"c": True}},
        "after": 1,
    },
    "genetic": {},
}


def test_the_same_comes_back_through_tomllib():
    back = tomllib.loads(dumps(CONFIG))
    assert back == CONFIG
    assert repr(back["floats"]) == repr(CONFIG["floats"])  # the sign of zero, and floats that are whole
    assert loads(dumps(CONFIG), "here") == CONFIG
    assert loads(dumps(CONFIG).encode(), "here") == CONFIG
    assert math.isnan(loads(dumps({"x": math.nan}), "here")["x"])


def test_values_come_before_the_tables_they_stand_beside():
    assert dumps({"t": {"u": {"x": 1}, "y": 2}, "z": 3}).splitlines()[1:] == [
        "z = 3", "", "[t]", "y = 2", "", "[t.u]", "x = 1",
    ]  # fmt: skip


def test_the_first_line_says_what_the_file_is():
    line = dumps({}).splitlines()[0]
    assert line.startswith("# ")
    assert "`cartwheel train --config FILE` repeats" in line


def test_numpys_numbers_and_tuples():
    assert loads(dumps({"x": np.float64(0.1), "y": (1, 2)}), "here") == {"x": 0.1, "y": [1, 2]}


@pytest.mark.parametrize("value", [None, object(), {1, 2}, b"x", np.zeros(2), np.float32(1), "\ud800", [None]])
def test_what_toml_cannot_hold_is_named(value):
    with pytest.raises(StorageError, match=r"can't write '?environment\.x'? as TOML"):
        dumps({"environment": {"x": value}})


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_keys_are_texts(key):
    with pytest.raises(StorageError, match="expected texts for keys"):
        dumps({"environment": {key: 1}})


@pytest.mark.parametrize("text", ["x =", "= 1", "x = 1\nx = 2", "[a", "{", b"\xff = 1", "x = " + "[" * 5000, "\0"])
def test_bad_toml_is_one_line(text):
    with pytest.raises(StorageError, match=r"^some/config\.toml: not a TOML file: ") as caught:
        loads(text, "some/config.toml")
    assert "\n" not in str(caught.value)

"""The opcodes of recurrent networks, forward and through time, against `nn.functions`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, apart, row_of, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, gru, lstm, recurrence
from cartwheel.nn import Variable
from cartwheel.nn import functions as F

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FUNCTIONS: dict[str, Any] = {"rnn": F.rnn, "gru": F.gru, "lstm": F.lstm}
#: Steps, batch, inputs, size
SHAPES = ((1, 1, 1, 1), (3, 2, 2, 3), (5, 4, 3, 8), (4, 9, 2, 17), (0, 2, 2, 3), (2, 0, 2, 3), (7, 5, 4, 40))


class Case:
    """Inputs of a network, and gradients of what it gives, in float64 or as the opcode sees them."""

    def __init__(self, name: str, shape: tuple[int, int, int, int], dtype: str, *, resets: bool) -> None:
        self.name, self.gates, self.dtype = name, GATES[name], dtype
        self.T, self.B, self.d, self.H = T, B, d, H = shape
        rng = np.random.default_rng([len(name), *shape])
        self.xs, self.h, self.c = (rng.normal(size=size).astype(dtype) for size in ((T, B, d), (B, H), (B, H)))
        self.Wx, self.Wh = (rng.normal(scale=max(k, 1) ** -0.5, size=(k, self.gates * H)).astype(dtype) for k in (d, H))
        self.b = rng.normal(size=self.gates * H).astype(dtype)
        self.dhs, self.dc = rng.normal(size=(T, B, H)).astype(dtype), rng.normal(size=(B, H)).astype(dtype)
        self.resets = rng.random((T, B)) < 0.3 if resets else None

    def expected(self) -> dict[str, Any]:
        """What `nn.functions` gives in float64: all that the opcodes give, or what follows from it."""
        wide = {one: Variable(getattr(self, one).astype(np.float64)) for one in ("xs", "h", "c", "Wx", "Wh", "b")}
        memories = [wide["h"], wide["c"]] if self.name == "lstm" else [wide["h"]]
        outputs = FUNCTIONS[self.name](wide["xs"], *memories, wide["Wx"], wide["Wh"], wide["b"], self.resets)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        found = {"hs": outputs[0].data}
        loss = F.sum(outputs[0] * self.dhs.astype(np.float64))
        if self.name == "lstm":
            found["last"] = outputs[1].data
            loss = loss + F.sum(outputs[1] * self.dc.astype(np.float64))
        loss.backward()
        return found | {f"d{one}": v.grad.data for one, v in wide.items() if v.grad is not None}

    def got(self) -> dict[str, Any]:
        """The same from the opcodes, and from products around them."""
        memory = Memory(self.dtype)
        T, B, H, G = self.T, self.B, self.H, self.gates
        a = self.xs.reshape(T * B, self.d) @ self.Wx + self.b
        words = [T, B, H, memory.put(self.Wh), 0, 0]
        if self.resets is not None:
            words[4:] = 1, memory.put(self.resets)
        sizes = {"m": B * H, "a": T * B * H, "c": (T + 1) * B * H, "g": T * B * G * H, "s": B * G * H, "w": G * H * H}
        self.at: dict[str, int] = {one: memory.put(getattr(self, one)) for one in ("h", "c", "dhs", "dc")}
        forward, backward = LAYOUTS[self.name]
        for one, letter in (forward | backward).items():
            if one not in self.at:
                self.at[one] = memory.room(sizes[letter])
        begins = "hs" if self.name == "rnn" else "gates"
        memory.get(self.at[begins], a.size)[:] = a.ravel()
        memory.run(self.name, *words, *(self.at[one] for one in forward))
        memory.run(f"{self.name}_gradient", *words, *(self.at[one] for one in backward))
        return self._followed(
            {one: memory.get(self.at[one], sizes[k]).copy() for one, k in (forward | backward).items()}
        )

    def _followed(self, found: dict[str, Any]) -> dict[str, Any]:
        """The gradients by the inputs and the weights."""
        T, B, H, columns = self.T, self.B, self.H, self.gates * self.H
        dax = found["dax" if self.name == "gru" else "da"].reshape(T * B, columns)
        dah = found["dah"].reshape(T * B, columns) if self.name == "gru" else dax
        result = {
            "hs": found["hs"].reshape(T, B, H),
            "dxs": (dax @ self.Wx.T).reshape(self.xs.shape),
            "dh": found["dh"].reshape(B, H),
            "dWx": self.xs.reshape(T * B, self.d).T @ dax,
            "dWh": found["before"].reshape(T * B, H).T @ dah,
            "db": dax.sum(axis=0),
        }
        if self.name == "lstm":
            result |= {"last": found["cells"].reshape(T + 1, B, H)[-1], "dc": found["dc0"].reshape(B, H)}
        return result


#: The operands of an opcode and of its gradient, with their lengths.
LAYOUTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "rnn": (
        {"h": "m", "hs": "a", "before": "a", "scratch": "s"},
        {"dhs": "a", "hs": "a", "da": "a", "dh": "m", "turned": "w"},
    ),
    "gru": (
        {"h": "m", "gates": "g", "hs": "a", "before": "a", "ahs": "a", "scratch": "s"},
        {
            "dhs": "a",
            "gates": "g",
            "before": "a",
            "ahs": "a",
            "dax": "g",
            "dah": "g",
            "dh": "m",
            "back": "m",
            "turned": "w",
        },
    ),
    "lstm": (
        {"h": "m", "c": "m", "gates": "g", "hs": "a", "cells": "c", "before": "a", "tanhs": "a", "scratch": "s"},
        {
            "dhs": "a",
            "dc": "m",
            "gates": "g",
            "cells": "c",
            "tanhs": "a",
            "da": "g",
            "dh": "m",
            "dc0": "m",
            "turned": "w",
        },
    ),
}


def check(name: str, shape: tuple[int, int, int, int], dtype: str, *, resets: bool) -> float:
    """The worst error, in units of eps times the largest number of its array."""
    case = Case(name, shape, dtype, resets=resets)
    got, expected = case.got(), case.expected()
    assert got.keys() == expected.keys()
    return max(apart(got[one], expected[one], max(1.0, float(np.abs(expected[one]).max(initial=0.0)))) for one in got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_networks_and_their_gradients(name: str, resets: bool, dtype: str) -> None:
    assert max(check(name, shape, dtype, resets=resets) for shape in SHAPES) <= 8


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_a_row_does_not_depend_on_what_shares_its_batch(name: str, dtype: str) -> None:
    many, one = (Case(name, (4, B, 3, 20), dtype, resets=True) for B in (7, 1))
    for part in ("xs", "h", "c", "dhs", "dc", "resets"):
        whole = getattr(many, part)
        setattr(one, part, (whole[:, 5:6] if part in ("xs", "dhs", "resets") else whole[5:6]).copy())
    for part in ("Wx", "Wh", "b"):
        setattr(one, part, getattr(many, part))
    # what comes from outside: the product x Wx, which BLAS makes otherwise for other batches
    many.xs[:], one.xs[:] = 0.0, 0.0
    together, alone = many.got(), one.got()
    assert together["hs"][:, 5:6].tobytes() == alone["hs"].tobytes()
    assert together["dh"][5:6].tobytes() == alone["dh"].tobytes()


@pytest.mark.parametrize("name", GATES)
def test_a_reset_cuts_the_sequence(name: str) -> None:
    """What is after a reset is as if it began there with a memory of 0, and nothing goes back across it."""
    whole, rest = (Case(name, (T, 3, 2, 5), "float64", resets=False) for T in (6, 4))
    whole.resets = np.zeros((6, 3), bool)
    whole.resets[2] = True
    whole.dhs[:2] = 0
    for part in ("Wx", "Wh", "b", "dc"):
        setattr(rest, part, getattr(whole, part))
    rest.xs, rest.dhs, rest.h, rest.c = whole.xs[2:], whole.dhs[2:], np.zeros((3, 5)), np.zeros((3, 5))
    got, expected = whole.got(), rest.got()
    np.testing.assert_array_equal(got["hs"][2:], expected["hs"])
    np.testing.assert_allclose(got["dxs"][2:], expected["dxs"], rtol=1e-12, atol=1e-14)
    assert (got["dh"] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GATES)
def test_infinite_arguments_give_the_limits(name: str, dtype: str) -> None:
    case = Case(name, (2, 1, 1, 4), dtype, resets=False)
    case.b[:] = np.where(np.arange(case.b.size) % 2, np.inf, -np.inf)
    got = case.got()["hs"]
    assert np.isfinite(got).all()
    assert (np.abs(got) <= 1).all()
    case.b[:] = np.nan
    assert np.isnan(case.got()["hs"]).all()


@pytest.mark.parametrize("name", [*GATES, *(f"{name}_gradient" for name in GATES)])
def test_forms_refuse_nonsense(name: str) -> None:
    form, good = OPCODES[name].form, (2, 3, 4, 100_000, 1, 200_000, *range(1000, 20_000, 1000))
    spans = list(form(row_of(name, *good)))
    assert spans[1].first == 200_000
    assert spans[1].last - spans[1].first == 6
    for word, value in ((1, -1), (2, -1), (3, -2), (5, 2), (5, -1)):
        row = row_of(name, *good)
        row[word] = value
        with pytest.raises(ValueError, match=NONSENSE):
            list(form(row))
    operands = len(spans) - 2
    row = row_of(name, *good)
    row[6 + operands] = row[5 + operands]  # the last one, which is written, at the place of that before
    with pytest.raises(ValueError, match=NONSENSE):
        list(form(row))


def test_the_three_stand_in_the_table() -> None:
    assert {lstm.lstm.__name__, gru.gru.__name__, recurrence.rnn.__name__} <= OPCODES.keys()


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name in GATES:
            assert check(name, (3, 2, 2, 3), dtype, resets=True) <= 8


def test_networks_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_recurrence", "reduced()")

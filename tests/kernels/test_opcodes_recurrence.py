"""The opcodes of recurrent networks, forward and through time, against `nn.functions`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, apart, row_of, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, gates, gru, lstm, recurrence
from cartwheel.kernels.opcodes.recurrence import LEVEL
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
        return lstm_got(self) if self.name == "lstm" else self._got()

    def words(self, memory: Memory, weights: Any) -> list[int]:
        """The first words of a row."""
        words = [self.T, self.B, self.H, memory.put(weights), 0, 0]
        if self.resets is not None:
            words[4:] = 1, memory.put(self.resets)
        return words

    def _got(self) -> dict[str, Any]:
        memory = Memory(self.dtype)
        T, B, H, G = self.T, self.B, self.H, self.gates
        a = self.xs.reshape(T * B, self.d) @ self.Wx + self.b
        words = self.words(memory, self.Wh)
        sizes = {"m": B * H, "a": T * B * H, "g": T * B * G * H, "s": B * G * H, "w": G * H * H}
        at: dict[str, int] = {one: memory.put(getattr(self, one)) for one in ("h", "dhs")}
        forward, backward = LAYOUTS[self.name]
        for one, letter in (forward | backward).items():
            if one not in at:
                at[one] = memory.room(sizes[letter])
        begins = "hs" if self.name == "rnn" else "gates"
        memory.get(at[begins], a.size)[:] = a.ravel()
        memory.run(self.name, *words, *(at[one] for one in forward))
        memory.run(f"{self.name}_gradient", *words, *(at[one] for one in backward))
        return self._followed({one: memory.get(at[one], sizes[k]).copy() for one, k in (forward | backward).items()})

    def _followed(self, found: dict[str, Any]) -> dict[str, Any]:
        """The gradients by the inputs and the weights."""
        T, B, H, columns = self.T, self.B, self.H, self.gates * self.H
        dax = found["dax" if self.name == "gru" else "da"].reshape(T * B, columns)
        dah = found["dah"].reshape(T * B, columns) if self.name == "gru" else dax
        return {
            "hs": found["hs"].reshape(T, B, H),
            "dxs": (dax @ self.Wx.T).reshape(self.xs.shape),
            "dh": found["dh"].reshape(B, H),
            "dWx": self.xs.reshape(T * B, self.d).T @ dax,
            "dWh": found["before"].reshape(T * B, H).T @ dah,
            "db": dax.sum(axis=0),
        }


def lstm_got(case: Case, chunk: int = 2, *, by_xs: bool = True) -> dict[str, Any]:
    """What the opcodes of the LSTM give, which make the gradients of weights and inputs themselves."""
    memory, (T, B, H, d), K = Memory(case.dtype), (case.T, case.B, case.H, case.d), case.H + case.d + 1
    words = case.words(memory, np.concatenate([case.Wx, case.Wh, case.b[None]]))
    h, c, xs, dhs, dc, Wh, Wx = (memory.put(getattr(case, one)) for one in ("h", "c", "xs", "dhs", "dc", "Wh", "Wx"))
    rows, gates, hs, cells, tanhs = (
        memory.room(*shape) for shape in ((T, B, K), (T, B, 4 * H), (T, B, H), (T + 1, B, H), (T, B, H))
    )
    memory.run("lstm", *words, d, 1, 0, h, c, xs, rows, gates, hs, cells, tanhs)
    words[3] = Wh
    shapes = [
        (chunk, B, 4 * H),
        (K, 4 * H),
        (B, H),
        (B, H),
        (K, 4 * H),
        (4 * H, H),
        (4 * H * by_xs, d),
        (T * by_xs, B, d),
    ]
    da, dW, dh, dc0, *scratch, dxs = (memory.room(*shape) for shape in shapes)
    read = (dhs, dc, gates, cells, tanhs, rows, Wx)
    memory.run("lstm_gradient", *words, d, chunk, int(by_xs), *read, da, dW, dh, dc0, *scratch, dxs)
    by_weights = memory.get(dW, K, 4 * H)
    found = {"hs": memory.get(hs, T, B, H), "last": memory.get(cells, T + 1, B, H)[-1], "dh": memory.get(dh, B, H)}
    found |= {"dc": memory.get(dc0, B, H), "dWx": by_weights[:d], "dWh": by_weights[d:-1], "db": by_weights[-1]}
    if by_xs:
        found["dxs"] = memory.get(dxs, T, B, d)
    return {name: array.copy() for name, array in found.items()}


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
    assert max(check(name, shape, dtype, resets=resets) for shape in SHAPES) <= LEVEL.most


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


@pytest.mark.parametrize("dtype", DTYPES)
def test_chunks_of_any_length(dtype: str) -> None:
    """What an LSTM gives does not depend on them but for the order of sums, nor on whether dxs is wanted."""
    case = Case("lstm", (7, 3, 2, 5), dtype, resets=True)
    whole = lstm_got(case, chunk=7)
    for chunk in (1, 2, 3, 6, 9):
        got = lstm_got(case, chunk, by_xs=chunk != 3)
        assert whole.keys() - got.keys() == ({"dxs"} if chunk == 3 else set())
        for name, array in got.items():
            if name in ("dWx", "dWh", "db"):
                assert apart(array, whole[name].astype(np.float64), np.abs(whole[name]).max()) <= LEVEL.most
            else:
                np.testing.assert_array_equal(array, whole[name])


@pytest.mark.parametrize("name", [*GATES, *(f"{name}_gradient" for name in GATES)])
def test_forms_refuse_nonsense(name: str) -> None:
    form, more = OPCODES[name].form, (2, 2, 1) if name.startswith("lstm") else ()
    good = (2, 3, 4, 100_000, 1, 200_000, *more, *range(1000, 20_000, 1000))
    spans = list(form(row_of(name, *good)))
    assert spans[1].first == 200_000
    assert spans[1].last - spans[1].first == 6
    wrong = [(1, -1), (2, -1), (3, -2), (5, 2), (5, -1)]
    for word, value in wrong + ([(7, -1), (8, 0), (9, 2)] if more else []):
        row = row_of(name, *good)
        row[word] = value
        with pytest.raises(ValueError, match=NONSENSE):
            list(form(row))
    row, last = row_of(name, *good), 4 + len(more) + len(spans)
    row[last] = row[last - 1]  # the last operand, which is written, at the place of that before
    with pytest.raises(ValueError, match=NONSENSE):
        list(form(row))


def test_the_three_stand_in_the_table() -> None:
    assert {lstm.lstm.__name__, gru.gru.__name__, recurrence.rnn.__name__} <= OPCODES.keys()


# --- tanh and sigmoid -------------------------------------------------------------------------------------------------


def numbers(dtype: str) -> Any:
    """Some of all kinds: 0 and next to it, of all sizes, where tanh goes over to 1, and without a limit."""
    rng = np.random.default_rng(0)
    some = np.concatenate(
        [rng.uniform(-10, 10, 400_000), rng.normal(size=200_000), 10 ** rng.uniform(-30, 30, 100_000)]
    )
    tiny = np.finfo(dtype).tiny * np.array([1e-5, 0.5, 1.0])
    odd = np.array([0.0, *tiny, 9.16, 19.06, np.finfo(dtype).max, np.inf])
    return np.concatenate([some, odd, -odd]).astype(dtype)


def in_place(function: Any, x: Any) -> Any:
    """What a function makes of an array."""
    y = x.copy()
    function(y)
    return y


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_of_gates(dtype: str) -> None:
    x = numbers(dtype)
    y, exact = in_place(gates.to_tanh, x), np.tanh(x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
    assert (np.abs(y - exact) / unit).max() <= 4
    assert np.abs(y).max() == 1
    np.testing.assert_array_equal(np.signbit(y), np.signbit(x))
    assert np.isnan(in_place(gates.to_tanh, np.full(3, np.nan, dtype))).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_of_gates(dtype: str) -> None:
    x = numbers(dtype)
    y, exact = in_place(gates.to_sigmoid, x), (1 + np.tanh(x.astype(np.longdouble) / 2)) / 2
    assert np.abs(y - exact).max() <= 2 * np.finfo(dtype).eps
    assert (y.min(), y.max()) == (0, 1)
    assert np.isnan(in_place(gates.to_sigmoid, np.full(3, np.nan, dtype))).all()


SIX = [-np.inf, -3.0, -1e-3, 0.0, 0.7, 20.0]


def reduced(compiled: dict[str, str]) -> None:
    """What is also run with compilation off; tanh gives the same to the bit."""
    for dtype in DTYPES:
        for name in GATES:
            assert check(name, (3, 2, 2, 3), dtype, resets=True) <= LEVEL.most
        assert in_place(gates.to_tanh, np.array(SIX, dtype)).tobytes().hex() == compiled[dtype]


def test_networks_with_compilation_off() -> None:
    compiled = {dtype: in_place(gates.to_tanh, np.array(SIX, dtype)).tobytes().hex() for dtype in DTYPES}
    with_compilation_off("test_opcodes_recurrence", f"reduced({compiled})")

"""The opcodes that draw random numbers against NumPy's generator, and against the chances that they promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, bits, row_of, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, chance
from cartwheel.kernels.random import generators
from cartwheel.nn import Variable, using_config
from cartwheel.nn import functions as F

SIZES = (0, 1, 2, 7, 1000)


def placed(memory: Memory, seed: int) -> int:
    """A generator at its beginning, among the integers."""
    return memory.put_integers(generators([seed])[0].view(np.int64))


def same_state(memory: Memory, place: int, generator: np.random.Generator) -> bool:
    """Whether the generator in memory stands where NumPy's does."""
    state: Any = generator.bit_generator.state["state"]
    high, low = memory.integers[place : place + 2].view(np.uint64)
    return bool(int(high) << 64 | int(low) == state["state"])


def check(name: str, draw: Any, settings: tuple[float, float], n: int, dtype: str, times: int = 2) -> None:
    """Two rounds of a row equal what NumPy draws then, to the bit, and leave the generator where NumPy's is."""
    memory, generator = Memory(dtype), np.random.Generator(np.random.PCG64(n + 5))
    place, y = placed(memory, n + 5), memory.room(n)
    memory.run(name, n, place, y, *map(bits, settings), times=times)
    for _ in range(times):
        expected = np.asarray(draw(generator, *settings, n)).astype(dtype)
    assert memory.get(y, n).tobytes() == expected.tobytes()
    assert same_state(memory, place, generator)


def masked(generator: np.random.Generator, ratio: float, _: float, n: int) -> Any:
    """The mask of `nn.functions.dropout`: what it makes of ones."""
    with using_config("train", True):
        return F.dropout(Variable(np.ones(n)), ratio, generator).data


DRAWS = [
    ("uniform_numbers", np.random.Generator.uniform, (-2.0, 3.0)),
    ("uniform_numbers", np.random.Generator.uniform, (0.0, 1.0)),
    ("dropout_mask", masked, (0.3, 0.0)),
    ("normal_numbers", np.random.Generator.normal, (0.0, 1.0)),
    ("normal_numbers", np.random.Generator.normal, (5.0, 0.1)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "draw", "settings"), DRAWS, ids=[f"{draw[0]} {draw[2]}" for draw in DRAWS])
def test_draws_are_numpys_to_the_bit(name: str, draw: Any, settings: tuple[float, float], dtype: str) -> None:
    for n in SIZES:
        check(name, draw, settings, n, dtype)


def test_normal_numbers_are_numpys_in_the_tails_too() -> None:
    """Two million numbers, of which some hundred lie beyond the ziggurat's edge."""
    n = 20_000
    memory, generator = Memory("float64"), np.random.Generator(np.random.PCG64(1))
    place, y = placed(memory, 1), memory.room(n)
    beyond = 0
    for _ in range(50):
        memory.run("normal_numbers", n, place, y, bits(0.0), bits(1.0), times=2)
        generator.standard_normal(n)
        expected = generator.standard_normal(n)
        beyond += int((np.abs(expected) > 3.654).sum())
        np.testing.assert_allclose(memory.get(y, n), expected, rtol=4e-16)
    assert beyond > 100
    assert same_state(memory, place, generator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ratio_of_nothing_drops_nothing(dtype: str) -> None:
    memory = Memory(dtype)
    place, y = placed(memory, 3), memory.room(100)
    memory.run("dropout_mask", 100, place, y, bits(0.0), 0)
    assert (memory.get(y, 100) == 1).all()


# --- classes ---------------------------------------------------------------------------------------------------------


def drawn(logits: Any, seed: int, dtype: str) -> Any:
    memory, (rows, columns) = Memory(dtype, 1 << 18), logits.shape
    place, classes, at = placed(memory, seed), memory.put_integers(np.full(rows, 77)), memory.put(logits)
    memory.run("categorical", rows, place, classes, at, columns, memory.put_integers(np.zeros(logits.size)))
    return memory.integers[classes : classes + rows].copy()


def by_numpy(logits: Any, seed: int) -> Any:
    """The documented stream, written out."""
    words = np.random.PCG64(seed).random_raw(logits.size).reshape(logits.shape)
    u = ((words >> np.uint64(12)).astype(np.float64) + 0.5) / 2**52
    return np.argmax(logits.astype(np.float64) - np.log(-np.log(u)), axis=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_classes_follow_the_documented_stream(dtype: str) -> None:
    for shape in ((0, 3), (1, 1), (7, 2), (500, 5), (3, 400)):
        logits = np.random.default_rng(shape).normal(size=shape).astype(dtype)
        assert (drawn(logits, 9, dtype) == by_numpy(logits, 9)).all()


def spread(chances: Any) -> float:
    """How far the classes drawn are from some chances: the chi-square statistic, with as many draws as fit."""
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    counts = sum(np.bincount(drawn(np.tile(logits, (4000, 1)), seed, "float32"), minlength=4) for seed in range(10))
    expected = 40_000 * np.asarray(chances)
    return float(((counts - expected) ** 2 / expected).sum())


def test_classes_have_their_chances() -> None:
    """The 99.99 % quantile for three degrees of freedom is 21.1; a wrong distribution lies far beyond."""
    assert spread([0.1, 0.2, 0.3, 0.4]) < 21.1
    assert spread([0.11, 0.19, 0.3, 0.4]) > 21.1


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_impossible_is_never_drawn(dtype: str) -> None:
    inf, nan = np.inf, np.nan
    rows = np.array([[-inf, 0.0, -inf], [nan, nan, 1.0], [nan, nan, nan], [-inf, -inf, -inf], [0.0, inf, 0.0]])
    for seed in range(20):
        assert list(drawn(rows, seed, dtype)) == [1, 2, 0, 0, 1]


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("uniform_numbers", (-1, 10, 100, bits(0.0), bits(1.0))),
        ("uniform_numbers", (5, 10, 100, bits(0.0), bits(np.inf))),
        ("uniform_numbers", (5, 10, 100, bits(np.nan), bits(1.0))),
        ("dropout_mask", (5, 10, 100, bits(1.0), 0)),
        ("dropout_mask", (5, 10, 100, bits(-0.1), 0)),
        ("dropout_mask", (5, 10, 100, bits(np.nan), 0)),
        ("normal_numbers", (5, 10, 100, bits(0.0), bits(-1.0))),
        ("normal_numbers", (5, 10, 100, bits(np.nan), bits(1.0))),
        ("categorical", (-1, 10, 20, 100, 3, 40)),
        ("categorical", (5, 10, 20, 100, 0, 40)),
        ("categorical", (5, 10, 13, 100, 3, 40)),
        ("categorical", (5, 10, 6, 100, 3, 40)),
        ("categorical", (5, 10, 20, 100, 3, 24)),
        ("categorical", (5, 10, 30, 100, 3, 0)),
    ],
)
def test_forms_refuse_nonsense(name: str, words: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=NONSENSE):
        list(OPCODES[name].form(row_of(name, *words)))


def test_forms_tell_the_generator() -> None:
    for name in ("uniform_numbers", "dropout_mask", "normal_numbers", "categorical"):
        last = (3, 200) if name == "categorical" else (bits(1.0), 0)
        spans = list(OPCODES[name].form(row_of(name, 5, 10, 100, bits(0.5), *last)))
        assert (spans[0].first, spans[0].last, spans[0].written, spans[0].of_integers) == (10, 14, True, True)
    assert chance.GENERATOR == 2


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name, draw, settings in DRAWS:
            check(name, draw, settings, 40, dtype)
        logits = np.random.default_rng(2).normal(size=(9, 3)).astype(dtype)
        assert (drawn(logits, 4, dtype) == by_numpy(logits, 4)).all()


def test_draws_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_chance", "reduced()")

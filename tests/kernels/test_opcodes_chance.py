"""The opcodes that draw random numbers against NumPy's generator, and against the chances that they promise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, bits, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, chance
from cartwheel.kernels.random import generators, words_of
from cartwheel.nn import Variable
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


def check(name: str, n: int, dtype: str) -> float:
    """How far two rounds of a row are from what NumPy draws then; they leave the generator where NumPy's is."""
    memory, generator = Memory(dtype), np.random.Generator(np.random.PCG64(n + 5))
    place, y = placed(memory, n + 5), memory.room(n)
    words, draw = DRAWS[name](memory, n)
    memory.run(name, n, place, y, *words, times=2)
    for _ in range(2):
        expected = np.asarray(draw(generator)).astype(dtype)
    assert same_state(memory, place, generator)
    return unlike(memory.get(y, n), expected)


def _dropped(memory: Memory, n: int) -> tuple[list[int], Any]:
    ones = Variable(np.ones(n))
    return [bits(0.3)], lambda generator: F.dropout(ones, 0.3, generator).data


def _of_chances(memory: Memory, n: int) -> tuple[list[int], Any]:
    p = np.random.default_rng(n).uniform(size=n).astype(memory.dtype)
    p[:3] = [0.0, 1.0, np.nan][:n]
    return [memory.put(p)], lambda generator: generator.uniform(size=n) < p


#: The words of a row behind the result, and what NumPy draws.
DRAWS: dict[str, Any] = {
    "standard_uniform": lambda memory, n: ([], lambda generator: generator.uniform(size=n)),
    "standard_normal": lambda memory, n: ([], lambda generator: generator.standard_normal(n)),
    "dropout_mask": _dropped,
    "bernoulli": _of_chances,
}


def test_normal_numbers_are_numpys_in_the_tails_too() -> None:
    """Two million numbers, of which some hundred lie beyond the ziggurat's edge."""
    n = 20_000
    memory, generator = Memory("float64"), np.random.Generator(np.random.PCG64(1))
    place, y = placed(memory, 1), memory.room(n)
    beyond = 0
    for _ in range(50):
        memory.run("standard_normal", n, place, y, times=2)
        generator.standard_normal(n)
        expected = generator.standard_normal(n)
        beyond += int((np.abs(expected) > 3.654).sum())
        assert memory.get(y, n).tobytes() == expected.tobytes()
    assert beyond > 100
    assert same_state(memory, place, generator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ratio_of_nothing_drops_nothing(dtype: str) -> None:
    memory = Memory(dtype)
    place, y = placed(memory, 3), memory.room(100)
    memory.run("dropout_mask", 100, place, y, bits(0.0))
    assert (memory.get(y, 100) == 1).all()


# --- classes ---------------------------------------------------------------------------------------------------------


def drawn(logits: Any, seed: int, dtype: str) -> Any:
    memory, (rows, columns) = Memory(dtype, 1 << 18), logits.shape
    place, classes, at = placed(memory, seed), memory.put_integers(np.full(rows, 77)), memory.put(logits)
    memory.run("categorical", rows, place, classes, at, columns, memory.put_integers(np.zeros(logits.size)))
    return memory.integers[classes : classes + rows].copy()


def by_numpy(logits: Any, seed: int) -> Any:
    """The stream of `Generator.gumbel`, written out."""
    u = 1.0 - np.random.Generator(np.random.PCG64(seed)).uniform(size=logits.shape)
    return np.argmax(logits.astype(np.float64) - np.log(-np.log(u)), axis=1)


def check_classes(shape: tuple[int, int], dtype: str) -> float:
    logits = np.random.default_rng(shape).normal(size=shape).astype(dtype)
    return unlike(drawn(logits, 9, dtype), by_numpy(logits, 9))


def test_a_uniform_number_of_0_has_no_logarithm_and_is_drawn_again() -> None:
    """From a state whose next word is 0, found by a step back from one with two equal halves."""
    generator = np.random.Generator(np.random.PCG64(0))
    state: Any = generator.bit_generator.state
    multiplier, size = 0x2360ED051FC65DA44385DF649FCCF645, 1 << 128
    before = ((1 << 64 | 1) - state["state"]["inc"]) * pow(multiplier, -1, size) % size
    generator.bit_generator.state = {**state, "state": {**state["state"], "state": before}}
    memory = Memory("float64")
    words = words_of(generator.bit_generator.state["state"])
    place, classes, logits = memory.put_integers(words.view(np.int64)), memory.put_integers([7]), memory.put([1, 2, 3])
    memory.run("categorical", 1, place, classes, logits, 3, memory.put_integers(np.zeros(3)))
    assert memory.integers[classes] == np.argmax(np.add([1, 2, 3], generator.gumbel(size=3)))
    assert same_state(memory, place, generator)  # after four words


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
        ("standard_uniform", (-1, 10, 100)),
        ("standard_normal", (-1, 10, 100)),
        ("dropout_mask", (-1, 10, 100, bits(0.5))),
        ("dropout_mask", (5, 10, 100, bits(1.0))),
        ("dropout_mask", (5, 10, 100, bits(-0.1))),
        ("dropout_mask", (5, 10, 100, bits(np.nan))),
        ("bernoulli", (-1, 10, 100, 200)),
        ("bernoulli", (5, 10, 100, 104)),
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
    for name, last in [*((name, (bits(0.5),)) for name in DRAWS), ("categorical", (300, 3, 200))]:
        spans = list(OPCODES[name].form(row_of(name, 5, 10, 100, *last)))
        assert (spans[0].first, spans[0].last, spans[0].written, spans[0].of_integers) == (10, 14, True, True)
    assert chance.GENERATOR == 2


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    **{name: lambda dtype, name=name: max(check(name, n, dtype) for n in SIZES) for name in DRAWS},
    "categorical": lambda dtype: max(
        check_classes(shape, dtype) for shape in ((0, 3), (1, 1), (7, 2), (500, 5), (3, 400))
    ),
}


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name in DRAWS:
            holds(name, check(name, 40, dtype))
        holds("categorical", check_classes((9, 3), dtype))


def test_draws_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_chance", "reduced()")

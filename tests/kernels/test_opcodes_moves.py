"""The opcodes that bring numbers elsewhere, against NumPy's indexing, to the bit."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, Memory, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.kernels.opcodes import moves as moves
from cartwheel.nn import functions as F
from cartwheel.nn.functions.indexing import _scatter


def numbers_like(dtype: str, *shape: int) -> Any:
    return np.random.default_rng(shape).normal(size=shape).astype(dtype)


# --- parts of an array -----------------------------------------------------------------------------------------------


def strided(offset: int, array: Any, axes: int = 4) -> list[int]:
    """The words of an array, a view of a base at an offset."""
    base = array if array.base is None else array.base
    first = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // array.itemsize
    return [offset + first, *(0,) * (axes - array.ndim), *(step // array.itemsize for step in array.strides)]


def placed(x: Any, view: Any) -> Any:
    """A base of zeros, of which a part (like `view`, of the base that is wanted) was made x."""
    memory = Memory(x.dtype.name)
    of_x, of_y = memory.put(x if x.base is None else x.base), memory.put(np.zeros(view.base.shape))
    memory.run("place", *(1,) * (4 - x.ndim), *x.shape, *strided(of_x, x), *strided(of_y, view))
    return memory.get(of_y, *view.base.shape)


def placed_integers(x: Any, view: Any) -> Any:
    """The same among the integers."""
    memory = Memory("float32")
    of_x, of_y = (memory.put_integers(one) for one in (x.base, np.zeros(view.base.shape)))
    memory.run("place_of_integers", *(1,) * (4 - x.ndim), *x.shape, *strided(of_x, x), *strided(of_y, view))
    return memory.integers[of_y : of_y + view.base.size].reshape(view.base.shape)


def check_integer_places(dtype: str) -> float:
    x, wanted = np.arange(-50, 55).reshape(5, 7, 3), np.zeros((7, 12, 3), int)
    view = wanted[:, 1:-1:2].transpose(1, 0, 2)
    got = placed_integers(x[:, ::-1], view)
    view[...] = x[:, ::-1]
    return unlike(got, wanted)


def check_places(dtype: str) -> float:
    worst = []
    for shape in ((5, 6, 7), (1, 1, 1), (2, 0, 3), (3, 40, 2)):
        x = numbers_like(dtype, *shape)
        wider = np.zeros((shape[0] + 2, shape[1] * 2, shape[2] + 3), dtype)
        view = wider[1:-1, ::2, 2:-1]  # padding, and the gradient of a slice
        got = placed(x, view)
        view[...] = x
        worst.append(unlike(got, wider))
    backwards = np.zeros((4, 9), dtype)
    x = numbers_like(dtype, 9, 4)
    return max(*worst, unlike(placed(x[:, ::-1].T, backwards[:, ::-1]), x.T[::-1, ::-1]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pieces_make_a_concatenation(dtype: str) -> None:
    pieces = [numbers_like(dtype, 3, length, 4) for length in (2, 1, 5)]
    memory = Memory(dtype)
    y = memory.room(3 * 8 * 4)
    start = 0
    for piece in pieces:
        width = piece.shape[1] * 4
        memory.run("place", 1, 1, 3, width, memory.put(piece), 0, 0, width, 1, y + start, 0, 0, 32, 1)
        start += width
    assert memory.get(y, 3, 8, 4).tobytes() == np.concatenate(pieces, axis=1).tobytes()


# --- by arrays of integers -------------------------------------------------------------------------------------------


def words(memory: Memory, shape: Any, first: int, indices: list[Any], of_x: int, gathered: int) -> list[int]:
    """A row that indexes as many axes of x as there are arrays of integers, from axis `first` on."""
    rest = first + len(indices)
    counts = np.broadcast_shapes(*(index.shape for index in indices))
    row = [int(np.prod(shape[:first])), *(1,) * (3 - len(counts)), *counts, int(np.prod(shape[rest:])), len(indices)]
    row += [of_x, gathered]
    for length, index in zip(shape[first:rest], indices, strict=True):
        whole = np.broadcast_to(index, counts)
        row += [length, memory.put_integers(index), *(0,) * (3 - len(counts)), *(step // 8 for step in whole.strides)]
    return row


def indexed(x: Any, first: int, indices: list[Any]) -> tuple[Memory, Any]:
    memory = Memory(x.dtype.name)
    index = (*(slice(None),) * first, *indices)
    y = x[index]
    of_y = memory.room(*y.shape)
    memory.run("gather", *words(memory, x.shape, first, indices, memory.put(x), of_y))
    return memory, memory.get(of_y, *y.shape)


def added(g: Any, shape: Any, first: int, indices: list[Any]) -> Any:
    memory = Memory(g.dtype.name)
    of_x = memory.room(*shape)
    memory.run("scatter", *words(memory, shape, first, indices, of_x, memory.put(g)))
    return memory.get(of_x, *shape)


def cases() -> list[tuple[tuple[int, ...], int, list[Any]]]:
    """Shapes, the first axis indexed, and the integers."""
    rng = np.random.default_rng(3)

    def some(length: int, *shape: int) -> Any:
        return rng.integers(-length, length, shape)

    return [
        ((7, 3), 0, [some(7, 20)]),
        ((7,), 0, [some(7, 4, 5)]),
        ((1, 1), 0, [some(1, 3)]),
        ((5, 3), 0, [some(5, 0)]),
        ((3, 6, 4), 1, [some(6, 9)]),
        ((3, 6, 4), 2, [some(4, 9)]),
        ((40, 3), 0, [np.arange(40), some(3, 40)]),
        ((8, 3), 0, [np.arange(8)[:, None], some(3, 8, 2)]),
        ((4, 5, 6), 0, [np.arange(4)[:, None, None], some(5, 4, 2, 6), np.arange(6)]),
        ((2, 3, 2, 2, 3), 0, [some(2, 7), some(3, 7), some(2, 7), some(2, 7)]),
        ((2, 0), 0, [some(2, 3)]),
    ]


def check_gathered(dtype: str) -> float:
    worst = []
    for shape, first, indices in cases():
        x = numbers_like(dtype, *shape)
        memory, y = indexed(x, first, indices)
        worst.append(unlike(y, x[(*(slice(None),) * first, *indices)]))
        assert memory.integers[1] == 0
    return max(worst)


def check_added_back(dtype: str) -> float:
    worst = []
    for shape, first, indices in cases():
        index = (*(slice(None),) * first, *indices)
        g = numbers_like(dtype, *np.zeros(shape)[index].shape, 1)[..., 0]
        worst.append(unlike(added(g, shape, first, indices), _scatter(g, shape=shape, index=index)))
    return max(worst)


def test_along_an_axis() -> None:
    x, indices = numbers_like("float32", 6, 4), np.array([[3], [-4], [0], [1], [2], [3]])
    _, y = indexed(x, 0, [np.arange(6)[:, None], indices])
    assert y.tobytes() == F.take_along_axis(x, indices, 1).data.tobytes()


def test_an_index_out_of_range_ends_the_run() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    for bad, nearest in ((4, 3), (-5, 0), (2**62, 3), (-(2**63), 0)):
        for first, indices in ((0, [np.array([1, bad])]), (0, [np.array([0, 1]), np.array([0, bad])])):
            memory = Memory("float32")
            row = words(memory, x.shape, first, indices, memory.put(x), memory.room(6))
            memory.run("gather", *row)
            assert memory.integers[1] == -1
            if len(indices) == 1:
                assert memory.get(row[7], 2, 3).tobytes() == x[[1, nearest]].tobytes()
            memory = Memory("float32")
            memory.run("scatter", *words(memory, x.shape, first, indices, memory.room(12), memory.put(np.ones(6))))
            assert memory.integers[1] == -1


# --- by the round ----------------------------------------------------------------------------------------------------


def check_minibatches(dtype: str, *, of_integers: bool) -> float:
    x, names = numbers_like(dtype, 9, 5), np.random.default_rng(1).integers(0, 9, (4, 3))
    classes, worst = np.arange(9), []
    for number in range(4):
        memory = Memory(dtype)
        of_x, y, of_names = memory.put(x), memory.room(15), memory.put_integers(names)
        of_classes, z = memory.put_integers(classes), memory.put_integers(np.zeros(3))
        memory.integers[0] = number
        if of_integers:
            memory.run("minibatch_of_integers", 9, 1, of_classes, 3, z, of_names, 4)
            worst.append(unlike(memory.integers[z : z + 3], classes[names[number]]))
        else:
            memory.run("minibatch", 9, 5, of_x, 3, y, of_names, 4)
            worst.append(unlike(memory.get(y, 3, 5), x[names[number]]))
        assert memory.integers[1] == 0
    return max(worst)


@pytest.mark.parametrize(("number", "name"), [(4, 0), (-1, 0), (0, 9), (0, -10), (2**62, 0)])
def test_a_minibatch_out_of_range_ends_the_run(number: int, name: int) -> None:
    memory = Memory("float32")
    x = numbers_like("float32", 9, 5)
    of_x, y, names = memory.put(x), memory.room(15), memory.put_integers(np.full((4, 3), name))
    memory.integers[0] = number
    memory.run("minibatch", 9, 5, of_x, 3, y, names, 4)
    assert memory.integers[1] == -1


def check_traces(dtype: str) -> float:
    """A trace gets a row a round, and none in a round that there is no row for."""
    memory, steps = Memory(dtype), numbers_like(dtype, 5, 2)
    x, trace = memory.room(2), memory.put(np.zeros((5, 2)))
    for number in range(5):
        memory.integers[0] = number
        memory.get(x, 2)[:] = steps[number]
        memory.run("store", 2, x, trace, 5)
    assert memory.integers[1] == 0
    found = unlike(memory.get(trace, 5, 2), steps)
    for number in (5, -1):
        memory.integers[:2] = number, 0
        memory.run("store", 2, x, trace, 5)
        assert memory.integers[1] == -1
    return found


def check_integer_traces(dtype: str) -> float:
    memory, steps = Memory(dtype), np.arange(-5, 5).reshape(5, 2)
    x, trace = memory.put_integers([0, 0]), memory.put_integers(np.zeros(10))
    for number in range(5):
        memory.integers[0] = number
        memory.integers[x : x + 2] = steps[number]
        memory.run("store_of_integers", 2, x, trace, 5)
    assert memory.integers[1] == 0
    return unlike(memory.integers[trace : trace + 10].reshape(5, 2), steps)


def test_the_rounds_of_one_run_take_the_minibatches_in_turn() -> None:
    memory = Memory("float32")
    x, y, trace = memory.put([1, 2, 3, 4]), memory.room(1), memory.put(np.zeros(3))
    names = memory.put_integers([3, 0, 2])
    memory._call("minibatch", row_of("minibatch", 4, 1, x, 1, y, names, 3), 2)
    assert memory.get(y, 1) == 1
    memory._call("store", row_of("store", 1, y, trace, 3), 3)
    assert (memory.get(trace, 3) == 1).all()
    assert memory.integers[1] == 0


def check_integers(dtype: str) -> float:
    memory = Memory(dtype)
    values = np.array([0, -3, 2**24 + 1, 2**53 + 1, -(2**63)])
    y = memory.room(5)
    memory.run("from_integers", 5, memory.put_integers(values), y)
    return unlike(memory.get(y, 5), values.astype(dtype))


def check_whole_numbers(dtype: str) -> float:
    memory = Memory(dtype)
    values = np.array([0.0, -3.0, 2.0**24, -1.0])
    y = memory.put_integers(np.full(4, 9))
    memory.run("to_integers", 4, memory.put(values), y)
    return unlike(memory.integers[y : y + 4], values.astype(np.int64))


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    "place": check_places,
    "gather": check_gathered,
    "scatter": check_added_back,
    "minibatch": partial(check_minibatches, of_integers=False),
    "minibatch_of_integers": partial(check_minibatches, of_integers=True),
    "store": check_traces,
    "from_integers": check_integers,
    "place_of_integers": check_integer_places,
    "store_of_integers": check_integer_traces,
    "to_integers": check_whole_numbers,
}


def test_nonsense_is_rejected() -> None:
    index = (1, 1, 1, 2, 3, 1, 0, 100, 7, 10, 0, 0, 1)
    bad = [("gather", {0: -1}), ("gather", {3: -1}), ("gather", {4: -2}), ("gather", {5: 0}), ("gather", {5: 5})]
    bad += [("gather", {8: -1}), ("gather", {8: 0})]
    bad += [("scatter", change) for _, change in bad]
    rows: list[tuple[str, Any, dict[int, int]]] = [(name, index, change) for name, change in bad]
    batch = (9, 5, 0, 3, 100, 10, 4)
    for name in ("minibatch", "minibatch_of_integers"):
        rows += [(name, batch, {place: value}) for place, value in ((0, -1), (0, 0), (1, -1), (3, -1), (6, 0))]
    rows += [("store", (2, 0, 100, 5), {0: -1}), ("store", (2, 0, 100, 5), {3: 0})]
    rows += [("place", (1, 1, 1, 1), {place: -1}) for place in range(4)] + [("from_integers", (1,), {0: -1})]
    for name, row, change in rows:
        list(OPCODES[name].form(row_of(name, *row)))
        changed = [change.get(place, word) for place, word in enumerate(row)]
        with pytest.raises(ValueError, match=r"below 0|sense|can't be indexed"):
            list(OPCODES[name].form(row_of(name, *changed)))


LONG = 2**63 - 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(("place", (*lengths, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0)) for lengths in ((LONG, 0, 1, 1), (0, LONG, 1, LONG))),
        ("place", (1, 1, 1, LONG, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0)),  # the same number, again and again
        ("place_of_integers", (LONG, 1, 1, 0)),
        ("gather", (LONG, 1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0)),
        ("scatter", (1, 1, LONG, LONG, 0, 1, 0, 0, 1, 0, 0, 0, 0)),
        ("centred", (LONG, 0, 1)),
        ("cumsum", (LONG, 0, LONG)),
        ("sum", (1, LONG, 0)),
        ("batch_norm", (LONG, 0, 1)),
        ("rnn", (LONG, 0, 1)),
        ("matmul", (1, 1, 1, LONG, 1)),
        ("matmul", (LONG, 1, 0, 1, 1)),
    ],
)
def test_rows_that_would_never_end_are_rejected(name: str, words: Any) -> None:
    with pytest.raises(ValueError, match="no sense"):
        list(OPCODES[name].form(row_of(name, *words)))


def test_what_rows_touch() -> None:
    """The whole of x, wherever the integers point, and the word that ends a run."""
    row = row_of("scatter", 2, 1, 1, 4, 3, 1, 50, 200, 7, 10, 0, 0, 1)
    spans = {(one.first, one.last, one.written, one.of_integers) for one in OPCODES["scatter"].form(row)}
    assert spans == {
        (50, 92, True, False),
        (200, 224, False, False),
        (10, 14, False, True),
        (0, 1, False, True),
        (1, 2, True, True),
    }
    row = row_of("minibatch", 9, 5, 50, 3, 200, 10, 4)
    spans = {(one.first, one.last, one.written, one.of_integers) for one in OPCODES["minibatch"].form(row)}
    assert {(50, 95, False, False), (200, 215, True, False), (10, 22, False, True), (1, 2, True, True)} < spans


def test_lengths_do_not_wrap_around() -> None:
    """What would be no number at all in 64 bits is more than any buffer holds."""
    most = 2**32
    for name, words_of in (
        ("gather", (most, 1, 1, most, 1, 1, 0, 0, 1, 0, 0, 0, 1)),
        ("scatter", (most, 1, 1, most, 1, 1, 0, 0, 1, 0, 0, 0, 1)),
        ("place", (1, 1, most, most, 0, 0, 0, most, 1, 0, 0, 0, most, 1)),
        ("minibatch", (most, most, 0, most, 0, 0, 1)),
        ("store", (most, 0, 0, most)),
        ("sum", (most, most, 1, 0, 0)),
        ("centred", (most, most, 1, 0, 0)),
    ):
        assert max(span.last for span in OPCODES[name].form(row_of(name, *words_of))) >= 2**63


def with_less() -> None:
    """What the plain code is held to."""
    for dtype in DTYPES:
        for name, check in AGREEMENT.items():
            holds(name, check(dtype))


def test_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_moves", "with_less()")

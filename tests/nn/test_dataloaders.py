"""Loaders: each example once, streams, resumption to the bit, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import cuda
from cartwheel.nn.dataloaders import DataLoader, SeqDataLoader
from cartwheel.nn.datasets import Dataset


class Numbers(Dataset):
    """x (2,) float32 = (i, 10 i), t = i."""

    def __init__(self, size: int = 10, labels: bool = True) -> None:
        self.size, self.labels = size, labels
        super().__init__()

    def prepare(self) -> None:
        numbers = np.arange(self.size)
        self.data = np.stack([numbers, 10 * numbers], axis=1).astype(np.float32)
        self.label = numbers if self.labels else None


def epoch(loader: Any) -> list[list[int]]:
    return [t.tolist() for _, t in loader]


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def test_in_order() -> None:
    loader = DataLoader(Numbers(), 4, shuffle=False)
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == loader.max_iter == 3


def test_batches_are_arrays_of_the_data_type() -> None:
    x, t = next(DataLoader(Numbers(), 4, shuffle=False))
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((4, 2), np.float32, (4,), np.int64)
    np.testing.assert_array_equal(x[3], [3, 30])


def test_shuffled_has_each_once_and_another_order_each_epoch() -> None:
    loader = DataLoader(Numbers(100), 7, rng=rng())
    first, second = ([t for batch in epoch(loader) for t in batch] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != list(range(100))
    assert first != list(range(100))


def test_each_order_is_equally_likely() -> None:
    """Of 3 examples over 6,000 epochs: each of the 6 orders 1,000 times, within 5 standard deviations (of 29)."""
    loader = DataLoader(Numbers(3), 3, rng=rng())
    orders = ["".join(map(str, epoch(loader)[0])) for _ in range(6000)]
    counts = [orders.count(order) for order in ("012", "021", "102", "120", "201", "210")]
    assert sum(counts) == 6000
    assert max(abs(count - 1000) for count in counts) < 145


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_the_order_comes_from_the_generator(make: Any) -> None:
    orders = [epoch(DataLoader(Numbers(50), 50, rng=make(seed))) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_the_default_generator() -> None:
    orders = []
    for seed in (1, 1, 2):
        nn.seed(seed)
        orders.append(epoch(DataLoader(Numbers(50), 50)))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("taken", [0, 1, 3, 4, 5, 9])
def test_restored_goes_on_with_the_same_batches(taken: int) -> None:
    loader = DataLoader(Numbers(), 4, rng=rng(1))
    for _ in range(taken):
        next(loader, None)
    state = loader.state()
    other = DataLoader(Numbers(), 4, rng=rng(2))
    other.restore(state)
    expected = [[t.tolist() for _, t in loader] for _ in range(3)]
    assert [[t.tolist() for _, t in other] for _ in range(3)] == expected
    assert all(isinstance(value, int) for value in state.values())


def test_streams_side_by_side() -> None:
    assert epoch(SeqDataLoader(Numbers(), 3)) == [[0, 3, 6], [1, 4, 7], [2, 5, 8], [3, 6, 9]]
    assert epoch(SeqDataLoader(Numbers(4), 2)) == [[0, 2], [1, 3]]
    assert epoch(SeqDataLoader(Numbers(5), 4)) == [[0, 1, 2, 3], [1, 2, 3, 4]]


def test_without_labels() -> None:
    x, t = next(DataLoader(Numbers(labels=False), 4))
    assert x.shape == (4, 2)
    assert t is None


def test_any_sequence_of_pairs_will_do() -> None:
    loader = DataLoader([(1.0, 2), (3.0, 4)], 2, shuffle=False)
    x, t = loader.next()
    assert (x.tolist(), t.tolist()) == ([1.0, 3.0], [2, 4])


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "4"])
def test_batch_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(ValueError, match="expected a batch size of at least 1, got"):
        DataLoader(Numbers(), size)


def test_an_empty_data_set() -> None:
    with pytest.raises(ValueError, match="got an empty Numbers"):
        DataLoader(Numbers(0), 2)


@pytest.mark.parametrize("state", [{}, {"seed": 1, "epoch": 0}])
def test_what_is_no_state(state: Any) -> None:
    with pytest.raises(ValueError, match="expected a loader's state"):
        DataLoader(Numbers(), 4).restore(state)


def test_what_is_no_dict() -> None:
    with pytest.raises(TypeError, match=r"expected a loader's state .* got NoneType"):
        DataLoader(Numbers(), 4).restore(None)  # type: ignore[arg-type]


def test_the_state_of_another_loader() -> None:
    with pytest.raises(ValueError, match="from 0 to 3, got iteration 7"):
        DataLoader(Numbers(), 4).restore({"seed": 1, "epoch": 0, "iteration": 7})


def test_without_cupy() -> None:
    if cuda.gpu_enable:
        pytest.skip("CuPy is installed")
    loader = DataLoader(Numbers(), 4)
    loader.to_gpu()
    with pytest.raises(RuntimeError, match="expected CuPy"):
        next(loader)
    loader.to_cpu()
    assert len(next(loader)[0]) == 4


# --- several loops over one loader -----------------------------------------------------------------------------------


def test_after_a_break_the_next_loop_begins_anew() -> None:
    loader = DataLoader(Numbers(), 4, shuffle=False)
    for _ in loader:
        break
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    pairs = [t.tolist() for (_, t), _ in zip(loader, range(2), strict=False)]
    assert pairs == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert epoch(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_after_a_break_comes_the_next_order() -> None:
    broken, whole = (DataLoader(Numbers(50), 50, rng=rng()) for _ in range(2))
    for _ in broken:
        break
    first, second = epoch(whole), epoch(whole)
    assert first != second == epoch(broken)


def test_loops_within_loops_end() -> None:
    loader = DataLoader(Numbers(4), 2, rng=rng())
    outer, inner = [], []
    for _, t in loader:
        outer += t.tolist()
        for _, u in loader:
            inner += u.tolist()
    assert sorted(outer) == [0, 1, 2, 3]
    assert sorted(inner) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sorted(t for batch in epoch(loader) for t in batch) == [0, 1, 2, 3]


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_a_state_taken_within_a_loop(taken: int) -> None:
    """The loop that is resumed goes on with the batch after, and the epochs that follow are the same."""
    loader, other = DataLoader(Numbers(), 4, rng=rng(1)), DataLoader(Numbers(), 4, rng=rng(2))
    epoch(loader)
    rest = []
    for number, (_, t) in enumerate(loader, 1):
        if number > taken:
            rest.append(t.tolist())
        elif number == taken:
            state = loader.state()
    assert state["epoch"] == 1
    assert state["iteration"] == taken
    other.restore(state)
    assert epoch(other) == rest
    assert [epoch(other) for _ in range(2)] == [epoch(loader) for _ in range(2)]


def test_a_restored_loader_that_is_in_a_loop() -> None:
    loader = DataLoader(Numbers(), 4, rng=rng(1))
    state = loader.state()
    expected = epoch(loader)
    for _ in loader:
        break
    loader.restore(state)
    assert epoch(loader) == expected


def test_single_batches_and_loops() -> None:
    loader = DataLoader(Numbers(), 4, shuffle=False)
    next(loader)
    assert epoch(loader) == [[4, 5, 6, 7], [8, 9]]
    assert next(loader)[1].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("dataset", "got"),
    [
        (np.ones((5, 3)), r"ndarray of shape \(3,\)"),
        (np.ones((5, 2)), r"ndarray of shape \(2,\)"),
        ((np.ones((5, 2)), np.ones(5)), r"ndarray of shape \(5, 2\)"),
        ([(1, 2, 3)], "tuple of 3"),
        ([1.0], "float"),
    ],
)
def test_examples_that_are_no_pairs(dataset: Any, got: str) -> None:
    with pytest.raises(TypeError, match=rf"expected dataset\[i\] to be a pair \(x, t\).*got .*{got}"):
        next(DataLoader(dataset, 2, shuffle=False))


def test_examples_of_several_shapes() -> None:
    with pytest.raises(ValueError, match="expected the x of all examples in a batch to have one shape"):
        next(DataLoader([(np.ones(2), 0), (np.ones(3), 1)], 2))
    with pytest.raises(ValueError, match="expected the t of all examples"):
        next(DataLoader([(0, np.ones(2)), (1, np.ones(3))], 2))

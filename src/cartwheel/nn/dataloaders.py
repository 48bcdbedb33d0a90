"""Batches of a data set: shuffled ones, or streams that go on from batch to batch for recurrent networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cartwheel.nn.config import Config
from cartwheel.nn.cuda import module


class DataLoader:
    """Iterates over batches `(x (B, ...), t (B, ...))` of a data set once, the last one smaller if there is a rest.

    The next `for` goes through the data anew, in a new random order with `shuffle`, also if the last one was left in
    the middle, or goes on around it; but after `restore`, or single batches by `next`, it goes on from there. The order
    of an epoch follows from one number, drawn from `rng` (default: `Config.rng`) when the loader is made, and the
    number of the epoch. t is None for a data set without labels. With `gpu` the batches are arrays of CuPy's.
    ValueError for an empty data set, a batch size that is no whole number from 1, or examples of several shapes;
    TypeError for examples that are no pairs (x, t).
    """

    def __init__(self, dataset: Any, batch_size: int, shuffle: bool = True, gpu: bool = False, rng: Any = None) -> None:
        if not isinstance(batch_size, int | np.integer) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"expected a batch size of at least 1, got {batch_size!r}")
        if len(dataset) == 0:
            raise ValueError(f"expected a data set with examples in it, got an empty {type(dataset).__name__}")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.gpu = gpu
        self.data_size = len(dataset)
        self.max_iter = math.ceil(self.data_size / self.batch_size)
        source = Config.rng if rng is None else rng
        self._seed = int.from_bytes(source.bytes(7), "little") if shuffle else 0
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self.epoch, self.iteration = epoch, 0
        self._looped = False  # whether a `for` has begun in this epoch
        self.index = np.arange(self.data_size)
        if self.shuffle:
            self.index = np.random.default_rng((self._seed, epoch)).permutation(self.data_size)

    def reset(self) -> None:
        """Begin the next epoch, whether this one is at its end or not."""
        self._begin(self.epoch + 1)

    def __len__(self) -> int:
        """How many batches there are in an epoch."""
        return self.max_iter

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if self._looped:
            self.reset()
        self._looped = True
        index = self.index
        for iteration in range(self.iteration, self.max_iter):
            batch = self._batch(index, iteration)
            if self.index is index:  # else another loop has gone on from here, or a state was restored
                self.iteration = iteration + 1
            yield batch
        if self.index is index:
            self.reset()

    def __next__(self) -> tuple[Any, Any]:
        if self.iteration >= self.max_iter:
            self.reset()
            raise StopIteration
        batch = self._batch(self.index, self.iteration)
        self.iteration += 1
        return batch

    def _batch(self, index: Any, iteration: int) -> tuple[Any, Any]:
        numbers = self._chosen(index, iteration)
        examples = [_pair(self.dataset[number]) for number in map(int, numbers)]
        xp = module(self.gpu)
        labels = [t for _, t in examples]
        x = xp.asarray(_stacked("x", [x for x, _ in examples]))
        return x, None if labels[0] is None else xp.asarray(_stacked("t", labels))

    def _chosen(self, index: Any, iteration: int) -> Any:
        """Which examples are in a batch."""
        start = iteration * self.batch_size
        return index[start : start + self.batch_size]

    def next(self) -> tuple[Any, Any]:
        """The next batch, as `next(loader)`."""
        return self.__next__()

    def to_cpu(self) -> None:
        """Give arrays of NumPy's from now on."""
        self.gpu = False

    def to_gpu(self) -> None:
        """Give arrays of CuPy's from now on."""
        self.gpu = True

    def state(self) -> dict[str, int]:
        """Where the loader is: three whole numbers. It holds no generator."""
        return {"seed": self._seed, "epoch": self.epoch, "iteration": self.iteration}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, with the same batches in the same order, in this epoch and all that follow.

        ValueError for what is no state of a loader with as many batches, TypeError for no dict.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"expected a loader's state (seed, epoch, iteration), got {type(state).__name__}")
        try:
            seed, epoch, iteration = (int(state[name]) for name in ("seed", "epoch", "iteration"))
        except KeyError as missing:
            raise ValueError(f"expected a loader's state (seed, epoch, iteration), got {sorted(state)}") from missing
        if seed < 0 or epoch < 0 or not 0 <= iteration <= self.max_iter:
            raise ValueError(
                f"expected a state with an iteration from 0 to {self.max_iter}, got iteration {iteration} of epoch "
                f"{epoch}: is it that of another data set or batch size?"
            )
        self._seed = seed
        self._begin(epoch)
        self.iteration = iteration


class SeqDataLoader(DataLoader):
    """Iterates over a sequence in `batch_size` streams side by side: a batch is the next step of each.

    Stream i begins at i times the length of the data divided by the batch size, rounded down, and goes on from batch to
    batch, round the end if it must: row i of a recurrent network's memory belongs to it.
    """

    def __init__(self, dataset: Any, batch_size: int, gpu: bool = False) -> None:
        super().__init__(dataset, batch_size, shuffle=False, gpu=gpu)

    def _chosen(self, index: Any, iteration: int) -> Any:
        jump = self.data_size // self.batch_size
        return (np.arange(self.batch_size) * jump + iteration) % self.data_size


def _pair(example: Any) -> Any:
    if not isinstance(example, tuple | list) or len(example) != 2:
        kind, shape = type(example).__name__, getattr(example, "shape", None)
        got = f"{kind} of {len(example)}" if isinstance(example, tuple | list) else kind
        raise TypeError(
            "expected dataset[i] to be a pair (x, t), as that of a Dataset, or of list(zip(xs, ts)); got "
            f"{got if shape is None else f'{kind} of shape {shape}'}"
        )
    return example


def _stacked(what: str, parts: Sequence[Any]) -> Any:
    """The parts as one array, along a new first axis."""
    if len({np.shape(part) for part in parts}) > 1:
        raise ValueError(
            f"expected the {what} of all examples in a batch to have one shape, got {np.shape(parts[0])} and others"
        )
    return np.array(parts)

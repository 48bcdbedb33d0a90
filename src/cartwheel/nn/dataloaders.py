"""Batches of a data set: shuffled ones, or streams that go on from batch to batch for recurrent networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cartwheel.nn.config import Config
from cartwheel.nn.cuda import module


class DataLoader:
    """Iterates over batches `(x (B, ...), t (B, ...))` of a data set once, the last one smaller if there is a rest.

    The next `for` goes through the data anew, in a new random order with `shuffle`. The order of an epoch follows from
    one number, drawn from `rng` (default: `Config.rng`) when the loader is made, and the number of the epoch. t is None
    for a data set without labels. With `gpu` the batches are arrays of CuPy's. ValueError for an empty data set, or a
    batch size that is no whole number from 1.
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
        self.index = np.arange(self.data_size)
        if self.shuffle:
            self.index = np.random.default_rng((self._seed, epoch)).permutation(self.data_size)

    def reset(self) -> None:
        """Begin the next epoch, whether this one is at its end or not."""
        self._begin(self.epoch + 1)

    def __len__(self) -> int:
        """How many batches there are in an epoch."""
        return self.max_iter

    def __iter__(self) -> DataLoader:
        return self

    def __next__(self) -> tuple[Any, Any]:
        if self.iteration >= self.max_iter:
            self.reset()
            raise StopIteration
        examples = [self.dataset[int(number)] for number in self._chosen()]
        self.iteration += 1
        xp = module(self.gpu)
        labels = [t for _, t in examples]
        return xp.asarray(np.array([x for x, _ in examples])), None if labels[0] is None else xp.asarray(
            np.array(labels)
        )

    def _chosen(self) -> Any:
        """Which examples are in the next batch."""
        start = self.iteration * self.batch_size
        return self.index[start : start + self.batch_size]

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

        ValueError for what is no state of a loader with as many batches.
        """
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

    def _chosen(self) -> Any:
        jump = self.data_size // self.batch_size
        return (np.arange(self.batch_size) * jump + self.iteration) % self.data_size

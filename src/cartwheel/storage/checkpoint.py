"""Checkpoints: a flat dict of arrays and scalars in a file, the last one and the one before it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import StorageError
from cartwheel.storage.arrays import digest, pack, unpack
from cartwheel.storage.atomic import read_whole, remove_leftovers, storage_errors, write_atomically

State: TypeAlias = NDArray[Any] | int | float | str | bool | None


class Checkpoints:
    """The checkpoints in a folder: at every moment one of the two files is whole, whoever is killed in a write.

    One process writes at a time; any number may read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last, self.previous = folder / "last.safetensors", folder / "previous.safetensors"
        self._prepared = False

    def write(self, state: Mapping[str, State]) -> None:
        """Make `state` the last checkpoint and the former last one the previous, durably.

        Raises StorageError where the folder can't be written or an entry is neither array nor scalar.
        """
        arrays, scalars = _split(state)
        data = pack(arrays, {"kind": "checkpoint", "scalars": scalars})
        # A damaged file must not take the place of a good previous one; what this object wrote is known to be good.
        keep = self.previous if self._prepared or self._prepare() else None
        write_atomically(self.last, data, keep)
        self._prepared = True

    def read(self) -> dict[str, State] | None:
        """The last checkpoint, None if there is none. NumPy's scalars come back as Python's.

        If the last file is damaged, a warning says so and the previous one is given; StorageError if both are.
        """
        if not self.last.exists():  # none yet, or the writer was killed between its two moves
            return _read(self.previous) if self.previous.exists() else None
        try:
            return _read(self.last)
        except StorageError as problem:
            if not self.previous.exists():
                raise
            state = self._read_previous(problem)
            warnings.warn(f"{problem}; going on with the checkpoint before it", stacklevel=2)
            return state

    def _prepare(self) -> bool:
        """Make the folder fit to be written into; says whether the last file is one to keep."""
        with storage_errors(self.folder, "can't be made"):
            self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        try:
            _read(self.last)
        except StorageError:
            return False
        return True

    def _read_previous(self, problem: StorageError) -> dict[str, State]:
        try:
            return _read(self.previous)
        except StorageError as other:
            raise StorageError(f"both checkpoints are unusable: {problem}; {other}") from None


def state_digest(state: Mapping[str, State]) -> str:
    """SHA-256, in hexadecimal, over names, types and values of a state, in sorted order."""
    arrays, scalars = _split(state)
    return digest(arrays, scalars)


def _split(state: Mapping[str, State]) -> tuple[dict[str, NDArray[Any]], dict[str, State]]:
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    scalars = {name: value for name, value in state.items() if name not in arrays}
    for name, value in scalars.items():
        if not (value is None or isinstance(value, (int, float, str, np.generic))):
            raise StorageError(f"can't store the state's {name!r}: expected an array or a scalar, got {value!r:.60}")
    return arrays, scalars


def _read(path: Path) -> dict[str, State]:
    arrays, metadata = unpack(read_whole(path), str(path))
    scalars = metadata.get("scalars")
    if metadata.get("kind") != "checkpoint" or not isinstance(scalars, dict):
        raise StorageError(f"{path}: expected a checkpoint, got a file of the kind {metadata.get('kind')!r}")
    return {**arrays, **scalars}

"""Files of weights: one `.npz` with an array for each name, as DeZero's; no pickle is written or read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from cartwheel.nn import cuda
from cartwheel.nn.array import Array, namespace
from cartwheel.nn.variable import Parameter


def save_weights(path: str | PathLike[str], params: Sequence[tuple[str, Parameter]]) -> None:
    """Write these parameters by name; `.npz` is added to a path without it. The file is whole, or as it was before.

    ValueError for a parameter without data.
    """
    arrays = {}
    for name, p in params:
        if p.data is None:
            raise ValueError(
                f"save_weights: {name} has no data yet: it is known when its layer is first used, or made with its "
                "input size"
            )
        arrays[name] = cuda.as_numpy(p.data)
    if len(arrays) != len(params):
        raise ValueError("two parameters have one name: give the layers of a dict keys that differ as text")
    target = _with_ending(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        _write(draft, arrays)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def load_weights(
    path: str | PathLike[str],
    params: Sequence[tuple[str, Parameter]],
    waiting: Mapping[str, tuple[int | None, ...]] | None = None,
) -> None:
    """Read these parameters from a file of exactly their names, shapes and types: all of them, or none.

    `waiting` tells what is known of the shapes of those without data yet. FileNotFoundError where there is no file;
    ValueError for one that is damaged, no file of weights, or one of another model.
    """
    target = _with_ending(path)
    arrays = _read(target)
    expected = {name: _form(p, (waiting or {}).get(name)) for name, p in params}
    problems = _differences(expected, arrays)
    if problems:
        raise ValueError(f"{target} holds the weights of another model: {'; '.join(problems)}")
    for name, p in params:
        p.data = arrays[name] if p.data is None else namespace(p.data).asarray(arrays[name])


def _with_ending(path: str | PathLike[str]) -> Path:
    return Path(path) if str(path).endswith(".npz") else Path(f"{os.fspath(path)}.npz")


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    """What `numpy.savez_compressed` writes, which can't be given every name; without the time of day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _read(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        try:
            content: Any = np.load(file, allow_pickle=False)
            if not hasattr(content, "files"):
                raise ValueError("it holds one array without a name")
            arrays = {name: content[name] for name in content.files}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):
                    raise ValueError(f"{name} is no array")
            return arrays
        except Exception as problem:  # whatever foreign bytes may make of a reader
            raise ValueError(f"{path} is damaged, or no file of weights: {problem}") from problem


#: What is known of an array: its shape (None where anything goes, as a whole or for a length) and its type.
_Form = tuple[tuple[int | None, ...] | None, Any]


def _form(p: Parameter, waiting: tuple[int | None, ...] | None) -> _Form:
    return (waiting, None) if p.data is None else (tuple(p.data.shape), p.data.dtype)


def _differences(expected: Mapping[str, _Form], arrays: Mapping[str, Array]) -> list[str]:
    """What stands between the parameters and the arrays of a file, in words."""
    found = [f"{name} is missing" for name in expected if name not in arrays]
    found += [f"{name} is unknown here" for name in arrays if name not in expected]
    for name, (shape, dtype) in expected.items():
        array = arrays.get(name)
        if array is None:
            continue
        alike = array.dtype.kind == "f" if dtype is None else array.dtype == dtype
        if not alike or not _fits(array.shape, shape):
            wanted = f"{'floats' if dtype is None else dtype} {_written(shape)}"
            found.append(f"{name} is {wanted} here, {array.dtype} {array.shape} in the file")
    return found


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...] | None) -> bool:
    if wanted is None:
        return True
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))


def _written(shape: tuple[int | None, ...] | None) -> str:
    return "of any shape" if shape is None else f"({', '.join('?' if n is None else str(n) for n in shape)})"

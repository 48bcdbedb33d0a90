"""Observation and action spaces as plain data, so that policies and their files need no Gymnasium.

`envs` turns Gymnasium's spaces into these. An observation of any of them becomes one flat float32 vector (`flatten`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError


@dataclass(frozen=True)
class Box:
    """Arrays of one shape; `low` and `high` bound each element, in C order (infinite where nothing does)."""

    shape: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Discrete:
    """The integers start, ..., start + n - 1."""

    n: int
    start: int = 0


@dataclass(frozen=True)
class MultiDiscrete:
    """Arrays of integers, element k one of start[k], ..., start[k] + nvec[k] - 1 (in C order)."""

    shape: tuple[int, ...]
    nvec: tuple[int, ...]
    start: tuple[int, ...]


@dataclass(frozen=True)
class MultiBinary:
    """Arrays of zeros and ones."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Tuple:
    """One value of each space, in order."""

    spaces: tuple[Space, ...]


@dataclass(frozen=True)
class Dict:
    """One value of each space, by key, in the order of `keys`."""

    keys: tuple[str, ...]
    spaces: tuple[Space, ...]


Space: TypeAlias = Box | Discrete | MultiDiscrete | MultiBinary | Tuple | Dict


def flat_size(space: Space) -> int:
    """How many numbers an observation of this space becomes."""
    match space:
        case Box() | MultiBinary():
            return math.prod(space.shape)
        case Discrete():
            return space.n
        case MultiDiscrete():
            return sum(space.nvec)
        case Tuple() | Dict():
            return sum(flat_size(part) for part in space.spaces)


def flatten(space: Space, value: Any) -> NDArray[np.float32]:
    """An observation `value` as one vector `(flat_size(space),)`: arrays flattened, integers one-hot, parts in order.

    Raises ValueError, with what was expected and what came, for a value that does not belong.
    """
    out = np.zeros(flat_size(space), np.float32)
    _flatten_into(space, value, out)
    return out


def _flatten_into(space: Space, value: Any, out: NDArray[np.float32]) -> None:
    match space:
        case Box():
            with np.errstate(over="ignore"):  # beyond float32 is infinite, and that is looked for elsewhere
                out[:] = _array(value, space.shape).ravel()
        case MultiBinary():
            bits = _array(value, space.shape)
            if not ((bits == 0) | (bits == 1)).all():
                raise ValueError(f"expected zeros and ones, got {_brief(value)}")
            out[:] = bits.ravel()
        case Discrete():
            _one_hot(_array(value, ())[()], space.n, space.start, out)
        case MultiDiscrete():
            offset = 0
            numbers = _array(value, space.shape).ravel()
            for number, n, start in zip(numbers, space.nvec, space.start, strict=True):
                _one_hot(number, n, start, out[offset : offset + n])
                offset += n
        case Tuple():
            if not isinstance(value, (tuple, list)) or len(value) != len(space.spaces):
                raise ValueError(f"expected a tuple of {len(space.spaces)} parts, got {_brief(value)}")
            _flatten_parts(space.spaces, tuple(value), out)
        case Dict():
            if not hasattr(value, "keys") or set(value.keys()) != set(space.keys):
                raise ValueError(f"expected a dict with the keys {', '.join(space.keys)}, got {_brief(value)}")
            _flatten_parts(space.spaces, tuple(value[key] for key in space.keys), out)


def _flatten_parts(spaces: tuple[Space, ...], values: tuple[Any, ...], out: NDArray[np.float32]) -> None:
    offset = 0
    for part, value in zip(spaces, values, strict=True):
        size = flat_size(part)
        _flatten_into(part, value, out[offset : offset + size])
        offset += size


def _array(value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.asarray(value)
    if array.shape != shape:
        raise ValueError(f"expected shape {shape}, got {array.shape}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"expected numbers, got {_brief(value)}")
    return array


def _one_hot(number: Any, n: int, start: int, out: NDArray[np.float32]) -> None:
    if not (start <= number < start + n and number == np.floor(number)):
        raise ValueError(f"expected one of {n} whole numbers from {start}, got {number}")
    out[int(number) - start] = 1.0


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- plain data, for files -------------------------------------------------------------------------------------------


def to_data(space: Space) -> dict[str, Any]:
    """A space as JSON-ready data; infinite bounds become the strings "inf" and "-inf"."""
    match space:
        case Box():
            return {
                "kind": "box",
                "shape": list(space.shape),
                "low": [_number_to_data(x) for x in space.low],
                "high": [_number_to_data(x) for x in space.high],
                "dtype": space.dtype,
            }
        case Discrete():
            return {"kind": "discrete", "n": space.n, "start": space.start}
        case MultiDiscrete():
            return {
                "kind": "multi-discrete",
                "shape": list(space.shape),
                "nvec": list(space.nvec),
                "start": list(space.start),
            }
        case MultiBinary():
            return {"kind": "multi-binary", "shape": list(space.shape)}
        case Tuple():
            return {"kind": "tuple", "spaces": [to_data(part) for part in space.spaces]}
        case Dict():
            return {"kind": "dict", "keys": list(space.keys), "spaces": [to_data(part) for part in space.spaces]}


def from_data(data: Any) -> Space:
    """The space that `to_data` wrote; UsageError for anything else (the data may come from a stranger's file)."""
    try:
        return _from_data(data, depth=0)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as problem:
        raise UsageError(f"not the description of a space: {problem}") from None


def _from_data(data: Any, depth: int) -> Space:
    if not isinstance(data, dict):
        raise ValueError(f"expected a table, got {_brief(data)}")
    if depth > 16:
        raise ValueError("spaces are nested too deeply")
    match data["kind"]:
        case "box":
            shape = _shape(data["shape"])
            low, high = (tuple(_number_from_data(x) for x in data[key]) for key in ("low", "high"))
            _need(len(low) == len(high) == math.prod(shape), "the bounds of a box do not fit its shape")
            _need(data["dtype"] in _BOX_TYPES, f"unknown data type {_brief(data['dtype'])}")
            return Box(shape, low, high, data["dtype"])
        case "discrete":
            return Discrete(_size(data["n"]), _integer(data["start"]))
        case "multi-discrete":
            shape, nvec = _shape(data["shape"]), _sizes(data["nvec"])
            start = tuple(_integer(x) for x in data["start"])
            _need(len(nvec) == len(start) == math.prod(shape), "nvec and start do not fit the shape")
            return MultiDiscrete(shape, nvec, start)
        case "multi-binary":
            return MultiBinary(_shape(data["shape"]))
        case "tuple":
            return Tuple(tuple(_from_data(part, depth + 1) for part in data["spaces"]))
        case "dict":
            keys, parts = tuple(data["keys"]), tuple(_from_data(part, depth + 1) for part in data["spaces"])
            _need(all(isinstance(key, str) for key in keys), "keys have to be texts")
            _need(len(keys) == len(parts) == len(set(keys)), "keys and spaces do not fit each other")
            return Dict(keys, parts)
        case kind:
            raise ValueError(f"unknown kind {_brief(kind)}")


_BOX_TYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
_LARGEST = 1 << 31


def _need(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _integer(value: Any) -> int:
    _need(isinstance(value, int) and not isinstance(value, bool), f"expected a whole number, got {_brief(value)}")
    _need(abs(value) < 1 << 63, "a number is too large")
    return int(value)


def _size(value: Any, minimum: int = 1) -> int:
    number = _integer(value)
    _need(minimum <= number < _LARGEST, f"expected a size, got {number}")
    return number


def _sizes(values: Any, minimum: int = 1) -> tuple[int, ...]:
    _need(isinstance(values, list) and len(values) <= 1 << 20, "expected a list of sizes")
    return tuple(_size(value, minimum) for value in values)


def _shape(values: Any) -> tuple[int, ...]:
    shape = _sizes(values, minimum=0)
    _need(len(shape) <= 32, "more dimensions than an array has")
    return shape


def _number_to_data(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _number_from_data(value: Any) -> float:
    if value in ("inf", "-inf"):
        return float(value)
    _need(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
        f"expected a bound, got {_brief(value)}",
    )
    return float(value)

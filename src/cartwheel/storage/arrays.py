"""Named arrays and plain data as safetensors bytes, under a checksum.

safetensors keeps no checksum, orders several metadata keys at random and saves strided arrays wrongly without a word.
So the arrays are made contiguous, and there is one metadata key, "cartwheel": a JSON text that holds the format's
number, the metadata and a SHA-256 over names, types, shapes, bytes and metadata. A flipped bit anywhere is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from cartwheel.errors import StorageError

FORMAT = 1
_KEY = "cartwheel"
_TYPES = frozenset("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())
_NOT_FINITE = "$float"  # JSON has no NaN and no infinity: {"$float": "nan"} stands for it


def pack(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> bytes:
    """The bytes of a safetensors file with these arrays and this metadata (JSON's types; NaN and infinity too).

    Tuples become lists and NumPy's scalars Python's. Raises StorageError for what can't be stored.
    """
    tensors, content = _plain_arrays(arrays), _plain(metadata, "the metadata")
    seal = {"format": FORMAT, "sha256": _digest(tensors, content), "content": content}
    return safetensors.numpy.save(tensors, {_KEY: _to_json(seal)})


def unpack(data: bytes, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the metadata that `pack` was given; `what` (a path) names the bytes in errors.

    Raises StorageError, whatever the bytes are, unless they are exactly what `pack` wrote.
    """
    seal = _seal(data, what)
    tensors = _tensors(data, what)
    content = seal["content"]
    if _digest(tensors, content) != seal["sha256"]:
        raise _damaged(what, "its checksum does not match its content")
    return tensors, _revived(content)


def digest(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over names, types, shapes and bytes in sorted order, and over the metadata."""
    return _digest(_plain_arrays(arrays), _plain(metadata, "the metadata"))


def _digest(tensors: Mapping[str, NDArray[Any]], content: Any) -> str:
    table = [[name, tensors[name].dtype.name, list(tensors[name].shape)] for name in sorted(tensors)]
    hasher = hashlib.sha256(_to_json([FORMAT, content, table]).encode())
    for name in sorted(tensors):
        hasher.update(tensors[name].reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()


def _plain_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays in C order and little-endian, as safetensors takes for granted."""
    for name, array in arrays.items():
        if not isinstance(name, str) or not name.isprintable() or name == "__metadata__":
            raise StorageError(f"can't store an array under the name {name!r}")
        if array.dtype.name not in _TYPES:
            raise StorageError(f"can't store the array {name!r}: its type {array.dtype} is none of {sorted(_TYPES)}")
    # not ascontiguousarray, which gives arrays without dimensions one
    return {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}


# --- reading what may be anybody's bytes ------------------------------------------------------------------------------


def _seal(data: bytes, what: str) -> dict[str, Any]:
    """What stands under the one metadata key: format, sha256 and content."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _damaged(what, "it is cut short")
    metadata = _table(data[8 : 8 + length], what).get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise StorageError(f"{what}: not written by Cartwheel")
    seal = _table(metadata[_KEY], what)
    number = seal.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise StorageError(f"{what}: its format {number} is newer than this Cartwheel, which reads {FORMAT}: update it")
    if number != FORMAT or set(metadata) != {_KEY} or set(seal) != {"format", "sha256", "content"}:
        raise _damaged(what, "its header is not one that Cartwheel writes")
    return seal


def _table(text: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object in which each key stands once and each number is finite."""
    try:
        text = text if isinstance(text, str) else text.decode()
        table = json.loads(text, object_pairs_hook=_each_key_once)
        _to_json(table)  # Python's parser takes NaN, and makes an infinity of 1e999
    except (ValueError, RecursionError):
        raise _damaged(what, "its header can't be read") from None
    if not isinstance(table, dict):
        raise _damaged(what, "its header is no table")
    return table


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands there twice")
    return table


def _tensors(data: bytes, what: str) -> dict[str, NDArray[Any]]:
    try:
        return safetensors.numpy.load(data)
    except Exception as problem:  # whatever the library stumbles over, it is the bytes that are at fault
        raise _damaged(what, "its arrays can't be read") from problem


def _damaged(what: str, reason: str) -> StorageError:
    return StorageError(f"{what}: damaged, or not written by Cartwheel: {reason}")


# --- plain data -------------------------------------------------------------------------------------------------------


def _to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON can hold it; StorageError, naming `where` it stands, for what it can't."""
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {_NOT_FINITE: str(value)}
        case list() | tuple():
            return [_plain(item, where) for item in value]
        case Mapping():
            return {_plain_key(key, where): _plain(item, f"{where}, {key}") for key, item in value.items()}
        case _:
            raise StorageError(
                f"can't store {where}: expected numbers, texts, lists and tables, got {type(value).__name__}"
            )


def _plain_key(key: Any, where: str) -> str:
    if not isinstance(key, str) or key == _NOT_FINITE:
        raise StorageError(f"can't store {where}: expected texts for keys, got {key!r}")
    return key


def _revived(content: Any) -> Any:
    match content:
        case {"$float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case dict():
            return {key: _revived(item) for key, item in content.items()}
        case list():
            return [_revived(item) for item in content]
        case _:
            return content

"""`config.toml`: nested tables of plain values, written so that `tomllib` gives exactly the same back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from cartwheel.errors import StorageError

_HEADER = "# The settings of a Cartwheel run, all of them: `cartwheel train --config FILE` repeats it.\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(config: Mapping[str, Any]) -> str:
    """The text of a TOML file with these tables of texts, numbers, booleans, lists and further tables.

    Tuples become lists. Raises StorageError, naming the entry, for anything else (TOML has no None).
    """
    return _HEADER + "\n".join(_table(config, ())) + "\n"


def loads(text: str | bytes, what: str) -> dict[str, Any]:
    """The tables in a TOML text; `what` (a path) names it in the StorageError that text of another kind ends in."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as problem:
        raise StorageError(f"{what}: not a TOML file: {problem}") from None


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The lines of a table: its own values first, since in TOML everything after a heading belongs to that."""
    values = {key: item for key, item in table.items() if not isinstance(item, Mapping)}
    lines = [f"{_key(key, path)} = {_value(item, (*path, key))}" for key, item in values.items()]
    for key, item in table.items():
        if isinstance(item, Mapping):
            inner = (*path, key)
            lines += ["", f"[{'.'.join(_key(part, path) for part in inner)}]", *_table(item, inner)]
    return lines


def _key(key: Any, path: tuple[str, ...]) -> str:
    if not isinstance(key, str):
        raise StorageError(
            f"can't write {'.'.join(path) or 'the settings'} as TOML: expected texts for keys, got {key!r}"
        )
    return key if _BARE.fullmatch(key) else _text(key, (*path, key))


def _value(value: Any, path: tuple[str, ...]) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float():  # not repr(): NumPy's float64 is a float with a repr of its own
            return float.__repr__(value)
        case str():
            return _text(value, path)
        case list() | tuple():
            return "[" + ", ".join(_value(item, path) for item in value) + "]"
        case Mapping():  # only inside lists
            return "{" + ", ".join(f"{_key(key, path)} = {_value(item, path)}" for key, item in value.items()) + "}"
        case _:
            raise StorageError(f"can't write {'.'.join(path)} as TOML: expected plain values, got {value!r:.60}")


def _text(text: str, path: tuple[str, ...]) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StorageError(f"can't write {'.'.join(path)!a} as TOML: it is not valid Unicode") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's, but for DEL

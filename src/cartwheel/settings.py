"""Settings are frozen dataclasses: the one source of defaults, of ranges and of help texts.

The command line, the configuration file, the run folder and the reference page all derive from their fields.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from cartwheel.errors import UsageError, did_you_mean, one_line

S = TypeVar("S")

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def option(
    default: Any,
    help: str,  # noqa: A002 (the word that users of argument parsers expect)
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] | None = None,
    stored: bool = True,
) -> Any:
    """A field of a settings class: its default, its help line and what it may be (`above` is exclusive).

    What is not `stored` goes into no file and is taken from none: whoever wrote the file is not to decide it.
    """
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "choices": choices, "stored": stored}
    return dataclasses.field(default=default, metadata={"help": help, **limits})


class FromFile(dict[str, Any]):
    """A layer of values that a file gives: errors about them name the file, and spell a field as it does."""

    def __init__(self, values: Mapping[str, Any], file: object) -> None:
        super().__init__(values)
        self.file = file


def resolve(settings_class: type[S], *layers: Mapping[str, Any]) -> S:
    """Settings from layers of values, the first that names a field winning; unknown names and bad values are errors."""
    hints = typing.get_type_hints(settings_class)
    fields = {field.name: field for field in dataclasses.fields(settings_class)}  # type: ignore[arg-type]
    sources: dict[str, Mapping[str, Any]] = {}
    for layer in layers:
        for name in layer:
            if name not in fields:
                raise UsageError(f"{_file(layer)}unknown option {name!r}; {did_you_mean(name, fields)}")
            if isinstance(layer, FromFile) and not _stored(fields[name]):
                raise UsageError(f"{_file(layer)}{name} is not taken from a file: give it yourself ({flag(name)})")
            sources.setdefault(name, layer)
    values = {
        name: checked(_spelled(name, layer), layer[name], hints[name], fields[name].metadata)
        for name, layer in sources.items()
    }
    try:
        return settings_class(**values)
    except UsageError as problem:  # of values that don't go together
        files = [_file(layer) for name, layer in sources.items() if flag(name) in str(problem)]
        raise UsageError(f"{max(files, default='')}{problem}") from None


def as_dict(settings: Any) -> dict[str, Any]:
    """A settings object as plain data: names to numbers, strings, booleans and lists; what is None is left out."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings) if _stored(field)}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }


def _stored(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("stored", True))


def checked(label: str, value: Any, hint: Any, limits: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """`value` as the type that `hint` wants, within the limits, or a UsageError that says what was expected.

    `limits` are those of `option`; `label` begins the error.
    """
    hint, optional = _without_none(hint)
    if value is None and optional:
        return None
    value = _converted(label, value, hint)
    if limits.get("choices") is not None and value not in limits["choices"]:
        choices, hint = ", ".join(limits["choices"]), did_you_mean(str(value), limits["choices"])
        suggestion = f"; {hint}" if hint.startswith("did") else ""
        raise UsageError(f"{label}: expected one of {choices}, got {value!r}{suggestion}")
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, (int, float)) and not isinstance(number, bool) and not _in_range(number, limits):
            raise UsageError(f"{label}: expected {range_text(limits)}, got {number}")
    return value


def _in_range(number: float, limits: Mapping[str, Any]) -> bool:
    low, high, above = limits.get("minimum"), limits.get("maximum"), limits.get("above")
    return (
        not math.isnan(number)
        and (low is None or number >= low)
        and (high is None or number <= high)
        and (above is None or number > above)
    )


def range_text(limits: Mapping[str, Any]) -> str:
    """A field's limits in words: "at least 1 and at most 5"."""
    parts = []
    if limits.get("minimum") is not None:
        parts.append(f"at least {limits['minimum']:,.10g}")
    if limits.get("above") is not None:
        parts.append(f"more than {limits['above']:,.10g}")
    if limits.get("maximum") is not None:
        parts.append(f"at most {limits['maximum']:,.10g}")
    return " and ".join(parts) or "a number"


def _file(layer: Mapping[str, Any]) -> str:
    """The beginning of an error about a layer: the file that it is from, if it is from one."""
    return f"{layer.file}: " if isinstance(layer, FromFile) else ""


def _spelled(name: str, layer: Mapping[str, Any]) -> str:
    return f"{_file(layer)}{name}" if isinstance(layer, FromFile) else flag(name)


def flag(name: str) -> str:
    """A setting as the command line spells it."""
    return "--" + name.replace("_", "-")


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return (rest[0] if len(rest) == 1 else hint), len(rest) < len(typing.get_args(hint))
    return hint, False


def _converted(label: str, value: Any, hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_converted(label, item, typing.get_args(hint)[0]) for item in value)
        return (_converted(label, value, typing.get_args(hint)[0]),)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, Real) and not isinstance(value, bool) and value % 1 == 0:
        return math.floor(value)
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number may be larger than any float
            return float(value)
    if hint is str and isinstance(value, str):
        return value
    if origin is Mapping and isinstance(value, Mapping):
        return dict(value)
    if hint is Any:
        return value
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if isinstance(hint, type) and hint not in _WORDS and isinstance(value, hint):
        return value
    words = "a table" if origin is Mapping else _WORDS.get(hint) or f"a {hint.__name__}"
    raise UsageError(f"{label}: expected {words}, got {one_line(repr(value))}")

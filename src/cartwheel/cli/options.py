"""Settings as flags: every field of a settings class is an option, with its help, its range and its default.

A flag that is not given stays away, for it goes before the configuration file, that before the preset and that before
the default. Values are only read here; whether they fit is judged by `cartwheel.settings.resolve`.
"""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from cyclopts import Group, Parameter, Token

from cartwheel.errors import UsageError
from cartwheel.settings import flag, range_text

Options: TypeAlias = Mapping[str, inspect.Parameter]

# How the value of each kind of setting is called in the help page; what is of another kind cannot be a flag.
_METAVARS: dict[type, str | None] = {int: "N", float: "X", str: "NAME", tuple: "N,N", bool: None}


def with_options(command: Callable[..., None], *groups: Options) -> Callable[..., None]:
    """`command` with named options in place of its `**options`; those that are given arrive there, read."""
    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    derived = [parameter for group in groups for parameter in group.values()]

    @wraps(command)
    def call(*values: Any, **named: Any) -> None:
        command(*values, **named)

    call.__signature__ = signature.replace(parameters=[*own, *derived])  # type: ignore[attr-defined]
    return call


def options_of(
    settings: type,
    title: str,
    only: Sequence[str] | None = None,
    *,
    hide: Sequence[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Options:
    """The fields of a settings class as options under a title of the help page; all of them, or `only` some.

    Tables are left out: one flag cannot hold them. Those in `hide` are read but not told of; `defaults` are others to
    be shown than the fields' own.
    """
    group = Group.create_ordered(title)
    kinds = {name: _kind(hint) for name, hint in typing.get_type_hints(settings).items()}
    return {
        field.name: _option(field, kinds[field.name], group, defaults.get(field.name, field.default), hide)
        for field in dataclasses.fields(settings)
        if kinds[field.name] in _METAVARS and (only is None or field.name in only)
    }


def literal(text: str) -> Any:
    """What `text` says in TOML (2, 1e6, "2", [1, 2], {a = 1}), with Python's True and False too; else the text."""
    if text in ("True", "False"):
        return text == "True"
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


def env_args(words: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments for an environment from words of the form key=value."""
    arguments = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not key.isidentifier() or not equals:
            raise UsageError(f"--env-arg: expected key=value, such as gravity=9.8, got {word!r}")
        arguments[key] = literal(text)
    return arguments


def _option(
    field: dataclasses.Field[Any], kind: type, group: Group, default: Any, hide: Sequence[str]
) -> inspect.Parameter:
    def convert(_type: object, tokens: Sequence[Token]) -> Any:
        return _value(tokens[0].value, kind)

    parameter = Parameter(
        name=flag(field.name),
        group=group,
        help=_help(field.metadata, kind),
        converter=None if kind is bool else convert,
        metavar=_METAVARS[kind],
        show=field.name not in hide,
        show_default=_shown(default),
    )
    annotation: Any = Annotated[bool, parameter] if kind is bool else Annotated[str, parameter]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _value(text: str, kind: type) -> Any:
    if kind is str:
        return text
    if kind is tuple:
        return () if text == "none" else tuple(literal(part) for part in text.split(","))
    return literal(text)


def _kind(hint: Any) -> Any:
    """The plain type that a hint is about: int for `int | None`, tuple for `tuple[int, ...]`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return typing.get_origin(hint) or hint


def _help(metadata: Mapping[str, Any], kind: Any) -> str:
    if metadata["choices"] is not None:
        return f"{metadata['help']}: {', '.join(metadata['choices'])}"
    form = "such as 64,32, or none; each " if kind is tuple else ""
    limited = any(metadata[limit] is not None for limit in ("minimum", "maximum", "above"))
    return str(metadata["help"]) + (f" ({form}{range_text(metadata)})" if limited else "")


def _shown(default: Any) -> str | bool:
    if default is None:
        return False
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    return str(default)

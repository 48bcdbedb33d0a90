"""Functions as users call them: they take lists and numbers where arrays are meant, and give Variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np

from cartwheel.nn.array import namespace
from cartwheel.nn.function import Operation
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import Parameter, Variable, raw, wrapped

_P = ParamSpec("_P")

#: What the arrays are called among the parameters of a function; all others say how. (All of an operation are arrays.)
_OPERANDS = frozenset(
    "x x0 x1 y p t h c W b Wx Wh gamma beta mean var std low high logits".split()
    + "condition indices resets x_min x_max operands".split()
)
_ARRAYS = frozenset((Variable, Parameter, np.ndarray))
_LISTS = frozenset((list, tuple))


def public(call: Callable[_P, Any]) -> Callable[_P, Variable]:
    """The function as users call it."""
    names, rest = _parameters(call)
    several = rest or len(_OPERANDS.intersection(names)) > 1 or isinstance(call, Operation)

    def function(*given: Any, **kwargs: Any) -> Any:
        args: Sequence[Any] = given
        if not args or type(args[0]) not in _ARRAYS or (several and (kwargs or not _LISTS.isdisjoint(map(type, args)))):
            args, kwargs = _given(call, names, rest, args, kwargs)
        result = call(*args, **kwargs)
        return result if isinstance(result, Variable) else as_variables(result)

    function.__name__ = function.__qualname__ = call.__name__
    function.__doc__ = call.__doc__
    function.__module__ = "cartwheel.nn.functions"
    function.__wrapped__ = call  # type: ignore[attr-defined]  # for help and signatures
    return function


def public_list(call: Callable[_P, Any]) -> Callable[_P, list[Variable]]:
    """`public` for a function that gives a list of them."""
    return public(call)  # type: ignore[return-value]


def public_pair(call: Callable[_P, Any]) -> Callable[_P, tuple[Variable, Variable]]:
    """`public` for a function that gives two."""
    return public(call)  # type: ignore[return-value]


def as_variables(result: Any) -> Any:
    """What a function gives: Variables in place of arrays."""
    if isinstance(result, tuple | list):
        return type(result)(as_variables(one) for one in result)
    return result if isinstance(result, Variable) or result is None else wrapped(result)


def _parameters(call: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    """The names of the parameters in order, "" for those that are no arrays; and whether more arrays follow."""
    forward = getattr(call, "forward", None)
    code = (call if forward is None else forward).__code__
    names = code.co_varnames[: code.co_argcount]
    if forward is not None:
        return names[1:], False  # less the namespace
    return tuple(name if name in _OPERANDS else "" for name in names), bool(code.co_flags & 4)  # 4: *operands


def _given(
    call: Any, names: Sequence[str], rest: bool, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments, with arrays for lists of numbers, and for numbers if there is no array at all among them."""
    args, kwargs = list(args), dict(kwargs)
    if isinstance(call, Operation):  # which knows its arrays by their places alone
        for name in names[len(args) :]:
            if name in kwargs:
                args.append(kwargs.pop(name))
    places = [place for place in range(len(args)) if (names[place] if place < len(names) else rest)]
    keys = [name for name in kwargs if name in names]
    operands = [*(args[place] for place in places), *(kwargs[name] for name in keys)]
    found = iter(_arrays(call.__name__, operands))
    for place in places:
        args[place] = next(found)
    for name in keys:
        kwargs[name] = next(found)
    return args, kwargs


def _arrays(name: str, operands: Sequence[Any]) -> list[Any]:
    arrays = [raw(x) for x in operands]
    alone = not any(hasattr(x, "shape") or isinstance(x, list | tuple) for x in arrays)
    if not alone and not any(isinstance(x, list | tuple) for x in arrays):
        return list(operands)
    xp = namespace(*arrays)
    try:
        return [xp.asarray(x) if _is_plain(x) or (alone and isinstance(x, float | int)) else x for x in operands]
    except ValueError as problem:
        raise mistake(name, problem) from problem


def _is_plain(x: Any) -> bool:
    """Whether an operand is a list of numbers, or of such lists."""
    return isinstance(x, list | tuple) and not any(isinstance(one, Variable) for one in x)

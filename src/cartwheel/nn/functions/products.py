"""Products of matrices: matmul, linear, einsum, outer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.function import REAL, function, operation
from cartwheel.nn.functions import reductions
from cartwheel.nn.functions.arithmetic import broadcast_to, sum_to
from cartwheel.nn.functions.shape import reshape, shape_of, swapaxes
from cartwheel.nn.mistakes import mistake
from cartwheel.nn.variable import raw

# --- the matrix product ----------------------------------------------------------------------------------------------


def _product(x: Array, W: Array) -> Array:
    try:
        if x.shape[-1] == W.shape[-2:][0]:
            return x @ W
    except (ValueError, IndexError):
        pass
    raise ValueError(_unequal(x.shape, W.shape))


def _unequal(x: tuple[int, ...], W: tuple[int, ...]) -> str:
    """Why there is no product of these shapes."""
    if not x or not W:
        return "a matrix product needs axes, and a single number has none; for that there is *"
    inner, which = (W[-2], "last but one") if len(W) > 1 else (W[0], "axis")
    if x[-1] != inner:
        return f"the last axis of the first, {x[-1]}, must be as long as the {which} of the second, {inner}"
    return "the axes before the last two must be equal or 1"


@function(REAL)
@operation
def matmul(xp: Any, x: Array, W: Array) -> Array:
    """The matrix product x @ W, (..., n, k) by (..., k, m), as NumPy's: leading axes broadcast, 1-D is a vector."""
    return _product(x, W)


def _by_first(g: Any, y: Any, x: Any, W: Any) -> Any:
    """The gradient of x @ W by x: g @ W.T, summed over the axes that x was stretched along."""
    if len(x.shape) == len(W.shape) == 2:
        return g @ W.T
    _, second, g = _as_matrices(x, W, g)
    gx = g @ swapaxes(second, -1, -2)
    return reshape(sum_to(gx, x.shape if len(x.shape) > 1 else (1, *x.shape)), x.shape)


def _by_second(g: Any, y: Any, x: Any, W: Any) -> Any:
    """The gradient of x @ W by W: x.T @ g, summed over the axes that W was stretched along."""
    if len(x.shape) == len(W.shape) == 2:
        return x.T @ g
    first, _, g = _as_matrices(x, W, g)
    if len(W.shape) <= 2:  # all leading axes are rows: one product does the sum
        rows = math.prod(first.shape[:-1])
        first, g = reshape(first, (rows, first.shape[-1])), reshape(g, (rows, g.shape[-1]))
    gW = swapaxes(first, -1, -2) @ g
    return reshape(sum_to(gW, W.shape) if len(W.shape) > 2 else gW, W.shape)


def _as_matrices(x: Any, W: Any, g: Any) -> tuple[Any, Any, Any]:
    """A vector x as a row, a vector W as a column, and the gradient of their product in the shape that it then has."""
    row, column = len(x.shape) == 1, len(W.shape) == 1
    shape = g.shape
    if column:
        W, shape = reshape(W, (*W.shape, 1)), (*shape, 1)
    if row:
        x, shape = reshape(x, (1, *x.shape)), (*shape[:-1], 1, shape[-1])
    return x, W, reshape(g, shape)


matmul.rules = (_by_first, _by_second)


# --- a layer's product -----------------------------------------------------------------------------------------------


@operation
def _linear(xp: Any, x: Array, W: Array, b: Array | None) -> Array:
    if len(W.shape) < 2:
        raise ValueError(f"expected weights W (inputs, outputs), got {W.shape}")
    y = _product(x, W)
    if b is None:
        return y
    if len(W.shape) > 2 or b.shape != W.shape[1:]:
        b = _placed(b, x, W, y)
    if b.dtype != y.dtype:
        return y + b
    y += b
    return y


def _placed(b: Array, x: Array, W: Array, y: Array) -> Array:
    """A bias other than (o,) beside W (d, o): one for each of a population, or one that broadcasts to all rows."""
    wanted = (*W.shape[:-2], W.shape[-1])
    if len(W.shape) > 2 and b.shape == wanted:
        return b if len(x.shape) == 1 else b[..., None, :]
    lengths = zip(b.shape[::-1], (*y.shape[::-1], *(1,) * len(b.shape)), strict=False)
    if len(W.shape) == 2 and all(length in (1, of_y) for length, of_y in lengths) and len(b.shape) <= len(y.shape):
        return b
    hint = ""
    if math.prod(b.shape) == 0:
        hint = f": a bias of shape {b.shape} holds no number; np.zeros({wanted[-1]}) makes one for each output"
    raise ValueError(f"expected a bias b {wanted}, one number for each output{hint}")


def _by_bias(g: Any, y: Any, x: Any, W: Any, b: Any) -> Any:
    """The sum over the rows."""
    if len(W.shape) > 2 and len(x.shape) > 1:
        g = reductions.sum(g, -2)
    elif len(g.shape) == 2 and len(b.shape) == 1 and b.shape == g.shape[1:]:
        return reductions.sum(g, 0)
    return sum_to(g, b.shape)


_linear.rules = (
    lambda g, y, x, W, b: _by_first(g, y, x, W),
    lambda g, y, x, W, b: _by_second(g, y, x, W),
    _by_bias,
)


@function(REAL)
def linear(x: Any, W: Any, b: Any = None) -> Any:
    """x W + b: rows x (B, d), weights W (d, o), bias b (o,) give (B, o); one row (d,) gives (o,).

    With a population axis, W (P, d, o) and b (P, o), x (P, B, d) gives (P, B, o), and rows (B, d) are the same for all.
    """
    return _linear(x, W, b)


@function(REAL)
def outer(x0: Any, x1: Any) -> Any:
    """The product of each number of x0 with each of x1, (size of x0, size of x1)."""
    return reshape(x0, (-1, 1)) * reshape(x1, (1, -1))


# --- sums of products ------------------------------------------------------------------------------------------------

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

#: Above so many products NumPy's search for a better order, with BLAS, is worth its time.
_MANY = 20_000


@operation
def _einsum(xp: Any, *xs: Array, inputs: Sequence[str], output: str) -> Array:
    # not in the array API standard: NumPy and CuPy have it
    lengths: dict[str, int] = {}
    for letters, x in zip(inputs, xs, strict=True):
        for letter, length in zip(letters, x.shape, strict=True):
            if lengths.get(letter, 1) != length != 1 != lengths.get(letter, 1):
                raise ValueError(f"the axes called {letter!r} have lengths {lengths[letter]} and {length}")
            if length != 1 or letter not in lengths:
                lengths[letter] = length
    many = len(xs) > 1 and math.prod(lengths.values()) > _MANY
    return xp.einsum(f"{','.join(inputs)}->{output}", *xs, optimize=many)


def _einsum_gradient(number: int, g: Any, xs: Sequence[Any], inputs: Sequence[str], output: str) -> Any:
    """The gradient by one operand: the same sum with the gradient in its place.

    An axis that no other operand has, nor the output, was summed alone: there the gradient is the same all along.
    """
    x, letters = xs[number], inputs[number]
    others = [*inputs[:number], *inputs[number + 1 :], output]
    known = "".join(letter for letter in letters if any(letter in other for other in others))
    found = _einsum(*xs[:number], *xs[number + 1 :], g, inputs=others, output=known)
    lengths = dict(zip(known, found.shape, strict=True))
    spread = tuple(lengths.get(letter, 1) for letter in letters)
    found = reshape(found, spread)
    found = sum_to(found, tuple(1 if have == 1 else want for have, want in zip(spread, x.shape, strict=True)))
    return broadcast_to(found, x.shape)


_einsum.gradients = lambda g, y, wanted, *xs, inputs, output: [
    _einsum_gradient(number, g, xs, inputs, output) if one else None for number, one in enumerate(wanted)
]


@function(REAL)
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sum of products, as NumPy's: `einsum("ij,jk->ik", x, W)`; `...` stands for axes that broadcast."""
    if not isinstance(subscripts, str):
        raise mistake("einsum", "expected subscripts as a string, such as 'ij,jk->ik'", kind=TypeError)
    try:
        inputs, output = _letters(subscripts.replace(" ", ""), [len(shape_of("einsum", x)) for x in operands])
    except ValueError as problem:
        raise mistake("einsum", problem, *operands) from None
    inputs, arrays = _without_diagonals(inputs, operands)
    return _einsum(*arrays, inputs=tuple(inputs), output=output)


def _letters(subscripts: str, axes: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand's axes and of the result's, also where these were "..." or left out."""
    left, arrow, output = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(axes):
        raise ValueError(f"{subscripts!r} names {len(terms)} operands, and there are {len(axes)}")
    hidden = [count - len(term.replace("...", "")) for term, count in zip(terms, axes, strict=True)]
    for term, count, more in zip(terms, axes, hidden, strict=True):
        if more < 0 or (more and "..." not in term):
            raise ValueError(f"{term!r} doesn't fit an operand of {count} axes")
    spare = "".join(letter for letter in _LETTERS if letter not in subscripts)[: sorted(hidden)[-1]]
    inputs = [term.replace("...", spare[len(spare) - more :]) for term, more in zip(terms, hidden, strict=True)]
    if arrow:
        return inputs, output.replace("...", spare)
    named = left.replace("...", "").replace(",", "")
    return inputs, spare + "".join(sorted(letter for letter in set(named) if named.count(letter) == 1))


def _without_diagonals(inputs: list[str], operands: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """The same sum where no operand names a letter twice: the second is a new one, tied to the first by an identity."""
    inputs, operands = list(inputs), list(operands)
    spare = iter([letter for letter in _LETTERS if not any(letter in letters for letters in inputs)])
    for number in range(len(inputs)):
        x, letters = raw(operands[number]), inputs[number]
        for place, letter in enumerate(letters):
            first = letters.index(letter)
            if first == place:
                continue
            if x.shape[first] != x.shape[place]:
                raise mistake(
                    "einsum", f"{letters!r} takes a diagonal of axes that aren't equally long", operands[number]
                )
            new = next(spare)
            inputs[number] = f"{inputs[number][:place]}{new}{inputs[number][place + 1 :]}"
            inputs.append(letter + new)
            operands.append(namespace(x).eye(x.shape[first], dtype=x.dtype))
    return inputs, operands

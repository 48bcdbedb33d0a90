"""What tests of element-wise opcodes share: a row for arrays as they lie, run by the interpreter; inputs; errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels.floats import to_bits
from cartwheel.kernels.opcodes import OPCODES, ROW, interpreter, target
from cartwheel.kernels.opcodes import activation as activation
from cartwheel.kernels.opcodes import choices as choices
from cartwheel.kernels.opcodes import mathematics as mathematics
from cartwheel.kernels.opcodes.forms import BLOCK, CHUNK, CHUNKS, INPUTS, LENGTHS, PER_INPUT, output_word

GUARD = 3  # numbers before and after an output, which must stay as they are
TYPES = ("float32", "float64")


def row_of(name: str, base: Any, arrays: list[Any], output: Any, scratch: Any, attributes: tuple[float, ...]) -> Any:
    """The row for broadcast arrays of at most 4 axes; offsets count from where `base` begins."""
    size, shape = base.itemsize, output.shape
    row = np.zeros(ROW, np.int64)
    last = shape[-1] if shape else 1
    chunk = max(1, last if all(x.ndim and x.strides[-1] == size for x in arrays) else min(last, BLOCK))
    row[0], row[CHUNK], row[CHUNKS] = OPCODES[name].number, chunk, -(-last // chunk)
    row[LENGTHS : LENGTHS + 4] = [1] * (4 - len(shape)) + list(shape)

    def offset(array: Any) -> int:
        return (array.ctypes.data - base.ctypes.data) // size

    for number, x in enumerate(arrays):
        strides = [0] * (4 - x.ndim) + [stride // size for stride in x.strides]
        word = INPUTS + PER_INPUT * number
        row[word : word + PER_INPUT] = [offset(x), *strides, offset(scratch[number])]
    word = output_word(len(arrays))
    row[word] = offset(output)
    row[word + 1 : word + 1 + len(attributes)] = [to_bits(value) for value in attributes]
    return row


def evaluate(name: str, *inputs: Any, attributes: tuple[float, ...] = (), output: Any = None) -> Any:
    """What an opcode makes of arrays; AssertionError if it writes beside its output."""
    dtype = inputs[0].dtype
    arrays = list(np.broadcast_arrays(*inputs)) if len(inputs) > 1 else [inputs[0]]
    shape = arrays[0].shape
    around = np.full(int(np.prod(shape)) + 2 * GUARD, 7, dtype)
    result = around[GUARD:-GUARD].reshape(shape) if output is None else output
    base, scratch = np.zeros(4, dtype), np.zeros((3, BLOCK), dtype)
    row = row_of(name, base, arrays, result, scratch, attributes)
    called = [target(name, dtype.name)]
    targets = np.array(called) if isinstance(called[0], int) else called
    interpreter(dtype.name)(targets, row[None], base, np.zeros(2, np.int64), 1)
    assert (around[:GUARD] == 7).all()
    assert (around[-GUARD:] == 7).all()
    return result


def special(dtype: str) -> Any:
    """Zeros, infinities, NaN, limits of the type and of the functions, and their neighbours."""
    limits, kind = np.finfo(dtype), np.dtype(dtype).type
    x = [0.0, np.inf, np.nan, limits.max, limits.tiny, limits.smallest_subnormal, 1.0, 0.5**0.5, 2**0.5, 0.66, 2.5, 1e6]
    x += [9.1, 17.4, 18.8, 22.1, 36.8, 88.8, 89.5, 103.9, 170.0, 709.8, 710.5, 745.2, 1400.0]
    both = np.array([*x, *(-one for one in x)], dtype)
    with np.errstate(all="ignore"):
        return np.concatenate([both, np.nextafter(both, kind(np.inf)), np.nextafter(both, kind(-np.inf))])


def points(dtype: str, number: int) -> Any:
    """Numbers of every magnitude, near and far from 0 and 1, and `special` ones; an odd length."""
    rng = np.random.default_rng(5)
    words = np.uint32 if dtype == "float32" else np.uint64
    bits = rng.integers(0, np.iinfo(words).max, number // 3, dtype=words, endpoint=True).view(dtype)
    near = np.concatenate([rng.uniform(-scale, scale, number // 21) for scale in (0.05, 0.5, 1, 3, 10, 50, 800)])
    close = (1 + rng.uniform(-1, 1, number // 6) * 10 ** rng.uniform(-16, 0, number // 6)) * rng.choice(
        [-1, 1], number // 6
    )
    small = 10 ** rng.uniform(-45 if dtype == "float32" else -320, 0, number // 6) * rng.choice([-1, 1], number // 6)
    x = np.concatenate([bits, *(part.astype(dtype) for part in (near, close, small)), special(dtype)])
    return x if x.size % 2 else x[1:]


def ulps(got: Any, exact: Any) -> Any:
    """How far off results are, in units in the last place; infinitely for a wrong NaN or sign of 0.

    A reference too large for the type counts as the number after its largest.
    """
    largest = np.finfo(got.dtype).max
    last_unit = largest - np.nextafter(largest, got.dtype.type(0))
    most = np.longdouble(largest) + np.longdouble(last_unit)
    with np.errstate(all="ignore"):
        exact = np.clip(exact, -most, most)
        nearest = np.minimum(np.abs(exact).astype(got.dtype), np.nextafter(largest, got.dtype.type(0)))
        unit = np.spacing(nearest).astype(np.longdouble)
        error = np.abs(np.clip(got.astype(np.longdouble), -most, most) - exact) / unit
    error[np.isnan(got) & np.isnan(exact)] = 0
    wrong_sign = (np.signbit(got) != np.signbit(exact)) & ~np.isnan(exact)
    error[(np.isnan(got) != np.isnan(exact)) | wrong_sign] = np.inf
    return error

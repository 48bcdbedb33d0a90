"""A tile of a matrix product, its sums held in registers: the loop that recorded programs spend their time in.

Numba's own vectoriser has to suppose that operands and result overlap, and so stores and loads each partial sum. Here
a tile of up to 8 rows and two registers' width is written in LLVM's vectors. Each number is the sum over k in order,
each product and each sum rounded, the bias last: it is the same to the bit whatever shares its batch, wherever a tile
begins, however wide the machine's registers are, and with compilation off, where NumPy does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cartwheel.kernels.memory import part


def _features() -> Any:
    """What the processor can do; nothing where LLVM can't tell."""
    try:
        return binding.get_host_cpu_features()
    except RuntimeError:
        return {}


#: Whether the processor has registers of 64 bytes, and 32 of them.
WIDE: bool = bool(_features().get("avx512f"))
#: Bytes of a row of the widest tile: two registers. What LLVM doesn't know about has at least 16 bytes.
BYTES = 128 if WIDE else 64 if _features().get("avx") else 32
#: Rows of the largest tile: as many as there are registers for.
ROWS = 4 if BYTES == 64 else 8


def widest(numbers: Any) -> int:
    """How many columns the widest tile has."""
    return BYTES // numbers.dtype.itemsize  # type: ignore[no-any-return]


def _typed_widest(typing_context: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.int64, BYTES * 8 // numbers.dtype.bitwidth)

    return types.int64(numbers), generate


def tile(
    numbers: Any,
    rows: int,
    width: int,
    depth: int,
    a: int,
    a_row: int,
    a_step: int,
    b: int,
    b_step: int,
    biased: bool,
    bias: int,
    c: int,
    c_row: int,
) -> None:
    """c[i, j] = sum over k < depth of a[i, k] b[k, j], + bias[j] if `biased`, for i < rows and j < width.

    `rows` is ROWS, 4 or 1, `width` a power of 2 up to `widest`. Operands are offsets: row i of a begins at
    a + i * a_row and goes on in steps of a_step; row k of b, contiguous, begins at b + k * b_step, row i of c,
    contiguous too, at c + i * c_row.
    """
    total = np.zeros((rows, width), numbers.dtype)
    for k in range(depth):
        column = np.array([numbers[a + i * a_row + k * a_step] for i in range(rows)], numbers.dtype)
        total += column[:, None] * part(numbers, b + k * b_step, width)
    if biased:
        total += part(numbers, bias, width)
    for i in range(rows):
        part(numbers, c + i * c_row, width)[:] = total[i]


def _typed_tile(
    typing_context: Any,
    numbers: Any,
    rows: Any,
    width: Any,
    depth: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_step: Any,
    biased: Any,
    bias: Any,
    c: Any,
    c_row: Any,
) -> Any:
    """`tile` for Numba: its signature, and what generates its code."""
    n = types.int64
    return types.void(numbers, n, n, n, n, n, n, n, n, types.boolean, n, n, n), _generate_tile


def _sizes(itemsize: int) -> Iterator[tuple[int, int]]:
    """The sizes of tiles that there is code for."""
    for rows in sorted({ROWS, 4, 1}):
        width = BYTES // itemsize
        while width:
            yield rows, width
            width //= 2


def _generate_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """A call of a function of its own, made without unrolling: else compilation takes twice as long."""
    dtype = signature.args[0].dtype
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, f"cartwheel_tile_{dtype}")
    if function.is_declaration:
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("optsize")
        _define_tile(function, context.get_value_type(dtype), dtype.bitwidth // 8)
    builder.call(function, arguments)
    return context.get_dummy_value()


def _define_tile(function: Any, number: Any, itemsize: int) -> None:
    builder = ir.IRBuilder(function.append_basic_block())
    pointer, rows, width, *rest = function.args
    none = function.append_basic_block()
    switch = builder.switch(builder.add(builder.mul(rows, rows.type(1000)), width), none)
    for size in _sizes(itemsize):
        block = function.append_basic_block()
        switch.add_case(rows.type(1000 * size[0] + size[1]), block)
        builder.position_at_end(block)
        _generate_one(Rows(builder, number, pointer, size[1], [0.0] * size[1]), size[0], rest)
        builder.ret_void()
    builder.position_at_end(none)
    builder.ret_void()


class Rows:
    """Code that loads and stores so many contiguous numbers at once, `width`, at an offset."""

    def __init__(self, builder: Any, number: Any, pointer: Any, width: int, start: list[float]) -> None:
        self.builder, self.pointer, self.width = builder, pointer, width
        self.vector = ir.VectorType(number, width)
        self.start = ir.Constant(self.vector, start)
        self._alignment = 4 if isinstance(number, ir.FloatType) else 8  # what NumPy promises

    def _place(self, offset: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.pointer, [offset]), self.vector.as_pointer())

    def store(self, values: Any, offset: Any) -> None:
        """Numbers to their place."""
        self.builder.store(values, self._place(offset)).align = self._alignment

    def load(self, offset: Any) -> Any:
        """The numbers there."""
        values = self.builder.load(self._place(offset))
        values.align = self._alignment
        return values

    def spread(self, offset: Any) -> Any:
        """The number there, `width` times."""
        one = self.builder.load(self.builder.gep(self.pointer, [offset]))
        first = self.builder.insert_element(self.start, one, ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(first, self.start, lanes)


def _generate_one(lanes: Rows, rows: int, words: Any) -> None:
    """The code of one size of tile, for the arguments of `tile` from `depth` on."""
    builder = lanes.builder
    depth, a, a_row, a_step, b, b_step, biased, bias, c, c_row = words
    totals = [cgutils.alloca_once_value(builder, lanes.start) for _ in range(rows)]
    starts = _places(builder, a, a_row, rows)
    in_a, in_b = (cgutils.alloca_once_value(builder, first) for first in (a.type(0), b))
    with cgutils.for_range(builder, depth):
        step, values = builder.load(in_a), lanes.load(builder.load(in_b))
        builder.store(builder.add(step, a_step), in_a)
        builder.store(builder.add(builder.load(in_b), b_step), in_b)
        for total, start in zip(totals, starts, strict=True):
            product = builder.fmul(lanes.spread(builder.add(start, step)), values)
            builder.store(builder.fadd(builder.load(total), product), total)
    last = cgutils.alloca_once_value(builder, lanes.start)  # no sum is -0: adding 0 leaves it as it is
    with builder.if_then(biased):
        builder.store(lanes.load(bias), last)
    for total, place in zip(totals, _places(builder, c, c_row, rows), strict=True):
        lanes.store(builder.fadd(builder.load(total), builder.load(last)), place)


def _places(builder: Any, first: Any, step: Any, rows: int) -> list[Any]:
    """Where rows begin."""
    places = [first]
    for _ in range(rows - 1):
        places.append(builder.add(places[-1], step))
    return places


# --- a square turned -------------------------------------------------------------------------------------------------

#: Rows and columns of a square that is turned at once.
SIDE = 8


def turn(numbers: Any, x: int, x_row: int, y: int, y_row: int) -> None:
    """y[j, i] = x[i, j] for i, j < SIDE; rows are contiguous, and begin `x_row` and `y_row` apart."""
    rows = [part(numbers, x + i * x_row, SIDE).copy() for i in range(SIDE)]
    for j in range(SIDE):
        part(numbers, y + j * y_row, SIDE)[:] = [row[j] for row in rows]


def _typed_turn(typing_context: Any, numbers: Any, x: Any, x_row: Any, y: Any, y_row: Any) -> Any:
    n = types.int64
    return types.void(numbers, n, n, n, n), _generate_turn


def _generate_turn(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Of each two rows, blocks of 4, then of 2, then of 1 change places."""
    pointer, x, x_row, y, y_row = arguments
    lanes = Rows(builder, context.get_value_type(signature.args[0].dtype), pointer, SIDE, [0.0] * SIDE)
    rows = [lanes.load(place) for place in _places(builder, x, x_row, SIDE)]
    block = SIDE // 2
    while block:
        even = [lane if not lane & block else lane - block + SIDE for lane in range(SIDE)]
        odd = [lane + block if not lane & block else lane + SIDE for lane in range(SIDE)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), SIDE), lanes_of) for lanes_of in (even, odd)]
        for i in [i for i in range(SIDE) if not i & block]:
            pair = rows[i], rows[i + block]
            rows[i], rows[i + block] = (builder.shuffle_vector(*pair, mask) for mask in masks)
        block //= 2
    for row, place in zip(rows, _places(builder, y, y_row, SIDE), strict=True):
        lanes.store(row, place)
    return context.get_dummy_value()


if not numba.config.DISABLE_JIT:
    widest = intrinsic(_typed_widest)
    tile = intrinsic(_typed_tile)
    turn = intrinsic(_typed_turn)

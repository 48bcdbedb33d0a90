"""What rows of numbers add up to, column by column, with the partial results held in registers; and extremes.

`kernels.sums` folds one stretch of numbers; here whole columns of a matrix are folded side by side, each in the order
of its rows, so that the result is the same to the bit whatever stands beside it. The code is written in LLVM's vectors,
as in `tiles`; with compilation off, NumPy goes in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.tiles import BYTES, Rows
from cartwheel.kernels.sums import in_order, typed

_Combine = Callable[[Any, Any, Any], Any]


def _added(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


def _multiplied(builder: Any, a: Any, b: Any) -> Any:
    return builder.fmul(a, b)


def _larger(builder: Any, a: Any, b: Any) -> Any:
    """a where it is larger than b or not a number, else b: NaN wins."""
    return builder.select(builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a)), a, b)


def _smaller(builder: Any, a: Any, b: Any) -> Any:
    """a where it is smaller than b or not a number, else b."""
    return builder.select(builder.or_(builder.fcmp_ordered("<", a, b), builder.fcmp_unordered("uno", a, a)), a, b)


# --- one stretch -----------------------------------------------------------------------------------------------------


def largest(x: Any) -> Any:
    """The largest of x (n,), NaN if there is one in it."""
    return in_order(x, lambda a, b: np.where((a > b) | (a != a), a, b), -np.inf)


def smallest(x: Any) -> Any:
    """The smallest of x (n,), NaN if there is one in it."""
    return in_order(x, lambda a, b: np.where((a < b) | (a != a), a, b), np.inf)


def product(x: Any) -> Any:
    """The product of x (n,)."""
    return in_order(x, np.multiply, 1.0)


# --- columns ---------------------------------------------------------------------------------------------------------


def _columns(combine: Callable[[Any, Any], Any], start: float) -> Callable[..., None]:
    def fold(numbers: Any, rows: int, columns: int, x: int, y: int) -> None:
        found = np.full(columns, start, numbers.dtype)
        for k in range(rows):
            found = combine(found, part(numbers, x + k * columns, columns))
        part(numbers, y, columns)[:] = found

    return fold


#: `fold(numbers, rows, columns, x, y)`: y (columns,) of x (rows, columns), both at offsets.
add_columns = _columns(np.add, 0.0)
multiply_columns = _columns(np.multiply, 1.0)
largest_of_columns = _columns(lambda a, b: np.where((a > b) | (a != a), a, b), -np.inf)
smallest_of_columns = _columns(lambda a, b: np.where((a < b) | (a != a), a, b), np.inf)


def _typed_columns(combine: _Combine, start: float) -> Any:
    """The same for Numba: its signature, and what generates its code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        dtype = signature.args[0].dtype
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(builder.module, kind, f"cartwheel{combine.__name__}_{dtype}")
        if function.is_declaration:
            function.linkage = "internal"
            function.attributes.add("noinline")
            function.attributes.add("optsize")
            _define(function, context.get_value_type(dtype), 2 * BYTES * 8 // dtype.bitwidth, combine, start)
        builder.call(function, arguments)
        return context.get_dummy_value()

    n = types.int64
    return lambda typing_context, numbers, rows, columns, x, y: (types.void(numbers, n, n, n, n), generate)


def _define(function: Any, number: Any, most: int, combine: _Combine, start: float) -> None:
    """As many columns at a time as registers are set apart for; what is left over by halves of that."""
    builder = ir.IRBuilder(function.append_basic_block())
    pointer, rows, columns, x, y = function.args
    done = cgutils.alloca_once_value(builder, columns.type(0))
    width = most
    while width:
        lanes = Rows(builder, number, pointer, width, [start] * width)
        with cgutils.for_range(builder, builder.sdiv(builder.sub(columns, builder.load(done)), columns.type(width))):
            first = builder.load(done)
            found = cgutils.alloca_once_value(builder, lanes.start)
            place = cgutils.alloca_once_value(builder, builder.add(x, first))
            with cgutils.for_range(builder, rows):
                values = lanes.load(builder.load(place))
                builder.store(combine(builder, builder.load(found), values), found)
                builder.store(builder.add(builder.load(place), columns), place)
            lanes.store(builder.load(found), builder.add(y, first))
            builder.store(builder.add(first, columns.type(width)), done)
        width //= 2
    builder.ret_void()


if not numba.config.DISABLE_JIT:
    largest = intrinsic(typed(_larger, -np.inf))
    smallest = intrinsic(typed(_smaller, np.inf))
    product = intrinsic(typed(_multiplied, 1.0))
    add_columns = intrinsic(_typed_columns(_added, 0.0))
    multiply_columns = intrinsic(_typed_columns(_multiplied, 1.0))
    largest_of_columns = intrinsic(_typed_columns(_larger, -np.inf))
    smallest_of_columns = intrinsic(_typed_columns(_smaller, np.inf))

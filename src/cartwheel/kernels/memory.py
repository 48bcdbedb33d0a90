"""Memory by its address, as the rows of recorded programs see it: numbers at an offset from a base.

A kernel gets a base as a pointer; `part` makes an array of a stretch of it, and `base[k]` is the k-th number. Offsets
may be negative: arrays that do not lie in the program's own buffer are reached from its base as well. With compilation
off, a `Plain` base stands for the pointer.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


class Plain:
    """A pointer to numbers of a type, in plain Python."""

    def __init__(self, address: int, dtype: Any) -> None:
        self.address, self.dtype = address, np.dtype(dtype)

    def array(self, offset: int, length: int) -> Any:
        """An array of the numbers there."""
        size = self.dtype.itemsize
        memory = (ctypes.c_char * (int(length) * size)).from_address(self.address + int(offset) * size)
        return np.frombuffer(memory, self.dtype)

    def __getitem__(self, offset: int) -> Any:
        return self.array(offset, 1)[0]

    def __setitem__(self, offset: int, value: Any) -> None:
        self.array(offset, 1)[0] = value


def part(base: Any, offset: int, length: int) -> Any:
    """The `length` numbers from `offset` on, as an array (length,)."""
    return base.array(offset, length)


def _typed_part(typing_context: Any, base: Any, offset: Any, length: Any) -> Any:
    array = types.Array(base.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, offset, length = arguments
        made = make_array(array)(context, builder)
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(base.dtype)))
        populate_array(
            made,
            data=builder.gep(pointer, [offset]),
            shape=[length],
            strides=[size],
            itemsize=size,
            meminfo=None,
        )
        return made._getvalue()

    return array(base, types.int64, types.int64), generate


def call(address: int, row: Any, numbers: Any, integers: Any) -> None:
    """Call the opcode whose compiled function lies at `address`; with compilation off, it is the function itself."""
    address(row, numbers, integers)  # type: ignore[operator]


def _typed_call(typing_context: Any, address: Any, row: Any, numbers: Any, integers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, *operands = arguments
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        builder.call(builder.inttoptr(target, kind.as_pointer()), operands)
        return context.get_dummy_value()

    return types.void(types.int64, row, numbers, integers), generate


def pointer(array: Any) -> Any:
    """Where an array's numbers begin."""
    return Plain(array.ctypes.data, array.dtype)


def _typed_pointer(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


def shifted(base: Any, offset: int) -> Any:
    """The pointer `offset` numbers further on."""
    return Plain(base.address + offset * base.dtype.itemsize, base.dtype)


def _typed_shifted(typing_context: Any, base: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(*arguments[:1], [arguments[1]])

    return base(base, types.int64), generate


if not numba.config.DISABLE_JIT:
    part = intrinsic(_typed_part)
    call = intrinsic(_typed_call)
    pointer = intrinsic(_typed_pointer)
    shifted = intrinsic(_typed_shifted)

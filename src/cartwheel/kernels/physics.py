"""The three functions of a native environment by their addresses.

A kernel that gets functions as arguments has Numba look each of them up at every call, in 20 microseconds: more than a
short stretch of steps takes. So those that are called often get addresses, and make functions of them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from cartwheel.kernels.compile import OBSERVE, RESET, STEP

_KINDS: tuple[Any, ...] = (RESET, STEP, OBSERVE)

#: What a kernel's signature says of `addresses`.
ADDRESSES = types.Array(types.int64, 2, "C")


def addresses(*functions: Any) -> Any:
    """Those of reset, step and observe, (3, 2): for C, and as Numba calls; with compilation off, the functions.

    They are good as long as the functions are.
    """
    if numba.config.DISABLE_JIT:
        return functions
    found = np.zeros((3, 2), np.int64)
    for row, function, kind in zip(found, functions, _KINDS, strict=True):
        result = function.get_compile_result(kind.signature)
        names = result.fndesc.llvm_cfunc_wrapper_name, result.fndesc.llvm_func_name
        row[:] = [result.library.get_pointer_to_function(name) for name in names]
    return found


def function(number: int) -> Any:
    """What makes the function of this number of `addresses`."""

    def typed(typing_context: Any, found: Any) -> Any:
        kind = _KINDS[number]

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(ADDRESSES)(context, builder, arguments[0]).data
            made = cgutils.create_struct_proxy(kind)(context, builder)
            made.c_addr, made.jit_addr = (
                builder.inttoptr(
                    builder.load(builder.gep(data, [ir.Constant(ir.IntType(64), place)])), cgutils.voidptr_t
                )
                for place in (2 * number, 2 * number + 1)
            )
            return made._getvalue()

        return kind(found), generate

    return (lambda found: found[number]) if numba.config.DISABLE_JIT else intrinsic(typed)


reset_of, step_of, observe_of = function(0), function(1), function(2)

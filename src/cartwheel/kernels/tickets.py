"""Numbers handed out one after the other, each once, to whichever thread asks: how threads share a queue of jobs."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


def take(counter: Any) -> int:
    """The number in `counter (1,)`, which is one more for the next to ask."""
    number = int(counter[0])
    counter[0] += 1
    return number


def _typed_take(typing_context: Any, counter: Any) -> Any:
    """`take` for Numba: one atomic instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), generate


if not numba.config.DISABLE_JIT:
    take = intrinsic(_typed_take)

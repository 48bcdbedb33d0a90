"""How many threads BLAS works with while a small network learns: one, unless the user has said another number.

The products of a small network are over before a second thread has woken up, and with one thread their sums do not
depend on how many cores a machine has. Most products of recorded programs are not BLAS's at all; the large ones are.

OpenBLAS is told so itself, as its variables are read when it is loaded: it comes with the wheels of NumPy and of SciPy,
whose copy compiled code calls. Where it is another library, all stays as it is.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

#: By these a user says how many threads there are to be; OpenBLAS reads them itself.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which BLAS works with one thread, afterwards with as many as before; a user's variable goes before."""
    if any(name in os.environ for name in VARIABLES):
        yield
        return
    before = [(set_, get()) for get, set_ in _libraries()]
    for set_, _ in before:
        set_(1)
    try:
        yield
    finally:
        for set_, count in before:
            set_(count)


def threads() -> int | None:
    """How many threads BLAS works with now, None where nobody can say."""
    return max((int(get()) for get, _ in _libraries()), default=None)


@cache
def _libraries() -> list[tuple[Any, Any]]:
    """The functions of each OpenBLAS that tell and set the number of threads."""
    return [pair for path in _files() if (pair := _functions(path)) is not None]


def _files() -> list[Path]:
    """The copies of OpenBLAS that the wheels of NumPy and SciPy hold, each in a folder of its own."""
    places = [Path(spec.origin).parent for name in ("numpy", "scipy") if (spec := find_spec(name)) and spec.origin]
    folders = [folder for place in places for folder in (place.with_name(f"{place.name}.libs"), place / ".dylibs")]
    return sorted(path for folder in folders for path in folder.glob("*openblas*"))


def _functions(path: Path) -> tuple[Any, Any] | None:
    """By whatever name a build gives them; None where the file can't be loaded, or has none of them."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    for prefix, suffix in product(("scipy_", ""), ("64_", "")):
        names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
        if all(hasattr(library, name) for name in names):
            get, set_ = (getattr(library, name) for name in names)
            get.restype, set_.argtypes, set_.restype = ctypes.c_int, [ctypes.c_int], None
            return get, set_
    return None

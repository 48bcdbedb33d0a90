"""The one way to compile: `compiled`, with a cache on disk that is keyed by the sources.

Numba's own cache notices a change of the file that a function stands in, but not of a helper in another file: the
caller goes on with the old one. So each module's functions are kept in a folder named after a hash of that module's
source and of every source that it imports. A cache folder that can't be written costs time, nothing else.

Each signature has a folder of its own in there. Numba numbers the signatures of a function in one index, which two
processes may read before either has written: then one's code would be found under the other's signature.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

# The three functions of a native environment, over lanes: row k of a matrix is one quantity in every lane, and the
# first `lanes` columns are in use. See docs/native-environments.md.
_STATE = types.Array(types.float64, 2, "C")  # (S, L)
_GENERATORS = types.Array(types.uint64, 2, "C")  # (L, 4), one PCG64 a lane
_NUMBERS = types.Array(types.float32, 2, "C")  # (d, L) observations, (a, L) actions
_REWARDS = types.Array(types.float64, 1, "C")  # (L,)
_FLAGS = types.Array(types.boolean, 1, "C")  # (L,)

#: reset(lane, state, generators): draw a first state for one lane
RESET: object = types.FunctionType(types.void(types.intp, _STATE, _GENERATORS))
#: step(lanes, state, action, generators, reward, terminated): one time step of the first `lanes` lanes
STEP: object = types.FunctionType(types.void(types.intp, _STATE, _NUMBERS, _GENERATORS, _REWARDS, _FLAGS))
#: observe(lanes, state, observation): what the policy sees of the first `lanes` lanes
OBSERVE: object = types.FunctionType(types.void(types.intp, _STATE, _NUMBERS))


def compiled(signature: Any = None, *, merged: bool = False) -> Callable[[F], F]:
    """Compile a function: `@compiled()` for helpers, typed by their callers; `@compiled(SIGNATURE)` for entry points.

    What is `merged` becomes a part of its caller, for functions that get many arrays in a loop: their arguments are not
    counted as references at each call, which costs as much as a lane.

    Compiled code holds no lock on the interpreter, divides as NumPy does, and rounds each operation as IEEE 754 says:
    nothing is reordered or contracted, so that a kernel can promise to equal its plain twin to the bit.
    """
    plain = signature.signature if isinstance(signature, types.FunctionType) else signature
    return lambda function: _compile(function, plain, "always" if merged else "never")


def _compile(function: F, signature: Any, inline: str) -> F:
    """Only entry points are cached: helpers are compiled into them. A cache that is torn or full is done without."""
    if signature is None:
        return _jitted(function, None, inline, None)
    folder = _cache_folder(function.__module__)
    if folder is not None:
        folder /= hashlib.sha256(str(signature).encode()).hexdigest()[:8]
        try:
            return _jitted(function, signature, inline, folder)
        except Exception:  # whatever Numba stumbles over in its files; an error of the function's own comes again below
            shutil.rmtree(folder, ignore_errors=True)
    return _jitted(function, signature, inline, None)


def _jitted(function: F, signature: Any, inline: str, folder: Path | None) -> F:
    arguments = () if signature is None else (signature,)
    options = {"nogil": True, "error_model": "numpy", "inline": inline, "cache": folder is not None}
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder or "")
    try:
        kernel: F = numba.njit(*arguments, **options)(function)
        return kernel
    finally:
        numba.config.CACHE_DIR = before


def cache_root() -> Path:
    """Where compiled kernels are kept: CARTWHEEL_CACHE_DIR, else the user's cache folder."""
    if chosen := os.environ.get("CARTWHEEL_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path("~/Library/Caches/cartwheel").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "cartwheel"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cartwheel"


def compile_aside(module: str, kernel: str) -> None:
    """Have another process compile a module's kernels meanwhile, where none called `kernel` was ever kept.

    For what is wanted in some seconds: a first run takes less time so, on machines with a second processor.
    """
    alone = (os.cpu_count() or 1) < 2 or numba.config.DISABLE_JIT or not sys.executable
    if alone or _cache_folder(__name__) is None or any(cache_root().glob(f"*/*/*/{module}.{kernel}-*.nbi")):
        return
    command = [sys.executable, "-c", f"import cartwheel.kernels.{module}"]
    nothing = subprocess.DEVNULL
    _ASIDE.append(subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True))


#: Nobody waits for them: they end by themselves, or with the machine.
_ASIDE: list[Any] = []


@functools.cache
def _cache_folder(module_name: str) -> Path | None:
    """The folder for one module's kernels, or None where nothing can be written."""
    key = source_key(module_name)
    if key is None:
        return None
    try:
        folder = cache_root() / key
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"cartwheel")
    except (OSError, RuntimeError):  # RuntimeError: a user without a home folder
        return None
    return folder


def source_key(module_name: str) -> str | None:
    """A hash over the source of a module and of all it imports (installed packages left out); None without a source."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    module = sys.modules.get(module_name)
    own = getattr(module, "__file__", None)
    if own is None or not own.endswith(".py"):
        return None
    files = {Path(own), *_sources(module, set())}
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:20]


def _sources(module: ModuleType | None, seen: set[str]) -> Iterator[Path]:
    if module is None or module.__name__ in seen:
        return
    seen.add(module.__name__)
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py") or _installed(Path(file)):
        return
    path = Path(file)
    yield path
    for name in _imported_names(path, module):
        yield from _sources(sys.modules.get(name), seen)


def _installed(path: Path) -> bool:
    """Whether a file belongs to Python itself or to another installed package: those change with their versions."""
    if path.is_relative_to(Path(__file__).parents[1]):
        return False
    parts = path.parts
    return "site-packages" in parts or "dist-packages" in parts or path.is_relative_to(Path(os.__file__).parent)


def _imported_names(path: Path, module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, module.__package__) if node.level else relative
            yield base
            for alias in node.names:  # `from package import module`
                yield f"{base}.{alias.name}"

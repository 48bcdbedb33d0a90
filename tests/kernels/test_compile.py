"""The kernels' cache: what is edited is compiled anew, what can't be written is done without."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import pytest

from cartwheel.kernels import compile as compiling

HELPER = """
    from cartwheel.kernels import compiled

    @compiled()
    def helper(x):
        return x + {number}
"""
CALLER = """
    import numba
    from helping import helper
    from constants import SCALE
    from cartwheel.kernels import compiled

    @compiled(numba.int64(numba.int64))
    def caller(x):
        return SCALE * helper(x)
"""


def run(folder: Path, cache: Path | str) -> tuple[int, int]:
    """The caller's answer, and how many kernels came from the cache."""
    program = "import calling; print(calling.caller(1), sum(calling.caller.stats.cache_hits.values()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "CARTWHEEL_CACHE_DIR": str(cache), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    answer, hits = done.stdout.split()
    return int(answer), int(hits)


def write(folder: Path, number: int = 1, scale: int = 10) -> None:
    (folder / "helping.py").write_text(textwrap.dedent(HELPER.format(number=number)))
    (folder / "constants.py").write_text(f"SCALE = {scale}\n")
    (folder / "calling.py").write_text(textwrap.dedent(CALLER))


def test_the_second_process_takes_kernels_from_the_cache(tmp_path: Path) -> None:
    write(tmp_path)
    assert run(tmp_path, tmp_path / "cache") == (20, 0)
    assert run(tmp_path, tmp_path / "cache") == (20, 1)


def test_an_edited_helper_in_another_file_is_used(tmp_path: Path) -> None:
    write(tmp_path)
    assert run(tmp_path, tmp_path / "cache")[0] == 20
    write(tmp_path, number=2)
    assert run(tmp_path, tmp_path / "cache") == (30, 0)


def test_an_edited_constant_in_another_file_is_used(tmp_path: Path) -> None:
    write(tmp_path)
    assert run(tmp_path, tmp_path / "cache")[0] == 20
    write(tmp_path, scale=100)
    assert run(tmp_path, tmp_path / "cache") == (200, 0)


@pytest.mark.parametrize("cache", ["/dev/null/cache", "a-file"])
def test_an_unwritable_cache_costs_nothing_but_time(tmp_path: Path, cache: str) -> None:
    write(tmp_path)
    (tmp_path / "a-file").write_text("no folder")
    assert run(tmp_path, cache if cache.startswith("/") else tmp_path / cache) == (20, 0)


def test_kernels_own_sources_are_part_of_the_key() -> None:
    import cartwheel.kernels.rollout

    names = {path.name for path in compiling._sources(cartwheel.kernels.rollout, set())}
    assert {"rollout.py", "perceptron.py", "compile.py"} <= names


def test_a_module_without_a_source_is_not_cached() -> None:
    assert compiling.source_key("builtins") is None
    assert compiling.source_key("no such module") is None


def test_the_users_own_numba_settings_are_left_alone() -> None:
    import numba

    before = numba.config.CACHE_DIR

    @compiling.compiled()
    def square(x: int) -> int:
        return x * x

    assert square(3) == 9
    assert before == numba.config.CACHE_DIR


def test_compiled_code_rounds_each_operation() -> None:
    """a * b + c in one rounding (a fused operation) would give 2**-54 here; two roundings give 0."""

    @compiling.compiled()
    def residue(a: float, b: float, c: float) -> float:
        return a * b + c

    a = 1.0 + 2.0**-27
    assert residue(a, a, -(a * a)) == 0.0


def test_a_torn_cache_heals(tmp_path: Path) -> None:
    write(tmp_path)
    cache = tmp_path / "cache"
    run(tmp_path, cache)
    files = [file for file in cache.rglob("*.nb*") if file.is_file()]
    assert len(files) == 2
    for content in (b"", b"garbage"):
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        assert run(tmp_path, cache)[0] == 20


def test_each_signature_of_a_function_has_an_index_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one index two processes that compile at once could leave one's code under the other's signature."""
    monkeypatch.setenv("CARTWHEEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    compiling._cache_folder.cache_clear()
    (tmp_path / "doubling.py").write_text("def double(x):\n    return x + x\n")
    double = importlib.import_module("doubling").double
    for number in (numba.float32, numba.float64):
        compiling.compiled(number(number))(double)
    compiling._cache_folder.cache_clear()
    indexes = list(tmp_path.rglob("*.nbi"))
    assert len(indexes) == len({path.parent for path in indexes}) == 2
    assert len(list(tmp_path.rglob("*.nbc"))) == 2


def test_another_process_compiles_what_was_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and only where there is a second processor for it."""
    monkeypatch.setenv("CARTWHEEL_CACHE_DIR", str(tmp_path))
    before = len(compiling._ASIDE)
    compiling._cache_folder.cache_clear()
    for processors in (1, 2):
        monkeypatch.setattr(os, "cpu_count", lambda processors=processors: processors)
        compiling.compile_aside("returns", "so_far")
        assert len(compiling._ASIDE) == before + processors - 1
    assert compiling._ASIDE[-1].wait(60) == 0
    assert list(tmp_path.rglob("returns.so_far-*.nbi"))
    compiling.compile_aside("returns", "so_far")
    compiling._cache_folder.cache_clear()
    assert len(compiling._ASIDE) == before + 1

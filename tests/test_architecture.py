"""The two tables of docs/design.md, held: which folder may import which, and where each third-party package lives."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "cartwheel"

WORDS = {"errors", "registry", "settings", "seeds", "spaces"}
MAY_IMPORT = {
    "nn": set(),
    "nn.capture": {"nn", "kernels"},
    "policies": {"nn"},
    "policies.acting": {"nn", "policies", "kernels"},
    "kernels": set(),
    "envs": {"kernels", "tabular"},
    "tabular": set(),
    "experience": {"nn", "policies", "kernels", "envs"},
    "algorithms": {
        "nn",
        "policies",
        "experience.records",
        "experience.chains",
        "experience.replay",
        "experience.returns",
        "experience.windows",
        "kernels.tables",
    },
    "storage": {"nn", "policies"},
    "training": {"nn", "policies", "envs", "experience", "algorithms", "storage"},
    "reports": {"storage", "experience", "envs", "policies"},
    "cli": {"nn", "policies", "kernels", "envs", "experience", "algorithms", "storage", "training", "reports"},
}
#: What has a rule of its own: parts of a folder that may call kernels, where the rest may not.
OWN_RULES = {"nn.capture", "policies.acting"}
HOMES = {
    "gymnasium": {"envs"},
    "pygame": {"envs"},
    "numba": {"kernels"},
    "llvmlite": {"kernels"},
    "cloudpickle": {"training"},
    "ray": {"training"},
    "scipy": {"experience"},
    "matplotlib": {"reports"},
    "PIL": {"reports"},
    "safetensors": {"storage"},
    "sqlite3": {"storage"},
    "rich": {"cli"},
    "cyclopts": {"cli"},
    "numpy": {*MAY_IMPORT, *WORDS},
}
NEVER = {"pickle", "shelve", "marshal", "dill", "joblib", "torch", "jax", "random"}
#: What sees to it that a recorded step does not draw from the generators of all: it looks where they stand.
LOOKS_AT_GENERATORS = PACKAGE / "nn/capture/global_draws.py"

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module name that a file imports, type-checking blocks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(path: Path) -> str:
    """The folder, or the module at the top, that a file belongs to; or the part of a folder that has its own rule."""
    first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    part = ".".join((first, *rest[:1]))
    return part if part in OWN_RULES else first


def faults(where: str, names: Iterator[str]) -> list[str]:
    found = []
    for name in names:
        top, *rest = name.split(".")
        if top == "cartwheel" and rest:
            target = rest[0]
            if target in {where, "__version__"} | (WORDS if where != "nn" else set()):
                continue
            if where in WORDS or (
                target not in MAY_IMPORT[where]
                and not any(
                    name == f"cartwheel.{allowed}" or name.startswith(f"cartwheel.{allowed}.")
                    for allowed in MAY_IMPORT[where]
                    if "." in allowed
                )
            ):
                found.append(f"{where} imports {name}")
        elif top in NEVER:
            found.append(f"{where} imports {top}, which nobody may")
        elif top in HOMES and where not in HOMES[top]:
            found.append(f"{where} imports {top}, whose home is {HOMES[top]}")
        elif top not in HOMES and top not in sys.stdlib_module_names and top not in {"cartwheel", "__future__"}:
            found.append(f"{where} imports {top}, which has no home")
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_one_way(path: Path) -> None:
    names = [name for name in imports(path) if not re.fullmatch(r"cartwheel\.experience", name)]
    if path == LOOKS_AT_GENERATORS:
        names.remove("random")
    assert faults(place(path), iter(names)) == []


def test_the_test_sees_forbidden_imports() -> None:
    assert faults("nn", iter(["numba"]))
    assert faults("nn", iter(["cartwheel.errors"]))
    assert faults("algorithms", iter(["cartwheel.experience.rollouts"]))
    assert faults("algorithms", iter(["cartwheel.experience.records"])) == []
    assert faults("policies", iter(["cartwheel.envs.environment"]))
    assert faults("policies", iter(["cartwheel.kernels.single"]))
    assert faults("policies.acting", iter(["cartwheel.experience.lanes"]))
    assert place(PACKAGE / "policies" / "policy.py") == "policies"
    assert faults("storage", iter(["pickle"]))
    assert faults("training", iter(["cartwheel.cli.progress"]))
    assert faults("training", iter(["requests"]))


def test_packages_have_one_home_in_the_code() -> None:
    """The table above allows folders; scipy, cloudpickle and ray live in one file each."""
    users: dict[str, set[str]] = {}
    for path in FILES:
        for name in imports(path):
            users.setdefault(name.split(".")[0], set()).add(path.relative_to(PACKAGE).as_posix())
    assert users["scipy"] == {"experience/statistics.py"}
    assert users["cloudpickle"] == {"training/executors/parcels.py"}
    assert users["ray"] == {"training/executors/ray.py"}


def test_the_folders_are_the_ones_of_the_design() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(MAY_IMPORT) - OWN_RULES


def test_no_global_randomness_and_no_time_of_day() -> None:
    allowed = {"default_rng", "Generator", "PCG64", "RandomState", "SeedSequence"}
    for path in FILES:
        known = {*allowed, "get_state"} if path == LOOKS_AT_GENERATORS else allowed
        for line in path.read_text(encoding="utf-8").splitlines():
            for name in re.findall(r"np\.random\.(\w+)", line):
                assert name in known, f"{path}: np.random.{name}"
            assert not re.search(r"\btime\.time\(|datetime\.now|date\.today", line), f"{path}: {line.strip()}"


def loaded_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()} | set(done.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    plain = loaded_by("pass")
    extra = loaded_by("import cartwheel") - plain
    assert {name for name in extra if not name.startswith("cartwheel")} <= {"importlib", "typing", "collections"} | {
        name for name in extra if name.split(".")[0] in sys.stdlib_module_names
    }
    assert "numpy" not in extra


def test_nn_loads_numpy_only() -> None:
    loaded = loaded_by("from cartwheel.nn import *")
    third_party = {name for name in loaded if "." not in name and name not in sys.stdlib_module_names}
    assert {name for name in third_party if not name.startswith("_")} <= {"cartwheel", "numpy", "sitecustomize"}


def test_a_policy_file_needs_neither_numba_nor_gymnasium(tmp_path: Path) -> None:
    file = tmp_path / "policy.safetensors"
    program = (
        "import cartwheel, numpy as np; from cartwheel.spaces import Box, Discrete;"
        "policy = cartwheel.Policy(cartwheel.MLP((2,)), Box((1,), (-1.0,), (1.0,)), Discrete(2), np.ones(10));"
        f"cartwheel.save(policy, {str(file)!r})"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    loaded = loaded_by(f"import cartwheel; cartwheel.load({str(file)!r}).act([0.5])")
    assert not loaded & {"numba", "gymnasium", "matplotlib", "scipy", "rich", "cyclopts", "pygame"}


def test_algorithms_can_be_listed_without_compiling() -> None:
    loaded = loaded_by("from cartwheel.algorithms.registry import ALGORITHMS")
    assert not loaded & {"numba", "gymnasium"}

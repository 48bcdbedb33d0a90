"""DeZero's vocabulary: each of its names has a row in docs/coming-from-dezero.md, and its programs run here.

The programs of `dezero_programs/` are written for DeZero 0.0.13, and run unchanged with `cartwheel.nn` under its name.
What DeZero itself gives for them stands in `answers.json`; where DeZero is installed (`make test-oracles`), the list of
its names, the answers and each function are held against it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dezero_tools import (
    ANSWERS,
    IN_HAND,
    MODULES,
    NAMES,
    PROGRAMS,
    cartwheel_modules,
    dezero_modules,
    flat,
    listed,
    names_of,
    parameters,
    run,
)

from cartwheel import nn

PAGE = Path(__file__).parents[2] / "docs" / "coming-from-dezero.md"

each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
needs_dezero = pytest.mark.skipif(
    find_spec("dezero") is None, reason="DeZero is not installed: make test-oracles installs it"
)


# --- programs --------------------------------------------------------------------------------------------------------

#: How near the numbers come to DeZero's, relative to the largest of a result; single precision for some.
NEAR = 1e-9
NEAR_IN_SINGLE = {"spiral": 1e-4, "normalisation": 2e-6}


def compare(got: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        numbers, answers = np.array(flat(got[name])), np.array(flat(value))
        assert numbers.shape == answers.shape, name
        scale = max(1.0, float(np.abs(answers).max()))
        np.testing.assert_allclose(numbers, answers, rtol=0, atol=tolerance * scale, err_msg=name)


def expected_of(program: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(ANSWERS.read_text(encoding="utf-8"))[program.stem]
    return answers


@pytest.mark.filterwarnings("ignore:Graphviz is not installed")
@each_program
def test_a_program_gives_what_dezero_gives(program: Path) -> None:
    results = run(program.read_text(encoding="utf-8"), cartwheel_modules())
    compare(results, expected_of(program), NEAR_IN_SINGLE.get(program.stem, NEAR))


@pytest.mark.filterwarnings("ignore:Graphviz is not installed")
@each_program
def test_a_program_runs_with_its_import_lines_changed(program: Path) -> None:
    source = program.read_text(encoding="utf-8")
    source = re.sub(r"^import dezero$", "import cartwheel.nn as dezero", source, flags=re.MULTILINE)
    source = re.sub(r"^(import|from) dezero\b", r"\1 cartwheel.nn", source, flags=re.MULTILINE)
    compare(run(source, {}), expected_of(program), NEAR_IN_SINGLE.get(program.stem, NEAR))


@needs_dezero
@pytest.mark.filterwarnings("ignore")
@each_program
def test_the_answers_are_those_of_dezero(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where DeZero writes graphs
    compare(run(program.read_text(encoding="utf-8"), dezero_modules()), expected_of(program), NEAR)


# --- what is drawn ---------------------------------------------------------------------------------------------------

DRAWN = """
import numpy as np
import dezero.functions as F
import dezero.layers as L
np.random.seed(3)
first, second = L.Linear(4, in_size=3), L.Conv2d(2, 3, in_channels=1)
results = {"linear": first.W.data, "conv": second.W.data, "dropout": F.dropout(np.ones(20), 0.3).data}
"""


@needs_dezero
def test_with_numpys_generator_the_same_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Config, "_rng", np.random)
    compare(run(DRAWN, cartwheel_modules()), run(DRAWN, dezero_modules()), 1e-6)


def test_seeds_repeat_what_is_drawn() -> None:
    drawn = DRAWN.replace("np.random.seed(3)", "")
    nn.seed(3)
    first = run(drawn, cartwheel_modules())
    nn.seed(3)
    assert run(drawn, cartwheel_modules()) == first != run(drawn, cartwheel_modules())


@needs_dezero
@pytest.mark.parametrize("train", [True, False])
def test_the_spiral_is_dezeros(train: bool) -> None:
    mine = nn.datasets.get_spiral(train)
    for one, other in zip(mine, dezero_modules()["dezero.datasets"].get_spiral(train), strict=True):
        np.testing.assert_array_equal(one, other)


# --- the page --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the page says of a name: where it is here (empty if nowhere), and what differs."""

    here: tuple[str, ...]
    differs: str


def rows(page: str) -> list[tuple[str, Row]]:
    """The rows of the page's tables, one for each name."""
    found = []
    for short, section in re.findall(r"^## `dezero\.?(\w*)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        place = f"{short}." if short else ""
        home = MODULES[short].removeprefix("cartwheel.nn").lstrip(".")
        for there, here, differs in re.findall(r"^\| (`.*?) \| (.*?) \|(?: (.*?))? \|$", section, re.MULTILINE):
            names = re.findall(r"`([\w.]+)`", there)
            for number, name in enumerate(names):
                if here == "the same":
                    targets = (f"{home}.{name}" if home else name,)
                else:
                    listed_here = re.findall(r"`([\w.]+)`", here)
                    targets = (listed_here[number],) if len(listed_here) == len(names) else tuple(listed_here)
                found.append((place + name, Row(targets, differs)))
    return found


def page_rows() -> dict[str, Row]:
    return dict(rows(PAGE.read_text(encoding="utf-8")))


def found_here(path: str) -> Any:
    """What stands at a path in `cartwheel.nn`; an attribute of an instance counts. AttributeError if nothing does."""
    value: Any = import_module("cartwheel.nn")
    walked: list[str] = []
    for name in path.split("."):
        if isinstance(value, types.ModuleType) and not hasattr(value, name):
            value = import_module(f"{value.__name__}.{name}")
        elif isinstance(value, type) and not hasattr(value, name):
            value = getattr(IN_HAND[".".join(walked)](value), name)
        else:
            value = getattr(value, name)
        walked.append(name)
    return value


def faults(names: Mapping[str, str], told: Sequence[tuple[str, Row]]) -> list[str]:
    """Names without a row, rows without a name, rows that lead nowhere, and differences that are not told."""
    rows_by_name = dict(told)
    found = [f"{name} has no row" for name in names if name not in rows_by_name]
    found += [f"there is no {name} in DeZero" for name in rows_by_name if name not in names]
    if len(rows_by_name) != len(told):
        found.append("a name has two rows")
    for name, row in told:
        if not row.here and not row.differs:
            found.append(f"{name} is nowhere, and the row does not say why")
        for path in row.here:
            try:
                value = found_here(path)
            except (AttributeError, ImportError, KeyError):
                found.append(f"{name}: there is no {path} here")
                continue
            if not row.differs and not takes(value, names.get(name, "")):
                found.append(f"{name}{names[name]} is {path}{parameters(value)} here, and the row says nothing")
    return found


def takes(value: Any, told: str) -> bool:
    """Whether something can be called with DeZero's parameters: the same names and defaults at the same places."""
    if not told.strip("()"):
        return True
    mine = parameters(value).strip("()").split(", ")
    mine = mine[1:] if mine[0] in ("xp", "self") else mine
    return mine[: told.count(",") + 1] == told.strip("()").split(", ")


def test_each_name_of_dezero_has_its_row() -> None:
    assert faults(listed(), rows(PAGE.read_text(encoding="utf-8"))) == []


def test_a_fault_of_the_page_would_be_noticed() -> None:
    names = {"functions.sin": "(x)", "functions.softmax": "(x, axis=1)", "core.Variable.data": ""}
    right = [(name, Row((name,), "")) for name in names]
    assert faults(names, right) == []
    assert faults(names, right[1:]) == ["functions.sin has no row"]
    assert faults(names, [*right, ("functions.sinus", right[0][1])]) == ["there is no functions.sinus in DeZero"]
    assert faults(names, [*right, right[0]]) == ["a name has two rows"]
    for path in ("functions.sinus", "sinus", "Variable.datum"):
        wrong = [("functions.sin", Row((path,), "")), *right[1:]]
        assert faults(names, wrong) == [f"functions.sin: there is no {path} here"]
    assert len(faults(names, [right[0], ("functions.softmax", Row(("functions.relu",), "")), right[2]])) == 1
    assert len(faults(names, [("functions.sin", Row((), "")), *right[1:]])) == 1


@needs_dezero
def test_the_names_are_those_of_dezero() -> None:
    assert NAMES.read_text(encoding="utf-8").splitlines() == names_of(dezero_modules())


# --- each function against DeZero's own ------------------------------------------------------------------------------

X, Y = np.linspace(-1.9, 2.3, 12).reshape(3, 4), np.linspace(0.7, -1.5, 12).reshape(3, 4)[:, ::-1]
POSITIVE, CLASSES = np.abs(X) + 0.1, np.array([3, 0, 2])
IMAGES = np.sin(np.arange(1.0, 151.0)).reshape(2, 3, 5, 5)
KERNELS, COLUMNS = np.cos(np.arange(54.0)).reshape(2, 3, 3, 3), np.sin(np.arange(162.0)).reshape(6, 27)

#: Arrays that gradients are taken by, and the other arguments, for each function that has the same name in both.
CALLS: dict[str, list[tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    **{name: [((X,), ())] for name in "sin cos tanh exp sigmoid relu leaky_relu flatten neg".split()},
    **{name: [((X,), ()), ((X,), (0,))] for name in "softmax log_softmax max min sum".split()},
    **{name: [((X, Y), ()), ((X, Y[:1]), ())] for name in "add sub mul div".split()},
    "mean_squared_error": [((X, Y), ())],
    "log": [((POSITIVE,), ())],
    "pow": [((POSITIVE,), (3,)), ((POSITIVE,), (-0.5,))],
    "reshape": [((X,), ((2, 6),)), ((X,), ((-1,),))],
    "transpose": [((X,), ()), ((IMAGES,), ((0, 3, 1, 2),))],
    "expand_dims": [((X,), (1,))],
    "sum_to": [((X,), ((1, 4),)), ((X,), ((1,),))],
    "broadcast_to": [((X[:1],), ((5, 4),))],
    "matmul": [((X, Y.T), ())],
    "linear": [((X, Y.T), ()), ((X, Y.T, X[0, :3]), ())],
    "get_item": [((X,), ((slice(None), 2),)), ((X,), (np.array([0, 2, 2]),))],
    "clip": [((X,), (-1.0, 1.5))],
    "softmax_cross_entropy": [((X,), (CLASSES,))],
    "sigmoid_cross_entropy": [((X,), ((X > 0).astype(int),)), ((X[:, 0],), (np.array([0, 1, 1]),))],
    "binary_cross_entropy": [((POSITIVE / 3,), ((X > 0).astype(int),))],
    "accuracy": [((), (X, CLASSES))],
    "embed_id": [((), (np.array([2, 0, 2]), X))],
    "dropout": [((X,), (0.0,))],
    "conv2d": [((IMAGES, KERNELS), ()), ((IMAGES, KERNELS, X[0, :2]), (2, 1))],
    "deconv2d": [((IMAGES, KERNELS.swapaxes(0, 1)), ()), ((IMAGES, KERNELS.swapaxes(0, 1), X[0, :2]), (2, 1))],
    "pooling": [((IMAGES,), (2,)), ((IMAGES,), ((3, 2), 2, 1))],
    "average_pooling": [((IMAGES,), (2,)), ((IMAGES,), (3, 2, 1))],
    "im2col": [((IMAGES,), (3,)), ((IMAGES,), ((3, 2), 2, 1, False))],
    "col2im": [((COLUMNS,), ((2, 3, 5, 3), 3))],
}


def called_with_gradients(
    modules: Mapping[str, types.ModuleType], name: str, arrays: tuple[Any, ...], others: tuple[Any, ...]
) -> list[Any]:
    """The value of a function, and the gradients by its arrays of the sum of its sines."""
    F, Variable = modules["dezero.functions"], modules["dezero"].Variable
    variables = [Variable(np.array(array)) for array in arrays]
    y = getattr(F, name)(*variables, *others)
    if arrays:
        F.sum(F.sin(y)).backward()
    return [np.array(y.data), *(np.array(v.grad.data) for v in variables)]


def names_in_both() -> list[str]:
    told = page_rows()
    functions = [name for name in listed() if name.startswith("functions.")]
    return [name.removeprefix("functions.") for name in functions if told[name].here == (name,) and name.islower()]


def test_each_function_is_compared() -> None:
    assert set(names_in_both()) == set(CALLS)


def test_the_reversed_operations() -> None:
    x0, x1 = nn.Variable(np.array(4.0)), nn.Variable(np.array(6.0))
    (nn.core.rsub(x0, x1) * nn.core.rdiv(x0, x1)).backward()  # (6 - 4) * 6 / 4
    assert (nn.core.rsub(3.0, x1).item(), nn.core.rdiv(2.0, x1).item()) == (3.0, 3.0)
    assert (x0.grad.item(), x1.grad.item()) == (-1.5 - 2 * 6 / 16, 1.5 + 2 / 4)


@needs_dezero
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "arrays", "others"), [(name, *call) for name, calls in CALLS.items() for call in calls]
)
def test_a_function_gives_what_dezeros_gives(name: str, arrays: tuple[Any, ...], others: tuple[Any, ...]) -> None:
    mine, theirs = (called_with_gradients(m, name, arrays, others) for m in (cartwheel_modules(), dezero_modules()))
    for one, other in zip(mine, theirs, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


# --- the page's programs ---------------------------------------------------------------------------------------------


def test_import_lines_as_told() -> None:
    changed, _ = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(changed, names)
    assert names["F"].sin is names["dezero"].functions.sin
    assert names["Model"] is names["dezero"].Model


def test_programs_run_as_told(tmp_path: Path) -> None:
    """In a process that knows no DeZero, with no more than the lines of the page in front."""
    _, alias = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for program in PROGRAMS:
        if program.stem in ("spiral", "text", "images", "own_functions"):
            file = tmp_path / program.name
            file.write_text(f"{alias}\n{program.read_text(encoding='utf-8')}\nprint(len(results))", encoding="utf-8")
            done = subprocess.run([sys.executable, file], capture_output=True, encoding="utf-8", check=False)
            assert done.returncode == 0, done.stderr
            assert int(done.stdout) == len(expected_of(program))

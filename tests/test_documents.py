"""The documents for users, held to the code: their tables, code, command lines, links and figures.

`python tests/test_documents.py` writes the tables between markers anew.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import re
import shlex
import subprocess
import sys
import tomllib
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli import main as command_line
from cartwheel.envs.environment import find_environment
from cartwheel.kernels.opcodes import OPCODES
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP, Stochastic
from cartwheel.settings import flag, range_text
from cartwheel.spaces import Box, Discrete
from cartwheel.storage.metrics import delete_result
from cartwheel.training.settings import DEFAULT_STEPS, TrainSettings

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = sorted((ROOT / "examples").rglob("*.py"))
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
SECONDS = 120  # for a program of the documents; they take some seconds each

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str = r"\w*") -> list[str]:
    """The fenced blocks of a page, of one language or all."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


# --- tables between markers -------------------------------------------------------------------------------------------


def options_table(settings: type[Any]) -> str:
    rows = [
        [f"`{field.name}`", default_text(field.default), allowed_text(field.metadata), field.metadata["help"]]
        for field in dataclasses.fields(settings)
    ]
    return table(["option", "default", "allowed", "meaning"], rows)


def presets_table(algorithm: str) -> str:
    presets = ALGORITHMS[algorithm].presets
    rows = [
        [f"`{preset}`", f"`{name}`", default_text(value)]
        for preset, values in presets.items()
        for name, value in values.items()
    ]
    return table(["preset", "option", "value"], rows)


def command_table(command: str) -> str:
    module = import_module(f"cartwheel.cli.{command}")
    function = getattr(module, command, None) or module.show
    hints = typing.get_type_hints(function, include_extras=True)
    rows = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        told = hints[parameter.name].__metadata__[-1]
        if parameter.kind is parameter.POSITIONAL_ONLY:
            rows.append([f"`{told.name[0]}`".replace("|", "` or `"), "", told.help])
        else:
            value = "" if parameter.default in (None, False, ()) else str(parameter.default)
            name = " ".join(filter(None, [flag(parameter.name), told.metavar]))
            rows.append([f"`{name}`", value, told.help])
    return table(["argument", "default", "meaning"], rows)


def signatures() -> str:
    lines = []
    for name in ("train", "resume", "evaluate", "render", "report", "minimize", "load", "save"):
        signature = inspect.signature(getattr(cartwheel, name))
        plain = [part.replace(annotation=part.empty) for part in signature.parameters.values()]
        bare = signature.replace(parameters=plain, return_annotation=signature.empty)
        lines.append(f"cartwheel.{name}{bare} -> {signature.return_annotation}".replace("'", '"'))
    return "\n".join(["```python", *lines, "```"])


def table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in lines)


def default_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def allowed_text(limits: Any) -> str:
    if limits["choices"] is not None:
        return ", ".join(limits["choices"])
    limited = any(limits[name] is not None for name in ("minimum", "maximum", "above"))
    return range_text(limits) if limited else ""


def opcodes_table() -> str:
    rows = [
        [f"`{one.name}`", (one.function.__doc__ or "").splitlines()[0].replace("|", "\\|"), str(one.level)]
        for one in OPCODES.values()
    ]
    return table(["opcode", "what it does", "level"], rows)


GENERATORS: dict[str, Callable[[str], str]] = {
    "options": lambda name: options_table(TrainSettings if name == "train" else ALGORITHMS[name].settings),
    "presets": presets_table,
    "command": command_table,
    "signatures": lambda _: signatures(),
    "opcodes": lambda _: opcodes_table(),
}
MARKED = re.compile(rf"<!-- ({'|'.join(GENERATORS)})(?:: ([\w-]+))? -->\n(.*?)<!-- end -->", re.DOTALL)


def regenerated(text: str) -> str:
    def section(match: re.Match[str]) -> str:
        kind, name = match[1], match[2] or ""
        marker = f"{kind}: {name}" if name else kind
        return f"<!-- {marker} -->\n\n{GENERATORS[kind](name)}\n\n<!-- end -->"

    return MARKED.sub(section, text)


@each_page
def test_tables_are_those_of_the_code(page: Path) -> None:
    assert text_of(page) == regenerated(text_of(page)), "python tests/test_documents.py writes the tables anew"


def test_the_reference_leaves_nothing_out() -> None:
    found = {(kind, name) for kind, name, _ in MARKED.findall(text_of(ROOT / "docs" / "reference.md"))}
    wanted = {("options", name) for name in ("train", *ALGORITHMS)} | {("signatures", "")}
    assert found == wanted | {("command", name) for name in command_line.COMMANDS}


def test_the_opcodes_stand_on_their_page() -> None:
    assert ("opcodes", "") in {(kind, name) for kind, name, _ in MARKED.findall(text_of(ROOT / "docs/interpreter.md"))}


def test_each_algorithm_has_its_page() -> None:
    for name in ALGORITHMS:
        own, shared = ROOT / "docs" / "algorithms" / f"{name}.md", ("evolution-strategies", "tables", "algorithms/ppo")
        page = text_of(own) if own.exists() else "".join(text_of(ROOT / "docs" / f"{one}.md") for one in shared)
        wanted = {("options", name)} | ({("presets", name)} if ALGORITHMS[name].presets else set())
        assert wanted <= {(kind, of) for kind, of, _ in MARKED.findall(page)}


def test_a_changed_default_is_noticed() -> None:
    page = text_of(ROOT / "docs" / "reference.md")
    wrong = page.replace("| `population` | 64 |", "| `population` | 65 |")
    assert wrong != page
    assert regenerated(wrong) == page


def test_the_default_budget_is_the_one_told() -> None:
    assert f"budget has one of {DEFAULT_STEPS:,} environment steps" in text_of(ROOT / "docs" / "reference.md")


# --- links, words, figures --------------------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", [*PAGES, *PROGRAMS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_path_of_a_machine_and_no_registry(page: Path) -> None:
    private = r"(?<![\w./])/(?:home|root|tmp|work|usr|opt|var|mnt|Users)\b|\b[A-Z]:\\|pypi\.org|index-url"
    assert not re.search(private, text_of(page))


def test_the_readmes_agree() -> None:
    assert blocks(README) == blocks(CHINESE)
    assert figures(prose(README)) == figures(prose(CHINESE))
    english, chinese = ([link for link in links(page) if "README" not in link] for page in (README, CHINESE))
    assert english == chinese
    levels = [re.findall(r"^#+(?= )", prose(page), re.MULTILINE) for page in (README, CHINESE)]
    assert levels[0] == levels[1]
    rows = [[figures(row) for row in re.findall(r"^\|.*", prose(page), re.MULTILINE)] for page in (README, CHINESE)]
    assert rows[0] == rows[1]
    assert CHINESE.name in links(README)
    assert README.name in links(CHINESE)


def figures(text: str) -> list[str]:
    return sorted(re.findall(r"(?<![\w.])-?\d[\d,.]*(?<![,.])", text))


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert all(picture.stat().st_size < 300_000 for picture in pictures)


def test_the_makefile_has_the_targets_told() -> None:
    targets = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        told = re.findall(r"(?:`|\$ )make(?: [A-Z]+=\S+)? ([\w-]+)", text_of(page))
        assert set(told) <= targets, page.name


# --- what is quoted, done ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unfinished run `runs/first`, as the documents take it for granted."""
    folder = tmp_path_factory.mktemp("documents")
    run = cartwheel.train(
        "CartPole-v1", algorithm="genetic", generations=3, name="first", runs=folder / "runs", hooks=[]
    )
    delete_result(run.metrics_path)
    return folder


def run_program(program: str, folder: Path, name: str = "program.py") -> str:
    """What a program prints that lies in `folder` and works there."""
    (folder / name).write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def command_lines() -> Iterator[tuple[str, str]]:
    """Each command line of this program that a page quotes, in a block or in the text."""
    for page in PAGES:
        for block in blocks(page, "console"):
            yield from ((page.name, line) for line in re.findall(r"^\$ (cartwheel .*)$", block, re.MULTILINE))
        quoted = re.findall(r"`(cartwheel [^`]+ [^`]+|cartwheel --[^`]+|cartwheel runs)`", prose(page))
        yield from ((page.name, line) for line in quoted)


def test_commands_are_called_by_their_names() -> None:
    for page in PAGES:
        assert set(re.findall(r"`cartwheel (\w+)", prose(page))) <= {*command_line.COMMANDS, "COMMAND"}, page.name


class Parsed(Exception):  # noqa: N818 (no error)
    """The words were understood; what they ask for would take too long."""


PLACEHOLDERS = {"ENV": "CartPole-v1", "RUN": "first", "RUN|FILE": "first", "FILE": "runs/first/config.toml"}
PLACEHOLDERS |= {"COMMAND": "train", "NAME": "other", "X": "genetic"}


@pytest.mark.parametrize(("page", "line"), sorted(set(command_lines())))
def test_command_lines_are_understood(page: str, line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and rendering go as far as the words and settings matter, everything else is done."""

    def stop(*_: Any, **__: Any) -> None:
        raise Parsed

    def known(environment: str, *arguments: Any) -> Any:
        return stop() if ":" in environment else find_environment(environment, *arguments)

    monkeypatch.chdir(place)
    monkeypatch.setattr("cartwheel.training.build.prepare", stop)
    monkeypatch.setattr("cartwheel.envs.environment.find_environment", known)  # pages name modules that are not there
    monkeypatch.setattr("cartwheel.experience.play.play", stop)
    monkeypatch.setattr("cartwheel.reports.page.compare", stop)
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True)[1:]]
    try:
        command_line._dispatch(words)
    except Parsed:
        assert words[0] in ("train", "resume", "render", "report")


def test_a_wrong_command_line_would_be_noticed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = "cartwheel train CartPole-v1 --algorithm genetic"
    for line in (f"{train} --episode 3", f"{train} --population 1"):
        with pytest.raises(cartwheel.UsageError):
            test_command_lines_are_understood("", line, place, monkeypatch)


def test_the_readme_in_python(tmp_path: Path) -> None:
    first, second = blocks(README, "python")
    assert len(first.splitlines()) <= 10
    program = f"{first}\nassert action in (0, 1)\n\n{second}\nprint(run.result['path'])\n"
    out = run_program(program, tmp_path)
    assert out.endswith("general\n")
    assert (tmp_path / "cartpole.webp").stat().st_size > 1000
    assert transcript(text_of(README)) <= set(map(without_pace, out.splitlines()))


def transcript(page: str) -> set[str]:
    """What `make demo` is said to print, which is what the first program prints too: its seed is 0 as well."""
    assert re.search(r"^demo:.*\n\t\$\(BIN\)/cartwheel train CartPole-v1 --seed", text_of(ROOT / "Makefile"), re.M)
    (told,) = re.findall(r"^\$ make demo\n(.*?)^\$", page, re.MULTILINE | re.DOTALL)
    return set(map(without_pace, told.splitlines()))


def without_pace(line: str) -> str:
    """A line of progress, but for what differs from one machine to the next."""
    return re.sub(r"  [\d.]+ ?[kMG]? steps/s.*", "", line)


def test_an_environment_class_as_told(tmp_path: Path) -> None:
    (program,) = blocks(ROOT / "docs" / "environments.md", "python")
    assert float(run_program(program, tmp_path).split()[-1]) >= 2.0


def test_the_least_value_of_a_function_as_told(tmp_path: Path) -> None:
    page = ROOT / "docs" / "evolution-strategies.md"
    (program,), (printed,) = blocks(page, "python"), blocks(page, "text")
    assert run_program(program, tmp_path) == printed


def test_a_run_folder_read_without_cartwheel(place: Path) -> None:
    metrics, policy = blocks(ROOT / "docs" / "run-folder.md", "python")
    assert run_program(metrics, place).split()[0::2] == ["1", "2", "3"]
    action, _ = cartwheel.load(place / "runs" / "first").act(np.zeros(4, np.float32))
    assert run_program(policy, place) == f"{action}\n"


ACTIONS = [
    Discrete(3, start=2),
    Box((2,), (-2.0, 0.0), (2.0, 5.0), "float32"),
    Box((3,), (-math.inf, -1.0, -math.inf), (math.inf, math.inf, 0.0), "float32"),
]


@pytest.mark.parametrize("space", ACTIONS, ids=str)
@pytest.mark.parametrize("kind", [MLP, Stochastic])
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("normalised", [False, True])
def test_a_policy_used_without_cartwheel(
    kind: Any, activation: str, normalised: bool, space: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification, seen = kind((8, 6), activation), Box((4,), (-9.0,) * 4, (9.0,) * 4, "float32")
    if kind is MLP and not np.isfinite([*getattr(space, "low", ()), *getattr(space, "high", ())]).all():
        pytest.skip("such a policy wants bounds")
    rng = np.random.default_rng(0)
    theta = rng.normal(size=build_network(specification, seen, space).size).astype(np.float32)
    normalisation = Normalisation(rng.normal(size=4), rng.uniform(0.1, 9.0, 4)) if normalised else None
    policy = Policy(specification, seen, space, theta, normalisation)
    path = tmp_path / "runs" / "first" / "policy.safetensors"
    path.parent.mkdir(parents=True)
    cartwheel.save(policy, path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "docs" / "run-folder.md", "python")[1], names)
    arrays, content = names["read"](path)
    for x in rng.normal(size=(50, 4)).astype(np.float32) * 3.0:
        np.testing.assert_allclose(names["act"](arrays, content, x), policy.act(x)[0], rtol=1e-5, atol=1e-5)


def test_the_settings_file_as_told(place: Path) -> None:
    (told,) = blocks(ROOT / "docs" / "run-folder.md", "toml")
    real = cartwheel.Run.open(place / "runs" / "first").config
    for name, value in tomllib.loads(told).items():
        assert name in real
        assert not isinstance(value, dict) or set(value) <= {*real[name], "steps"}


def test_the_files_of_a_run_are_those_told(place: Path) -> None:
    folder = place / "runs" / "first"
    told = text_of(ROOT / "docs" / "run-folder.md")
    for file in folder.rglob("*"):
        assert file.is_dir() or f"{file.name}`" in told, file
    (columns,) = re.findall(r"^\| `generations` \| (.*) \|$", told, re.MULTILINE)
    assert re.findall(r"`(\w+)`", columns) == list(cartwheel.Run(folder).metrics)


def test_a_policy_that_remembers_as_told(tmp_path: Path) -> None:
    (program,) = blocks(ROOT / "docs" / "recurrent-policies.md", "python")
    told, *returns, shape = run_program(program, tmp_path).splitlines()[-5:]
    assert told == "Policy(3-gru8-4, relu, 324 parameters) 8"
    assert returns == ["4.0"] * 3
    assert shape == "(3, 8)"


@pytest.fixture(scope="module")
def drift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module of the page about native environments."""
    folder = tmp_path_factory.mktemp("drift")
    module, _ = blocks(ROOT / "docs" / "native-environments.md", "python")
    (folder / "drift.py").write_text(module, encoding="utf-8")
    return folder


def test_the_native_environment_as_told(drift: Path) -> None:
    _, use = blocks(ROOT / "docs" / "native-environments.md", "python")
    first, *_, last = run_program(use, drift, "use.py").splitlines()
    assert (first, last) == ("None", "native")


@pytest.mark.slow
def test_a_wrong_native_environment_would_be_noticed(drift: Path, tmp_path: Path) -> None:
    module, use = blocks(ROOT / "docs" / "native-environments.md", "python")
    wrong = module.replace("speed + TAU * (force - DRAG * (speed * abs(speed)))\n        place", "speed\n        place")
    assert wrong != module
    (tmp_path / "drift.py").write_text(wrong, encoding="utf-8")
    out = run_program(use, tmp_path, "use.py")
    assert out.startswith("step 0: expected observation")
    assert out.endswith("general\n")


def test_the_native_environment_from_the_command_line(drift: Path) -> None:
    words = [sys.executable, "-m", "cartwheel.cli.main", "train", "drift:Drift-v0", "--generations", "1"]
    done = subprocess.run(words, cwd=drift, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "Drift-v0 (native)" in done.stdout


# --- examples and measured rows ---------------------------------------------------------------------------------------


def test_the_neuroevolution_example(tmp_path: Path) -> None:
    out = run_program(text_of(ROOT / "examples" / "neuroevolution.py"), tmp_path)
    assert len(re.findall(r"^generation \d   best +[\d.]+   mean +[\d.]+$", out, re.MULTILINE)) == 5
    (figure,) = re.findall(r"^test: ([\d,.]+) ", out, re.MULTILINE)
    assert float(figure.replace(",", "")) > 2060.1  # the best that the tutorial itself published
    assert "pushes right when the pole leans to the right" in out
    assert list(tmp_path.glob("runs/*/animation.webp"))


@pytest.mark.slow
def test_the_example_of_an_own_environment(tmp_path: Path) -> None:
    out = run_program(text_of(ROOT / "examples" / "own_environment.py"), tmp_path)
    (figure,) = re.findall(r"^test return (\S+) over 100 episodes", out, re.MULTILINE)
    assert -3.0 < float(figure) < 0.0
    assert out.count("solved:") == 1  # no worker ran the script again
    assert list(tmp_path.glob("runs/*/animation.webp"))


def measured_rows() -> Iterator[tuple[str, list[str]]]:
    """The rows of the page about the algorithm: a command, and the test return of five seeds."""
    for row in re.findall(r"^\| `cartwheel train .*\|$", text_of(ROOT / "docs/algorithms/genetic.md"), re.M):
        command, *cells = row.strip("| ").split(" | ")
        yield command.strip("`"), cells


@pytest.mark.slow
@pytest.mark.parametrize(("command", "cells"), list(measured_rows()))
def test_measured_figures_come_out_again(
    command: str, cells: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    got = []
    for seed in range(5):
        command_line._dispatch([*shlex.split(command)[1:], "--quiet", "--seed", str(seed), "--name", f"seed-{seed}"])
        result = cartwheel.Run.open(f"seed-{seed}").result
        assert result is not None
        got.append(f"{result['test_mean']:,.1f}")
    assert got == cells


def test_the_readme_sums_up_the_measured_figures() -> None:
    rows = dict(measured_rows())
    text = text_of(README)
    summed = re.findall(r"^\|.*?\| `(.*?)` \| (\d) of 5 \| (\S+) to (\S+) \|", text, re.MULTILINE)
    assert len(summed) == 4
    for command, solved, lowest, highest in summed:
        values = sorted(float(cell.replace(",", "")) for cell in rows[command.removesuffix(" --no-native")])
        assert [f"{values[0]:.1f}", f"{values[-1]:.1f}"] == [lowest, highest]
        assert solved == "5"
    cells = rows["cartwheel train CartPole-v1 --algorithm genetic --preset tutorial"]
    tutorial = sorted(float(cell.replace(",", "")) for cell in cells)
    assert f"between {tutorial[0]:,.1f} and {tutorial[-1]:,.1f}" in text


if __name__ == "__main__":
    os.chdir(ROOT)
    for path in PAGES:
        path.write_text(regenerated(text_of(path)), encoding="utf-8")

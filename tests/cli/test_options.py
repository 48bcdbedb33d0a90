"""Settings as flags, and the words of a command line as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cartwheel.cli.options import env_args, literal, options_of, with_options
from cartwheel.cli.parsing import run_command
from cartwheel.errors import UsageError
from cartwheel.settings import option


@dataclass(frozen=True)
class Example:
    generations: int | None = option(None, "how long", minimum=1)
    size: int = option(64, "how many", minimum=2)
    share: float = option(0.2, "which part", above=0.0, maximum=1.0)
    kind: str = option("plain", "which kind", choices=("plain", "fancy"))
    hidden: tuple[int, ...] = option((16, 8), "which layers", minimum=1)
    native: bool = option(True, "how fast")
    table: Mapping[str, Any] | None = option(None, "no flag can hold it")


@pytest.fixture
def parse():
    """What a command with the example's options is called with."""

    def run(line: str, only=None):
        seen = {}

        def command(**options: Any) -> None:
            """Do something."""
            seen.update(options)

        for _ in range(2):  # the command itself stays as it was
            extended = with_options(command, options_of(Example, "Settings", only))
        run_command(extended, "train [OPTIONS]", "  none", line.split())
        return seen

    return run


def test_what_is_not_given_stays_away(parse):
    assert parse("") == {}
    assert parse("--size 64") == {"size": 64}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--generations 12", {"generations": 12}),
        ("--generations=1e3", {"generations": 1000.0}),
        ("--generations 2.7", {"generations": 2.7}),  # not rounded: the settings refuse it
        ("--generations many", {"generations": "many"}),
        ("--share -0.5", {"share": -0.5}),
        ("--kind 5", {"kind": "5"}),
        ("--hidden 64", {"hidden": (64,)}),
        ("--hidden 64,32,2", {"hidden": (64, 32, 2)}),
        ("--hidden none", {"hidden": ()}),
        ("--hidden 64,x", {"hidden": (64, "x")}),
        ("--native", {"native": True}),
        ("--no-native", {"native": False}),
    ],
)
def test_values_arrive_as_they_were_written(parse, line, expected):
    seen = parse(line)
    assert seen == expected
    assert [type(value) for value in seen.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("--genrations 3", "unknown option '--genrations'; did you mean '--generations'?"),
        ("--table 3", "unknown option '--table'"),
        ("--size", "--size: expected a value; see 'cartwheel train --help'"),
        ("--size --native", "--size: expected a value"),
        ("--size 3 --size 4", "parameter --size specified multiple times"),
        ("stray", "unexpected argument 'stray'; see 'cartwheel train --help'"),
        ("--native=maybe", "invalid value for --native"),
    ],
)
def test_what_does_not_fit_is_one_line(parse, line, error):
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert str(caught.value).startswith(error)
    assert "\n" not in str(caught.value)


def test_only_some_fields(parse):
    assert parse("--size 3", only=("size",)) == {"size": 3}
    with pytest.raises(UsageError, match="unknown option '--kind'"):
        parse("--kind plain", only=("size",))


def test_help_shows_range_default_and_both_forms_of_a_switch(parse, capsys):
    parse("--help")
    page = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--size N how many (at least 2) [default: 64]" in page
    assert "--share X which part (more than 0 and at most 1) [default: 0.2]" in page
    assert "--kind NAME which kind: plain, fancy [default: plain]" in page
    assert "--hidden N,N which layers (such as 64,32, or none; each at least 1) [default: 16,8]" in page
    assert "--native --no-native how fast [default: yes]" in page
    assert "--generations N how long (at least 1)" in page
    assert "None" not in page
    assert "--table" not in page


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-2.5", -2.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("'2'", "2"),
        ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}),
        ("4x4", "4x4"),
        ("", ""),
        ("path/to=file", "path/to=file"),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_literals(text, value):
    assert literal(text) == value
    assert type(literal(text)) is type(value)


def test_env_args():
    assert env_args(["a=1", "b=x=y", "a=2", "c="]) == {"a": 2, "b": "x=y", "c": ""}


@pytest.mark.parametrize("word", ["gravity", "=3", "two words=3", "9=1"])
def test_env_arg_that_is_none(word):
    with pytest.raises(UsageError, match=r"--env-arg: expected key=value, such as gravity=9\.8, got"):
        env_args([word])

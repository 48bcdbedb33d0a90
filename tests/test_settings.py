from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.settings import FromFile, as_dict, checked, flag, option, resolve
from cartwheel.training.settings import TrainSettings


@dataclass(frozen=True)
class Settings:
    population: int = option(64, "candidates", minimum=2)
    mutation_std: float = option(0.5, "standard deviation", above=0.0, maximum=10.0)
    selection: str = option("truncation", "how parents are chosen", choices=("truncation", "tournament"))
    hidden: tuple[int, ...] = option((16,), "units", minimum=1)
    native: bool = option(True, "compiled physics")
    solved_at: float | None = option(None, "threshold")
    env_args: Mapping[str, Any] | None = option(None, "arguments")
    anything: Any = option(None, "whatever")  # noqa: RUF009 (a dataclass field)


@dataclass(frozen=True)
class Limited(Settings):
    """Settings that look at each other."""

    def __post_init__(self) -> None:
        if self.population > 50:
            raise UsageError("--population is too large")


def test_defaults_stand_where_nothing_is_said() -> None:
    assert resolve(Settings) == Settings() == Settings(64, 0.5, "truncation", (16,), True, None, None, None)


def test_the_first_layer_that_names_a_field_wins() -> None:
    flags, file = {"population": 10}, {"population": 20, "mutation_std": 0.2}
    preset = {"mutation_std": 0.3, "selection": "tournament"}
    assert resolve(Settings, flags, file, preset) == Settings(10, 0.2, "tournament")
    assert resolve(Settings, {}, preset) == Settings(64, 0.3, "tournament")


def test_layers_stay_as_they_were() -> None:
    layer: dict[str, Any] = {"hidden": [8, 4], "mutation_std": 1, "env_args": {"gravity": 9.8}}
    settings = resolve(Settings, layer)
    assert layer == {"hidden": [8, 4], "mutation_std": 1, "env_args": {"gravity": 9.8}}
    layer["env_args"]["gravity"] = 1.6
    assert settings.env_args == {"gravity": 9.8}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("population", 2, 2),
        ("population", 1e3, 1000),  # TOML writes it so
        ("mutation_std", 1, 1.0),
        ("mutation_std", 10, 10.0),
        ("mutation_std", np.float64(0.25), 0.25),
        ("hidden", [], ()),
        ("hidden", [8, 4.0], (8, 4)),
        ("hidden", 32, (32,)),
        ("native", False, False),
        ("solved_at", None, None),
        ("solved_at", 475, 475.0),
        ("solved_at", float("-inf"), float("-inf")),
        ("env_args", {"gravity": 9.8}, {"gravity": 9.8}),
        ("anything", b"x", b"x"),
    ],
)
def test_values_become_what_the_field_wants(name: str, given: Any, value: Any) -> None:
    got = getattr(resolve(Settings, {name: given}), name)
    assert got == value
    assert type(got) is type(value) or isinstance(given, np.generic)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("population", 1, "--population: expected at least 2, got 1"),
        ("population", 2.5, "--population: expected a whole number, got 2.5"),
        ("population", float("inf"), "--population: expected a whole number, got inf"),
        ("population", True, "--population: expected a whole number, got True"),
        ("population", "10", "--population: expected a whole number, got '10'"),
        ("population", None, "--population: expected a whole number, got None"),
        ("mutation_std", 0, "--mutation-std: expected more than 0 and at most 10, got 0.0"),
        ("mutation_std", 10.001, "--mutation-std: expected more than 0 and at most 10, got 10.001"),
        ("mutation_std", float("nan"), "--mutation-std: expected more than 0 and at most 10, got nan"),
        ("mutation_std", False, "--mutation-std: expected a number, got False"),
        ("solved_at", float("nan"), "--solved-at: expected a number, got nan"),
        ("native", 1, "--native: expected true or false, got 1"),
        ("native", "yes", "--native: expected true or false, got 'yes'"),
        ("hidden", [16, 0], "--hidden: expected at least 1, got 0"),
        ("hidden", "16", "--hidden: expected a whole number, got '16'"),
        ("selection", 3, "--selection: expected a text, got 3"),
        ("mutation_std", 10**400, f"--mutation-std: expected a number, got 1{'0' * 296}..."),
        ("population", np.ones((2, 2)), "--population: expected a whole number, got array([[1., 1.], [1., 1.]])"),
        ("env_args", [1], "--env-args: expected a table, got [1]"),
    ],
)
def test_a_bad_value_says_what_was_expected_and_what_came(name: str, given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(Settings, {name: given})
    assert str(caught.value) == message


def test_a_bad_choice_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(Settings, {"selection": "turnament"})
    text = "--selection: expected one of truncation, tournament, got 'turnament'; did you mean 'tournament'?"
    assert str(caught.value) == text


def test_a_bad_choice_lists_the_choices_once() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(Settings, {"selection": "xyz"})
    assert str(caught.value).count("tournament") == 1


def test_an_unknown_option_gets_a_suggestion_in_whichever_layer_it_stands() -> None:
    for layers in ([{"populaton": 5}], [{}, {"populaton": 5}]):
        with pytest.raises(UsageError, match=r"unknown option 'populaton'; did you mean 'population'\?"):
            resolve(Settings, *layers)


def test_numpys_whole_numbers_are_whole_numbers() -> None:
    assert resolve(Settings, {"population": np.int64(8)}).population == 8


def test_settings_as_plain_data_and_back() -> None:
    settings = resolve(Settings, {"hidden": [8, 4], "env_args": {"a": 1}})
    data = as_dict(settings)
    assert data == {
        "population": 64,
        "mutation_std": 0.5,
        "selection": "truncation",
        "hidden": [8, 4],
        "native": True,
        "env_args": {"a": 1},
    }
    assert resolve(Settings, data) == settings


def test_only_what_is_none_is_left_out() -> None:
    settings = resolve(Settings, {"native": False, "hidden": [], "solved_at": 0.0, "env_args": {}, "anything": ""})
    falsy = {"native": False, "hidden": [], "solved_at": 0.0, "env_args": {}, "anything": ""}
    assert as_dict(settings).items() >= falsy.items()
    assert "solved_at" not in as_dict(Settings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mutation_std": 0}, "a.toml: mutation_std: expected more than 0 and at most 10, got 0.0"),
        ({"selection": "best"}, "a.toml: selection: expected one of truncation, tournament, got 'best'"),
        ({"populaton": 5}, "a.toml: unknown option 'populaton'; did you mean 'population'?"),
        ({"population": 99}, "a.toml: --population is too large"),
        ({"mutation_std": 0.5}, "--population is too large"),
    ],
)
def test_an_error_about_a_files_value_names_the_file(values: dict[str, Any], message: str) -> None:
    flags = {} if "population" in values else {"population": 99}
    with pytest.raises(UsageError) as caught:
        resolve(Limited, flags, FromFile(values, "a.toml"), {"population": 3})
    assert str(caught.value) == message


def test_a_flag_before_a_files_value_is_named_as_a_flag() -> None:
    with pytest.raises(UsageError, match=r"^--population: expected at least 2, got 1$"):
        resolve(Settings, {"population": 1}, FromFile({"population": 0}, "a.toml"))
    assert resolve(Settings, {"population": 4}, FromFile({"population": 0}, "a.toml")).population == 4


def test_values_by_themselves() -> None:
    assert checked("x", "a/b", Path) == checked("x", Path("a/b"), Path) == Path("a/b")
    assert checked("x", 3, int, {"minimum": 3}) == 3
    assert checked("x", 1 + 2j, complex) == 1 + 2j
    for value, kind, words in ((3, Path, "a path"), (3, complex, "a complex"), (2, bool, "true or false")):
        with pytest.raises(UsageError, match=f"^x: expected {words}, got {value}$"):
            checked("x", value, kind)


def test_flags_are_spelled_with_hyphens() -> None:
    assert flag("mutation_std") == "--mutation-std"
    assert flag("seed") == "--seed"


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().population = 3  # type: ignore[misc]


def test_what_is_not_stored_goes_into_no_file_and_comes_from_none() -> None:
    """Whoever wrote a run's file is not to point its reader at a cluster that can run code."""
    given = resolve(TrainSettings, {"address": "10.0.0.1:6379", "executor": "ray"})
    assert given.address == "10.0.0.1:6379"
    assert "address" not in as_dict(given)
    assert as_dict(given)["executor"] == "ray"
    with pytest.raises(
        UsageError, match=r"run\.toml: address is not taken from a file: give it yourself \(--address\)"
    ):
        resolve(TrainSettings, {}, FromFile({"address": "10.0.0.1:6379"}, "run.toml"))

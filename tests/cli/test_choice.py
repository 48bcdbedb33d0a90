"""Which algorithm is taken where none is named, and how that is told."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path

import pytest

import cartwheel as package
from cartwheel.algorithms.choice import DEFAULT_ALGORITHM, RULE
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli.layers import Layers
from cartwheel.errors import UsageError
from cartwheel.reports import page
from cartwheel.training.hooks import Hook

TINY = "--hidden 4 --lanes 2 --stretch 8 --minibatches 2 --epochs 1 --generations 2"
NOTE = (
    "no algorithm named: ppo, for discrete and continuous actions "
    "(docs/learning/policies.md; --algorithm takes another)"
)
PENDULUM = 'environment = "Pendulum-v1"\n'


class Prepared(Exception):  # noqa: N818 (no error)
    """All is chosen; to train would take longer."""


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """What a call of `train` comes to: the algorithm's name, the general settings and its own.

    PPO's only preset is another here, whose value is known.
    """
    known = dataclasses.replace(ALGORITHMS["ppo"], presets={"other": {"gae_lambda": 0.25}})
    monkeypatch.setitem(ALGORITHMS._entries, "ppo", known)
    monkeypatch.chdir(tmp_path)
    found = []

    def prepare(entry, environment, settings, own):
        found.append((entry.name, settings, own))
        raise Prepared

    monkeypatch.setattr("cartwheel.training.build.prepare", prepare)

    def run(environment, **options):
        with pytest.raises(Prepared):
            package.train(environment, hooks=[], **options)
        return found[-1]

    return run


# --- the rule ---------------------------------------------------------------------------------------------------------


def test_what_is_chosen_is_there():
    assert DEFAULT_ALGORITHM in ALGORITHMS
    assert RULE == "Where none is named: ppo, for discrete and continuous actions alike."


@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
def test_what_is_learnt_is_learnt_by_the_defaults(chosen, environment):
    name, general, own = chosen(environment)
    assert (name, general.memory, general.hidden) == ("ppo", "none", ALGORITHMS["ppo"].general["hidden"])
    assert own == ALGORITHMS["ppo"].settings()


@pytest.mark.parametrize(
    ("options", "text", "algorithm", "gae_lambda"),
    [
        ({"algorithm": "ppo"}, "", "ppo", 0.95),
        ({"algorithm": "genetic"}, "", "genetic", None),
        ({"algorithm": "ppo", "preset": "other"}, "", "ppo", 0.25),
        ({"preset": "other"}, "", "ppo", 0.25),
        ({}, 'algorithm = "a2c"\n', "a2c", None),
        ({"algorithm": "ppo"}, 'algorithm = "genetic"\n', "ppo", 0.95),
        ({}, "[ppo]\nclip = 0.1\n", "ppo", 0.95),
        ({}, "[genetic]\npopulation = 8\n", "genetic", None),
        ({"preset": "tutorial"}, "[genetic]\npopulation = 8\n", "genetic", None),
        ({"algorithm": "ppo"}, "[genetic]\npopulation = 8\n", "ppo", 0.95),
        ({"algorithm": "ppo"}, "[genetic]\npopulation = 8\n[a2c]\n", "ppo", 0.95),
        ({}, 'algorithm = "ppo"\n[genetic]\npopulation = 8\n[a2c]\n', "ppo", 0.95),
    ],
)
def test_who_names_an_algorithm_has_it_without_a_preset(chosen, options, text, algorithm, gae_lambda):
    """By the call, by the file, or by a table of one algorithm in the file."""
    Path("mine.toml").write_text(text)
    name, _, own = chosen("Pendulum-v1", config="mine.toml", **options)
    assert name == algorithm
    assert gae_lambda is None or own.gae_lambda == gae_lambda
    assert algorithm != "genetic" or own.population == (8 if text else 64)


# --- what can't be chosen ---------------------------------------------------------------------------------------------


def test_tables_of_several_algorithms_leave_it_open(cartwheel):
    Path("mine.toml").write_text(PENDULUM + "[train]\nseed = 1\n[genetic]\npopulation = 8\n[dqn]\ngamma = 0.9\n")
    error = (
        "mine.toml: tables of genetic and dqn, and no algorithm named: "
        'add algorithm = "genetic" above them, or give --algorithm'
    )
    assert cartwheel("train --config mine.toml") == (2, "", f"cartwheel: error: {error}\n")
    with pytest.raises(UsageError) as caught:
        package.train(config="mine.toml", hooks=[])
    assert str(caught.value) == error
    assert not Path("runs").exists()
    assert Layers.read("mine.toml").chosen("dqn") == "dqn"


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("--preset tutorial", "'tutorial' of ppo; genetic and reinforce have one: give --algorithm too"),
        ("--algorithm ppo --preset one-step", "'one-step' of ppo; a2c has one: give --algorithm too"),
        ("--algorithm genetic --preset tutorail", "'tutorail' of genetic; did you mean 'tutorial'?"),
    ],
)
def test_a_preset_of_another_algorithm(cartwheel, line, end):
    status, out, err = cartwheel(f"train CartPole-v1 {line}")
    assert (status, out, err) == (2, "", f"cartwheel: error: unknown preset {end}\n")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("--elites 2", "'--elites' of ppo; genetic has one"),
        ("--population=3", "'--population' of ppo; genetic, random-search and others have one"),
        ("--algorithm genetic --no-double", "'--no-double' of genetic; dqn has one"),
    ],
)
def test_an_option_of_another_algorithm(cartwheel, line, error):
    """Better than the option that is spelled most like it."""
    assert cartwheel(f"train CartPole-v1 {line}") == (
        2,
        "",
        f"cartwheel: error: unknown option {error}: give --algorithm too\n",
    )
    assert not Path("runs").exists()


def test_an_option_of_another_algorithm_in_python():
    with pytest.raises(UsageError, match=r"^unknown option 'elites' of ppo; genetic has one: give --algorithm too$"):
        package.train("CartPole-v1", hooks=[], elites=2)
    with pytest.raises(UsageError, match=r"^unknown option 'epoch' of ppo; did you mean 'epochs'"):
        package.train("CartPole-v1", hooks=[], epoch=2)


# --- how it is told ---------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_page(monkeypatch):
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def test_the_list_of_algorithms_ends_with_the_rule(cartwheel):
    assert cartwheel("list algorithms").out.endswith(f"\n\n{RULE}\n")
    assert RULE not in cartwheel("list environments").out


@pytest.mark.usefixtures("_no_page")
def test_a_line_says_what_was_taken(cartwheel):
    """On the screen and as an event; where only the result is wanted, or an algorithm is named, nothing."""
    status, out, err = cartwheel(f"train CartPole-v1 {TINY} --name first")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == NOTE
    assert out.splitlines()[1].startswith("CartPole-v1 (native), ppo: ")
    assert tomllib.loads(Path("runs/first/config.toml").read_text())["algorithm"] == "ppo"
    events = [json.loads(line) for line in cartwheel(f"train CartPole-v1 {TINY} --json").out.splitlines()]
    assert events[0] == {"event": "note", "text": NOTE}
    assert [event["event"] for event in events[1:]].count("note") == 0
    assert events[1]["algorithm"] == "ppo"
    assert "no algorithm named" not in cartwheel(f"train CartPole-v1 {TINY} --quiet").out
    named = cartwheel(f"train CartPole-v1 --algorithm ppo {TINY} --name named")
    assert named.status == 0
    assert "no algorithm named" not in named.out
    assert cartwheel("runs named --digest").out == cartwheel("runs first --digest").out


@pytest.mark.usefixtures("_no_page")
def test_a_run_that_goes_on_keeps_its_algorithm(cartwheel):
    """Whatever would be taken today: nothing is chosen again, and nothing said."""
    assert cartwheel(f"train CartPole-v1 {TINY} --name first --quiet").status == 0
    genetic = "train CartPole-v1 --algorithm genetic --population 4 --episodes 1 --generations 1"
    assert cartwheel(f"{genetic} --name second --quiet").status == 0
    for name, algorithm in (("first", "ppo"), ("second", "genetic")):
        status, out, err = cartwheel(f"resume {name} --generations 3")
        assert (status, err) == (0, "")
        assert "no algorithm named" not in out
        assert out.startswith(f"CartPole-v1 (native), {algorithm}: ")
        assert package.Run.open(name).config["algorithm"] == algorithm
    config = Path("runs/second/config.toml")
    config.write_text(config.read_text().replace('algorithm = "genetic"\n', ""))
    assert cartwheel("resume second --generations 4").status == 0  # it has the table of one
    bare = re.sub(r"^\[genetic\]$.*?(?=^\[)", "", config.read_text(), flags=re.MULTILINE | re.DOTALL)
    config.write_text(bare.replace('algorithm = "genetic"\n', ""))
    status, out, err = cartwheel("resume second --generations 5")
    assert (status, out) == (2, "")
    assert err == f"cartwheel: error: {config} names no algorithm: the file of a run does\n"


@pytest.mark.usefixtures("_no_page")
def test_in_python_the_hooks_are_told(tmp_path):
    told = []

    class Log(Hook):
        def note(self, text):
            told.append(text)

    small = {"hidden": (4,), "lanes": 2, "stretch": 8, "minibatches": 2, "epochs": 1, "generations": 1}
    run = package.train("CartPole-v1", runs=tmp_path, hooks=[Log()], **small)
    assert told == [NOTE]
    again = package.train(config=run.config_path, runs=tmp_path, hooks=[Log()])
    assert told == [NOTE]  # the file of a run names its algorithm
    assert again.digest() == run.digest()

"""Settings from a file: errors that name it, and a run's own file, which is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli.layers import Layers, resolved_settings
from cartwheel.errors import UsageError

TINY = "--algorithm genetic --population 8 --episodes 1 --generations 2"
HERE = 'environment = "CartPole-v1"\n'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (HERE + "[genetic]\npopulation = 1", "population: expected at least 2 and at most 1,000,000, got 1"),
        (HERE + "[genetic]\npopulation = [8]", "population: expected a whole number, got [8]"),
        (HERE + "[genetic]\npopulaton = 8", "unknown option 'populaton'; did you mean 'population'?"),
        (
            HERE + '[genetic]\nselection = "best"',
            "selection: expected one of truncation, tournament, rank, roulette, stochastic-universal, got 'best'",
        ),
        (
            HERE + "[genetic]\npopulation = 8\nelites = 8",
            "--elites: expected less than --population (8), got 8",
        ),
        (HERE + '[train]\nseed = "a"', "seed: expected a whole number, got 'a'"),
        (HERE + "[train]\nmax_episode_steps = 0", "max_episode_steps: expected at least 1 and at most"),
        (HERE + "train = 3", "train has to be a table"),
        (HERE + 'algorithm = "gentic"', "unknown algorithm 'gentic'; did you mean 'genetic'?"),
        (HERE + "algorithm = 3", "algorithm has to be a text"),
        ('environment = "CartPol-v1"', "unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        ("[train]\nseed = 1", "names no environment; give one"),
    ],
)
def test_an_error_about_a_file_names_it(cartwheel, text, error):
    Path("mine.toml").write_text(text)
    status, out, err = cartwheel("train --config mine.toml --seconds 1")
    assert (status, out) == (2, "")
    assert err.replace("mine.toml names", "mine.toml: names").startswith(f"cartwheel: error: mine.toml: {error}")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_flag_is_still_spelled_as_a_flag(cartwheel):
    Path("mine.toml").write_text(HERE + "[genetic]\npopulation = 1\nmutation_std = 0.1\n")
    line = "train --config mine.toml --generations 1"
    assert cartwheel(f"{line} --population -1").err.startswith("cartwheel: error: --population: expected at least 2")
    # The file says nothing of elites, nor, once the flag stands, of the population.
    assert cartwheel(f"{line} --population 4 --elites 9").err == (
        "cartwheel: error: --elites: expected less than --population (4), got 9\n"
    )
    assert cartwheel(f"{line} --population 4 --quiet").status == 0  # what a flag replaces does no harm


@pytest.mark.parametrize("command", ["resume {}", "resume {} --steps 9999", "evaluate {}", "render {}"])
def test_so_does_an_error_about_a_runs_own_file(cartwheel, command):
    assert cartwheel(f"train CartPole-v1 {TINY} --name first --quiet").status == 0
    file = Path("runs/first/config.toml")
    file.write_text(file.read_text().replace("seed = 0", 'seed = "a"'))
    status, out, err = cartwheel(command.format("first"))
    assert (status, out) == (2, "")
    assert err == f"cartwheel: error: {file}: seed: expected a whole number, got 'a'\n"


def test_a_runs_own_file_is_complete_and_takes_no_preset(cartwheel):
    """What it leaves out was not set; a preset would set it: tutorial's limit of 10,000 steps."""
    assert cartwheel(f"train CartPole-v1 {TINY} --name first --quiet").status == 0
    file = Path("runs/first/config.toml")
    assert "max_episode_steps" not in file.read_text()
    status, out, err = cartwheel(f"train --config {file} --preset tutorial --name second")
    assert (status, out) == (2, "")
    assert err == (
        f"cartwheel: error: {file} holds all settings of a run, and leaves nothing to a preset: give one or the other\n"
    )
    assert not Path("runs/second").exists()
    line = f"train --config {file} --population 9 --name second --quiet"
    assert cartwheel(line).status == 0  # flags still go before it


def test_a_file_of_ones_own_takes_a_preset():
    layers = Layers.of({"genetic": {"episodes": 2}}, "mine.toml")
    general, own = resolved_settings(ALGORITHMS["genetic"], {}, layers, "tutorial")
    assert (own.episodes, own.mutation_std, general.max_episode_steps) == (2, 0.5, 10_000)
    whole = Layers.of({"genetic": {"episodes": 2}, "versions": {}}, "whole.toml")
    with pytest.raises(UsageError, match=r"^whole\.toml holds all settings of a run"):
        resolved_settings(ALGORITHMS["genetic"], {}, whole, "tutorial")

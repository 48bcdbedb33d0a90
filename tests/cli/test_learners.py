"""Algorithms that learn from single steps, as they are met on the command line."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.storage.run import Run
from cartwheel.training import memory
from cartwheel.training.general import unused

DQN = "train CartPole-v1 --algorithm dqn --hidden 8 --stretch 32 --updates 2 --learning-starts 200 --capacity 2000"
TABLE = "train cartwheel/GridWorld-v0 --algorithm sarsa --no-early-stop"


def test_train_tells_of_steps_and_of_the_final_policy_too(cartwheel):
    status, out, err = cartwheel(f"{DQN} --steps 3000 --interval 1000 --name d")
    first, second, *rest = out.splitlines()
    assert (status, err) == (0, "")
    assert re.fullmatch(
        r"CartPole-v1 \(native\), dqn: 58 parameters, up to \S+ kB of steps in memory, 1 worker, \d threads? for BLAS",
        first,
    )
    assert second == "at most 3,000 environment steps; solved at 475; in runs/d"
    figures = r"return \S+  validation \S+  epsilon \S+  .* steps/s  .* left  .* updates/s"
    assert re.fullmatch(rf"step \d,\d\d\d  {figures}", rest[0])
    assert rest[-5].startswith("the budget is used up: return ") or rest[-5].startswith("kept: ")
    assert re.fullmatch(r"3,\d+ steps and \S+ of validation, \S+ s", rest[-4])
    result = Run.open("d").result
    told = [line for line in rest if line.startswith("kept: the best on validation episodes; the final policy: ")]
    assert len(told) == (result["final_mean"] != result["test_mean"])


def test_rows_without_an_episode_s_end_are_told_and_stored(cartwheel):
    status, out, err = cartwheel(f"{TABLE} --steps 48 --interval 16 --max-episode-steps 40 --seed 3 --name t --json")
    events = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert events[1]["return_mean"] is None  # nobody has arrived in the first 16 steps
    assert events[1]["best"] is None
    assert events[1]["validation_return"] is not None
    columns = Run.open("t").metrics
    assert columns["generation"].tolist() == [1, 2, 3]
    assert columns["steps"].tolist() == [16, 32, 48]
    status, out, err = cartwheel("runs")
    assert (status, err) == (0, "")
    assert out.splitlines()[1].split()[:5] == ["t", "cartwheel/GridWorld-v0", "sarsa", "finished", "3"]
    for line in ("runs t", "runs t --digest", "evaluate t --episodes 3", "report t", "render t"):
        status, _, err = cartwheel(line)
        assert (status, err) == (0, ""), line


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("train Pendulum-v1 --algorithm dqn", "Discrete action space, got Box"),
        ("train CartPole-v1 --algorithm q-learning", "observations and actions that are Discrete"),
        ("train cartwheel/GridWorld-v0 --algorithm q-learning --hidden 3", "--hidden: "),
        ("train CartPole-v1 --algorithm dqn --finalists 3", "--finalists: dqn has one policy"),
        (
            "train CartPole-v1 --algorithm genetic --interval 7",
            "--interval: genetic has a row of metrics for each generation",
        ),
        ("train CartPole-v1 --algorithm dqn --dueling --memory gru", "--dueling: "),
        ("train CartPole-v1 --algorithm dqn --capacity 1000000000000", "--capacity: expected at least 1 and at most"),
    ],
)
def test_what_does_not_go_together_is_one_line_and_leaves_nothing(cartwheel, line, told):
    status, out, err = cartwheel(line)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_replay_memory_that_does_not_fit_is_refused_before_anything_is_written(cartwheel, monkeypatch):
    line = "train CartPole-v1 --algorithm dqn --capacity 1000000 --steps 100 --quiet"
    monkeypatch.setattr(memory, "free_memory", lambda: 150_000_000)
    status, out, err = cartwheel(line)
    assert (status, out) == (2, "")
    assert re.fullmatch(
        r"cartwheel: error: dqn keeps up to 49 MB of steps, and 4 times that while a checkpoint is written; "
        r"150 MB of memory are free: lower --capacity\n",
        err,
    )
    assert not Path("runs").exists()
    for free in (250_000_000, None):  # None: this system does not say
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        assert cartwheel(line).status == 0


HELP = {
    "q-learning": {"--hidden", "--memory", "--activation", "--normalise", "--finalists"},
    "dqn": {"--normalise", "--finalists"},
    "neat": {"--hidden", "--memory", "--activation", "--interval"},
    "genetic": {"--interval"},
}


@pytest.mark.parametrize("name", HELP)
def test_help_leaves_out_what_an_algorithm_has_no_use_for(cartwheel, name):
    _, out, _ = cartwheel(f"train --algorithm {name} --help")
    options = set(re.findall(r"^│ (--[a-z-]+)", out, re.MULTILINE))
    asked = {"--hidden", "--memory", "--activation", "--normalise", "--finalists", "--interval"}
    assert asked - options == HELP[name]
    assert {"--seed", "--steps", "--workers", "--native"} <= options


@pytest.mark.parametrize("name", ALGORITHMS)
def test_defaults_told_are_those_that_a_run_gets(cartwheel, name):
    """An algorithm may have defaults of its own for the general settings."""
    _, out, _ = cartwheel(f"train --algorithm {name} --help")
    wanted = ",".join(map(str, ALGORITHMS[name].general.get("hidden", (16,))))
    told = re.search(r"--hidden N,N.*?\[default: ([\d,]+)\]", re.sub(r"\s*│\n│\s*", " ", out), re.DOTALL)
    assert (told is None) == ("hidden" in unused(ALGORITHMS[name]))
    assert told is None or told[1] == wanted


def test_a_run_keeps_the_algorithm_s_own_defaults(cartwheel):
    assert cartwheel("train CartPole-v1 --algorithm dqn --steps 100 --name d --quiet").status == 0
    stored = tomllib.loads(Path("runs/d/config.toml").read_text())["train"]
    assert {name: stored[name] for name in ALGORITHMS["dqn"].general} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in ALGORITHMS["dqn"].general.items()
    }


def test_a_larger_budget_goes_on_and_misses_no_rows(cartwheel):
    """A budget whose end has a row in any case leaves no trace; one that ends between two rows leaves its own."""
    line = f"{DQN} --interval 320 --no-early-stop --name"
    assert cartwheel(f"{line} whole --steps 1280 --quiet").status == 0
    assert cartwheel(f"{line} part --steps 640 --quiet").status == 0
    status, out, err = cartwheel("resume part --steps 1280")
    assert (status, err) == (0, "")
    assert "warning" not in out
    assert out.splitlines()[1].startswith("after step 640, at most 1,280 environment steps")
    assert Run.open("part").digest() == Run.open("whole").digest()
    assert Run.open("part").metrics["steps"].tolist() == [320, 640, 960, 1280]
    done = cartwheel("resume part --steps 900")
    assert done.status == 2
    assert "give it a larger budget" in done.err

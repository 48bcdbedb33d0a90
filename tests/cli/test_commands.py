"""Each command, on real runs with tiny budgets; and each kind of bad input, which must leave nothing behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import cartwheel as package
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli import train
from cartwheel.cli.main import main
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP
from cartwheel.spaces import Box, Discrete

PROGRAM = [sys.executable, "-m", "cartwheel.cli.main"]
TINY = "--algorithm genetic --population 8 --episodes 1 --generations 2"


def quietly(line):
    """Run a command that must work, its output put aside."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(line.split()) == 0


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a short run named `first`; tests only read it."""
    folder = tmp_path_factory.mktemp("workshop")
    quietly(f"train CartPole-v1 {TINY} --seed 5 --name first --runs {folder}/runs")
    return folder


@pytest.fixture
def inside(workshop, cartwheel, monkeypatch):
    """The command line in the workshop."""
    monkeypatch.chdir(workshop)
    return cartwheel


def config_of(name):
    return tomllib.loads(Path("runs", name, "config.toml").read_text())


# --- train ----------------------------------------------------------------------------------------------------------


def test_train_prints_plan_rows_result_and_files(cartwheel):
    status, out, err = cartwheel(f"train CartPole-v1 {TINY} --name first")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0].startswith("CartPole-v1 (native), genetic: 114 parameters, 1 worker")
    assert lines[1] == "at most 2 generations; solved at 475; in runs/first"
    assert [line.split("  ")[0] for line in lines[2:4]] == ["generation 1", "generation 2"]
    assert re.fullmatch(r"the budget is used up: return \S+ over 100 test episodes \(95 % interval .*\)", lines[4])
    assert lines[5].startswith("2 generations, ")
    files = dict(line.split() for line in lines[6:])
    assert list(files) == ["policy", "report", "animation"]
    assert all(Path(path).is_file() for path in files.values())


def test_train_passes_on_what_was_given(cartwheel):
    line = f"train CartPole-v1 {TINY} --seed 3 --workers 2 --hidden 8,4 --activation tanh --no-native --no-early-stop"
    status, _, err = cartwheel(line + " --solved-at -5 --max-episode-steps 20 --mutation-std 0.5 --name x --quiet")
    assert (status, err) == (0, "")
    config = config_of("x")
    given = {
        "seed": 3,
        "workers": 2,
        "generations": 2,
        "hidden": [8, 4],
        "activation": "tanh",
        "native": False,
        "early_stop": False,
        "solved_at": -5.0,
        "max_episode_steps": 20,
    }
    assert given.items() <= config["train"].items()
    assert {"population": 8, "episodes": 1, "mutation_std": 0.5}.items() <= config["genetic"].items()


def test_flag_before_file_before_preset_before_default(cartwheel):
    Path("mine.toml").write_text('environment = "CartPole-v1"\n[genetic]\nepisodes = 2\npopulation = 6\n')
    line = "train --config mine.toml --preset tutorial --population 4 --max-episode-steps 10 --generations 1"
    assert cartwheel(f"{line} --name x --quiet").status == 0
    config = config_of("x")
    assert config["genetic"]["population"] == 4  # the flag; 6 in the file, 64 in the preset
    assert config["genetic"]["episodes"] == 2  # the file; 15 in the preset
    assert config["genetic"]["mutation_std"] == 0.5  # the preset; the default is another
    assert config["genetic"]["tournament"] == 3  # the default
    assert config["train"]["early_stop"] is False  # the preset, which may name general settings too


def test_env_args_reach_the_environment(cartwheel):
    line = f"train FrozenLake-v1 {TINY} --env-arg is_slippery=False --env-arg map_name=8x8 --name lake --quiet"
    assert cartwheel(line).status == 0
    assert config_of("lake")["train"]["env_args"] == {"is_slippery": False, "map_name": "8x8"}


def test_quiet_prints_the_result_only(cartwheel):
    status, out, err = cartwheel(f"train CartPole-v1 {TINY} --name first --quiet")
    assert (status, err) == (0, "")
    assert out.startswith("the budget is used up: return ")
    assert len(out.splitlines()) == 5


def test_json_lines(cartwheel):
    status, out, err = cartwheel(f"train CartPole-v1 {TINY} --name first --json")
    events = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [event["event"] for event in events] == ["start", "row", "row", "end"]
    assert events[0]["environment"] == "CartPole-v1"
    assert [event["generation"] for event in events[1:3]] == [1, 2]
    assert events[3]["result"]["generations"] == 2
    assert Path(events[3]["files"]["report"]).is_file()


def test_training_again_from_the_config_repeats_the_run(cartwheel, workshop):
    assert cartwheel(f"train --config {workshop}/runs/first/config.toml --name again --quiet").status == 0
    again = cartwheel("runs again --digest").out
    assert re.fullmatch(r"[0-9a-f]{64}\n", again)
    assert again == cartwheel(f"runs first --digest --runs {workshop}/runs").out
    assert cartwheel(f"train CartPole-v1 {TINY} --seed 6 --name other --quiet").status == 0
    assert again != cartwheel("runs other --digest").out


# --- the other commands -----------------------------------------------------------------------------------------------


def test_resume_takes_a_larger_budget_and_ends_as_one_run(cartwheel):
    assert cartwheel(f"train CartPole-v1 {TINY} --name parts --quiet").status == 0
    assert cartwheel("resume parts").err == (
        "cartwheel: error: parts is finished; to go on, give it a larger budget than 2 generations\n"
    )
    status, out, err = cartwheel("resume parts --generations 4 --workers 2")
    assert (status, err) == (0, "")
    assert out.splitlines()[1].startswith("after generation 2, at most 4 generations")
    quietly(f"train CartPole-v1 {TINY.replace('2', '4')} --name whole")
    assert cartwheel("runs parts --digest").out == cartwheel("runs whole --digest").out


OTHERS = "these are not the rows of this run; its curves and digest are not, either"


@pytest.mark.parametrize("algorithm", ["genetic", "ppo"])
@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        (None, "3 rows of 3 are gone; the run's curves and digest lack them"),
        ("DELETE FROM generations WHERE generation < 3", "2 rows of 3 are gone; the run's curves and digest lack them"),
        ("DELETE FROM generations WHERE generation = 3", "1 row of 3 are gone; the run's curves and digest lack them"),
        ("UPDATE generations SET best = -1", OTHERS),
        ("ALTER TABLE generations DROP COLUMN best", OTHERS),
    ],
)
def test_resume_says_which_rows_are_gone(cartwheel, algorithm, statement, lost):
    """A checkpoint is never newer than its rows, so that somebody else must have taken them."""
    options = {
        "genetic": "--algorithm genetic --population 8 --generations",
        "ppo": "--algorithm ppo --lanes 1 --stretch 8 --minibatches 1 --interval 8 --no-early-stop --generations",
    }[algorithm]
    assert cartwheel(f"train CartPole-v1 {options} 3 --name parts --quiet").status == 0
    file = Path("runs/parts/metrics.sqlite")
    if statement is None:
        file.unlink()
    else:
        with contextlib.closing(sqlite3.connect(file)) as metrics, metrics:
            metrics.execute(statement)
    status, out, err = cartwheel("resume parts --generations 4")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"warning: {file}: {lost}"
    assert 4 in package.Run.open("parts").metrics["generation"]


def test_resume_of_a_whole_run_warns_of_nothing(cartwheel):
    assert cartwheel(f"train CartPole-v1 {TINY} --name parts --quiet").status == 0
    assert "warning" not in cartwheel("resume parts --generations 3").out


def test_evaluate_prints_the_figures(inside):
    status, out, err = inside("evaluate first --episodes 20")
    assert (status, err) == (0, "")
    expected = package.evaluate("first", episodes=20)
    assert out.splitlines() == [
        f"mean return         {expected.mean:,.2f}  (20 episodes)",
        f"95 % interval       {expected.low:,.2f} to {expected.high:,.2f}",
        f"standard deviation  {np.std(expected.returns, ddof=1):,.2f}",
        f"range               {expected.returns.min():,.2f} to {expected.returns.max():,.2f}",
        f"episode length      {expected.lengths.mean():,.1f} steps "
        f"({expected.lengths.min():,} to {expected.lengths.max():,})",
    ]


def test_evaluate_a_file_as_json_and_sampled(inside):
    greedy = json.loads(inside("evaluate runs/first/policy.safetensors --episodes 10 --json").out)
    sampled = json.loads(inside("evaluate first --episodes 10 --sample --json").out)
    assert greedy["episodes"] == len(greedy["returns"]) == len(greedy["lengths"]) == 10
    assert greedy["mean"] == pytest.approx(sum(greedy["returns"]) / 10)
    assert greedy["low"] < greedy["mean"] < greedy["high"]
    assert sampled["returns"] != greedy["returns"]
    one = json.loads(inside("evaluate first --episodes 1 --json").out, parse_constant=pytest.fail)
    assert (one["std"], one["low"]) == (None, None)


def test_evaluate_with_a_seed(inside):
    def returns(seed):
        return json.loads(inside(f"evaluate first --episodes 10 --json {seed}").out)["returns"]

    assert returns("--seed 1") == returns("--seed=1")
    assert len({str(returns(seed)) for seed in ("", "--seed 0", "--seed 1", "--seed 2")}) == 4
    assert returns("--seed 2") == package.evaluate("first", episodes=10, seed=2).returns.tolist()
    assert returns("") == package.Run.open("first").test_episodes[0][:10].tolist()


@pytest.mark.parametrize(("name", "signature"), [("a.gif", b"GIF89a"), ("a.webp", b"RIFF")])
def test_render_writes_a_picture_and_prints_its_path(inside, tmp_path, name, signature):
    assert inside(f"render first --to {tmp_path}/{name}") == (0, f"{tmp_path}/{name}\n", "")
    assert (tmp_path / name).read_bytes().startswith(signature)


def test_report_is_written_again(inside):
    page = Path("runs/first/report.html")
    page.unlink()
    assert inside("report first") == (0, f"{page}\n", "")
    assert page.stat().st_size > 1000


def test_runs_table(inside):
    status, out, err = inside("runs")
    heading, line = out.splitlines()
    result = package.Run.open("first").result
    assert (status, err) == (0, "")
    assert heading.split() == "NAME ENVIRONMENT ALGORITHM STATUS GENERATIONS STEPS BEST TEST CHANGED".split()
    name, environment, algorithm, run_status, generations, steps, best, test, day, hour = line.split()
    assert (name, environment, algorithm, run_status) == ("first", "CartPole-v1", "genetic", "finished")
    assert (generations, steps) == ("2", f"{result['steps']:,}")
    assert float(best) == pytest.approx(result["best"], rel=1e-3)
    assert float(test) == pytest.approx(result["test_mean"], rel=1e-3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", f"{day} {hour}")


def test_runs_in_detail(inside):
    out = inside("runs first").out
    assert re.search(r"^status +finished$", out, re.MULTILINE)
    assert re.search(r"^population +8$", out, re.MULTILINE)
    assert re.search(r"^test_episodes +100$", out, re.MULTILINE)
    assert "runs/first/policy.safetensors" in out


def test_no_runs_yet(cartwheel):
    assert cartwheel("runs") == (0, "no runs in runs yet; `cartwheel train CartPole-v1` makes one\n", "")


def test_damaged_run_does_not_hide_the_others(cartwheel):
    quietly(f"train CartPole-v1 {TINY} --name whole")
    Path("runs/torn").mkdir()
    Path("runs/torn/config.toml").write_text("environment = ")
    status, out, err = cartwheel("runs")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "torn", "whole"]
    assert "damaged" in out


def test_list(cartwheel):
    assert re.search(r"^genetic .*tutorial$", cartwheel("list algorithms").out, re.MULTILINE)
    environments = dict(line.split() for line in cartwheel("list environments").out.splitlines())
    assert (environments["CartPole-v1"], environments["FrozenLake-v1"]) == ("native", "general")


def test_help_of_an_algorithm_shows_its_options(cartwheel):
    page = cartwheel("train CartPole-v1 --algorithm genetic --help").out
    assert "Options of genetic" in page
    for option in ("--population", "--mutation-std", "--seed", "--no-native", "--solved-at", "--env-arg"):
        assert option in page


def test_help_says_what_is_taken_where_no_algorithm_is_named(cartwheel):
    page = cartwheel("train --help").out
    assert page == cartwheel("train CartPole-v1 --algorithm ppo --help").out
    assert "Where none is named: ppo, for discrete and continuous actions alike." in re.sub(r"[│\s]+", " ", page)


@pytest.mark.parametrize(
    ("words", "algorithm"),
    [
        ("CartPole-v1", "ppo"),
        ("--config mine.toml", "other"),
        ("--config=mine.toml --algorithm", "other"),
        ("--algorithm third --config mine.toml", "third"),
        ("--algorithm=third --algorithm fourth", "fourth"),
        ("--config bare.toml", "ppo"),
        ("--config table.toml", "dqn"),
        ("--config table.toml --algorithm sarsa", "sarsa"),
        ("--config tables.toml --algorithm sarsa", "sarsa"),
    ],
)
def test_algorithm_is_known_before_its_options_are_read(cartwheel, monkeypatch, words, algorithm):
    monkeypatch.setitem(ALGORITHMS._entries, "other", ALGORITHMS["genetic"])
    Path("mine.toml").write_text('algorithm = "other"\n')
    Path("bare.toml").write_text("")
    Path("table.toml").write_text("[train]\nseed = 1\n[dqn]\ngamma = 0.9\n")
    Path("tables.toml").write_text("[dqn]\n[genetic]\n")
    assert train._algorithm(words.split()) == algorithm


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("train", "train wants an environment, such as CartPole-v1, or --config FILE"),
        ("train CartPol-v1", "unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        ("train CartPole-v1 --algorithm gentic", "unknown algorithm 'gentic'; did you mean 'genetic'?"),
        ("train CartPole-v1 --algorithm=gentic", "unknown algorithm 'gentic'; did you mean 'genetic'?"),
        ("train CartPole-v1 --algorithm", "--algorithm: expected a value"),
        (
            "train CartPole-v1 --algorithm genetic --preset tutorail",
            "unknown preset 'tutorail' of genetic; did you mean 'tutorial'?",
        ),
        (
            "train CartPole-v1 --algorithm genetic --popluation 3",
            "unknown option '--popluation'; did you mean '--population'?",
        ),
        (
            "train CartPole-v1 --algorithm genetic --population 1",
            "--population: expected at least 2 and at most 1,000,000, got 1",
        ),
        ("train CartPole-v1 --algorithm genetic --population 2.5", "--population: expected a whole number, got 2.5"),
        ("train CartPole-v1 --generations many", "--generations: expected a whole number, got 'many'"),
        ("train CartPole-v1 --seconds 0", "--seconds: expected more than 0, got 0"),
        ("train CartPole-v1 --hidden 8,x", "--hidden: expected a whole number, got 'x'"),
        (
            "train CartPole-v1 --algorithm genetic --selection best",
            "--selection: expected one of truncation, tournament, rank, roulette, stochastic-universal, got 'best'",
        ),
        ("train CartPole-v1 --env-arg gravity", "--env-arg: expected key=value, such as gravity=9.8, got 'gravity'"),
        ("train CartPole-v1 --env-arg wind=3", "environment CartPole-v1 can't be made: "),
        ("train CartPole-v1 --name a/b", "can't name a run 'a/b'"),
        ("train CartPole-v1 --config none.toml", "none.toml: no such file"),
        ("train CartPole-v1 --runs file --generations 1", "file: can't make a run there"),
        ("train no_such_module:Id-v0", "environment 'no_such_module:Id-v0': the module can't be imported"),
        ("resume first", "no run 'first' in runs"),
        ("resume", "RUN is missing; see 'cartwheel resume --help'"),
        ("resume first --seed 3", "unknown option '--seed'"),
        ("evaluate first", "no run 'first' in runs"),
        ("evaluate file", "file: damaged, or not written by Cartwheel"),
        ("evaluate first --episodes 0", "--episodes: expected at least 1, got 0"),
        ("evaluate first --seed -1", "--seed: expected at least 0, got -1"),
        ("evaluate first --seed x", "invalid value for --seed: expected a whole number, got 'x'"),
        ("evaluate first --episodes 2.5", "invalid value for --episodes: expected a whole number, got '2.5'"),
        ("render first --to a.mp4", "can't write an animation to a.mp4: expected a name that ends in .webp or .gif"),
        ("report first", "no run 'first' in runs"),
        ("runs first", "no run 'first' in runs"),
        ("runs --digest", "--digest wants a run: cartwheel runs RUN --digest"),
        ("list", "WHAT is missing; see 'cartwheel list --help'"),
        ("list environment", "there is no list of 'environment'; did you mean 'environments'?"),
        ("list algorithms now", "unexpected argument 'now'; see 'cartwheel list --help'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(cartwheel, line, error):
    Path("file").write_bytes(b"not a policy")
    status, out, err = cartwheel(line)
    assert (status, out) == (2, "")
    assert err.startswith(f"cartwheel: error: {error}")
    assert err.count("\n") == 1
    assert os.listdir() == ["file"]  # noqa: PTH208


def test_name_that_is_taken(cartwheel):
    quietly(f"train CartPole-v1 {TINY} --name first")
    before = Path("runs/first/config.toml").stat()
    assert cartwheel(f"train CartPole-v1 {TINY} --name first").err.startswith(
        "cartwheel: error: there is a run 'first' in runs already"
    )
    assert Path("runs/first/config.toml").stat() == before
    assert cartwheel("resume fisrt").err == "cartwheel: error: no run 'fisrt' in runs; did you mean 'first'?\n"


@pytest.mark.parametrize(
    ("about", "error"),
    [
        ({"environment": True}, "environment: expected an id, got True; give it yourself"),
        ({"environment": 3}, "environment: expected an id, got 3; give it yourself"),
        ({"environment": []}, "environment: expected an id, got []; give it yourself"),
        ({"environment": "GymV21Environment-v0"}, "environment: GymV21Environment-v0 stands for another one"),
        ({"max_episode_steps": "x"}, "max_episode_steps: expected a whole number, got 'x'"),
        ({"max_episode_steps": {}}, "max_episode_steps: expected a whole number, got {}"),
        ({"max_episode_steps": 0}, "max_episode_steps: expected at least 1 and at most 1,000,000,000, got 0"),
        ({"max_episode_steps": 10**30}, "max_episode_steps: expected at least 1 and at most 1,000,000,000, got 1"),
        ({"env_args": 3}, "env_args: expected a table, got 3"),
        ({"env_args": [["a", 1]]}, "env_args: expected a table, got [['a', 1]]"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "render"])
def test_what_a_strangers_file_says_of_its_environment_is_checked(cartwheel, command, about, error):
    policy = Policy(MLP((2,)), Box((4,), (-1.0,) * 4, (1.0,) * 4), Discrete(2), np.zeros(16, np.float32))
    package.save(policy, "stranger.safetensors", about={"environment": "CartPole-v1", **about})
    status, out, err = cartwheel(f"{command} stranger.safetensors")
    assert (status, out) == (2, "")
    assert err.startswith(f"cartwheel: error: stranger.safetensors: {error}")
    assert err.count("\n") == 1


def test_policies_that_do_not_fit(cartwheel, workshop):
    small = Policy(MLP((2,)), Box((3,), (-1.0,) * 3, (1.0,) * 3), Discrete(2), np.zeros(14, np.float32))
    package.save(small, "small.safetensors")
    assert "names no environment" in cartwheel("evaluate small.safetensors").err
    status, out, err = cartwheel("evaluate small.safetensors --environment CartPole-v1")
    assert (status, out) == (2, "")
    assert "this policy is for another observation space than that of CartPole-v1" in err
    damaged = bytearray((workshop / "runs/first/policy.safetensors").read_bytes())
    damaged[-1] ^= 1
    Path("damaged.safetensors").write_bytes(damaged)
    for command in ("evaluate", "render"):
        status, out, err = cartwheel(f"{command} damaged.safetensors")
        assert (status, out) == (2, "")
        assert err.startswith("cartwheel: error: damaged.safetensors: damaged")


FAULTY = """
import gymnasium, numpy as np

class Faulty(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    episodes = 0

    def reset(self, *, seed=None, options=None):
        Faulty.episodes += 1
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        reward = float("nan") if Faulty.episodes > 60 else 1.0
        return np.zeros(2, np.float32), reward, False, True, {}

gymnasium.register("FaultyHere-v0", Faulty)
"""


def test_environment_at_fault_is_one_line_and_status_1(cartwheel, monkeypatch, tmp_path):
    Path("faulty_here.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    status, out, err = cartwheel("train faulty_here:FaultyHere-v0 --algorithm genetic --population 8 --name f --quiet")
    assert (status, out) == (1, "")
    assert re.fullmatch(
        r"cartwheel: error: environment \S+ failed in its reward \(episode seed \d+, step \d+\): .*\n", err
    )


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stores_the_run_and_says_how_to_go_on(cartwheel, number, status):
    line = f"train CartPole-v1 {TINY.replace('--generations 2', '--seconds 100')} --no-early-stop --name first"
    with subprocess.Popen([*PROGRAM, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert any(text.startswith("generation 1 ") for text in run.stdout)
        assert " running " in cartwheel("runs").out
        run.send_signal(number)
        _, err = run.communicate(timeout=60)
    assert run.returncode == status
    assert err == "cartwheel: interrupted; go on with: cartwheel resume first\n"
    assert " interrupted " in cartwheel("runs").out
    generations = int(cartwheel("runs").out.splitlines()[1].split()[4].replace(",", ""))
    assert cartwheel(f"resume first --generations {generations + 1} --quiet").status == 0
    assert " finished " in cartwheel("runs").out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_json_is_json_though_the_environment_prints(tmp_path, workers):
    """What an environment prints goes to standard error, from worker processes too."""
    (tmp_path / "chatty.py").write_text(
        "import gymnasium\n"
        "class Chatty(gymnasium.Wrapper):\n"
        "    def __init__(self): super().__init__(gymnasium.make('CartPole-v1'))\n"
        "    def step(self, action): print('hello'); return super().step(action)\n"
    )
    line = f"train chatty:Chatty {TINY} --json --workers {workers}"
    done = subprocess.run([*PROGRAM, *line.split()], cwd=tmp_path, capture_output=True, text=True, check=True)
    events = [json.loads(text)["event"] for text in done.stdout.splitlines()]
    assert events[0] == "start"
    assert events[-1] == "end"
    assert "hello" in done.stderr


def test_a_search_that_ended_by_itself_says_so_and_does_not_go_on(cartwheel):
    status, out, _ = cartwheel("train CartPole-v1 --algorithm snes --tolx 10 --no-early-stop --name own --steps 100000")
    assert status == 0
    assert "ended by itself, tolx" in out
    status, out, err = cartwheel("resume own --steps 900000")
    assert (status, out) == (2, "")
    assert err.startswith("cartwheel: error: own is finished: the search ended by itself, tolx")

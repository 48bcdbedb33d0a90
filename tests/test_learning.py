"""The learning tables: intervals by hand and by SciPy, ours beside a peer's, and a glance at each row of values."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

sys.path.insert(0, str(Path(__file__).parents[1]))  # learning/ is no installed package

import cartwheel
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.cli.layers import Layers, resolved_settings
from cartwheel.policies.specification import Table
from cartwheel.spaces import Discrete
from learning import __main__ as program
from learning import runs
from learning.beside import beside, welch
from learning.peers import dqn, policies
from learning.rows import BESIDE, TABLES, VALUES, Row
from learning.table import interquartile_mean, wilson

COLLAPSED = [18.95, 500.0, 500.0, 192.28, 500.0, 500.0, 301.76, 495.14, 500.0, 500.0]
STEADY = [496.0, 500.0, 489.5, 500.0, 498.25, 500.0, 477.0, 500.0, 500.0]


# --- figures ---------------------------------------------------------------------------------------------------------


def test_welchs_interval_is_scipys() -> None:
    for first, second in ((COLLAPSED, STEADY), (STEADY, COLLAPSED), (STEADY[:2], COLLAPSED)):
        wanted = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
        assert welch(first, second) == pytest.approx((wanted.low, wanted.high), rel=1e-9)


def test_welchs_interval_by_hand() -> None:
    """Variances 2 and 2 over 2 values each: 2 degrees of freedom, of which the quantile is 4.302653."""
    half = 4.302653 * math.sqrt(2.0)
    assert welch([1.0, 3.0], [6.0, 8.0]) == pytest.approx((-5.0 - half, -5.0 + half), abs=1e-5)
    assert welch([500.0, 500.0], [475.0, 475.0]) == (25.0, 25.0)
    assert welch([500.0], [475.0, 480.0]) == (-math.inf, math.inf)


def test_the_middle_half() -> None:
    assert interquartile_mean([0.0, 1.0, 2.0, 100.0]) == 1.5
    # Of five values the middle half is 2.5 of them: the second and the fourth count three quarters.
    assert interquartile_mean([9.0, 0.0, 1.0, 2.0, 5.0]) == pytest.approx((0.75 * 1 + 2 + 0.75 * 5) / 2.5)


def test_wilsons_interval_is_scipys() -> None:
    for successes in (0, 3, 10):
        wanted = scipy.stats.binomtest(successes, 10).proportion_ci(method="wilson")
        assert wilson(successes, 10) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


# --- beside a peer ---------------------------------------------------------------------------------------------------

ROW = Row("CartPole-v1", "dqn", 50_000, 475.0, 0, seeds=3, margin=-25.0, published="500", peer="a peer")


def ours(row: Row, final: Sequence[float], best: Sequence[float], exact: str = "") -> list[dict[str, str]]:
    """Lines of our runs, the last seed first."""
    common = {"row": row.name, "steps": "50176", "validation_steps": "9", "cpu_seconds": "2.0", "exact": exact}
    lines = [
        {**common, "seed": str(seed), "final_mean": str(a), "test_mean": str(b)}
        for seed, (a, b) in enumerate(zip(final, best, strict=True))
    ]
    return lines[::-1]


def theirs(final: Sequence[float], best: Sequence[float]) -> list[dict[str, str]]:
    common = {"environment": "CartPole-v1", "algorithm": "a peer", "steps": "50000", "validation_steps": "7"}
    return [
        {**common, "seed": str(seed), "final_mean": str(a), "best_mean": str(b), "cpu_seconds": "32.0"}
        for seed, (a, b) in enumerate(zip(final, best, strict=True))
    ]


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line]


def test_both_policies_of_both() -> None:
    mine = ours(ROW, [100.0, 480.0, 500.0], [490.0, 500.0, 470.0])
    peers = theirs([400.0, 475.0, 20.0, 1.0], [500.0, 500.0, 500.0, 1.0])  # there is no fourth run of ours
    policies = rows_of(beside([ROW], mine, peers).partition("\n\n")[0])[2:]
    assert [line[1:5] for line in policies] == [
        ["Cartwheel's dqn", "50,176", "3", "final"],
        ["Cartwheel's dqn", "50,176", "3", "best"],
        ["a peer", "50,000", "3", "final"],
        ["a peer", "50,000", "3", "best"],
    ]
    assert [line[-1] for line in policies] == [
        "100.0, 480.0, 500.0",
        "490.0, 500.0, 470.0",
        "400.0, 475.0, 20",
        "500.0, 500.0, 500.0",
    ]
    assert [line[7] for line in policies] == ["2 of 3 at 475", "2 of 3 at 475", "1 of 3 at 475", "3 of 3 at 475"]
    assert [line[9:12] for line in policies] == [["", "9", "2.0"]] * 2 + [["", "7", "32.0"]] * 2
    assert policies[3][5] == "500.0 (500.0 to 500.0)"


def test_differences_are_held_against_the_margin() -> None:
    mine = ours(ROW, [470.0, 480.0, 490.0], [480.0, 485.0, 490.0])
    final, best = rows_of(beside([ROW], mine, theirs([500.0, 20.0, 500.0], [500.0] * 3)).partition("\n\n")[2])[2:]
    # The finals: 140 apart in the mean, and by pairs of seeds -30, 460 and -10.
    assert final[:4] == ["CartPole-v1", "a peer", "final", "140.0"]
    low, high = welch([470.0, 480.0, 490.0], [500.0, 20.0, 500.0])
    assert final[4] == f"{low:.1f} to {high:.1f}"
    pairs = scipy.stats.ttest_1samp([-30.0, 460.0, -10.0], 0.0).confidence_interval(0.95)
    assert final[5] == f"{pairs.low:.1f} to {pairs.high:.1f}"
    assert low < -25.0
    assert final[6:] == ["-25: missed", "500", "0.06"]
    # The best: -15, of which the interval is -15 -+ 4.302653 * 5 / sqrt(3).
    assert best[3:5] == ["-15", "-27.42 to -2.579"]
    assert best[6] == "-25: missed"
    wider = Row(**{**ROW.__dict__, "margin": -28.0})
    text = beside([wider], mine, theirs([500.0] * 3, [500.0] * 3))
    assert rows_of(text)[-1][6] == "-28: met"


def test_a_row_stands_beside_its_own_peer_only() -> None:
    """Two learners of another library in one environment, and a row that has no peer."""
    mine = ours(ROW, [470.0, 480.0, 490.0], [480.0, 485.0, 490.0])
    others = [{**line, "algorithm": "another"} for line in theirs([1.0] * 3, [2.0] * 3)]
    elsewhere = [{**line, "environment": "Acrobot-v1"} for line in theirs([3.0] * 3, [4.0] * 3)]
    peers = [*others, *elsewhere, *theirs([500.0] * 3, [500.0] * 3)]
    policies, differences = beside([ROW], mine, peers).split("\n\n")
    assert [line[1] for line in rows_of(policies)[2:]] == ["Cartwheel's dqn"] * 2 + ["a peer"] * 2
    assert [line[1:3] for line in rows_of(differences)[2:]] == [["a peer", "final"], ["a peer", "best"]]
    alone = replace(ROW, peer="")
    policies, differences = beside([alone], mine, peers).split("\n\n")
    assert (len(rows_of(policies)), len(rows_of(differences))) == (4, 2)


def test_it_is_told_which_policy_is_to_reach() -> None:
    row = Row("CartPole-v1", "reinforce", 9, 475.0, 2, seeds=2, label="reinforce, 0.003", judged="final")
    for judged, wanted in (("final", ["2: missed", ""]), ("best", ["", "2: met"])):
        own = replace(row, judged=judged)
        lines = rows_of(beside([own], ours(own, [470.0, 500.0], [490.0, 500.0]), []).partition("\n\n")[0])[2:]
        assert [line[9] for line in lines] == wanted
        assert lines[0][1] == "Cartwheel's reinforce, 0.003"


def test_nothing_is_said_before_all_have_run() -> None:
    mine = ours(ROW, [500.0, 500.0], [500.0, 500.0])
    assert rows_of(beside([ROW], mine, theirs([20.0] * 2, [20.0] * 2)))[-1][6] == "-25: not all run"
    assert len(rows_of(beside([ROW], [], theirs([20.0], [20.0])))) == 4  # the heads of two tables


def test_what_is_computed_is_what_is_wanted() -> None:
    row = Row("Taxi-v4", "q-learning", 1000, 7.93, 1, seeds=1, exact=True)
    lines = rows_of(beside([row], ours(row, [7.0], [8.1], exact="7.929999999999999"), []).partition("\n\n")[0])[2:]
    assert [(line[4], line[7], line[9]) for line in lines] == [
        ("final", "0 of 1 at 7.93", ""),
        ("best", "1 of 1 at 7.93", ""),
        ("final, computed", "1 of 1 at 7.93", "1: met"),
    ]


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_each_rows_settings_are_options(table: str) -> None:
    """Of those algorithms that there are."""
    for row in TABLES[table]():
        if row.algorithm in ALGORITHMS:
            given = dict(row.settings)
            preset = given.pop("preset", None)
            settings, _ = resolved_settings(ALGORITHMS[row.algorithm], given, Layers.read(None), preset)
            assert settings.early_stop == (table not in BESIDE)


def test_rows_have_their_peers_budgets() -> None:
    """One row for each job, in the same environment, for as many steps."""
    for table, jobs in (("values", dqn.JOBS), ("policies", policies.JOBS)):
        rows = {(row.peer, row.environment): row.budget for row in TABLES[table]() if row.peer}
        assert rows == {(job.learner, job.environment): job.budget for job in jobs}
        assert len({row.name for row in TABLES[table]()}) == len(TABLES[table]())


def test_margins_are_those_that_were_stated() -> None:
    margins = {
        "CartPole-v1": -25.0,
        "Acrobot-v1": -5.0,
        "MountainCar-v0": -10.0,
        "Pendulum-v1": -30.0,
        "MountainCarContinuous-v0": -20.0,
        "cartwheel/PendulumNoVelocity-v0": -30.0,
    }
    stated = [row for table in BESIDE for row in TABLES[table]() if row.margin is not None]
    assert {row.environment: row.margin for row in stated} == margins
    assert len(stated) == 3 + 9  # of Pendulum two
    assert all(row.peer and row.seeds == 10 for row in stated)
    assert not any(settings["early_stop"] for settings in VALUES.values())


def test_what_is_wanted_of_policies() -> None:
    wanted = {row.name: (row.reach, row.wanted, row.judged) for row in TABLES["policies"]() if row.wanted}
    assert wanted == {
        "ppo on cartwheel/CartPoleNoVelocity-v0": (475.0, 8, "best"),
        "ppo on LunarLander-v3": (200.0, 8, "best"),
        "reinforce, learning rate 0.003": (475.0, 7, "final"),
    }


def test_a_mean_return_that_is_computed() -> None:
    """In the 3 x 4 grid: up and right to the goal; right, up over the bomb's -1, to it; there to the limit of 100."""
    up, right = 0, 3
    along = {8: right, 9: right, 10: right}
    for way, wanted in (({0: right, 1: right, 2: right}, 1.0), (along, 0.0), ({**along, 7: right}, -97.0)):
        table = np.zeros((12, 4))
        table[:, up] = 1.0
        for state, action in way.items():
            table[state, action] = 2.0
        policy = cartwheel.Policy(Table(), Discrete(12), Discrete(4), table.ravel())
        assert runs.exact_mean("cartwheel/GridWorld-v0", policy) == pytest.approx(wanted, abs=1e-9)


def test_lines_go_under_the_heads_that_the_file_has(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("row,seed,best\nfirst,0,1.0\n", encoding="utf-8")
    for file in (old, new):
        runs._append(file, {"row": "second", "seed": 1, "best": 2.5, "exact": 0.75})
    assert runs.read(old)[1] == {"row": "second", "seed": "1", "best": "2.5"}
    assert list(runs.read(new)[0]) == runs.FIELDS
    assert runs.read(new)[0]["exact"] == "0.75"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process."""

    def run_all(rows: Sequence[Row], seeds: Sequence[int], file: Path, workers: int) -> None:
        for row in rows:
            for seed in seeds:
                runs._append(file, runs.run(row, seed))

    monkeypatch.setattr(program, "run_all", run_all)


@pytest.mark.usefixtures("here")
def test_a_glance_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    program.main(["values", "--quick", "--only", "GridWorld"])
    policies = rows_of(capsys.readouterr().out.partition("\n\n")[0])[2:]
    assert [line[4] for line in policies] == ["final", "best", "final, computed"]
    assert policies[0][2] == "1,504"  # whole stretches of 16 steps
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        program.main(["values", "--quick", "--write"])


@pytest.mark.usefixtures("here")
def test_a_network_that_remembers_and_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's own words stay; under its mark come the tables, a random policy and a rule."""
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    short = [
        Row("cartwheel/CartPoleNoVelocity-v0", "dqn", 600, 475.0, 8, {**VALUES["cartwheel/CartPoleNoVelocity-v0"]})
    ]
    monkeypatch.setitem(program.TABLES, "values", lambda: short)
    page = tmp_path / "values.md"
    page.write_text("# Words\n\n<!-- table -->\nold\n", encoding="utf-8")
    program.main(["values", "--seeds", "0-0", "--write"])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Words\n\n<!-- table -->\n| environment | learner |")
    assert "old" not in text
    assert "| a random policy on cartwheel/CartPoleNoVelocity-v0 | 23.9 |" in text
    (rule,) = [line for line in text.splitlines() if line.startswith("| push where the pole leans on")]
    assert 40 < float(rule.split("|")[2]) < 44
    (line,) = runs.read(tmp_path / "values.csv")
    assert int(line["steps"]) == 640
    assert np.isfinite(float(line["test_mean"]))


@pytest.mark.usefixtures("here")
def test_what_has_not_run_has_no_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its environment need not be there."""
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    rows = [ROW, replace(ROW, environment="nowhere/Nothing-v0")]
    monkeypatch.setitem(program.TABLES, "policies", lambda: rows)
    monkeypatch.setattr(program, "run_all", lambda *_: None)
    for line in ours(ROW, [470.0], [480.0]):
        runs._append(tmp_path / "policies.csv", line)
    peers = tmp_path / "policies_peer.csv"
    peers.write_text(
        "environment,algorithm,seed,steps,validation_steps,final_mean,best_mean,cpu_seconds,versions\n"
        "CartPole-v1,a peer,0,50000,7,499.0,500.0,32.0,none\n",
        encoding="utf-8",
    )
    (tmp_path / "policies.md").write_text("<!-- table -->\n", encoding="utf-8")
    program.main(["policies", "--write"])
    text = (tmp_path / "policies.md").read_text(encoding="utf-8")
    assert "| CartPole-v1 | a peer | final | -29 |" in text
    assert "| a random policy on CartPole-v1 | 23.9 |" in text
    assert "nowhere" not in text

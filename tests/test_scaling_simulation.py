"""The simulation of many workers against times worked out by hand, and the page's tables against the figures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/ is no installed package

from benchmarks import scaling_simulation as simulation
from benchmarks.scaling_simulation import Costs, Job, drawn, simulate, speed_up

FREE = Costs(begin=0.0, greet=0.0, give=0.0, hear=0.0, look=0.0, look_each=0.0, travel=0.0)


def job(*lengths: int, **more: Any) -> Job:
    """Candidates of one episode each, at a second a step."""
    return Job(np.array(lengths)[:, None], **{"step": 1.0, "alone": 0.0, **more})


def test_without_costs_it_is_the_work_of_the_longest_way() -> None:
    work = job(5, 3, 2, 2)
    assert simulate(work, FREE, 1).seconds == 12.0
    assert simulate(work, FREE, 2).seconds == 7.0  # 5, 2 and 3, 2
    assert simulate(work, FREE, 3).seconds == 5.0
    assert simulate(work, FREE, 1000).seconds == 5.0
    assert simulate(work, FREE, 2).busy == 0.0


def test_one_worker_by_hand() -> None:
    """A greeting and an item, each with a way of 10 and a look of 3, and 4 more as one is waited for."""
    costs = Costs(begin=1.0, greet=2.0, give=6.0, hear=5.0, look=3.0, look_each=4.0, travel=10.0)
    outcome = simulate(job(7, alone=100.0), costs, 1)
    assert outcome.seconds == 100 + 1 + 2 + 10 + (3 + 4) + 5 + 6 + 10 + 7 + (3 + 4) + 5
    assert outcome.busy == outcome.seconds - 10 - 17
    assert outcome.items == 1


def test_two_workers_by_hand() -> None:
    """Both are greeted at 2 and 4; what comes while the coordinator is at something waits until it looks again."""
    costs = replace(FREE, greet=2.0, hear=1.0, give=3.0)
    # 4 heard till 5 and 6; items given till 9 and 12, of 1 and 20 s: done at 10 and 32; the first is heard till 13
    outcome = simulate(job(1, 20), costs, 2)
    assert (outcome.seconds, outcome.items) == (33.0, 2)
    assert outcome.busy == 4 + 2 + 6 + 1 + 1


def test_a_look_costs_for_each_that_is_waited_for() -> None:
    """Both are heard at 2 and begin; both are done at 12, and seen to be at 14."""
    assert simulate(job(10, 10), replace(FREE, look_each=1.0), 2).seconds == 14.0


def test_a_coordinator_that_does_all_one_after_the_other_is_the_limit() -> None:
    """So many items of no work: as long as giving and hearing them takes, whoever does them."""
    costs = replace(FREE, give=0.5, hear=0.25)
    outcome = simulate(Job(np.zeros((4000, 1), np.int64), 1.0, 0.0), costs, 100)
    assert outcome.items == 400
    assert outcome.seconds == 100 * 0.25 + 400 * 0.75
    assert outcome.busy == outcome.seconds


def test_items_are_cut_as_the_rollouts_cut_them() -> None:
    lengths = np.arange(12).reshape(6, 2) + 1
    assert Job(lengths, 2.0, 0.0).items(1) == [2.0 * 78]
    assert sorted(Job(lengths, 1.0, 0.0).items(1000)) == list(range(1, 13))
    # two workers get eight parts, rows 0 and 4 or 1 and 5 among them: four cuts by candidates and two by episodes
    assert sorted(Job(lengths, 1.0, 0.0).items(2)) == [5, 6, 7, 8, 10, 12, 14, 16]


def test_chains_are_made_with_their_parent() -> None:
    assert job(1, 1, make=10.0).items(1) == [22.0]
    assert job(1, 1, make=10.0, chained=True).items(1) == [32.0]


def test_what_is_drawn_are_whole_candidates_and_always_the_same() -> None:
    measured = [[1, 2], [30, 40], [500, 600]]
    lengths = drawn(measured, 1000)
    assert lengths.shape == (1000, 2)
    assert {tuple(row) for row in lengths.tolist()} == {tuple(row) for row in measured}
    assert (lengths == drawn(measured, 1000)).all()
    assert (lengths != drawn(measured, 1000, seed=1)).any()
    assert abs((lengths[:, 0] == 30).mean() - 1 / 3) < 0.05


def test_what_one_does_alone_bounds_the_speed_up() -> None:
    """Amdahl: of 100 s the coordinator does 10 by itself."""
    work = Job(np.ones((90, 1), np.int64), 1.0, alone=10.0)
    assert speed_up(work, FREE, 1) == pytest.approx(1.0)
    assert speed_up(work, FREE, 1000) == pytest.approx(100 / 11)


# --- what was measured ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures() -> Any:
    return json.loads(simulation.FIGURES.read_text(encoding="utf-8"))


def test_the_page_has_the_tables_of_the_figures(figures: Any) -> None:
    page = simulation.PAGE.read_text(encoding="utf-8")
    for name, text in simulation.tables(figures).items():
        assert f"<!-- benchmark: {name} -->\n{text}\n<!-- end: {name} -->" in page, (
            "python -m benchmarks.scaling_simulation --write"
        )


def test_real_runs_are_foretold(figures: Any) -> None:
    """Within a tenth, from the costs of a single worker and the steps of none."""
    for executor, seconds in figures["runs"].items():
        for workers, measured in seconds.items():
            work = Job(np.array(figures["run_lengths"]), figures["step"]["waiting"], 0.0)
            predicted = simulate(work, Costs(**figures["executors"][executor]), int(workers)).seconds
            assert abs(predicted / measured - 1) < 0.1, (executor, workers)


def test_more_workers_are_never_much_slower(figures: Any) -> None:
    for work in simulation.jobs(figures).values():
        for values in figures["executors"].values():
            speeds = [speed_up(work, Costs(**values), workers) for workers in (1, 4, 16)]
            assert speeds == sorted(speeds)

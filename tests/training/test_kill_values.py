"""SIGKILL at 20 moments of runs that learn values, with a replay memory and open episodes: the digest of peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kills import Kind, killed_and_resumed

from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.algorithms.tables.table import TableLearner
from cartwheel.reports import page

KILLS, GENERATIONS = 20, 50

#: 14 steps a generation, episodes of up to 30, rows each 50 steps: a stop is in the middle of all of them.
DEEP = {
    "steps": 14 * GENERATIONS,
    "max_episode_steps": 30,
    "lanes": 2,
    "stretch": 7,
    "interval": 50,
    "hidden": (6,),
    "learning_starts": 40,
    "batch": 8,
    "updates": 3,
    "capacity": 200,
    "target_interval": 60,
    "epsilon_steps": 400,
}
KINDS = {
    "dqn": Kind("dqn", "CartPole-v1", DEEP),
    "prioritised dqn": Kind("dqn", "CartPole-v1", {**DEEP, "priority": 0.6, "n_step": 3, "tau": 0.01}),
    "dueling dqn": Kind("dqn", "CartPole-v1", {**DEEP, "dueling": True}),
    "recurrent dqn": Kind("dqn", "CartPole-v1", {**DEEP, "memory": "gru", "burn_in": 3, "sequence": 5}),
}
KINDS |= {
    name: Kind(name, "cartwheel/GridWorld-v0", {"steps": 700, "interval": 50, "max_episode_steps": 30})
    for name, entry in ALGORITHMS.items()
    if issubclass(entry.algorithm, TableLearner)
}
GENERAL = ("dqn", "recurrent dqn", "q-learning", "monte-carlo")
CASES = [(kind, True) for kind in KINDS] + [(kind, False) for kind in GENERAL if kind in KINDS]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "native"), CASES, ids=[f"{kind} {'native' if n else 'general'}" for kind, n in CASES])
def test_a_kill_at_any_moment(kind: str, native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 runs, each killed once at a moment drawn at random, and resumed."""
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))
    one = KINDS[kind]._replace(options={**KINDS[kind].options, "early_stop": False, "seed": 11, "native": native})
    whole = one.train(tmp_path, "whole")
    assert whole.result is not None
    last = int(whole.result["generations"])
    rng = np.random.default_rng(list(KINDS).index(kind))
    moments = rng.choice(np.arange(2, last + 1), KILLS, replace=last <= KILLS)
    opened = [
        killed_and_resumed(tmp_path, f"killed-{number}", one, whole, generation, number)
        for number, generation in enumerate(moments.tolist())
    ]
    assert sum(opened) > KILLS // 4, "no episode was open, and this shows too little"

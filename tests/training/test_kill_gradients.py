"""SIGKILL at moments of runs that follow policy gradients, within a stretch too: the digest of a run in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kills import Kind, killed_and_resumed

from cartwheel.reports import page

KILLS, GENERATIONS = 20, 50

#: 14 steps a generation, episodes of up to 30, rows each 50 steps: a stop is in the middle of all of them.
SHORT: dict[str, Any] = {
    "generations": GENERATIONS,
    "max_episode_steps": 30,
    "lanes": 2,
    "stretch": 7,
    "interval": 50,
    "hidden": (6,),
    "early_stop": False,
    "seed": 11,
    "anneal_steps": 10_000,
}
WHOLE = {**SHORT, "stretch": 30}
TWICE = {**SHORT, "epochs": 2, "minibatches": 2}
KINDS = {
    "reinforce": Kind("reinforce", "CartPole-v1", WHOLE),
    "reinforce learnt": Kind("reinforce", "CartPole-v1", {**WHOLE, "baseline": "learnt", "scale_rewards": True}),
    "a2c": Kind("a2c", "CartPole-v1", SHORT),
    "ppo": Kind("ppo", "CartPole-v1", TWICE),
    "ppo box": Kind(
        "ppo",
        "Pendulum-v1",
        {**TWICE, "scale_rewards": True, "normalise": True, "noise_memory": 0.5, "target_kl": 0.01},
    ),
    "recurrent ppo": Kind("ppo", "CartPole-v1", {**TWICE, "memory": "gru", "sequence": 4}),
}
GENERAL = ("reinforce", "a2c", "ppo", "recurrent ppo")
CASES = [(kind, True) for kind in KINDS] + [(kind, False) for kind in GENERAL]


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def moments(kind: str, count: int) -> list[int]:
    """Generations to be killed in, drawn at random."""
    rng = np.random.default_rng(list(KINDS).index(kind))
    return rng.choice(np.arange(2, GENERATIONS + 1), count, replace=False).tolist()


@pytest.mark.parametrize("kind", GENERAL)
def test_a_kill_within_a_stretch(kind: str, tmp_path: Path) -> None:
    """One run, killed when its steps were taken and nothing was learnt from them."""
    whole = KINDS[kind].train(tmp_path, "whole")
    opened = killed_and_resumed(tmp_path, "killed", KINDS[kind], whole, GENERATIONS // 2, number=1)
    assert opened == (kind != "reinforce"), "whose episodes are over when they are learnt from"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "native"), CASES, ids=[f"{kind} {'native' if n else 'general'}" for kind, n in CASES])
def test_a_kill_at_any_moment(kind: str, native: bool, tmp_path: Path) -> None:
    """20 runs, each killed once at a moment drawn at random, and resumed."""
    one = KINDS[kind]._replace(options={**KINDS[kind].options, "native": native})
    whole = one.train(tmp_path, "whole")
    assert whole.result is not None
    assert whole.result["path"] == ("native" if native else "general")
    opened = [
        killed_and_resumed(tmp_path, f"killed-{number}", one, whole, generation, number)
        for number, generation in enumerate(moments(kind, KILLS))
    ]
    assert sum(opened) > KILLS // 4 or one.algorithm == "reinforce", "no episode was open, and this shows too little"

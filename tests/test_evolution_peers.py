"""The benchmark `evolution-peers`: all contestants do the job that they are said to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/ is no installed package

from benchmarks import evolution_peers, evosax_peer, rivals
from benchmarks.evolution_peers import Capped
from benchmarks.fused import fused, fused_steps
from benchmarks.records import UnavailableError
from cartwheel.errors import CartwheelError, UsageError
from cartwheel.experience.rollouts import make_rollout
from cartwheel.training.executors import make_executor


@pytest.mark.parametrize("hidden", [(16,), (64, 64)])
def test_the_loop_takes_cartwheels_steps(hidden: tuple[int, ...]) -> None:
    """Episode by episode: two candidates that fall, and one that stands to the limit."""
    job = Capped(population=12, generations=2, hidden=hidden)
    rollout, _ = make_rollout(job.environment, job.specification)
    assert rollout.path == "native"
    given = evolution_peers.history(job, rollout, 0)
    assert [len(generation.parameters) for generation in given] == [12, 12]
    wanted = sum(generation.experience.steps for generation in given)
    loop = fused(hidden, 500, fastmath=False)
    assert fused_steps(loop, given) == wanted
    assert evolution_peers._ported(rollout.network, given) == pytest.approx(wanted, rel=0.01)
    for workers in (1, 2):
        assert evolution_peers.job_steps(job, rollout, make_executor(workers, "native"), 0) == wanted
    assert evolution_peers.job_steps(job, rollout, make_executor(1, "native"), 1) != wanted


def test_episodes_end_with_gymnaxs() -> None:
    job = Capped()
    assert job.environment.limit == 500
    assert (job.population, job.generations) == (64, 5)
    task = job.task
    assert (task.population, task.episodes, task.generations, task.deviation) == (64, 15, 5, 0.5)
    assert Capped(hidden=(64, 64)).task.units == (4, 64, 64, 2)


def test_a_rivals_episode_counts_its_steps() -> None:
    environment = gymnasium.make("CartPole-v1")
    leaning: Any = lambda seen: np.array([0.0, seen[2] + 0.3 * seen[3]])  # noqa: E731
    assert rivals.episode(environment, leaning, 0) == 500
    assert 8 <= rivals.episode(environment, lambda seen: np.array([0.0, 1.0]), 0) <= 11


def test_what_is_compared_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the peers that are not compared: those are dashes."""
    monkeypatch.setattr(evosax_peer, "installed", lambda package: None)

    def missing(name: str) -> Any:
        raise UsageError(f"{name} is not installed")

    monkeypatch.setattr(rivals, "peer", missing)
    monkeypatch.setattr(evolution_peers, "_ours", lambda *_: dict.fromkeys(_OURS, lambda turn: None))
    setting: Any = evolution_peers.Setting(quick=True, folder=tmp_path)
    turns = {contestant.name: contestant.turn for contestant in evolution_peers.evolution_peers(setting)}
    for comparison in evolution_peers._comparisons():
        assert turns[comparison.first] is not None
        assert not comparison.second or turns[comparison.second] is not None
    assert turns["4-16-2: EvoTorch (not installed)"] is None
    assert turns["4-64-64-2: neat-python (not installed)"] is None


_OURS = (
    "Cartwheel, one thread",
    "Cartwheel, two threads",
    "Cartwheel, a new process",
    "Cartwheel, a new process, empty cache",
    "the tutorial's port",
    "a loop for this job alone",
)


def test_a_peer_that_is_compared_has_to_be_there() -> None:
    with pytest.raises(UsageError, match=r"no_such is not installed; make bench installs it"):
        evosax_peer.installed("no_such")
    with pytest.raises(UnavailableError, match="not installed"):
        rivals.optional("no_such")


def test_a_process_that_dies_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        def send(self, words: object) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(evosax_peer, "installed", lambda package: None)
    evosax = evosax_peer.Evosax(Capped().task, 1, documented=False)
    monkeypatch.setitem(evosax.__dict__, "_process", Dead())
    with pytest.raises(CartwheelError, match="the process that ran evosax died"):
        evosax.play([0], compiled=True)

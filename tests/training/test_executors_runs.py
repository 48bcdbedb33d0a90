"""Whole runs by any executor: one digest, with workers killed in each generation too; and how an executor is chosen."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from executor_runs import GENERATIONS, EachGeneration, digest, doomed_cartpole

from cartwheel.envs.environment import find_environment
from cartwheel.errors import CartwheelError, UsageError
from cartwheel.experience.chains import Chains, Recipe
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, make_rollout
from cartwheel.policies.specification import MLP
from cartwheel.settings import resolve
from cartwheel.training.executors import Processes, Serial, Threads, make_executor
from cartwheel.training.executors.parcels import packed
from cartwheel.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from cartwheel.reports import page

    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def test_one_digest_for_all(tmp_path: Path) -> None:
    ways: dict[str, Any] = {
        "serial": {},
        "threads": {"executor": "threads", "workers": 2},
        "processes": {"executor": "processes", "workers": 3},
        "one-process": {"executor": "processes"},
        "python": {"native": False, "workers": 2},
    }
    digests = {name: digest(tmp_path, name, generations=3, **options) for name, options in ways.items()}
    assert len(set(digests.values())) == 1, digests


@pytest.mark.parametrize("options", [{"memory": "lstm"}, {"normalise": True}, {"encoding": "seeds"}], ids=str)
def test_one_digest_with_a_memory_with_normalisation_and_with_seeds(tmp_path: Path, options: dict[str, Any]) -> None:
    ways: dict[str, Any] = {
        "serial": {},
        "native": {"executor": "processes", "workers": 2},
        "python": {"executor": "processes", "workers": 2, "native": False},
    }
    digests = {name: digest(tmp_path, name, generations=3, **options, **way) for name, way in ways.items()}
    assert len(set(digests.values())) == 1, digests


@pytest.mark.slow
def test_a_worker_killed_at_its_work_in_each_of_20_generations(tmp_path: Path) -> None:
    marker = tmp_path / "doom"
    whole = digest(tmp_path, "whole", doomed_cartpole(None), generations=GENERATIONS)
    killed = []

    def doom(generation: int) -> None:
        assert not marker.exists()  # the last one was obeyed
        killed.append(generation)
        marker.touch()

    again = digest(
        tmp_path, "killed", doomed_cartpole(marker), [EachGeneration(doom)], generations=GENERATIONS, workers=4
    )
    assert len(killed) == GENERATIONS + 1  # the last one in the test
    assert not marker.exists()
    assert again == whole


@pytest.mark.slow
def test_an_idle_worker_killed_before_each_of_20_generations_of_compiled_physics(tmp_path: Path) -> None:
    seen = set()

    def kill(generation: int) -> None:
        if generation == 0:
            return
        child = max(multiprocessing.active_children(), key=lambda process: process.pid)
        seen.add(child.pid)
        child.kill()
        child.join()

    whole = digest(tmp_path, "whole", generations=GENERATIONS)
    options = {"executor": "processes", "workers": 4, "generations": GENERATIONS}
    assert digest(tmp_path, "killed", hooks=[EachGeneration(kill)], **options) == whole
    assert len(seen) == GENERATIONS


def test_an_environment_that_crashes_its_process_is_told_with_its_episodes(tmp_path: Path) -> None:
    from gymnasium.envs.classic_control import CartPoleEnv

    class Crashing(CartPoleEnv):  # type: ignore[type-arg]
        def step(self, action: Any) -> Any:
            if multiprocessing.parent_process() is None:
                return super().step(action)  # it is tried out here before workers get it
            return os.abort()

    with pytest.raises(
        CartwheelError, match=r"item \d of 8 \(candidates \d+, \d+ in the episodes of seeds \d+, \d+\).*exit code -6"
    ):
        digest(tmp_path, "crash", Crashing, generations=1, workers=2)


# --- rollouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, False], ids=["native", "general"])
def test_what_processes_measure_is_what_the_caller_does(native: bool) -> None:
    """Many candidates and few, many episodes and one: slices by candidates, by episodes and by both."""
    rollout, _ = make_rollout(find_environment("CartPole-v1"), MLP((4,)), native)
    executor = Processes(2)
    try:
        for candidates, episodes in ((11, 3), (8, 1), (1, 9), (3, 2)):
            generator = np.random.default_rng(candidates)
            parameters = generator.normal(size=(candidates, rollout.network.size)).astype(np.float32)
            request = Request(parameters=parameters, episodes=episodes)
            seeds = generator.integers(2**31, size=episodes)
            ours, theirs = rollout(request, seeds), rollout.spread(request, seeds, executor)
            assert ours.returns.tobytes() == theirs.returns.tobytes()
            np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    finally:
        executor.close()
        rollout.close()


class Watched:
    """Workers that see nothing of the caller's memory, as far as it goes, and note what they are sent."""

    shared = False

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.messages: list[bytes] = []

    def map(self, function: Any, items: Sequence[Any]) -> list[Any]:
        self.messages = [pickle.dumps(item) for item in items]
        return [function(pickle.loads(message)) for message in self.messages]


@pytest.mark.parametrize(
    ("candidates", "episodes", "workers", "parts"),
    [(11, 3, 2, 8), (8, 1, 2, 8), (1, 9, 2, 8), (3, 2, 2, 6), (12, 2, 4, 16), (64, 5, 17, 68), (64, 5, 1000, 320)],
)
@pytest.mark.parametrize("chained", [False, True], ids=["dense", "seeds"])
def test_each_episode_is_measured_once_in_parts_for_all_workers(
    candidates: int, episodes: int, workers: int, parts: int, chained: bool
) -> None:
    """Four parts a worker, as far as there are as many episodes, whatever the numbers."""
    rollout, _ = make_rollout(find_environment("CartPole-v1", max_episode_steps=3), MLP((4,)))
    recipe = Recipe(seed=3, network=rollout.network, initial_std=1.0, mutation_std=0.1)
    chains = Chains.begun(recipe, 0, range(candidates))
    request = Request(parameters=chains if chained else chains.dense(), episodes=episodes)
    seeds, watched = np.arange(episodes), Watched(workers)
    theirs = rollout.spread(request, seeds, watched)
    assert len(watched.messages) == parts
    np.testing.assert_array_equal(theirs.lengths, rollout(request, seeds).lengths)
    measured = [pickle.loads(message) for message in watched.messages]
    assert sum(len(part.request.parameters) * len(part.seeds) for part in measured) == candidates * episodes


def test_seeds_travel_and_no_vector_does() -> None:
    """A million weights are 4 MB; the part of a population that a worker gets is 600 bytes and 8 a link."""
    rollout, _ = make_rollout(find_environment("CartPole-v1", max_episode_steps=1), MLP((998, 998)))
    assert rollout.network.size > 1_000_000
    chains = Chains.begun(Recipe(seed=3, network=rollout.network, initial_std=1.0, mutation_std=0.1), 0, range(8))
    for generation in range(1, 11):
        chains = chains.mutated(generation, range(8))
    watched = Watched(2)
    rollout.spread(Request(parameters=chains, episodes=1), np.array([7]), watched)
    assert len(watched.messages) == 8
    assert max(map(len, watched.messages)) < 1200
    assert len(packed(rollout)) < 4000


def test_children_of_one_parent_go_to_one_worker() -> None:
    """So that it is rebuilt once, and not by each worker."""
    rollout, _ = make_rollout(find_environment("CartPole-v1", max_episode_steps=1), MLP((4,)))
    recipe = Recipe(seed=3, network=rollout.network, initial_std=1.0, mutation_std=0.1)
    parents = Chains.begun(recipe, 0, range(8))
    children = parents[np.repeat(np.arange(8), 5)].mutated(1, range(40))
    watched = Watched(2)
    rollout.spread(Request(parameters=children, episodes=1), np.array([7]), watched)
    families = [{int(link) for link in pickle.loads(part).request.parameters.links[:, 0]} for part in watched.messages]
    assert families == [{parent} for parent in range(8)]


@pytest.mark.parametrize("kind", [NativeRollout, GeneralRollout])
def test_a_rollout_travels_as_the_same_bytes_whatever_it_has_done(kind: type) -> None:
    """Else it would be sent again with each generation; and its physics go by name, a few hundred bytes."""
    rollout, _ = make_rollout(find_environment("CartPole-v1"), MLP((4,)), kind is NativeRollout)
    assert isinstance(rollout, kind)
    request = Request(parameters=np.ones((3, rollout.network.size), np.float32), episodes=1)
    experience: Experience = rollout(request, np.array([7]))
    before = packed(rollout)
    assert rollout.progress >= (experience.steps + 3 if kind is GeneralRollout else 1)  # resets too
    rollout(request, np.array([8]))
    assert packed(rollout) == before
    assert len(before) < 4000
    rollout.close()


# --- the choice -------------------------------------------------------------------------------------------------------


def test_the_kind_that_is_made() -> None:
    made = {
        (1, "native", "auto"): Serial,
        (1, "general", "auto"): Serial,
        (2, "native", "auto"): Threads,
        (2, "general", "auto"): Processes,
        (2, "native", "threads"): Threads,
        (1, "native", "processes"): Processes,
        (2, "general", "processes"): Processes,
    }
    for (workers, path, kind), expected in made.items():
        executor = make_executor(workers, path, kind)
        assert type(executor) is expected
        assert executor.workers == workers
        executor.close()


def test_threads_are_for_compiled_physics(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--executor threads: expected.*give --executor processes"):
        digest(tmp_path, "none", native=False, executor="threads", workers=2)
    assert not (tmp_path / "none").exists()


def test_without_ray_a_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "cartwheel.training.executors.ray", raising=False)
    with pytest.raises(UsageError, match=r"^--executor ray needs an extra: pip install 'cartwheel\[ray\]'$"):
        digest(tmp_path, "none", executor="ray")
    assert not (tmp_path / "none").exists()


def test_settings_that_go_together() -> None:
    def settings(**values: Any) -> TrainSettings:
        return resolve(TrainSettings, values)

    assert settings(executor="ray", address="192.0.2.1:6379").address == "192.0.2.1:6379"
    for address in ("192.0.2.1", ":6379", "ray://somewhere", "here:port"):
        with pytest.raises(UsageError, match=r"--address: expected HOST:PORT, such as 192\.0\.2\.1:6379, got"):
            settings(executor="ray", address=address)
    with pytest.raises(UsageError, match="--address: expected --executor ray with it, got processes"):
        settings(executor="processes", address="192.0.2.1:6379")
    with pytest.raises(UsageError, match="--patience: expected more than 0"):
        settings(patience=0)
    with pytest.raises(UsageError, match="--executor: expected one of auto, threads, processes, ray, got 'rays'"):
        settings(executor="rays")

"""Learning from several observations at once: what comes of a stretch is what the inner network would have seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.algorithms.learner import with_frames
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.envs.environment import find_environment
from cartwheel.errors import UsageError
from cartwheel.experience.collectors import make_collector
from cartwheel.experience.rollouts import make_rollout
from cartwheel.training.settings import TrainSettings

LEARNERS = ["ppo", "a2c", "reinforce", "dqn"]


def made(name: str, frames: int, **own: Any) -> Any:
    """An algorithm and what collects for it, in CartPole with episodes of at most 15 steps."""
    entry = ALGORITHMS[name]
    settings = entry.settings(**own)
    general = replace(TrainSettings(**entry.general), frames=frames, hidden=(6,))
    environment = find_environment("CartPole-v1", max_episode_steps=15)
    rollout, _ = make_rollout(environment, entry.specify(general, settings))
    return entry.algorithm(settings, rollout.network, 0), make_collector(rollout, 3, settings.lanes)


@pytest.mark.parametrize("frames", [2, 4])
@pytest.mark.parametrize("name", LEARNERS)
def test_each_step_is_seen_with_those_before_it_in_its_episode(name: str, frames: int) -> None:
    """Windows by hand from single observations, over three stretches; a window never reaches into another episode."""
    learner, collect = made(name, frames, lanes=4, stretch=20)
    last: list[list[Any]] = [[] for _ in range(4)]  # of each lane's episode
    zeros = np.zeros(4, np.float32)
    for _ in range(3):
        experience = collect(learner.ask())
        steps = experience.transitions
        found = with_frames(steps)
        assert found.memory is None
        for lane in range(4):
            for t in range(steps.taken[lane]):
                last[lane].append(steps.obs[t, lane])
                window = [*[zeros] * frames, *last[lane]]
                np.testing.assert_array_equal(found.obs[t, lane], np.concatenate(window[-frames:]))
                window.append(steps.next_obs[t, lane])
                np.testing.assert_array_equal(found.next_obs[t, lane], np.concatenate(window[-frames:]))
                if steps.boundary[t, lane]:
                    last[lane] = []
        learner.tell(experience)


@pytest.mark.parametrize("name", LEARNERS)
def test_what_learns_is_the_inner_network(name: str) -> None:
    learner, _ = made(name, 4, lanes=4, stretch=20)
    assert learner.network.inputs == 16
    assert learner.network.memory_size == 0
    assert learner.ask().parameters.shape == (1, learner.network.size)
    assert learner.ask().stretch.memory
    alone, _ = made(name, 1, lanes=4, stretch=20)
    assert not alone.ask().stretch.memory


def test_frames_tell_what_one_observation_does_not(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions and angles alone: with one observation PPO balances for some tens of steps."""
    monkeypatch.chdir(tmp_path)
    returns = []
    for frames in (1, 4):
        run = cartwheel.train(
            "cartwheel/CartPoleNoVelocity-v0", algorithm="ppo", frames=frames, steps=40_000, early_stop=False, seed=0
        )
        assert cartwheel.load(run.policy_path).memory_size == 4 * (frames - 1)
        returns.append(cartwheel.evaluate(run, episodes=50, seed=1).mean)
    assert returns[0] < 100.0
    assert returns[1] > 200.0


@pytest.mark.parametrize("name", ["ppo", "a2c", "dqn", "genetic"])
def test_a_memory_of_its_own_and_frames_do_not_go_together(name: str) -> None:
    entry = ALGORITHMS[name]
    general = replace(TrainSettings(**entry.general), frames=2, memory="gru")
    with pytest.raises(UsageError, match=r"^--frames: expected 1 with --memory"):
        entry.specify(general, entry.settings())

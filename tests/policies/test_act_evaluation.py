"""Policies that were loaded, under the evaluation of the field: `predict` on several environments at once.

stable-baselines3's `evaluate_policy` is one of the oracles (`make test-oracles`); where it is not installed, its loop,
written again here, stands for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import cartwheel
from cartwheel.envs.environment import find_environment
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP, Recurrent, Specification, Stochastic
from cartwheel.seeds import Purpose, episode_seeds

EPISODES = 8
SEEDS = [int(seed) for seed in episode_seeds(0, Purpose.TEST, count=EPISODES)]
THROUGH = Normalisation(np.array([0.1, -0.2, 0.02, 0.3]), np.array([2.0, 1.5, 9.0, 1.1]))

# The last number is the seed of a random policy that acts now so and now so: some that begin a pole's episode well.
CASES: dict[str, tuple[str, Specification, Any, int]] = {
    "feed-forward": ("CartPole-v1", MLP((64, 64)), None, 2),
    "stochastic, normalised": ("CartPole-v1", Stochastic((8,)), THROUGH, 24),
    "gru": ("CartPole-v1", Recurrent("gru", (8,)), None, 40),
    "lstm, normalised": ("CartPole-v1", Recurrent("lstm", (8,)), THROUGH, 46),
    "continuous": ("Pendulum-v1", MLP((16,), "tanh"), None, 0),
    "continuous, rnn": ("Pendulum-v1", Recurrent("rnn", (6,)), None, 0),
}


def loaded(case: str, folder: Path) -> tuple[Policy, str]:
    """A policy from a file, and the environment that it is for."""
    environment, specification, through, seed = CASES[case]
    made = find_environment(environment)
    spaces = made.observation_space, made.action_space
    theta = np.random.default_rng(seed).normal(scale=0.9, size=build_network(specification, *spaces).size)
    policy = cartwheel.load(cartwheel.save(Policy(specification, *spaces, theta, through), folder / "policy"))
    assert isinstance(policy, Policy)
    return policy, environment


class Given(gymnasium.Wrapper):  # type: ignore[type-arg]
    """An environment whose episodes have these seeds; once they are over, the last one goes on: others may not be."""

    def __init__(self, environment: str, seeds: list[int]) -> None:
        super().__init__(gymnasium.make(environment))
        self.seeds = list(seeds)

    def reset(self, **_: Any) -> Any:
        return super().reset(seed=self.seeds.pop(0) if len(self.seeds) > 1 else self.seeds[0])


def looped(policy: Policy, environment: str, count: int) -> list[list[float]]:
    """The returns of all episodes, dealt out to `count` environments: by environment, in their order."""
    made = [Given(environment, SEEDS[number::count]) for number in range(count)]
    observations = np.stack([one.reset()[0] for one in made])
    states, starts = None, np.ones(count, bool)
    returns: list[list[float]] = [[0.0] for _ in made]
    while any(len(own) <= EPISODES // count for own in returns):
        actions, states = policy.predict(observations, state=states, episode_start=starts, deterministic=True)
        for number, (one, action) in enumerate(zip(made, actions, strict=True)):
            observations[number], reward, terminated, truncated, _ = one.step(action)
            returns[number][-1] += float(reward)
            starts[number] = terminated or truncated
            if starts[number]:
                observations[number] = one.reset()[0]
                returns[number].append(0.0)
    for one in made:
        one.close()
    return [own[: EPISODES // count] for own in returns]


@pytest.mark.parametrize("case", CASES)
def test_gives_the_figure_of_evaluate(case: str, tmp_path: Path) -> None:
    policy, environment = loaded(case, tmp_path)
    expected = cartwheel.evaluate(policy, environment=environment, episodes=EPISODES).returns
    for count in (1, 2):
        assert looped(policy, environment, count) == [expected[number::count].tolist() for number in range(count)]
    assert len(set(expected.tolist())) > 4


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(CASES[case][1], Recurrent)])
def test_a_memory_that_is_not_begun_anew_is_noticed(case: str, tmp_path: Path) -> None:
    """The control: where episodes begin matters to the figure."""
    policy, environment = loaded(case, tmp_path)

    class Mindful(Policy):
        def predict(self, observation: Any, state: Any = None, *_: Any, **others: Any) -> tuple[Any, Any]:
            return super().predict(observation, state)

    mindful = Mindful(*(getattr(policy, name) for name in policy.__getstate__()))
    assert looped(mindful, environment, 2) != looped(policy, environment, 2)


@pytest.mark.parametrize("case", CASES)
def test_stable_baselines3_accepts_it_and_finds_the_same(case: str, tmp_path: Path) -> None:
    """The same mean to the bit. Its monitor rounds each return to six places, which CartPole's have not."""
    pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed: make test-oracles installs it")
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    policy, environment = loaded(case, tmp_path)
    expected = cartwheel.evaluate(policy, environment=environment, episodes=EPISODES)
    for count in (1, 2):
        several = DummyVecEnv([lambda n=n: Monitor(Given(environment, SEEDS[n::count])) for n in range(count)])  # noqa: B023
        returns, lengths = evaluate_policy(policy, several, EPISODES, return_episode_rewards=True)
        assert sorted(returns) == sorted(round(float(one), 6) for one in expected.returns)
        assert sorted(lengths) == sorted(expected.lengths.tolist())
        if environment == "CartPole-v1":
            assert np.mean(returns) == expected.mean

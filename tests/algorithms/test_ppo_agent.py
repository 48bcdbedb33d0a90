"""What PPO makes of a stretch before it learns, the noise it acts by, what it keeps, and what it refuses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from contract import equal
from test_ppo import KINDS, LANES, STEPS, each_kind, made, plain_distribution, plain_model, told, transitions

from cartwheel.algorithms.gradients.phase import Look
from cartwheel.algorithms.ppo import PPO, PPOSettings
from cartwheel.experience.records import Experience, Transitions
from cartwheel.policies.specification import Stochastic
from cartwheel.seeds import Purpose, generator

# --- advantages -------------------------------------------------------------------------------------------------------

#: Three lanes of three steps, a reward of 1 for each. The first comes to an end after its second step, the second to
#: a time limit, before which 16 would have followed; the third goes on. gamma and lambda are 1/2.
VALUE = np.repeat([[1.0], [2.0], [4.0]], 3, axis=1)
FOLLOWING = np.array([[2.0, 2.0, 2.0], [16.0, 16.0, 4.0], [8.0, 8.0, 8.0]])
ADVANTAGE = np.array([[0.75, 2.75, 1.3125], [-1.0, 7.0, 1.25], [1.0, 1.0, 1.0]])


def three_lanes() -> Transitions:
    t = transitions(lanes=3, steps=3)
    boundary, discount = np.zeros((3, 3), np.bool_), np.ones((3, 3))
    boundary[1, :2], discount[1, 0] = True, 0.0
    return replace(t, reward=np.ones((3, 3)), boundary=boundary, discount=discount)


def weighed(t: Transitions) -> tuple[Any, Any]:
    agent = made(lanes=3, stretch=3, gamma=0.5, gae_lambda=0.5)
    look = Look(*(np.asarray(x, np.float32) for x in (np.zeros((3, 3)), VALUE, FOLLOWING)))
    return agent._weighed(t, t.reward, look)


def test_advantages_by_hand_after_an_end_a_limit_and_none() -> None:
    """In the first lane 1 + 2 / 2 - 1, then 1 + 0 - 2; in the second 1 + 16 / 2 - 2; and 1/4 of the next one each."""
    advantage, target = weighed(three_lanes())
    np.testing.assert_allclose(advantage, ADVANTAGE, rtol=1e-12)
    np.testing.assert_allclose(target, ADVANTAGE + VALUE, rtol=1e-12)


def test_a_limit_that_is_taken_for_an_end_gives_other_numbers() -> None:
    """The control: those of the first lane."""
    t = three_lanes()
    t.discount[1, 1] = 0.0
    advantage, _ = weighed(t)
    np.testing.assert_allclose(advantage[:, 1], ADVANTAGE[:, 0], rtol=1e-12)
    assert np.abs(advantage - ADVANTAGE)[:2, 1].min() == 2.0


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
@each_kind
def test_what_is_said_before_the_updates_is_of_what_truly_followed(kind: str, shared: bool) -> None:
    """Values of `next_obs`, which are not those of the next row, and log-probabilities of what was drawn."""
    agent, t = made(kind, shared=shared), transitions(kind)
    assert t.draw is not None
    found = agent._phase.before(t)
    for k, lane in np.ndindex(STEPS, LANES):
        outputs, log_std, value = plain_model(agent._phase.theta, t.obs[k, lane][None], kind, shared)
        following = plain_model(agent._phase.theta, t.next_obs[k, lane][None], kind, shared)[2]
        log_prob, _ = plain_distribution(outputs, log_std, t.draw[k, lane][None], kind)
        came = found.value[k, lane], found.following[k, lane], found.log_prob[k, lane]
        assert came == pytest.approx((value[0], following[0], log_prob[0]), abs=1e-5)


@pytest.mark.parametrize("ended", [False, True])
def test_the_value_of_a_task_without_end(ended: bool) -> None:
    """A reward of 1 for each step, gamma 1/2: it is worth 2, unless limits after each second step are taken for ends.

    Then it is worth 3/2 or 1, which cannot be told from what is seen.
    """
    agent = made(gamma=0.5, lanes=8, stretch=8, learning_rate=0.01, epochs=4, entropy=0.0)
    t = transitions(lanes=8, steps=8)
    boundary = np.zeros((8, 8), np.bool_)
    boundary[1::2] = True
    seen = np.ones_like(t.obs)
    discount = np.where(boundary & ended, 0.0, 1.0)
    t = replace(t, obs=seen, next_obs=seen, reward=np.ones((8, 8)), boundary=boundary, discount=discount)
    for _ in range(150):
        told(agent, t)
    assert agent._phase.before(t).value.mean() == pytest.approx(1.25 if ended else 2.0, abs=0.05)


# --- rewards ----------------------------------------------------------------------------------------------------------


class Noted(PPO):
    """PPO that notes the rewards it learns from."""

    def _weighed(self, transitions: Transitions, reward: Any, before: Look) -> tuple[Any, Any]:
        self.learnt = np.array(reward)
        return super()._weighed(transitions, reward, before)


def noted(**options: Any) -> Noted:
    agent = made(**options)
    return Noted(agent.settings, agent.network, 5)


def test_rewards_are_divided_by_the_deviation_of_discounted_sums() -> None:
    """Sums go on from one stretch to the next, and begin anew with an episode; nothing is centred."""
    agent, sums, all_sums = noted(scale_rewards=True, gamma=0.8), np.zeros(LANES), []
    for seed in range(3):
        t = transitions(seed=seed)
        for reward, boundary in zip(t.reward, t.boundary, strict=True):
            sums = 0.8 * sums + reward
            all_sums += sums.tolist()
            sums = np.where(boundary, 0.0, sums)
        told(agent, t)
        np.testing.assert_allclose(agent.learnt, t.reward / np.sqrt(np.var(all_sums) + 1e-8), rtol=1e-12)
        assert np.std(all_sums) > 1.5
    told(plain := noted(scale_rewards=False), t)
    np.testing.assert_array_equal(plain.learnt, t.reward)


def test_a_reward_counts_ten_deviations_at_most() -> None:
    """Of 256 rewards one is not 0: it is 16 deviations."""
    agent, t = noted(lanes=1, stretch=256, gamma=0.0, scale_rewards=True), transitions(lanes=2, steps=256)
    one = {name: array[:, :1] for name, array in vars(t).items() if name not in ("taken", "memory")}
    one["reward"] = np.zeros((256, 1))
    one["reward"][100] = -1000.0
    told(agent, replace(t, taken=np.array([256]), **one))
    assert agent.learnt[100, 0] == -10.0
    assert np.abs(agent.learnt).sum() == 10.0


def test_what_is_shown_and_judged_is_raw() -> None:
    agent, t = made(scale_rewards=True), transitions()
    experience = Experience(returns=np.array([[-900.0, -700.0]]), lengths=np.full((1, 2), 3), transitions=t)
    assert agent.best(experience).value == -800.0
    assert agent.tell(experience)["return_mean"] == -800.0


# --- noise ------------------------------------------------------------------------------------------------------------


def noises(rho: float, stretches: int, resumed: bool = False, lanes: int = 4000) -> Any:
    """Noise (T, N, 2) of stretches of three steps each, one after the other."""
    agent, t, found = noisy(rho, lanes), transitions("box", lanes=lanes, steps=3), []
    for _ in range(stretches):
        stretch = agent.ask().stretch
        assert stretch is not None
        assert stretch.noise is not None
        found.append(stretch.noise.copy())
        told(agent, t)
        if resumed:
            state, agent = agent.state(), noisy(rho, lanes)
            agent.restore(state)
    return np.concatenate(found)


def noisy(rho: float, lanes: int) -> PPO:
    return made("box", noise_memory=rho, lanes=lanes, stretch=3)


def test_noise_is_standard_normal_at_each_step_and_goes_with_that_before() -> None:
    """Of 8,000 numbers each, from one stretch to the next too; 4 standard errors are allowed."""
    z = noises(0.7, stretches=3)
    assert z.shape == (9, 4000, 2)
    near = 4.0 / np.sqrt(8000)
    for t in range(9):
        assert abs(z[t].mean()) < near
        assert abs(z[t].var() - 1.0) < near * np.sqrt(2.0)
        assert np.mean(np.abs(z[t]) < 0.6745) == pytest.approx(0.5, abs=near / 2)
        for back in (1, 2, 3):
            if t >= back:
                assert np.mean(z[t] * z[t - back]) == pytest.approx(0.7**back, abs=near * np.sqrt(2.0))
    assert abs(np.mean(z[3, :, 0] * z[3, :, 1])) < near * np.sqrt(2.0)
    assert abs(np.mean(z[3, 1:] * z[3, :-1])) < near * np.sqrt(2.0)


def test_noise_goes_on_after_a_resume() -> None:
    np.testing.assert_array_equal(noises(0.7, 3, resumed=True, lanes=5), noises(0.7, 3, lanes=5))


def test_without_a_memory_noise_is_as_it_was_drawn() -> None:
    z = noises(0.0, 2, lanes=5)
    drawn = [generator(5, Purpose.LEARNING, k).standard_normal((3, 5, 2)) for k in range(2)]
    np.testing.assert_array_equal(z, np.concatenate(drawn))


@pytest.mark.parametrize("kind", ["choice", "choices"])
def test_choices_are_drawn_by_numbers_from_0_to_1(kind: str) -> None:
    stretch = made(kind, lanes=50, stretch=50).ask().stretch
    assert stretch is not None
    assert stretch.noise is not None
    assert stretch.noise.shape == (50, 50, len(KINDS[kind]))
    assert stretch.noise.min() >= 0.0
    assert stretch.noise.max() < 1.0
    assert np.histogram(stretch.noise, 4, (0.0, 1.0))[0].min() > 0.22 * stretch.noise.size


# --- states -----------------------------------------------------------------------------------------------------------

OPTIONS = {"scale_rewards": True, "minibatches": 4, "epochs": 2}
STAYS = {"box": {"noise_memory": 0.5}}


@each_kind
def test_the_state_has_what_is_needed_and_what_acts_is_the_policy_alone(kind: str) -> None:
    agent = made(kind, **OPTIONS, **STAYS.get(kind, {}))
    told(agent, transitions(kind))
    assert agent.state().keys() == {
        *("generation", "steps", "recent", "noise", "model/theta", "model/adam/step", "model/adam/m", "model/adam/v"),
        *("scale/count", "scale/mean", "scale/squares", "scale/sums"),
    }
    theta = agent.ask().parameters[0]
    assert agent.network.size < agent._phase.theta.size
    np.testing.assert_array_equal(theta, agent._phase.theta[: agent.network.size])


def foreign(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """States that are not this one's, each in one thing."""
    n = len(state["model/theta"])
    changed: dict[str, dict[str, Any]] = {
        "theta of another size": {"model/theta": np.zeros(n + 1, np.float32)},
        "theta that is a number": {"model/theta": np.float32(0.0)},
        "an optimizer of another size": {"model/adam/v": np.zeros(n - 1, np.float32)},
        "noise of other lanes": {"noise": np.zeros((LANES + 1, 2))},
        "rewards of other lanes": {"scale/sums": np.zeros(LANES + 1)},
        "too many returns": {"recent": np.zeros(101)},
    }
    without = {f"no {name}": {k: v for k, v in state.items() if k != name} for name in state}
    return {**{name: {**state, **change} for name, change in changed.items()}, **without}


def test_foreign_states_are_refused_and_change_nothing() -> None:
    agent, other = (made("box", **OPTIONS, **STAYS["box"]) for _ in range(2))
    for seed in range(2):
        told(agent, transitions("box", seed))
    told(other, transitions("box", 7))
    before = agent.state()
    for name, state in foreign(other.state()).items():
        with pytest.raises((KeyError, ValueError, TypeError)):
            agent.restore(state)
        assert equal(agent.state(), before), name
    agent.restore(other.state())
    assert equal(agent.state(), other.state())


@each_kind
def test_who_is_restored_goes_on_as_if_nothing_had_been(kind: str) -> None:
    agent = made(kind, **OPTIONS, **STAYS.get(kind, {}))
    told(agent, transitions(kind, 0))
    twin = PPO(PPOSettings(**vars(agent.settings)), agent.network, 5)
    twin.restore(dict(reversed(agent.state().items())))
    for seed in (1, 2):
        one, other = (told(each, transitions(kind, seed)) for each in (agent, twin))
        np.testing.assert_array_equal(list(one.values()), list(other.values()))
    assert equal(agent.state(), twin.state())


def test_stretches_differ_and_another_seed_has_others() -> None:
    network = Stochastic((4,)).build(2, 2, ())
    asked = [PPO(PPOSettings(lanes=2, stretch=4), network, seed).ask() for seed in (5, 5, 6)]
    noise = [one.stretch.noise for one in asked if one.stretch is not None]
    np.testing.assert_array_equal(noise[0], noise[1])
    assert (noise[0] != noise[2]).all()
    assert (asked[0].parameters != asked[2].parameters).any()

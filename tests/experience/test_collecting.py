"""Collectors: native physics and Gymnasium's give the same steps, and episodes that go on survive a resume."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.environment import find_environment
from cartwheel.errors import EnvironmentFault, StorageError
from cartwheel.experience.collectors import Collector, history, make_collector, native
from cartwheel.experience.records import Experience, Request, Stretch, Transitions
from cartwheel.experience.rollouts import make_rollout
from cartwheel.policies.networks import LayeredNetwork
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.specification import MLP, Recurrent, Specification, Stacked, Stochastic

LANES, LIMIT = 5, 37
NAMES = ["CartPole-v1", "Pendulum-v1", "cartwheel/RepeatPrevious-v0", "cartwheel/TMaze-v0"]
NETWORKS = [MLP((8,)), MLP((40, 40)), Recurrent("gru", (6,)), Recurrent("lstm", (5,)), Stacked(3, MLP((6,)))]
DRAWING = [Stochastic((8,)), Stochastic((6,), cell="gru")]


def collector(environment: Any, network: Specification, native: bool = True, **options: Any) -> Collector:
    found = find_environment(environment, max_episode_steps=options.pop("limit", LIMIT))
    rollout, _ = make_rollout(found, network, native)
    return make_collector(rollout, options.pop("seed", 3), options.pop("lanes", LANES))


def request(made: Collector, number: int, steps: int = 23, **options: Any) -> Request:
    """A stretch of a network that explores, or draws its actions where it can."""
    rng = np.random.default_rng(number)
    theta = made.network.initial(rng, 1, 0.5)
    if isinstance(made.network, LayeredNetwork) and (made.network.groups or made.network.deviations):
        shape = steps, made.count, made.actor.head.size
        noise = rng.random(shape) if made.actor.head.groups else rng.normal(size=shape)
        return Request(parameters=theta, stretch=Stretch(lanes=made.count, noise=noise, memory=True, **options))
    epsilon = np.full(steps, options.pop("epsilon")) if "epsilon" in options else np.linspace(0.5, 0.0, steps)
    stretch = Stretch(lanes=made.count, epsilon=epsilon, memory=True, **options)
    return Request(parameters=theta, stretch=stretch)


def steps_of(experience: Experience) -> Transitions:
    assert experience.transitions is not None
    return experience.transitions


def assert_same(first: Any, second: Any) -> None:
    assert vars(first).keys() == vars(second).keys()
    for name, value in vars(first).items():
        other = getattr(second, name)
        if isinstance(value, Transitions):
            assert_same(value, other)
        else:
            np.testing.assert_array_equal(value, other, err_msg=name)


def assert_same_state(first: Collector, second: Collector) -> None:
    first.keep()
    second.keep()
    one, other = first.state(), second.state()
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize("to_end", [False, True])
@pytest.mark.parametrize("network", NETWORKS + DRAWING, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same_and_go_on_from_a_state(name: str, network: Specification, to_end: bool) -> None:
    """Native and general, in four requests one after the other; after each, others go on from their states."""
    steps = 60 if to_end else 23
    compiled, general = collector(name, network), collector(name, network, native=False)
    assert type(compiled) is not type(general)
    for number in range(4):
        asked = request(compiled, number, steps, to_end=to_end)
        assert_same(compiled(asked), general(asked))
        assert_same_state(compiled, general)
        for kind in (True, False):
            resumed = collector(name, network, native=kind)
            resumed.restore(compiled.state())
            assert_same_state(resumed, compiled)
            compiled = resumed if kind else compiled
            general = general if kind else resumed


def test_steps_are_those_of_the_environment() -> None:
    """Played again in Gymnasium's own from the seeds and the actions: what was seen, got, and what came next."""
    made = collector("CartPole-v1", MLP((8,)), limit=15)
    steps = steps_of(made(request(made, 0, 200)))
    assert steps.boundary.any()
    for lane in range(LANES):
        environment, episode, length = gymnasium.make("CartPole-v1").unwrapped, 0, 0
        obs, _ = environment.reset(seed=made.episode(lane, 0))
        for t in range(200):
            np.testing.assert_array_equal(steps.obs[t, lane], obs)
            following, reward, over, _, _ = environment.step(int(steps.action[t, lane, 0]))
            length += 1
            np.testing.assert_array_equal(steps.next_obs[t, lane], following)
            assert steps.reward[t, lane] == reward
            assert steps.discount[t, lane] == (0.0 if over else 1.0)
            assert steps.boundary[t, lane] == (over or length == 15)
            obs = following
            if steps.boundary[t, lane]:
                episode, length = episode + 1, 0
                obs, _ = environment.reset(seed=made.episode(lane, episode))
    assert (steps.discount[steps.boundary] == 1.0).any(), "no episode was cut by its limit, and this shows too little"


def test_episodes_are_counted_once_with_their_return_and_length() -> None:
    made = collector("CartPole-v1", MLP((8,)))
    found = [made(request(made, number, 50)) for number in range(3)]
    returns = np.concatenate([one.returns[0] for one in found])
    lengths = np.concatenate([one.lengths[0] for one in found])
    np.testing.assert_array_equal(returns, lengths)  # a reward of 1 for each step
    ended = sum(int(steps_of(one).boundary.sum()) for one in found)
    assert len(returns) == ended
    assert sum(one.steps for one in found) == 3 * 50 * LANES == lengths.sum() + int(made.length.sum())


def test_a_lane_rests_when_its_episode_is_over() -> None:
    made = collector("CartPole-v1", MLP((8,)))
    for number in range(2):
        found = made(request(made, number, 100, to_end=True))
        steps = steps_of(found)
        np.testing.assert_array_equal(np.sort(found.lengths[0]), np.sort(steps.taken))
        assert (steps.boundary.sum(axis=0) == 1).all()
        for lane, taken in enumerate(steps.taken):
            assert steps.boundary[taken - 1, lane]
            assert not steps.obs[taken:, lane].any()
            assert not steps.reward[taken:, lane].any()


def test_a_lane_depends_on_no_other() -> None:
    """Few lanes alone, and among others that rest or go on, in several requests: those that rest draw nothing."""
    for to_end, few in ((False, 2), (True, 2), (True, 1)):
        made = [collector("CartPole-v1", Recurrent("gru", (6,)), lanes=lanes) for lanes in (LANES, few)]
        for _ in range(5):
            whole, part = (steps_of(one(request(one, 1, 60, to_end=to_end, epsilon=0.5))) for one in made)
            for name in ("obs", "action", "reward", "next_obs", "memory", "boundary"):
                np.testing.assert_array_equal(getattr(whole, name)[:, :few], getattr(part, name))


def test_what_is_forgotten_of_the_past_is_no_part_of_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Actions are put together each time, or when they are asked for: the same state, and no more is kept."""
    often, seldom = (collector("CartPole-v1", MLP((8,))) for _ in range(2))
    for number in range(6):
        asked = request(often, number)
        with monkeypatch.context() as patched:
            patched.setattr(history, "_MOST", 0)
            often(asked)
            often.keep()
        seldom(asked)
        assert sum(len(often._history.of(lane)) for lane in range(LANES)) == (often.length * often.open).sum()
    assert_same_state(often, seldom)


def test_many_short_stretches_are_put_together_in_time() -> None:
    """Each takes some memory beside its actions, so that a million of single steps would not be small."""
    one = collector("CartPole-v1", MLP((8,)))
    found = one(request(one, 0)).transitions
    past = history.History(LANES, 1)
    single = replace(found, action=found.action[:1, :1], taken=found.taken[:1])
    for _ in range(5000):
        past.add(single)
    assert past.full


def test_exploration_is_as_likely_as_it_is_said() -> None:
    """Against the greedy actions, which the same network takes at epsilon 0: half of the draws are the greedy one."""
    made, steps = collector("CartPole-v1", MLP((8,)), lanes=8, limit=1), 2_000
    asked = request(made, 0, steps, epsilon=0.4)
    theta = asked.parameters[0]
    assert isinstance(theta, np.ndarray)
    found = steps_of(made(asked))
    greedy = made.network.advance(theta, found.obs.reshape(-1, 4), np.zeros((1, 0)))[0].argmax(axis=1)
    other = (greedy != found.action.reshape(-1)).mean()
    assert abs(other - 0.2) < 5 * np.sqrt(0.2 * 0.8 / (8 * steps))
    still = steps_of(made(request(made, 0, 100, epsilon=0.0)))
    greedy = made.network.advance(theta, still.obs.reshape(-1, 4), np.zeros((1, 0)))[0].argmax(axis=1)
    np.testing.assert_array_equal(still.action.reshape(-1), greedy)


def test_continuous_actions_are_drawn_within_their_bounds() -> None:
    made = collector("Pendulum-v1", MLP((8,)))
    actions = steps_of(made(request(made, 0, 500, epsilon=1.0))).action
    assert -2.0 <= actions.min() < -1.9
    assert 1.9 < actions.max() <= 2.0
    assert abs(actions.mean()) < 5 * (4 / np.sqrt(12)) / np.sqrt(actions.size)


def outputs_of(made: Collector, asked: Request, steps: Transitions) -> Any:
    """What the network gives for what was seen, (T, N, o)."""
    T, N, _ = steps.obs.shape
    outputs = made.network.advance(np.asarray(asked.parameters[0]), steps.obs.reshape(T * N, -1), np.zeros((1, 0)))[0]
    return outputs.reshape(T, N, -1)


def test_choices_are_drawn_by_their_chances() -> None:
    """The first choice whose sum of chances up to it is larger than the noise: the softmax's, worked out beside it."""
    made = collector("Acrobot-v1", Stochastic((8,)))
    asked = request(made, 0, 300)
    assert asked.stretch is not None
    assert asked.stretch.noise is not None
    steps = steps_of(made(asked))
    logits = outputs_of(made, asked, steps).astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = (chances.cumsum(axis=-1) <= asked.stretch.noise).sum(axis=-1)
    assert steps.draw is not None
    np.testing.assert_array_equal(steps.action[..., 0], expected)
    np.testing.assert_array_equal(steps.draw, steps.action)
    assert np.bincount(expected.ravel()).min() > 100
    sure = np.bincount(logits.argmax(axis=-1).ravel() == expected.ravel())
    assert sure.min() > 100, "a greedy network would pass this"


def test_numbers_are_drawn_about_their_means_and_clipped_for_the_environment_alone() -> None:
    made = collector("Pendulum-v1", Stochastic((8,)))
    asked = request(made, 0, 300)
    assert asked.stretch is not None
    assert asked.stretch.noise is not None
    theta = np.asarray(asked.parameters[0])
    theta[-1] = 0.5  # log_std
    steps = steps_of(made(asked))
    assert steps.draw is not None
    expected = outputs_of(made, asked, steps) + np.exp(0.5) * asked.stretch.noise
    np.testing.assert_allclose(steps.draw, expected, rtol=1e-5, atol=1e-6)
    assert abs(steps.draw).max() > 2.0
    np.testing.assert_array_equal(steps.action, np.clip(2.0 * steps.draw, -2.0, 2.0))


@pytest.mark.parametrize("is_native", [True, False])
def test_a_lane_that_does_not_end_is_broken_off(is_native: bool) -> None:
    """With an end that is wanted and does not come; the next request begins another episode."""
    made = collector("Pendulum-v1", Stochastic((8,)), is_native)
    found = [made(request(made, number, 5, to_end=True)) for number in range(2)]
    for one in found:
        steps = steps_of(one)
        assert steps.boundary[-1].all()
        assert not steps.boundary[:-1].any()
        assert steps.discount.all(), "as at a time limit, what would have followed counts"
        np.testing.assert_array_equal(one.lengths, np.full((1, LANES), 5))
        np.testing.assert_allclose(one.returns[0], steps.reward.sum(axis=0))
    np.testing.assert_array_equal(made.begun, np.full(LANES, 2))
    first, second = (steps_of(one).obs[0] for one in found)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("is_native", [True, False])
def test_what_is_seen_is_normalised_and_its_moments_are_of_what_it_was(is_native: bool) -> None:
    plain, made = (collector("CartPole-v1", Stochastic((8,)), is_native) for _ in range(2))
    asked = request(plain, 0, 40, to_end=True)
    through = Normalisation(np.array([0.1, -0.2, 0.0, 0.3]), np.array([3.0, 2.0, 50.0, 1.0]))
    first = replace(asked, moments=True)
    found, seen = plain(first), made(replace(first, normalisation=through))
    steps, normalised = steps_of(found), steps_of(seen)
    assert found.seen is not None
    assert seen.seen is not None
    for lane, taken in enumerate(steps.taken):
        obs = steps.obs[:taken, lane].astype(np.float64)
        np.testing.assert_allclose(found.seen[0, lane, 0], obs.mean(axis=0), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.seen[0, lane, 1], ((obs - obs.mean(axis=0)) ** 2).sum(axis=0), rtol=1e-10)
    np.testing.assert_array_equal(normalised.obs[0], through.apply(steps.obs[0]))
    assert abs(normalised.obs).max() == 10.0, "nothing was clipped, and this shows too little"
    theta = np.asarray(asked.parameters[0])
    logits = outputs_of(made, Request(parameters=theta[None]), normalised)
    chance = 1.0 / (1.0 + np.exp(logits[..., 1] - logits[..., 0]))
    assert asked.stretch is not None
    assert asked.stretch.noise is not None
    acted = np.arange(40)[:, None] < normalised.taken
    np.testing.assert_array_equal(normalised.action[..., 0][acted], (asked.stretch.noise[..., 0] >= chance)[acted])


def test_draws_must_fit_the_network() -> None:
    squashed, stochastic = collector("Pendulum-v1", MLP((8,))), collector("Pendulum-v1", Stochastic((8,)))
    stretch = Stretch(lanes=LANES, noise=np.zeros((3, LANES, 1)))
    with pytest.raises(ValueError, match="no distribution to draw numbers from"):
        squashed(Request(parameters=np.zeros((1, squashed.network.size), np.float32), stretch=stretch))
    wide = Stretch(lanes=LANES, noise=np.zeros((3, LANES, 2)))
    with pytest.raises(ValueError, match=r"expected noise of shape \(3, 5, 1\), got \(3, 5, 2\)"):
        stochastic(Request(parameters=np.zeros((1, stochastic.network.size), np.float32), stretch=wide))
    for both in ({}, {"epsilon": np.zeros(3), "noise": np.zeros((3, 1, 1))}):
        with pytest.raises(ValueError, match="expected a stretch with epsilon, or one with noise"):
            Stretch(lanes=1, **both)


def test_memories_go_on_within_an_episode_and_are_empty_at_its_beginning() -> None:
    made = collector("CartPole-v1", Recurrent("gru", (6,)))
    asked = request(made, 0, 80, epsilon=0.0)
    theta = np.asarray(asked.parameters[0])
    steps = steps_of(made(asked))
    assert steps.memory is not None
    for t in range(79):
        _, after = made.network.advance(theta, steps.obs[t], steps.memory[t])
        expected = np.where(steps.boundary[t][:, None], np.float32(0.0), after)
        np.testing.assert_allclose(steps.memory[t + 1], expected, atol=1e-6)
    assert steps.memory[1:].any()
    again = steps_of(made(asked)).memory
    assert again is not None
    assert again[0].any(), "the memory was lost from one request to the next"


def test_more_episodes_than_generators_were_drawn() -> None:
    """Episodes of one step: hundreds in one request."""
    compiled = collector("CartPole-v1", MLP((8,)), limit=1, lanes=3)
    general = collector("CartPole-v1", MLP((8,)), limit=1, lanes=3, native=False)
    asked = request(compiled, 0, 150)
    found = compiled(asked)
    assert_same(found, general(asked))
    assert len(found.returns[0]) == 450
    assert len(np.unique(steps_of(found).obs, axis=0)) == 150


def test_what_is_asked_must_fit() -> None:
    made = collector("CartPole-v1", MLP((8,)))
    good = request(made, 0)
    for bad in (
        Request(parameters=good.parameters, episodes=3),
        Request(parameters=np.zeros((1, 7), np.float32), stretch=good.stretch),
        Request(parameters=good.parameters, stretch=Stretch(lanes=4, epsilon=np.zeros(3))),
    ):
        with pytest.raises(ValueError, match=r"expected a stretch of 5 lanes by one vector of \d+ parameters"):
            made(bad)


class Unsteady(gymnasium.Env[Any, Any]):
    """Draws its observations from a generator that no seed reaches, where it is told to; else counts its steps."""

    observation_space = gymnasium.spaces.Box(-10.0, 1000.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    steady = True
    broken = False

    def __init__(self) -> None:
        self.steps = 0
        self.own = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.broken and self.steps == 5:
            raise RuntimeError("out of order")
        seen = self.steps if self.steady else self.own.uniform()
        return np.array([seen], np.float32), 1.0, False, False, {}


def test_an_environment_that_does_not_repeat_itself_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unsteady, "steady", False)
    made = collector(Unsteady, MLP((4,)))
    made(request(made, 0, 10))
    made.keep()
    with pytest.raises(StorageError, match=r"does not repeat itself: after 10 steps of the episode \d+, played again"):
        collector(Unsteady, MLP((4,))).restore(made.state())


def test_a_request_that_is_broken_off_leaves_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = collector(Unsteady, MLP((4,))), collector(Unsteady, MLP((4,)))
    made(request(made, 0, 3))
    other(request(other, 0, 3))
    monkeypatch.setattr(Unsteady, "broken", True)
    with pytest.raises(EnvironmentFault, match="out of order"):
        made(request(made, 1, 10))
    monkeypatch.setattr(Unsteady, "broken", False)
    assert_same_state(made, other)


def test_what_is_not_kept_is_no_part_of_the_state() -> None:
    """Until `keep`, or the next request, it is that of before: whoever is interrupted there has learnt nothing."""
    made, other = collector("CartPole-v1", MLP((4,))), collector("CartPole-v1", MLP((4,)))
    for one in (made, other):
        one(request(one, 0, 20))
        one.keep()
    before = made.state()
    made(request(made, 1, 20))
    for name, value in made.state().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    found = made(request(made, 2, 20))  # keeps the one before
    other(request(other, 1, 20))
    assert_same(found, other(request(other, 2, 20)))


def test_a_reward_that_is_not_finite_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    made = collector("CartPole-v1", MLP((4,)))
    honest = native.collect

    def spoilt(*arguments: Any) -> int:
        last: int = honest(*arguments)
        arguments[19][2, 1] = np.nan
        return last

    monkeypatch.setattr(native, "collect", spoilt)
    with pytest.raises(EnvironmentFault, match="the native environment's reward is nan"):
        made(request(made, 0))


def test_environments_are_closed() -> None:
    closed: list[Any] = []

    class Closing(Unsteady):
        def close(self) -> None:
            closed.append(self)

    made = collector(Closing, MLP((4,)))
    made(request(made, 0, 2))
    before = len(closed)  # the one that told the spaces
    made.close()
    assert len(closed) == before + LANES

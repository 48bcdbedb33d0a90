"""Rollouts against episodes stepped by hand, one candidate and one environment at a time."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from cartwheel.envs.environment import Environment, find_environment
from cartwheel.envs.native.cartpole import NATIVE as CARTPOLE_PHYSICS
from cartwheel.envs.native.registry import find_native
from cartwheel.errors import EnvironmentFault, UsageError
from cartwheel.experience import rollouts as rollouts_module
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, make_rollout
from cartwheel.kernels.compile import STEP, compiled
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP
from cartwheel.training.executors import Serial, Threads

CARTPOLE = find_environment("CartPole-v1")
BALANCING = [0, 0.1, 0, 0.2, 0, 1, 0, 1, 0, 0]  # MLP(hidden=()): W (4, 2) by rows, b (2,)


class Corridor(gymnasium.Env[Any, Any]):
    """A user's own: every number it gives depends on the seed, the step and all actions so far.

    An action that does not belong to its space is an error. `faults` says what it gives instead, by seed, step (0 is
    the reset) and field; an exception is raised.
    """

    observation_space: Any = spaces.Box(-np.inf, np.inf, (3,))

    def __init__(self, action: Any = None, faults: Any = None, length: int = 9) -> None:
        self.action_space = spaces.Discrete(2) if action is None else action
        self.faults, self.length = faults or {}, length
        self.lock = threading.Lock()  # a live environment can't be pickled
        self.closed = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seed, self.steps, self.place = seed, 0, self.np_random.normal(size=3)
        return self.told("observation", self.observe()), {}

    def step(self, action: Any) -> Any:
        if not self.action_space.contains(action):
            raise ValueError(f"{action!r} is not in {self.action_space}")
        self.steps += 1
        numbers = np.asarray(action, np.float64).ravel()
        score = float(numbers @ np.arange(1, len(numbers) + 1)) / 8
        self.place = self.np_random.normal(size=3) + np.tanh(score)
        over = self.told("terminated", self.steps >= self.length or self.place[0] > 2.5)
        observation = self.told("observation", self.observe())
        return observation, self.told("reward", score), over, self.told("truncated", False), {}

    def observe(self) -> Any:
        return self.place.astype(np.float32)

    def told(self, field: str, value: Any) -> Any:
        value = self.faults.get((self.seed, self.steps, field), value)
        if isinstance(value, Exception):
            raise value
        return value

    def close(self) -> None:
        self.closed += 1


def corridor(**arguments: Any) -> Environment:
    return find_environment(Corridor, arguments)


def by_hand(make: Callable[[], Any], environment: Environment, mlp: MLP, thetas: Any, seeds: Any) -> Experience:
    """The same episodes by the plainest loop: `Policy.act`, on lists and so by NumPy, and the own step."""
    returns, lengths = np.zeros((len(thetas), len(seeds))), np.zeros((len(thetas), len(seeds)), np.int64)
    for p, theta in enumerate(thetas):
        policy = Policy(mlp, environment.observation_space, environment.action_space, theta)
        for e, seed in enumerate(seeds):
            env = make()
            observation, _ = env.reset(seed=int(seed))
            over = False
            while not over:
                action, _ = policy.act(np.asarray(observation).tolist())
                observation, reward, terminated, truncated, _ = env.step(action)
                returns[p, e] += float(reward)
                lengths[p, e] += 1
                over = terminated or truncated or lengths[p, e] == environment.limit
            env.close()
    return Experience(returns=returns, lengths=lengths)


def population(network: Any, count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, network.size)).astype(np.float32)


def measured(rollout: Any, parameters: Any, seeds: Any) -> Experience:
    """What a rollout makes of these candidates in these episodes."""
    return rollout(Request(parameters=parameters, episodes=len(seeds)), seeds)


def equal(first: Experience, second: Experience) -> None:
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert first.returns.tobytes() == second.returns.tobytes()


# --- against the plain loop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mlp", [MLP(()), MLP((7,)), MLP((7, 5, 3), "tanh"), MLP((16, 5), "identity")], ids=str)
@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_general_equals_gymnasiums_episodes(name: str, mlp: MLP) -> None:
    environment = find_environment(name, max_episode_steps=300)
    rollout = GeneralRollout(environment, mlp)
    thetas, seeds = population(rollout.network, 7), np.arange(3)
    expected = by_hand(lambda: gymnasium.make(name, max_episode_steps=300), environment, mlp, thetas, seeds)
    assert len(np.unique(np.stack([expected.returns, expected.lengths]), axis=1).T) > 1  # there is something to compare
    equal(measured(rollout, thetas, seeds), expected)
    rollout.close()


def test_general_reaches_the_environments_own_limit() -> None:
    environment = find_environment("CartPole-v1")
    rollout = GeneralRollout(environment, MLP(()))
    thetas, seeds = np.array([BALANCING, np.zeros(10)], np.float32), np.array([3, 4])
    expected = by_hand(lambda: gymnasium.make("CartPole-v1"), environment, MLP(()), thetas, seeds)
    assert expected.lengths[0].tolist() == [500, 500]
    equal(measured(rollout, thetas, seeds), expected)


def test_general_on_continuous_actions() -> None:
    """NumPy's tanh and the C library's differ by an ulp or so."""
    name = "MountainCarContinuous-v0"
    environment, mlp = find_environment(name, max_episode_steps=100), MLP((5,), "tanh")
    rollout = GeneralRollout(environment, mlp)
    thetas, seeds = population(rollout.network, 4), np.arange(2)
    expected = by_hand(lambda: gymnasium.make(name, max_episode_steps=100), environment, mlp, thetas, seeds)
    got = measured(rollout, thetas, seeds)
    np.testing.assert_array_equal(got.lengths, expected.lengths)
    np.testing.assert_allclose(got.returns, expected.returns, rtol=1e-5)
    rollout.close()


ACTIONS = [
    spaces.Discrete(3, start=3),
    spaces.Discrete(4, start=-2),
    spaces.MultiDiscrete([2, 4, 3]),
    spaces.MultiDiscrete(np.array([[2, 4], [3, 5]]), start=np.array([[0, -1], [10, 3]])),
    spaces.MultiBinary(5),
    spaces.MultiBinary([2, 3]),
    spaces.Box(-5, 5, (2, 3), np.int64),
    spaces.Box(0, 255, (2,), np.uint8),
    spaces.Box(-1, 1, (2, 3)),
    spaces.Box(-0.1, 0.7, (1,), np.float64),
]


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_general_acts_in_every_space(action: Any) -> None:
    environment, mlp = corridor(action=action), MLP((7,))
    rollout = GeneralRollout(environment, mlp)
    thetas, seeds = population(rollout.network, 20), np.array([5, 0, 7])
    expected = by_hand(lambda: Corridor(action), environment, mlp, thetas, seeds)
    got = measured(rollout, thetas, seeds)
    assert len(np.unique(expected.returns)) > 3
    np.testing.assert_array_equal(got.lengths, expected.lengths)
    if isinstance(action, spaces.Box) and action.dtype.kind == "f":
        np.testing.assert_allclose(got.returns, expected.returns, rtol=1e-5, atol=1e-5)
    else:
        equal(got, expected)


class Structured(Corridor):
    """The same corridor, seen through a dict of parts."""

    observation_space = spaces.Dict(
        {
            "place": spaces.Box(-np.inf, np.inf, (3, 1), np.float64),
            "inside": spaces.Tuple((spaces.Discrete(10), spaces.MultiBinary(2))),
        }
    )

    def observe(self) -> Any:
        signs = (self.place[:2] > 0).astype(np.int8)
        return {"place": self.place[:, None], "inside": (self.steps, signs)}


def test_general_on_structured_observations() -> None:
    environment, mlp = find_environment(Structured), MLP((5,))
    assert environment.observation_size == 3 + 10 + 2
    rollout = GeneralRollout(environment, mlp)
    thetas, seeds = population(rollout.network, 20), np.arange(3)
    equal(measured(rollout, thetas, seeds), by_hand(Structured, environment, mlp, thetas, seeds))


class Reuses(Corridor):
    """Writes each observation into the same array."""

    def observe(self) -> Any:
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros(3, np.float32)
        self.buffer[:] = self.place
        return self.buffer


def test_an_environment_may_write_its_observations_into_one_array() -> None:
    first, second = (GeneralRollout(find_environment(kind), MLP((5,))) for kind in (Corridor, Reuses))
    thetas, seeds = population(first.network, 20), np.arange(3)
    equal(measured(first, thetas, seeds), measured(second, thetas, seeds))


class Far(Corridor):
    """Sees nothing but large numbers."""

    def observe(self) -> Any:
        return np.full(3, 100, np.float32)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_weights_that_overflow_act_as_the_policy_does() -> None:
    """inf - inf, from parameters that are all finite."""
    environment = find_environment(Far)
    thetas = np.array([[0, 3e38, 0, 3e38, 0, -3e38, 0, 0]], np.float32)
    expected = by_hand(Far, environment, MLP(()), thetas, [0])
    equal(measured(GeneralRollout(environment, MLP(())), thetas, np.array([0])), expected)


# --- native against general ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limit", "hidden", "activation", "candidates", "episodes"),
    [
        ("CartPole-v1", None, (), "relu", 1, 40),
        ("CartPole-v1", None, (7,), "relu", 33, 5),
        ("CartPole-v1", None, (5, 7, 3), "tanh", 70, 3),
        ("CartPole-v1", None, (16, 16), "identity", 33, 1),
        ("CartPole-v1", 40, (16,), "relu", 70, 11),
        *(("CartPole-v1", 60, (5,), "relu", count, 1) for count in (15, 16, 17, 47, 48, 49, 97)),  # lanes, more or less
        ("CartPole-v0", None, (), "tanh", 70, 1),
        ("CartPole-v0", None, (5,), "tanh", 33, 7),
        ("MountainCarContinuous-v0", None, (), "relu", 1, 3),
        ("MountainCarContinuous-v0", None, (7, 5), "tanh", 33, 1),
        ("MountainCarContinuous-v0", 150, (5,), "relu", 70, 2),
        ("MountainCarContinuous-v0", 150, (3, 3, 3), "identity", 33, 3),
        ("MountainCarContinuous-v0", 20, (16,), "tanh", 1, 40),
    ],
)
def test_native_equals_general(
    name: str, limit: int | None, hidden: tuple[int, ...], activation: str, candidates: int, episodes: int
) -> None:
    environment, physics = find_environment(name, max_episode_steps=limit), find_native(name)
    assert physics is not None
    native = NativeRollout(environment, MLP(hidden, activation), physics)
    general = GeneralRollout(environment, MLP(hidden, activation))
    thetas, seeds = population(native.network, candidates), np.arange(100, 100 + episodes)
    got = measured(native, thetas, seeds)
    assert got.returns.shape == got.lengths.shape == (candidates, episodes)
    equal(got, measured(general, thetas, seeds))
    general.close()


def test_native_and_general_reach_the_same_limits() -> None:
    for name, limit in (("CartPole-v0", 200), ("CartPole-v1", 500)):
        environment = find_environment(name)
        thetas, seeds = np.array([BALANCING] * 5, np.float32), np.arange(3)
        for native in (True, False):
            rollout, warnings = make_rollout(environment, MLP(()), native)
            assert warnings == []
            experience = measured(rollout, thetas, seeds)
            assert (experience.lengths == limit).all()
            assert (experience.returns == float(limit)).all()
            rollout.close()


def test_native_solves_the_mountain_as_general_does() -> None:
    """Full throttle in the direction of travel reaches the top: terminations, and the reward of 100, are compared."""
    environment, physics = find_environment("MountainCarContinuous-v0"), find_native("MountainCarContinuous-v0")
    assert physics is not None
    thetas = np.array([[0, 500, 0], [0, 100, 0], [0, 5, 0]], np.float32)
    got = measured(NativeRollout(environment, MLP(()), physics), thetas, np.arange(4))
    assert (got.returns[0] > 89).all()
    assert (got.lengths[0] < 300).all()
    equal(got, measured(GeneralRollout(environment, MLP(())), thetas, np.arange(4)))


# --- independence ----------------------------------------------------------------------------------------------------


def rollouts(environment: Environment, mlp: MLP, lanes: int = 16) -> list[Any]:
    physics = find_native(environment.name)
    general = GeneralRollout(environment, mlp, lanes)
    return [general] if physics is None else [general, NativeRollout(environment, mlp, physics)]


@pytest.mark.parametrize(
    "environment",
    [CARTPOLE, find_environment("MountainCarContinuous-v0", max_episode_steps=30), find_environment(Corridor)],
    ids=lambda environment: environment.name,
)
def test_a_result_depends_on_no_other_candidate_and_no_other_episode(environment: Environment) -> None:
    for rollout in rollouts(environment, MLP((7, 5), "tanh")):
        thetas, seeds = population(rollout.network, 33), np.arange(5)
        all_of_them = measured(rollout, thetas, seeds)
        order = np.random.default_rng(1).permutation(33)
        columns = np.array([4, 0, 2])
        for rows in (order, order[:7], np.array([13]), np.array([2, 2, 2])):
            got = measured(rollout, thetas[rows], seeds)
            equal(got, Experience(returns=all_of_them.returns[rows], lengths=all_of_them.lengths[rows]))
        got = measured(rollout, thetas, seeds[columns])
        equal(got, Experience(returns=all_of_them.returns[:, columns], lengths=all_of_them.lengths[:, columns]))
        rollout.close()


@pytest.mark.parametrize("environment", [CARTPOLE, find_environment(Corridor)], ids=["CartPole-v1", "Corridor"])
def test_a_result_does_not_depend_on_the_number_of_lanes(environment: Environment) -> None:
    results = []
    for lanes in (1, 3, 16, 64):
        rollout = GeneralRollout(environment, MLP((7,), "tanh"), lanes)
        results.append(measured(rollout, population(rollout.network, 11), np.arange(7)))
        rollout.close()
    for other in results[1:]:
        equal(other, results[0])


def test_a_call_leaves_nothing_to_the_next() -> None:
    for environment in (CARTPOLE, find_environment(Corridor)):
        for rollout in rollouts(environment, MLP((5,))):
            thetas, seeds = population(rollout.network, 9), np.arange(4)
            first = measured(rollout, thetas, seeds)
            measured(rollout, population(rollout.network, 20, seed=5), np.arange(10, 12))
            equal(measured(rollout, thetas, seeds), first)
            rollout.close()
            equal(measured(rollout, thetas, seeds), first)  # a closed rollout makes new environments
            rollout.close()


@pytest.mark.parametrize(("candidates", "episodes"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_asked_is_nothing_answered(candidates: int, episodes: int) -> None:
    for rollout in rollouts(CARTPOLE, MLP((5,))):
        got = measured(rollout, population(rollout.network, candidates), np.arange(episodes))
        assert got.returns.shape == got.lengths.shape == (candidates, episodes)
        assert got.steps == 0


def test_inputs_stay_as_they_were_and_may_be_read_only() -> None:
    for rollout in rollouts(CARTPOLE, MLP((5,))):
        thetas, seeds = population(rollout.network, 9), np.arange(4)
        given = thetas.copy(), seeds.copy()
        expected = measured(rollout, *given)
        for array in given:
            array.flags.writeable = False
        equal(measured(rollout, *given), expected)
        np.testing.assert_array_equal(given[0], thetas)
        np.testing.assert_array_equal(given[1], seeds)
        equal(measured(rollout, np.asfortranarray(thetas), seeds.astype(np.int32)), expected)
        equal(measured(rollout, np.repeat(thetas, 2, axis=0)[::2], np.repeat(seeds, 2)[::2]), expected)
        rollout.close()


def test_results_belong_to_the_caller() -> None:
    for rollout in rollouts(CARTPOLE, MLP((5,))):
        thetas, seeds = population(rollout.network, 3), np.arange(2)
        first = measured(rollout, thetas, seeds)
        kept = copy.deepcopy(first)
        measured(rollout, population(rollout.network, 3, seed=9), seeds)
        equal(first, kept)
        assert (first.returns.dtype, first.lengths.dtype) == (np.float64, np.int64)


def test_vectors_of_another_length_are_refused() -> None:
    general, native = rollouts(CARTPOLE, MLP((5,)))
    for rollout in (general, native):
        with pytest.raises(ValueError, match=rf"expected parameters \(P, {rollout.network.size}\), got shape \(2, "):
            measured(rollout, np.zeros((2, rollout.network.size + 1), np.float32), np.arange(2))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_there_is_a_seed_for_each_episode(count: int) -> None:
    for rollout in rollouts(CARTPOLE, MLP((5,))):
        request = Request(parameters=population(rollout.network, 2), episodes=3)
        for call in (rollout, lambda *given, by=rollout: by.spread(*given, Serial())):
            with pytest.raises(ValueError, match=f"a seed for each of the request's 3 episodes, got {count}"):
                call(request, np.arange(count))


def test_there_is_at_least_one_lane() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whichever text)
        GeneralRollout(CARTPOLE, MLP(()), lanes=0)


# --- limits ----------------------------------------------------------------------------------------------------------


def always(environment: Environment) -> Experience:
    rollout = GeneralRollout(environment, MLP(()))
    return measured(rollout, np.zeros((2, rollout.network.size), np.float32), np.arange(3))


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_the_limit_cuts_every_episode(limit: int) -> None:
    environment = find_environment(Corridor, {"length": 100}, max_episode_steps=limit)
    assert always(environment).lengths.max() == limit
    assert (always(find_environment("CartPole-v1", max_episode_steps=limit)).lengths == limit).all()


def test_an_environments_own_truncation_ends_an_episode() -> None:
    faults = {(seed, 2 + seed, "truncated"): True for seed in range(3)}
    assert always(corridor(faults=faults)).lengths.tolist() == [[2, 3, 4]] * 2
    faults = {(seed, 4 - seed, "terminated"): True for seed in range(3)}
    assert always(corridor(faults=faults)).lengths.tolist() == [[4, 3, 2]] * 2


def test_an_environment_that_never_ends_is_cut_at_the_default_limit() -> None:
    class Endless(Corridor):
        def step(self, action: Any) -> Any:
            return np.zeros(3, np.float32), 0.5, False, False, {}

    environment = find_environment(Endless)
    assert environment.limit_is_default
    rollout = GeneralRollout(environment, MLP(()))
    experience = measured(rollout, np.zeros((1, rollout.network.size), np.float32), np.arange(1))
    assert experience.lengths.tolist() == [[10_000]]
    assert experience.returns.tolist() == [[5000.0]]


# --- faults ----------------------------------------------------------------------------------------------------------


def fault_of(faults: dict[tuple[int, int, str], Any], lanes: int = 16) -> EnvironmentFault:
    rollout = GeneralRollout(corridor(faults=faults, length=6), MLP(()), lanes)
    thetas = np.zeros((4, rollout.network.size), np.float32)
    with pytest.raises(EnvironmentFault) as caught:
        measured(rollout, thetas, np.array([11, 12, 13]))
    good = measured(rollout, thetas, np.array([21, 22]))  # the environments stopped in mid-episode
    equal(good, measured(GeneralRollout(corridor(length=6), MLP(())), thetas, np.array([21, 22])))
    return caught.value


@pytest.mark.parametrize("lanes", [1, 3, 16])
@pytest.mark.parametrize(
    ("step", "field", "value", "problem"),
    [
        (0, "observation", RuntimeError("stuck"), "RuntimeError: stuck"),
        (2, "observation", RuntimeError("stuck"), "RuntimeError: stuck"),
        (0, "observation", np.array([0, np.nan, 0]), "not finite: [0.0, nan, 0.0]"),
        (3, "observation", np.array([0, np.nan, 0]), "not finite: [0.0, nan, 0.0]"),
        (6, "observation", np.array([0, 0, np.inf]), "not finite: [0.0, 0.0, inf]"),  # the last step of the episode
        (0, "observation", np.zeros(4), "expected shape (3,), got (4,)"),
        (4, "observation", np.zeros((3, 1)), "expected shape (3,), got (3, 1)"),
        (4, "observation", None, "expected shape (3,), got ()"),
        (1, "reward", None, "expected a number, got None"),
        (3, "reward", np.nan, "not finite: nan"),
        (6, "reward", np.inf, "not finite: inf"),
        (2, "terminated", "yes", "expected true or false, got 'yes'"),
        (2, "truncated", None, "expected true or false, got None"),
    ],
)
def test_a_fault_names_the_episode_and_the_step(step: int, field: str, value: Any, problem: str, lanes: int) -> None:
    fault = fault_of({(12, step, field): value}, lanes)
    if isinstance(value, Exception):
        field = "reset" if step == 0 else "step"
    assert (fault.seed, fault.step, fault.field, fault.problem) == (12, step, field, problem)
    assert fault.environment == f"{__name__}:Corridor"


@pytest.mark.parametrize("value", [list("abc"), list("123"), [1j, 2j, 3j]], ids=["texts", "digits", "complex"])
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_observations_of_the_right_shape_are_numbers(value: Any) -> None:
    fault = fault_of({(12, 3, "observation"): np.array(value)})
    assert (fault.seed, fault.step, fault.field) == (12, 3, "observation")


def test_a_number_too_large_for_float32_is_a_fault_without_a_warning() -> None:
    assert fault_of({(12, 3, "observation"): np.array([0, 0, 1e300])}).problem.startswith("not finite")


def test_a_fault_in_a_long_observation_is_one_line() -> None:
    class Wide(Corridor):
        observation_space = spaces.Box(-1, 1, (30,))

        def observe(self) -> Any:
            return np.full(30, np.nan)

    rollout = GeneralRollout(find_environment(Wide), MLP(()))
    with pytest.raises(EnvironmentFault) as caught:
        measured(rollout, np.zeros((1, rollout.network.size), np.float32), np.arange(1))
    assert "\n" not in str(caught.value)


def test_a_factory_that_hands_out_the_same_environment_again_is_refused() -> None:
    only = Corridor()
    with pytest.raises(UsageError, match="same"):
        always(find_environment(lambda: only))


def test_a_native_reward_that_is_no_number_is_a_fault() -> None:
    @compiled(STEP)
    def step(lanes: int, state: Any, action: Any, generators: Any, reward: Any, terminated: Any) -> None:
        for lane in range(lanes):
            reward[lane] = np.nan
            terminated[lane] = True

    rollout = NativeRollout(CARTPOLE, MLP(()), dataclasses.replace(CARTPOLE_PHYSICS, step=step))
    with pytest.raises(EnvironmentFault) as caught:
        measured(rollout, np.zeros((2, 10), np.float32), np.array([5, 6]))
    fault = caught.value
    assert (fault.environment, fault.seed, fault.step, fault.field) == ("CartPole-v1", 5, 1, "reward")
    assert fault.problem == "the native environment's return is nan"


# --- what is made, sent and closed -----------------------------------------------------------------------------------


def test_environments_are_made_when_needed_kept_and_closed() -> None:
    made: list[Corridor] = []

    def factory() -> Corridor:
        made.append(Corridor())
        return made[-1]

    environment = find_environment(factory)
    rollout = GeneralRollout(environment, MLP(()), lanes=4)
    made.clear()
    thetas = np.zeros((9, rollout.network.size), np.float32)
    for candidates, count in ((1, 1), (3, 3), (9, 4), (2, 4)):
        measured(rollout, thetas[:candidates], np.array([0]))
        assert len(made) == count
    assert [env.closed for env in made] == [0] * 4
    rollout.close()
    rollout.close()
    assert [env.closed for env in made] == [1] * 4


@pytest.mark.parametrize(
    "environment",
    [CARTPOLE, corridor(), find_environment(lambda: Corridor(length=3))],
    ids=["name", "class", "function"],
)
def test_a_rollout_can_be_sent_to_another_process(environment: Environment) -> None:
    for rollout in rollouts(environment, MLP((5,))):
        thetas, seeds = population(rollout.network, 5), np.arange(2)
        first = measured(rollout, thetas, seeds)
        sent = cloudpickle.dumps(rollout)
        assert len(sent) < 20_000
        again = cloudpickle.loads(sent)
        assert getattr(again, "_made", []) == []
        assert again.path == rollout.path
        equal(measured(again, thetas, seeds), first)
        equal(measured(rollout, thetas, seeds), first)  # and what was left here still works


def test_records_count_their_steps() -> None:
    assert Experience(returns=np.zeros((2, 3)), lengths=np.array([[1, 2, 3], [4, 5, 6]])).steps == 21
    with pytest.raises(dataclasses.FrozenInstanceError):
        Request(parameters=np.zeros((1, 2), np.float32), episodes=3).episodes = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Request(np.zeros((1, 2), np.float32), 3)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Experience(np.zeros((1, 2)), np.ones((1, 2), np.int64))  # type: ignore[misc]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("longest", [2_000_000, 1])
def test_threads_that_share_a_counter_do_each_job_once(
    workers: int, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and into however many calls a job is cut."""
    monkeypatch.setattr(rollouts_module, "_LONGEST_CALL", longest)
    rollout, _ = make_rollout(find_environment("CartPole-v1", max_episode_steps=60), MLP((3,)))
    parameters = rollout.network.initial(np.random.default_rng(2), 70)
    seeds = np.arange(9)
    request = Request(parameters=parameters, episodes=len(seeds))
    alone = rollout(request, seeds)
    threads = Threads(workers)
    shared = rollout.spread(request, seeds, threads)
    threads.close()
    np.testing.assert_array_equal(shared.returns, alone.returns)
    np.testing.assert_array_equal(shared.lengths, alone.lengths)
    assert alone.lengths.min() >= 8


@pytest.mark.parametrize(("candidates", "episodes"), [(70, 3), (3, 20), (1, 2), (2, 1), (0, 3), (3, 0)])
def test_slices_put_together_are_the_whole(candidates: int, episodes: int) -> None:
    """Shared out by candidates or by episodes, to as many processes as there may be."""
    rollout = GeneralRollout(corridor(), MLP((5,)))
    parameters, seeds = population(rollout.network, candidates), np.arange(7, 7 + episodes)
    request, asked = Request(parameters=parameters, episodes=episodes), []

    class Pretended(Serial):
        """Two workers that are one."""

        workers = 2

        def map(self, function: Any, items: Any) -> Any:
            asked.extend(items)
            return super().map(function, items)

    equal(rollout.spread(request, seeds, Pretended()), rollout(request, seeds))
    assert sum(len(part.request.parameters) * part.request.episodes for part in asked) == candidates * episodes
    assert all(len(part.seeds) == part.request.episodes for part in asked)
    assert len(asked) > 1 or candidates * episodes < 3

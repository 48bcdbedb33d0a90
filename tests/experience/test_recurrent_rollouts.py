"""Rollouts with a memory, with normalised observations and with their moments.

Hand-built networks with known returns, native against general to the bit, and both against episodes stepped by hand.
"""

from __future__ import annotations

from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from cartwheel.envs.environment import Environment, find_environment
from cartwheel.envs.native.registry import find_native
from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.moments import Moments
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, make_rollout
from cartwheel.kernels.acting import act
from cartwheel.policies.actions import action_head
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP, Recurrent, Specification, Stacked
from cartwheel.spaces import Box, Discrete
from cartwheel.training.executors import Serial, Threads, make_executor

CARTPOLE = find_environment("CartPole-v1", max_episode_steps=80)
CELLS = ["rnn", "gru", "lstm"]


def population(network: Any, count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, network.size)).astype(np.float32)


def both(environment: Environment, specification: Specification) -> list[Any]:
    physics = find_native(environment.name)
    assert physics is not None
    return [NativeRollout(environment, specification, physics), GeneralRollout(environment, specification)]


def measured(rollout: Any, thetas: Any, seeds: Any, **wanted: Any) -> Experience:
    experience: Experience = rollout(Request(parameters=thetas, episodes=len(seeds), **wanted), seeds)
    return experience


def equal(first: Experience, second: Experience) -> None:
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert first.returns.tobytes() == second.returns.tobytes()
    assert (first.seen is None) == (second.seen is None)
    if first.seen is not None and second.seen is not None:
        assert first.seen.tobytes() == second.seen.tobytes()


# --- known returns ---------------------------------------------------------------------------------------------------


def shift_register(length: int, values: int) -> Any:
    """An rnn that names what it saw `length` - 1 steps before: its units are a row of places that things move along."""
    specification = Recurrent("rnn", (length * values,))
    network = specification.build(values, values)
    one = np.eye(values)
    arrays = {
        "cells/x2h/W": np.hstack([5 * one, *[0 * one] * (length - 1)]),
        "cells/h2h/W": np.kron(np.eye(length, k=1), 5 * one),
        "cells/x2h/b": np.zeros(length * values),
        "out/W": np.vstack([*[0 * one] * (length - 1), one]),
        "out/b": np.zeros(values),
    }
    return specification, network.layout.pack(arrays).astype(np.float32)


@pytest.mark.parametrize("native", [True, False])
def test_a_network_that_remembers_repeats_what_came_before(native: bool) -> None:
    """k = 4 wants the suit of three cards before: four places are right in all 48 answers, others but by chance."""
    environment = find_environment("cartwheel/RepeatPrevious-v0")
    for length, right in ((4, True), (3, False), (5, False)):
        specification, theta = shift_register(length, 4)
        rollout, _ = make_rollout(environment, specification, native)
        assert rollout.path == ("native" if native else "general")
        got = measured(rollout, theta[None], np.arange(20))
        assert (got.lengths == 51).all()
        if right:
            np.testing.assert_allclose(got.returns, 1.0, rtol=1e-12)
        else:
            assert got.returns.mean() < -0.2
        rollout.close()


class Once(gymnasium.Env[Any, Any]):
    """Sees 1, always, for three steps; the reward is the action."""

    observation_space: Any = spaces.Box(0, 1, (1,))
    action_space: Any = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.ones(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.ones(1, np.float32), float(action), self.steps == 3, False, {}


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_a_memory_is_empty_when_an_episode_begins(lanes: int) -> None:
    """The network does 1 where it remembers a step: in two of three. One that kept it from before would in all."""
    network = Recurrent("rnn", (2,)).build(1, 2)
    arrays = {
        "cells/x2h/W": [[5, 0]],
        "cells/h2h/W": [[0, 5], [0, 0]],
        "cells/x2h/b": [0, 0],
        "out/W": [[0, 0], [0, 1]],
        "out/b": [0.5, 0],
    }
    theta = network.layout.pack({name: np.array(array, np.float32) for name, array in arrays.items()})
    rollout = GeneralRollout(find_environment(Once), Recurrent("rnn", (2,)), lanes)
    got = measured(rollout, np.stack([theta] * 3), np.arange(7))
    assert (got.returns == 2.0).all()


def test_a_native_memory_is_empty_when_an_episode_begins() -> None:
    """The same candidate in the same episode, once in a fresh lane and once in one that has been used."""
    native = both(CARTPOLE, Recurrent("gru", (5,)))[0]
    thetas = population(native.network, 1)
    often = measured(native, np.repeat(thetas, 200, axis=0), np.array([7]))
    assert len(np.unique(often.lengths)) == 1


# --- against episodes stepped by hand --------------------------------------------------------------------------------


def by_hand(environment: Environment, specification: Specification, thetas: Any, seeds: Any, through: Any) -> Any:
    """The same episodes by the plainest loop, by NumPy since the policy gets lists, and all observations acted on."""
    returns, lengths = np.zeros((len(thetas), len(seeds))), np.zeros((len(thetas), len(seeds)), np.int64)
    seen: dict[tuple[int, int], list[Any]] = {}
    spaces_ = environment.observation_space, environment.action_space
    made = environment.make()
    for p, theta in enumerate(thetas):
        policy = Policy(specification, *spaces_, theta, through)
        for e, seed in enumerate(seeds):
            observation, _ = made.reset(seed=int(seed))
            over, memory, looked = False, None, []
            while not over:
                looked.append(np.array(observation, np.float64))
                action, memory = policy.act(np.asarray(observation).tolist(), memory)
                observation, reward, terminated, truncated, _ = made.step(action)
                returns[p, e] += float(reward)
                lengths[p, e] += 1
                over = terminated or truncated or lengths[p, e] == environment.limit
            seen[p, e] = looked
    made.close()
    return Experience(returns=returns, lengths=lengths), seen


THROUGH = Normalisation(np.array([0.1, -0.2, 0.02, 0.3]), np.array([2.0, 1.5, 9.0, 1.1]))


@pytest.mark.parametrize("through", [None, THROUGH], ids=["plain", "normalised"])
@pytest.mark.parametrize(
    "specification",
    [
        *(Recurrent(cell, (5,)) for cell in CELLS),
        Recurrent("lstm", (6, 4), "tanh"),
        MLP((7,)),
        MLP((64, 64)),
        Stacked(3, MLP((5,))),
    ],
    ids=str,
)
def test_rollouts_do_as_the_policy_does(specification: Specification, through: Any) -> None:
    for rollout in both(CARTPOLE, specification):
        thetas, seeds = population(rollout.network, 12), np.arange(3)
        expected, seen = by_hand(CARTPOLE, specification, thetas, seeds, through)
        got = measured(rollout, thetas, seeds, normalisation=through, moments=True)
        np.testing.assert_array_equal(got.lengths, expected.lengths)
        np.testing.assert_array_equal(got.returns, expected.returns)
        assert len(np.unique(expected.lengths)) > 5
        for (p, e), looked in seen.items():
            x = np.array(looked)
            np.testing.assert_allclose(got.seen[p, e, 0], x.mean(axis=0), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(got.seen[p, e, 1], len(x) * x.var(axis=0), rtol=1e-9, atol=1e-12)
        whole = np.concatenate([np.array(looked) for looked in seen.values()])
        merged = Moments.none(4).merged(got.lengths, got.seen)
        assert merged.count == len(whole)
        np.testing.assert_allclose(merged.mean, whole.mean(axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(merged.squares / merged.count, whole.var(axis=0), rtol=1e-9)
        rollout.close()


def test_moments_of_structured_observations() -> None:
    """A tuple of choices is seen as ones and zeros, of which the mean is how often."""
    environment = find_environment("Blackjack-v1")
    rollout = GeneralRollout(environment, Recurrent("gru", (3,)))
    got = measured(rollout, population(rollout.network, 5), np.arange(6), moments=True)
    assert got.seen is not None
    assert got.seen.shape == (5, 6, 2, environment.observation_size)
    for part in np.split(got.seen[..., 0, :], [32, 32 + 11], axis=-1):
        np.testing.assert_allclose(part.sum(axis=-1), 1.0, rtol=1e-12)
    rollout.close()


def test_moments_are_given_where_they_are_asked_for() -> None:
    for rollout in both(CARTPOLE, MLP(())):
        thetas = population(rollout.network, 2)
        assert measured(rollout, thetas, np.arange(2)).seen is None
        assert measured(rollout, thetas, np.arange(2), moments=True).seen is not None
        plain, seen = (measured(rollout, thetas, np.arange(2), moments=moments) for moments in (False, True))
        np.testing.assert_array_equal(plain.returns, seen.returns)
        rollout.close()


# --- native against general ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("through", [None, "shifted"])
@pytest.mark.parametrize(
    ("name", "limit", "specification", "candidates", "episodes"),
    [
        *(("CartPole-v1", None, Recurrent(cell, (5,)), 33, 3) for cell in CELLS),
        ("CartPole-v1", None, Recurrent("lstm", (16,)), 49, 2),
        ("CartPole-v1", 60, Recurrent("gru", (7, 6, 3), "tanh"), 97, 1),
        ("CartPole-v1", 60, MLP((64, 64), "tanh"), 70, 2),
        ("CartPole-v1", 60, Stacked(4, MLP((6,))), 33, 3),
        ("MountainCarContinuous-v0", 60, Recurrent("gru", (5,)), 33, 2),
        ("MountainCarContinuous-v0", 60, Recurrent("lstm", (4, 6), "identity"), 1, 40),
        ("cartwheel/RepeatPrevious-v0", None, Recurrent("rnn", (8,)), 60, 2),
        ("cartwheel/TMaze-v0", None, Recurrent("lstm", (4,)), 60, 2),
        ("cartwheel/CartPoleNoVelocity-v0", None, Recurrent("gru", (6,)), 60, 2),
    ],
)
def test_native_equals_general(
    name: str, limit: int | None, specification: Specification, candidates: int, episodes: int, through: Any
) -> None:
    environment = find_environment(name, max_episode_steps=limit)
    native, general = both(environment, specification)
    d = native.network.inputs
    normalisation = None if through is None else Normalisation(np.linspace(-0.1, 0.2, d), np.linspace(0.5, 2.0, d))
    thetas, seeds = population(native.network, candidates), np.arange(100, 100 + episodes)
    got = measured(native, thetas, seeds, normalisation=normalisation, moments=True)
    equal(got, measured(general, thetas, seeds, normalisation=normalisation, moments=True))
    assert got.returns.shape == (candidates, episodes)
    general.close()


@pytest.mark.parametrize("specification", [MLP(()), MLP((7,)), MLP((7, 5), "tanh"), MLP((20, 20), "identity")], ids=str)
def test_all_engines_make_the_same_numbers(specification: MLP) -> None:
    """A perceptron in lanes together, by units, and as its recorded program lane after lane, to the bit."""
    network, L = specification.build(4, 3), 16
    rng = np.random.default_rng(0)
    thetas, xs = 0.3 * population(network, L), 0.1 * rng.normal(size=(5, 4, L)).astype(np.float32)
    outcomes = []
    for head in (action_head(Discrete(3)), action_head(Box((3,), (-1.0,) * 3, (2.0,) * 3))):
        for engine in ("perceptron", "units", "program"):
            lanes, actions = Actor(network, head, engine).lanes(L), []
            for lane in range(L):
                load(lanes, lane, thetas[lane])
            for x in xs:
                lanes.layers[0, :4] = x
                act(L, *lanes)
                actions.append(lanes.action.copy())
            outcomes.append(np.array(actions))
    assert len({outcome.tobytes() for outcome in outcomes[:3]}) == 1
    assert len({outcome.tobytes() for outcome in outcomes[3:]}) == 1
    assert len(np.unique(outcomes[3])) > 100


@pytest.mark.parametrize("engine", ["perceptron", "units", "program"])
def test_lanes_see_what_the_policy_sees(engine: str) -> None:
    """(x - shift) * scale, no further than ten deviations to either side."""
    space, through = Box((1,), (-1e6,), (1e6,)), Normalisation(np.array([2.0]), np.array([0.5]))
    policy = Policy(MLP(()), space, Box((1,), (-1.0,), (1.0,)), [0.05, 0.0], through)
    shown = [2.0, 4.0, -4.0, 20.0, -16.0, 22.0, -18.0, 23.0, -19.0, 1e5, -1e5]
    lanes = Actor(policy.network, policy.head, engine).lanes(len(shown), through)
    for lane in range(len(shown)):
        load(lanes, lane, policy.theta)
    lanes.layers[0, 0, : len(shown)] = shown
    act(len(shown), *lanes)
    got = lanes.action[0, : len(shown)]
    np.testing.assert_allclose(got, np.tanh(0.05 * np.clip((np.array(shown) - 2.0) / 2.0, -10, 10)), rtol=1e-6)
    np.testing.assert_allclose(got, [policy.act([x])[0][0] for x in shown], rtol=1e-6)


def test_the_size_of_a_perceptron_chooses_its_engine() -> None:
    """Other networks run as programs; what comes of it is the same."""
    head = action_head(Discrete(2))
    engines = [Actor(spec.build(4, 2), head).engine for spec in (MLP((16,)), MLP((64, 64)), Recurrent("rnn", (2,)))]
    assert engines == ["perceptron", "units", "program"]
    for rollout in both(CARTPOLE, MLP((16,))):
        thetas, seeds = population(rollout.network, 50), np.arange(2)
        expected = measured(rollout, thetas, seeds)
        for engine in ("units", "program"):
            rollout.actor = Actor(rollout.network, rollout.actor.head, engine)
            equal(measured(rollout, thetas, seeds), expected)


# --- independence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_a_result_depends_on_no_other_candidate_and_no_other_episode(cell: str) -> None:
    for rollout in both(CARTPOLE, Recurrent(cell, (5,))):
        thetas, seeds = population(rollout.network, 60), np.arange(4)
        whole = measured(rollout, thetas, seeds, moments=True)
        assert whole.seen is not None
        order = np.random.default_rng(1).permutation(60)
        for rows in (order, order[:7], np.array([13]), np.array([2, 2, 2])):
            part = Experience(returns=whole.returns[rows], lengths=whole.lengths[rows], seen=whole.seen[rows])
            equal(measured(rollout, thetas[rows], seeds, moments=True), part)
        columns = np.array([3, 0])
        part = Experience(
            returns=whole.returns[:, columns], lengths=whole.lengths[:, columns], seen=whole.seen[:, columns]
        )
        equal(measured(rollout, thetas, seeds[columns], moments=True), part)
        rollout.close()


@pytest.mark.parametrize("cell", CELLS)
def test_a_result_does_not_depend_on_the_number_of_lanes(cell: str) -> None:
    results = []
    for lanes in (1, 3, 16, 64):
        rollout = GeneralRollout(CARTPOLE, Recurrent(cell, (5,)), lanes)
        results.append(measured(rollout, population(rollout.network, 11), np.arange(7), moments=True))
        rollout.close()
    for other in results[1:]:
        equal(other, results[0])


@pytest.mark.parametrize("workers", [2, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_threads_change_nothing(cell: str, workers: int) -> None:
    """On a rollout that is used for the first time: its network is recorded in between."""
    thetas = population(Recurrent(cell, (5,)).build(4, 2), 70)
    request = Request(parameters=thetas, episodes=9, normalisation=THROUGH, moments=True)
    alone = both(CARTPOLE, Recurrent(cell, (5,)))[0](request, np.arange(9))
    threads = Threads(workers)
    shared = both(CARTPOLE, Recurrent(cell, (5,)))[0].spread(request, np.arange(9), threads)
    threads.close()
    equal(shared, alone)


class Pretended(Serial):
    """Workers who share nothing, and are one."""

    workers, shared = 3, False


@pytest.mark.parametrize(("candidates", "episodes"), [(70, 2), (3, 20), (1, 2)])
def test_slices_put_together_are_the_whole(candidates: int, episodes: int) -> None:
    for rollout in both(CARTPOLE, Recurrent("lstm", (3,))):
        request = Request(
            parameters=population(rollout.network, candidates), episodes=episodes, normalisation=THROUGH, moments=True
        )
        seeds = np.arange(7, 7 + episodes)
        whole = rollout(request, seeds)
        parts = rollout.spread(request, seeds, Pretended())
        equal(parts, whole)
        merged = [Moments.none(4).merged(one.lengths, one.seen) for one in (whole, parts)]
        assert merged[0].mean.tobytes() == merged[1].mean.tobytes()
        assert merged[0].squares.tobytes() == merged[1].squares.tobytes()
        rollout.close()


def test_processes_change_nothing() -> None:
    executor = make_executor(2, "general")
    try:
        for rollout in both(CARTPOLE, Recurrent("gru", (4,)))[::-1]:
            request = Request(
                parameters=population(rollout.network, 20), episodes=2, normalisation=THROUGH, moments=True
            )
            seeds = np.arange(2)
            equal(rollout.spread(request, seeds, executor), rollout(request, seeds))
            equal(rollout.spread(request, seeds, executor), rollout(request, seeds))  # sent after it was used here
            rollout.close()
    finally:
        executor.close()


@pytest.mark.parametrize("cell", CELLS)
def test_a_rollout_that_was_used_can_be_sent_to_another_process(cell: str) -> None:
    """A recorded program holds addresses: it is left at home, and recorded anew."""
    for rollout in both(CARTPOLE, Recurrent(cell, (5,))):
        thetas, seeds = population(rollout.network, 5), np.arange(2)
        first = measured(rollout, thetas, seeds)
        sent = cloudpickle.dumps(rollout)
        assert len(sent) < 20_000
        equal(measured(cloudpickle.loads(sent), thetas, seeds), first)
        equal(measured(rollout, thetas, seeds), first)
        rollout.close()


def test_a_call_leaves_nothing_to_the_next() -> None:
    for rollout in both(CARTPOLE, Recurrent("lstm", (5,))):
        thetas, seeds = population(rollout.network, 9), np.arange(4)
        first = measured(rollout, thetas, seeds, moments=True)
        measured(rollout, population(rollout.network, 20, seed=5), np.arange(10, 12), normalisation=THROUGH)
        equal(measured(rollout, thetas, seeds, moments=True), first)
        rollout.close()

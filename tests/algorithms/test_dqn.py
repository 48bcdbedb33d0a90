"""DQN's updates against plain NumPy, tables by hand, a chain that a time limit cuts, and whole runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest

import cartwheel
from cartwheel import nn
from cartwheel.algorithms.dqn import agent, updates
from cartwheel.algorithms.dqn.settings import DQNSettings
from cartwheel.algorithms.dqn.updates import WindowUpdate
from cartwheel.envs.environment import find_environment
from cartwheel.errors import UsageError
from cartwheel.experience.collectors import make_collector
from cartwheel.experience.records import Experience, Transitions
from cartwheel.experience.replay import Replay
from cartwheel.experience.rollouts import make_rollout
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import MLP, Dueling, Recurrent, Specification
from cartwheel.reports import page
from cartwheel.storage.run import Run

# --- one update, in NumPy ---------------------------------------------------------------------------------------------


def huber(error: Any) -> Any:
    """P. Huber, 1964: half the square up to 1, a line beyond."""
    size = np.abs(error)
    return np.where(size <= 1.0, 0.5 * error**2, size - 0.5)


def slope(loss: Callable[[Any], float], theta: Any) -> Any:
    """The gradient of a loss by central differences, in float64."""
    theta, gradient = np.array(theta, np.float64), np.zeros(len(theta))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-6
        gradient[k] = (loss(theta + step) - loss(theta - step)) / 2e-6
    return gradient


class PlainAdam:
    """Kingma and Ba, 2015, the end of section 2, behind clipping by the norm."""

    def __init__(self, rate: float, longest: float) -> None:
        self.rate, self.longest, self.t, self.m, self.v = rate, longest, 0, 0.0, 0.0

    def __call__(self, theta: Any, gradient: Any) -> Any:
        norm = np.sqrt((gradient**2).sum())
        if norm > self.longest:
            gradient = gradient * self.longest / norm
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        rate = self.rate * np.sqrt(1.0 - 0.999**self.t) / (1.0 - 0.9**self.t)
        return theta - rate * self.m / (np.sqrt(self.v) + 1e-8)


def values(theta: Any, x: Any) -> Any:
    """Q (B, 3) of observations (B, 2): one hidden layer of 5 units, tanh."""
    W1, b1, W2, b2 = theta[:10].reshape(2, 5), theta[10:15], theta[15:30].reshape(5, 3), theta[30:]
    return np.tanh(x @ W1 + b1) @ W2 + b2


SMALL = MLP((5,), "tanh")


def window(seed: int, count: int = 6) -> tuple[Any, ...]:
    """obs, action, reward, discount, next_obs, weight of so many windows; TD errors small and large."""
    rng = np.random.default_rng(seed)
    floats = [rng.normal(size=(count, 2)), rng.normal(size=count) * 2.0, rng.choice([0.0, 0.9, 0.81], count)]
    following, weight = rng.normal(size=(count, 2)), rng.uniform(0.2, 1.0, count)
    obs, reward, discount, following, weight = (x.astype(np.float32) for x in (*floats, following, weight))
    return obs, rng.integers(3, size=count), reward, discount, following, weight


def plain_update(settings: DQNSettings, theta: Any, target: Any, adam: PlainAdam, batch: tuple[Any, ...]) -> Any:
    """(error, loss, mean, norm), and both networks after the update."""
    obs, action, reward, discount, following, weight = batch
    rows, there = np.arange(len(obs)), values(target, following)
    best = (values(theta, following) if settings.double else there).argmax(axis=1)
    y = reward + discount * there[rows, best]

    def error(theta: Any) -> Any:
        return y - values(theta, obs)[rows, action]

    def loss(theta: Any) -> float:
        return float((weight * huber(error(theta))).mean())

    gradient = slope(loss, theta)
    found = error(theta), loss(theta), values(theta, obs).mean(), np.sqrt((gradient**2).sum())
    theta = adam(theta, gradient)
    return found, theta, target + settings.tau * (theta - target)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "eager"])
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize(("tau", "longest"), [(0.0, 0.6), (0.25, 1e6)])
def test_updates_are_those_of_numpy(recorded: bool, double: bool, tau: float, longest: float) -> None:
    """Four of them, one after the other: errors, loss, mean, norm, and both networks after each."""
    settings = DQNSettings(learning_rate=0.05, tau=tau, double=double, max_gradient=longest)
    update, rng = WindowUpdate(settings, SMALL.build(2, 3)), np.random.default_rng(3)
    theta, target = rng.normal(size=(2, 33)).astype(np.float32)
    update.begin(theta)
    update.target.theta = target
    adam, norms, disagreed, sizes = PlainAdam(0.05, longest), [], 0, []
    for number in range(4):
        batch = window(number)
        disagreed += (values(theta, batch[4]).argmax(1) != values(target, batch[4]).argmax(1)).sum()
        wanted, theta, target = plain_update(settings, theta, target, adam, batch)
        if recorded:
            came = [one.data[0] for one in update._step.over(np.arange(6)[None], *batch)]
        else:
            came = [one.data for one in update.step(*map(nn.as_variable, batch))]
        for one, other in zip(came, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(update.theta, theta, rtol=0, atol=5e-5)
        np.testing.assert_allclose(update.target.theta, target, rtol=0, atol=5e-5)
        norms.append(wanted[3])
        sizes += np.abs(wanted[0]).tolist()
    assert disagreed > 3, "double changes nothing here, and this shows too little"
    assert longest > 1.0 or min(norms) < longest < max(norms)
    assert min(sizes) < 0.5 < 1.5 < max(sizes)


def test_eager_and_recorded_stay_together() -> None:
    """Fifty updates: what summation orders may lead to, and no more."""
    kept = []
    for recorded in (True, False):
        update = WindowUpdate(DQNSettings(tau=0.1), Dueling((7,)).build(2, 3))
        update.begin(np.random.default_rng(1).normal(size=update.network.size).astype(np.float32))
        for number in range(50):
            batch = window(number)
            if recorded:
                update._step.over(np.arange(6)[None], *batch)
            else:
                update.step(*map(nn.as_variable, batch))
        kept.append((update.theta.copy(), update.target.theta.copy(), *update.optimizer.state().values()))
    for one, other in zip(*kept, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# --- from a replay memory, by hand tables -----------------------------------------------------------------------------

# Five steps of one lane. The third ends its episode by the rules, the fifth is cut by a time limit. Q is 3 and 1 of the
# learning network everywhere, 10 and 20 of the target network.
REWARD = [1.0, 2.0, 4.0, 8.0, 16.0]
ACTION = [0, 1, 0, 0, 1]
ONLINE, TARGET = (3.0, 1.0), (10.0, 20.0)
TARGETS = {  # at gamma 0.5, by n_step: sums of rewards, and what the next value is multiplied by
    1: ([1.0, 2.0, 4.0, 8.0, 16.0], [0.5, 0.5, 0.0, 0.5, 0.5]),
    2: ([2.0, 4.0, 4.0, 16.0, 16.0], [0.25, 0.0, 0.0, 0.25, 0.5]),
    3: ([3.0, 4.0, 4.0, 16.0, 16.0], [0.0, 0.0, 0.0, 0.25, 0.5]),
}


def five_steps() -> Transitions:
    obs = np.arange(10, dtype=np.float32).reshape(5, 1, 2)
    following = np.concatenate([obs[1:], [[[7.0, 7.0]]]]).astype(np.float32)
    following[2] = 5.0  # the true one, and not where the next episode begins
    return Transitions(
        obs=obs,
        action=np.array(ACTION, np.float32).reshape(5, 1, 1),
        reward=np.array(REWARD)[:, None],
        discount=np.array([[1.0], [1.0], [0.0], [1.0], [1.0]]),
        boundary=np.array([[False], [False], [True], [False], [True]]),
        next_obs=following,
        taken=np.array([5]),
    )


def constant(n_step: int, **options: Any) -> tuple[WindowUpdate, Any]:
    """An update that changes next to nothing, of networks whose values are the same everywhere; TD errors by hand."""
    settings = DQNSettings(n_step=n_step, gamma=0.5, learning_rate=1e-12, batch=7, **options)
    update = WindowUpdate(settings, MLP(()).build(2, 2))
    update.model.theta, update.target.theta = np.array([(0.0,) * 4 + ONLINE, (0.0,) * 4 + TARGET], np.float32)
    total, discount = map(np.array, TARGETS[n_step])
    value = TARGET[int(np.argmax(ONLINE))] if settings.double else max(TARGET)
    return update, total + discount * value - np.array(ONLINE)[ACTION]


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("n_step", TARGETS)
def test_targets_of_windows_by_hand(n_step: int, double: bool) -> None:
    update, error = constant(n_step, double=double, updates=3)
    replay = Replay(100, 1, obs=2, action=1)
    replay.add(five_steps())
    found = update.learn(replay, np.random.default_rng(8), 1.0)
    drawn = np.random.default_rng(8).integers(5, size=(3, 7))
    assert set(drawn.ravel()) == set(range(5))
    assert found["td_error"] == pytest.approx(np.abs(error[drawn]).mean(), rel=1e-6)
    assert found["loss"] == pytest.approx(huber(error[drawn]).mean(), rel=1e-6)
    assert found["q_mean"] == pytest.approx(2.0)


def test_priorities_and_weights_by_hand() -> None:
    """Each update's draws by the errors of the one before; weights are of the rarest of a batch."""
    alpha, beta = 0.7, 0.6
    update, error = constant(2, priority=alpha, updates=3)
    replay = Replay(100, 1, obs=2, action=1, alpha=alpha)
    replay.add(five_steps())
    found = update.learn(replay, np.random.default_rng(8), beta)
    rng, priority, losses, errors = np.random.default_rng(8), np.ones(5), [], []
    for _ in range(3):
        draws = (np.arange(7) + rng.random((1, 7))[0]) * priority.sum() / 7
        index = np.searchsorted(np.cumsum(priority), draws, side="right")
        chance = priority / priority.sum()
        weight = (5 * chance[index]) ** -beta / ((5 * chance[index]) ** -beta).max()
        losses.append((weight * huber(error[index])).mean())
        errors.append(np.abs(error[index]).mean())
        priority[index] = (np.abs(error[index]) + 1e-6) ** alpha
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["td_error"] == pytest.approx(np.mean(errors), rel=1e-5)
    np.testing.assert_allclose(replay.state()["priority"].ravel(), priority, rtol=1e-6)
    assert len(set(priority)) > 3


# --- the agent --------------------------------------------------------------------------------------------------------


class Chain(gymnasium.Env[Any, Any]):
    """Goes round in a ring of five states for ever, at 1 a step whatever is done: every state is worth 1 / (1 - gamma).

    With a limit of 5 steps, what is left until then is worth 1, 1.9, 2.71, ... at gamma 0.9.
    """

    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    render_mode = None
    place = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.place = 0
        return 0, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = (self.place + 1) % 5
        return self.place, 1.0, False, False, {}


class Wide(Chain):
    """Shows so many numbers that no machine has room for a replay memory of a thousand million steps."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (100_000,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(100_000, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(100_000, np.float32), 0.0, False, False, {}


#: What is left of an episode of five steps, from each of its states, at gamma 0.9.
REST = [4.0951, 3.439, 2.71, 1.9, 1.0]


def blind(experience: Experience) -> Experience:
    """The same, as if what a time limit cuts off were nothing."""
    steps = experience.transitions
    assert steps is not None
    discount = np.where(steps.boundary, 0.0, steps.discount)
    return dataclasses.replace(experience, transitions=dataclasses.replace(steps, discount=discount))


def make(network: Network | Specification, seed: int = 5, **options: Any) -> agent.DQN:
    if not isinstance(network, Network):
        network = network.build(5, 2)
    return agent.DQN(DQNSettings(**options), network, seed)


def on_the_chain(
    network: Specification, steps: int, change: Callable[[Experience], Experience] = lambda x: x, **options: Any
) -> agent.DQN:
    """DQN after so many steps of the chain."""
    found = find_environment(Chain, max_episode_steps=5)
    rollout, _ = make_rollout(found, network, False)
    made = make(rollout.network, **{"gamma": 0.9, "learning_starts": 0, "epsilon_end": 1.0, **options})
    collector = make_collector(rollout, 5, made.lanes)
    for _ in range(steps // (made.settings.lanes * made.settings.stretch)):
        made.tell(change(collector(made.ask())))
    collector.close()
    return made


QUICK = {"stretch": 16, "updates": 64, "batch": 16, "tau": 0.1, "learning_rate": 0.03}


@pytest.mark.parametrize("n_step", [1, 3])
def test_a_time_limit_is_not_an_end(n_step: int) -> None:
    """Right with the rule; wrong, and as wrong as it must be, where a limit is taken for the end."""
    found = {}
    for change in (lambda x: x, blind):
        made = on_the_chain(MLP(()), 1_000, change, n_step=n_step, **QUICK)
        theta = made.ask().parameters[0]
        found[change is blind] = made.network.advance(theta, np.eye(5, dtype=np.float32), np.zeros((5, 0)))[0]
    np.testing.assert_allclose(found[False], np.full((5, 2), 10.0), atol=0.3)
    np.testing.assert_allclose(found[True], np.array(REST)[:, None].repeat(2, axis=1), atol=0.3)


def stretches(count: int, lanes: int = 1, seed: int = 0, steps: int = 4) -> Iterator[Experience]:
    """Experiences of so many stretches; in every other one an episode of 7 steps returns the number of the stretch."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(count * steps + 1, lanes, 2)).astype(np.float32)
    for number in range(count):
        part = slice(number * steps, (number + 1) * steps)
        boundary = np.zeros((steps, lanes), bool)
        transitions = Transitions(
            obs=obs[part],
            action=rng.integers(3, size=(steps, lanes, 1)).astype(np.float32),
            reward=rng.normal(size=(steps, lanes)),
            discount=np.ones((steps, lanes)),
            boundary=boundary,
            next_obs=obs[part.start + 1 : part.stop + 1],
            taken=np.full(lanes, steps),
        )
        returns, lengths = np.full((1, number % 2), float(number)), np.full((1, number % 2), 7)
        yield Experience(returns=returns, lengths=lengths, transitions=transitions)


def small(seed: int = 5, **options: Any) -> agent.DQN:
    defaults = {"stretch": 4, "batch": 5, "updates": 2, "learning_starts": 0}
    return make(SMALL.build(2, 3), seed, **{**defaults, **options})


def test_epsilon_falls_from_step_to_step_and_updates_wait() -> None:
    made = small(lanes=2, learning_starts=20, epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=24)
    first = made.ask().parameters[0].copy()
    for number, experience in enumerate(stretches(4, lanes=2)):
        request = made.ask()
        assert request.stretch is not None
        steps = 8 * number + 2 * np.arange(4)
        np.testing.assert_allclose(request.stretch.epsilon, 0.8 - 0.6 * np.minimum(1.0, steps / 24))
        metrics = made.tell(experience)
        assert metrics["epsilon"] == request.stretch.epsilon[-1]
        waiting = number < 2  # 8, 16, 24 steps
        assert metrics["updates_per_step"] == (0.0 if waiting else 2 / 8)
        assert np.isnan(metrics["loss"]) == waiting
        assert np.array_equal(made.ask().parameters[0], first) == waiting


def test_the_target_is_set_anew_every_so_many_steps() -> None:
    """At 4, 8, 12, ... steps of an interval of 10: in the stretches that end at 12, 20, 32, 40; before the updates."""
    made, acted, target = small(target_interval=10, learning_rate=0.1), [], []
    for experience in stretches(10):
        acted.append(made.ask().parameters[0].copy())
        made.tell(experience)
        target.append(made.state()["network/target"])
    kept = acted[0]
    for number in range(10):
        kept = acted[number] if 4 * (number + 1) in (12, 20, 32, 40) else kept
        np.testing.assert_array_equal(target[number], kept)
        assert not np.array_equal(acted[number], made.ask().parameters[0])


def test_importance_weights_grow_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    betas = []

    def learn(self: Any, replay: Any, rng: Any, beta: float) -> dict[str, float]:
        betas.append(beta)
        return self.nothing

    monkeypatch.setattr(WindowUpdate, "learn", learn)
    made = small(priority=0.5, priority_correction=0.4, priority_steps=16)
    for experience in stretches(6):
        made.tell(experience)
    assert betas == pytest.approx([0.55, 0.7, 0.85, 1.0, 1.0, 1.0])


def test_each_stretch_draws_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the seed and the number of the stretch, whatever came before."""
    draws: list[float] = []

    def learn(self: Any, replay: Any, rng: Any, beta: float) -> Any:
        draws.append(float(rng.random()))
        return self.nothing

    monkeypatch.setattr(WindowUpdate, "learn", learn)
    for first, seed in ((0, 5), (2, 5), (0, 6)):
        made = small(learning_starts=4 * first, seed=seed)
        for experience in stretches(4):
            made.tell(experience)
    assert draws[4:7] == draws[1:4]
    assert len(set(draws)) == 8


def test_first_weights_are_as_wide_as_their_layers_inputs() -> None:
    for specification in (MLP((30, 40)), Dueling((30, 40)), Recurrent("gru", (30, 40))):
        network = specification.build(50, 60)
        theta = agent.first_weights(network, np.random.default_rng(0))
        inputs = 50
        for array in network.layout.unpack(theta).values():
            inputs = len(array) if array.ndim == 2 else inputs
            widest = np.abs(array).max() * np.sqrt(inputs)
            assert 0.9 < widest <= 1.0


def test_agents_share_nothing_with_each_other() -> None:
    """Though they are given the same network."""
    network = SMALL.build(2, 3)
    one, other = make(network, 1, stretch=4, learning_starts=0), make(network, 2, stretch=4, learning_starts=0)
    before = other.state()
    for experience in stretches(3):
        one.tell(experience)
    assert all(np.array_equal(value, before[name]) for name, value in other.state().items())


def test_a_state_goes_on_and_another_one_is_refused() -> None:
    whole, part = small(priority=0.5), small(priority=0.5)
    told = list(stretches(6))
    for number, experience in enumerate(told):
        whole.tell(experience)
        if number < 3:
            part.tell(experience)
    resumed = small(priority=0.5)
    resumed.restore(dict(reversed(part.state().items())))  # a file keeps no order
    for experience in told[3:]:
        resumed.tell(experience)
    first, second = whole.state(), resumed.state()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    for other, message in (
        (make(MLP((4,)).build(2, 3), stretch=4, priority=0.5), "expected theta of 33 numbers, got shape"),
        (small(priority=0.0), "expected the state of a memory of"),
        (small(priority=0.5, capacity=50), "expected the state of a memory of"),
    ):
        with pytest.raises(ValueError, match=message):
            resumed.restore(other.state())
        assert all(np.array_equal(value, second[name]) for name, value in resumed.state().items())


@pytest.mark.parametrize("priority", [0.0, 0.5])
def test_values_that_are_no_numbers_any_more_are_said(priority: float) -> None:
    made, (experience,) = small(priority=priority), stretches(1)
    assert experience.transitions is not None
    experience.transitions.reward[:] = 1e39  # more than a float32 can be
    with (
        np.errstate(over="ignore"),
        pytest.raises(UsageError, match=r"expected finite values and gradients.*--learning-rate"),
    ):
        made.tell(experience)


def test_huber_by_hand() -> None:
    error = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], np.float32)
    assert updates.huber(nn.as_variable(error)).data.tolist() == [2.5, 0.5, 0.125, 0.0, 0.125, 0.5, 2.5]


# --- whole runs -------------------------------------------------------------------------------------------------------

BUDGET = 300
RUN = {
    "steps": BUDGET,
    "interval": 50,
    "learning_starts": 40,
    "max_episode_steps": 30,
    "batch": 8,
    "updates": 3,
    "stretch": 7,
    "lanes": 2,
    "target_interval": 30,
    "capacity": 100,
    "hidden": (6,),
    "early_stop": False,
    "seed": 4,
}
KINDS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "prioritised": {"priority": 0.6, "n_step": 3, "tau": 0.01},
    "dueling": {"dueling": True, "lanes": 1},
    "recurrent": {"memory": "gru", "burn_in": 3, "sequence": 5, "n_step": 2},
}
EACH = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def train(folder: Path, name: str, environment: Any = "CartPole-v1", **options: Any) -> Run:
    given = {**RUN, **options}
    return cartwheel.train(environment, algorithm="dqn", name=name, runs=folder, hooks=[], **given)


@EACH
def test_the_digest_is_that_of_both_paths(kind: str, tmp_path: Path) -> None:
    native = train(tmp_path, "native", **KINDS[kind])
    general = train(tmp_path, "general", native=False, **KINDS[kind])
    assert (native.result["path"], general.result["path"]) == ("native", "general")
    assert native.digest() == general.digest()
    assert native.digest() != train(tmp_path, "other", **{**KINDS[kind], "seed": 5}).digest()


@pytest.mark.parametrize("native", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["native", "general"])
def test_the_digest_is_that_of_any_number_of_workers(native: bool, tmp_path: Path) -> None:
    digests = {train(tmp_path, f"run-{k}", workers=k, native=native).digest() for k in (1, 2)}
    assert len(digests) == 1


@pytest.mark.parametrize("steps", [154, 182])
@EACH
def test_a_larger_budget_is_as_if_there_had_been_no_other(kind: str, steps: int, tmp_path: Path) -> None:
    """The first one ends with open episodes, between two settings of the target, on a row and between two."""
    whole = train(tmp_path, "whole", **KINDS[kind])
    run = train(tmp_path, "part", **{**KINDS[kind], "steps": steps})
    assert run.digest() != whole.digest()
    state = run.checkpoints.read()
    assert state is not None
    assert state["lanes/lengths"].sum() > 0
    cartwheel.resume(run, hooks=[], steps=BUDGET)
    assert run.digest() == whole.digest()
    assert run.policy.theta.tobytes() == whole.policy.theta.tobytes()


@EACH
def test_rows_tell_how_learning_goes(kind: str, tmp_path: Path) -> None:
    metrics = train(tmp_path, "run", **KINDS[kind]).metrics
    assert metrics["steps"].tolist() == sorted(set(metrics["steps"]))
    for name in ("loss", "q_mean", "td_error", "gradient_norm", "updates_per_step", "epsilon"):
        assert np.isfinite(metrics[name][1:]).all(), name
    assert np.isfinite(metrics["return_mean"]).any()
    assert (metrics["loss"][1:] > 0).all()
    assert metrics["updates_per_step"][-1] == pytest.approx(3 / (7 * KINDS[kind].get("lanes", 2)))
    assert (np.diff(metrics["epsilon"]) < 0).all()
    looked = np.isfinite(metrics["validation_return"])  # in proportion to such short stretches not each time
    assert looked.any()
    assert (metrics["validation_return"][looked] >= 1.0).all()
    assert ((np.diff(metrics["validation_steps"], prepend=0) > 0) == looked).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 13}, r"^--capacity: expected room for a stretch of 14 transitions at least, got 13$"),
        ({"memory": "gru", "sequence": 60}, r"^--capacity: expected room for a sequence of 60 steps of each of the 2"),
        ({"memory": "gru", "dueling": True}, r"^--dueling: expected a network without a memory, got --memory gru$"),
        ({"normalise": True}, r"^--normalise: dqn learns from observations as they are"),
        ({"gamma": 1.5}, r"--gamma"),
        ({"batch": 0}, r"--batch"),
        ({"tau": -0.1}, r"--tau"),
        (
            {"capacity": 10**9, "environment": lambda: Wide()},
            r"^replay: no room for 1000000000 transitions; lower the capacity$",
        ),
        (
            {"environment": "Pendulum-v1"},
            r"^dqn learns a value for each action and wants a Discrete action space, got ",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        train(tmp_path, "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()

"""Updates of a network that remembers: against steps one by one, in float64, and on a chain of known value."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_dqn import slope

from cartwheel.algorithms.a2c import A2C, A2CSettings
from cartwheel.algorithms.gradients.phase import Look
from cartwheel.algorithms.gradients.windows import WindowPhase
from cartwheel.algorithms.ppo import PPO, PPOSettings
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Transitions
from cartwheel.experience.windows import Windows
from cartwheel.policies.specification import Stochastic

INPUTS, OUTPUTS, LANES, STEPS = 2, 3, 2, 7
#: Steps after which an episode is over, lane by lane: by the rules, or cut by a time limit.
OVER, CUT = [{0, 4}, set()], [{5}, {2, 6}]

each_cell = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
each_space = pytest.mark.parametrize("choices", [True, False], ids=["choices", "numbers"])


def network_of(cell: str, choices: bool = True) -> Any:
    return Stochastic((4, 3), "tanh", cell).build(INPUTS, OUTPUTS, None if choices else ())


def made(network: Any, steps: int = STEPS, **options: Any) -> PPO:
    """PPO with weights that are no small numbers, so that everything depends on everything."""
    options = {"lanes": LANES, "stretch": steps, "minibatches": 1, "sequence": 3, "max_gradient": 1e9, **options}
    agent = PPO(PPOSettings(**options), network, 5)
    agent._phase.model.theta = np.random.default_rng(1).normal(size=agent._phase.theta.size).astype(np.float32) * 0.7
    return agent


class Plain:
    """The policy and the value, one step of one lane after the other, in float64."""

    def __init__(self, network: Any, theta: Any) -> None:
        self.network, self.theta = network, np.asarray(theta, np.float64)
        self.policy, rest = np.split(self.theta, [network.size])
        self.value_weights, self.value_bias = rest[:-1], rest[-1]

    def step(self, x: Any, memory: Any) -> tuple[Any, float, Any]:
        """Outputs (o,), the value, and the memory after x (d,)."""
        outputs, after = self.network.advance(self.policy, np.asarray(x, np.float64)[None], memory[None])
        h = after[0, : self.network.hidden[-1]]
        return outputs[0], float(h @ self.value_weights + self.value_bias), after[0]

    def log_prob_and_entropy(self, outputs: Any, draw: Any) -> tuple[float, float]:
        if self.network.groups:
            log_p = outputs - np.log(np.exp(outputs).sum())
            return float(log_p[int(draw[0])]), float(-(np.exp(log_p) * log_p).sum())
        log_std = self.network.log_std(self.policy)
        z = (draw - outputs) / np.exp(log_std)
        half = 0.5 * np.log(2.0 * np.pi)
        return float(-(0.5 * z * z + log_std + half).sum()), float((log_std + half + 0.5).sum())


def transitions(plain: Plain, steps: int = STEPS, lanes: int = LANES, seed: int = 0) -> Transitions:
    """Numbers, with the memories that the network has among them; what truly followed an end is nobody's first."""
    network, rng = plain.network, np.random.default_rng(seed)
    obs = rng.normal(size=(steps, lanes, INPUTS)).astype(np.float32)
    following = np.concatenate([obs[1:], rng.normal(size=(1, lanes, INPUTS))]).astype(np.float32)
    discount, boundary = np.ones((steps, lanes)), np.zeros((steps, lanes), np.bool_)
    memory = np.zeros((steps, lanes, network.memory_size))
    for lane in range(lanes):
        h = rng.normal(size=network.memory_size) * 0.5  # an episode that is under way already
        for t in range(steps):
            memory[t, lane] = h
            _, _, h = plain.step(obs[t, lane], h)
            if t in OVER[lane] | CUT[lane]:
                following[t, lane], boundary[t, lane] = rng.normal(size=INPUTS), True
                discount[t, lane], h = float(t in CUT[lane]), np.zeros_like(h)
    size = 1 if network.groups else OUTPUTS
    numbers = rng.normal(size=(steps, lanes, size))
    draw = rng.integers(OUTPUTS, size=(steps, lanes, 1)) if network.groups else numbers
    return Transitions(
        obs=obs,
        action=draw.astype(np.float32),
        reward=rng.normal(size=(steps, lanes)) * 2.0,
        discount=discount,
        boundary=boundary,
        next_obs=following,
        taken=np.full(lanes, steps),
        memory=memory.astype(np.float32),
        draw=draw.astype(np.float32),
    )


# --- before the updates -----------------------------------------------------------------------------------------------


@each_space
@each_cell
def test_what_is_said_before_equals_steps_one_by_one(cell: str, choices: bool) -> None:
    agent = made(network_of(cell, choices))
    plain = Plain(agent.network, agent._phase.theta)
    t = transitions(plain)
    assert t.memory is not None
    assert t.draw is not None
    found = agent._phase.before(t)
    differ = 0
    for lane in range(LANES):
        h = t.memory[0, lane].astype(np.float64)
        for k in range(STEPS):
            outputs, value, after = plain.step(t.obs[k, lane], h)
            _, following, _ = plain.step(t.next_obs[k, lane], after)
            log_prob, _ = plain.log_prob_and_entropy(outputs, t.draw[k, lane])
            assert found.value[k, lane] == pytest.approx(value, abs=1e-5)
            assert found.log_prob[k, lane] == pytest.approx(log_prob, abs=1e-5)
            assert found.following[k, lane] == pytest.approx(following, abs=1e-5)
            for wrong in (np.zeros_like(h), h):  # the memory emptied, and not advanced
                differ += abs(plain.step(t.next_obs[k, lane], wrong)[1] - following) > 0.02
            h = np.zeros_like(h) if t.boundary[k, lane] else after
    assert differ > STEPS * LANES, "memories hardly count, and this shows too little"


def test_without_a_ratio_no_log_probabilities_are_wanted() -> None:
    network = network_of("gru")
    agent = A2C(A2CSettings(lanes=LANES, stretch=STEPS, sequence=3), network, 5)
    found = agent._phase.before(transitions(Plain(network, agent._phase.theta)))
    assert not found.log_prob.any()
    assert found.value.shape == found.following.shape == (STEPS, LANES)
    assert found.following.any()


# --- an update --------------------------------------------------------------------------------------------------------


def plain_loss(plain: Plain, t: Transitions, old: Any, windows: list[tuple[int, int, int]], settings: Any) -> float:
    """PPO's loss of windows (lane, first step, steps), each of which begins with the memory that was stored."""
    log_prob, entropy, value, rows = [], [], [], []
    assert t.memory is not None
    assert t.draw is not None
    for lane, first, steps in windows:
        h = t.memory[first, lane].astype(np.float64)
        for k in range(first, first + steps):
            outputs, v, h = plain.step(t.obs[k, lane], h)
            for into, one in zip(
                (log_prob, entropy), plain.log_prob_and_entropy(outputs, t.draw[k, lane]), strict=True
            ):
                into.append(one)
            value.append(v)
            rows.append((k, lane))
            if t.boundary[k, lane]:
                h = np.zeros_like(h)
    k, lane = np.transpose(rows)
    old_log_prob, advantage, target = (x[k, lane] for x in old)
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    ratio = np.exp(np.array(log_prob) - old_log_prob)
    least = np.minimum(ratio * advantage, np.clip(ratio, 1 - settings.clip, 1 + settings.clip) * advantage)
    error = np.array(value) - target
    return float(-least.mean() + settings.value_weight * (error**2).mean() - settings.entropy * np.mean(entropy))


def windows_of(length: int) -> list[tuple[int, int, int]]:
    """All windows of the stretch, lane by lane: lane, first step, steps."""
    return [(lane, first, min(length, STEPS - first)) for lane in range(LANES) for first in range(0, STEPS, length)]


def learnt_from(agent: PPO, seed: int = 3) -> tuple[Transitions, Look, Any, Any]:
    """A stretch, what was said before, and advantages and targets that are any numbers."""
    t = transitions(Plain(agent.network, agent._phase.theta))
    rng = np.random.default_rng(seed)
    before = agent._phase.before(t)
    before = before._replace(log_prob=before.log_prob + 0.3 * rng.normal(size=(STEPS, LANES)).astype(np.float32))
    return t, before, rng.normal(size=(STEPS, LANES)) + 0.5, rng.normal(size=(STEPS, LANES))


@each_space
@pytest.mark.parametrize("length", [STEPS + 5, 3])
@each_cell
def test_the_gradient_is_that_of_lanes_one_by_one(cell: str, length: int, choices: bool) -> None:
    """By differences in float64; with windows that are as long as the stretch, nothing is cut but by boundaries."""
    agent = made(network_of(cell, choices), sequence=length, entropy=0.1)
    theta = agent._phase.theta.copy()
    t, before, advantage, target = learnt_from(agent)
    windows = windows_of(length)

    def loss(theta: Any) -> float:
        old = before.log_prob, advantage, target
        return plain_loss(Plain(agent.network, theta), t, old, windows, agent.settings)

    expected = slope(loss, theta)
    found = agent._phase.updates(t, before, advantage, target, np.random.default_rng(0))(1, 1)
    norm = np.sqrt((expected**2).sum())
    assert found["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    # Adam's first memory is a tenth of the gradient.
    gradient = agent._phase.optimizer.state()["m"] / 0.1
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * max(1.0, norm))


def test_minibatches_are_of_the_windows_that_were_dealt() -> None:
    """Eight windows in seven parts, two epochs: each update by its windows alone, what fills up counts nothing."""
    agent = made(network_of("gru"), sequence=2, minibatches=7, learning_rate=1e-9)
    t, before, advantage, target = learnt_from(agent)
    found = agent._phase.updates(t, before, advantage, target, np.random.default_rng(8))(2, 7)
    names = Windows.of(STEPS, LANES, 2).minibatches(2, 7, np.random.default_rng(8))
    assert names.shape == (14, 2)
    plain, windows = Plain(agent.network, agent._phase.theta), windows_of(2)
    settings = replace(agent.settings, entropy=0.0, value_weight=0.0)
    for update, row in enumerate(names):
        some = [windows[name] for name in row if name < 8]
        expected = plain_loss(plain, t, (before.log_prob, advantage, target), some, settings)
        assert found["policy_loss"][update] == pytest.approx(expected, abs=2e-5)
    assert found["policy_loss"].std() > 0.01


def test_a2c_learns_from_all_windows_at_once() -> None:
    network = network_of("lstm")
    agent = A2C(A2CSettings(lanes=LANES, stretch=STEPS, sequence=3), network, 5)
    t = transitions(Plain(network, agent._phase.theta))
    value = np.ones((STEPS, LANES), np.float32)
    found = agent._phase.updates(t, Look(value, value, value), value, 3.0 * value, np.random.default_rng(0))(1, 1)
    plain = Plain(network, A2C(agent.settings, network, 5)._phase.theta)
    assert t.memory is not None
    steps = zip(t.obs.reshape(-1, INPUTS), t.memory.reshape(STEPS * LANES, -1).astype(np.float64), strict=True)
    errors = [3.0 - plain.step(x, h)[1] for x, h in steps]
    assert found["value_loss"] == pytest.approx(np.mean(np.square(errors)), rel=1e-5)


@each_space
def test_what_is_repeated_to_fill_up_changes_nothing(choices: bool) -> None:
    """Garbage in its place gives the same weights and the same figures, to the bit."""
    agent = made(network_of("gru", choices), sequence=3)
    phase, windows = agent._phase, agent._phase._windows  # type: ignore[attr-defined]
    t, before, advantage, target = learnt_from(agent)
    assert t.memory is not None
    numbers = [windows.cut(x.astype(np.float32)) for x in (before.log_prob, before.value, advantage, target)]
    inputs = [windows.first(t.memory), windows.cut(t.obs), np.zeros((6, 3), np.bool_), windows.cut(phase.drawn(t))]
    inputs += [windows.mask, *numbers]
    free = windows.mask == 0.0
    assert free.sum() == 4
    rng, found, state = np.random.default_rng(0), [], phase.state()
    for garbage in (False, True):
        phase.restore(state)
        for array in (inputs[1], inputs[3], *numbers) if garbage else ():
            array[free] = rng.integers(OUTPUTS, size=array[free].shape)
        figures = phase._step(*inputs)
        found.append([phase.theta.tobytes(), *(one.data.tobytes() for one in figures.values())])
    assert found[0] == found[1]
    assert found[0][0] != state["theta"].tobytes()


# --- the agent --------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    with pytest.raises(UsageError, match="--minibatches: expected at most the 6 windows of 3 steps"):
        made(network_of("gru"), minibatches=7)
    with pytest.raises(UsageError, match="--shared"):
        made(network_of("gru"), shared=True)


def told(agent: Any, advance: Callable[..., Any], rewards: Callable[..., Any]) -> dict[str, float]:
    """A stretch of the chain below for the agent, whatever it wants to do."""
    request = agent.ask()
    stretch, network = request.stretch, agent.network
    assert stretch.memory
    shape = (stretch.steps, stretch.lanes)
    draw = np.random.default_rng(agent.state()["generation"]).integers(2, size=(*shape, 1)).astype(np.float32)
    cue, blank = np.arange(stretch.lanes) % 2, np.zeros((stretch.lanes, INPUTS), np.float32)
    shown = np.eye(INPUTS, dtype=np.float32)[cue]
    memory = np.zeros((*shape, network.memory_size), np.float32)
    obs = np.zeros((*shape, INPUTS), np.float32)
    for t in range(stretch.steps):
        obs[t] = shown if t % LIMIT == 0 else blank
        if t % LIMIT:
            memory[t] = advance(request.parameters[0], obs[t - 1], memory[t - 1])[1]
    boundary = np.zeros(shape, np.bool_)
    boundary[LIMIT - 1 :: LIMIT] = True
    count = int(boundary.sum())
    steps = Transitions(
        obs=obs,
        action=draw,
        reward=rewards(cue, shape),
        discount=np.ones(shape),
        boundary=boundary,
        next_obs=np.zeros_like(obs),
        taken=np.full(stretch.lanes, stretch.steps),
        memory=memory,
        draw=draw,
    )
    found: dict[str, float] = agent.tell(
        Experience(returns=np.zeros((1, count)), lengths=np.full((1, count), LIMIT), transitions=steps)
    )
    return found


#: Steps of an episode of the chain, after which a time limit cuts it.
LIMIT = 3


def known(cue: Any, shape: tuple[int, int]) -> Any:
    """A reward of 1 or of -1 at each step, by the cue that an episode's first observation shows, and no other."""
    return np.broadcast_to(2.0 * cue - 1.0, shape)


class Forgetting(WindowPhase):
    """As `WindowPhase`, but what followed is valued with no memory: the mistake that must be seen."""

    def before(self, transitions: Transitions) -> Look:
        none = np.zeros_like(transitions.memory)
        blank = replace(transitions, obs=transitions.next_obs, memory=none)
        return super().before(transitions)._replace(following=super().before(blank).value)


def chain_values(network: Any, theta: Any) -> Any:
    """What the steps of an episode are worth, (2, LIMIT), by its cue."""
    plain, values = Plain(network, theta), []
    for cue in np.eye(INPUTS):
        h = np.zeros(network.memory_size)
        for x in (cue, np.zeros(INPUTS), np.zeros(INPUTS)):
            _, value, h = plain.step(x, h)
            values.append(value)
    return np.reshape(values, (2, LIMIT))


def test_the_value_at_a_time_limit_is_that_of_what_is_remembered() -> None:
    """Without an end each step is worth 1 + 0.8 + 0.64 + ... = 5 or -5, and less where the limit forgets which."""
    options: dict[str, Any] = {"lanes": 4, "stretch": 6, "gamma": 0.8, "minibatches": 2, "sequence": 3}
    options |= {"learning_rate": 0.02, "scale_rewards": False, "epochs": 10}
    options |= {"value_weight": 100.0, "max_gradient": 1e9}  # what is done does not matter
    network, found = Stochastic((8,), "tanh", "gru").build(INPUTS, 2), {}
    for kind in (WindowPhase, Forgetting):
        agent = PPO(PPOSettings(**options), network, 5)
        agent._phase.__class__ = kind
        for _ in range(60):
            told(agent, network.advance, known)
        found[kind] = chain_values(network, agent._phase.theta)
    np.testing.assert_allclose(found[WindowPhase], [[-5.0] * LIMIT, [5.0] * LIMIT], atol=0.6)
    assert abs(found[Forgetting]).max() < 2.5, "a bootstrap that forgets is not told from one that remembers"


@pytest.mark.parametrize("kind", [PPO, A2C])
def test_a_run_that_goes_on_from_its_state_is_the_same(kind: Any) -> None:
    """To the bit, with noise that stays and step sizes that fall."""
    settings: Any = {"lanes": LANES, "stretch": STEPS, "sequence": 3, "anneal_steps": 200, "noise_memory": 0.5}
    network = network_of("lstm", choices=False)

    def begun() -> Any:
        more = {"minibatches": 2, "epochs": 2} if kind is PPO else {}
        return kind((PPOSettings if kind is PPO else A2CSettings)(**settings, **more), network, 5)

    def learn(agent: Any, generations: int) -> Any:
        for _ in range(generations):
            plain = Plain(network, agent._phase.theta)
            t = transitions(plain, seed=agent.state()["generation"])
            agent.ask()
            agent.tell(Experience(returns=np.zeros((1, 5)), lengths=np.ones((1, 5), np.int64), transitions=t))
        return agent

    whole, other = learn(begun(), 4), begun()
    other.restore(learn(begun(), 2).state())
    learn(other, 2)
    one, two = whole.state(), other.state()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert whole.ask().parameters.tobytes() == other.ask().parameters.tobytes()
    assert not np.array_equal(one["model/theta"], learn(begun(), 2).state()["model/theta"])


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["lstm", "gru"])
def test_cartpole_is_balanced_without_its_velocities(memory: str, tmp_path: Path) -> None:
    """By its preset; no network without a memory is known to hold the pole for more than 50 steps."""
    import cartwheel

    options: dict[str, Any] = {"preset": "cartpole-no-velocity", "memory": memory, "steps": 100_000, "seed": 1000}
    name = "cartwheel/CartPoleNoVelocity-v0"
    run = cartwheel.train(name, algorithm="ppo", runs=tmp_path, early_stop=False, **options)
    assert run.result["test_mean"] >= 475.0

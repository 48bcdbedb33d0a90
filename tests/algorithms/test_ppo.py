"""PPO's loss by hand, its gradient and whole phases of updates against plain NumPy, its stop and its falling rate."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.algorithms.gradients.model import first_weights
from cartwheel.algorithms.gradients.phase import Batch
from cartwheel.algorithms.ppo import PPO, PPOSettings
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Transitions
from cartwheel.nn import functions as F
from cartwheel.policies.distributions.outputs import numbered
from cartwheel.policies.specification import Stochastic

INPUTS, LANES, STEPS = 2, 2, 8

#: Groups of choices, or none for two numbers of a Box.
KINDS: dict[str, tuple[int, ...]] = {"choice": (3,), "choices": (2, 3), "box": ()}
each_kind = pytest.mark.parametrize("kind", KINDS)


def outputs_of(kind: str) -> int:
    return sum(KINDS[kind]) or 2


def made(kind: str = "choice", **options: Any) -> PPO:
    """One whose network is 2-4-3-o, from weights that are no small ones."""
    options = {"lanes": LANES, "stretch": STEPS, "epochs": 1, "minibatches": 1, "scale_rewards": False, **options}
    agent = PPO(PPOSettings(**options), Stochastic((4, 3)).build(INPUTS, outputs_of(kind), KINDS[kind]), 5)
    agent._phase.model.theta = np.random.default_rng(1).normal(size=agent._phase.theta.size).astype(np.float32) * 0.7
    return agent


def transitions(kind: str = "choice", seed: int = 0, lanes: int = LANES, steps: int = STEPS) -> Transitions:
    """Any numbers: lane 0 comes to an end and, later, to a time limit, lane 1 to one; what follows is nobody's."""
    rng = np.random.default_rng(seed)
    discount, boundary = np.ones((steps, lanes)), np.zeros((steps, lanes), np.bool_)
    boundary[2, 0], boundary[5:6, 0], boundary[3:4, 1:2], discount[2, 0] = True, True, True, 0.0
    numbers = rng.normal(size=(steps, lanes, 2))
    choices = [rng.integers(count, size=(steps, lanes)) for count in KINDS[kind]]
    draw = (np.stack(choices, axis=-1) if choices else numbers).astype(np.float32)
    return Transitions(
        obs=rng.normal(size=(steps, lanes, INPUTS)).astype(np.float32),
        action=draw,
        reward=rng.normal(size=(steps, lanes)) * 2.0 + 0.5,
        discount=discount,
        boundary=boundary,
        next_obs=rng.normal(size=(steps, lanes, INPUTS)).astype(np.float32),
        taken=np.full(lanes, steps),
        draw=draw,
    )


def told(agent: Any, transitions: Transitions) -> dict[str, float]:
    none = np.zeros((1, 0))
    found: dict[str, float] = agent.tell(
        Experience(returns=none, lengths=none.astype(np.int64), transitions=transitions)
    )
    return found


# --- the same in NumPy, in float64 ------------------------------------------------------------------------------------


def layers(theta: Any, sizes: tuple[int, ...]) -> tuple[list[tuple[Any, Any]], Any]:
    """Weights and biases of so many units each, and the rest of the vector."""
    found = []
    for d, h in pairwise(sizes):
        found.append((theta[: d * h].reshape(d, h), theta[d * h : d * h + h]))
        theta = theta[d * h + h :]
    return found, theta


def hidden(x: Any, layers: list[tuple[Any, Any]]) -> Any:
    for W, b in layers[:-1]:
        x = np.tanh(x @ W + b)
    return x


def plain_model(theta: Any, obs: Any, kind: str, shared: bool) -> tuple[Any, Any, Any]:
    """Outputs (B, o), log_std (2,) of a Box, else (0,), and values (B,)."""
    obs = np.asarray(obs, np.float64)
    policy, rest = layers(np.asarray(theta, np.float64), (INPUTS, 4, 3, outputs_of(kind)))
    deviations = 0 if KINDS[kind] else 2
    value, left = layers(rest[deviations:], (3, 1) if shared else (INPUTS, 4, 3, 1))
    assert not left.size
    h = hidden(obs, policy)
    (W, b), (V, c) = policy[-1], value[-1]
    return h @ W + b, rest[:deviations], ((h if shared else hidden(obs, value)) @ V + c)[:, 0]


def plain_distribution(outputs: Any, log_std: Any, draw: Any, kind: str) -> tuple[Any, Any]:
    """Log-probabilities of draws (B, a), and entropies (B,)."""
    log_prob, entropy, first = np.zeros(len(draw)), np.zeros(len(draw)), 0
    for group, count in enumerate(KINDS[kind]):
        e = np.exp(outputs[:, first : first + count])
        p = e / e.sum(axis=1, keepdims=True)
        log_prob += np.log(p[np.arange(len(draw)), draw[:, group].astype(int)])
        entropy -= (p * np.log(p)).sum(axis=1)
        first += count
    if not KINDS[kind]:
        density = np.exp(-0.5 * ((draw - outputs) / np.exp(log_std)) ** 2) / (np.exp(log_std) * np.sqrt(2 * np.pi))
        log_prob += np.log(density).sum(axis=1)
        entropy += np.log(np.exp(log_std) * np.sqrt(2 * np.pi * np.e)).sum()
    return log_prob, entropy


def plain_loss(theta: Any, batch: Any, s: PPOSettings, kind: str) -> tuple[float, dict[str, float]]:
    """Of a batch: obs, draw, old log-probabilities, old values, advantages, targets."""
    obs, draw, old_log_prob, old_value, A, R = (np.asarray(x, np.float64) for x in batch)
    outputs, log_std, V = plain_model(theta, obs, kind, s.shared)
    log_prob, entropy = plain_distribution(outputs, log_std, draw, kind)
    r = np.exp(log_prob) / np.exp(old_log_prob)
    if s.normalise_advantages:
        A = (A - A.mean()) / A.std()
    policy = -np.where(A > 0, np.minimum(r, 1 + s.clip) * A, np.maximum(r, 1 - s.clip) * A).mean()
    squares = (V - R) ** 2
    if s.clip_value:
        near = np.clip(V, old_value - s.clip_value, old_value + s.clip_value)
        squares = np.maximum(squares, (near - R) ** 2)
    figures = {
        "policy_loss": policy,
        "value_loss": squares.mean(),
        "entropy": entropy.mean(),
        "approx_kl": (r - 1 - np.log(r)).mean(),
        "clip_fraction": ((r < 1 - s.clip) | (r > 1 + s.clip)).mean(),
    }
    return policy + s.value_weight * squares.mean() - s.entropy * entropy.mean(), figures


def slope(loss: Any, theta: Any) -> Any:
    """The gradient of a loss by central differences, in float64."""
    theta, found = np.array(theta, np.float64), np.zeros(len(theta))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-6
        found[k] = (loss(theta + step) - loss(theta - step)) / 2e-6
    return found


class PlainAdam:
    """Kingma and Ba, 2015, the end of section 2, with the epsilon of PPO, behind clipping by the norm."""

    def __init__(self, longest: float) -> None:
        self.longest, self.t, self.m, self.v = longest, 0, 0.0, 0.0

    def __call__(self, theta: Any, gradient: Any, rate: float) -> Any:
        gradient = gradient * min(1.0, self.longest / np.linalg.norm(gradient))
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        rate *= np.sqrt(1.0 - 0.999**self.t) / (1.0 - 0.9**self.t)
        return theta - rate * self.m / (np.sqrt(self.v) + 1e-5)


# --- the loss ---------------------------------------------------------------------------------------------------------


def loss_of(log_prob: Any, A: Any, value: Any, old_value: Any, target: Any, **options: Any) -> dict[str, float]:
    """The loss and its figures, of log-probabilities that were 0 before."""
    arrays = log_prob, np.full(len(A), 0.7), value, np.zeros(len(A)), old_value, A, target
    log_prob, entropy, value, old_log_prob, old_value, A, target = (nn.as_variable(np.array(x, float)) for x in arrays)
    batch = Batch(log_prob, entropy, value, old_log_prob, old_value, A, target, F.mean)
    loss, figures = made(**options).loss(batch)
    return {name: float(one.data) for name, one in {"loss": loss, **figures}.items()}


def test_the_loss_by_hand() -> None:
    """What goes too far counts no more where it would be rewarded, else all of it."""
    ratio = np.array([1.5, 0.5, 1.5, 0.5, 1.1])
    A, V, R = [1.0, 1.0, -1.0, -1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 2.0]
    found = loss_of(np.log(ratio), A, V, V, R, normalise_advantages=False, value_weight=0.25, entropy=0.1)
    policy = -(1.2 + 0.5 - 1.5 - 0.8 + 2.2) / 5
    wanted = {"policy_loss": policy, "value_loss": 9 / 5, "entropy": 0.7, "clip_fraction": 0.8}
    wanted |= {"loss": policy + 0.25 * 9 / 5 - 0.1 * 0.7, "approx_kl": (0.1 - 2 * np.log(0.75) - np.log(1.1)) / 5}
    assert found == pytest.approx(wanted)


def test_advantages_are_normalised_over_the_minibatch() -> None:
    """1, 3, 5, 7, whose deviation is sqrt(5); without that, they count as they are."""
    A, log_prob, nothing = np.array([1.0, 3.0, 5.0, 7.0]), np.log([1.1, 1.0, 0.9, 1.05]), np.zeros(4)
    scaled = (A - 4.0) / np.sqrt(5.0)
    for normalised, wanted in ((True, scaled), (False, A)):
        found = loss_of(log_prob, A, nothing, nothing, nothing, normalise_advantages=normalised)
        assert found["policy_loss"] == pytest.approx(-(np.exp(log_prob) * wanted).mean())


def test_advantages_that_are_all_alike_teach_nothing() -> None:
    found = loss_of([0.1, 0.2], [3.0, 3.0], *np.zeros((3, 2)))
    assert found["policy_loss"] == 0.0


def test_a_value_that_is_clipped_by_hand() -> None:
    """By 1/2 about 0: the larger of both errors counts, so that it is no way to hide one."""
    value, target = [1.0, 1.0, -1.0, 0.2], [0.0, 2.0, -2.0, 1.0]
    free = loss_of(np.zeros(4), np.ones(4), value, np.zeros(4), target)["value_loss"]
    held = loss_of(np.zeros(4), np.ones(4), value, np.zeros(4), target, clip_value=0.5)["value_loss"]
    assert free == pytest.approx((1.0 + 1.0 + 1.0 + 0.64) / 4)
    assert held == pytest.approx((1.0 + 1.5**2 + 1.5**2 + 0.64) / 4)


# --- an update --------------------------------------------------------------------------------------------------------


def batch_of(agent: PPO, kind: str, rows: int = 60) -> tuple[Any, ...]:
    """Rows whose old policy and old values are not the present ones, some farther from them than the clips."""
    rng, phase = np.random.default_rng(7), agent._phase
    obs = rng.normal(size=(rows, INPUTS))
    choices = [rng.integers(count, size=rows) for count in KINDS[kind]]
    draw = np.stack(choices, axis=1) if choices else rng.normal(size=(rows, 2))
    outputs, log_std, V = plain_model(phase.theta, obs, kind, agent.settings.shared)
    log_prob, _ = plain_distribution(outputs, log_std, draw, kind)
    numbers = [log_prob + 0.4 * rng.normal(size=rows), V + 0.3 * rng.normal(size=rows)]
    numbers += [2.0 * rng.normal(size=rows) + 0.5, V + rng.normal(size=rows)]
    floats = [x.astype(np.float32) for x in (obs, *numbers)]
    return floats[0], draw.astype(np.int64 if choices else np.float32), *floats[1:]


def sides(agent: PPO, kind: str, batch: Any) -> set[tuple[bool, bool]]:
    """The clips that are passed: above or below, and whether the advantage is positive."""
    outputs, log_std, _ = plain_model(agent._phase.theta, batch[0], kind, agent.settings.shared)
    log_prob, _ = plain_distribution(outputs, log_std, batch[1], kind)
    step, A = log_prob - batch[2], batch[4] - (batch[4].mean() if agent.settings.normalise_advantages else 0.0)
    far = (step > np.log(1.2)) | (step < np.log(0.8))
    return set(zip((step[far] > 0).tolist(), (A[far] > 0).tolist(), strict=True))


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("clip_value", [0.0, 0.2])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
@each_kind
def test_an_update_is_that_of_numpy(kind: str, shared: bool, clip_value: float, normalised: bool) -> None:
    """The figures, the gradient against central differences, and the vector after it."""
    options = {"clip_value": clip_value, "normalise_advantages": normalised, "entropy": 0.3, "value_weight": 0.7}
    agent = made(kind, shared=shared, learning_rate=0.05, max_gradient=0.1, **options)
    phase, batch = agent._phase, batch_of(agent, kind)
    assert sides(agent, kind, batch) == {(True, True), (True, False), (False, True), (False, False)}
    theta = phase.theta.astype(np.float64)
    exact = slope(lambda at: plain_loss(at, batch, agent.settings, kind)[0], theta)
    _, wanted = plain_loss(theta, batch, agent.settings, kind)
    with nn.debug():
        found = phase._step(batch[0], numbered(KINDS[kind], batch[1]), *batch[2:])
    assert {name: float(one.data) for name, one in found.items()} == pytest.approx(
        {**wanted, "gradient_norm": np.linalg.norm(exact)}, rel=1e-4, abs=1e-5
    )
    np.testing.assert_allclose(phase.model.grad, exact, rtol=0, atol=2e-6 * max(1.0, np.abs(exact).max()))
    assert np.linalg.norm(exact) > 0.15
    np.testing.assert_allclose(phase.theta, PlainAdam(0.1)(theta, exact, 0.05), rtol=0, atol=2e-5)


# --- a whole phase ----------------------------------------------------------------------------------------------------


class Noting:
    """A recorded step that notes which rows it was run on."""

    def __init__(self, step: Any) -> None:
        self.step, self.names = step, np.zeros((0, 0), np.int64)

    def over(self, names: Any, *inputs: Any) -> Any:
        self.names = names
        return self.step.over(names, *inputs)


def plain_advantages(t: Transitions, reward: Any, V: Any, following: Any, gamma: float, lam: float) -> Any:
    """The definition, as a sum over what comes later in the same episode."""
    delta, A = reward + gamma * t.discount * following - V, np.zeros(reward.shape)
    for first, lane in np.ndindex(*reward.shape):
        weight = 1.0
        for k in range(first, len(reward)):
            A[first, lane] += weight * delta[k, lane]
            weight *= gamma * lam
            if t.boundary[k, lane]:
                break
    return A


def plain_phase(agent: PPO, kind: str, theta: Any, t: Transitions, reward: Any) -> tuple[Any, ...]:
    """What all updates learn from, a row for each step."""
    s, rows = agent.settings, LANES * STEPS
    assert t.draw is not None
    obs, following, draw = (x.reshape(rows, -1) for x in (t.obs, t.next_obs, t.draw))
    outputs, log_std, V = plain_model(theta, obs, kind, s.shared)
    after = plain_model(theta, following, kind, s.shared)[2]
    log_prob, _ = plain_distribution(outputs, log_std, draw, kind)
    A = plain_advantages(t, reward, V.reshape(STEPS, LANES), after.reshape(STEPS, LANES), s.gamma, s.gae_lambda)
    return obs, draw, log_prob, V, A.reshape(rows), A.reshape(rows) + V


LONGEST = 2.5


@pytest.mark.parametrize(("kind", "shared"), [("choice", False), ("choices", True), ("box", False)])
def test_a_phase_of_updates_is_that_of_numpy(kind: str, shared: bool) -> None:
    """Two stretches, three epochs of four minibatches each: the means of all figures, and the vector after each."""
    options = {"epochs": 3, "minibatches": 4, "learning_rate": 0.01, "entropy": 0.02, "gamma": 0.9, "gae_lambda": 0.8}
    agent = made(kind, shared=shared, clip_value=0.3, max_gradient=LONGEST, **options)
    noting = agent._phase._step = Noting(agent._phase._step)  # type: ignore[assignment]
    theta, adam = agent._phase.theta.astype(np.float64), PlainAdam(LONGEST)
    for seed in range(2):
        t = transitions(kind, seed)
        rows = plain_phase(agent, kind, theta, t, t.reward)
        found = told(agent, t)
        wanted: list[dict[str, float]] = []
        for names in noting.names:
            batch = [x[names] for x in rows]
            gradient = slope(lambda at, batch=batch: plain_loss(at, batch, agent.settings, kind)[0], theta)
            _, figures = plain_loss(theta, batch, agent.settings, kind)
            wanted.append({**figures, "gradient_norm": float(np.linalg.norm(gradient))})
            theta = adam(theta, gradient, 0.01)
        assert len(wanted) == 12
        norms = [one["gradient_norm"] for one in wanted]
        assert min(norms) < LONGEST < max(norms), norms
        for name in wanted[0]:
            mean = np.mean([one[name] for one in wanted])
            assert found[name] == pytest.approx(mean, rel=1e-3, abs=1e-5), name
        explained = 1.0 - rows[4].var() / rows[5].var()  # the target less the value is the advantage
        assert found["explained_variance"] == pytest.approx(explained, abs=1e-5)
        np.testing.assert_allclose(agent._phase.theta, theta, rtol=1e-4, atol=2e-5)


def test_each_epoch_takes_each_step_once_in_an_order_of_its_own() -> None:
    agent = made(epochs=5, minibatches=4)
    noting = agent._phase._step = Noting(agent._phase._step)  # type: ignore[assignment]
    orders = []
    for seed in range(2):
        told(agent, transitions(seed=seed))
        assert noting.names.shape == (20, 4)
        orders += list(noting.names.reshape(5, 16))
    assert all(sorted(order) == list(range(16)) for order in orders)
    assert len({tuple(order) for order in orders}) == 10


@each_kind
def test_recorded_updates_are_those_of_the_framework(kind: str) -> None:
    """Three stretches of 2 epochs x 4 minibatches, once as a program and once step by step."""
    found: list[Any] = []
    for eager in (False, True):
        agent = made(kind, epochs=2, minibatches=4, learning_rate=0.01, clip_value=0.2, scale_rewards=True)
        if eager:
            with nn.debug():
                figures = [told(agent, transitions(kind, seed)) for seed in range(3)]
        else:
            figures = [told(agent, transitions(kind, seed)) for seed in range(3)]
        assert agent._phase.optimizer.step == 24
        found.append((agent._phase.theta, [list(row.values())[4:] for row in figures]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)


# --- where it stops, and how fast it goes -----------------------------------------------------------------------------


def stopped(target: float, epochs: int = 6) -> tuple[PPO, list[float]]:
    """One that has learnt from a stretch, and the mean divergence of each epoch that it made."""
    agent, means = made(epochs=epochs, minibatches=2, learning_rate=0.02, target_kl=target), []
    over = agent._phase._step.over

    def noted(*inputs: Any) -> Any:
        found = over(*inputs)
        means.extend(found["approx_kl"].data.reshape(-1, 2).mean(axis=1).tolist())
        return found

    agent._phase._step.over = noted  # type: ignore[assignment,method-assign]
    told(agent, transitions())
    assert agent._phase.optimizer.step == 2 * len(means)
    return agent, means


def test_the_divergence_ends_the_epochs_after_the_first_that_is_beyond() -> None:
    """A little less than that of epoch k lets k epochs be made, which are those of a run without a stop."""
    _, means = stopped(0.0)
    assert len(means) == len(stopped(1e3)[1]) == 6
    assert len(stopped(1e-12)[1]) == 1
    rising = [k for k in range(6) if means[k] > max(means[:k], default=0.0)]
    assert len(rising) >= 3
    for k in rising:
        agent, made_ = stopped(means[k] * (1.0 - 1e-4))
        assert len(made_) == k + 1
        np.testing.assert_array_equal(agent._phase.theta, stopped(0.0, epochs=k + 1)[0]._phase.theta)


@pytest.mark.parametrize("resumed", [False, True])
def test_the_rate_falls_in_a_straight_line_to_nothing(resumed: bool) -> None:
    """Of 64 steps, 16 each time; with 0 nothing moves any more. The same after a resume."""
    agent, moved = made(anneal_steps=64, learning_rate=0.02), []
    for number in range(6):
        if resumed:
            state, agent = agent.state(), made(anneal_steps=64, learning_rate=0.02)
            agent.restore(state)
        before = agent._phase.theta.copy()
        told(agent, transitions(seed=number))
        assert float(agent._phase.rate) == pytest.approx(0.02 * max(0.0, 1.0 - number / 4), abs=1e-9)
        moved.append(float(np.abs(agent._phase.theta - before).max()))
    assert moved[4:] == [0.0, 0.0]
    assert all(length > 0.001 for length in moved[:4])


def test_a_rate_that_has_fallen_by_half_makes_steps_of_half_the_length() -> None:
    falling, half = made(anneal_steps=64, learning_rate=0.02), made(learning_rate=0.01)
    for number in range(2):
        told(falling, transitions(seed=number))
    half.restore(falling.state())
    for agent in (falling, half):
        told(agent, transitions(seed=2))
    np.testing.assert_array_equal(falling._phase.theta, half._phase.theta)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_clip_that_has_fallen_by_half_is_one_of_half_the_length(resumed: bool) -> None:
    """As the step size falls, of 64 steps 16 each time, in the one program that was recorded."""
    options = {"anneal_steps": 64, "learning_rate": 0.05, "epochs": 4, "minibatches": 2}
    falling, half, whole = (made(**options, clip=clip, anneal_clip=clip == 0.2) for clip in (0.2, 0.1, 0.20001))
    for number in range(2):
        told(falling, transitions(seed=number))
    if resumed:
        state, falling = falling.state(), made(**options, clip=0.2, anneal_clip=True)
        falling.restore(state)
    fractions = []
    for agent in (falling, half, whole):
        agent.restore(falling.state()) if agent is not falling else None
        before = falling.state()
        fractions.append(told(agent, transitions(seed=2))["clip_fraction"])
        if agent is falling:
            found = agent._phase.theta.copy()
            falling.restore(before)
    np.testing.assert_allclose(found, half._phase.theta, rtol=0, atol=1e-5)
    assert fractions[0] == pytest.approx(fractions[1], abs=0.02) != pytest.approx(fractions[2], abs=0.05)
    assert np.abs(found - whole._phase.theta).max() > 1e-3
    assert len(falling._phase._step._programs) == 1


def test_a_clip_falls_with_the_step_size_or_not_at_all() -> None:
    with pytest.raises(UsageError, match=r"^--anneal-clip: expected --anneal-steps"):
        PPOSettings(anneal_clip=True)


# --- where it begins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
def test_the_first_weights_are_orthogonal(shared: bool) -> None:
    """By sqrt(2) within, by 1/100 for the actions and by 1 for the value; no biases; the deviation that was told."""
    settings = PPOSettings(shared=shared, first_deviation=0.5)
    agent = PPO(settings, Stochastic((16, 8)).build(INPUTS, 4, ()), 5)
    arrays = agent._phase.model.layout.unpack(agent._phase.theta)
    for name, array in arrays.items():
        if array.ndim == 2:
            last = "policy/l2/W" if name.startswith("policy") else "value/W" if shared else "value/l2/W"
            gain = np.sqrt(2.0) if name != last else 0.01 if name.startswith("policy") else 1.0
            W = array / gain
            square = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
            np.testing.assert_allclose(square, np.eye(min(W.shape)), atol=1e-5, err_msg=name)
        else:
            wanted = np.log(0.5) if name.endswith("log_std") else 0.0
            np.testing.assert_allclose(array, wanted, atol=1e-6, err_msg=name)


def test_the_first_weights_are_turned_any_way() -> None:
    """Of 2,000 draws: each number of a matrix has the mean 0, and 1/rows times the square of the gain as variance."""
    model, rng = made()._phase.model, np.random.default_rng(0)
    draws = np.array([first_weights(model, rng, 0.0)[: INPUTS * 4] for _ in range(2000)])
    assert np.abs(draws.mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(draws.var(axis=0), 2.0 / 4, atol=0.08)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_minibatches_have_to_divide_the_steps() -> None:
    with pytest.raises(UsageError, match=r"--minibatches: expected a number that divides the 1,024 steps .* got 7"):
        PPOSettings(minibatches=7)


@pytest.mark.parametrize("target_kl", [0.0, 0.1])
def test_what_is_no_number_is_said(target_kl: float) -> None:
    agent, t = made(target_kl=target_kl), transitions()
    t.reward[3, 1] = np.nan
    with pytest.raises(UsageError, match=r"ppo: expected finite losses and gradients.*--learning-rate"):
        told(agent, t)

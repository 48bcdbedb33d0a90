"""DQN with a network that remembers: updates from sequences against plain NumPy, and a chain that a time limit cuts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_dqn import QUICK, REST, PlainAdam, blind, huber, make, on_the_chain, slope

from cartwheel import nn
from cartwheel.algorithms.dqn.sequences import SequenceUpdate
from cartwheel.algorithms.dqn.settings import DQNSettings
from cartwheel.experience.records import Experience, Transitions
from cartwheel.experience.replay import Replay
from cartwheel.policies.networks import Network
from cartwheel.policies.specification import Recurrent

# --- one update, in NumPy ---------------------------------------------------------------------------------------------

UNITS, ACTIONS, LANES = 3, 2, 2
#: Steps after which an episode is over, lane by lane: by the rules, or cut by a time limit. 14 steps are stored.
OVER, CUT = [{3}, {9}], [{8}, {4}]
STORED = 14


def transitions() -> Transitions:
    """Two lanes of numbers. What truly followed an episode's last step is not what the next one begins with."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(STORED, LANES, 2)).astype(np.float32)
    following = np.concatenate([obs[1:], rng.normal(size=(1, LANES, 2))]).astype(np.float32)
    discount, boundary = np.ones((STORED, LANES)), np.zeros((STORED, LANES), bool)
    for lane in range(LANES):
        for t in OVER[lane] | CUT[lane]:
            following[t, lane], boundary[t, lane] = rng.normal(size=2), True
            discount[t, lane] = float(t in CUT[lane])
    return Transitions(
        obs=obs,
        action=rng.integers(ACTIONS, size=(STORED, LANES, 1)).astype(np.float32),
        reward=rng.normal(size=(STORED, LANES)) * 2.0,
        discount=discount,
        boundary=boundary,
        next_obs=following,
        taken=np.full(LANES, STORED),
        memory=rng.normal(size=(STORED, LANES, UNITS)).astype(np.float32),
    )


def sigmoid(a: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-a))


def rnn(weights: list[Any], x: Any, h: Any) -> tuple[Any, Any]:
    """J. Elman, 1990: Q (A,) and the memory after one observation."""
    Wx, b, Wh, Wo, bo = weights
    h = np.tanh(x @ Wx + b + h @ Wh)
    return h @ Wo + bo, h


def gru(weights: list[Any], x: Any, h: Any) -> tuple[Any, Any]:
    """K. Cho et al., 2014, gates r, z, n: Q (A,) and the memory after one observation."""
    Wx, Wh, b, Wo, bo = weights
    (xr, xz, xn), (hr, hz, hn) = np.split(x @ Wx + b, 3), np.split(h @ Wh, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    h = (1.0 - z) * np.tanh(xn + r * hn) + z * h
    return h @ Wo + bo, h


CELLS: dict[str, Callable[..., tuple[Any, Any]]] = {"rnn": rnn, "gru": gru}


def weights_of(network: Network, theta: Any) -> list[Any]:
    return list(network.layout.unpack(np.asarray(theta, np.float64)).values())


class PlainSequence:
    """One sequence by its first step that counts: its steps, and what they lead to, one after the other."""

    def __init__(self, steps: Transitions, row: int, lane: int, settings: DQNSettings) -> None:
        first = row
        while first > 0 and row - first < settings.burn_in and not steps.boundary[first - 1, lane]:
            first -= 1
        last = row
        while last < row + settings.sequence - 1 and not steps.boundary[last, lane]:
            last += 1
        self.steps, self.lane, self.settings = steps, lane, settings
        self.rows, self.burnt = range(first, last + 1), row - first

    def q(self, cell: Any, weights: Any, h: Any = None) -> Any:
        """Q (k + 1, A) of its observations and of what truly followed the last, the memory going along."""
        steps, lane, found = self.steps, self.lane, []
        assert steps.memory is not None
        h = steps.memory[self.rows[0], lane] if h is None else h
        for x in [*steps.obs[self.rows, lane], steps.next_obs[self.rows[-1], lane]]:
            one, h = cell(weights, x, h)
            found.append(one)
        return np.array(found)

    def targets(self, q: Any, there: Any) -> list[float]:
        """y of the steps that count, each by its own window of n steps that ends with the sequence."""
        gamma, targets = self.settings.gamma, []
        for t in range(self.burnt, len(self.rows)):
            k = min(self.settings.n_step, len(self.rows) - t)
            gained = [gamma**i * self.steps.reward[self.rows[t + i], self.lane] for i in range(k)]
            best = (q if self.settings.double else there)[t + k].argmax()
            d = self.steps.discount[self.rows[t + k - 1], self.lane]
            targets.append(sum(gained) + gamma**k * d * there[t + k, best])
        return targets

    def chosen(self, q: Any) -> Any:
        """Q of the steps that count, at what was done."""
        actions = self.steps.action[self.rows, self.lane, 0].astype(int)
        return q[np.arange(len(self.rows)), actions][self.burnt :]


def drawn_by(rng: np.random.Generator, steps: Transitions, settings: DQNSettings) -> list[list[PlainSequence]]:
    """The sequences of each update, as `Replay.sample_sequences` says that they are drawn."""
    starts = rng.integers((STORED - settings.sequence + 1) * LANES, size=(settings.updates, settings.batch))
    return [[PlainSequence(steps, *divmod(int(start), LANES), settings) for start in row] for row in starts]


def plain_update(cell: Any, network: Network, theta: Any, target: Any, batch: list[PlainSequence]) -> Any:
    """The errors, the loss, the mean of Q over steps that count and all actions, and the loss's gradient."""
    q = [one.q(cell, weights_of(network, theta)) for one in batch]
    there = [one.q(cell, weights_of(network, target)) for one in batch]
    y = np.concatenate([one.targets(*both) for one, *both in zip(batch, q, there, strict=True)])

    def errors(theta: Any) -> Any:
        weights = weights_of(network, theta)
        return y - np.concatenate([one.chosen(one.q(cell, weights)) for one in batch])

    def loss(theta: Any) -> float:
        return float(huber(errors(theta)).mean())

    mean = np.concatenate([one[s.burnt : -1] for one, s in zip(q, batch, strict=True)]).mean()
    return errors(theta), loss(theta), mean, slope(loss, theta)


OPTIONS = [
    {"burn_in": 2, "sequence": 4},
    {"burn_in": 0, "sequence": 6, "double": False, "max_gradient": 0.3},
    {"burn_in": 3, "sequence": 5, "n_step": 3, "tau": 0.2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_updates_from_sequences_are_those_of_numpy(cell: str, options: dict[str, Any]) -> None:
    settings = DQNSettings(**{"learning_rate": 0.02, "gamma": 0.9, "n_step": 1, "updates": 3, "batch": 6, **options})
    network, steps = Recurrent(cell, (UNITS,)).build(2, ACTIONS), transitions()
    theta, target = np.random.default_rng(1).normal(size=(2, network.size)).astype(np.float32)
    update, replay = SequenceUpdate(settings, network), Replay(100, LANES, obs=2, action=1, memory=UNITS)
    update.begin(theta)
    update.target.theta = target
    replay.add(steps)
    found = update.learn(replay, np.random.default_rng(4), 1.0)
    adam, figures, cut = PlainAdam(0.02, settings.max_gradient), [], 0
    for batch in drawn_by(np.random.default_rng(4), steps, settings):
        _, loss, mean, gradient = plain_update(CELLS[cell], network, theta, target, batch)
        figures.append((loss, mean, np.sqrt((gradient**2).sum())))
        theta = adam(theta, gradient)
        target = target + settings.tau * (theta - target)
        cut += sum(one.rows[-1] in CUT[one.lane] for one in batch)
    np.testing.assert_allclose(update.theta, theta, rtol=0, atol=1e-4)
    np.testing.assert_allclose(update.target.theta, target, rtol=0, atol=1e-4)
    loss, mean, norm = np.mean(figures, axis=0)
    assert found["loss"] == pytest.approx(loss, rel=2e-4)
    assert found["q_mean"] == pytest.approx(mean, rel=2e-4, abs=2e-5)
    assert found["gradient_norm"] == pytest.approx(norm, rel=2e-4)
    assert cut > 1, "no sequence ends with a time limit, and this shows too little"


def test_td_errors_are_of_steps_that_count_alone() -> None:
    """A mean over what is burnt in, or lies behind an episode's end, would be smaller."""
    settings = DQNSettings(burn_in=3, sequence=5, batch=8, updates=1)
    network, steps = Recurrent("gru", (UNITS,)).build(2, ACTIONS), transitions()
    update, replay = SequenceUpdate(settings, network), Replay(100, LANES, obs=2, action=1, memory=UNITS)
    theta, target = np.random.default_rng(1).normal(size=(2, network.size)).astype(np.float32)
    update.begin(theta)
    update.target.theta = target
    replay.add(steps)
    (batch,) = drawn_by(np.random.default_rng(4), steps, settings)
    error, *_ = plain_update(gru, network, theta, target, batch)
    counted, whole = len(error), settings.batch * (settings.burn_in + settings.sequence)
    assert counted < 0.7 * whole
    found = update.learn(replay, np.random.default_rng(4), 1.0)
    assert found["td_error"] == pytest.approx(np.abs(error).mean(), rel=1e-4)


def test_the_bootstrap_is_taken_with_the_memory_advanced() -> None:
    """By hand, in a sequence that a limit cuts: not with the memory as stored, nor over what the next row shows."""
    settings = DQNSettings(gamma=0.9, double=False, n_step=1)
    network, steps = Recurrent("rnn", (UNITS,)).build(2, ACTIONS), transitions()
    theta, target = np.random.default_rng(2).normal(size=(2, network.size)).astype(np.float32)
    update = SequenceUpdate(settings, network)
    update.begin(theta)
    update.target.theta = target
    assert steps.memory is not None
    stored, reward = steps.memory[7, 0], steps.reward[8, 0]  # steps 7 and 8 of lane 0, which is cut then
    obs = np.concatenate([steps.obs[7:9, 0], steps.next_obs[8:9, 0]])
    before, there = weights_of(network, theta), weights_of(network, target)
    _, h1 = rnn(there, obs[0], stored)
    _, h2 = rnn(there, obs[1], h1)
    value = rnn(there, obs[2], h2)[0].max()
    taken = rnn(before, obs[1], rnn(before, obs[0], stored)[1])[0][int(steps.action[8, 0, 0])]
    batch = (
        stored[None, None],
        obs[None, :, None],
        steps.action[None, 7:9, :1, 0].astype(np.int64),
        steps.reward[None, 7:9, :1].astype(np.float32),
        steps.discount[None, 7:9, :1].astype(np.float32),
        np.ones((1, 2, 1), np.float32),
    )
    error = float(update.step(*map(nn.as_variable, batch))[0].data[1, 0])
    assert error == pytest.approx(reward + 0.9 * value - taken, abs=1e-5)
    for wrong in (
        rnn(there, obs[2], stored),  # the memory as it was stored
        rnn(there, obs[2], h1),  # a step behind
        rnn(there, obs[2], np.zeros(UNITS)),  # emptied
        rnn(there, steps.obs[9, 0], h2),  # how the next episode begins
    ):
        assert abs(reward + 0.9 * wrong[0].max() - taken - error) > 0.02


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_eager_and_recorded_stay_together(cell: str) -> None:
    """Twenty updates on the same sequences: what summation orders may lead to, and no more."""
    settings = DQNSettings(burn_in=2, sequence=4, batch=5, updates=20, n_step=2, tau=0.1, learning_rate=0.01)
    network = Recurrent(cell, (4, UNITS), "tanh").build(2, ACTIONS)
    steps, size = transitions(), network.memory_size
    memory = np.random.default_rng(3).normal(size=(STORED, LANES, size)).astype(np.float32)
    replay = Replay(100, LANES, obs=2, action=1, memory=size)
    replay.add(Transitions(**{**vars(steps), "memory": memory}))
    kept = []
    for recorded in (True, False):
        update = SequenceUpdate(settings, network)
        update.begin(np.random.default_rng(1).normal(size=network.size).astype(np.float32))
        if recorded:
            figures = update.learn(replay, np.random.default_rng(9), 1.0)
        else:
            drawn = replay.sample_sequences(np.random.default_rng(9), 20, 5, 2, 4)
            inputs = drawn.memory, drawn.obs, drawn.action[..., 0].astype(np.int64)
            losses = []
            for k in range(20):
                batch = [x[k : k + 1] for x in (*inputs, drawn.reward, drawn.discount, drawn.mask)]
                losses.append(float(update.step(*map(nn.as_variable, batch))[1].data))
        kept.append((update.theta.copy(), update.target.theta.copy()))
    for one, other in zip(*kept, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    assert figures["loss"] == pytest.approx(np.mean(losses), rel=1e-3)


# --- the agent --------------------------------------------------------------------------------------------------------


def test_it_waits_until_there_is_a_sequence() -> None:
    made = make(Recurrent("gru", (3,)), lanes=2, stretch=4, sequence=9, learning_starts=0, updates=2, batch=3)
    request = made.ask()
    assert request.stretch is not None
    assert request.stretch.memory
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(13, 2, 5)).astype(np.float32)
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        steps = Transitions(
            obs=obs[part],
            action=np.zeros((4, 2, 1), np.float32),
            reward=np.ones((4, 2)),
            discount=np.ones((4, 2)),
            boundary=np.zeros((4, 2), bool),
            next_obs=obs[part.start + 1 : part.stop + 1],
            taken=np.full(2, 4),
            memory=np.zeros((4, 2, 3), np.float32),
        )
        told = made.tell(Experience(returns=np.zeros((1, 0)), lengths=np.zeros((1, 0), np.int64), transitions=steps))
        assert told["updates_per_step"] == (2 / 8 if number == 2 else 0.0)


@pytest.mark.parametrize("n_step", [1, 3])
def test_a_time_limit_is_not_an_end_for_what_remembers(n_step: int) -> None:
    """The chain of `test_dqn.py`: 10 everywhere with the rule, and what is left of an episode without it."""
    found = {}
    for change in (lambda x: x, blind):
        quick = {**QUICK, "updates": 48, "learning_rate": 0.02, "burn_in": 2, "sequence": 4, "n_step": n_step}
        made = on_the_chain(Recurrent("rnn", (8,)), 960, change, **quick)
        theta, memory, rows = made.ask().parameters[0], np.zeros((1, 8), np.float32), []
        for x in np.eye(5, dtype=np.float32):
            q, memory = made.network.advance(theta, x[None], memory)
            rows.append(q[0])
        found[change is blind] = np.array(rows)
    np.testing.assert_allclose(found[False], np.full((5, 2), 10.0), atol=0.5)
    np.testing.assert_allclose(found[True], np.array(REST)[:, None].repeat(2, axis=1), atol=0.5)

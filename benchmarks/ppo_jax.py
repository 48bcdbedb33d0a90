"""PPO in JAX, compiled whole: acting, CartPole, advantages, epochs and minibatches are one call.

After J. Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arranged as PureJaxRL is (C. Lu et al.,
"Discovered Policy Optimisation", 2022; github.com/luchris429/purejaxrl): random numbers, values and chances step by
step within a scan, a permutation for each epoch, a time limit taken for an end. CartPole in float32 as gymnax has it.
With `ahead`, what need not be done step by step is done for a whole stretch: random numbers before it, values and
chances after it; and a minibatch that is the whole stretch is not shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import peer
from cartwheel.errors import CartwheelError

INPUTS, CHOICES, LIMIT, START = 4, 2, 500, 0.05
POSITION_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * np.pi / 360


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings, in Cartwheel's words, of which these are known here, and `ahead`."""

    hidden: tuple[int, ...]
    lanes: int
    stretch: int
    epochs: int
    minibatches: int
    gamma: float
    gae_lambda: float
    learning_rate: float
    anneal_steps: int
    clip: float
    clip_value: float
    entropy: float
    value_weight: float
    max_gradient: float
    ahead: bool = False

    @property
    def size(self) -> int:
        """Steps of all lanes between two updates."""
        return self.lanes * self.stretch

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Plan:
        """The plan that settings make; CartwheelError for those that are not known here, or are missing."""
        try:
            return cls(**{**settings, "hidden": tuple(settings["hidden"])})
        except (KeyError, TypeError) as problem:
            raise CartwheelError(f"the PPO in JAX can't be told these settings: {problem}") from None


class State(NamedTuple):
    """What goes on from update to update."""

    theta: Any  # (n,)
    m: Any  # (n,)
    v: Any  # (n,)
    updates: Any
    lanes: Any  # states (N, 4) and steps of the episode (N,)
    key: Any
    steps: Any


class Stretch(NamedTuple):
    """What came of a stretch, time first; `value` is the value of what was seen before each step."""

    seen: Any  # (T, N, 4)
    action: Any  # (T, N)
    over: Any  # (T, N)
    log_chance: Any  # (T, N)
    value: Any  # (T, N)


class Minibatch(NamedTuple):
    """Rows to learn from, what was found when they were collected among it."""

    seen: Any  # (B, 4)
    action: Any  # (B,)
    log_chance: Any  # (B,)
    value: Any  # (B,)
    advantage: Any  # (B,)


class Whole:
    """The program: `first` makes a state, and `advance` is the compiled call, so many updates of one."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._jax = plan, peer("jax")
        self._flat = peer("jax.flatten_util").ravel_pytree
        self._networks = self._flat(networks(np.random.default_rng(0), plan.hidden))[1]  # of a vector
        self.advance: Callable[[State, int], State] = self._jax.jit(
            lambda state, updates: self._jax.lax.fori_loop(0, updates, lambda _, state: self._update(state), state)
        )

    def first(self, seed: int) -> State:
        """A state that has learnt nothing yet."""
        jax, plan = self._jax, self._plan
        theta = self._flat(networks(np.random.default_rng(seed), plan.hidden))[0]
        key, begun = jax.random.split(jax.random.key(seed))
        state = jax.random.uniform(begun, (plan.lanes, INPUTS), minval=-START, maxval=START)
        lanes = (state, jax.numpy.zeros(plan.lanes, np.int32))
        nothing, zero = jax.numpy.zeros_like(theta), jax.numpy.int32(0)
        return State(theta, nothing, nothing, zero, lanes, key, zero)

    def greedy(self, state: State) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """The policy that acts by its likelier choice, in NumPy."""
        policy, _ = self._jax.device_get(self._networks(state.theta))
        return lambda seen: forward(np, policy, seen).argmax(axis=1)

    # --- collecting --------------------------------------------------------------------------------------------------

    def _update(self, state: State) -> State:
        """A stretch, and what is learnt from it."""
        key, acting, shuffling = self._jax.random.split(state.key, 3)
        collect = self._ahead if self._plan.ahead else self._step_by_step
        both = self._networks(state.theta)
        lanes, stretch = collect(both, state.lanes, acting)
        last = forward(self._jax.numpy, both[1], lanes[0])[:, 0]
        state = state._replace(key=key, lanes=lanes)
        return self._learn(state, rows(stretch, self._advantages(stretch, last)), shuffling)

    def _step_by_step(self, both: Any, lanes: Any, key: Any) -> tuple[Any, Stretch]:
        """As PureJaxRL has it."""
        jax, numpy, plan = self._jax, self._jax.numpy, self._plan

        def step(carried: Any, _: Any) -> tuple[Any, Stretch]:
            (state, time), key = carried
            key, drawing, resetting = jax.random.split(key, 3)
            logits, value = forward(numpy, both[0], state), forward(numpy, both[1], state)[:, 0]
            action = jax.random.categorical(drawing, logits)
            keys = jax.random.split(resetting, plan.lanes)
            fresh = jax.vmap(lambda key: jax.random.uniform(key, (INPUTS,), minval=-START, maxval=START))(keys)
            lanes, over = move(numpy, (state, time), action, fresh)
            return (lanes, key), Stretch(state, action, over, self._log_chance(logits, action), value)

        (lanes, _), stretch = jax.lax.scan(step, (lanes, key), None, plan.stretch)
        return lanes, stretch

    def _ahead(self, both: Any, lanes: Any, key: Any) -> tuple[Any, Stretch]:
        """With what need not be done step by step done at once."""
        jax, numpy, shape = self._jax, self._jax.numpy, (self._plan.stretch, self._plan.lanes)
        drawing, resetting = jax.random.split(key)
        noise = jax.random.gumbel(drawing, (*shape, CHOICES))
        fresh = jax.random.uniform(resetting, (*shape, INPUTS), minval=-START, maxval=START)

        def step(lanes: Any, given: Any) -> tuple[Any, Any]:
            noise, fresh = given
            action = numpy.argmax(forward(numpy, both[0], lanes[0]) + noise, -1)
            after, over = move(numpy, lanes, action, fresh)
            return after, (lanes[0], action, over)

        lanes, (seen, action, over) = jax.lax.scan(step, lanes, (noise, fresh))
        log_chance = self._log_chance(forward(numpy, both[0], seen), action)
        return lanes, Stretch(seen, action, over, log_chance, forward(numpy, both[1], seen)[..., 0])

    def _log_chance(self, logits: Any, action: Any) -> Any:
        logs = self._jax.nn.log_softmax(logits)
        return self._jax.numpy.take_along_axis(logs, action[..., None], -1)[..., 0]

    def _advantages(self, stretch: Stretch, last: Any) -> Any:
        """Generalised advantages (T, N), by the values of what is seen after the stretch, (N,)."""
        jax, plan = self._jax, self._plan
        goes_on = 1.0 - stretch.over
        after = jax.numpy.concatenate([stretch.value[1:], last[None]])
        error = 1.0 + plan.gamma * after * goes_on - stretch.value  # a reward of 1 for each step

        def back(advantage: Any, given: Any) -> tuple[Any, Any]:
            error, goes_on = given
            advantage = error + plan.gamma * plan.gae_lambda * goes_on * advantage
            return advantage, advantage

        nothing = jax.numpy.zeros_like(last)
        return jax.lax.scan(back, nothing, (error, goes_on), reverse=True, unroll=16)[1]

    # --- learning ----------------------------------------------------------------------------------------------------

    def _learn(self, state: State, given: Minibatch, key: Any) -> State:
        """All epochs over the rows of a stretch."""
        jax, plan = self._jax, self._plan
        count = plan.minibatches
        left = 1.0 - jax.numpy.minimum(1.0, state.steps / plan.anneal_steps) if plan.anneal_steps else 1.0
        descend = partial(self._descend, left=left)

        def epoch(state: State, key: Any) -> tuple[State, None]:
            if plan.ahead and count == 1:
                return descend(state, given)
            order = jax.random.permutation(key, plan.size)
            parts = jax.tree.map(lambda x: x[order].reshape(count, -1, *x.shape[1:]), given)
            return jax.lax.scan(descend, state, parts)[0], None

        state, _ = jax.lax.scan(epoch, state, jax.random.split(key, plan.epochs))
        return state._replace(steps=state.steps + plan.size)

    def _descend(self, state: State, part: Minibatch, left: Any) -> tuple[State, None]:
        """A step of Adam, with eps 1e-5, down the gradient of a minibatch, which is shortened first."""
        numpy, plan = self._jax.numpy, self._plan
        g = self._flat(self._jax.grad(self._loss)(self._networks(state.theta), part))[0]
        g = g * numpy.minimum(1.0, plan.max_gradient / numpy.sqrt((g * g).sum()))
        count = state.updates + 1
        m, v = 0.9 * state.m + 0.1 * g, 0.999 * state.v + 0.001 * g * g
        step = (m / (1 - 0.9**count)) / (numpy.sqrt(v / (1 - 0.999**count)) + 1e-5)
        theta = state.theta - plan.learning_rate * left * step
        return state._replace(theta=theta, m=m, v=v, updates=count), None

    def _loss(self, both: Any, part: Minibatch) -> Any:
        """The clipped loss of the policy, that of the value, and the entropy."""
        jax, numpy, plan = self._jax, self._jax.numpy, self._plan
        logits, value = forward(numpy, both[0], part.seen), forward(numpy, both[1], part.seen)[:, 0]
        ratio = numpy.exp(self._log_chance(logits, part.action) - part.log_chance)
        advantage = (part.advantage - part.advantage.mean()) / (part.advantage.std() + 1e-8)
        gain = numpy.minimum(ratio * advantage, numpy.clip(ratio, 1 - plan.clip, 1 + plan.clip) * advantage)
        wanted = part.advantage + part.value
        error = (value - wanted) ** 2
        if plan.clip_value:
            near = part.value + numpy.clip(value - part.value, -plan.clip_value, plan.clip_value)
            error = numpy.maximum(error, (near - wanted) ** 2)
        loss = plan.value_weight * error.mean() - gain.mean()
        if plan.entropy:
            logs = jax.nn.log_softmax(logits)
            loss += plan.entropy * (numpy.exp(logs) * logs).sum(-1).mean()
        return loss


# --- what needs no JAX -----------------------------------------------------------------------------------------------


def networks(rng: np.random.Generator, hidden: tuple[int, ...]) -> Any:
    """A policy and a value with hidden layers of their own: weights and biases of each layer, orthogonal at first."""
    return tuple(
        [
            (_orthogonal(rng, (rows, columns), gain), np.zeros(columns, np.float32))
            for rows, columns, gain in zip((INPUTS, *hidden), (*hidden, outputs), gains, strict=True)
        ]
        for outputs, gains in ((CHOICES, (*[2**0.5] * len(hidden), 0.01)), (1, (*[2**0.5] * len(hidden), 1.0)))
    )


def _orthogonal(rng: np.random.Generator, shape: tuple[int, int], gain: float) -> NDArray[np.float32]:
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))
    return np.asarray(gain * (q if shape[0] >= shape[1] else q.T), np.float32)


def forward(numpy: Any, layers: Any, x: Any) -> Any:
    """Outputs (..., o) of a network of tanh units for x (..., 4), by NumPy or JAX."""
    *hidden, (W, b) = layers
    for weights, bias in hidden:
        x = numpy.tanh(x @ weights + bias)
    return x @ W + b


def move(numpy: Any, lanes: Any, action: Any, fresh: Any) -> tuple[Any, Any]:
    """A step of each lane (states (N, 4), steps (N,)), which begins anew from `fresh (N, 4)` where it is over (N,)."""
    state, time = cartpole(numpy, lanes[0], action), lanes[1] + 1
    over = (abs(state[:, 0]) > POSITION_LIMIT) | (abs(state[:, 2]) > ANGLE_LIMIT) | (time >= LIMIT)
    return (numpy.where(over[:, None], fresh, state), numpy.where(over, 0, time)), over


def cartpole(numpy: Any, state: Any, action: Any) -> Any:
    """The states (N, 4) 0.02 s after these, pushed to the right where the action (N,) is 1."""
    x, x_dot, theta, theta_dot = (state[:, k] for k in range(INPUTS))
    cosine, sine = numpy.cos(theta), numpy.sin(theta)
    force = numpy.where(action == 1, 10.0, -10.0).astype(np.float32)
    temp = (force + 0.05 * theta_dot**2 * sine) / 1.1
    theta_acc = (9.8 * sine - cosine * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
    x_acc = temp - 0.05 * theta_acc * cosine / 1.1
    after = (x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc)
    return numpy.stack(after, axis=1)


def rows(stretch: Stretch, advantages: Any) -> Minibatch:
    """A stretch as rows, lane after lane within each step."""
    one, many = (lambda x: x.reshape(-1)), stretch.seen.reshape(-1, INPUTS)
    return Minibatch(many, *map(one, (stretch.action, stretch.log_chance, stretch.value, advantages)))

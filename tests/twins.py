"""The table of compiled kernels: each with its plain twin, inputs to compare them on, and the level of agreement.

EXACT is equal to the bit. ULP is what follows from a tanh whose last places differ: 2e-6, or 17 units of a float32.
`tests/kernels/test_twins.py` iterates the table, once compiled and once with compilation off; a kernel that is not in
it fails `test_every_entry_point_has_a_twin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
from experience.test_returns import Steps, plain_advantages, plain_discounted, plain_n_step, plain_so_far
from graphs import random_vector
from kernels.test_replay import (
    empty_tree,
    plain_find,
    plain_sequences,
    plain_tree,
    plain_windows,
    random_ring,
    run_sequences,
    run_windows,
)

from cartwheel.experience.lanes import Actor, load
from cartwheel.experience.returns import advantages, discounted, n_step
from cartwheel.kernels.acting import act, draw, explore
from cartwheel.kernels.random import generators, next_word, uniform, words_of
from cartwheel.kernels.replay import assign, find
from cartwheel.kernels.returns import so_far
from cartwheel.kernels.trigonometry import sine_cosine
from cartwheel.policies.actions import ActionHead, action_head
from cartwheel.policies.graph import ACTIVATIONS as GRAPH_ACTIVATIONS
from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.networks import CELLS
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.specification import MLP, Dueling, Graph, Recurrent, Specification
from cartwheel.spaces import Box, Discrete, MultiDiscrete

EXACT, ULP = "EXACT", "ULP"


@dataclass(frozen=True)
class Twin:
    """A kernel's public name, its twin as a call on the same inputs, and how closely they agree."""

    kernel: str
    case: str
    level: str
    run_kernel: Callable[[], Any]
    run_twin: Callable[[], Any]


def _acting(
    head: ActionHead, specification: Specification, engine: str, lanes: int, normalised: bool = False
) -> tuple[Any, Any]:
    """Three steps of a network: actions (3, lanes, a) of the kernel, and those of NumPy or the framework."""
    rng = np.random.default_rng(lanes)
    network = specification.build(5, head.outputs)
    theta = rng.normal(size=(lanes, network.size)).astype(np.float32)
    if isinstance(network, GraphNetwork):
        theta = np.stack([random_vector(network, seed) for seed in range(lanes)]).astype(np.float32)
    obs = rng.normal(size=(3, lanes, 5)).astype(np.float32)
    normalisation = Normalisation(rng.normal(size=5), rng.uniform(0.5, 30.0, 5)) if normalised else None

    def kernel() -> Any:
        room = Actor(network, head, engine).lanes(lanes, normalisation)
        room.layers[...] = np.nan  # lanes that are not in use do not matter
        for lane in range(lanes):
            load(room, lane, theta[lane])
        actions = []
        for step in obs:
            room.layers[0, :5, :lanes] = step.T
            act(lanes, *room)
            actions.append(room.action[:, :lanes].T.copy())
        return np.stack(actions)

    def twin() -> Any:
        memory, actions = np.zeros((lanes, 1, network.memory_size), np.float32), []
        for step in obs:
            seen = step if normalisation is None else normalisation.apply(step)
            found = [network.advance(theta[lane], seen[lane, None], memory[lane]) for lane in range(lanes)]
            memory = np.stack([after for _, after in found])
            actions.append(head.decide(np.concatenate([outputs for outputs, _ in found])))
        return np.stack(actions)

    return kernel, twin


def _replay() -> Iterator[Twin]:
    """What is read from a full ring of 16 rows of 3 lanes, and a tree of 64 leaves some of which are 0."""
    rng = np.random.default_rng(4)
    (ring, finals), memory = random_ring(4, 16, 3, 6), rng.normal(size=(16, 3, 2)).astype(np.float32)
    start = (rng.integers(45, size=200) + 21) % 48
    for n in (1, 3):
        yield Twin(
            "replay.windows",
            f"{n} steps",
            EXACT,
            partial(run_windows, start, 6, n, 0.97, ring),
            partial(plain_windows, start, 6, n, 0.97, ring, finals),
        )
    start = (rng.integers(33, size=(3, 20)) + 21) % 48
    for burn_in in (0, 3):
        yield Twin(
            "replay.sequences",
            f"{burn_in} steps of burn-in",
            EXACT,
            partial(run_sequences, start, 7, burn_in, 5, ring, memory),
            partial(plain_sequences, start, 7, burn_in, 5, ring, memory, finals),
        )
    index, priority = rng.integers(64, size=300), rng.exponential(size=300) * (rng.random(300) < 0.5)
    leaves = np.zeros(64)
    leaves[index] = priority  # of one that comes twice, the last stays
    value = rng.uniform(0, leaves.sum(), 500)

    def assigned() -> Any:
        tree = empty_tree(64)
        assign(index, priority, tree)
        return tree

    def found() -> Any:
        places = np.empty(500, np.int64)
        find(value, plain_tree(leaves), places)
        return places

    yield Twin("replay.assign", "300 leaves", EXACT, assigned, lambda: plain_tree(leaves))
    yield Twin("replay.find", "500 numbers", EXACT, found, lambda: plain_find(value, plain_tree(leaves)))


def _returns() -> Iterator[Twin]:
    """Stretches of many rows and lanes, and of one of each."""
    for T, N in ((50, 7), (1, 1)):
        steps, gamma, case = Steps.drawn(T, T, N), 0.97, f"{T} rows of {N} lanes"
        met, values, following = steps.met, steps.values, steps.next_values
        yield Twin(
            "returns.discounted",
            case,
            EXACT,
            partial(discounted, *met, gamma, following),
            partial(plain_discounted, steps, gamma),
        )
        for n in (1, 4):
            yield Twin(
                "returns.n_step",
                f"{case}, n {n}",
                EXACT,
                partial(n_step, *met, following, n, gamma),
                partial(plain_n_step, steps, n, gamma),
            )
        for lam in (0.0, 0.9):
            yield Twin(
                "returns.advantages",
                f"{case}, lambda {lam}",
                EXACT,
                partial(advantages, *met, values, following, gamma, lam),
                partial(plain_advantages, steps, gamma, lam),
            )

        def summed(steps: Any = steps) -> Any:
            sums, found = steps.values[0].copy(), np.full(steps.reward.shape, np.nan)
            so_far(0.97, steps.reward, steps.boundary, sums, found)
            return np.concatenate([found, sums[None]])

        yield Twin("returns.so_far", case, EXACT, summed, partial(plain_so_far, steps, gamma, values[0]))


def _exploring() -> Iterator[Twin]:
    """Lanes some of which are closed, and generators that go on."""
    open_ = np.arange(40) % 3 != 0
    for name, groups, low, high in (("choices", [4, 2], [], []), ("bounds", [], [-1.0, 0.5], [1.0, 3.0])):
        words = np.array(groups, np.int64), np.array(low), np.array(high)

        def kernel(words: Any = words) -> Any:
            action, acting = np.zeros((2, 48), np.float32), generators(range(40))
            for _ in range(20):
                explore(0.3, open_, acting, *words, action)
            return np.concatenate([action.ravel(), acting.ravel() >> 40])

        def twin(words: Any = words) -> Any:
            action, acting = np.zeros((2, 48), np.float32), [np.random.Generator(np.random.PCG64(k)) for k in range(40)]
            for _ in range(20):
                for lane in np.flatnonzero(open_):
                    if acting[lane].uniform() < 0.3:
                        groups, low, high = words
                        drawn = [acting[lane].uniform(0.0, n) // 1 for n in groups]
                        action[:, lane] = drawn or [acting[lane].uniform(a, b) for a, b in zip(low, high, strict=True)]
            after = [words_of(one.bit_generator.state["state"]) for one in acting]
            return np.concatenate([action.ravel(), np.array(after).ravel() >> 40])

        yield Twin("acting.explore", name, EXACT, kernel, twin)


def _drawing() -> Iterator[Twin]:
    """Lanes some of which are closed: choices of two groups, and numbers of a Box."""
    open_, rng = np.arange(40) % 3 != 0, np.random.default_rng(7)
    layers, deviation = rng.normal(size=(2, 6, 48)).astype(np.float32), np.array([0.5, 2.0])
    boxes = Box((2,), (-1.0, 0.5), (1.0, np.inf))
    cases = {
        "choices": (action_head(MultiDiscrete((2,), (2, 4), (0, 0))), rng.random((40, 2))),
        "numbers": (action_head(boxes, squashed=False), rng.normal(size=(40, 2))),
    }
    for name, (head, noise) in cases.items():

        def kernel(head: Any = head, noise: Any = noise) -> Any:
            drawn, action = np.zeros((40, 2), np.float32), np.zeros((2, 48), np.float32)
            bounds = np.array(head.groups, np.int64), head.squashed, np.array(head.low), np.array(head.high)
            draw(open_, noise, deviation, layers, 1, drawn, action, *bounds)
            return np.concatenate([drawn.T, action[:, :40]])

        def twin(head: Any = head, noise: Any = noise) -> Any:
            outputs = layers[1].T[:40].astype(np.float64)
            drawn = (outputs[:, :2] + deviation * noise).astype(np.float32)
            for k, (first, last) in enumerate(pairwise(np.cumsum([0, *head.groups]))):
                chances = np.exp(outputs[:, first:last]) / np.exp(outputs[:, first:last]).sum(axis=1, keepdims=True)
                drawn[:, k] = (chances.cumsum(axis=1) <= noise[:, k, None]).sum(axis=1)
            action = drawn if head.groups else head.bounded(drawn)
            return np.concatenate([np.where(open_[:, None], one, 0.0).T for one in (drawn, action)])

        yield Twin("acting.draw", name, EXACT, kernel, twin)


def twins() -> Iterator[Twin]:
    """Every pair of the table."""
    yield from _drawing()
    yield from _replay()
    yield from _returns()
    yield from _exploring()
    heads = {
        "discrete": action_head(Discrete(3)),
        "multi-discrete": action_head(MultiDiscrete((2,), (2, 4), (0, 0))),
        "box": action_head(Box((2,), (-1.0, 0.5), (1.0, 3.0))),
        "box, clipped": action_head(Box((3,), (-1.0, 0.5, -np.inf), (1.0, np.inf, np.inf)), squashed=False),
    }
    networks: list[tuple[Specification, tuple[str, ...]]] = [
        (MLP(hidden, activation), ("perceptron", "units", "program"))
        for hidden in ((), (7,), (16, 5))
        for activation in ("relu", "tanh", "identity")
    ]
    networks += [(Recurrent(cell, (6, 5), "tanh"), ("program",)) for cell in CELLS]
    networks += [
        (Dueling(hidden, activation), ("program",)) for hidden in ((), (7,)) for activation in ("relu", "tanh")
    ]
    networks += [(Graph(6, 24, activation, activation == "tanh"), ("program",)) for activation in GRAPH_ACTIVATIONS]
    networks += [(Graph(0, 0), ("program",))]
    for name, head in heads.items():
        for specification, engines in networks:
            match specification:
                case MLP() | Dueling():
                    rounded = bool(specification.hidden) and specification.activation == "tanh"
                case Recurrent():
                    rounded = True
                case Graph():
                    rounded = specification.nodes > 0
            for lanes, engine in product((1, 13, 32), engines):
                normalised = lanes == 13
                kernel, twin = _acting(head, specification, engine, lanes, normalised)
                case = f"{engine}, {name}, {specification}, {lanes} lanes"
                yield Twin("acting.act", case, ULP if rounded or "box" in name else EXACT, kernel, twin)

    def words() -> Any:
        row = generators([12345])[0]
        return np.array([next_word(row) for _ in range(1000)], np.uint64)

    yield Twin("random.next_word", "1000 words", EXACT, words, lambda: np.random.PCG64(12345).random_raw(1000))

    def numbers() -> Any:
        row = generators([7])[0]
        return np.array([uniform(row, -0.6, -0.4) for _ in range(1000)])

    yield Twin(
        "random.uniform",
        "1000 numbers",
        EXACT,
        numbers,
        lambda: np.array([np.random.Generator(np.random.PCG64(7)).uniform(-0.6, -0.4, 1000)])[0],
    )

    for scale in (1e-9, 1e-3, 0.05, 0.13, 0.21, 0.3, 10.0):
        angles = np.random.default_rng(8).uniform(-scale, scale, 20_000)
        angles[:6] = (0.0, -0.0, 0.125, -0.125, 0.25, 5e-324)

        def both(angles: Any = angles) -> Any:
            rows = np.stack([angles, np.zeros_like(angles), np.zeros_like(angles)])
            sine_cosine(len(angles), rows, 0, 1, 2)
            return rows[1:]

        def library(angles: Any = angles) -> Any:
            return np.stack([np.sin(angles), np.cos(angles)])

        yield Twin("trigonometry.sine_cosine", f"angles up to {scale}", EXACT, both, library)

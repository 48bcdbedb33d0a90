"""Random programs: networks, losses, optimizers and hooks put together at random, recorded and eager, for 50 steps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import cartwheel.nn as nn
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn import optimizers
from cartwheel.nn.capture import capture

ACTIVATIONS = [F.relu, F.leaky_relu, F.tanh, F.sigmoid, F.softplus, F.elu, F.gelu, F.silu, F.sin]
LOSSES = ["squared", "huber", "classes", "chances", "divergence"]
RULES = {
    "SGD": lambda rate: optimizers.SGD(rate),
    "Momentum": lambda rate: optimizers.Momentum(rate, 0.8),
    "Nesterov": lambda rate: optimizers.Nesterov(rate, 0.8),
    "AdaGrad": lambda rate: optimizers.AdaGrad(rate, eps=1e-3),
    "RMSprop": lambda rate: optimizers.RMSprop(rate, eps=1e-3),
    "Adam": lambda rate: optimizers.Adam(rate, eps=1e-3),
    "AdamW": lambda rate: optimizers.AdamW(rate, eps=1e-3),
}
HOOKS = {
    "decay": lambda: optimizers.WeightDecay(0.01),
    "norm": lambda: optimizers.ClipGrad(0.5),
    "value": lambda: optimizers.ClipValue(0.1),
}
SCHEDULES = {
    "constant": lambda rate: rate,
    "linear": lambda rate: optimizers.LinearRate(rate, rate / 10, 40),
    "cosine": lambda rate: optimizers.CosineRate(rate, rate / 10, 40),
    "exponential": lambda rate: optimizers.ExponentialRate(rate, 0.95),
}
CLOSE = {"float64": (1e-9, 1e-9), "float32": (1e-4, 1e-5)}


def loss_of(name: str, y: Any, t: Any) -> Any:
    match name:
        case "squared":
            return F.mean_squared_error(y, t)
        case "huber":
            return F.huber(y, t, delta=0.5)
        case "classes":
            return F.softmax_cross_entropy(y, t)
        case "chances":
            return F.sigmoid_cross_entropy(y, t)
        case _:
            return F.kl(y, t)


def target(name: str, rng: np.random.Generator, rows: int, outputs: int, dtype: str) -> Any:
    if name == "classes":
        return rng.integers(outputs, size=rows)
    t = rng.normal(size=(rows, outputs))
    return (t > 0 if name == "chances" else t).astype(dtype)


@some.composite
def programs(draw: Any) -> dict[str, Any]:
    return {
        "sizes": draw(some.lists(some.integers(1, 20), min_size=0, max_size=3)),
        "outputs": draw(some.integers(1, 5)),
        "inputs": draw(some.integers(1, 9)),
        "rows": draw(some.integers(1, 17)),
        "activation": draw(some.sampled_from(ACTIVATIONS)),
        "normalised": draw(some.booleans()),
        "loss": draw(some.sampled_from(LOSSES)),
        "rule": draw(some.sampled_from(list(RULES))),
        "schedule": draw(some.sampled_from(list(SCHEDULES))),
        "hooks": draw(some.lists(some.sampled_from(list(HOOKS)), unique=True, max_size=3)),
        "rate": draw(some.sampled_from([1e-3, 1e-2])),
        "dtype": draw(some.sampled_from(list(CLOSE))),
        "seed": draw(some.integers(0, 1000)),
    }


def network(how: dict[str, Any], rng: np.random.Generator) -> Any:
    parts: list[Any] = []
    for size in how["sizes"]:
        parts.append(L.Linear(size, dtype=how["dtype"], rng=rng))
        if how["normalised"] and size > 2:
            parts.append(L.LayerNorm(dtype=how["dtype"]))
        parts.append(how["activation"])
    return nn.Sequential(*parts, L.Linear(how["outputs"], dtype=how["dtype"], rng=rng))


def check(how: dict[str, Any]) -> None:
    rng = np.random.default_rng(how["seed"])
    x = rng.normal(size=(how["rows"], how["inputs"])).astype(how["dtype"])
    t = target(how["loss"], rng, how["rows"], how["outputs"], how["dtype"])
    model = network(how, rng)
    model(x)
    twin, steps = copy.deepcopy(model), []
    nudged = copy.deepcopy(model)
    nudged.theta[...] = np.nextafter(nudged.theta, np.inf)
    for one in (model, twin, nudged):
        optimizer = RULES[how["rule"]](SCHEDULES[how["schedule"]](how["rate"])).setup(one)
        for name in how["hooks"]:
            optimizer.add_hook(HOOKS[name]())
        steps.append(step_of(one, optimizer, how["loss"]))
    recorded, eager, other = capture(steps[0]), *steps[1:]
    relative, absolute = CLOSE[how["dtype"]]
    for _ in range(50):
        found, expected = recorded(x, t).data, eager(x, t).data
        # a network that makes much of its last places is not held to them: 50 times what one place more does eagerly
        absolute = max(absolute, 50 * float(np.abs(other(x, t).data - expected)))
        np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)
    absolute = max(absolute, 50 * float(np.abs(nudged.theta - twin.theta).max()))
    np.testing.assert_allclose(model.theta, twin.theta, rtol=relative, atol=absolute)
    assert all(row.words is not None for row in recorded.program(x, t).rows)


def step_of(model: Any, optimizer: Any, loss: str) -> Any:
    def step(x: Any, t: Any) -> Any:
        found = loss_of(loss, model(x), t)
        model.cleargrads()
        found.backward()
        optimizer.update()
        return found

    return step


REPEATABLE = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=40, **REPEATABLE)
@given(programs())
def test_random_programs(how: dict[str, Any]) -> None:
    check(how)


@pytest.mark.slow
@settings(max_examples=500, **REPEATABLE)
@given(programs())
def test_500_random_programs(how: dict[str, Any]) -> None:
    check(how)

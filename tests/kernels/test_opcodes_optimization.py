"""The opcodes of optimizers and their hooks against `nn.optimizers`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from opcode_memory import DTYPES, NONSENSE, Memory, apart, bits, holds, row_of, unlike, with_compilation_off

from cartwheel.kernels.opcodes import OPCODES, optimization
from cartwheel.nn import optimizers

#: Opcode, optimizer, settings
RULES = [
    ("sgd", optimizers.SGD, {"lr": 0.1}),
    ("momentum", optimizers.Momentum, {"lr": 0.03, "momentum": 0.8}),
    ("nesterov", optimizers.Nesterov, {"lr": 0.03, "momentum": 0.8}),
    ("ada_grad", optimizers.AdaGrad, {"lr": 0.03, "eps": 1e-7}),
    ("ada_delta", optimizers.AdaDelta, {"rho": 0.93, "eps": 1e-6}),
    ("rmsprop", optimizers.RMSprop, {"lr": 0.02, "rho": 0.97, "eps": 1e-7}),
    ("adam", optimizers.Adam, {"alpha": 0.02, "beta1": 0.91, "beta2": 0.995, "eps": 1e-6}),
    ("adamw", optimizers.AdamW, {"alpha": 0.02, "beta1": 0.91, "beta2": 0.995, "eps": 1e-6, "weight_decay": 0.07}),
]
HOOKS = [
    ("weight_decay", optimizers.WeightDecay, {"rate": 0.3}),
    ("clip_norm", optimizers.ClipGrad, {"max_norm": 0.7}),
    ("clip_norm", optimizers.ClipGrad, {"max_norm": 1e6}),
    ("clip_value", optimizers.ClipValue, {"max_value": 0.4}),
]
SIZES = (0, 1, 7, 16, 33, 1001)


def vector(rng: np.random.Generator, n: int, dtype: str, *, extreme: bool = False) -> Any:
    x = rng.normal(size=n).astype(dtype)
    if extreme:
        edges = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).tiny / 4, np.finfo(dtype).max]
        x[: len(edges)] = np.array(edges, dtype)[:n]
    return x


def stepped(rule: Any, settings: dict[str, float], theta: Any, grads: Any, memories: dict[str, Any], step: int) -> Any:
    """theta and the memory as `nn.optimizers` has them after some updates."""
    state = {"step": step, **memories}
    with np.errstate(all="ignore"):
        for g in grads:
            theta, state = rule.rule(theta, g, state, settings)
    return theta, [state[name] for name in memories]


def check_rule(
    name: str, rule: Any, settings: dict[str, float], n: int, dtype: str, *, extreme: bool, step: int
) -> float:
    """How far a row is from the optimizer, in theta and in what it remembers; it counts the updates."""
    rng = np.random.default_rng(n + step)
    theta, grad = vector(rng, n, dtype, extreme=extreme), vector(rng, n, dtype, extreme=extreme)[::-1]
    memories = {one: np.abs(vector(rng, n, dtype)) for one in rule.memory}
    memory = Memory(dtype)
    place = memory.put_integers([step])
    at = [memory.put(x) for x in (theta, grad, *memories.values())]
    vectors = [*at, 0, 0][:4]
    memory.run(name, n, place, 1, 0, *vectors, *map(bits, settings.values()), times=3)
    expected, kept = stepped(rule, settings, theta, [grad] * 3, memories, step)
    assert memory.integers[place] == step + 3
    pairs = zip([at[0], *at[2:]], [expected, *kept], strict=True)
    return max(unlike(memory.get(offset, n), value) for offset, value in pairs)


def rules(name: str, rule: Any, settings: dict[str, float], dtype: str) -> float:
    plain = [check_rule(name, rule, settings, n, dtype, extreme=False, step=0) for n in SIZES]
    late = [check_rule(name, rule, settings, 40, dtype, extreme=True, step=step) for step in (1, 5, 1000, 123_456)]
    return max(*plain, *late)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "rule"), [("adam", optimizers.Adam), ("adamw", optimizers.AdamW)])
def test_corrections_equal_pythons_powers_at_many_steps(name: str, rule: Any, dtype: str) -> None:
    """Twenty steps at a time, in which the factor's last bit decides over some number's."""
    defaults = rule().settings
    rng = np.random.default_rng(7)
    for first in (*range(0, 400, 20), 10_000, 100_000):
        theta, memory = vector(rng, 64, dtype), Memory(dtype)
        place = memory.put_integers([first])
        at = [memory.put(x) for x in (theta, theta, np.zeros(64), np.zeros(64))]
        memory.run(name, 64, place, 1, 0, *at, *map(bits, defaults.values()), times=20)
        zeros = {one: np.zeros(64, dtype) for one in rule.memory}
        expected, _ = stepped(rule, defaults, theta, [theta] * 20, zeros, first)
        assert memory.get(at[0], 64).tobytes() == expected.tobytes(), first


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "rule", "settings"), RULES, ids=[rule[0] for rule in RULES])
def test_settings_can_stand_in_memory(name: str, rule: Any, settings: dict[str, float], dtype: str) -> None:
    """As float32 0.1 is another number than as float64, what is expected is computed from the number in memory."""
    rng = np.random.default_rng(1)
    for chosen in range(len(settings)):
        theta, grad = vector(rng, 20, dtype), vector(rng, 20, dtype)
        memories = {one: np.abs(vector(rng, 20, dtype)) for one in rule.memory}
        memory = Memory(dtype)
        place = memory.put_integers([4])
        at = [memory.put(x) for x in (theta, grad, *memories.values())]
        words = [bits(value) for value in settings.values()]
        words[chosen] = memory.put([list(settings.values())[chosen]])
        rounded = {one: float(np.dtype(dtype).type(value)) for one, value in settings.items()}
        used = {one: rounded[one] if k == chosen else value for k, (one, value) in enumerate(settings.items())}
        memory.run(name, 20, place, 0, 1 << chosen, *[*at, 0, 0][:4], *words)
        expected, _ = stepped(rule, used, theta, [grad], memories, 4)
        assert memory.get(at[0], 20).tobytes() == expected.tobytes()
        assert memory.integers[place] == 4  # this row does not count the update


def check_hook(name: str, hook: Any, settings: dict[str, float], n: int, dtype: str, *, extreme: bool) -> float:
    rng = np.random.default_rng(n)
    theta, grad = vector(rng, n, dtype), vector(rng, n, dtype, extreme=extreme)
    memory = Memory(dtype)
    at = [memory.put(theta), memory.put(grad), memory.room(n)]
    memory.run(name, n, 0, 0, 0, *at, 0, *map(bits, settings.values()))
    with np.errstate(all="ignore"):
        expected = hook.rule(theta, grad, settings)
    got = memory.get(at[2], n)
    assert memory.get(at[1], n).tobytes() == grad.tobytes()
    return apart(got, expected) if name == "clip_norm" else unlike(got, expected)


def hooks(name: str, dtype: str) -> float:
    chosen = [one[1:] for one in HOOKS if one[0] == name]
    found = [check_hook(name, *one, n, dtype, extreme=False) for one in chosen for n in SIZES]
    if name != "clip_norm":
        found += [check_hook(name, *one, 40, dtype, extreme=True) for one in chosen]
    return max(found)


#: The worst error of each opcode, in a type.
AGREEMENT: dict[str, Any] = {
    **{name: partial(rules, name, rule, settings) for name, rule, settings in RULES},
    **{name: partial(hooks, name) for name, *_ in HOOKS},
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_clipping_by_the_norm_has_a_known_answer(dtype: str) -> None:
    def clipped(grad: Any, most: float) -> Any:
        memory = Memory(dtype)
        at = memory.put(grad), memory.room(2)
        memory.run("clip_norm", 2, 0, 0, 0, 0, *at, 0, bits(most))
        return memory.get(at[1], 2).copy()

    np.testing.assert_allclose(clipped([3.0, 4.0], 1.0), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(clipped([3.0, 4.0], 5.1), [3.0, 4.0])
    np.testing.assert_array_equal(clipped([0.0, 0.0], 0.5), [0.0, 0.0])
    np.testing.assert_array_equal(clipped([np.nan, 1.0], 1.0), [np.nan, np.nan])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_rate_of_nothing_and_a_nan(dtype: str) -> None:
    memory = Memory(dtype)
    place, theta, grad = memory.put_integers([0]), memory.put([1.0, 2.0]), memory.put([5.0, np.nan])
    memory.run("sgd", 2, place, 1, 0, theta, grad, 0, 0, bits(0.0))
    np.testing.assert_array_equal(memory.get(theta, 2), [1.0, np.nan])


def test_forms_refuse_nonsense() -> None:
    good = (10, 5, 1, 0, 100, 200, 300, 400)
    for name, *_ in RULES:
        form = OPCODES[name].form
        assert len(list(form(row_of(name, *good)))) >= 3
        for word, value in ((1, -1), (3, 2), (3, -1), (4, 1 << 6), (4, -1)):
            row = row_of(name, *good)
            row[word] = value
            with pytest.raises(ValueError, match=NONSENSE):
                list(form(row))
    for name, *_ in HOOKS:
        for word, value in ((1, -1), (4, 2), (7, 200), (7, 209), (7, 191)):
            row = row_of(name, *good)
            row[word] = value
            with pytest.raises(ValueError, match=NONSENSE):
                list(OPCODES[name].form(row))


def test_the_settings_in_memory_are_among_the_spans() -> None:
    row = row_of("adam", 10, 5, 1, 0b1001, 100, 200, 300, 400, 77, 0, 0, 78)
    reads = {(span.first, span.last) for span in OPCODES["adam"].form(row) if not span.written}
    assert {(77, 78), (78, 79), (200, 210)} == reads


def reduced() -> None:
    """What is also run with compilation off."""
    for dtype in DTYPES:
        for name, rule, settings in RULES:
            holds(name, check_rule(name, rule, settings, 21, dtype, extreme=True, step=3))
        for name, hook, settings in HOOKS:
            holds(name, check_hook(name, hook, settings, 133, dtype, extreme=False))


def test_rules_and_hooks_with_compilation_off() -> None:
    with_compilation_off("test_opcodes_optimization", "reduced()")
    assert optimization.SETTINGS == 9

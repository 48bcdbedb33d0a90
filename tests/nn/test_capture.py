"""Recorded steps against the same steps run eagerly, and what can't be recorded."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.kernels.opcodes.forms import AXES, INPUTS
from cartwheel.nn import Variable, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture
from cartwheel.nn.capture.captured import MOST_PROGRAMS

Step = Callable[..., Any]
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
#: Replays may sum in another order than NumPy.
CLOSE = {np.float32: {"rtol": 1e-4, "atol": 1e-5}, np.float64: {"rtol": 1e-9, "atol": 1e-9}}


def data(dtype: Any, rows: int = 16, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 4)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)


def step_of(model: Any, optimizer: Any, loss_of: Step = F.mean_squared_error) -> Step:
    def step(x: Any, t: Any) -> Any:
        loss = loss_of(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return step


def pair(
    model: Any, optimizer: Callable[[], Any], hooks: tuple[Any, ...] = (), loss_of: Step = F.mean_squared_error
) -> tuple[Any, Any, Any, Any]:
    """A model and its copy, the recorded step of the first and the eager one of the second."""
    twin = copy.deepcopy(model)
    steps = []
    for one in (model, twin):
        chosen = optimizer().setup(one)
        for hook in hooks:
            chosen.add_hook(hook)
        steps.append(step_of(one, chosen, loss_of))
    return model, twin, capture(steps[0]), steps[1]


def agree(model: Any, twin: Any, recorded: Any, eager: Step, x: Any, t: Any, steps: int = 20) -> None:
    dtype = model.theta.dtype.type
    for _ in range(steps):
        np.testing.assert_allclose(recorded(x, t).data, eager(x, t).data, **CLOSE[dtype])
    assert not np.array_equal(model.theta, 0)
    np.testing.assert_allclose(model.theta, twin.theta, **CLOSE[dtype])


def perceptron(dtype: Any = np.float32, activation: Any = F.relu, sizes: tuple[int, ...] = (16, 16, 2)) -> Any:
    nn.seed(1)
    return nn.MLP(sizes, activation=activation, dtype=dtype, in_size=4)


RULES = {
    "SGD": lambda: optimizers.SGD(0.1),
    "Momentum": lambda: optimizers.Momentum(0.05),
    "Nesterov": lambda: optimizers.Nesterov(0.05),
    "AdaGrad": lambda: optimizers.AdaGrad(0.05),
    "AdaDelta": lambda: optimizers.AdaDelta(),
    "RMSprop": lambda: optimizers.RMSprop(0.01),
    "Adam": lambda: optimizers.Adam(0.01),
    "AdamW": lambda: optimizers.AdamW(0.01),
    "schedule": lambda: optimizers.Momentum(optimizers.CosineRate(0.1, 0.01, 15)),
    "Adam on a schedule": lambda: optimizers.Adam(optimizers.LinearRate(0.01, 0.001, 15)),
}


@TYPES
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_recorded_step_learns_what_the_eager_one_does(dtype: Any, rule: Callable[[], Any]) -> None:
    agree(*pair(perceptron(dtype), rule), *data(dtype))


@TYPES
@pytest.mark.parametrize("activation", [F.relu, F.tanh, F.sigmoid, F.softplus, F.gelu, F.silu, F.elu, F.leaky_relu])
def test_activations(dtype: Any, activation: Any) -> None:
    agree(*pair(perceptron(dtype, activation), RULES["Adam"]), *data(dtype))


@TYPES
def test_hooks(dtype: Any) -> None:
    hooks = (optimizers.WeightDecay(1e-2), optimizers.ClipGrad(0.1), optimizers.ClipValue(0.05))
    agree(*pair(perceptron(dtype), RULES["SGD"], hooks), *data(dtype))


@TYPES
def test_losses_with_classes(dtype: Any) -> None:
    x, _ = data(dtype)
    t = np.random.default_rng(3).integers(2, size=len(x))
    agree(*pair(perceptron(dtype), RULES["Adam"], loss_of=F.softmax_cross_entropy), x, t)
    agree(
        *pair(perceptron(dtype, sizes=(8, 1)), RULES["Adam"], loss_of=F.sigmoid_cross_entropy),
        x,
        t[:, None].astype(dtype),
    )


@TYPES
@pytest.mark.parametrize("kind", [L.RNN, L.GRU, L.LSTM])
def test_recurrent_networks(dtype: Any, kind: Any) -> None:
    class Recurrent(nn.Model):
        def __init__(self) -> None:
            self.memory, self.out = kind(8, in_size=4, dtype=dtype), L.Linear(2, in_size=8, dtype=dtype)

        def forward(self, xs: Any) -> Any:
            self.reset_state()
            return self.out(self.memory(xs)[-1])

    nn.seed(2)
    xs = np.random.default_rng(4).normal(size=(7, 16, 4)).astype(dtype)
    agree(*pair(Recurrent(), RULES["Adam"]), xs, data(dtype)[1])


def test_a_function_of_ones_own_is_run_by_numpy() -> None:
    class Cube(nn.Function):
        def forward(self, x: Any) -> Any:
            return x**3

        def backward(self, g: Any) -> Any:
            (x,) = self.inputs
            return 3.0 * x * x * g

    model, twin, recorded, eager = pair(perceptron(np.float64, lambda x: Cube()(x)), lambda: optimizers.SGD(0.01))
    x, t = data(np.float64)
    agree(model, twin, recorded, eager, 0.3 * x, t)
    assert {row.entry.name for row in recorded.program(x, t).rows if row.words is None} == {"Cube"}
    assert "(NumPy)" in recorded.program(x, t).describe()


@TYPES
def test_batch_normalisation_and_its_averages(dtype: Any) -> None:
    nn.seed(3)
    model = nn.Sequential(
        L.Linear(6, in_size=4, dtype=dtype), L.BatchNorm(6, dtype=dtype), F.tanh, L.Linear(2, dtype=dtype)
    )
    x, t = data(dtype)
    model(x)
    before = model.averages.copy()
    # not Adam, which would follow the rounding errors of the first bias: its gradient is 0
    model, twin, recorded, eager = pair(model, RULES["SGD"])
    program = recorded.program(x, t)
    np.testing.assert_array_equal(model.averages, before)
    agree(model, twin, recorded, eager, x, t)
    np.testing.assert_allclose(model.averages, twin.averages, **CLOSE[dtype])
    assert not np.allclose(model.averages, before)
    assert all(row.words is not None for row in program.rows)


@TYPES
def test_dropout_draws_what_the_eager_step_would(dtype: Any) -> None:
    model = nn.Sequential(L.Linear(16, in_size=4, dtype=dtype), L.Dropout(0.3), F.relu, L.Linear(2, dtype=dtype))
    x, t = data(dtype)
    model(x)
    model, twin, recorded, eager = pair(model, RULES["Adam"])
    recorded.program(x, t)
    nn.seed(7)
    losses = [recorded(x, t).item() for _ in range(5)] + [recorded.repeat(6, x, t).item()]
    after = nn.Config.rng.uniform()
    nn.seed(7)
    expected = [eager(x, t).item() for _ in range(11)]
    np.testing.assert_allclose(losses, [*expected[:5], expected[-1]], **CLOSE[dtype])
    assert nn.Config.rng.uniform() == after
    np.testing.assert_allclose(model.theta, twin.theta, **CLOSE[dtype])
    assert all(row.words is not None for row in recorded.program(x, t).rows)


def test_several_steps_in_one_call() -> None:
    x, t = data(np.float64)
    model, twin, recorded, eager = pair(perceptron(np.float64), RULES["Adam"])
    last = recorded.repeat(30, x, t)
    for _ in range(30):
        expected = eager(x, t)
    np.testing.assert_allclose(last.data, expected.data, rtol=1e-9)
    np.testing.assert_allclose(model.theta, twin.theta, rtol=1e-9)


@pytest.mark.parametrize("classes", [False, True])
def test_a_sweep_over_minibatches_is_one_call(classes: bool) -> None:
    """As long a loop of eager steps, with a schedule, on the same rows."""
    x, t = data(np.float64, rows=50)
    t = (t[:, 0] > 0).astype(int) if classes else t
    loss = F.softmax_cross_entropy if classes else F.mean_squared_error
    model, twin, recorded, eager = pair(perceptron(np.float64), RULES["Adam on a schedule"], loss_of=loss)
    indices = np.random.default_rng(5).permutation(50)[:48].reshape(6, 8)
    for _ in range(2):
        losses = recorded.over(indices, x, t).data
        expected = [eager(x[rows], t[rows]).item() for rows in indices]
        np.testing.assert_allclose(losses, expected, rtol=1e-9)
    np.testing.assert_allclose(model.theta, twin.theta, rtol=1e-9)
    with pytest.raises(IndexError, match="out of range in step 2 of 6"):
        recorded.over(np.where(np.arange(6)[:, None] == 1, 50, indices), x, t)
    with pytest.raises(ValueError, match="same number of rows"):
        recorded.over(indices, x, t[:-1])


def test_a_forward_alone_is_a_program_and_sees_new_weights() -> None:
    model = perceptron()
    act = capture(lambda x: model(x))
    x, _ = data(np.float32)
    np.testing.assert_allclose(act(x).data, model(x).data, rtol=1e-5, atol=1e-6)
    model.theta[...] *= 0.5
    np.testing.assert_allclose(act(x).data, model(x).data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [None, L.RNN, L.GRU, L.LSTM])
def test_a_population_is_an_input(kind: Any) -> None:
    """The forward of many candidates is a program: other candidates need no other recording."""
    nn.seed(1)
    layers = [L.Linear(5, in_size=4), F.tanh] if kind is None else [kind(5, in_size=4)]
    model = nn.Sequential(*layers, L.Linear(2, in_size=5))
    rng = np.random.default_rng(2)

    def forward(thetas: Any, x: Any) -> Any:
        with model.bound_to(thetas):
            return model(x)

    recorded = capture(forward)
    for _ in range(3):
        thetas = rng.normal(size=(6, model.theta.size)).astype(np.float32)
        x = rng.normal(size=(6, 3, 4) if kind is None else (7, 6, 3, 4)).astype(np.float32)
        with nn.no_grad():
            expected = forward(thetas, x)
        np.testing.assert_allclose(recorded(thetas, x).data, expected.data, rtol=1e-5, atol=1e-5)
    assert len(recorded._programs) == 1
    assert all(row.words is not None for row in recorded.program(thetas, x).rows)


def test_views_of_inputs_are_no_constants() -> None:
    double = capture(lambda x: F.exp(x[:, ::-1].T) + F.sum(x, axis=0)[:, None])
    for seed in range(3):
        x, _ = data(np.float64, seed=seed)
        np.testing.assert_allclose(double(x).data, np.exp(x[:, ::-1].T) + x.sum(axis=0)[:, None], rtol=1e-12)


def test_what_a_step_returns_keeps_its_structure() -> None:
    recorded = capture(lambda x: {"twice": F.mul(x, 2.0), "several": (F.sum(x), None)})
    found = recorded(np.ones((2, 3)))
    np.testing.assert_array_equal(found["twice"].data, 2.0 * np.ones((2, 3)))
    total, nothing = found["several"]
    assert isinstance(total, Variable)
    assert (total.item(), nothing) == (6.0, None)
    with pytest.raises(TypeError, match="gives Variables, got float"):
        capture(lambda x: 3.0)(np.ones(2))


# --- state -----------------------------------------------------------------------------------------------------------


def test_recording_changes_nothing() -> None:
    model = perceptron()
    optimizer = optimizers.Adam(0.01).setup(model)
    step = step_of(model, optimizer)
    x, t = data(np.float32)
    step(x, t)
    theta, state = model.theta.copy(), optimizer.state()
    drawn, gradients = nn.Config.rng.bit_generator.state, [p.grad for p in model.params()]
    capture(step).program(x, t)
    np.testing.assert_array_equal(model.theta, theta)
    assert optimizer.state().keys() == state.keys()
    for name, value in optimizer.state().items():
        np.testing.assert_array_equal(value, state[name])
    assert nn.Config.rng.bit_generator.state == drawn
    assert all(p.grad is g for p, g in zip(model.params(), gradients, strict=True))
    capture(step)(x, t)
    assert all(p.grad is None for p in model.params())  # a recorded step leaves none, and no old ones


def test_eager_and_recorded_steps_can_alternate() -> None:
    x, t = data(np.float64)
    model, twin, recorded, eager = pair(perceptron(np.float64), RULES["Adam"])
    mixed = recorded.step
    for number in range(12):
        found = recorded(x, t) if number % 3 else mixed(x, t)
        np.testing.assert_allclose(found.data, eager(x, t).data, rtol=1e-9)
    np.testing.assert_allclose(model.theta, twin.theta, rtol=1e-9)


def test_the_optimizers_state_goes_on() -> None:
    x, t = data(np.float64)
    model = perceptron(np.float64)
    optimizer = optimizers.Adam(0.01).setup(model)
    recorded = capture(step_of(model, optimizer))
    recorded.repeat(5, x, t)
    assert optimizer.step == 5
    theta, state = model.theta.copy(), optimizer.state()
    expected = recorded.repeat(3, x, t)
    model.theta[...] = theta
    optimizer.restore(state)
    np.testing.assert_array_equal(recorded.repeat(3, x, t).data, expected.data)
    assert optimizer.step == 8


def test_other_shapes_are_recorded_anew_up_to_a_number() -> None:
    total = capture(lambda x: F.sum(x * x))
    for rows in range(1, MOST_PROGRAMS + 1):
        assert total(np.full(rows, 2.0)).item() == 4.0 * rows
    assert total(np.full(3, 3.0)).item() == 27.0
    with pytest.raises(RuntimeError, match=r"16 different shapes.*now comes \(99,\)"):
        total(np.ones(99))


def test_parameters_that_moved_are_recorded_anew() -> None:
    inner = perceptron()
    x, _ = data(np.float32)
    act = capture(lambda x: inner(x))
    before = act(x).data
    outer = nn.Sequential(inner)
    assert outer.theta is not None  # the outer model takes the parameters over
    np.testing.assert_array_equal(act(x).data, before)
    outer.theta[...] = 0.0
    assert not act(x).data.any()


def test_a_program_is_freed_with_its_step() -> None:
    model = perceptron()
    recorded = capture(lambda x: model(x))
    recorded(data(np.float32)[0])
    gc.disable()
    try:
        import weakref

        program = weakref.ref(recorded.program(data(np.float32)[0]))
        del recorded
        assert program() is None
    finally:
        gc.enable()


def test_a_class_that_there_is_not_ends_the_run() -> None:
    model = perceptron()
    recorded = capture(step_of(model, optimizers.SGD(0.1).setup(model), F.softmax_cross_entropy))
    x, t = data(np.float32)[0], np.zeros(16, int)
    recorded(x, t)
    t[3] = 2
    with pytest.raises(IndexError, match="out of range in step 1 of 5"):
        recorded.repeat(5, x, t)
    assert np.isfinite(recorded(x, np.zeros(16, int)).item())


def test_an_index_that_is_an_input() -> None:
    chosen = capture(lambda q, a: F.get_item(q, (np.arange(3), a)))
    q = np.arange(12.0).reshape(3, 4)
    for a in ([0, 1, 2], [3, 3, 0], [-1, 0, -2]):
        np.testing.assert_array_equal(chosen(q, np.array(a)).data, q[np.arange(3), a])
    taken = capture(lambda q, a: F.take_along_axis(q, a, axis=1))
    for a in ([[0], [1], [2]], [[3], [3], [0]]):
        np.testing.assert_array_equal(taken(q, np.array(a)).data, np.take_along_axis(q, np.array(a), 1))


def test_threads_agree_to_the_bit() -> None:
    """Programs of their own, at once: each gives what it gives alone."""
    x, t = data(np.float32)
    steps = [pair(perceptron(), RULES["Adam"])[2] for _ in range(4)]
    alone = steps[0].repeat(200, x, t).data
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda step: step.repeat(200, x, t).data, steps[1:]):
            assert found.tobytes() == alone.tobytes()


# --- what can't be recorded ------------------------------------------------------------------------------------------


def line_of(text: str) -> str:
    """`file:line` of the line of this file that ends with a remark."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return f"{__file__}:{next(number for number, line in enumerate(lines, 1) if line.endswith('# ' + text))}"


def refused(step: Step, remark: str, match: str = "can't record") -> None:
    with pytest.raises(RuntimeError, match=match) as caught:
        capture(step)(np.array([[0.5, 1.5], [2.5, -1.0]]))
    assert line_of(remark) in str(caught.value)


def test_a_branch_on_data() -> None:
    def step(x: Any) -> Any:
        y = F.sum(x)
        return y if y.data > 0 else -y  # a branch

    refused(step, "a branch", r"\.data was read")


def test_a_comparison() -> None:
    def step(x: Any) -> Any:
        y = F.sum(x)
        return -y if y > 1.0 else y  # a comparison

    refused(step, "a comparison", r"\.data was read")


def test_a_number_taken_out() -> None:
    def step(x: Any) -> Any:
        y = F.sum(x)
        return y * float(y)  # a number

    refused(step, "a number")


def test_a_loop_bound() -> None:
    def step(x: Any) -> Any:
        y = F.sum(x)
        for _ in range(int(x[0, 0])):  # a loop
            y = y * 1.5
        return y

    refused(step, "a loop", r"\.data was read")


def test_a_number_that_changes_from_call_to_call() -> None:
    numbers = count()

    def step(x: Any) -> Any:
        return F.sum(x * next(numbers))  # a number of its own

    refused(step, "a number of its own")


def test_a_loop_that_is_not_always_as_long() -> None:
    lengths = count(1)

    def step(x: Any) -> Any:
        y = F.sum(x)
        for _ in range(next(lengths)):
            y = y * 1.5
        return y

    with pytest.raises(RuntimeError, match=r"it took 4 operations, and 3 when it was run"):
        capture(step)(np.ones(2))


def test_a_random_draw() -> None:
    rng = np.random.default_rng(0)

    def step(x: Any) -> Any:
        return F.sum(x + rng.normal(size=2))  # a draw

    refused(step, "a draw")


def test_a_counter_in_python() -> None:
    model = nn.MLP((2,), in_size=2, dtype=np.float64)
    optimizer = optimizers.SGD(0.1).setup(model)

    def step(x: Any) -> Any:
        loss = F.mean(model(x) ** 2)
        loss = loss * (0.5 ** (optimizer.step + 1))  # a counter
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    refused(step, "a counter")


def test_parameters_outside_of_a_model() -> None:
    layer = L.Linear(2, in_size=4)
    optimizer = optimizers.SGD(0.1).setup(list(layer.params()))
    with pytest.raises(RuntimeError, match="put the layers that are learnt into one model"):
        capture(step_of(layer, optimizer))(*data(np.float32))


def test_a_parameter_without_a_gradient() -> None:
    model = perceptron()
    model.spare = L.Linear(1, in_size=1)
    with pytest.raises(RuntimeError, match="some parameters have no gradient"):
        capture(step_of(model, optimizers.SGD(0.1).setup(model)))(*data(np.float32))


@pytest.mark.parametrize("hook", [optimizers.FreezeParam("l0"), lambda params: None], ids=["frozen", "function"])
def test_hooks_that_are_no_rule(hook: Any) -> None:
    model = perceptron()
    optimizer = optimizers.SGD(0.1).setup(model)
    optimizer.add_hook(hook)
    with pytest.raises(RuntimeError, match="no rule on the vector alone"):
        capture(step_of(model, optimizer))(*data(np.float32))


def test_a_hook_of_ones_own_is_recorded_operation_by_operation() -> None:
    class Shrink(optimizers.Hook):
        @staticmethod
        def rule(theta: Any, grad: Any, settings: Any) -> Any:
            return F.tanh(grad) * 0.5

    agree(*pair(perceptron(np.float64), RULES["SGD"], (Shrink(),)), *data(np.float64))


def test_floats_of_two_types() -> None:
    with pytest.raises(TypeError, match="one type in a recorded step, got float32 and float64"):
        capture(lambda x, y: (F.sum(x), F.sum(y)))(np.ones(2, np.float32), np.ones(2))


# --- programs --------------------------------------------------------------------------------------------------------


def test_a_tampered_row_is_refused() -> None:
    x, t = data(np.float32)
    program = pair(perceptron(), RULES["SGD"])[2].program(x, t)
    program.check()
    for row in program.rows:
        if row.words is None:
            continue
        for word in range(len(row.words)):
            kept = row.words[word]
            row.words[word] = 1 << 50
            try:
                program.check()
            except ValueError:
                pass
            else:
                assert not _matters(program, row, word)
            row.words[word] = kept
    program.check()


def test_where_a_reversed_operand_is_gathered_is_checked_too() -> None:
    program = capture(lambda x: F.add(x[:, ::-1], x)).program(data(np.float32)[0])
    row = next(row.words for row in program.rows if row.entry.name == "add")
    assert row[INPUTS + AXES] == -1
    row[INPUTS + AXES + 1] = 1 << 40
    with pytest.raises(ValueError, match=r"\(add\) reaches outside"):
        program.check()


def _matters(program: Any, row: Any, word: int) -> bool:
    """Whether a word is one that its opcode reads: those behind its operands are not."""
    from cartwheel.kernels.opcodes import OPCODES

    changed = row.words.copy()
    changed[word] = 0
    form = list(OPCODES.values())[int(row.words[0])].form

    def spans(found: Any) -> list[Any]:
        return [one for one in found if one.first != one.last]

    try:
        return spans(form(changed)) != spans(form(row.words))
    except ValueError:
        return True


def test_a_description_has_a_line_for_each_row() -> None:
    x, t = data(np.float32)
    recorded = pair(perceptron(), RULES["SGD"])[2]
    program = recorded.program(x, t)
    lines = program.describe().splitlines()
    assert len(lines) == len(program.rows) + 1
    assert lines[0].split() == ["row", "opcode", "from", "shapes", "bytes", "line"]
    assert sum("linear" in line for line in lines) >= 3
    assert all(Path(__file__).name in line for line in lines[1:])


def test_a_profile_of_minibatches_runs_each_row_so_many_times() -> None:
    """Rows that take minibatches, and rows after them: none ends at the first round, nor leaves the others out."""
    x, t = data(np.float32)
    recorded = pair(perceptron(), RULES["Adam"])[2]
    recorded.over(np.zeros((2, 4), np.int64), x, t)
    (known,) = recorded._programs.values()
    program, rounds = known.program, []
    run = program._interpreter
    program._interpreter = lambda *given: (run(*given), rounds.append((given[-2].tolist()[:2], given[-1])))
    profile = program.profile(300)
    assert len(profile) == len(program.rows)
    assert rounds == [([300, 0], 300)] * (5 * len(program.rows))


def test_a_profile_has_the_time_of_each_row_and_changes_nothing() -> None:
    x, t = data(np.float32)
    model, _, recorded, _ = pair(perceptron(), RULES["Adam"])
    program = recorded.program(x, t)
    theta = model.theta.copy()
    profile = program.profile(3)
    assert len(profile) == len(program.rows)
    assert all(seconds > 0 for _, seconds in profile)
    np.testing.assert_array_equal(model.theta, theta)

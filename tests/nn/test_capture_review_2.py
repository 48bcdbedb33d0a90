"""Recorded steps and what is around them: settings, other arrays, gradients, counters, threads; against eager ones."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pytest

import cartwheel.nn as nn
from cartwheel.nn import Variable, cuda, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.others import nearby, other
from cartwheel.nn.utils import soft_update

Step = Callable[..., Any]
X = np.random.default_rng(0).normal(size=(8, 4))
T = np.random.default_rng(1).normal(size=(8, 2))


def made(optimizer: Any = None, hooks: tuple[Any, ...] = ()) -> tuple[Any, Any, Step]:
    """A model, its optimizer, and its training step."""
    nn.seed(1)
    model = nn.MLP((6, 2), activation=F.tanh, in_size=4, dtype=np.float64)
    model(X)
    chosen = (optimizers.SGD(0.1) if optimizer is None else optimizer).setup(model)
    for hook in hooks:
        chosen.add_hook(hook)

    def step(x: Any, t: Any) -> Any:
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        chosen.update()
        return loss

    return model, chosen, step


def eager(step: Step, *arrays: Any) -> Any:
    return step(*map(Variable, arrays))


def refused(step: Step, match: str, *arrays: Any, kind: type[Exception] = RuntimeError) -> None:
    with pytest.raises(kind, match=match):
        capture(step)(*(arrays or (np.array([0.5, 1.5, 2.5]),)))


# --- what is changed between calls -----------------------------------------------------------------------------------


def to_nothing(model: Any, optimizer: Any, hook: Any) -> None:
    optimizer.lr = 0.0


def hook_to_nothing(model: Any, optimizer: Any, hook: Any) -> None:
    hook.max_value = 0.0


def hook_more(model: Any, optimizer: Any, hook: Any) -> None:
    optimizer.add_hook(optimizers.ClipValue(0.0))


def hook_less(model: Any, optimizer: Any, hook: Any) -> None:
    optimizer.hooks.remove(hook)


@pytest.mark.parametrize("change", [to_nothing, hook_to_nothing, hook_more, hook_less])
def test_settings_and_hooks_that_are_changed_are_seen(change: Any) -> None:
    results = []
    for recorded in (True, False):
        hook = optimizers.ClipValue(0.05)
        model, optimizer, step = made(hooks=(hook,))
        run = capture(step) if recorded else lambda x, t, step=step: eager(step, x, t)
        run(X, T)
        before = model.theta.copy()
        change(model, optimizer, hook)
        run(X, T)
        results.append((before, model.theta.copy()))
    np.testing.assert_allclose(*(after - before for before, after in results), rtol=1e-9, atol=1e-15)


def test_an_optimizer_of_another_model_trains_the_old_one_no_more() -> None:
    model, optimizer, step = made()
    train = capture(step)
    train(X, T)
    optimizer.setup(copy.deepcopy(model))
    before = model.theta.copy()
    with pytest.raises(RuntimeError, match="no gradient"):
        train(X, T)
    np.testing.assert_array_equal(model.theta, before)


def test_modes_have_programs_of_their_own() -> None:
    model = nn.Sequential(L.Linear(4, in_size=4, dtype=np.float64), L.Dropout(0.5), L.BatchNorm(4, dtype=np.float64))
    model(X)
    act = capture(lambda x: model(x))
    act(X)
    with nn.test_mode():
        np.testing.assert_allclose(act(X).data, model(X).data, rtol=1e-9)
    averages = model.averages.copy()
    act(X)
    assert not np.array_equal(model.averages, averages)

    def asked(x: Any) -> Any:
        return x * 2.0 if nn.Config.enable_backprop else x

    twice = capture(asked)
    with nn.no_grad():
        assert twice(np.ones(1)).item() == 1.0
    assert twice(np.ones(1)).item() == 2.0


def test_debugging_runs_the_step_itself() -> None:
    log = capture(lambda x: F.log(x))
    log(np.ones(2))
    with nn.debug(), pytest.raises(FloatingPointError, match="log gave"):
        log(-np.ones(2))
    with nn.debug():
        assert log.over([[0], [1]], np.ones(2)).shape == (2, 1)


def test_a_rate_that_a_schedule_reads_elsewhere() -> None:
    rates = [0.1]
    model, _, step = made(optimizers.SGD(lambda step: rates[0]))
    train = capture(step)
    train(X, T)
    rates[0], before = 0.0, model.theta.copy()
    train(X, T)
    np.testing.assert_array_equal(model.theta, before)


def test_a_model_with_another_layer_is_refused_as_in_a_call_of_it() -> None:
    model, _, _ = made()
    act = capture(lambda x: model(x))
    act(X)
    model.layers[1] = L.Linear(2, in_size=6, dtype=np.float64)
    model.l1 = model.layers[1]
    with pytest.raises(ValueError, match="was replaced"):
        act(X)


# --- other arrays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_arrays_of_the_users_are_read_anew(dtype: Any) -> None:
    mine = np.array([1, 0, 1]).astype(dtype)
    times = capture(lambda x: x * F.cast(mine, np.float64))
    x = np.array([1.0, 2.0, 3.0])
    times(x)
    mine[...] = [0, 1, 1]
    np.testing.assert_array_equal(times(x).data, [0.0, 2.0, 3.0])


def test_numbers_that_numpy_makes_of_the_users_arrays() -> None:
    mine, truth, variable = np.arange(3.0), np.array([True, False, True]), Variable(np.arange(3.0))
    refused(lambda x: x * float(mine.sum()), "mul was computed otherwise")
    refused(lambda x: x * (mine + 1.0), "mul was computed otherwise")
    refused(lambda x: x * (~truth), "mul was computed otherwise")
    refused(lambda x: x * (variable._data + 1.0), "mul was computed otherwise")
    np.testing.assert_array_equal(mine, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(truth, [True, False, True])


def test_parts_limits_and_variables_of_the_users_are_read_anew() -> None:
    mine, limit, variable, index = np.arange(6.0), np.array(2.0), Variable(np.ones(3)), np.array([0, 1, 2])
    step = capture(lambda x: F.clip(x[index] * mine[::2], 0.0, limit) + variable)
    x = np.ones(3)
    np.testing.assert_array_equal(step(x).data, [1.0, 3.0, 3.0])
    mine[...], limit[...], variable.data[...], index[...] = 3.0, 2.5, 0.0, 0
    np.testing.assert_array_equal(step(x).data, [2.5, 2.5, 2.5])
    variable.data = np.full(3, 7.0)
    np.testing.assert_array_equal(step(x).data, [9.5, 9.5, 9.5])


SCALE = 1.0


class Scaled:
    def __init__(self) -> None:
        self.scale = 1.0

    def step(self, x: Any) -> Any:
        return x * self.scale


def test_names_that_stand_for_something_else_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    local, owner = 1.0, Scaled()
    steps = [capture(lambda x: x * SCALE), capture(lambda x: x * local), capture(owner.step)]
    assert [step(np.ones(1)).item() for step in steps] == [1.0, 1.0, 1.0]
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    local = owner.scale = 3.0
    assert [step(np.ones(1)).item() for step in steps] == [2.0, 3.0, 3.0]


# --- what a step gives -----------------------------------------------------------------------------------------------


def test_what_is_returned_is_compared() -> None:
    numbers = count()
    refused(lambda x: (x + 1.0, x * 2.0)[next(numbers) % 2], "operations|something else|computed otherwise")
    a, b = np.ones(3), np.zeros(3)
    refused(lambda x: Variable((a, b)[next(numbers) % 2]), "it returned something else")
    refused(lambda x: (x + 1.0, Variable(np.array(float(next(numbers))))), "it returned something else")


class Pair(NamedTuple):
    one: Any
    other: Any


def test_a_named_tuple() -> None:
    found = capture(lambda x: Pair(x, [x * 2.0]))(np.ones(1))
    assert isinstance(found, Pair)
    assert found.other[0].item() == 2.0


def test_strided_results() -> None:
    x, W = np.arange(6.0).reshape(2, 3), nn.Parameter(np.arange(6.0).reshape(2, 3))
    for step in (
        lambda x: F.broadcast_to(x[:1], (50, 3)),
        lambda x: F.flip(x, axis=(0, 1)),
        lambda x: (x * 1.0, W[::-1, ::-1], F.broadcast_to(W, (9, 2, 3)))[1],
        lambda x: (x * 1.0, F.broadcast_to(W, (9, 2, 3)))[1],
    ):
        np.testing.assert_array_equal(capture(step)(x).data, eager(step, x).data)


def test_the_reach_of_a_view() -> None:
    assert Place(10, (3, 2), (-2, 1)).reach == (6, 12)
    assert Place(10, (3, 0), (-2, 1)).reach == (10, 10)


def test_a_parameter_in_columns_is_read_where_it_lies() -> None:
    W = nn.Parameter(np.asfortranarray(np.arange(12.0).reshape(3, 4)))

    class Twice(nn.Function):
        def forward(self, w: Any) -> Any:
            return 2.0 * w

    step = capture(lambda x: F.matmul(x, Twice()(W)))
    x = np.random.default_rng(0).normal(size=(2, 3))
    step(x)
    W.data[0] = 5.0
    np.testing.assert_allclose(step(x).data, 2.0 * x @ W.data, rtol=1e-12)


# --- what a step changes ---------------------------------------------------------------------------------------------


def halved(model: Any, other: Any) -> None:
    model.theta[...] *= 0.5


def followed(model: Any, other: Any) -> None:
    other.theta[...] = 0.5 * other.theta + 0.5 * model.theta


def followed_by_numpy(model: Any, other: Any) -> None:
    other.theta = 0.5 * other.theta + 0.5 * model.theta


@pytest.mark.parametrize("change", [halved, followed, followed_by_numpy])
def test_vectors_that_are_changed_behind_the_tape(change: Any) -> None:
    model, _, step = made()
    target = copy.deepcopy(model)
    target(X)

    def changing(x: Any, t: Any) -> Any:
        loss = step(x, t)
        change(model, target)
        return loss

    before = model.theta.copy(), target.theta.copy()
    refused(changing, "in place|computed otherwise", X, T)
    np.testing.assert_array_equal((model.theta, target.theta), before)


def test_a_target_network_follows() -> None:
    results = []
    for recorded in (True, False):
        model, _, step = made(optimizers.Adam(0.05))
        target = copy.deepcopy(model)

        def following(x: Any, t: Any, step: Step = step, target: Any = target, model: Any = model) -> Any:
            with nn.no_grad():
                wanted = t * 0.5 + target(x) * 0.5
            loss = step(x, wanted)
            soft_update(target, model, 0.25)
            return loss

        run = capture(following) if recorded else lambda x, t, step=following: eager(step, x, t)
        losses = [run(X, T).item() for _ in range(6)]
        results.append((losses, target.theta, model.theta))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="tau above 0"):
        soft_update(target, model, 0.0)


def test_two_updates_in_a_step() -> None:
    results = []
    for recorded in (True, False):
        model, optimizer, step = made(optimizers.Adam(optimizers.LinearRate(0.05, 0.0, 20)))

        def twice(x: Any, t: Any, step: Step = step) -> Any:
            step(x, t)
            return step(x, t)

        run = capture(twice) if recorded else lambda x, t, step=twice: eager(step, x, t)
        losses = [run(X, T).item() for _ in range(4)]
        results.append((losses, model.theta, *optimizer.state().values()))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_gradients_of_before_are_put_back_and_not_added_to() -> None:
    model, optimizer, _ = made()
    act = capture(lambda x: model(x))
    loss = F.mean_squared_error(model(X), T)
    loss.backward()
    gradients = [p.grad for p in model.params()]
    act(X)
    capture(lambda x: model(x) if model.cleargrads() is None else x).program(X)
    assert all(p.grad is g for p, g in zip(model.params(), gradients, strict=True))
    optimizer.update()

    def adding(x: Any, t: Any) -> Any:
        loss = F.mean_squared_error(model(x), t)
        loss.backward()
        optimizer.update()
        return loss

    refused(adding, r"adds to the gradients of an earlier call: call cleargrads\(\)", X, T)

    def clearing_afterwards(x: Any, t: Any) -> Any:
        loss = adding(x, t)
        model.cleargrads()
        return loss

    model.cleargrads()
    twin, _, other_step = made()
    twin.theta = model.theta
    train = capture(clearing_afterwards)
    for _ in range(3):
        np.testing.assert_allclose(train(X, T).data, eager(other_step, X, T).data, rtol=1e-9)


def test_a_recorded_step_within_another() -> None:
    model, optimizer, step = made()
    inner = capture(step)
    outer = capture(lambda x, t: inner(x, t) * 2.0)
    twin, _, other_step = made()
    for _ in range(3):
        np.testing.assert_allclose(outer(X, T).data, 2.0 * eager(other_step, X, T).data, rtol=1e-9)
    assert optimizer.step == 3
    sweep = capture(lambda x, t: inner.over([[0, 1], [2, 3]], x, t))
    found, rows = sweep(X, T).data, np.array([[0, 1], [2, 3]])
    np.testing.assert_allclose(found, [eager(other_step, X[one], T[one]).item() for one in rows], rtol=1e-9)
    np.testing.assert_allclose(model.theta, twin.theta, rtol=1e-9)
    endless = capture(lambda x: endless(x))
    with pytest.raises(RuntimeError, match="can't call itself"):
        endless(np.ones(1))


def test_a_population_is_trained() -> None:
    results = []
    for recorded in (True, False):
        model, _, step = made(optimizers.Adam(0.05), (optimizers.ClipGrad(0.1),))
        thetas = np.stack([model.theta, 2.0 * model.theta])
        x, t = np.stack([X, -X]), np.stack([T, T])
        run = capture(step) if recorded else lambda x, t, step=step: eager(step, x, t)
        programs = set()
        for _ in range(3):
            with model.bound_to(thetas):
                run(x, t)
                programs |= {run.program(x, t)} if recorded else set()
        results.append(thetas)
        assert len(programs) == recorded
    np.testing.assert_allclose(*results, rtol=1e-9)


# --- counters, draws, and numbers that are read ----------------------------------------------------------------------


def test_numbers_of_models_and_counters_of_optimizers() -> None:
    model, optimizer, step = made()
    refused(lambda x, t: step(x, t) * float((model.theta**2).sum()), "computed otherwise", X, T)
    refused(lambda x, t: step(x, t) * (0.0 if optimizer.step == 99 else 1.0), "step of an optimizer was read", X, T)
    refused(lambda x, t: step(x, t) * optimizer.state()["step"], "the state of an optimizer was read", X, T)

    def falling(x: Any, t: Any) -> Any:
        optimizer.lr = optimizer.lr * 0.5
        return step(x, t)

    refused(falling, "lr of SGD was set at .*before the step", X, T)
    assert optimizer.lr == 0.1


def test_draws_from_the_generators_of_all() -> None:
    for draw in (random.random, np.random.uniform):
        refused(lambda x, draw=draw: x * (2.0 if draw() < 1e-9 else 3.0), "draws from Python's random or NumPy's")
    refused(lambda x: F.dropout(x) if nn.seed(0) is None else x, r"replaces nn\.Config\.rng")


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(str(F.sum(x))[9:-1]),
        lambda x: float(f"{F.max(x)}"[9:-1]),
        lambda x: F.sum(copy.copy(x)),
        lambda x: F.sum(copy.deepcopy(x)),
        lambda x: float(np.sum(pickle.loads(pickle.dumps(x))._data)),
        lambda x: float(cuda.as_numpy(x).max()),
        lambda x: float(np.abs(x._data).sum()),
        lambda x: float(np.max(x._data)),
    ],
)
def test_ways_to_the_numbers(read: Any) -> None:
    for x in (np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array(2.0)):
        with pytest.raises((RuntimeError, ValueError)):
            capture(lambda x: x * read(x))(x)


def test_text_and_pickles_of_variables_while_a_step_is_recorded() -> None:
    texts = []
    capture(lambda x: (texts.append(f"{x}"), x * 2.0)[1])(np.ones(3))
    assert texts == ["variable(float64 (3,), while a step is recorded)"] * 3
    refused(lambda x: x * len(pickle.dumps(x)), "a Variable was pickled")


def test_a_refusal_that_is_caught_is_one_still() -> None:
    def careful(x: Any) -> Any:
        try:
            return x if bool(x[0] > 0) else -x
        except RuntimeError:
            return x

    refused(careful, r"\.data was read")


def test_an_index_of_truth_values() -> None:
    refused(lambda x: F.sum(x[x > 0]), r"another shape then: .*F\.where", np.array([1.0, -2.0, 3.0]))
    refused(lambda x, k: F.sum(x[k]), "another shape then", np.ones(3), np.array([True, True, False]))


def test_what_a_function_keeps_for_its_gradient() -> None:
    class Masked(nn.Function):
        def forward(self, x: Any) -> Any:
            self.mask = x > 0
            self.parts = (x * 2.0, x.shape)
            return x * self.mask

        def backward(self, g: Any) -> Any:
            return g * self.mask * self.parts[0]

    def step(x: Any) -> Any:
        y = F.sum(Masked()(x))
        y.backward()
        return x.grad

    slope = capture(step)
    slope(np.ones(2))
    np.testing.assert_array_equal(slope(np.array([-3.0, 4.0])).data, [0.0, 8.0])

    class Normed(nn.Function):
        def forward(self, x: Any) -> Any:
            self.norm = float(np.sqrt((x * x).sum()))
            return x / self.norm

        def backward(self, g: Any) -> Any:
            return g / self.norm

    refused(lambda x: Normed()(x), "Normed.forward kept norm, no array")


def test_a_recurrent_memory() -> None:
    nn.seed(0)
    layer, xs = L.LSTM(3, in_size=4, dtype=np.float64), np.ones((2, 5, 4))
    refused(lambda x: layer(x), r"lstm uses what an earlier call .* reset_state\(\)", xs)

    def reset(x: Any) -> Any:
        layer.reset_state()
        return layer(x)

    layer.reset_state()
    layer(xs)
    memory = layer.h
    run = capture(reset)
    np.testing.assert_allclose(run(2.0 * xs).data, eager(reset, 2.0 * xs).data, rtol=1e-9)
    layer.h = memory
    run(xs[:1])
    assert layer.h is memory


@pytest.mark.parametrize(
    "schedule", [lambda k: 0.1 * 0.5 ** (k // 10), lambda k: 0.1 if k < 5 else 0.0, lambda k: 0.1 * np.exp(float(k))]
)
def test_a_schedule_that_is_no_formula(schedule: Any) -> None:
    model, _, step = made(optimizers.SGD(schedule))
    before = model.theta.copy()
    refused(step, "can't record the schedule .* lr of SGD: .*PiecewiseRate", X, T)
    np.testing.assert_array_equal(model.theta, before)


def test_other_numbers_are_truly_others() -> None:
    rng = np.random.default_rng(0)
    for array in (np.zeros(3), np.ones((2, 2)), np.array(-2.0), np.array([0.1, 0.9]), np.array([0.0, 1.0, 1.0])):
        for found in (other(array, rng), nearby(array, rng)):
            assert found.shape == array.shape
            assert found.sum() != array.sum()
            assert found.max() != array.max() or array.min() < array.max()
    for numbers in ([0, 1], [1, 1, 1], [5], [0, 3, 3, 1], [-4]):
        found = other(np.array(numbers), rng)
        assert not np.array_equal(found, numbers)
        assert min(*numbers, 0) <= found.min() <= found.max() <= max(*numbers, 0)
    for truth in ([True], [True, False], [True, True, True], [False, False], [True, False, False]):
        found = other(np.array(truth), rng)
        assert np.count_nonzero(found) != sum(truth)
        assert found.any() or len(truth) == 1
    assert other(np.array([2**64 - 1, 2**63], np.uint64), rng).dtype == np.uint64
    np.testing.assert_array_equal(other(np.array([np.nan, 1.0]), rng) <= 1.0, True)
    assert set(other(np.array([0.0, 4.0, 2.0]), rng)) <= {0.0, 1.0, 2.0, 3.0}
    assert np.isfinite(other(np.array([-1.5e308, 1.5e308]), rng)).all()


# --- generators and first sizes --------------------------------------------------------------------------------------


def test_the_generator_stays_the_same_object() -> None:
    mine, twin = np.random.default_rng(7), np.random.default_rng(7)
    nn.Config.rng = mine
    capture(lambda x: F.dropout(x)).program(X)
    assert nn.Config.rng is mine
    assert mine.uniform() == twin.uniform()


def test_first_weights_are_not_drawn_again() -> None:
    nn.seed(3)
    model = nn.Sequential(L.Linear(4, dtype=np.float64), L.BatchNorm(dtype=np.float64))
    recorded = capture(lambda x: model(x))
    recorded.program(X)
    weights = np.sort(np.abs(model.l0.W.data.ravel()))
    after = np.sort(np.abs(nn.Config.rng.standard_normal(16) / 2.0))
    assert not np.allclose(weights, after)
    np.testing.assert_array_equal(model.averages, [0.0] * 4 + [1.0] * 4)
    nn.seed(3)
    twin = nn.Sequential(L.Linear(4, dtype=np.float64), L.BatchNorm(dtype=np.float64))
    np.testing.assert_allclose(recorded(X).data, twin(X).data, rtol=1e-9)
    np.testing.assert_allclose(model.averages, twin.averages, rtol=1e-9)


# --- calls -----------------------------------------------------------------------------------------------------------


class Trainer:
    def __init__(self) -> None:
        self.model, self.optimizer, _ = made()
        self.train = capture(self.step)

    def step(self, x: Any, t: Any) -> Any:
        loss = F.mean_squared_error(self.model(x), t)
        self.model.cleargrads()
        loss.backward()
        self.optimizer.update()
        return loss


def doubled(x: Any) -> Any:
    return x * 2.0


def test_copies_are_recorded_anew() -> None:
    double = capture(doubled)
    double(np.ones(2))
    for one in (copy.deepcopy(double), copy.copy(double), pickle.loads(pickle.dumps(double))):
        np.testing.assert_array_equal(one(np.full(2, 5.0)).data, [10.0, 10.0])
    trainer = Trainer()
    trainer.train(X, T)
    other_one = copy.deepcopy(trainer)
    before, others = trainer.model.theta.copy(), other_one.model.theta.copy()
    other_one.train(X, T)
    np.testing.assert_array_equal(trainer.model.theta, before)
    assert not np.array_equal(other_one.model.theta, others)


def test_how_often_and_what_are_checked() -> None:
    _, optimizer, step = made()
    train = capture(step)
    for times, kind in ((0, ValueError), (-3, ValueError), (2.5, TypeError), ("3", TypeError)):
        with pytest.raises(kind):
            train.repeat(times, X, T)
    train.repeat(np.int64(2), X, T)
    assert optimizer.step == 2
    for what in (3, None, nn.MLP):
        with pytest.raises(TypeError, match="expected a function of arrays to capture"):
            capture(what)


def test_an_error_in_a_replay_leaves_what_was_done() -> None:
    class Picky(nn.Function):
        def forward(self, x: Any) -> Any:
            if x[0, 0] > 5:
                raise KeyError("mine")
            return x * 1.0

    for late in (True, False):
        model, optimizer, step = made(optimizers.Adam(0.1))

        def picky(x: Any, t: Any, step: Step = step, late: bool = late) -> Any:
            first = None if late else F.sum(Picky()(x))
            loss, noise = step(x, t), F.sum(F.dropout(x))
            return first, loss, noise, F.sum(Picky()(x)) if late else None

        train = capture(picky)
        train(X, T)
        theta, drawn = model.theta.copy(), nn.Config.rng.bit_generator.state
        with pytest.raises(KeyError, match="mine"):
            train(X + 10.0, T)
        assert optimizer.step == (2 if late else 1)
        assert np.array_equal(model.theta, theta) != late
        assert (nn.Config.rng.bit_generator.state == drawn) != late


def test_a_sweep_over_what_grows() -> None:
    """Another number of rows, or of minibatches, needs no other recording; inputs are read where they lie."""
    model, _, step = made()
    twin, _, other_step = made()
    train = capture(step)
    for rows in range(5, 5 + 20):
        x, t = np.resize(X, (rows, 4)) + rows, np.resize(T, (rows, 2))
        indices = np.random.default_rng(rows).integers(rows, size=(rows - 4, 3))
        expected = [eager(other_step, x[one], t[one]).item() for one in indices]
        np.testing.assert_allclose(train.over(indices, x, t).data, expected, rtol=1e-9)
    assert len(train._programs) == 1
    np.testing.assert_allclose(model.theta, twin.theta, rtol=1e-9)
    assert train.over(np.zeros((0, 3), int), X, T).shape == (0,)
    with pytest.raises(ValueError, match="inputs with rows"):
        train.over([[0, 0, 0]], X[:0], T[:0])
    strided = np.repeat(X, 2, axis=1)[::-1, ::2]
    np.testing.assert_array_equal(capture(doubled).over([[1], [0]], strided).data, 2.0 * strided[[1, 0]][:, None])


def test_a_sweep_gives_integers_and_truth_values() -> None:
    numbers, truth = np.arange(5, dtype=np.int32), np.arange(5) > 2
    found = capture(lambda i, b, x: (i, b, x * 2.0)).over([[4, 1], [0, 3]], numbers, truth, np.ones(5))
    np.testing.assert_array_equal(found[0].data, [[4, 1], [0, 3]])
    np.testing.assert_array_equal(found[1].data, [[True, False], [False, True]])
    assert [one.dtype for one in found] == [np.int32, bool, np.float64]


def test_two_networks_that_learn_in_turn() -> None:
    """The gradients of the one are computed in the step of the other as well, and used by nobody."""
    results = []
    for recorded in (True, False):
        first, second = made()[0], made()[0]
        optimizer = optimizers.Adam(0.05).setup(second)

        def step(x: Any, first: Any = first, second: Any = second, optimizer: Any = optimizer) -> Any:
            loss = F.mean((first(x) - second(x) * 0.5) ** 2)
            second.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        run = capture(step) if recorded else lambda x, step=step: eager(step, x)
        results.append(([run(X).item() for _ in range(4)], second.theta))
        assert all((p.grad is None) == recorded for p in first.params())
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)

"""Optimizers against loops over single numbers, known answers and PyTorch; hooks, targets, state, mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Parameter, Variable
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture
from cartwheel.nn.layers.dense import Linear
from cartwheel.nn.layers.layer import Layer
from cartwheel.nn.models import MLP, Model, Sequential
from cartwheel.nn.optimizers import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    ClipGrad,
    ClipValue,
    FreezeParam,
    Hook,
    LinearRate,
    Momentum,
    MomentumSGD,
    Nesterov,
    Optimizer,
    Rate,
    RMSprop,
    WeightDecay,
)

RULES: list[Callable[..., Any]] = [SGD, Momentum, Nesterov, AdaGrad, AdaDelta, RMSprop, Adam, AdamW]
THETA = np.array([1.0, -2.0, 3.0])
GRADS = np.array([[0.5, -1.5, 0.0], [1.0, -0.25, 2.0], [-3.0, 0.75, 1e-3], [0.125, 0.0, -1.0]])


class Part(Layer):
    def __init__(self, **arrays: Any) -> None:
        for name, array in arrays.items():
            setattr(self, name, Parameter(array))


class Three(Model):
    """Three parameters, theta = 1, ..., 9."""

    def __init__(self, dtype: Any = np.float64) -> None:
        numbers = np.arange(1, 10).astype(dtype)
        self.l1 = Part(W=numbers[:4].reshape(2, 2), b=numbers[4:6])
        self.l2 = Part(W=numbers[6:])

    def differentiate(self, *names: str, seed: int = 0) -> Three:
        """Random gradients for parameters of these names, or for all."""
        rng = np.random.default_rng(seed)
        for name, p in self.named_params():
            g = rng.normal(size=p.shape).astype(p.dtype)
            p.grad = Variable(g) if not names or name in names else None
        return self


class Parts(Layer):
    """A layer with the same parameters, each for itself."""

    def __init__(self) -> None:
        self.first, self.second, self.third = (Parameter(p.data.copy()) for p in Three().params())


def trained(optimizer: Any, grads: Any = GRADS, theta: Any = THETA) -> Any:
    p = Parameter(np.array(theta))
    optimizer.setup([p])
    for g in grads:
        p.grad = Variable(np.array(g, p.dtype))
        optimizer.update()
    return p.data


def one_step(hooks: list[Any], model: Three, lr: float = 1.0) -> Any:
    """What the hooks have made of the gradient: the change by an SGD of rate 1."""
    optimizer = SGD(lr).setup(model)
    for hook in hooks:
        optimizer.add_hook(hook)
    before = model.theta.copy()
    optimizer.update()
    return before - model.theta


# --- the rules -------------------------------------------------------------------------------------------------------


def loop(name: str, theta: float, grads: Any) -> float:
    """One number, by the text book, with the defaults' settings written out."""
    a = b = 0.0
    for t, g in enumerate(map(float, grads), start=1):
        if name == "SGD":
            theta -= 0.01 * g
        elif name == "Momentum":
            a = 0.9 * a - 0.01 * g
            theta += a
        elif name == "Nesterov":  # as Nesterov has it: the gradient was taken at theta + momentum * velocity
            before, a = a, 0.9 * a - 0.01 * g
            theta += -0.9 * before + a + 0.9 * a
        elif name == "AdaGrad":
            a += g**2
            theta -= 0.001 * g / (math.sqrt(a) + 1e-8)
        elif name == "AdaDelta":
            a = 0.95 * a + 0.05 * g**2
            dx = math.sqrt(b + 1e-6) / math.sqrt(a + 1e-6) * g
            b = 0.95 * b + 0.05 * dx**2
            theta -= dx
        elif name == "RMSprop":
            a = 0.99 * a + 0.01 * g**2
            theta -= 0.01 * g / (math.sqrt(a) + 1e-8)
        else:
            a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g**2
            right_a, right_b = a / (1 - 0.9**t), b / (1 - 0.999**t)
            if name == "AdamW":
                theta -= 0.001 * (right_a / (math.sqrt(right_b) + 1e-8) + 0.01 * theta)
            else:
                theta -= 0.001 * right_a / (math.sqrt(right_b) + 1e-8 / math.sqrt(1 - 0.999**t))
    return theta


@pytest.mark.parametrize("rule", RULES)
def test_rule_against_a_loop_over_single_numbers(rule: Any) -> None:
    expected = [loop(rule.__name__, theta, GRADS[:, number]) for number, theta in enumerate(THETA)]
    np.testing.assert_allclose(trained(rule()), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (SGD, [1.01375, -1.9900000000000002, 2.9899899999999997]),
        (MomentumSGD, [1.011455, -1.9558900000000001, 2.955781]),
        (AdaGrad, [0.9990036016897945, -1.9992779268862984, 2.999446713553844]),
        (AdaDelta, [0.9973238950116426, -1.997379314193042, 2.998433206591766]),
        (Adam, [0.998627212349275, -1.9977433966069695, 2.998518830053632]),
    ],
)
def test_the_numbers_that_dezero_gives(rule: Any, answer: Any) -> None:
    np.testing.assert_allclose(trained(rule()), answer, rtol=1e-15)


TORCH: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "SGD": (SGD, {"lr": 0.1}, {"lr": 0.1}),
    "momentum": (Momentum, {"lr": 0.1, "momentum": 0.8}, {"lr": 0.1, "momentum": 0.8}),
    "nesterov": (Nesterov, {"lr": 0.1, "momentum": 0.8}, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "Adagrad": (AdaGrad, {"lr": 0.1}, {"lr": 0.1, "eps": 1e-8}),
    "Adadelta": (AdaDelta, {"rho": 0.8}, {"lr": 1.0, "rho": 0.8, "eps": 1e-6}),
    "RMSprop": (RMSprop, {"lr": 0.1, "rho": 0.9, "eps": 1e-3}, {"lr": 0.1, "alpha": 0.9, "eps": 1e-3}),
    "AdamW": (
        AdamW,
        {"alpha": 0.1, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.2},
        {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.2},
    ),
    "Adam": (AdamW, {"alpha": 0.1, "eps": 1e-3, "weight_decay": 0.0}, {"lr": 0.1, "eps": 1e-3}),
}


@pytest.mark.parametrize("name", TORCH)
def test_rule_against_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles installs it")
    rule, settings, theirs = TORCH[name]
    grads = np.random.default_rng(0).normal(size=(50, 3))
    theta = torch.tensor(THETA, requires_grad=True)
    oracle = getattr(torch.optim, {"momentum": "SGD", "nesterov": "SGD"}.get(name, name))([theta], **theirs)
    for g in grads:
        theta.grad = torch.tensor(g)
        oracle.step()
    np.testing.assert_allclose(trained(rule(**settings), grads), theta.detach().numpy(), rtol=1e-12)


def test_clipping_by_norm_against_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles installs it")
    model = Three().differentiate()
    parameters = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in model.params()]
    for mine, p in zip(model.params(), parameters, strict=True):
        p.grad = torch.tensor(mine.grad.data)  # type: ignore[union-attr]
    torch.nn.utils.clip_grad_norm_(parameters, 0.7)
    expected = np.concatenate([p.grad.numpy().ravel() for p in parameters])
    np.testing.assert_allclose(one_step([ClipGrad(0.7)], model), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_pure_and_keeps_float32(rule: Any) -> None:
    optimizer = rule()
    theta, grad = THETA.astype(np.float32), GRADS[0].astype(np.float32)
    state = {"step": 0, **{name: np.ones_like(theta) for name in rule.memory}}
    before = [theta.copy(), grad.copy(), *(np.ones_like(theta) for _ in rule.memory)]
    new, after = optimizer.rule(theta, grad, state, optimizer.settings)
    for array in (new, *(after[name] for name in rule.memory)):
        assert array.dtype == np.float32
    assert set(after) == set(state)
    assert (state["step"], after["step"]) == (0, 1)
    for array, old in zip([theta, grad, *(state[name] for name in rule.memory)], before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("rule", RULES)
def test_rule_on_variables_gives_the_same_numbers(rule: Any) -> None:
    optimizer = rule()
    arrays = {name: np.full(3, 0.3) for name in rule.memory}
    new, after = optimizer.rule(THETA, GRADS[1], {"step": 3, **arrays}, optimizer.settings)
    state = {name: Variable(np.asarray(value, float)) for name, value in {"step": 3.0, **arrays}.items()}
    settings = {name: Variable(np.asarray(value)) for name, value in optimizer.settings.items()}
    recorded, later = optimizer.rule(Variable(THETA), Variable(GRADS[1]), state, settings)
    np.testing.assert_allclose(recorded.data, new, rtol=1e-15)
    for name in rule.memory:
        np.testing.assert_allclose(later[name].data, after[name], rtol=1e-15)
    assert later["step"].data == 4.0


@pytest.mark.parametrize("rule", RULES)
def test_rule_finds_the_lowest_point(rule: Any) -> None:
    """Of sum(scale (x - goal)^2) / 2, in 3,000 steps with a rate for its kind."""
    rates = {SGD: (0.1,), Momentum: (0.03,), Nesterov: (0.03,), AdaGrad: (0.5,), AdaDelta: (0.9, 1e-3)}
    scale, goal = np.array([0.3, 1.0, 5.0]), np.array([1.0, -1.0, 0.5])
    p = Parameter(np.zeros(3))
    optimizer = rule(*rates.get(rule, (0.003,)), **({"weight_decay": 0.0} if rule is AdamW else {})).setup([p])
    for _ in range(3000):
        p.grad = Variable(scale * (p.data - goal))
        optimizer.update()
    np.testing.assert_allclose(p.data, goal, atol=4e-3)
    assert optimizer.step == 3000


def test_adam_tells_its_corrected_rate() -> None:
    optimizer = Adam(alpha=0.5, beta1=0.9, beta2=0.99)
    first = 0.5 * math.sqrt(1 - 0.99) / (1 - 0.9)
    assert optimizer.lr == pytest.approx(first, rel=1e-14)
    trained(optimizer)
    assert optimizer.t == 4
    assert optimizer.lr == pytest.approx(0.5 * math.sqrt(1 - 0.99**4) / (1 - 0.9**4), rel=1e-14)


# --- what is updated -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("names", [(), ("l1/W",), ("l1/b", "l2/W")])
def test_model_layer_and_list_are_the_same(rule: Any, names: tuple[str, ...]) -> None:
    model, layer = Three(), Parts()
    alone = [Parameter(p.data.copy()) for p in model.params()]
    optimizers = [rule().setup(model), rule().setup(layer), rule().setup(alone)]
    for step in range(4):
        model.differentiate(*(names if step % 2 else ()), seed=step)
        for others in (list(layer.params()), alone):
            for p, q in zip(others, model.params(), strict=True):
                p.grad = None if q.grad is None else Variable(q.grad.data.copy())
        for optimizer in optimizers:
            optimizer.update()
    for others in (list(layer.params()), alone):
        np.testing.assert_array_equal(np.concatenate([p.data.ravel() for p in others]), model.theta)


@pytest.mark.parametrize("rule", RULES)
def test_without_a_gradient_parameter_and_memory_stay(rule: Any) -> None:
    model = Three()
    optimizer = rule().setup(model)
    model.differentiate(seed=1)
    optimizer.update()
    before, old = model.theta.copy(), optimizer.state()
    model.differentiate("l1/b", seed=2)
    optimizer.update()
    moved = model.theta != before
    np.testing.assert_array_equal(moved, [False] * 4 + [True] * 2 + [False] * 3)
    for name in rule.memory:
        np.testing.assert_array_equal(optimizer.state()[name][~moved], old[name][~moved])
        assert np.all(optimizer.state()[name][moved] != old[name][moved])


def test_the_vector_is_changed_in_place_and_the_gradients_stay() -> None:
    model = Three(np.float32).differentiate()
    grad, b = model.grad, model.l1.b.data  # type: ignore[attr-defined]
    optimizer = SGD(0.1).setup(model)
    optimizer.add_hook(ClipValue(0.1))
    optimizer.update()
    assert model.theta.dtype == np.float32
    np.testing.assert_array_equal(b, model.theta[4:6])
    assert np.all(b != [5, 6])
    np.testing.assert_array_equal(model.grad, grad)


def test_a_parameter_met_twice_moves_once() -> None:
    p = Parameter(np.array([1.0]))
    p.grad = Variable(np.array([1.0]))
    SGD(0.5).setup([p, p]).update()
    assert p.data == [0.5]


def test_what_is_not_finite_passes_through() -> None:
    """NaN in one number of the gradient stays in that number."""
    result = trained(Adam(), [[1.0, np.nan, 1.0]])
    np.testing.assert_array_equal(np.isnan(result), [False, True, False])


def test_an_optimizer_of_ones_own_by_parameter() -> None:
    class Half(Optimizer):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def update_one(self, param: Any) -> None:
            self.seen.append(param.size)
            param.data -= 0.5 * param.grad.data

    model = Three().differentiate("l1/W", "l2/W")
    before, grad = model.theta.copy(), model.grad
    optimizer = Half().setup(model)
    optimizer.add_hook(ClipValue(0.2))
    optimizer.update()
    assert optimizer.seen == [4, 3]
    np.testing.assert_allclose(model.theta, before - 0.5 * np.clip(grad, -0.2, 0.2), rtol=1e-15)


def test_an_optimizer_of_ones_own_on_the_vector() -> None:
    class Sign(Optimizer):
        lr = Rate()

        @staticmethod
        def rule(theta: Any, grad: Any, state: Any, settings: Any) -> Any:
            return theta - settings["lr"] * F.sign(grad).data, {"step": state["step"] + 1}

    np.testing.assert_allclose(trained(Sign(lr=0.5), GRADS[:1]), [0.5, -1.5, 3.0])


# --- models whose parameters lie in no vector ------------------------------------------------------------------------


class Later(Model):
    """A layer that is used from some time on."""

    def __init__(self) -> None:
        self.first, self.later = Linear(2, dtype=np.float64), Linear(2, dtype=np.float64)
        self.last = Linear(1, dtype=np.float64)
        self.used = False

    def forward(self, x: Any) -> Any:
        h = self.first(x)
        return self.last(self.later(h) if self.used else h)


def learn(optimizer: Any, model: Any, steps: int, seed: int = 0) -> None:
    x = np.random.default_rng(seed).standard_normal((5, 3))
    for _ in range(steps):
        loss = F.mean(model(x) ** 2)
        model.cleargrads()
        loss.backward()
        optimizer.update()


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_that_is_used_later_is_learnt_from_then_on(rule: Any) -> None:
    """As in a model that has its size at once, and no gradient for it at first."""
    model, known = Later(), Later()
    for layer, size in ((known.first, 3), (known.later, 2), (known.last, 2)):
        layer._init_W(size)
    model.first._init_W(3)
    model.last._init_W(2)
    for p, q in zip(model.params(), known.params(), strict=True):
        if p.data is not None:
            q.data = p.data.copy()
    optimizers = [rule().setup(one) for one in (model, known)]
    for optimizer, one in zip(optimizers, (model, known), strict=True):
        learn(optimizer, one, 3)
    assert model.later.W.data is None
    with pytest.raises(ValueError, match="later/W has no data yet: it is known when its layer is first used"):
        _ = model.theta
    model.later.W.data = known.later.W.data.copy()
    for optimizer, one in zip(optimizers, (model, known), strict=True):
        one.used = True
        learn(optimizer, one, 3)
    np.testing.assert_array_equal(model.theta, known.theta)
    states = [optimizer.state() for optimizer in optimizers]
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name])


def test_a_layer_never_used_stops_no_learning_and_a_list_may_wait_too() -> None:
    nets = Later(), Later()
    for target in (nets[0], list(nets[1].params())):
        optimizer = Adam(0.1).setup(target)
        net = nets[0] if target is nets[0] else nets[1]
        learn(optimizer, net, 2)
        before = [p.data.copy() for p in net.params() if p.data is not None]
        net.used = True
        learn(optimizer, net, 2)
        now = [p.data for p in net.params()]
        assert len(before) == 5
        assert len(now) == 6
        assert optimizer.state()["m"].shape == (sum(p.size for p in net.params()),)
        assert np.any(net.first.W.data != before[0])
        assert np.all(optimizer.state()["v"] > 0)


@pytest.mark.parametrize("rule", RULES)
def test_two_models_that_share_a_layer_each_with_its_optimizer(rule: Any) -> None:
    def pair(body: Any) -> list[Any]:
        return [Sequential(body, Linear(n, dtype=np.float64, in_size=4)) for n in (2, 1)]

    found = []
    for as_lists in (False, True):
        nn.seed(3)
        models = pair(Linear(4, dtype=np.float64, in_size=3))
        optimizers = [rule().setup(list(m.params()) if as_lists else m) for m in models]
        for step in range(3):
            for optimizer, model in zip(optimizers, models, strict=True):
                learn(optimizer, model, 1, seed=step)
        found.append([p.data.copy() for m in models for p in m.params()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="taken them over"):
        _ = models[0].theta if not as_lists else run_both(pair(Linear(4, in_size=3))).theta


def run_both(models: list[Any]) -> Any:
    for model in models:
        _ = model.theta
    return models[0]


# --- populations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hooks", [(), (ClipGrad(0.5), WeightDecay(0.1)), (FreezeParam("l1/W"), ClipGrad(0.5))])
def test_a_population_is_updated_as_each_of_its_candidates(rule: Any, hooks: Any) -> None:
    rng = np.random.default_rng(0)
    thetas, grads = rng.standard_normal((4, 9)), rng.standard_normal((3, 4, 9)) * np.array([[0.1], [1], [10], [100]])
    together, alone = thetas.copy(), thetas.copy()
    model = Three()

    def updated(optimizer: Any, rows: Any, gradients: Any) -> None:
        for hook in hooks:
            optimizer.add_hook(hook)
        with model.bound_to(rows):
            for g in gradients:
                for p, part in zip(model.params(), model.layout.unpack(g).values(), strict=True):
                    p.grad = Variable(part.copy())
                optimizer.update()

    updated(rule().setup(model), together, grads)
    for p in range(4):
        updated(rule().setup(model), alone[p], grads[:, p])
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert np.any(together != thetas)


def test_functions_and_update_one_see_a_population() -> None:
    class Half(Optimizer):
        def update_one(self, param: Any) -> None:
            param.data -= 0.5 * param.grad.data

    model = Three()
    rows = np.random.default_rng(0).standard_normal((4, 9))
    before, g = rows.copy(), np.random.default_rng(1).standard_normal((4, 9))
    with model.bound_to(rows):
        for p, part in zip(model.params(), model.layout.unpack(g).values(), strict=True):
            p.grad = Variable(part.copy())
        optimizer = Half().setup(model)
        optimizer.add_hook(ClipGrad(0.1))
        optimizer.add_hook(lambda params: None)
        optimizer.update()
    expected = before - 0.5 * g * 0.1 / (np.linalg.norm(g, axis=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(rows, expected, rtol=1e-12)


def test_a_memory_of_one_vector_and_parameters_as_a_list_are_not_for_a_population() -> None:
    model = Three().differentiate()
    optimizer, listed = Momentum().setup(model), Momentum().setup(list(model.params()))
    optimizer.update()
    with model.bound_to(np.zeros((4, 9))):
        for p in model.params():
            p.grad = Variable(np.ones(p.shape))
        with pytest.raises(ValueError, match=r"the memory v has the shape \(9,\), what is learnt \(4, 9\)"):
            optimizer.update()
        with pytest.raises(RuntimeError, match="bound to a population: give setup the model itself"):
            listed.update()


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_restored_goes_on_to_the_bit(rule: Any, dtype: Any) -> None:
    model = Three(dtype)
    optimizer = rule().setup(model)
    for step in range(3):
        model.differentiate(seed=step)
        optimizer.update()
    state, theta = optimizer.state(), model.theta.copy()
    kept = {name: np.copy(value) for name, value in state.items()}
    again = Three(dtype)
    again.theta[...] = theta
    other = rule()
    other.restore(state)
    other.setup(again)
    for step in range(3, 6):
        for who, one in ((model, optimizer), (again, other)):
            who.differentiate(seed=step)
            one.update()
    assert other.step == optimizer.step == 6
    np.testing.assert_array_equal(again.theta, model.theta)
    for name, value in optimizer.state().items():
        np.testing.assert_array_equal(other.state()[name], value)
        np.testing.assert_array_equal(state[name], kept[name])


def test_a_state_handed_out_or_in_is_a_copy() -> None:
    optimizer = Momentum().setup(Three().differentiate())
    optimizer.update()
    state = optimizer.state()
    other = Momentum()
    other.restore(state)
    state["v"][:] = 0.0
    for one in (optimizer, other):
        assert np.all(one.state()["v"] != 0.0)


def test_state_is_flat() -> None:
    optimizer = Adam().setup(Three())
    assert optimizer.state() == {"step": 0}
    optimizer.target.differentiate()
    optimizer.update()
    state = optimizer.state()
    assert {name: np.shape(value) for name, value in state.items()} == {"step": (), "m": (9,), "v": (9,)}
    np.testing.assert_allclose(state["m"], 0.1 * optimizer.target.grad, rtol=1e-15)


def test_another_target_begins_anew() -> None:
    first, second = Three().differentiate(), Three().differentiate()
    optimizer = Momentum().setup(first)
    optimizer.update()
    optimizer.setup(second).update()
    np.testing.assert_array_equal(first.theta, second.theta)
    assert optimizer.step == 1


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_weight_decay_adds_the_parameters() -> None:
    model = Three().differentiate()
    expected = model.grad + 0.3 * model.theta
    np.testing.assert_allclose(one_step([WeightDecay(0.3)], model), expected, rtol=1e-13)


def test_weight_decay_leaves_what_has_no_gradient() -> None:
    model = Three().differentiate("l2/W")
    decayed = model.grad[6:] + 0.3 * model.theta[6:]
    changed = one_step([WeightDecay(0.3), ClipGrad(0.5)], model)  # of which the norm knows nothing either
    assert np.all(changed[:6] == 0.0)
    np.testing.assert_allclose(changed[6:], decayed * 0.5 / (np.linalg.norm(decayed) + 1e-6), rtol=1e-12)


@pytest.mark.parametrize(
    ("max_norm", "factor"), [(1.0, 1.0 / (13.0 + 1e-6)), (13.0, 13.0 / (13.0 + 1e-6)), (14.0, 1.0)]
)
def test_clipping_by_the_global_norm(max_norm: float, factor: float) -> None:
    model = Three().differentiate()
    for p, g in zip(model.params(), ([[3.0, 0.0], [0.0, 0.0]], [0.0, -4.0], [0.0, 12.0, 0.0]), strict=True):
        p.grad = Variable(np.array(g))
    expected = np.array([3.0, 0, 0, 0, 0, -4.0, 0, 12.0, 0]) * factor
    np.testing.assert_allclose(one_step([ClipGrad(max_norm)], model), expected, rtol=1e-12)


def test_clipping_by_value() -> None:
    model = Three().differentiate()
    np.testing.assert_allclose(one_step([ClipValue(0.25)], model), np.clip(model.grad, -0.25, 0.25), rtol=1e-12)


@pytest.mark.parametrize("hook", [WeightDecay(0.1), ClipGrad(0.1), ClipValue(0.1)])
def test_hooks_keep_float32(hook: Any) -> None:
    grad, settings = np.ones(3, np.float32), hook.settings
    assert hook.rule(grad, grad, settings).dtype == np.float32
    np.testing.assert_allclose(
        hook.rule(Variable(grad), Variable(grad), settings).data, hook.rule(grad, grad, settings)
    )


def test_hooks_run_in_order() -> None:
    model = Three().differentiate()
    grad, theta = model.grad.copy(), model.theta.copy()
    clipped_last = np.clip(grad + theta, -1.0, 1.0)
    np.testing.assert_allclose(one_step([WeightDecay(1.0), ClipValue(1.0)], model), clipped_last, rtol=1e-13)
    model = Three().differentiate()
    decayed_last = np.clip(grad, -1.0, 1.0) + theta
    np.testing.assert_allclose(one_step([ClipValue(1.0), WeightDecay(1.0)], model), decayed_last, rtol=1e-13)


def test_a_function_of_the_parameters_is_a_hook() -> None:
    """In its place among the others, seeing what those before it have made of the gradients."""
    seen = []

    def double(params: Any) -> None:
        seen.append([p.size for p in params])
        for p in params:
            p.grad.data *= 2.0
        params[0].grad = None

    model = Three().differentiate("l1/W", "l2/W")
    grad = model.grad.copy()
    changed = one_step([ClipValue(0.2), double, ClipValue(0.3)], model)
    assert seen == [[4, 3]]
    expected = np.clip(2.0 * np.clip(grad, -0.2, 0.2), -0.3, 0.3) * ([0.0] * 6 + [1.0] * 3)
    np.testing.assert_allclose(changed, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("names", "moved"),
    [(("l1",), "000000111"), (("l1/b",), "111100111"), (("l1/b", "l2"), "111100000"), (("l1", "l2"), "000000000")],
)
def test_freezing_by_name(names: tuple[str, ...], moved: str) -> None:
    model = Three().differentiate()
    changed = one_step([FreezeParam(*names), WeightDecay(0.1)], model)
    assert "".join(str(int(x)) for x in changed != 0.0) == moved


def test_freezing_layers_and_parameters() -> None:
    layer = Parts()
    inner = Layer()
    inner.kept = layer.second  # type: ignore[attr-defined]
    before = [p.data.copy() for p in layer.params()]
    optimizer = SGD(1.0).setup(layer)
    optimizer.add_hook(FreezeParam(inner, layer.third))
    for p in layer.params():
        p.grad = Variable(np.ones(p.shape))
    optimizer.update()
    moved = [bool(np.any(p.data != old)) for p, old in zip(layer.params(), before, strict=True)]
    assert moved == [True, False, False]


def test_what_is_frozen_counts_for_no_norm() -> None:
    model = Three().differentiate()
    rest = model.grad[6:]
    changed = one_step([FreezeParam("l1"), ClipGrad(0.5)], model)
    np.testing.assert_allclose(changed[6:], rest * 0.5 / (np.linalg.norm(rest) + 1e-6), rtol=1e-12)


def test_a_network_learns_and_rests_where_it_is_frozen() -> None:
    """XOR by a perceptron, with and without its first layer."""
    x, t = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0], [1], [1], [0]], np.float32)
    losses = []
    for frozen in ((), ("l0", "l1/b")):
        model = MLP((8, 1), activation=F.tanh, rng=np.random.default_rng(0))
        optimizer = Adam(0.02).setup(model)
        optimizer.add_hook(FreezeParam(*frozen))
        first = model(x).data is not None and model.theta.copy()
        for _ in range(500):
            loss = F.mean_squared_error(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
        moved = model.theta != first
        losses.append(float(loss))
        assert moved[:24].any() == (not frozen)
        assert moved[24:32].all()
        assert moved[32] == (not frozen)
    assert losses[0] < 0.01
    assert losses[1] > losses[0]


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf, np.float64(-1)])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: SGD(x),
        lambda x: SGD(lambda step: x).setup(Three().differentiate()).update(),
        lambda x: Momentum(momentum=x),
        lambda x: Adam(alpha=x),
        lambda x: Adam(beta1=x),
        lambda x: Adam(eps=x),
        lambda x: AdamW(weight_decay=x),
        lambda x: RMSprop(rho=x),
        lambda x: AdaGrad(lr=x),
        lambda x: AdaDelta(rho=x),
        lambda x: WeightDecay(x),
        lambda x: ClipGrad(x),
        lambda x: ClipValue(x),
        lambda x: setattr(Adam(), "beta2", x),
    ],
)
def test_settings_out_of_range(make: Any, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \w+ of \w+.*to be a finite number .*, got"):
        make(wrong)


@pytest.mark.parametrize("make", [lambda: Adam(beta1=1.0), lambda: Momentum(momentum=1), lambda: AdaDelta(rho=2.0)])
def test_fractions_stay_below_one(make: Any) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        make()


@pytest.mark.parametrize("wrong", ["0.1", None, [0.1, 0.2], True])
def test_settings_that_are_no_numbers(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected lr of SGD to be a number"):
        SGD(wrong)


def test_settings_are_numbers_of_python() -> None:
    optimizer = SGD(np.float64(0.5))
    assert type(optimizer.lr) is type(SGD(1).lr) is float
    assert trained(optimizer, GRADS.astype(np.float32), THETA.astype(np.float32)).dtype == np.float32


def test_update_before_setup() -> None:
    with pytest.raises(RuntimeError, match=r"call setup\(model\) before update"):
        SGD().update()


@pytest.mark.parametrize("target", [Three(), MLP((2, 1)), Parts(), [Parameter(np.zeros(2))], [Parameter()]])
def test_update_before_backward(target: Any) -> None:
    with pytest.raises(RuntimeError, match=r"no parameter has a gradient: call backward\(\)"):
        SGD().setup(target).update()


@pytest.mark.parametrize("target", [3, "model", Parameter(np.zeros(2)), [np.zeros(2)], None])
def test_setup_of_what_is_no_target(target: Any) -> None:
    with pytest.raises(TypeError, match="expected a"):
        SGD().setup(target)


def test_a_parameter_without_data_is_left_out() -> None:
    p, waiting = Parameter(np.ones(2)), Parameter()
    p.grad = Variable(np.ones(2))
    SGD(0.5).setup([waiting, p]).update()
    assert p.data.tolist() == [0.5, 0.5]
    assert waiting.data is None


def test_a_function_may_take_all_gradients_away() -> None:
    def none(params: Any) -> None:
        for p in params:
            p.grad = None

    assert np.all(one_step([none], Three().differentiate()) == 0.0)


def test_parameters_that_come_later() -> None:
    layer = Parts()
    optimizer = SGD().setup(layer)
    layer.first.grad = Variable(np.ones((2, 2)))
    optimizer.update()
    layer.fourth = Parameter(np.ones(2))  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="make a new optimizer"):
        optimizer.update()


def test_states_of_another_kind() -> None:
    optimizer = Momentum().setup(Three().differentiate())
    with pytest.raises(ValueError, match=r"Momentum.restore: expected step, v; got step, m"):
        optimizer.restore({"step": 1, "m": np.zeros(9)})
    with pytest.raises(ValueError, match="expected step, v; got nothing"):
        optimizer.restore({})
    with pytest.raises(ValueError, match="no memory goes with the step 3"):
        optimizer.restore({"step": 3})
    optimizer.restore({"step": 3, "v": np.zeros(8)})
    with pytest.raises(ValueError, match=r"the memory v has the shape \(8,\), what is learnt \(9,\)"):
        optimizer.update()


def test_hooks_that_are_none() -> None:
    with pytest.raises(TypeError, match="expected a hook"):
        SGD().add_hook(0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected layers, parameters or names to freeze, got int"):
        FreezeParam(3)
    optimizer = SGD().setup(Three().differentiate())
    optimizer.add_hook(FreezeParam("l"))
    with pytest.raises(ValueError, match="'l' is none of what is learnt here: l1/W, l1/b, l2/W"):
        optimizer.update()


@pytest.mark.parametrize("target", [Sequential(F.relu), Layer(), []])
def test_nothing_to_learn(target: Any) -> None:
    with pytest.raises(RuntimeError, match=r"no parameter to learn: .* attributes of the model, or in lists, tuples"):
        SGD().setup(target).update()


def test_whole_numbers_are_not_learnt() -> None:
    p = Parameter(np.ones(2, int))
    p.grad = Variable(np.ones(2))
    model = Model()
    model.w = p
    for target in ([p], model):
        with pytest.raises(TypeError, match=r"what is learnt are floats, and (w|0) is int64"):
            SGD(0.5).setup(target).update()
    assert p.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SGD(Three()),
            r"expected lr of SGD to be a number or a schedule, got a model.*SGD\(...\).setup\(model\)",
        ),
        (lambda: Adam(Three), "expected alpha of Adam to be a number or a schedule, got the class Three"),
        (lambda: Adam(Three().params()), "expected alpha of Adam to be a number"),
        (lambda: SGD().setup(Three), r"expected a model.*, got the class Three: make one, Three\(...\)"),
        (lambda: SGD().setup({"a": Parameter(np.ones(1))}), "expected a list of parameters, got str in it"),
        (lambda: SGD().setup([Three(), Three()]), "got Three in it: .*one model, or one optimizer for each"),
        (lambda: SGD().restore(None), r"SGD.restore: expected what state\(\) gave, got NoneType"),  # type: ignore[arg-type]
        (lambda: SGD().add_hook(WeightDecay), r"got the class WeightDecay: make one, WeightDecay\(...\)"),  # type: ignore[arg-type]
    ],
)
def test_what_is_given_in_the_wrong_place(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_repr() -> None:
    assert repr(Adam(0.5)) == "Adam(alpha=0.5, beta1=0.9, beta2=0.999, eps=1e-08)"
    assert repr(ClipGrad(1)) == "ClipGrad(max_norm=1.0)"
    assert repr(FreezeParam("l1", "l2/b")) == "FreezeParam('l1', 'l2/b')"
    assert repr(SGD(LinearRate(0.1, 0.0, 10))) == f"SGD(lr={LinearRate(0.1, 0.0, 10)!r})"


@pytest.mark.parametrize("call", [lambda: Optimizer.rule(0, 0, {}, {}), lambda: Hook.rule(0, 0, {})])
def test_what_is_to_be_written(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="needs a rule"):
        call()


def test_a_state_in_another_order_is_the_same_state() -> None:
    """A file has no order: a recorded update goes on as it was, whichever way its memory was written."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    found = []
    for turned in (False, True):
        model = MLP((4, 1), in_size=3, rng=np.random.default_rng(1))
        optimizer = Adam(0.01).setup(model)

        def step(x: Any, t: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            loss = F.mean_squared_error(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        for _ in range(3):
            step(Variable(x), Variable(t))
        state = optimizer.state()
        optimizer.restore(dict(reversed(state.items())) if turned else state)
        capture(step).repeat(3, x, t)
        found.append(model.theta.copy())
    np.testing.assert_array_equal(*found)

"""`Model`: one vector that is always in step with the parameters, whatever is done to either."""

from __future__ import annotations

import copy
import gc
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Parameter, Variable
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.flat import Layout, dense_layout
from cartwheel.nn.models import MLP, Model, Sequential

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def run(model: Any, x: Any = X) -> Any:
    model(x)
    return model


def in_step(model: Model) -> None:
    """Parameters are views into theta, one after the other, in both directions."""
    theta = model.theta
    parts = model.layout.unpack(theta)
    assert list(parts) == [name for name, _ in model.named_params()]
    for (name, p), part in zip(model.named_params(), parts.values(), strict=True):
        assert p.shape == part.shape, name
        assert np.shares_memory(p.data, theta), name
        np.testing.assert_array_equal(p.data, part)


# --- perceptrons, and one layer after the other ----------------------------------------------------------------------


def test_mlp_by_definition() -> None:
    model = run(MLP((3, 2), activation=F.tanh))
    l0, l1 = model.l0, model.l1
    assert model.layers == [l0, l1]
    expected = np.tanh(X @ l0.W.data + l0.b.data) @ l1.W.data + l1.b.data
    np.testing.assert_allclose(model(X).data, expected, rtol=1e-5)
    sigmoid = run(MLP([3, 2]))
    h = 1 / (1 + np.exp(-(X @ sigmoid.l0.W.data)))
    np.testing.assert_allclose(sigmoid(X).data, h @ sigmoid.l1.W.data, rtol=1e-4, atol=1e-6)
    assert MLP(size for size in (3, np.int64(2))).layers[1].out_size == 2


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: MLP(()), ValueError, "at least one layer"),
        (lambda: MLP(10), TypeError, r"MLP: expected the sizes of the layers, as in MLP\(\(10, 1\)\), got 10"),
        (lambda: MLP("10"), TypeError, "expected out_size to be a whole number, got '1'"),
        (lambda: MLP(((3,), 1)), TypeError, r"expected out_size to be a whole number, got \(3,\)"),
        (lambda: MLP((3, 0)), ValueError, "sizes of at least 1, got out_size 0"),
        (lambda: MLP((3, 1), "relu"), TypeError, "MLP: expected a function as activation, as F.relu, got 'relu'"),
        (lambda: MLP((3, 1), L.Dropout), TypeError, "expected a function as activation.* got .*Dropout"),
        (
            lambda: Sequential(L.Linear(1), L.Dropout),
            TypeError,
            r"got the class Dropout at 1: make one, Dropout\(...\)",
        ),
    ],
)
def test_what_models_can_not_be_made_of(make: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_mlp_with_its_input_size_has_a_theta_at_once() -> None:
    model = MLP((3, 2), in_size=4, dtype=np.float64, rng=np.random.default_rng(0))
    assert model.theta.dtype == np.float64
    assert model.layout.shapes == dense_layout((4, 3, 2)).shapes
    np.testing.assert_array_equal(model.theta, MLP((3, 2), F.relu, np.float64, 4, np.random.default_rng(0)).theta)


def test_sequential_takes_layers_and_functions() -> None:
    first = L.Linear(4, in_size=4)
    model = run(Sequential(first, F.relu, first, L.Linear(2)))
    assert model.l2 is first
    assert model.layout.names == ("l0/W", "l0/b", "l3/W", "l3/b")
    expected = model.l3(first(F.relu(first(X))))
    np.testing.assert_array_equal(model(X).data, expected.data)
    with pytest.raises(TypeError, match="expected layers or functions, got int at 1"):
        Sequential(F.relu, 3)


# --- the vector ------------------------------------------------------------------------------------------------------


def test_theta_holds_the_parameters_in_order_of_declaration() -> None:
    model = MLP((3, 2), in_size=4)
    values = [p.data.copy() for p in model.params()]
    np.testing.assert_array_equal(model.theta, np.concatenate([v.ravel() for v in values]))
    assert model.layout == Layout(("l0/W", "l0/b", "l1/W", "l1/b"), ((4, 3), (3,), (3, 2), (2,)))
    in_step(model)


def test_it_settles_at_the_end_of_the_first_call() -> None:
    model = MLP((3, 2))
    with pytest.raises(
        ValueError, match=r"MLP has no theta: l0/W, l1/W has no data yet: .* when its layer is first used"
    ):
        _ = model.theta
    model(X)
    assert [p.bound is not False for p in model.params()] == [True] * 4
    in_step(model)


def test_layers_never_used_do_not_stop_a_call() -> None:
    model = MLP((3,))
    model.spare = L.Linear(2)
    model(X)
    with pytest.raises(ValueError, match="spare/W has no data yet"):
        _ = model.layout
    model.spare(X)
    assert model.layout.names == ("l0/W", "l0/b", "spare/W", "spare/b")


def test_where_types_differ_all_become_the_widest() -> None:
    model = Sequential(L.Linear(3), L.Linear(2, dtype=np.float64))
    loss = (model(X) ** 2).sum()  # a graph from before the parameters were gathered
    assert {p.dtype for p in model.params()} == {model.theta.dtype} == {np.dtype(np.float64)}
    loss.backward()
    assert {p.grad.dtype for p in model.params()} == {np.dtype(np.float64)}


def test_whole_numbers_are_an_error_at_theta_only() -> None:
    model = Model()
    model.w = Parameter(np.ones(3, int))
    with pytest.raises(ValueError, match="w is int64"):
        _ = model.theta


def test_what_is_written_to_theta_is_written_to_the_parameters_and_back() -> None:
    model = run(MLP((3, 2)))
    theta = model.theta
    theta[...] = np.arange(23)
    assert model.l0.W.data.tolist() == np.arange(12).reshape(4, 3).tolist()
    assert model.l1.b.data.tolist() == [21, 22]
    model.theta += 1
    assert model.l1.b.data.tolist() == [22, 23]
    assert model.theta is theta
    model.theta = np.zeros(23)
    assert model.theta is theta
    assert not model.l0.W.data.any()
    model.l0.b.data = np.array([7.0, 8.0, 9.0])
    model.l1.b.data -= 1
    assert theta[12:15].tolist() == [7, 8, 9]
    assert theta[21:].tolist() == [-1, -1]
    in_step(model)
    with pytest.raises(ValueError, match=r"theta: expected an array \(23,\), got \(22,\)"):
        model.theta = np.zeros(22)
    with pytest.raises(ValueError, match=r"^l0/W has the shape"):
        model.l0.W.data = np.zeros((4, 4))


def test_a_step_on_theta_is_a_step_on_each_parameter() -> None:
    model, plain = run(MLP((3, 2))), MLP((3, 2))
    plain(X)
    for p, q in zip(model.params(), plain.params(), strict=True):
        q.data = p.data.copy()
    for _ in range(3):
        for one in (model, plain):
            one.cleargrads()
            (one(X) ** 2).sum().backward()
        model.theta -= 0.01 * model.grad
        for q in plain.params():
            q.data = q.data - np.float32(0.01) * q.grad.data
    for p, q in zip(model.params(), plain.params(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    in_step(model)


def test_grad_and_its_mask() -> None:
    model = run(MLP((3, 2)))
    assert not model.grad.any()
    assert not model.grad_mask.any()
    model.l0.b.grad = Variable(np.array([1.0, 2.0, 3.0], np.float32))
    assert model.grad.tolist() == [0] * 12 + [1, 2, 3] + [0] * 8
    assert model.grad_mask.tolist() == [False] * 12 + [True] * 3 + [False] * 8
    F.sum(model(X)).backward()
    assert model.grad_mask.all()
    assert model.grad_mask.dtype == bool
    assert model.grad.dtype == np.float32
    np.testing.assert_array_equal(model.grad[21:], model.l1.b.grad.data)
    assert not np.shares_memory(model.grad, model.l1.b.grad.data)


@pytest.mark.parametrize(
    ("grad", "kind", "message"),
    [
        (Variable(np.ones((3, 4))), ValueError, r"the gradient of l0/W has the shape \(3, 4\), its data \(4, 3\)"),
        (Variable(np.array(1.0)), ValueError, r"the gradient of l0/W has the shape \(\)"),
        (np.ones((4, 3)), TypeError, "expected the gradient of l0/W to be a Variable, got ndarray"),
    ],
)
def test_gradients_that_do_not_fit(grad: Any, kind: Any, message: str) -> None:
    model = run(MLP((3, 2)))
    F.sum(model(X)).backward()
    model.l0.W.grad = grad
    with pytest.raises(kind, match=message):
        _ = model.grad
    with pytest.raises(kind, match=message):
        nn.optimizers.SGD(0.1).setup(model).update()
    with pytest.raises(kind, match="the gradient of W"):
        nn.optimizers.SGD(0.1).setup(list(model.params())).update()


def test_two_parameters_of_one_name() -> None:
    model = Model()
    model.heads = {1: L.Linear(1, in_size=1), "1": L.Linear(1, in_size=1)}
    with pytest.raises(ValueError, match=r"two parameters are called heads/1/W: .* keys that differ as text"):
        _ = model.theta


def test_a_model_without_parameters() -> None:
    model = Sequential(F.relu)
    model(X)
    for vector in (model.theta, model.grad, model.grad_mask, model.averages):
        assert vector.shape == (0,)
    assert model.layout == Layout((), ())


def test_a_parameter_without_numbers() -> None:
    model = Model()
    model.none, model.some = Parameter(np.zeros((0, 3))), Parameter(np.ones(2))
    assert model.theta.tolist() == [1, 1]
    assert model.grad.shape == model.grad_mask.shape == (2,)
    with model.bound_to(np.zeros((5, 2))):
        assert model.grad.shape == (5, 2)


# --- shared parameters -----------------------------------------------------------------------------------------------


class Tied(Model):
    """An autoencoder with one matrix, whose layer is used twice."""

    def __init__(self) -> None:
        self.down, self.same = L.Linear(3), L.Linear(3, in_size=3)
        self.also, self.list = self.same, [self.same, self.down]

    def forward(self, x: Any) -> Any:
        h = self.same(self.also(self.down(x)))
        return F.matmul(h, self.down.W.T)


def test_shared_parameters_are_stored_once_and_their_gradients_add_up() -> None:
    model = run(Tied())
    assert model.layout.names == ("down/W", "down/b", "same/W", "same/b")
    assert model.theta.shape == (12 + 3 + 9 + 3,)
    in_step(model)
    model.theta = np.random.default_rng(0).standard_normal(27)
    (model(X) ** 2).sum().backward()
    found, theta = model.grad, model.theta.astype(np.float64)
    W, b, V, c = Layout(("W", "b", "V", "c"), model.layout.shapes).unpack(theta).values()

    def loss(W: Any, V: Any) -> Any:
        return ((((X @ W + b) @ V + c) @ V + c) @ W.T) ** 2

    for number, (part, f) in enumerate(((W, lambda d: loss(W + d, V)), (V, lambda d: loss(W, V + d)))):
        d = np.random.default_rng(number).standard_normal(part.shape)
        slope = (f(1e-5 * d) - f(-1e-5 * d)).sum() / 2e-5
        name = ("down/W", "same/W")[number]
        np.testing.assert_allclose((model.layout.unpack(found)[name] * d).sum(), slope, rtol=1e-4)


# --- changes after the first call ------------------------------------------------------------------------------------


def replace_a_parameter(model: Any) -> None:
    model.l0.W = Parameter(np.zeros((4, 3), np.float32))


def add_a_layer(model: Any) -> None:
    model.l2 = L.Linear(3, in_size=2)


def add_to_a_list(model: Any) -> None:
    model.layers.append(L.Linear(3, in_size=2))


def take_one_away(model: Any) -> None:
    model.l0.b = None


def change_the_order(model: Any) -> None:
    model.l0, first = None, model.l0
    model.layers.reverse()
    model.l9 = first


CHANGES = {
    replace_a_parameter: "l0/W was replaced",
    add_a_layer: "l2/W was added, l2/b was added",
    add_to_a_list: "layers/2/W was added",
    take_one_away: "l0/b is gone",
    change_the_order: "is gone",
}


@pytest.mark.parametrize("alter", CHANGES)
@pytest.mark.parametrize("use", [lambda m: m(X), lambda m: m.theta, lambda m: m.bound_to(np.zeros(23)).__enter__()])
def test_changes_afterwards_are_an_error(alter: Any, use: Any) -> None:
    model = run(MLP((3, 2)))
    alter(model)
    with pytest.raises(ValueError, match=f"stay the same after its first call, but .*{CHANGES[alter]}"):
        use(model)


def test_changes_before_are_none() -> None:
    model = MLP((3, 2))
    replace_a_parameter(model)
    model.l0.W.data = np.full((4, 3), 2.0, np.float32)
    model(X)
    assert (model.theta[:12] == 2).all()


def test_a_parameter_put_back_is_as_before() -> None:
    model = run(MLP((3, 2)))
    before = model.l0.W
    replace_a_parameter(model)
    model.l0.W = before
    model(X)
    in_step(model)


# --- models in models ------------------------------------------------------------------------------------------------


class Outer(Model):
    def __init__(self) -> None:
        self.first, self.inner, self.last = L.Linear(4), MLP((3, 4)), L.Linear(1)

    def forward(self, x: Any) -> Any:
        return self.last(self.inner(self.first(x)))


@pytest.mark.parametrize("inner_first", [False, True])
def test_an_inner_model_has_a_part_of_the_outer_vector(inner_first: bool) -> None:
    model = Outer()
    if inner_first:
        values = run(model.inner).theta.copy()
    model(X)
    outer, inner = model.theta, model.inner.theta
    if inner_first:
        np.testing.assert_array_equal(inner, values)
    assert np.shares_memory(inner, outer)
    assert inner.shape == (12 + 3 + 12 + 4,)
    np.testing.assert_array_equal(inner, outer[20:51])
    model.inner.theta -= 1
    model.inner.theta = model.inner.theta * 0 + 5
    assert (outer[20:51] == 5).all()
    assert not (outer[:20] == 5).any()
    assert (model.inner.l0.W.data == 5).all()
    in_step(model)
    in_step(model.inner)
    (model(X) ** 2).sum().backward()
    np.testing.assert_array_equal(model.inner.grad, model.grad[20:51])
    assert model.inner.layout.names == ("l0/W", "l0/b", "l1/W", "l1/b")


def test_the_inner_model_still_runs_alone_and_is_checked_alone() -> None:
    model = run(Outer())
    model.inner(X)
    in_step(model)
    model.inner.l7 = L.Linear(1, in_size=1)
    for use in (lambda: model.inner(X), lambda: model(X), lambda: model.theta):
        with pytest.raises(ValueError, match="l7/W was added"):
            use()


def test_a_part_that_another_model_has_taken_over_is_an_error() -> None:
    body = L.Linear(3)
    actor, critic = Sequential(body, L.Linear(2)), Sequential(L.Linear(4), body, L.Linear(1))
    run(actor)
    before = actor(X).data
    run(critic)
    in_step(critic)
    np.testing.assert_array_equal(actor(X).data, before)  # it still runs
    for use in (lambda: actor.theta, lambda: actor.bound_to(np.zeros(23)).__enter__()):
        with pytest.raises(ValueError, match="another model that holds some of them too has taken them over"):
            use()
    both = Model()
    both.actor, both.critic = actor, critic
    in_step(both)
    assert actor.theta.base is not None
    with pytest.raises(ValueError, match="no contiguous part"):
        _ = critic.theta


def test_a_model_around_all_of_another_shares_its_vector() -> None:
    model, around = run(MLP((3, 2))), Model()
    around.model = model
    assert around.theta is model.theta


# --- copies ----------------------------------------------------------------------------------------------------------


def test_a_deep_copy_has_a_vector_of_its_own() -> None:
    model = run(Outer())
    (model(X) ** 2).sum().backward()
    other = copy.deepcopy(model)
    np.testing.assert_array_equal(other.theta, model.theta)
    np.testing.assert_array_equal(other.grad, model.grad)
    assert not np.shares_memory(other.theta, model.theta)
    in_step(other)
    in_step(other.inner)
    in_step(model)
    other.theta += 1
    assert (other.theta - model.theta > 0.9).all()
    other.inner.l0.W.data = np.zeros((4, 3))
    assert model.inner.l0.W.data.any()
    other.extra = L.Linear(1, in_size=1)
    model(X)


def test_a_deep_copy_before_the_first_call() -> None:
    model = MLP((3, 2))
    other = run(copy.deepcopy(model))
    assert model.l0.W.data is None
    in_step(other)


def test_no_copies_and_files_of_a_population(tmp_path: Any) -> None:
    model = run(MLP((3, 2)))
    model.save_weights(tmp_path / "w")
    with model.bound_to(np.zeros((5, 23), np.float32)):
        for use in (copy.deepcopy, copy.copy, lambda m: copy.deepcopy(m.l0)):
            with pytest.raises(
                RuntimeError, match=r"a copy holds one set of .*W is bound to a population of 5 by bound_to"
            ):
                use(model)
        for use in (model.save_weights, model.load_weights, model.l1.save_weights):
            with pytest.raises(
                RuntimeError, match=r"a file of weights holds one set of parameters, and .*W is bound to"
            ):
                use(tmp_path / "w")
    copy.deepcopy(model).load_weights(tmp_path / "w")
    with model.bound_to(np.ones(23, np.float32)):
        model.save_weights(tmp_path / "w")
    model.load_weights(tmp_path / "w")
    assert (model.theta == 1).all()


def test_a_copy_within_bound_to_is_of_those_numbers_and_not_bound() -> None:
    model = run(MLP((3, 2)))
    vector = np.arange(23, dtype=np.float32)
    with model.bound_to(vector):
        other = copy.deepcopy(model)
    other.theta += 1
    assert vector.tolist() == list(range(23))
    assert other.theta.tolist() == list(range(1, 24))


def test_a_model_sent_to_another_process_has_a_vector_of_its_own() -> None:
    pickle = pytest.importorskip("pickle")
    model = run(MLP((3, 2), activation=F.tanh))
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.theta, model.theta)
    in_step(other)


def test_a_model_is_freed_at_once() -> None:
    """Reference counts do it: no cycle between the vector and its parameters."""
    gc.collect()
    gc.disable()
    try:
        model = run(MLP((3, 2)))
        theta, data = model.theta, []
        data.append(model.l0.W)
        import weakref

        gone = weakref.ref(model), weakref.ref(model.l1.W)
        del model
        assert [one() for one in gone] == [None, None]
        assert np.shares_memory(data[0].data, theta)
    finally:
        gc.enable()


# --- averages --------------------------------------------------------------------------------------------------------


def test_averages_are_a_vector_of_their_own() -> None:
    model = Sequential(L.Linear(3), L.BatchNorm(), L.Linear(2))
    model(X)
    assert model.averages_layout == Layout(("l1/avg_mean", "l1/avg_var"), ((3,), (3,)))
    assert "l1/avg_mean" not in model.layout.names
    vector = model.averages
    before = vector.copy()
    model(X)
    assert model.averages is vector
    assert (vector != before).all()
    np.testing.assert_array_equal(vector[3:], model.l1.avg_var.data)
    model.averages = np.arange(6)
    assert model.l1.avg_var.data.tolist() == [3, 4, 5]
    other = copy.deepcopy(model)
    other(X)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5]


# --- on another vector -----------------------------------------------------------------------------------------------


def test_bound_to_another_vector() -> None:
    model = run(MLP((3, 2)))
    y, theta = model(X), model.theta
    (y**2).sum().backward()
    grad, datas = model.grad, [p.data for p in model.params()]
    vector = np.random.default_rng(1).standard_normal(23)
    with model.bound_to(vector):
        assert model.theta is vector
        assert not model.grad_mask.any()
        within = model(X)
        arrays = model.layout.unpack(vector)
        h = 1 / (1 + np.exp(-(X @ arrays["l0/W"] + arrays["l0/b"])))
        np.testing.assert_allclose(within.data, h @ arrays["l1/W"] + arrays["l1/b"], rtol=1e-6)
        (within**2).sum().backward()
        assert model.grad.dtype == np.float64
        step = 1e-6 * np.cos(np.arange(23.0))
        slope = float(sum(s * (run_at(model, vector + s * step) ** 2).sum() for s in (1, -1))) / 2e-6
        np.testing.assert_allclose(model.grad @ np.cos(np.arange(23.0)), slope, rtol=1e-4)
        model.l1.b.data = np.ones(2)
        assert vector[21:].tolist() == [1, 1]
    assert model.theta is theta
    assert all(p.data is data for p, data in zip(model.params(), datas, strict=True))
    np.testing.assert_array_equal(model.grad, grad)
    np.testing.assert_array_equal(model(X).data, y.data)


def run_at(model: Model, vector: Any) -> Any:
    with model.bound_to(vector), nn.no_grad():
        return model(X).data


@pytest.mark.parametrize("shared", [False, True], ids=["own", "same"])
def test_bound_to_a_population(shared: bool) -> None:
    model = run(MLP((3, 2), activation=F.tanh))
    thetas = np.random.default_rng(1).standard_normal((6, 23)).astype(np.float32)
    x = X if shared else np.random.default_rng(2).standard_normal((6, 5, 4)).astype(np.float32)
    with model.bound_to(thetas):
        assert model.l0.W.shape == (6, 4, 3)
        y = model(x)
        assert y.shape == (6, 5, 2)
        (y**2).sum().backward()
        grads = model.grad
        assert grads.shape == (6, 23)
        assert model.grad_mask.shape == (23,)
    for p in range(6):
        with model.bound_to(thetas[p]):
            one = model(x if shared else x[p])
            (one**2).sum().backward()
            np.testing.assert_allclose(y.data[p], one.data, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(grads[p], model.grad, rtol=1e-4, atol=1e-5)
    model(X)


def test_a_population_of_recurrent_networks_and_of_normalised_layers() -> None:
    rng = np.random.default_rng(1)
    for model in (
        Sequential(L.LSTM(3, dtype=np.float64), L.Linear(2, dtype=np.float64)),
        Sequential(L.GRU(3, layers=2, dtype=np.float64)),
        Sequential(L.RNN(3, dtype=np.float64)),
        Sequential(L.Linear(3, dtype=np.float64), L.LayerNorm(dtype=np.float64)),
    ):
        run(model, rng.standard_normal((5, 4))).reset_state()
        thetas, x = rng.standard_normal((6, model.theta.size)), rng.standard_normal((7, 6, 5, 4))
        with model.bound_to(thetas):
            ys = [model(x[t]).data for t in range(2)]
        for p in range(6):
            model.reset_state()
            with model.bound_to(thetas[p]):
                for t in range(2):
                    np.testing.assert_allclose(ys[t][p], model(x[t, p]).data, rtol=1e-10, atol=1e-12)
        model.reset_state()


@pytest.mark.parametrize("kind", [L.RNN, L.GRU, L.LSTM])
def test_the_memory_of_before_is_back_after_the_block(kind: Any) -> None:
    model, plain = (Sequential(kind(3, layers=2, in_size=4, rng=np.random.default_rng(0))) for _ in range(2))
    for one in (model, plain):
        one(X)
    before = model.l0.h
    vector = model.theta.copy()
    with model.bound_to(np.zeros((6, vector.size), np.float32)):
        model(np.ones((6, 5, 4), np.float32))
    assert model.l0.h is before
    with model.bound_to(vector):
        assert model.l0.h is None  # a fresh memory within
        fresh = model(X).data
    plain_next = plain(X)
    np.testing.assert_array_equal(model(X).data, plain_next.data)
    plain.reset_state()
    np.testing.assert_array_equal(fresh, plain(X).data)
    model.reset_state()
    with model.bound_to(vector):
        model(X)
    assert model.l0.h is None
    assert not model.l0.above[0]._last


@pytest.mark.parametrize("kind", [L.RNN, L.GRU, L.LSTM])
@pytest.mark.parametrize("length", [5, 7])
def test_a_population_normalised_over_time(kind: Any, length: int) -> None:
    """Also where there are as many steps as candidates."""
    rng = np.random.default_rng(1)
    model = Sequential(kind(3, in_size=4, dtype=np.float64), L.LayerNorm(3, dtype=np.float64))
    thetas, x = rng.standard_normal((5, model.theta.size)), rng.standard_normal((length, 5, 2, 4))
    with model.bound_to(thetas):
        ys = model(x)
        (ys**2).sum().backward()
        grads = model.grad
    for p in range(5):
        with model.bound_to(thetas[p]):
            y = model(x[:, p])
            np.testing.assert_allclose(ys.data[:, p], y.data, rtol=1e-10, atol=1e-12)
            (y**2).sum().backward()
            np.testing.assert_allclose(grads[p], model.grad, rtol=1e-9, atol=1e-10)


def test_rows_that_all_candidates_share_can_be_normalised() -> None:
    model = Sequential(L.LayerNorm(4), L.Linear(2, in_size=4))
    thetas = np.random.default_rng(1).standard_normal((5, model.theta.size)).astype(np.float32)
    with model.bound_to(thetas):
        y = model(X).data
    for p in range(5):
        with model.bound_to(thetas[p]):
            np.testing.assert_allclose(y[p], model(X).data, rtol=1e-5, atol=1e-6)


def test_all_is_restored_after_an_error_and_blocks_nest() -> None:
    model = run(MLP((3, 2)))
    theta, y = model.theta, model(X).data
    one, two = np.zeros(23, np.float32), np.ones((3, 23), np.float32)
    with pytest.raises(ValueError, match="linear"), model.bound_to(one), model.bound_to(two):
        model(X[:, :3])
    with model.bound_to(one):
        with model.bound_to(two):
            assert model.theta is two
        assert model.theta is one
    assert model.theta is theta
    np.testing.assert_array_equal(model(X).data, y)
    assert not one.any()


def test_an_inner_model_bound_and_one_inside_a_bound_one() -> None:
    model = run(Outer())
    inner_size, before = model.inner.theta.size, model.theta.copy()
    vector = np.arange(model.theta.size, dtype=np.float32)
    with model.bound_to(vector):
        np.testing.assert_array_equal(model.inner.theta, vector[20:51])
    with model.inner.bound_to(np.zeros(inner_size, np.float32)):
        y = model(X)
        with pytest.raises(
            ValueError, match="theta of this Outer: a part of its parameters is bound to another vector"
        ):
            _ = model.theta
    assert (y.data == y.data[0]).all()
    np.testing.assert_array_equal(model.theta, before)


def test_a_model_does_not_settle_on_a_borrowed_vector() -> None:
    model = Outer()
    model(X)
    fresh = Outer()
    fresh.first, fresh.inner = model.first, run(MLP((4,), in_size=4))
    with model.bound_to(np.zeros(model.theta.size, np.float32)):
        fresh(X)
        with pytest.raises(ValueError, match="bound to another vector"):
            _ = fresh.theta
    fresh(X)
    in_step(fresh)


class NotForPopulations(Model):
    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x)


WRONG = {
    "length": np.zeros(22, np.float32),
    "axes": np.zeros((2, 2, 23), np.float32),
    "no axis": np.float32(3),
    "integers": np.zeros(23, int),
    "a list": [0.0] * 23,
    "a Variable": Variable(np.zeros(23)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_model_can_not_be_bound_to(what: str) -> None:
    model = run(MLP((3, 2)))
    with (
        pytest.raises(ValueError, match=r"bound_to: expected floats \(23,\), or \(P, 23\) for a population"),
        model.bound_to(WRONG[what]),
    ):
        pass
    in_step(model)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (L.BatchNorm(), X),
        (L.EmbedID(3, 2), np.array([0, 1])),
        (L.Conv2d(1, 1), np.ones((1, 1, 2, 2), np.float32)),
        (L.Deconv2d(1, 1), np.ones((1, 1, 2, 2), np.float32)),
    ],
)
def test_layers_that_can_not_bear_a_population_say_so(layer: Any, x: Any) -> None:
    model = run(NotForPopulations(layer), x)
    with pytest.raises(ValueError, match=f"layer is a {type(layer).__name__}, which can't be run for a"):
        model.bound_to(np.zeros((2, model.theta.size), np.float32)).__enter__()
    with model.bound_to(np.zeros(model.theta.size, np.float32)):
        assert not model(x).data.any()


# --- for the eye -----------------------------------------------------------------------------------------------------


def test_summary() -> None:
    model = Model()
    model.heads = {"left": L.Linear(2, in_size=500), "right": [L.Dropout(), L.LSTM(3)]}
    model.scale = Parameter(np.ones(4, np.float32))
    rows = [line.split() for line in model.summary().splitlines()]
    assert rows[0] == ["layer", "kind", "parameters", "numbers"]
    assert rows[2] == ["(itself)", "Model", "scale", "(4,)", "4"]
    assert rows[3] == ["heads/left", "Linear", "W", "(500,", "2),", "b", "(2,)", "1,002"]
    assert rows[4] == ["heads/right/0", "Dropout", "0"]
    assert rows[5] == ["heads/right/1", "LSTM", "Wx", "?,", "Wh", "(3,", "12),", "b", "(12,)", "?"]
    assert rows[7] == ["all", "?"]
    assert len({len(line) for line in model.summary().splitlines()}) == 1


def test_to_cpu_keeps_the_vector_in_step_and_a_part_alone_can_not_move() -> None:
    model = run(MLP((3, 2)))
    (model(X) ** 2).sum().backward()
    model._move(lambda x: x.astype(np.float64))  # as from a GPU: other arrays
    in_step(model)
    assert model.theta.dtype == np.float64
    assert not model.grad_mask.any()
    with pytest.raises(ValueError, match="move the whole model"):
        model.l0.to_cpu()
    with pytest.raises(ValueError, match="outside bound_to"), model.bound_to(np.zeros(23)):
        model.to_cpu()

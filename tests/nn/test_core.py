"""Back-propagation, and functions of one's own: known answers, order, memory, gradients of any order."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Function, Parameter, Variable
from cartwheel.nn import functions as F


def variable(*numbers: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers[0] if len(numbers) == 1 else numbers, dtype))


# --- large graphs, order and memory ----------------------------------------------------------------------------------


def test_a_chain_of_a_hundred_thousand() -> None:
    x = variable(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.00001
    y.backward()
    np.testing.assert_allclose(x.grad.data, 1.00001**100_000, rtol=1e-9)
    y.unchain_backward()


def test_a_chain_is_freed_without_recursion() -> None:
    x = variable(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    seen = weakref.ref(y.creator.inputs[0])
    del y
    assert seen() is None


def test_a_fan_of_ten_thousand() -> None:
    x = variable(0.5, -1.0)
    parts = [x * float(number) for number in range(10_000)]
    while len(parts) > 1:
        parts = [sum(parts[k : k + 100][1:], parts[k]) for k in range(0, len(parts), 100)]
    parts[0].backward()
    np.testing.assert_array_equal(x.grad.data, [49_995_000.0] * 2)


def test_each_function_is_passed_once_and_in_reverse_order_of_creation() -> None:
    passed = []

    class Note(Function):
        def __init__(self, mark: str) -> None:
            self.mark = mark

        def forward(self, x: Any) -> Any:
            return x * 1.0

        def backward(self, g: Any) -> Any:
            passed.append(self.mark)
            return g

    x = variable(2.0)
    first = Note("first")(x)
    second = Note("second")(first)
    third = Note("third")(x)
    (first + second + third + second).backward()
    assert passed == ["third", "second", "first"]
    np.testing.assert_array_equal(x.grad.data, 4.0)


def test_deep_diamonds_take_no_exponential_time() -> None:
    x = variable(1.0)
    y = x
    for _ in range(500):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.data == 1.0


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("create_graph", [False, True])
def test_memory_is_freed_without_the_garbage_collector(create_graph: bool) -> None:
    x = variable(0.5, 0.25)
    y = F.exp(x)
    z = F.sum(y * x)
    z.backward(create_graph=create_graph)
    seen = [weakref.ref(one) for one in (x, y, z, x.grad)]
    if create_graph:  # x keeps its gradient, and the gradient how it was made of x
        x.cleargrad()
    del x, y, z
    assert all(one() is None for one in seen)


@pytest.mark.usefixtures("no_collector")
def test_memory_of_functions_of_ones_own_is_freed_without_the_garbage_collector() -> None:
    x = variable(3.0)
    y = Square()(x)
    seen = [weakref.ref(x), weakref.ref(y), weakref.ref(y.creator)]
    y.backward()
    del x, y
    assert all(one() is None for one in seen)


def resident() -> int:
    """The resident size in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.usefixtures("no_collector")
def test_ten_thousand_steps_leave_the_resident_size_flat() -> None:
    rng = np.random.default_rng(0)
    weights = [Parameter(0.1 * rng.standard_normal(shape)) for shape in ((4, 64), (64,), (64, 2), (2,))]
    x, t = rng.standard_normal((64, 4)), rng.standard_normal((64, 2))

    def step() -> None:
        W1, b1, W2, b2 = weights
        y = F.tanh(x @ W1 + b1) @ W2 + b2
        loss = F.sum((y - t) ** 2) / 64.0
        for one in weights:
            one.cleargrad()
        loss.backward()
        for one in weights:
            one.data = one.data - 0.01 * one.grad.data

    for _ in range(1000):
        step()
    before = resident()
    for _ in range(10_000):
        step()
    assert resident() - before < 2**20


# --- gradients of any order ------------------------------------------------------------------------------------------


def derivatives(y: Variable, x: Variable, order: int) -> list[float]:
    found = []
    for _ in range(order):
        x.cleargrad()
        y.backward(create_graph=True)
        y = x.grad
        found.append(float(y))
    return found


def test_derivatives_of_a_power_to_its_end() -> None:
    x = variable(1.5)
    expected = [5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2, 120 * 1.5, 120.0]
    np.testing.assert_allclose(derivatives(x**5, x, 5), expected, rtol=1e-14)


def test_derivatives_of_tanh_to_the_fifth() -> None:
    x = variable(0.7)
    t = np.tanh(0.7)
    s = 1 - t**2
    expected = [s, -2 * t * s, s * (6 * t**2 - 2), s * (16 * t - 24 * t**3), s * (120 * t**4 - 120 * t**2 + 16)]
    np.testing.assert_allclose(derivatives(F.tanh(x), x, 5), expected, rtol=1e-13)


def test_derivatives_of_sine_go_round() -> None:
    x = variable(0.3)
    expected = [np.cos(0.3), -np.sin(0.3), -np.cos(0.3), np.sin(0.3)] * 2
    np.testing.assert_allclose(derivatives(F.sin(x), x, 8), expected, rtol=1e-13)


def test_newtons_method_as_in_dezeros_book() -> None:
    x = variable(2.0)
    for _ in range(10):
        y = x**4 - 2 * x**2
        x.cleargrad()
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        g.backward()
        x.data = x.data - g.data / x.grad.data
    assert abs(float(x) - 1.0) < 1e-12


def test_a_gradient_in_a_loss() -> None:
    """The book's double backward: z = (dy/dx)^3 + y with y = x^2; z' = 24 x^2 + 2 x."""
    x = variable(2.0)
    y = x**2
    y.backward(create_graph=True)
    g = x.grad
    x.cleargrad()
    (g**3 + y).backward()
    np.testing.assert_allclose(x.grad.data, 100.0, rtol=1e-14)


# --- what backward keeps, adds and begins with -----------------------------------------------------------------------


def test_a_sum_of_products_by_hand() -> None:
    a, b, c = variable(3.0), variable(2.0), variable(1.0)
    (a * b + c).backward()
    assert [float(x.grad) for x in (a, b, c)] == [2.0, 3.0, 1.0]


def test_gradients_between_are_forgotten_unless_asked_for() -> None:
    x = variable(2.0)
    y = x * 3.0
    z = y * y
    z.backward()
    assert (float(x.grad), y.grad, z.grad) == (36.0, None, None)
    x.cleargrad()
    z.backward(retain_grad=True)
    assert (float(x.grad), float(y.grad), float(z.grad)) == (36.0, 12.0, 1.0)


def test_gradients_that_are_kept_share_no_memory() -> None:
    x0, x1 = variable(1.0, 2.0), variable(3.0, 4.0)
    y = x0 + x1
    z = y + x0
    z.backward(retain_grad=True)
    grads = [one.grad.data for one in (x0, x1, y, z)]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(grads) for b in grads[:k])
    np.testing.assert_array_equal(x0.grad.data, [2.0, 2.0])
    np.testing.assert_array_equal(x1.grad.data, [1.0, 1.0])


def test_backward_twice_adds_up() -> None:
    x = variable(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert float(x.grad) == 12.0
    (x * 5.0).backward()
    assert float(x.grad) == 17.0
    x.cleargrad()
    assert x.grad is None


def test_adding_up_leaves_the_earlier_gradient_as_it_was() -> None:
    x = variable(3.0)
    (x * x).backward()
    earlier = x.grad.data
    (x * x).backward()
    assert float(earlier) == 6.0


def test_a_gradient_set_by_the_user_is_what_it_begins_with() -> None:
    x = variable(1.0, 2.0, 3.0)
    y = x * x
    y.grad = variable(1.0, 0.0, -2.0)
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 0.0, -12.0])
    y.grad = variable(1.0, 0.0)
    with pytest.raises(ValueError, match=r"shape \(3,\).*got \(2,\)"):
        y.backward()


def test_the_graph_stays_for_another_backward_and_create_graph_records() -> None:
    x = variable(2.0)
    y = x**3
    y.backward()
    assert x.grad.creator is None
    x.cleargrad()
    y.backward(create_graph=True)
    assert x.grad.creator is not None


def test_unchain_ends_the_gradients_here() -> None:
    x = variable(2.0)
    y = x * x
    z = y * x
    y.unchain()
    z.backward()
    assert float(x.grad) == 4.0  # y is taken for a constant
    assert float(y.grad) == 2.0
    with pytest.raises(RuntimeError, match=r"nothing to go through.*unchain"):
        y.backward()


def test_a_released_graph_says_so() -> None:
    x = variable(2.0)
    y = x * x
    z = y * 3.0
    z.unchain_backward()
    assert y.creator is None
    with pytest.raises(RuntimeError, match="released by unchain_backward"):
        z.backward()
    assert x.grad is None


def test_truncated_back_propagation_goes_no_further_than_the_cut() -> None:
    w = variable(0.5)
    h = variable(1.0)
    for _ in range(3):
        h = h * w
    loss = h * 1.0
    loss.unchain_backward()
    cut = h
    for _ in range(2):
        h = h * w
    h.backward()
    assert float(w.grad) == 2 * 0.5 * 0.125
    assert float(cut.grad) == 0.25


def test_what_has_no_graph_says_so() -> None:
    with pytest.raises(RuntimeError, match="not made by a function"):
        variable(1.0).backward()
    with nn.no_grad():
        y = variable(1.0) * 2.0
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()


def test_gradients_of_integers_are_floats() -> None:
    x = Variable(np.array([1, 2]))
    y = x * x
    assert y.dtype == np.int64
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])
    assert x.grad.dtype == np.float64


def test_integers_beside_floats_get_the_gradient_of_the_promoted_number() -> None:
    x, n = variable(1.5, 2.5), Variable(np.array([2, 3]))
    (x * n).backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 3.0])
    np.testing.assert_array_equal(n.grad.data, [1.5, 2.5])


def test_a_loss_of_several_numbers_that_reaches_a_parameter_is_a_mistake() -> None:
    W = Parameter(np.ones((3, 2)))
    y = np.ones((4, 3)) @ W
    with pytest.raises(ValueError, match=r"\(4, 2\).*mean or sum.*jacobian"):
        y.backward()
    assert W.grad is None
    y.grad = Variable(np.ones((4, 2)))
    y.backward()
    np.testing.assert_array_equal(W.grad.data, np.full((3, 2), 4.0))


def test_several_numbers_without_a_parameter_begin_with_ones_as_dezeros() -> None:
    x = variable(1.0, 2.0)
    (x * x).backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_float32_and_float64_meet() -> None:
    x, w = variable(1.0, 2.0, dtype=np.float32), variable(3.0, 4.0)
    y = x * w
    assert y.dtype == np.float64
    y.backward()
    assert (x.grad.dtype, w.grad.dtype) == (np.float32, np.float64)


# --- gradients without .grad -----------------------------------------------------------------------------------------


def test_grad_of_anything_in_the_graph_leaves_grad_alone() -> None:
    x, other = variable(3.0), variable(1.0)
    y = x * x
    z = y * 2.0
    by_x, by_y, by_z, by_other = nn.grad(z, [x, y, z, other])
    assert [float(g) for g in (by_x, by_y, by_z)] == [12.0, 2.0, 1.0]
    assert by_other is None
    assert [one.grad for one in (x, y, z, other)] == [None] * 4
    by_x.data[...] = 0.0
    assert float(by_y) == 2.0


def test_grad_of_a_gradient_and_from_a_seed() -> None:
    x = variable(1.0, 2.0)
    (g,) = nn.grad(x**3, [x], create_graph=True)
    np.testing.assert_allclose(nn.grad(g, [x], seed=np.array([1.0, 10.0]))[0].data, [6.0, 120.0], rtol=1e-15)


def test_a_jacobian_by_hand() -> None:
    x = np.array([0.5, -1.0, 2.0])
    J = nn.jacobian(lambda x: F.stack([x[0] * x[1], F.exp(x[2])]), x)
    np.testing.assert_allclose(J.data, [[-1.0, 0.5, 0.0], [0.0, 0.0, np.exp(2.0)]], rtol=1e-15)


def test_the_jacobian_of_a_batch_is_one_for_each_row() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    p = F.softmax(x).data
    expected = p[:, :, None] * (np.eye(3) - p[:, None, :])
    np.testing.assert_allclose(nn.jacobian(F.softmax, x, batched=True).data, expected, rtol=1e-13)
    whole = nn.jacobian(F.softmax, x).data
    assert whole.shape == (4, 3, 4, 3)
    np.testing.assert_allclose(whole[np.arange(4), :, np.arange(4)], expected, rtol=1e-13)
    assert np.count_nonzero(whole) == expected.size
    with pytest.raises(ValueError, match=r"row of y for each row of x.*\(\) and \(4, 3\)"):
        nn.jacobian(F.sum, x, batched=True)


# --- functions of one's own ------------------------------------------------------------------------------------------


class Square(Function):
    """As in DeZero's book."""

    def forward(self, x: Any) -> Any:
        return x**2

    def backward(self, gy: Any) -> Any:
        (x,) = self.inputs
        return 2 * x * gy


class Scaled(Function):
    """With arguments, and no call of the constructor of Function."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return x * self.factor

    def backward(self, gy: Any) -> Any:
        return gy * self.factor


class SumAndProduct(Function):
    """Of two inputs and two outputs."""

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 + x1, x0 * x1

    def backward(self, g_sum: Any, g_product: Any) -> Any:
        x0, x1 = self.inputs
        return g_sum + g_product * x1, g_sum + g_product * x0


class Taken(Function):
    """The second input has no gradient."""

    def forward(self, x: Any, index: Any) -> Any:
        return x[index]

    def backward(self, g: Any) -> Any:
        x, index = self.inputs
        out = np.zeros(x.shape)
        np.add.at(out, index.data, g.data)
        return Variable(out), None


def test_a_function_of_ones_own() -> None:
    x = variable(3.0)
    y = Square()(x)
    assert float(y) == 9.0
    assert (type(y.creator), y.creator.inputs[0], y.creator.outputs[0]()) == (Square, x, y)
    np.testing.assert_allclose(derivatives(Square()(x), x, 2), [6.0, 2.0])


def test_a_function_with_arguments() -> None:
    x = variable(3.0, 4.0)
    y = Scaled(2.5)(x)
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2.5, 2.5])


def test_a_function_with_several_outputs_of_which_one_is_used() -> None:
    x0, x1 = variable(3.0), variable(5.0)
    total, product = SumAndProduct()(x0, x1)
    (total * 2.0 + product).backward()
    assert (float(x0.grad), float(x1.grad)) == (7.0, 5.0)
    x0.cleargrad()
    x1.cleargrad()
    _, product = SumAndProduct()(x0, x1)
    product.backward()
    assert (float(x0.grad), float(x1.grad)) == (5.0, 3.0)


def test_one_of_several_outputs_can_be_unchained() -> None:
    x0, x1 = variable(3.0), variable(5.0)
    total, product = SumAndProduct()(x0, x1)
    total.unchain()
    (total * product).backward()
    assert float(total.grad) == 15.0
    assert (float(x0.grad), float(x1.grad)) == (8.0 * 5.0, 8.0 * 3.0)


def test_a_function_with_an_input_that_has_no_gradient() -> None:
    x, index = variable(1.0, 2.0, 3.0), Variable(np.array([2, 2]))
    Taken()(x, index).backward()
    np.testing.assert_array_equal(x.grad.data, [0.0, 0.0, 2.0])
    assert index.grad is None


def test_a_function_takes_arrays_and_numbers() -> None:
    assert float(Square()(np.array(3.0))) == 9.0
    assert float(Square()(3.0)) == 9.0
    assert SumAndProduct()(1.0, variable(2.0))[0].shape == ()


def test_a_backward_that_hands_out_what_it_was_given_shares_no_memory() -> None:
    class Both(Function):
        def forward(self, x0: Any, x1: Any) -> Any:
            return x0 + x1

        def backward(self, g: Any) -> Any:
            return g, g

    x0, x1 = variable(1.0, 2.0), variable(3.0, 4.0)
    Both()(x0, x1).backward()
    assert not np.shares_memory(x0.grad.data, x1.grad.data)


def test_a_backward_with_another_number_of_gradients_is_named() -> None:
    class Wrong(Function):
        def forward(self, x0: Any, x1: Any) -> Any:
            return x0 + x1

        def backward(self, g: Any) -> Any:
            return g

    with pytest.raises(ValueError, match=r"Wrong\.backward: expected 2 gradients, got 1"):
        Wrong()(variable(1.0), variable(2.0)).backward()


def test_a_function_without_forward_or_backward_says_so() -> None:
    class Half(Function):
        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(NotImplementedError, match="Half has no backward"):
        Half()(variable(1.0)).backward()
    with pytest.raises(NotImplementedError, match="Function has no forward"):
        Function()(variable(1.0))


# --- one instance called twice, aliases, wrong shapes ----------------------------------------------------------------


class Remembered(Function):
    """Keeps an array of its forward for its backward, as many do."""

    def forward(self, x: Any) -> Any:
        self.x = x
        return x**2

    def backward(self, g: Any) -> Any:
        return 2.0 * self.x * g


def test_an_instance_called_twice_keeps_both_calls() -> None:
    f = Remembered()
    a, b, c = variable(2.0), variable(3.0), variable(5.0)
    first = f(a)
    with nn.no_grad():
        f(c)
    last = f(b)
    assert last.creator is f
    (first + last).backward()
    assert [float(x.grad) for x in (a, b)] == [4.0, 6.0]
    a.cleargrad()
    f(f(a)).backward()
    assert float(a.grad) == 4 * 2.0**3


def test_a_backward_that_hands_out_one_gradient_twice_shares_no_memory_when_recorded() -> None:
    class Both(Function):
        def forward(self, x0: Any, x1: Any) -> Any:
            return x0 * 2.0 + x1 * 2.0

        def backward(self, g: Any) -> Any:
            h = g * 2.0
            return h, h

    x0, x1 = variable(1.0, 2.0), variable(3.0, 4.0)
    F.sum(Both()(x0, x1) ** 2).backward(create_graph=True)
    assert x0.grad is not x1.grad
    assert not np.shares_memory(x0.grad.data, x1.grad.data)
    (second,) = nn.grad(x0.grad, [x1])
    np.testing.assert_array_equal(second.data, [8.0, 8.0])


def custom(forward: Any, backward: Any = None) -> Function:
    """A function of one's own from two callables."""

    class Custom(Function):
        def forward(self, x: Any) -> Any:
            return forward(x)

        def backward(self, g: Any) -> Any:
            return backward(g)

    return Custom()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("given", [F.sum, lambda g: 2.0, lambda g: g.data[:2], lambda g: F.reshape(g, (3, 1))])
def test_a_gradient_of_another_shape_than_its_input_is_a_mistake(given: Any, create_graph: bool) -> None:
    x = variable(1.0, 2.0, 3.0)
    y = F.sum(custom(lambda x: x * 2.0, given)(x))
    with pytest.raises(ValueError, match=r"Custom\.backward: expected the gradient by input 0 in its shape \(3,\)"):
        y.backward(create_graph=create_graph)


@pytest.mark.parametrize("given", ["text", [1.0, None]])
def test_a_gradient_that_is_no_number_is_a_mistake(given: Any) -> None:
    y = custom(lambda x: x * 2.0, lambda g: (given,))(variable(1.0))
    with pytest.raises(TypeError, match=r"Custom\.backward: expected arrays or Variables as gradients"):
        y.backward()


@pytest.mark.parametrize("given", [None, "text", [np.ones(2)], Variable(1.0), (np.ones(2), None)])
def test_a_forward_that_gives_no_array_is_a_mistake(given: Any) -> None:
    with pytest.raises(TypeError, match=r"Custom\.forward: expected an array, or a tuple of arrays for several"):
        custom(lambda x: given)(variable(1.0))


def test_a_forward_may_give_a_number_and_a_backward_an_array() -> None:
    x = variable(1.0, 2.0)
    y = custom(lambda x: float(x.sum()), lambda g: g.data * np.ones(2))(x)
    y.backward()
    assert float(y) == 3.0
    np.testing.assert_array_equal(x.grad.data, [1.0, 1.0])


# --- gradients set by hand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_set_as_an_array_will_do(create_graph: bool) -> None:
    x = variable(1.0, 2.0)
    y = x * 3.0
    y.grad = np.array([1.0, 2.0])  # type: ignore[assignment]
    x.grad = np.array([10.0, 20.0])  # type: ignore[assignment]
    y.backward(create_graph=create_graph)
    assert isinstance(x.grad, Variable)
    np.testing.assert_array_equal(x.grad.data, [13.0, 26.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_set_in_another_shape_is_not_added_to(create_graph: bool) -> None:
    x = Variable(np.ones((2, 2)), name="x")
    y = x * 3.0
    x.grad = variable(1.0, 2.0)
    with pytest.raises(ValueError, match=r"x of shape \(2, 2\) has a gradient of shape \(2,\)"):
        y.backward(create_graph=create_graph)


# --- what nn.grad takes ----------------------------------------------------------------------------------------------


def test_grad_takes_any_iterable_of_variables() -> None:
    x, z = variable(2.0), variable(3.0)
    assert [float(g) for g in nn.grad(x * z, (one for one in (x, z)))] == [3.0, 2.0]
    assert [float(g) for g in nn.grad(x * z, {"x": x, "z": z}.values())] == [3.0, 2.0]


def test_grad_says_what_it_takes() -> None:
    x = variable(1.0, 2.0)
    y = x**3
    for call, told in (
        (lambda: nn.grad(y, x), r"a list of Variables.*nn\.grad\(y, \[x\]\)"),
        (lambda: nn.grad(y, x.data), r"a list of Variables"),
        (lambda: nn.grad(y, [x.data]), r"a list of Variables.*ndarray among them"),
        (lambda: nn.grad(y, 3), r"a list of Variables.*int"),
        (lambda: nn.grad([y, y], [x]), r"one Variable to differentiate.*list.*add several up"),
        (lambda: nn.grad(3.0, [x]), r"one Variable to differentiate.*float"),
    ):
        with pytest.raises(TypeError, match=told):
            call()


@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_checks_the_shape_of_its_seed(create_graph: bool) -> None:
    x = variable(1.0, 2.0)
    y = x**3
    with pytest.raises(ValueError, match=r"gradient of shape \(2,\) to begin with, got \(2, 2\)"):
        nn.grad(y, [x], create_graph=create_graph, seed=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"gradient of shape \(2,\) to begin with, got \(\)"):
        nn.grad(y, [x], create_graph=create_graph, seed=2.0)
    (g,) = nn.grad(F.sum(y), [x], create_graph=create_graph, seed=2)
    np.testing.assert_array_equal(g.data, [6.0, 24.0])
    (g,) = nn.grad(y, [x], create_graph=create_graph, seed=[1.0, 2.0])
    np.testing.assert_array_equal(g.data, [3.0, 24.0])


# --- what another loss has released ----------------------------------------------------------------------------------


def test_a_loss_whose_whole_past_another_one_released_says_so() -> None:
    w = Parameter(np.ones(3))
    h = w * 2.0
    first, second = F.sum(h), F.sum(h**2)
    first.unchain_backward()
    with pytest.raises(RuntimeError, match=r"released by unchain_backward.*of another"):
        second.backward()
    assert (w.grad, h.grad) == (None, None)
    F.sum(h * 3.0).backward()  # made of h after it was cut: h is where gradients end
    np.testing.assert_array_equal(h.grad.data, [3.0] * 3)


def test_a_loss_with_a_past_of_its_own_ends_at_the_cut() -> None:
    """As a memory of which a step was made before the cut: truncated back-propagation."""
    w, v = Parameter(np.array(2.0)), Parameter(np.array(5.0))
    h = w * 3.0
    step = h * v
    (h * 1.0).unchain_backward()
    step.backward()
    assert (float(v.grad), w.grad) == (6.0, None)


def test_a_sum_of_losses_that_goes_on_after_the_cut() -> None:
    """As in DeZero's programs, which never begin their loss anew."""
    w = Parameter(np.array(2.0))
    loss: Any = 0.0
    for _ in range(3):
        loss = loss + w * w
        w.cleargrad()
        loss.backward()
        loss.unchain_backward()
        assert float(w.grad) == 4.0


# --- joining many ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("join", [F.concat, F.stack])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_gradient_by_many_parts_takes_time_that_grows_with_their_number(join: Any, create_graph: bool) -> None:
    def seconds(count: int) -> float:
        xs = [variable([1.0]) for _ in range(count)]
        y = F.sum(join(xs) ** 2)
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            found = nn.grad(y, xs, create_graph=create_graph)
            best = min(best, time.perf_counter() - start)
        assert all(float(g) == 2.0 for g in found)
        return best

    assert seconds(16_000) < 30 * seconds(2000)  # 8 times if it grows so, 64 if with their square
